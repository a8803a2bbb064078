package sipedge

import (
	"testing"

	"parley/sip"
	"parley/sip/siptest"
)

func TestWhoIsBehindANAT(t *testing.T) {
	t.Parallel()
	flow, _ := siptest.Pipe(siptest.NewClock(), sip.UDP)
	source := flow.Remote().String()
	for _, c := range []struct {
		name, contact, sentBy string
		want                  bool
	}{
		{"a phone in the open", source, source, false},
		{"one that knows only its inner address", "10.1.2.3:5060", "10.1.2.3:5060", true},
		{"one that has learned its outer address", source, "10.1.2.3:5060", true},
		{"a browser: names tell nothing", "df7jal23ls0d.invalid", "df7jal23ls0d.invalid", false},
	} {
		req := siptest.Invite("alice@example.org", "bob@example.org",
			siptest.With(sip.HeaderContact, "<sip:alice@"+c.contact+">"),
			siptest.With(sip.HeaderVia, "SIP/2.0/UDP "+c.sentBy+";branch=z9hG4bK1"))
		in := &inbound{req: req, flow: flow}
		if got := in.nated(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
