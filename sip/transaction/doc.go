// Package transaction runs SIP transactions (RFC 3261 section 17, RFC 6026, RFC 4320): it
// matches requests and responses, retransmits, absorbs retransmissions and owns the timers.
//
// Transactions live in shards. A shard is one goroutine that owns every transaction
// whose Call-ID hashes to it, and a timer wheel; handlers are called on it and must not
// block. Everything about one call therefore happens in one order, without locks.
// The methods of Layer, Server and Client may be called from any goroutine; they
// put their work into the shard's queue and return.
//
// When a connection is lost, responses to what came over it go another way if there is one;
// an INVITE whose sender can't be told any more ends, and whoever handles it stops the phones.
//
// A handler that panics loses its transaction (a server answers 500, a client is
// cancelled); the process and the other transactions go on.
package transaction
