package roster

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/internal/db/dbtest"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// remembering is an app that keeps the roster between its logins.
type remembering struct {
	version string
	items   map[string]string
}

func (r remembering) clone() remembering { return remembering{r.version, maps.Clone(r.items)} }

// take is what it does with the answer to its get, and with pushes.
func (r *remembering) take(st *xmpp.Stanza) {
	query := st.Find(roster.NS, "query")
	if query == nil {
		return // what it knows is right
	}
	if st.Type() == "result" {
		clear(r.items)
	}
	r.version = query.Attr("ver")
	for _, e := range query.Children {
		i, removed, err := roster.ParseItem(e)
		switch {
		case err != nil:
			panic(err)
		case removed:
			delete(r.items, i.JID.String())
		default:
			r.items[i.JID.String()] = fmt.Sprint(i.State, i.Approved, i.Name, i.Groups)
		}
	}
}

// collector is a connection that keeps what comes.
type collector struct{ got []*xmpp.Stanza }

func (c *collector) Send(st *xmpp.Stanza, _ func(bool)) { c.got = append(c.got, st) }

func (c *collector) End(*xmpp.StreamError) {}

// login gives the app what a login with the version it knows brings.
func (r *remembering) login(t *rapid.T, k *kit, owner jid.JID) {
	c := &collector{}
	s := im.NewSession(owner.With("app"), c, im.Info{})
	get := xmpp.Must(xmpp.IQ, xmpp.Header{ID: "1", Type: "get"}, "<query xmlns='jabber:iq:roster' ver='"+r.version+"'/>")
	if _, err := k.handle(context.Background(), s, get); err == nil {
		t.Fatal("a get is answered twice")
	}
	for _, st := range c.got {
		r.take(st)
	}
}

// Whichever version an app knows, after its login it shows the roster as it is, and never by more than what changed.
func TestAnAppWithAnyVersionIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	check := 0
	rapid.Check(t, func(rt *rapid.T) {
		check++
		owner := jid.JID{Local: fmt.Sprint("alice", check), Domain: "example.org"}
		k := newKitOn(t, d, func(c *Config) { c.Removals = 1 })
		apps := []remembering{{items: map[string]string{}}}
		var done []string
		for n := range rapid.IntRange(1, 50).Draw(rt, "steps") {
			k.now = k.now.Add(time.Duration(rapid.IntRange(-1, 2).Draw(rt, "ms")) * time.Millisecond)
			op := rapid.SampledFrom([]string{"name", "name", "remove", "remove", "say", "hear", "restart", "new account"}).Draw(rt, "op")
			contact := jid.JID{Local: rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h"}).Draw(rt, "contact"), Domain: "example.org"}
			done = append(done, op+" "+contact.Local)
			if op == "restart" {
				now := k.now
				k = newKitOn(t, d, func(c *Config) { c.Removals = 1 })
				k.now = now
			}
			act(rt, k, owner, op, contact, n)
			old := rapid.SampledFrom(apps).Draw(rt, "app")
			app := old.clone()
			app.login(rt, k, owner)
			if want := shown(rt, k, owner); !maps.Equal(app.items, want) {
				rt.Fatalf("an app that knew version %s shows %v, want %v\nafter %s", old.version, app.items, want, strings.Join(done, ", "))
			}
			apps = append(apps, app)
		}
	})
}

func act(t *rapid.T, k *kit, owner jid.JID, op string, contact jid.JID, n int) {
	ctx, deaf := context.Background(), func(roster.Step) {}
	kind := roster.Kind(rapid.IntRange(int(roster.Subscribe), int(roster.Unsubscribed)).Draw(t, "kind"))
	var err error
	switch op {
	case "name":
		err = k.set(ctx, owner, roster.Set{JID: contact, Name: fmt.Sprint(n)})
	case "remove":
		_ = k.set(ctx, owner, roster.Set{JID: contact, Remove: true}) // of one who is not there it fails
	case "say":
		err = k.Exchange(ctx, roster.Talk{From: owner, To: contact, Kind: kind, FromHere: true}, deaf)
	case "hear":
		err = k.Exchange(ctx, roster.Talk{From: contact, To: owner, Kind: kind, ToHere: true}, deaf)
	case "new account":
		if n%5 == 0 {
			err = k.Forget(ctx, owner, func(jid.JID) bool { return false }, func(jid.JID, roster.Step) {})
			k.now = k.now.Add(time.Minute) // nobody takes an address within the time of its last changes
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// shown is what an app without a memory is told.
func shown(t *rapid.T, k *kit, owner jid.JID) map[string]string {
	app := remembering{items: map[string]string{}}
	app.login(t, k, owner)
	return app.items
}
