package transaction

import (
	"testing"
	"time"

	"parley/sip"
	"parley/sip/siptest"
)

func TestNonInviteServerAnswers(t *testing.T) { // Timer J
	t.Parallel()
	each(t, func(t *testing.T, network string, reliable bool) {
		w := newWorld(t, network, Config{})
		m := options()
		w.arrive(m)
		w.arrive(m) // absorbed
		w.respond(w.server(), 200)
		w.respond(w.server(), 500) // too late
		if reliable {
			w.sent("0s 200 OPTIONS")
			w.heard("0s OnRequest OPTIONS", "0s Ended OPTIONS: <nil>")
			w.empty()
			return
		}
		w.arrive(m)
		w.advance(31990 * time.Millisecond)
		w.arrive(m)
		w.sent(times("200 OPTIONS", "0s", "0s", "31.99s")...)
		w.advance(time.Second)
		w.heard("0s OnRequest OPTIONS", "32s Ended OPTIONS: <nil>")
		w.empty()
	})
}

func TestNonInviteServerUnanswered(t *testing.T) { // rfc4320#4.1
	t.Parallel()
	each(t, func(t *testing.T, network string, _ bool) {
		w := newWorld(t, network, Config{})
		m := options()
		w.arrive(m)
		w.advance(4 * time.Second)
		w.arrive(m)
		w.sent("3.5s 100 OPTIONS", "4s 100 OPTIONS")
		w.advance(time.Minute)
		w.respond(w.server(), 200) // nobody waits for it any more
		w.sent()
		w.heard("0s OnRequest OPTIONS", "32s Ended OPTIONS: "+ErrTimeout.Error())
		w.empty()
	})
}

func TestNonInviteServerProvisionals(t *testing.T) { // rfc4320#4.1
	t.Parallel()
	each(t, func(t *testing.T, network string, reliable bool) {
		w := newWorld(t, network, Config{})
		w.arrive(options())
		s := w.server()
		w.respond(s, 183)
		w.respond(s, 100)
		if reliable {
			w.sent("0s 100 OPTIONS")
		} else {
			w.sent()
		}
		w.advance(5 * time.Second)
		if reliable {
			w.sent()
		} else {
			w.sent("3.5s 100 OPTIONS")
		}
		w.respond(s, 100)
		w.respond(s, 200)
		w.sent("5s 100 OPTIONS", "5s 200 OPTIONS")
	})
}

func TestNonInviteServerNeverSends408(t *testing.T) { // rfc4320#4.2
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	w.arrive(options())
	w.respond(w.server(), 408)
	w.sent()
	w.heard("0s OnRequest OPTIONS", "0s Ended OPTIONS: <nil>")
	w.empty()
}

func TestNonInviteServerSendFails(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, network string, reliable bool) {
		w := newWorld(t, network, Config{})
		m := options()
		w.arrive(m)
		w.near.Fail(errSocket)
		w.respond(w.server(), 200)
		if reliable {
			w.heard("0s OnRequest OPTIONS", "0s Ended OPTIONS: "+ErrTransport.Error())
			w.empty()
			return
		}
		w.near.Fail(nil)
		w.advance(time.Second)
		w.arrive(m) // the copy gets it
		w.sent("1s 200 OPTIONS")
		w.advance(time.Minute)
		w.heard("0s OnRequest OPTIONS", "32s Ended OPTIONS: <nil>")
		w.empty()
	})
}

func TestOnlyARequestersOwnCopyMatches(t *testing.T) { // rfc3261#17.2.3
	t.Parallel()
	first := options()
	via := func(v string) siptest.Edit { return siptest.With(sip.HeaderVia, v) }
	set := func(h sip.Header, v string) *sip.Message { return rebuilt(first, siptest.With(h, v)) }
	tests := map[string]struct {
		m   *sip.Message
		new bool
	}{
		"a copy":             {first, false},
		"another sent-by":    {rebuilt(first, via("SIP/2.0/UDP 192.0.2.99:5062;branch="+branch(first))), true},
		"another port":       {rebuilt(first, via("SIP/2.0/UDP 192.0.2.77:5063;branch="+branch(first))), true},
		"another branch":     {rebuilt(first, via("SIP/2.0/UDP 192.0.2.77:5062;branch=z9hG4bKx")), true},
		"another rport":      {rebuilt(first, via("SIP/2.0/UDP 192.0.2.77:5062;branch="+branch(first)+";rport=9")), false},
		"another method":     {rebuilt(first, siptest.With(sip.HeaderCSeq, "1 INFO"), toMethod("INFO")), true},
		"another call":       {set(sip.HeaderCallID, "other"), true},
		"another CSeq alone": {set(sip.HeaderCSeq, "2 OPTIONS"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sip.UDP, Config{Shards: 3})
			w.arrive(first)
			w.arrive(tt.m)
			if n := w.layer.Stats().Servers; (n == 2) != tt.new {
				t.Errorf("%d transactions; new: want %v", n, tt.new)
			}
		})
	}
}

func branch(m *sip.Message) string {
	via, _ := m.Via()
	return via.Branch
}

func rebuilt(m *sip.Message, edits ...siptest.Edit) *sip.Message {
	b := m.Edit()
	for _, edit := range edits {
		edit(b)
	}
	out, err := b.Message()
	if err != nil {
		panic(err)
	}
	return out
}

// toMethod writes the request line anew; a Builder has no edit for that.
func toMethod(method string) siptest.Edit {
	return func(b *sip.Builder) {
		m, err := b.Message()
		if err != nil {
			panic(err)
		}
		changed, err := sip.Parse(method + m.Text()[len(m.Method()):])
		if err != nil {
			panic(err)
		}
		*b = *changed.Edit()
	}
}
