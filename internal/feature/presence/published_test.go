package presence_test

import (
	"context"
	"slices"
	"testing"

	"parley/xmpp"
)

// seesOnline compares what a client shows its user of who is here.
func (c *client) seesOnline(want map[string]string) {
	c.w.t.Helper()
	online, _ := c.views()
	got, expected := []string{}, []string{}
	for who, how := range online {
		got = append(got, who+" "+how)
	}
	for who, how := range want {
		expected = append(expected, who+" "+how)
	}
	slices.Sort(got)
	slices.Sort(expected)
	if !slices.Equal(got, expected) {
		c.w.t.Errorf("%s sees %q, want %q", c.JID(), got, expected)
	}
}

// acquainted has alice and bob see each other, and gives an app of each.
func (w *world) acquainted() (alice, bob *client) {
	w.t.Helper()
	w.friends("alice", "bob")
	alice, bob = w.connect("alice/app"), w.connect("bob/app")
	alice.say("<presence xmlns='jabber:client'/>")
	bob.say("<presence xmlns='jabber:client'/>")
	return alice, bob
}

type seen = map[string]string

func TestWhatIsPublishedIsSeenLikeASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	alice, bob := w.acquainted()
	phone := address(t, "bob/phone")
	if err := w.presence.Publish(ctx, phone, "<status>at my desk</status>"); err != nil {
		t.Fatal(err)
	}
	const both, a, b = "at my desk", "alice@example.org/app", "bob@example.org/app"
	alice.seesOnline(seen{a: "here", b: "here", "bob@example.org/phone": both})
	bob.seesOnline(seen{a: "here", b: "here", "bob@example.org/phone": both})

	// Who comes later sees it too, as one who is unblocked does.
	later, own := w.connect("alice/later"), w.connect("bob/later")
	later.say("<presence xmlns='jabber:client'/>")
	own.say("<presence xmlns='jabber:client'><priority>-1</priority></presence>")
	if online, _ := later.views(); online["bob@example.org/phone"] != both {
		t.Errorf("who comes later sees %v", online)
	}
	if online, _ := own.views(); online["bob@example.org/phone"] != both {
		t.Errorf("another app of his sees %v", online)
	}
	w.hide("bob", "alice")
	alice.seesOnline(seen{a: "here", "alice@example.org/later": "here"})
	w.block("bob", "alice", false)
	w.presence.Show(ctx, address(t, "bob"), address(t, "alice"))
	if online, _ := alice.views(); online["bob@example.org/phone"] != both {
		t.Errorf("who is unblocked sees %v", online)
	}
	if got := w.looks("bob"); got != "sees app phone later" {
		t.Errorf("alice %s", got)
	}

	// So does who has nothing but a phone, for whom nobody is connected.
	bob.leave()
	own.leave()
	again := w.connect("alice/again")
	again.say("<presence xmlns='jabber:client'/>")
	w.hide("alice", "bob")
	w.block("alice", "bob", false)
	if online, _ := alice.views(); online["bob@example.org/phone"] != "" {
		t.Errorf("who blocks sees %v", online)
	}
	w.presence.Show(ctx, address(t, "alice"), address(t, "bob"))
	for _, c := range []*client{again, alice} {
		if online, _ := c.views(); online["bob@example.org/phone"] != both {
			t.Errorf("%s sees %v", c.JID(), online)
		}
	}

	// It changes, and leaves.
	if err := w.presence.Publish(ctx, phone, "<status>out</status>"); err != nil {
		t.Fatal(err)
	}
	if online, _ := alice.views(); online["bob@example.org/phone"] != "out" {
		t.Errorf("alice sees %v", online)
	}
	for range 2 {
		if err := w.presence.Retract(ctx, phone); err != nil {
			t.Fatal(err)
		}
	}
	if online, _ := alice.views(); online["bob@example.org/phone"] != "" {
		t.Errorf("alice sees %v", online)
	}
	if err := w.presence.Publish(ctx, phone, "<priority>x</priority>"); err == nil {
		t.Error("a priority that is none is shown")
	}
}

func TestOthersSeeWhoIsOnThePhone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	alice, bob := w.acquainted()
	bob.say("<presence xmlns='jabber:client'><show>chat</show><status>free</status><priority>3</priority><x xmlns='urn:x'/></presence>")
	const talking, a, b, call = "On the phone", "alice@example.org/app", "bob@example.org/app", "bob@example.org/on-the-phone"
	talk := func(on bool) {
		t.Helper()
		if err := w.presence.Talking(ctx, address(t, "bob"), on); err != nil {
			t.Fatal(err)
		}
	}
	talk(true)
	talk(true)
	alice.seesOnline(seen{a: "here", b: talking, call: talking})
	bob.seesOnline(seen{a: "here", b: "free", call: talking})
	last := alice.last(b)
	if e := last.Find(xmpp.NSClient, "show"); e == nil || e.Text != "dnd" {
		t.Errorf("alice gets %s", last.Text())
	}
	if _, kept := last.Part("urn:x", "x"); !kept || last.Find(xmpp.NSClient, "priority") == nil {
		t.Errorf("something is lost: %s", last.Text())
	}
	v, err := w.presence.Look(ctx, address(t, "bob"), address(t, "alice"))
	if err != nil || !v.Talking {
		t.Errorf("a look at him says %+v, %v", v, err)
	}

	// What he says meanwhile, and who comes meanwhile.
	bob.say("<presence xmlns='jabber:client'><status>really free</status></presence>")
	later := w.connect("alice/later")
	later.say("<presence xmlns='jabber:client'/>")
	alice.seesOnline(seen{a: "here", "alice@example.org/later": "here", b: talking, call: talking})
	if online, _ := later.views(); online[b] != talking {
		t.Errorf("who comes meanwhile sees %v", online)
	}
	talk(false)
	alice.seesOnline(seen{a: "here", "alice@example.org/later": "here", b: "really free"})
	bob.say("<presence xmlns='jabber:client' type='unavailable'/>")
	talk(true)
	alice.seesOnline(seen{a: "here", "alice@example.org/later": "here", call: talking})
	talk(false)
	alice.seesOnline(seen{a: "here", "alice@example.org/later": "here"})
}

// last is the last presence that came from an address.
func (c *client) last(from string) *xmpp.Stanza {
	c.w.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, st := range slices.Backward(c.all) {
		if st.Kind() == xmpp.Presence && st.From().String() == from {
			return st
		}
	}
	c.w.t.Fatalf("%s got no presence of %s", c.JID(), from)
	return nil
}
