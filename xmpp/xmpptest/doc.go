// Package xmpptest has an XMPP client for tests that does what the test says and nothing else: over TCP with
// STARTTLS, over TLS, over WebSocket (RFC 7395), or over a connection in memory.
//
//	alice := xmpptest.TCP(t, "alice@example.org", "127.0.0.1:5222", nil)
//	alice.Login("secret", "phone")
//	alice.Send("<presence/>")
//	alice.Await("<presence from='alice@example.org/phone'/>")
//	alice.Send("<message to='bob@example.org'><body>Hi</body></message>")
//	bob.Expect("<message from='alice@example.org/phone'><body>Hi</body></message>")
//	bob.HearsNothing(100 * time.Millisecond)
//
// Login is Open, StartTLS, SignIn and Bind, each of which can be called by itself; what is said in between
// is a matter of Send and Expect. Enable and Resume are stream management (XEP-0198): its counting and its
// answers are done by the client unless the test wants them.
//
// What a test expects is written as it would be on the wire, as far as it matters: see Expect. What it expects
// and does not get fails it with everything that was on the wire so far. SCRAM is done by a library that has nothing
// to do with ours.
package xmpptest
