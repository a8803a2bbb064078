package interop

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"parley/test/harness"
)

// TestAppsContacts has two people become each other's contacts, see what they do, and part.
func TestAppsContacts(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{alice, dave}, {dave, bob}, {carol, alice}, {bob, carol}} {
		t.Run(strings.Join(pair[:], " and "), func(t *testing.T) {
			t.Parallel()
			s, page := host(t, pair[:]...)
			apps := cast(t, s, page, pair[:]...)
			a, b := apps[pair[0]].(Friend), apps[pair[1]].(Friend)
			matrix(t, fmt.Sprintf("%s and %s become contacts, see each other come, change, go, and part", a.Name(), b.Name()))
			befriend(t, s, pair, a, b)
		})
	}
}

func befriend(t *testing.T, s *harness.Server, pair [2]string, a, b Friend) {
	t.Helper()
	anne, ben := s.Address(pair[0]), s.Address(pair[1])
	a.SignIn(t, over(pair[0], transportOf[pair[0]], "one"))
	b.SignIn(t, over(pair[1], transportOf[pair[1]], "two"))
	a.Ask(t, ben)
	b.AwaitAsked(t, anne)
	b.Agree(t, anne)
	a.AwaitShown(t, ben, "online", "")
	b.Ask(t, anne)
	a.AwaitAsked(t, ben)
	a.Agree(t, ben)
	b.AwaitShown(t, anne, "online", "")
	a.AwaitContact(t, ben, "both")
	b.AwaitContact(t, anne, "both")

	a.Show(t, "away", "at lunch")
	b.AwaitShown(t, anne, "away", "at lunch")
	b.Show(t, "dnd", "thinking")
	a.AwaitShown(t, ben, "dnd", "thinking")

	b.SignOut(t)
	a.AwaitGone(t, ben)
	b.SignIn(t, over(pair[1], transportOf[pair[1]], "two"))
	b.AwaitShown(t, anne, "away", "at lunch")

	b.Remove(t, anne)
	b.AwaitContact(t, anne, "remove")
	a.AwaitGone(t, ben)
	a.AwaitContact(t, ben, "none")
}

// TestAppsRosterVersion has a roster fetched again only when it has changed.
func TestAppsRosterVersion(t *testing.T) {
	t.Parallel()
	matrix(t, "a roster is sent again only when it has changed (slixmpp)")
	s, _ := host(t, alice, bob)
	desk, mobile := NewSlixmpp(t, s, alice), NewSlixmpp(t, s, alice)
	desk.SignIn(t, over(alice, "starttls", "desk"))
	mobile.SignIn(t, over(alice, "starttls", "mobile"))
	desk.do(t, "contact", happening{"jid": s.Address(bob), "name": "Bob"})
	for _, a := range []*Scripted{desk, mobile} {
		a.await(t, happening{"event": "contact", "push": "yes", "jid": s.Address(bob), "name": "Bob"})
	}
	mobile.SignOut(t)
	mobile.do(t, "reconnect", nil)
	if got := mobile.do(t, "roster", nil); got["changed"] != "no" {
		t.Errorf("slixmpp is sent a roster that it has: %v", got)
	}
	mobile.SignOut(t)
	desk.do(t, "contact", happening{"jid": s.Address(bob), "name": "Robert"})
	mobile.do(t, "reconnect", nil)
	mobile.do(t, "roster", nil)
	mobile.await(t, happening{"event": "contact", "jid": s.Address(bob), "name": "Robert"})
}

// TestAppsBlock keeps somebody away.
func TestAppsBlock(t *testing.T) {
	t.Parallel()
	matrix(t, "slixmpp blocks somebody, who can't write or see, and lets them again; profanity shows the list")
	s, _ := host(t, alice, bob)
	a, b := NewSlixmpp(t, s, alice), NewXMPPJS(t, s, bob)
	a.SignIn(t, over(alice, "starttls", "a"))
	b.SignIn(t, over(bob, "starttls", "b"))
	a.do(t, "block", happening{"jid": s.Address(bob)})
	if got := a.do(t, "blocked", nil)["list"]; got != s.Address(bob) {
		t.Errorf("slixmpp is told that %q is blocked", got)
	}
	b.Write(t, s.Address(alice), "Can you read this?")
	if got := b.AwaitError(t, s.Address(alice)); got != "service-unavailable" { // xep0191#comm
		t.Errorf("who is blocked is told %q, want service-unavailable", got)
	}
	a.Write(t, s.Address(bob), "I do not want to.")
	if got := a.AwaitError(t, s.Address(bob)); got != "not-acceptable" {
		t.Errorf("who blocks is told %q, want not-acceptable", got)
	}
	p := NewProfanity(t, s, alice)
	p.SignIn(t, over(alice, "tls", "p"))
	p.types(t, "/blocked")
	p.sees(t, `(?s)Blocked users:.*`+regexp.QuoteMeta(s.Address(bob)))

	a.do(t, "unblock", happening{"jid": s.Address(bob)})
	b.Write(t, s.Address(alice), "And now?")
	a.AwaitText(t, s.Address(bob), "And now?")
	a.never(t, happening{"event": "message", "body": "Can you read this?"})
}
