package transaction

import (
	"slices"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/siptest"
)

func TestCancelWaitsForAProvisional(t *testing.T) { // rfc3261#9.1
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	c := w.request(invite())
	c.Cancel(`SIP;cause=200;text="Call completed elsewhere"`)
	w.advance(600 * time.Millisecond)
	w.sent("0s INVITE", "500ms INVITE")
	w.answer(c.Request(), 100)
	c.Cancel("again")
	w.sent("600ms CANCEL")
	cancel := w.near.Log()[2].Message
	w.answer(cancel, 200)
	w.answer(c.Request(), 487)
	w.sent("600ms ACK")
	w.advance(time.Minute)
	w.heard("600ms Response 100 INVITE", "600ms Response 487 INVITE", "32.6s Ended INVITE: <nil>")
	w.empty()
}

func TestCancelMessage(t *testing.T) { // rfc3261#9.1
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	req := invite(func(b *sip.Builder) {
		b.Add(sip.HeaderRoute, "<sip:one.example;lr>").Add(sip.HeaderRoute, "<sip:two.example;lr>").
			Add(sip.HeaderVia, "SIP/2.0/TCP elsewhere.example;branch=z9hG4bKother").
			Set(sip.HeaderCSeq, "77 INVITE").Set(sip.HeaderRequire, "100rel")
	})
	c := w.request(req)
	w.answer(req, 180)
	c.Cancel("SIP;cause=487")
	w.sent("0s INVITE", "0s CANCEL")
	cancel := w.near.Log()[1].Message
	if v := cancel.Validate(); v != nil {
		t.Fatalf("the CANCEL is not valid: %v", v)
	}
	for _, h := range []sip.Header{sip.HeaderFrom, sip.HeaderTo, sip.HeaderCallID} {
		if cancel.Get(h) != req.Get(h) {
			t.Errorf("%v %q, want %q", h, cancel.Get(h), req.Get(h))
		}
	}
	if cancel.Target() != req.Target() {
		t.Errorf("Request-URI %q, want %q", cancel.Target(), req.Target())
	}
	if seq, method := cancel.CSeq(); seq != 77 || method != sip.CANCEL {
		t.Errorf("CSeq %d %s", seq, method)
	}
	if got := cancel.Get(sip.HeaderReason); got != "SIP;cause=487" {
		t.Errorf("Reason %q", got)
	}
	if cancel.Has(sip.HeaderRequire) || cancel.Body() != "" {
		t.Errorf("the CANCEL has what it must not:\n%s", cancel.Text())
	}
	compare(t, "Via", slices.Collect(cancel.Values(sip.HeaderVia)), []string{topVia(req)})
	compare(t, "Route", slices.Collect(cancel.Values(sip.HeaderRoute)), slices.Collect(req.Values(sip.HeaderRoute)))
}

func TestCancelUnanswered(t *testing.T) { // 64*T1 after the CANCEL it is over
	t.Parallel()
	each(t, func(t *testing.T, network string, reliable bool) {
		w := newWorld(t, network, Config{})
		c := w.request(invite())
		w.answer(c.Request(), 180)
		w.advance(time.Minute)
		c.Cancel("")
		w.advance(31990 * time.Millisecond)
		w.heard("0s Response 180 INVITE")
		w.advance(10 * time.Millisecond)
		w.heard("1m32s Ended INVITE: " + ErrTimeout.Error())
		if reliable {
			w.sent("0s INVITE", "1m0s CANCEL")
		} else {
			w.sent(append([]string{"0s INVITE"}, times("CANCEL", "1m0s", "1m0.5s", "1m1.5s",
				"1m3.5s", "1m7.5s", "1m11.5s", "1m15.5s", "1m19.5s", "1m23.5s", "1m27.5s", "1m31.5s")...)...)
		}
		w.empty()
	})
}

func TestCancelOfSilentPeer(t *testing.T) { // no provisional ever: no CANCEL, Timer B
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	c := w.request(invite())
	c.Cancel("")
	w.advance(time.Minute)
	w.sent("0s INVITE")
	w.heard("32s Ended INVITE: " + ErrTimeout.Error())
	w.empty()
}

func TestCancelLosesTheRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, network string, _ bool) {
		w := newWorld(t, network, Config{})
		c := w.request(invite())
		w.answer(c.Request(), 180)
		c.Cancel("")
		w.sent("0s INVITE", "0s CANCEL")
		cancel := w.near.Log()[1].Message
		w.answer(c.Request(), 200) // they crossed
		w.answer(cancel, 481)
		w.advance(time.Minute)
		w.heard("0s Response 180 INVITE", "0s Response 200 INVITE", "32s Ended INVITE: <nil>")
		w.empty()
	})
}

func TestCancelAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 486} {
		w := newWorld(t, sip.UDP, Config{})
		c := w.request(invite())
		w.answer(c.Request(), status)
		w.sent(map[int][]string{200: {"0s INVITE"}, 486: {"0s INVITE", "0s ACK"}}[status]...)
		c.Cancel("")
		w.advance(time.Minute)
		c.Cancel("")
		w.advance(time.Second)
		w.sent()
		w.empty()
	}
}

// canceller cancels from inside Response, as a proxy does that has its answer elsewhere.
type canceller struct{ clientSide }

func (c canceller) Response(x *Client, resp *sip.Message) {
	c.clientSide.Response(x, resp)
	x.Cancel("")
}

func TestCancelFromTheHandler(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	c := w.layer.Request(w.near, invite(), canceller{clientSide{w}})
	w.answer(c.Request(), 180)
	w.answer(w.near.Log()[1].Message, 200)
	w.answer(c.Request(), 183) // once is enough
	w.sent("0s INVITE", "0s CANCEL")
}

func TestCancelOfAServer(t *testing.T) { // rfc3261#9.2
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	m := invite()
	w.arrive(m)
	s := w.server()
	ringing := w.respond(s, 180)
	cancel := siptest.Cancel(m)
	w.arrive(cancel)
	w.arrive(cancel) // a copy gets the same answer, and is told once
	w.respond(s, 487)
	w.arrive(cancel)
	w.sent("0s 180 INVITE", "0s 200 CANCEL", "0s 200 CANCEL", "0s 487 INVITE", "0s 200 CANCEL")
	if got := w.near.Log()[1].Message.ToTag(); got != ringing.ToTag() {
		t.Errorf("the CANCEL's 200 has To tag %q, the INVITE's 180 %q", got, ringing.ToTag())
	}
	w.heard("0s OnRequest INVITE", "0s Cancelled")
}

func TestCancelBeforeAnyAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	m := invite()
	w.arrive(m)
	w.arrive(siptest.Cancel(m))
	w.arrive(siptest.Cancel(m))
	w.sent("0s 200 CANCEL", "0s 200 CANCEL")
	log := w.near.Log()
	if a, b := log[0].Message.ToTag(), log[1].Message.ToTag(); a == "" || a != b {
		t.Errorf("To tags %q and %q, want one", a, b)
	}
	w.heard("0s OnRequest INVITE", "0s Cancelled")
	w.respond(w.server(), 200) // the user agent may still answer: 200 after CANCEL
	w.sent("0s 200 INVITE")
}

func TestCancelAfterTheFinalResponse(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 404} {
		w := newWorld(t, sip.UDP, Config{})
		m := invite()
		w.arrive(m)
		resp := w.respond(w.server(), status)
		w.arrive(siptest.Cancel(m))
		w.sent("0s "+siptest.Summary(resp), "0s 200 CANCEL")
		w.heard("0s OnRequest INVITE")
	}
}

func TestCancelOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	m := invite()
	w.arrive(siptest.Cancel(m))
	w.arrive(siptest.Cancel(m))
	w.sent("0s 481 CANCEL", "0s 481 CANCEL")
	log := w.near.Log()
	if a, b := log[0].Message.ToTag(), log[1].Message.ToTag(); a == "" || a != b {
		t.Errorf("To tags %q and %q, want one", a, b)
	}
	w.heard()
	w.empty()
}

func TestCancelOfNonInvite(t *testing.T) { // 200, and no effect
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	m := options()
	w.arrive(m)
	w.arrive(siptest.Cancel(m))
	w.sent("0s 200 CANCEL")
	w.respond(w.server(), 200)
	w.sent("0s 200 OPTIONS")
	w.heard("0s OnRequest OPTIONS", "0s Ended OPTIONS: <nil>")
}

func TestHandleLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{OnRequest: func(*Server) {}})
	var s *Server
	w.layer.config.OnRequest = func(x *Server) { s = x }
	m := invite()
	w.arrive(m)
	w.arrive(siptest.Cancel(m))
	w.heard()
	s.Handle(w)
	w.heard("0s Cancelled")
	no := w.respond(s, 487)
	w.arrive(siptest.Ack(m, no))
	w.heard("0s Ended INVITE: <nil>")
	s.Handle(w)
	w.heard() // told once
}

func TestHandleAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	var s *Server
	w.layer.config.OnRequest = func(x *Server) { s = x }
	m := invite()
	w.arrive(m)
	w.arrive(siptest.Cancel(m))
	w.respond(s, 200)
	s.Handle(w)
	w.heard() // the CANCEL came to nothing
	w.advance(time.Minute)
	w.heard("32s Ended INVITE: <nil>")

	w.arrive(options())
	w.respond(s, 200)
	s.Handle(w)
	w.heard("1m0s Ended OPTIONS: <nil>")
}
