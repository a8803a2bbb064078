package b2bua

import (
	"context"
	"errors"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/siptest"
	"parley/sip/transaction"
)

func TestRequestsPassBothWays(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	alice, bob := k.up()
	for _, method := range []sip.Method{sip.INFO, sip.MESSAGE, sip.OPTIONS, sip.UPDATE} {
		alice.Request(method, siptest.WithBody("text/plain", "from alice"), siptest.WithName("X-Tag", "7"),
			siptest.With(sip.HeaderMaxForwards, "20"))
		m := k.bob.Expect(string(method))
		k.has(m, "X-Tag", "7")
		k.has(m, "Max-Forwards", "19")
		if m.Body() != "from alice" {
			t.Errorf("%s has the body %q", method, m.Body())
		}
		k.bob.Respond(m, 202, siptest.WithName("X-Back", "8"), siptest.WithBody("text/plain", "to alice"))
		back := k.alice.Expect("202 " + string(method))
		k.has(back, "X-Back", "8")
		if back.Body() != "to alice" {
			t.Errorf("the answer to %s has the body %q", method, back.Body())
		}
		bob.Request(method)
		k.alice.Respond(k.alice.Expect(string(method)), 415)
		k.bob.Expect("415 " + string(method))
	}
}

func TestRequestsThatDoNotPass(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	alice, bob := k.up()
	for method, status := range map[sip.Method]string{
		sip.REFER: "405", sip.NOTIFY: "405", sip.SUBSCRIBE: "405", sip.PRACK: "481",
	} {
		alice.Request(method, siptest.With(sip.HeaderRAck, "1 1 INVITE"))
		refusal := k.alice.Expect(status)
		if status == "405" { // rfc3261#21.4.6
			k.has(refusal, "Allow", allow)
		}
	}
	for tag, edit := range map[string]siptest.Edit{
		"norefersub": siptest.WithName("Refer-To", "<sip:carol@example.com>"), "100rel": siptest.WithSDP("o"),
	} {
		for _, end := range []struct {
			*siptest.Peer
			dialog *siptest.Dialog
		}{{k.alice, alice}, {k.bob, bob}} {
			end.dialog.Request(sip.UPDATE, siptest.With(sip.HeaderRequire, tag), edit)
			k.has(end.Expect("420"), "Unsupported", tag)
		}
	}
	alice.Request(sip.INFO, siptest.With(sip.HeaderMaxForwards, "0"))
	k.alice.Expect("483")
	k.bob.Silent(0)
}

func TestHold(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	alice, bob := k.up()
	alice.Request(sip.INVITE, siptest.WithSDP("a=sendonly"))
	m := k.bob.Expect("INVITE")
	if m.Body() != "a=sendonly" {
		t.Errorf("body is %q", m.Body())
	}
	k.bob.Respond(m, 180)
	k.bob.Respond(m, 200, siptest.WithSDP("a=recvonly"))
	k.bob.Expect("ACK")
	if got := k.alice.Expect("200"); got.Body() != "a=recvonly" {
		t.Errorf("body is %q", got.Body())
	}
	alice.Ack()
	k.clock.Settle()

	// Back by an INVITE without offer, from the other side.
	bob.Request(sip.INVITE)
	m = k.alice.Expect("INVITE")
	k.alice.Respond(m, 200, siptest.WithSDP("offer"))
	k.alice.Silent(0)
	if got := k.bob.Expect("200"); got.Body() != "offer" {
		t.Errorf("body is %q", got.Body())
	}
	bob.Ack(siptest.WithSDP("answer"))
	if ack := k.alice.Expect("ACK"); ack.Body() != "answer" {
		t.Errorf("body is %q", ack.Body())
	}
}

func TestReinviteRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	alice, _ := k.up()
	invite := alice.Request(sip.INVITE, siptest.WithSDP("o"))
	k.bob.Respond(k.bob.Expect("INVITE"), 488, siptest.With(sip.HeaderWarning, `304 bob "no"`))
	k.bob.Expect("ACK")
	m := k.alice.Expect("488")
	k.has(m, "Warning", `304 bob "no"`)
	k.alice.Ack(invite, m)
	invite = alice.Request(sip.INVITE, siptest.WithSDP("o"))
	k.bob.Respond(k.bob.Expect("INVITE"), 407)
	m = k.alice.Expect("403") // a challenge is for us alone
	k.alice.Ack(invite, m)
	alice.Bye()
	k.bob.Expect("ACK")
	k.bob.Expect("BYE")
}

func TestReinviteCancelled(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	alice, _ := k.up()
	invite := alice.Request(sip.INVITE, siptest.WithSDP("o"))
	in := k.bob.Expect("INVITE")
	k.bob.Respond(in, 180)
	k.alice.Cancel(invite)
	k.alice.Expect("200 CANCEL")
	k.alice.Ack(invite, k.alice.Expect("487"))
	k.bob.Expect("CANCEL")
	k.bob.Respond(in, 200) // too late for it
	k.bob.Expect("ACK")
	// The call goes on, and the next INVITE passes.
	alice.Request(sip.INVITE, siptest.WithSDP("o"))
	k.bob.Expect("INVITE")
}

func TestCrossedReinvites(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	alice, bob := k.up()
	a := alice.Request(sip.INVITE, siptest.WithSDP("a"))
	in := k.bob.Expect("INVITE")
	b := bob.Request(sip.INVITE, siptest.WithSDP("b"))
	k.bob.Ack(b, k.bob.Expect("491")) // rfc3261#14.2
	k.bob.Respond(in, 491)
	k.bob.Expect("ACK")
	k.alice.Ack(a, k.alice.Expect("491"))
	// After a while one of them tries again.
	bob.Request(sip.INVITE, siptest.WithSDP("b"))
	k.alice.Respond(k.alice.Expect("INVITE"), 200)
	k.alice.Expect("ACK")
	k.bob.Expect("200")
}

func TestTooEarly(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	invite := k.alice.Invite("bob@example.com")
	in := k.bob.Expect("INVITE")
	ringing := k.bob.Respond(in, 180)
	d := k.alice.Dialog(invite, k.alice.Expect("180"))
	d.Request(sip.INFO)
	k.has(k.alice.Expect("500"), "Retry-After", "3")
	d.Request(sip.OPTIONS)
	k.alice.Expect("200 OPTIONS")
	k.bob.Dialog(in, ringing).Request(sip.INFO)
	k.bob.Expect("500")
	d.Request(sip.REFER) // it would come too early for ever
	k.has(k.alice.Expect("405"), "Allow", allow)
	d.Request(sip.PRACK, siptest.With(sip.HeaderRAck, "1 1 INVITE"))
	k.alice.Expect("481") // rfc3262#3
	d.Bye()               // a caller may: rfc3261#15
	k.alice.Expect("200 BYE")
	k.alice.Expect("487")
	k.bob.Expect("CANCEL")
}

// A callee that says reliably that it rings, unasked, is heard as if it had said so simply: the caller
// must not be told to send a PRACK that we would not pass on (rfc3262#4).
func TestReliableProvisionalStaysOnItsLeg(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.alice.Invite("bob@example.com", siptest.With(sip.HeaderSupported, "100rel"))
	in := k.bob.Expect("INVITE")
	k.has(in, "Supported", "")
	k.bob.Respond(in, 183, siptest.With(sip.HeaderRequire, "100rel"), siptest.WithName("RSeq", "1"), siptest.WithSDP("early"))
	got := k.alice.Expect("183")
	k.has(got, "Require", "")
	k.has(got, "RSeq", "")
	if got.Body() != "early" {
		t.Errorf("the description is %q", got.Body())
	}
}

func TestOneSideIsLost(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	alice, _ := k.up()
	alice.Request(sip.INFO)
	k.bob.Respond(k.bob.Expect("INFO"), 481)
	k.bob.Expect("BYE")
	k.alice.Expect("481")
	k.has(k.alice.Expect("BYE"), "Reason", `SIP;cause=408;text="The other side is gone"`)
	if e := k.down(Callee, 0); !errors.Is(e.Err, dialog.ErrGone) {
		t.Errorf("ended by %v", e.Err)
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{Audit: time.Minute})
	k.up()
	k.clock.Advance(61 * time.Second)
	k.alice.Respond(k.alice.Expect("OPTIONS"), 501) // any answer is a sign of life
	k.bob.Respond(k.bob.Expect("OPTIONS"), 200)
	k.clock.Advance(61 * time.Second)
	k.alice.Expect("OPTIONS")
	k.bob.Respond(k.bob.Expect("OPTIONS"), 200)
	k.clock.Advance(33 * time.Second) // alice has no power any more
	k.bob.Expect("BYE")
	k.down(Caller, 0)
}

func TestLongestCall(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxDuration: time.Minute})
	k.up()
	k.clock.Advance(61 * time.Second)
	k.alice.Respond(k.alice.Expect("BYE"), 200)
	k.bob.Respond(k.bob.Expect("BYE"), 200)
	k.down(Server, 0)
}

func TestConnectionIsGone(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.up()
	k.bob.Flow().Close()
	settleCall(k)
	k.clock.Advance(29 * time.Second)
	k.alice.Silent(0)
	k.clock.Advance(2 * time.Second)
	k.has(k.alice.Expect("BYE"), "Reason", `SIP;cause=503;text="The other side's connection is gone"`)
	k.down(Callee, 0)
}

// settleCall waits until the call's goroutine has noticed what no clock tells of.
func settleCall(k *kit) {
	k.Helper()
	seen := make(chan bool, 1)
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		k.call.post(func() { seen <- k.call.winner.watch == nil })
		if <-seen {
			return
		}
		if time.Now().After(deadline) {
			k.Fatal("the call does not notice that a connection is gone")
		}
	}
}

// A caller who can't be told any more has nobody ring for him.
func TestCallersConnectionIsGoneWhileItRings(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.both()
	web := siptest.Join(t, k.clock, "web@example.com", sip.WSS, k.layer.Receive)
	web.Invite("bob@example.com")
	bob := k.bob.Expect("INVITE")
	k.bob.Respond(bob, 180)
	carol := k.carol.Expect("INVITE")
	k.carol.Respond(carol, 180)
	web.Expect("180")
	web.Flow().Close()
	k.clock.Advance(3 * time.Second)
	for p, in := range map[*siptest.Peer]*sip.Message{k.bob: bob, k.carol: carol} {
		cancel := p.Expect("CANCEL")
		k.has(cancel, "Reason", `SIP;cause=503;text="The other side's connection is gone"`)
		p.Respond(cancel, 200)
		p.Respond(in, 487)
		p.Expect("ACK")
	}
	if e := k.down(Caller, 480); !errors.Is(e.Err, transaction.ErrTransport) {
		t.Errorf("ended by %v", e.Err)
	}
}

// A caller that can be connected to gets the answer over a new connection, and the call goes on.
func TestCallerIsReachedAnotherWay(t *testing.T) {
	t.Parallel()
	var back *siptest.Peer
	k := newKitWith(t, Config{}, func(_ sip.Flow, _ *sip.Message, found func(sip.Flow)) { found(back.Flow()) })
	gone := siptest.Join(t, k.clock, "pbx@example.com", sip.TCP, k.layer.Receive)
	back = siptest.Join(t, k.clock, "pbx@example.com", sip.TCP, k.layer.Receive)
	invite := gone.Invite("bob@example.com")
	in := k.bob.Expect("INVITE")
	k.bob.Respond(in, 180)
	gone.Expect("180")
	gone.Flow().Close()
	k.clock.Advance(3 * time.Second)
	back.Expect("180")
	ok := k.bob.Respond(in, 200)
	k.bob.Expect("ACK")
	back.SendMessage(gone.Dialog(invite, back.Expect("200")).Make(sip.ACK))
	k.clock.Advance(time.Minute) // longer than a lost peer is waited for
	k.bob.Silent(0)
	k.bob.Dialog(in, ok).Bye()
	back.Respond(back.Expect("BYE"), 200)
	k.bob.Expect("200")
	k.down(Callee, 0)
}

func TestConnectionComesBack(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	_, bob := k.up()
	k.bob.Flow().Close()
	settleCall(k)
	// The same device on a new connection: it re-INVITEs from there.
	back := siptest.Join(t, k.clock, "bob@example.com", sip.TCP, k.layer.Receive)
	back.SendMessage(bob.Make(sip.INVITE, siptest.WithSDP("o"), siptest.With(sip.HeaderContact, back.Contact())))
	k.alice.Respond(k.alice.Expect("INVITE"), 200)
	k.alice.Expect("ACK")
	back.Expect("200")
	back.SendMessage(bob.Make(sip.ACK))
	k.clock.Advance(time.Minute)
	k.alice.Silent(0)
	k.call.End("")
	back.Respond(back.Expect("BYE"), 200)
	k.alice.Respond(k.alice.Expect("BYE"), 200)
}

func TestEndFromOutside(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.up()
	k.call.End(`SIP;cause=402;text="No credit"`)
	k.call.End("again")
	for _, p := range []*siptest.Peer{k.alice, k.bob} {
		bye := p.Expect("BYE")
		k.has(bye, "Reason", `SIP;cause=402;text="No credit"`)
		p.Respond(bye, 200)
	}
	k.down(Server, 0)
	k.call.End("too late")
}

func TestEndWhileRinging(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.alice.Invite("bob@example.com")
	k.bob.Respond(k.bob.Expect("INVITE"), 180)
	k.alice.Expect("180")
	k.call.End("x;cause=1")
	k.alice.Expect("480")
	k.bob.Expect("CANCEL")
}

func TestClose(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.up()
	done := make(chan error, 1)
	go func() { done <- k.b2b.Close(context.Background(), "stopping") }()
	select {
	case err := <-done: // a hung-up call is over with its BYE
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Close does not return")
	}
	k.alice.Expect("BYE")
	k.bob.Expect("BYE")
	k.alice.Invite("bob@example.com")
	k.alice.Expect("503")
}

func TestFlood(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	a := &slow{gate: make(chan struct{})}
	k.inv.Media = a
	alice, _ := k.up()
	a.block = true
	k.bob.Ignore("INFO", "INVITE", "ACK", "BYE", "CANCEL")
	alice.Request(sip.INVITE, siptest.WithSDP("o")) // the call's goroutine waits in its anchor
	// A session lets no more than 8 requests wait, so the queue can't fill by them alone; progress
	// and the like are dropped by the same rule.
	for range 20 {
		k.alice.SendMessage(alice.Make(sip.INFO))
	}
	refused := 0
	for deadline := time.Now().Add(5 * time.Second); refused < 12; time.Sleep(time.Millisecond) {
		refused = 0
		for _, s := range k.alice.Flow().Log() {
			if s.Message.Status() == 500 {
				refused++
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of 20 were refused", refused)
		}
	}
	close(a.gate)
	k.clock.Settle()
}

// slow is an anchor that blocks.
type slow struct {
	anchor
	block bool
	gate  chan struct{}
}

func (s *slow) Offer(ctx context.Context, from, to int, body string) (string, error) {
	if s.block {
		<-s.gate
	}
	return s.anchor.Offer(ctx, from, to, body)
}

func TestQueueHasABound(t *testing.T) {
	t.Parallel()
	q := newQueue()
	for range room {
		if q.full() {
			t.Fatal("full too early")
		}
		q.put(func() {})
	}
	if !q.full() {
		t.Error("not full")
	}
	if n := q.close(); n != room {
		t.Errorf("%d were left", n)
	}
	if q.put(func() {}) {
		t.Error("took more after close")
	}
}

func TestPanicEndsTheCallAlone(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.inv.Edit = func(*sip.Builder, *Target) { panic("a mistake") }
	k.alice.Invite("bob@example.com")
	k.alice.Expect("500")
	k.inv.Edit = nil
	k.alice.Invite("bob@example.com")
	k.bob.Expect("INVITE")
}

// TestNoLeakOfManyCalls makes and drops many calls.
func TestNoLeakOfManyCalls(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	for range siptest.Soak(100, 3000) {
		alice, _ := k.up()
		alice.Bye()
		k.alice.Expect("200 BYE")
		k.bob.Respond(k.bob.Expect("BYE"), 200)
	}
	k.clock.Advance(70 * time.Second)
	if n := k.b2b.Count() + k.b2b.ua.Len(); n != 0 {
		t.Errorf("%d calls and sessions are left", n)
	}
	if st := k.layer.Stats(); st.Clients+st.Servers != 0 {
		t.Errorf("%+v", st)
	}
}
