// Package siptest has what tests of SIP code need: a clock that the test moves, flows
// without a network that remember what was sent over them, ready-made messages, and peers: user
// agents that follow the test's script.
//
// A test in virtual time, with no socket and no waiting:
//
//	clock := siptest.NewClock()
//	layer := transaction.New(transaction.Config{Clock: clock, OnRequest: serve})
//	alice := siptest.Join(t, clock, "alice@example.com", sip.UDP, layer.Receive)
//
//	invite := alice.Invite("bob@example.com")
//	alice.Expect("180")
//	clock.Advance(3 * time.Second)
//	ok := alice.Expect("200 INVITE")
//	call := alice.Dialog(invite, ok)
//	call.Ack()
//	call.Bye()
//	alice.Expect("200 BYE")
//
// The same script against a running server needs another first line alone:
//
//	alice := siptest.UDP(t, "alice@example.com", "127.0.0.1:5060")
//
// What a test expects and does not get fails it with the whole conversation so far.
package siptest
