// Package dialog keeps SIP dialogs (RFC 3261 section 12) and the sessions that INVITE makes of
// them (sections 13 to 15, with RFC 3311 UPDATE and RFC 3326 Reason).
//
// A Dialog is plain state: identifiers, sequence numbers, route set and remote target. A
// Session is a user agent's end of a call: it retransmits the 2xx until the ACK comes, cancels or
// hangs up as its state asks, keeps crossed requests apart, and gets rid of forks that
// answer too late. A UA finds the session that a request belongs to.
//
// All of a session happens on the transaction layer's shard of its Call-ID, in one order
// and without locks. Methods may be called from any goroutine: they put their work into
// the shard's queue. Handlers are called on the shard and must not block.
package dialog
