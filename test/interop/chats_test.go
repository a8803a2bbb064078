package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAppsChat has each kind of app write to each other kind.
func TestAppsChat(t *testing.T) {
	t.Parallel()
	s, page := host(t, everybody...)
	apps := cast(t, s, page, everybody...)
	for _, name := range everybody {
		apps[name].SignIn(t, over(name, transportOf[name], ""))
	}
	for _, from := range everybody {
		for _, to := range everybody {
			if from == to {
				continue
			}
			a, b := apps[from], apps[to]
			t.Run(a.Name()+" to "+b.Name(), func(t *testing.T) {
				matrix(t, fmt.Sprintf("%s writes to %s: bare and full address", a.Name(), b.Name()))
				for what, address := range map[string]string{"bare": s.Address(to), "full": b.JID()} {
					text := fmt.Sprintf(`%s for %s, %s: Grüße, 5 < 6 & "so" it's`, from, to, what)
					a.Write(t, address, text)
					b.AwaitText(t, s.Address(from), text)
				}
			})
		}
	}
}

// TestAppsOffline writes to those who are not there. They read it when they come.
func TestAppsOffline(t *testing.T) {
	t.Parallel()
	s, page := host(t, append(everybody, "frank")...)
	apps := cast(t, s, page, everybody...)
	frank := NewSlixmpp(t, s, "frank")
	frank.SignIn(t, over("frank", "starttls", ""))
	for _, name := range everybody {
		frank.Write(t, s.Address(name), "first for "+name)
		frank.Write(t, s.Address(name), "second for "+name)
	}
	frank.Synced(t)
	wrote := time.Now()
	for _, name := range everybody {
		app := apps[name]
		t.Run(app.Name(), func(t *testing.T) {
			matrix(t, fmt.Sprintf("what was written while %s was away is read later", app.Name()))
			app.SignIn(t, over(name, transportOf[name], ""))
			for _, text := range []string{"first for " + name, "second for " + name} {
				scripted, ok := app.(*Scripted)
				if !ok {
					app.AwaitText(t, s.Address("frank"), text)
					continue
				}
				stamp := scripted.awaitMessage(t, s.Address("frank"), text)["delay"]
				at, err := time.Parse(time.RFC3339, stamp)
				if err != nil || at.After(wrote.Add(time.Second)) || at.Before(wrote.Add(-time.Minute)) {
					t.Errorf("%s is told that it was written at %q, want before %v", app.Name(), stamp, wrote.UTC())
				}
			}
		})
	}
}

// TestAppsToNobody writes to an account that nobody has.
func TestAppsToNobody(t *testing.T) {
	t.Parallel()
	matrix(t, "a message to nobody comes back: slixmpp, @xmpp/client, strophe.js")
	s, page := host(t, alice, bob, carol)
	apps := cast(t, s, page, alice, bob, carol)
	for _, name := range []string{alice, bob, carol} {
		app := apps[name].(*Scripted)
		app.SignIn(t, over(name, transportOf[name], ""))
		for _, to := range []string{"nobody@" + s.Domain, "nobody@" + s.Domain + "/nowhere"} {
			app.Write(t, to, "Is anybody there?")
			if got := app.AwaitError(t, "nobody@"+s.Domain); got != "service-unavailable" { // rfc6121#8.5.1
				t.Errorf("%s is told %q, want service-unavailable", app.Name(), got)
			}
		}
	}
}

// TestAppsCarbons has three apps of one account follow each other's conversations.
func TestAppsCarbons(t *testing.T) {
	t.Parallel()
	matrix(t, "slixmpp, strophe.js and profanity of one account follow each other's chats")
	s, page := host(t, alice, bob)
	slix, strophe, prof := NewSlixmpp(t, s, alice), NewStrophe(t, s, page, alice), NewProfanity(t, s, alice)
	slix.SignIn(t, over(alice, "starttls", "slix"))
	strophe.SignIn(t, over(alice, "wss", "strophe"))
	prof.SignIn(t, over(alice, "tls", "prof"))
	slix.do(t, "carbons", nil)
	strophe.do(t, "carbons", nil)
	prof.Carbons(t)
	friend := NewXMPPJS(t, s, bob)
	friend.SignIn(t, over(bob, "starttls", "friend"))

	friend.Write(t, slix.JID(), "for one of you")
	slix.AwaitText(t, s.Address(bob), "for one of you")
	strophe.await(t, happening{"event": "received elsewhere", "bare": s.Address(bob), "to": slix.JID(), "body": "for one of you"})
	prof.AwaitText(t, s.Address(bob), "for one of you")

	prof.Write(t, s.Address(bob), "from one of us")
	friend.AwaitText(t, s.Address(alice), "from one of us")
	for _, other := range []*Scripted{slix, strophe} {
		other.await(t, happening{"event": "sent elsewhere", "from": prof.JID(), "body": "from one of us"})
	}
	slix.Write(t, s.Address(bob), "and another")
	friend.AwaitText(t, s.Address(alice), "and another")
	prof.Shows(t, s.Address(bob), "me: and another")

	// What one gets itself, one is not told of again.
	friend.Write(t, s.Address(alice), "for all of you")
	for _, one := range []*Scripted{slix, strophe} {
		one.AwaitText(t, s.Address(bob), "for all of you")
		one.Synced(t)
		one.never(t, happening{"event": "received elsewhere", "body": "for all of you"})
	}
}

// TestAppsArchive reads what was said, page by page.
func TestAppsArchive(t *testing.T) {
	t.Parallel()
	matrix(t, "slixmpp and profanity read what was said from the archive, page by page")
	s, _ := host(t, alice, bob)
	a, b := NewSlixmpp(t, s, alice), NewSlixmpp(t, s, bob)
	a.SignIn(t, over(alice, "starttls", "a"))
	b.SignIn(t, over(bob, "starttls", "b"))
	var said []string
	for i := range 7 {
		from, to, name := a, b, bob
		if i%2 == 1 {
			from, to, name = b, a, alice
		}
		text := fmt.Sprintf("line %d", i)
		from.Write(t, s.Address(name), text)
		to.await(t, happening{"event": "message", "body": text})
		said = append(said, text)
	}
	if got := a.do(t, "archive", happening{"of": s.Address(bob), "max": "3"}); got["pages"] != "3" {
		t.Errorf("slixmpp gets %s pages, want 3", got["pages"])
	}
	var read, ids []string
	for range said {
		e := a.await(t, happening{"event": "archived", "delay": anything, "archive": anything})
		read, ids = append(read, e["body"]), append(ids, e["archive"])
	}
	a.never(t, happening{"event": "archived"})
	slices.Sort(ids)
	if !slices.Equal(read, said) || len(slices.Compact(ids)) != len(said) {
		t.Errorf("slixmpp reads %q with ids %v, want %q", read, ids, said)
	}
	a.SignOut(t)

	p := NewProfanity(t, s, alice)
	p.SignIn(t, over(alice, "starttls", "p"))
	p.Archive(t)
	p.types(t, "/msg %s", s.Address(bob))
	p.sees(t, `(?s)`+strings.Join(said, `\n.*`))
}

// TestAppsEcho writes to the echo service.
func TestAppsEcho(t *testing.T) {
	t.Parallel()
	matrix(t, "echo answers a chat of slixmpp, @xmpp/client, strophe.js and profanity")
	talkers := []string{alice, bob, carol, dave}
	s, page := host(t, talkers...)
	apps := cast(t, s, page, talkers...)
	for _, name := range talkers {
		apps[name].SignIn(t, over(name, transportOf[name], ""))
		apps[name].Write(t, s.Address("echo"), "Hello, wall of "+name)
		apps[name].AwaitText(t, s.Address("echo"), "Hello, wall of "+name)
	}
}
