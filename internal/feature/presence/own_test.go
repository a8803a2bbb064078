package presence_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"parley/internal/db/dbtest"
	"parley/internal/feature/presence"
	"parley/xmpp/im"
)

func TestInitialPresence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	w.friends("alice", "carol")
	bob, stranger := w.login("bob/desk"), w.login("dave/desk")
	tablet := w.login("alice/tablet")
	bob.want("available alice/tablet")
	phone := w.connect("alice/phone")
	silent := w.connect("alice/silent")
	phone.say("<presence><status>hello</status></presence>")
	phone.want("available alice/phone hello", "available alice/tablet", "available bob/desk")
	tablet.want("available alice/phone hello")
	bob.want("available alice/phone hello")
	stranger.want()
	silent.want()
	if a := phone.Availability(); a == nil || a.Priority != 0 || !a.Since.Equal(start) {
		t.Errorf("the session's availability is %+v", a)
	}
}

func TestLaterPresenceAsksNobodyAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	bob, alice := w.login("bob/desk"), w.login("alice/phone")
	bob.take()
	alice.say("<presence><status>lunch</status></presence>")
	alice.want("available alice/phone lunch")
	bob.want("available alice/phone lunch")
}

func TestPresenceGoesOneWayWhereTheSubscriptionDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.reachState("To") // alice sees bob
	alice, bob := w.login("alice/a"), w.connect("bob/b")
	bob.say("<presence/>")
	bob.want("available bob/b")
	alice.want("available bob/b")
	alice.say("<presence><status>secret</status></presence>")
	alice.want("available alice/a secret")
	bob.want()
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*client){
		"said":      func(c *client) { c.say("<presence type='unavailable'><status>bye</status></presence>") },
		"cut short": func(c *client) { c.leave() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.friends("alice", "bob")
			bob, tablet, alice := w.login("bob/desk"), w.login("alice/tablet"), w.login("alice/phone")
			stranger, room := w.login("dave/desk"), w.login("room/x")
			alice.tell("", "dave")
			alice.tell("", "room/x")
			alice.tell("", "bob")
			alice.tell("", "room/x")
			alice.tell("unavailable", "room/x")
			for _, c := range []*client{bob, tablet, alice, stranger, room} {
				c.take()
			}
			leave(alice)
			bye := map[string]string{"said": " bye"}[name]
			bob.want("unavailable alice/phone" + bye)
			tablet.want("unavailable alice/phone" + bye)
			stranger.want("unavailable alice/phone" + bye)
			room.want() // it heard already
			alice.want()
			bob.say("<presence/>")
			alice.want() // who is not available hears nothing
			leave(alice)
			bob.take()
			tablet.want("available bob/desk")
			stranger.want()
		})
	}
}

func TestASessionThatWasNeverAvailableLeavesQuietly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	bob, alice := w.login("bob/desk"), w.connect("alice/phone")
	alice.tell("", "dave")
	alice.leave()
	bob.want()
}

func TestASessionThatIsGoneSaysNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	bob, alice := w.login("bob/desk"), w.login("alice/phone")
	alice.leave()
	bob.take()
	alice.say("<presence/>")
	alice.tell("", "bob")
	bob.want()
}

func TestPriority(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for text, want := range map[string]string{
		"": "0", "<priority>5</priority>": "5", "<priority> -128\n</priority>": "-128", "<priority>+127</priority>": "127",
		"<priority>128</priority>": "refused", "<priority>-129</priority>": "refused", "<priority/>": "refused",
		"<priority>high</priority>": "refused", "<priority>1</priority><priority>2</priority>": "refused",
		"<priority xmlns='other'>high</priority>": "0",
	} {
		alice := w.connect("alice/phone")
		alice.say("<presence>" + text + "</presence>")
		got := "refused"
		if p, available := alice.Priority(); available {
			got = fmt.Sprint(p)
		} else if list := alice.take(); !slices.Equal(list, []string{"presence error bad-request of "}) && len(list) != 1 {
			t.Errorf("%s: got %q", text, list)
		}
		if got != want {
			t.Errorf("%s: the priority is %s, want %s", text, got, want)
		}
		alice.leave()
	}
}

func TestARefusedPresenceChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	bob, alice := w.login("bob/desk"), w.login("alice/phone")
	bob.take()
	alice.say("<presence><priority>1000</priority></presence>")
	bob.want()
	if p, available := alice.Priority(); !available || p != 0 {
		t.Errorf("the priority is %d, %v", p, available)
	}
}

func TestWhoIsToldThatASessionTakesMessages(t *testing.T) {
	t.Parallel()
	var told []string
	w := newWorldOn(t, dbtest.Open(t), func(c *presence.Config) {
		c.Available = append(c.Available, func(_ context.Context, s *im.Session) {
			p, _ := s.Priority()
			told = append(told, fmt.Sprint(s.JID().Resource, " ", p))
		})
	})
	a, b := w.connect("alice/a"), w.connect("alice/b")
	a.say("<presence/>")
	a.say("<presence><priority>3</priority></presence>")
	b.say("<presence><priority>-1</priority></presence>")
	b.say("<presence><priority>2</priority></presence>")
	a.say("<presence type='unavailable'/>")
	a.say("<presence><priority>1</priority></presence>")
	if want := []string{"a 0", "b 2", "a 1"}; !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
}

func TestStanzasThatAreWrong(t *testing.T) {
	t.Parallel()
	w := newWorldOn(t, dbtest.Open(t), func(c *presence.Config) { c.Remote = nil })
	alice := w.login("alice/phone")
	for text, want := range map[string]string{
		"<presence type='here'/>":                                  "presence error bad-request of ",
		"<presence type='subscribe'/>":                             "presence error bad-request of ",
		"<presence type='probe'/>":                                 "presence error bad-request of ",
		"<presence type='subscribe' to='alice@example.org'/>":      "presence error not-allowed of alice",
		"<presence type='unsubscribed' to='alice@example.org/x'/>": "presence error not-allowed of alice/x",
		"<presence to='bob@example.com'/>":                         "presence error remote-server-not-found of bob@example.com",
		"<presence type='subscribe' to='bob@example.com'/>":        "presence error remote-server-not-found of bob@example.com",
		"<presence type='probe' to='bob@example.com'/>":            "presence error remote-server-not-found of bob@example.com",
		"<presence type='error' to='bob@example.com'/>":            "",
		"<presence type='error'/>":                                 "",
		"<presence type='subscribe' to='nobody@example.org'/>":     "",
		"<presence to='nobody@example.org'/>":                      "",
		"<presence to='example.org'/>":                             "",
	} {
		alice.say(text)
		got := slices.DeleteFunc(alice.take(), func(s string) bool { return strings.HasPrefix(s, "set ") })
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	if got := w.standing("alice", "bob@example.com"); got != "None" {
		t.Errorf("a server that can't be reached was asked: %s", got)
	}
}
