package sipedge

import (
	"fmt"
	"strings"
	"testing"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/digest"
	"parley/sip/siptest"
)

func TestTheURIOfADigest(t *testing.T) {
	t.Parallel()
	e := New(Config{Domains: []string{"example.org", "example.net"}, Key: make([]byte, 32)}, Ports{})
	t.Cleanup(e.Close)
	near, _ := siptest.Pipe(nil, sip.UDP)
	self := near.Advertised() // host:port of ours
	host, _, _ := strings.Cut(self, ":")
	for _, x := range []struct {
		uri, target string
		want        bool
	}{
		{"sip:example.org", "sip:example.org", true},
		{"sip:bob@example.org", "sip:bob@example.org", true},
		{"sip:bob@EXAMPLE.org;transport=tcp", "sip:bob@example.org", true},
		{"sip:bob@example.org:5060", "sip:bob@example.org", true},
		{"sip:%62ob@example.org", "sip:bob@example.org;user=phone", true},
		{"bob@example.org", "sip:bob@example.org", true},          // without the scheme
		{"sip:" + self, "sip:bob@example.org", true},              // SIPp
		{"sip:" + self, "sip:bob@example.net", true},              // SIPp
		{"sip:" + self, "sip:example.org", true},                  // SIPp registers
		{"sip:example.org", "sip:bob@example.org", true},          // the server alone
		{"sip:bob@example.org", "sip:bob@" + host, true},          // by address
		{"sip:bob@" + host + ":5062", "sip:bob@" + host, true},    //
		{"sip:example.org.", "sip:" + self + ";lr", true},         //
		{"tel:+1-201-555-0123", "tel:+12015550123", true},         //
		{"sip:carol@example.org", "sip:bob@example.org", false},   // another callee
		{"sip:bob@example.net", "sip:bob@example.org", false},     // of another of our domains
		{"sip:BOB@example.org", "sip:bob@example.org", false},     // rfc3261#19.1.4
		{"sip:elsewhere.example", "sip:bob@example.org", false},   // another server
		{"sip:elsewhere.example", "sip:example.org", false},       //
		{"sip:bob@example.org", "sip:example.org", false},         //
		{"tel:+12015550123", "sip:bob@example.org", false},        //
		{"tel:+12015550123", "tel:+12015550124", false},           //
		{"", "sip:bob@example.org", false},                        //
		{"sip:@@@", "sip:bob@example.org", false},                 //
		{"sip:bob@example.org", "urn:service:sos", false},         //
		{"urn:service:sos.fire", "urn:service:sos.police", false}, //
	} {
		if got := e.sameResource(x.uri, x.target, near); got != x.want {
			t.Errorf("a digest for %q and a request for %q: accepted %v, want %v", x.uri, x.target, got, x.want)
		}
	}
}

// An overheard digest opens nothing: not for the same call again, not for another callee.
func TestDigestsAreGoodOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.phone("alice"), w.phone("bob")
	invite := w.invite(alice, "bob@example.org")
	bob.Respond(bob.Expect("INVITE"), 486)
	bob.Expect("ACK")
	alice.Ack(invite, alice.Expect("486"))

	mallory := siptest.UDP(t, "alice@example.org", w.addr)
	overheard := siptest.With(sip.HeaderProxyAuthorization, invite.Get(sip.HeaderProxyAuthorization))
	again := mallory.Invite("bob@example.org", overheard)
	refused := mallory.Expect("407")
	mallory.Ack(again, refused)
	if got := refused.Get(sip.HeaderProxyAuthenticate); !strings.Contains(got, "stale=true") {
		t.Errorf("a digest that is played again is answered %q, want a new nonce with stale=true", got)
	}
	other := mallory.Invite("carol@example.org", overheard)
	mallory.Ack(other, mallory.Expect("400"))

	// The owner goes on counting, with the same nonce.
	c, err := digest.ParseCredentials(invite.Get(sip.HeaderProxyAuthorization))
	if err != nil {
		t.Fatal(err)
	}
	c.NC = fmt.Sprintf("%08x", 2)
	ha1, err := w.HA1(t.Context(), core.Address{Local: "alice", Domain: "example.org"}, core.MD5, false)
	if err != nil {
		t.Fatal(err)
	}
	if c.Proof, err = c.Response(ha1, "INVITE"); err != nil {
		t.Fatal(err)
	}
	next := alice.Invite("bob@example.org", siptest.With(sip.HeaderProxyAuthorization, c.String()))
	bob.Respond(bob.Expect("INVITE"), 486)
	alice.Ack(next, alice.Expect("486"))
}
