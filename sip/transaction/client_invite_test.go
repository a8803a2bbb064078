package transaction

import (
	"errors"
	"slices"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/siptest"
)

func TestInviteClientUnanswered(t *testing.T) { // Timers A and B
	t.Parallel()
	each(t, func(t *testing.T, network string, reliable bool) {
		w := newWorld(t, network, Config{})
		w.request(invite())
		w.advance(40 * time.Second)
		if reliable {
			w.sent("0s INVITE")
		} else {
			w.sent(times("INVITE", "0s", "500ms", "1.5s", "3.5s", "7.5s", "15.5s", "31.5s")...)
		}
		w.heard("32s Ended INVITE: " + ErrTimeout.Error())
		w.empty()
	})
}

func TestInviteClientRingsForLong(t *testing.T) { // no Timer B in Proceeding
	t.Parallel()
	each(t, func(t *testing.T, network string, _ bool) {
		w := newWorld(t, network, Config{})
		c := w.request(invite())
		w.answer(c.Request(), 180)
		w.advance(10 * time.Minute)
		w.answer(c.Request(), 183)
		w.sent("0s INVITE")
		w.heard("0s Response 180 INVITE", "10m0s Response 183 INVITE")
		w.answer(c.Request(), 200)
		w.advance(time.Minute)
		w.heard("10m0s Response 200 INVITE", "10m32s Ended INVITE: <nil>") // Timer M
		w.empty()
	})
}

func TestInviteClientPassesEvery2xx(t *testing.T) { // rfc6026#7.2
	t.Parallel()
	each(t, func(t *testing.T, network string, _ bool) {
		w := newWorld(t, network, Config{})
		c := w.request(invite())
		ok := w.answer(c.Request(), 200)
		w.advance(500 * time.Millisecond)
		w.arrive(ok)
		w.answer(c.Request(), 202) // another fork
		w.answer(c.Request(), 180) // dropped
		w.answer(c.Request(), 486)
		w.advance(31490 * time.Millisecond)
		w.arrive(ok)
		w.sent("0s INVITE")
		w.heard("0s Response 200 INVITE", "500ms Response 200 INVITE",
			"500ms Response 202 INVITE", "31.99s Response 200 INVITE")
		w.advance(10 * time.Millisecond)
		w.arrive(ok)
		w.heard("32s Ended INVITE: <nil>", "32s OnStray 200 INVITE")
		w.empty()
	})
}

func TestInviteClientRejected(t *testing.T) { // Timer D
	t.Parallel()
	for _, status := range []int{300, 404, 486, 503, 603} {
		w := newWorld(t, sip.UDP, Config{})
		c := w.request(invite())
		no := w.answer(c.Request(), status)
		w.advance(3 * time.Second)
		w.arrive(no) // our ACK was lost
		w.sent("0s INVITE", "0s ACK", "3s ACK")
		w.answer(c.Request(), 200) // a fork that came too late
		w.advance(30 * time.Second)
		what := siptest.Summary(no)
		w.heard("0s Response "+what, "3s OnStray 200 INVITE", "32s Ended INVITE: <nil>")
		w.empty()
	}
}

func TestInviteClientRejectedReliably(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	c := w.request(invite())
	w.answer(c.Request(), 486)
	w.sent("0s INVITE", "0s ACK")
	w.heard("0s Response 486 INVITE", "0s Ended INVITE: <nil>")
	w.empty()
}

func TestInviteClientACK(t *testing.T) { // rfc3261#17.1.1.3
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	req := invite(func(b *sip.Builder) {
		b.Add(sip.HeaderRoute, "<sip:one.example;lr>").Add(sip.HeaderRoute, "<sip:two.example;lr>").
			Add(sip.HeaderVia, "SIP/2.0/TCP elsewhere.example;branch=z9hG4bKother").
			Set(sip.HeaderCSeq, "4711 INVITE")
	})
	c := w.request(req)
	resp := w.answer(c.Request(), 486)
	ack := w.near.Log()[1].Message
	if v := ack.Validate(); v != nil {
		t.Fatalf("the ACK is not valid: %v", v)
	}
	if ack.Target() != req.Target() {
		t.Errorf("Request-URI %q, want %q", ack.Target(), req.Target())
	}
	if seq, method := ack.CSeq(); seq != 4711 || method != sip.ACK {
		t.Errorf("CSeq %d %s", seq, method)
	}
	same := map[sip.Header]*sip.Message{
		sip.HeaderFrom: req, sip.HeaderCallID: req, sip.HeaderTo: resp,
	}
	for h, from := range same {
		if ack.Get(h) != from.Get(h) {
			t.Errorf("%v %q, want %q", h, ack.Get(h), from.Get(h))
		}
	}
	wantVia := []string{topVia(req)}
	compare(t, "Via", slices.Collect(ack.Values(sip.HeaderVia)), wantVia)
	compare(t, "Route", slices.Collect(ack.Values(sip.HeaderRoute)), slices.Collect(req.Values(sip.HeaderRoute)))
	if ack.Body() != "" {
		t.Errorf("the ACK has a body: %q", ack.Body())
	}
}

func TestInviteClientRetransmissionIsTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	c := w.request(invite())
	w.advance(time.Second)
	for _, s := range w.near.Log() {
		if s.Message != c.Request() {
			t.Errorf("sent another message:\n%s", s.Message.Text())
		}
	}
	if n := w.layer.Stats().Retransmits; n != 1 {
		t.Errorf("Retransmits %d, want 1", n)
	}
}

var errSocket = errors.New("no route to host")

func TestClientSendFails(t *testing.T) { // rfc3261#17.1.4
	t.Parallel()
	for name, m := range map[string]*sip.Message{"INVITE": invite(), "OPTIONS": options()} {
		w := newWorld(t, sip.UDP, Config{})
		w.near.Fail(errSocket)
		w.request(m)
		w.heard("0s Ended " + name + ": " + ErrTransport.Error())
		w.empty()
	}
}

func TestClientResendFails(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*sip.Message{"INVITE": invite(), "OPTIONS": options()} {
		w := newWorld(t, sip.UDP, Config{})
		w.request(m)
		w.near.Fail(errSocket)
		w.advance(time.Second)
		w.heard("500ms Ended " + name + ": " + ErrTransport.Error())
		w.empty()
	}
}

func TestClientFlowDies(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*sip.Message{"INVITE": invite(), "OPTIONS": options()} {
		for _, ringing := range []bool{false, true} {
			w := newWorld(t, sip.TCP, Config{})
			c := w.request(m)
			if ringing {
				w.answer(c.Request(), 100)
				w.heard("0s Response 100 " + name)
			}
			w.advance(3 * time.Second)
			w.near.Close()
			w.advance(time.Second)
			w.heard("4s Ended " + name + ": " + ErrTransport.Error())
			w.empty()
		}
	}
}

func TestInviteClientACKFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	c := w.request(invite())
	w.near.Fail(errSocket)
	no := w.answer(c.Request(), 486)
	w.near.Fail(nil)
	w.arrive(no) // so the ACK is tried again
	w.sent("0s INVITE", "0s ACK")
	w.advance(time.Minute)
	w.heard("0s Response 486 INVITE", "32s Ended INVITE: <nil>")
	w.empty()
}

func TestClientNeedsAFreshBranch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	m := invite()
	w.request(m)
	w.request(m)
	w.request(invite(siptest.Without(sip.HeaderVia)))
	w.heard("0s Ended INVITE: "+ErrBranch.Error(), "0s Ended INVITE: "+ErrBranch.Error())
	w.sent("0s INVITE")
	w.advance(time.Minute)
	w.heard("32s Ended INVITE: " + ErrTimeout.Error())
	w.empty()
}

func TestResponseOfAnotherCallIsStray(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	c := w.request(invite())
	w.arrive(siptest.Response(c.Request(), 200, siptest.With(sip.HeaderCallID, "other")))
	w.arrive(siptest.Response(c.Request(), 200, siptest.With(sip.HeaderCSeq, "1 BYE")))
	w.heard("0s OnStray 200 INVITE", "0s OnStray 200 BYE")
}

func TestACKIsNoTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	w.request(siptest.Request(sip.ACK, "alice@example.com", "bob@example.com"))
	w.sent("0s ACK")
	w.heard("0s Ended ACK: <nil>")
	w.empty()
}
