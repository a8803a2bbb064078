package presence_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"parley/internal/db/dbtest"
	"parley/internal/feature/presence"
	"parley/xmpp/jid"
)

// looks is what alice sees of somebody.
func (w *world) looks(of string) string {
	w.t.Helper()
	v, err := w.presence.Look(context.Background(), address(w.t, of), address(w.t, "alice"))
	if err != nil {
		w.t.Fatal(err)
	}
	var said []string
	for _, st := range v.Presences {
		said = append(said, st.From().Resource)
	}
	text := strings.Join(said, " ")
	switch {
	case v.Seen && v.Asking, !v.Seen && text != "":
		w.t.Errorf("a view of %+v", v)
	case v.Seen:
		return "sees " + text
	case v.Asking:
		return "asks"
	}
	return "may not"
}

func TestLook(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var changed []jid.JID
	w := newWorldOn(t, dbtest.Open(t), func(c *presence.Config) {
		c.Changed = func(accounts ...jid.JID) {
			mu.Lock()
			defer mu.Unlock()
			changed = append(changed, accounts...)
		}
	})
	bob := w.connect("bob/desk")
	check := func(want string, toldOf ...string) {
		t.Helper()
		if got := w.looks("bob"); got != want {
			t.Errorf("alice %s, want %s", got, want)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, name := range toldOf {
			if !slices.Contains(changed, address(t, name)) {
				t.Errorf("nobody was told of %s", name)
			}
		}
		changed = nil
	}
	ctx := context.Background()
	bob.say("<presence xmlns='jabber:client'/>")
	check("may not", "bob")
	if err := w.presence.Ask(ctx, address(t, "alice"), address(t, "bob")); err != nil {
		t.Fatal(err)
	}
	check("asks", "alice", "bob")
	bob.say("<presence xmlns='jabber:client' type='subscribed' to='alice@example.org'/>")
	check("sees desk", "alice", "bob")
	w.hide("bob", "alice")
	check("sees ", "alice", "bob")
	w.block("bob", "alice", false)
	w.presence.Show(ctx, address(t, "bob"), address(t, "alice"))
	check("sees desk", "alice", "bob")
	bob.say("<presence xmlns='jabber:client' type='unavailable'/>")
	check("sees ", "bob")
	bob.say("<presence xmlns='jabber:client' type='unsubscribed' to='alice@example.org'/>")
	check("may not", "alice", "bob")
	if err := w.presence.Ask(ctx, address(t, "alice"), address(t, "alice")); err == nil {
		t.Error("somebody may ask himself")
	}
	w.block("alice", "bob", true)
	if err := w.presence.Ask(ctx, address(t, "alice"), address(t, "bob")); err == nil {
		t.Error("somebody may ask whom he has blocked")
	}
	if got := w.looks("alice"); got != "sees " {
		t.Errorf("alice %s herself", got)
	}
}
