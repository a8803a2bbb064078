package interop

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAppsAsk asks the server, and an account, what can be asked.
func TestAppsAsk(t *testing.T) {
	t.Parallel()
	matrix(t, "slixmpp asks for ping, version, time, features, and vCards")
	s, _ := host(t, alice, bob)
	a, b := NewSlixmpp(t, s, alice), NewSlixmpp(t, s, bob)
	a.SignIn(t, over(alice, "starttls", "a"))
	b.SignIn(t, over(bob, "starttls", "b"))
	a.do(t, "ping", happening{"to": s.Domain})
	if got := a.do(t, "version", happening{"of": s.Domain}); got["name"] == "" {
		t.Errorf("the server's software is %v", got)
	}
	utc := a.do(t, "time", happening{"of": s.Domain})["utc"]
	if at, err := time.Parse(time.RFC3339, utc); err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("the server's time is %s: %v", utc, err)
	}
	server := a.do(t, "disco", happening{"of": s.Domain})
	if !strings.Contains(server["identities"], "server/im") {
		t.Errorf("the server is %q, want server/im", server["identities"])
	}
	own := a.do(t, "disco", happening{"of": s.Address(alice)})
	if !strings.Contains(own["identities"], "account/registered") {
		t.Errorf("the account is %q, want account/registered", own["identities"])
	}
	for where, features := range map[string]string{
		server["features"]: "http://jabber.org/protocol/disco#info urn:xmpp:ping jabber:iq:version urn:xmpp:time urn:xmpp:blocking " +
			"urn:xmpp:carbons:2 urn:xmpp:mam:2",
		own["features"]: "urn:xmpp:mam:2",
	} {
		for _, feature := range strings.Fields(features) {
			if !slices.Contains(strings.Fields(where), feature) {
				t.Errorf("%s is not among the features %s", feature, where)
			}
		}
	}
	b.do(t, "vcard", happening{"name": "Robert the Builder"})
	if got := a.do(t, "vcard", happening{"of": s.Address(bob)})["name"]; got != "Robert the Builder" {
		t.Errorf("bob's vCard names %q", got)
	}
}
