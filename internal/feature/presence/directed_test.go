package presence_test

import (
	"testing"

	"parley/internal/db/dbtest"
	"parley/internal/feature/presence"
)

func TestDirectedPresence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, dave := w.connect("alice/phone"), w.login("dave/desk")
	quiet := w.connect("dave/quiet")
	alice.say("<presence to='dave@example.org'><status>hi</status></presence>")
	dave.want("available alice/phone hi")
	quiet.want()
	alice.tell("", "dave/quiet")
	quiet.want("available alice/phone")
	alice.tell("", "dave/nothere")
	alice.tell("", "friend@example.com/x")
	w.wantRemote("available alice/phone to friend@example.com/x")
	if sees, err := w.presence.Sees(t.Context(), address(t, "alice"), address(t, "dave/desk")); err != nil || !sees {
		t.Errorf("who was told does not see: %v, %v", sees, err)
	}
	alice.say("<presence type='unavailable' to='dave@example.org'><status>bye</status></presence>")
	dave.want("unavailable alice/phone bye")
	if sees, err := w.presence.Sees(t.Context(), address(t, "alice"), address(t, "dave/desk")); err != nil || sees {
		t.Errorf("who was told that she leaves sees: %v, %v", sees, err)
	}
	alice.leave()
	dave.want()
	quiet.want("unavailable alice/phone")
	w.wantRemote("unavailable alice/phone to friend@example.com/x")
}

func TestDirectedPresenceHasABound(t *testing.T) {
	t.Parallel()
	w := newWorldOn(t, dbtest.Open(t), func(c *presence.Config) { c.Directed = 2 })
	alice := w.login("alice/phone")
	for _, who := range []string{"a", "b", "b", "c"} {
		alice.tell("", who)
	}
	alice.want("presence error resource-constraint of c")
	alice.tell("unavailable", "a")
	alice.tell("", "c")
	alice.want()
}

func TestAContactThatWasToldBesidesHearsOnceThatOneLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	alice, bob := w.login("alice/phone"), w.login("bob/desk")
	alice.tell("", "bob/desk")
	bob.take()
	alice.leave()
	bob.want("unavailable alice/phone")
}

func TestErrorsPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.login("alice/phone"), w.login("bob/desk")
	alice.say("<presence type='error' to='bob@example.org/desk'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>")
	bob.want("presence error gone of alice/phone")
	w.inbound("error", "friend@example.com/x", "bob/desk")
	bob.want("presence error unknown of friend@example.com/x")
}
