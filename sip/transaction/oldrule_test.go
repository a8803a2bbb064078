package transaction

import (
	"testing"

	"parley/sip"
	"parley/sip/siptest"
)

// old makes a request as RFC 2543 has it: the branch has no cookie, or there is none.
func old(m *sip.Message, params string) *sip.Message {
	return rebuilt(m, siptest.With(sip.HeaderVia, "SIP/2.0/UDP 192.0.2.77:5062"+params))
}

func TestOldRule(t *testing.T) { // rfc3261#17.2.3, without the magic cookie
	t.Parallel()
	first := old(invite(), ";branch=1")
	set := func(h sip.Header, v string) *sip.Message { return rebuilt(first, siptest.With(h, v)) }
	tests := map[string]struct {
		m   *sip.Message
		new bool
	}{
		"a copy":              {first, false},
		"received and rport":  {old(first, ";branch=1;received=192.0.2.1;rport=7"), false},
		"another branch":      {old(first, ";branch=2"), true},
		"no branch":           {old(first, ""), true},
		"another CSeq":        {set(sip.HeaderCSeq, "2 INVITE"), true},
		"another From tag":    {set(sip.HeaderFrom, "<sip:alice@example.com>;tag=other"), true},
		"another To tag":      {set(sip.HeaderTo, "<sip:bob@example.com>;tag=other"), true},
		"another Request-URI": {rebuilt(first, siptest.WithTarget("sip:carol@example.com")), true},
		"another Call-ID":     {set(sip.HeaderCallID, "other"), true},
		"another header":      {set(sip.HeaderSubject, "hurry"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sip.UDP, Config{})
			w.arrive(first)
			w.arrive(tt.m)
			if n := w.layer.Stats().Servers; (n == 2) != tt.new {
				t.Errorf("%d transactions; new: want %v", n, tt.new)
			}
		})
	}
}

func TestOldRuleACK(t *testing.T) {
	t.Parallel()
	for name, reinvite := range map[string]bool{"INVITE": false, "re-INVITE": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sip.TCP, Config{})
			m := old(invite(), "")
			if reinvite {
				m = rebuilt(m, siptest.With(sip.HeaderTo, "<sip:bob@example.com>;tag=bob"))
			}
			w.arrive(m)
			no := w.respond(w.server(), 486)
			stranger := rebuilt(siptest.Ack(m, no), siptest.With(sip.HeaderTo, "<sip:bob@example.com>;tag=not"))
			w.arrive(stranger)
			w.heard("0s OnRequest INVITE", "0s OnACK")
			w.arrive(siptest.Ack(m, no))
			w.heard("0s Ended INVITE: <nil>")
			w.empty()
		})
	}
}

func TestOldRuleACKOf2xx(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	m := old(invite(), "")
	w.arrive(m)
	ok := w.respond(w.server(), 200)
	w.arrive(old(siptest.Ack(m, ok), ""))
	w.heard("0s OnRequest INVITE", "0s OnACK")
}

func TestOldRuleCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	m := old(invite(), ";branch=1")
	w.arrive(m)
	w.arrive(siptest.Cancel(m))
	w.arrive(rebuilt(siptest.Cancel(m), siptest.With(sip.HeaderCSeq, "2 CANCEL")))
	w.sent("0s 200 CANCEL", "0s 481 CANCEL")
	w.heard("0s OnRequest INVITE", "0s Cancelled")
}
