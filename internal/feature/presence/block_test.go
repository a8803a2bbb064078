package presence_test

import (
	"context"
	"errors"
	"testing"

	"parley/internal/db/dbtest"
	"parley/internal/feature/presence"
	"parley/xmpp/jid"
)

func TestABlockedContactNeitherSeesNorIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	w.friends("alice", "carol")
	alice, bob, carol := w.login("alice/a"), w.login("bob/b"), w.login("carol/c")
	alice.tell("", "bob/b")
	alice.take()
	bob.take()
	carol.take()
	w.hide("alice", "bob")
	alice.want("unavailable bob/b")
	bob.want("unavailable alice/a", "unavailable alice/a") // as a contact, and as one who was told besides
	carol.want()

	alice.say("<presence><status>secret</status></presence>")
	bob.say("<presence><status>hello?</status></presence>")
	bob.tell("probe", "alice")
	bob.tell("", "alice")
	bob.tell("", "alice/a")
	other, mine := w.login("bob/other"), w.login("alice/other")
	other.want()
	alice.want("available alice/a secret", "available alice/other")
	bob.want("available bob/b hello?", "available bob/other")
	mine.leave()
	alice.tell("", "bob")
	alice.tell("probe", "bob")
	alice.tell("subscribe", "bob")
	alice.want("unavailable alice/other", "presence error not-acceptable of bob",
		"presence error not-acceptable of bob", "presence error not-acceptable of bob")
	bob.want()
	other.leave()
	bob.take()
	carol.take()

	w.block("alice", "bob", false)
	w.presence.Show(t.Context(), address(t, "alice"), address(t, "bob"))
	alice.want("available bob/b hello?")
	bob.want("available alice/a secret")
	carol.want()
}

func TestHidingFromWhoNeverSaw(t *testing.T) {
	t.Parallel()
	for _, r := range reach {
		w := newWorld(t)
		w.reachState(r.state)
		alice, bob := w.login("alice/a"), w.login("bob/b")
		alice.take()
		bob.take()
		w.hide("alice", "bob")
		a, b := len(alice.take()) > 0, len(bob.take()) > 0
		wantA := r.state == "To" || r.state == "To + Pending In" || r.state == "Both"
		wantB := r.state == "From" || r.state == "From + Pending Out" || r.state == "Both"
		if a != wantA || b != wantB {
			t.Errorf("%s: alice hears %v, bob hears %v", r.state, a, b)
		}
	}
}

func TestABlockOfOneResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	alice, phone, desk := w.login("alice/a"), w.login("bob/phone"), w.login("bob/desk")
	phone.take()
	alice.take()
	w.hide("alice", "bob/phone")
	alice.want("unavailable bob/phone")
	phone.want("unavailable alice/a")
	desk.want()
	alice.say("<presence><status>hi</status></presence>")
	phone.want()
	desk.want("available alice/a hi")
}

func TestABlockOfADomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, who := range []string{"bob@example.com", "eve@example.com", "dan@example.net"} {
		w.inbound("subscribe", who, "alice")
	}
	alice := w.login("alice/a")
	alice.tell("subscribed", "bob@example.com")
	alice.tell("subscribed", "dan@example.net")
	alice.tell("", "room@example.com/alice")
	w.remote = nil
	w.hide("alice", "example.com")
	w.wantRemote("unavailable alice/a to bob@example.com", "unavailable alice/a to room@example.com/alice")
	alice.say("<presence><status>secret</status></presence>")
	w.wantRemote("available alice/a secret to dan@example.net")
	w.block("alice", "example.com", false)
	w.presence.Show(t.Context(), address(t, "alice"), address(t, "example.com"))
	w.wantRemote("available alice/a secret to bob@example.com")
}

func TestARequestOfWhoIsBlockedIsNotHeard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.block("alice", "bob", true)
	w.block("alice", "eve@example.com", true)
	alice, bob := w.login("alice/a"), w.login("bob/b")
	bob.tell("subscribe", "alice")
	bob.want("set alice none ask")
	w.inbound("subscribe", "eve@example.com", "alice")
	alice.want()
	w.wantRemote()
	if a, e := w.standing("alice", "bob"), w.standing("alice", "eve@example.com"); a != "None" || e != "None" {
		t.Errorf("those who are blocked stand as %s and %s", a, e)
	}
}

func TestEndingASubscriptionCountsPastABlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	w.block("alice", "bob", true)
	alice, bob := w.login("alice/a"), w.login("bob/b")
	bob.tell("unsubscribe", "alice")
	alice.want("set bob to") // without a word of his
	if a, b := w.standing("alice", "bob"), w.standing("bob", "alice"); a != "To" || b != "From" {
		t.Errorf("they stand as %s and %s", a, b)
	}
}

func TestAListThatCantBeWrittenHidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	alice, bob := w.login("alice/a"), w.login("bob/b")
	alice.take()
	fails := errors.New("bad sector")
	for _, store := range []func() ([]jid.JID, error){
		func() ([]jid.JID, error) { return nil, fails },
		func() ([]jid.JID, error) { return nil, nil }, // he was on it before
	} {
		err := w.presence.Hide(t.Context(), address(t, "alice"), []jid.JID{address(t, "bob")}, store)
		if err != nil && !errors.Is(err, fails) {
			t.Errorf("it ended with %v", err)
		}
	}
	alice.want()
	bob.want()
}

type unreadable struct{}

func (unreadable) Blocks(context.Context, jid.JID, jid.JID) (bool, error) {
	return false, errors.New("bad sector")
}

func TestABlockListThatCantBeReadBlocks(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	newWorldOn(t, d).friends("alice", "bob")
	w := newWorldOn(t, d, func(c *presence.Config) { c.Block = unreadable{} })
	bob, alice := w.login("bob/b"), w.login("alice/a")
	bob.want()
	alice.say("<presence/>")
	bob.want()
}
