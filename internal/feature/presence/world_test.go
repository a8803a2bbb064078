package presence_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/db"
	"parley/internal/db/dbtest"
	"parley/internal/feature/presence"
	rosterfeature "parley/internal/feature/roster"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a server's rosters and presence, with fake connections. Local accounts are those of example.org but for
// "nobody"; everything else is elsewhere.
type world struct {
	t        testing.TB
	db       *db.DB
	table    *im.Table
	rosters  *rosterfeature.Rosters
	presence *presence.Presence
	entity   func(*xmpp.Stanza) []*xmpp.Stanza // echo@example.org

	mu     sync.Mutex
	blocks map[[2]jid.JID]bool
	remote []string
}

func newWorld(t testing.TB) *world { return newWorldOn(t, dbtest.Open(t)) }

func newWorldOn(t testing.TB, d *db.DB, change ...func(*presence.Config)) *world {
	t.Helper()
	store, err := rosterfeature.NewStore(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: d, table: im.NewTable(0), blocks: map[[2]jid.JID]bool{}}
	now := func() time.Time { return start }
	w.rosters = rosterfeature.New(rosterfeature.Config{
		Store: store, Sessions: w.table, Now: now,
		Remove: func(ctx context.Context, owner, contact jid.JID) error { return w.presence.Remove(ctx, owner, contact) },
	})
	c := presence.Config{
		Sessions: w.table, Roster: w.rosters, Block: w, Now: now,
		Local:  func(domain string) bool { return domain == "example.org" },
		Exists: func(_ context.Context, a jid.JID) (bool, error) { return a.Local != "nobody", nil },
		Remote: func(_ context.Context, st *xmpp.Stanza) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.remote = append(w.remote, describe(st)+" to "+st.To().String())
		},
		Entity: func(a jid.JID) (func(*xmpp.Stanza) []*xmpp.Stanza, bool) {
			return w.entity, a.Local == "echo" && w.entity != nil
		},
	}
	for _, f := range change {
		f(&c)
	}
	w.presence = presence.New(c)
	return w
}

func (w *world) Blocks(_ context.Context, owner, other jid.JID) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range []jid.JID{other, other.Bare(), {Domain: other.Domain}} {
		if w.blocks[[2]jid.JID{owner, j}] {
			return true, nil
		}
	}
	return false, nil
}

func (w *world) block(owner, other string, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blocks[[2]jid.JID{address(w.t, owner), address(w.t, other)}] = on
}

// hide is what the block list does.
func (w *world) hide(owner, other string) {
	w.t.Helper()
	others := []jid.JID{address(w.t, other)}
	err := w.presence.Hide(context.Background(), address(w.t, owner), others, func() ([]jid.JID, error) {
		w.block(owner, other, true)
		return others, nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

func address(t testing.TB, text string) jid.JID {
	t.Helper()
	if !strings.ContainsAny(text, "@.") {
		name, resource, full := strings.Cut(text, "/")
		text = name + "@example.org"
		if full {
			text += "/" + resource
		}
	}
	j, err := jid.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return j
}

// client is a session and what it got.
type client struct {
	*im.Session
	w *world

	mu  sync.Mutex
	got []string
	all []*xmpp.Stanza
}

func (c *client) Send(st *xmpp.Stanza, done func(bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, describe(st))
	c.all = append(c.all, st)
	if done != nil {
		go done(true)
	}
}

func (c *client) End(*xmpp.StreamError) {}

// connect binds a resource, "alice/phone".
func (w *world) connect(name string) *client {
	w.t.Helper()
	c := &client{w: w}
	c.Session = im.NewSession(address(w.t, name), c, im.Info{})
	if _, err := w.table.Add(c.Session); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// login is connect, and what every app does first.
func (w *world) login(name string) *client {
	w.t.Helper()
	c := w.connect(name)
	c.say("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")
	c.say("<presence/>")
	c.take()
	return c
}

// say is a stanza of the client, handled like the server does it.
func (c *client) say(text string) {
	c.w.t.Helper()
	var scan xmpp.Scanner
	raw, err := scan.Frame([]byte(text))
	if err != nil {
		c.w.t.Fatalf("%s: %v", text, err)
	}
	st, err := raw.Stanza(c.JID())
	if err != nil {
		c.w.t.Fatalf("%s: %v", text, err)
	}
	if st.Kind() == xmpp.Presence {
		c.w.presence.Handle(context.Background(), c.Session, st)
		return
	}
	payload, err := c.w.rosters.Services()[0].Handle(context.Background(), c.Session, st)
	var e *xmpp.StanzaError
	switch {
	case errors.Is(err, im.ErrAnswered):
	case errors.As(err, &e):
		c.Session.Send(st.Fail(e))
	case err != nil:
		c.w.t.Errorf("%s: %v", text, err)
	default:
		c.Session.Send(st.Result(payload))
	}
}

// tell is say for a presence stanza with a type and an address.
func (c *client) tell(typ, to string) {
	c.w.t.Helper()
	c.say("<presence type='" + typ + "' to='" + address(c.w.t, to).String() + "'/>")
}

func (c *client) leave() {
	c.w.table.Remove(c.Session)
	c.w.presence.Ended(context.Background(), c.Session)
}

// take gives what the client got since it was last asked.
func (c *client) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got, c.all = nil, nil
	return got
}

func (c *client) want(want ...string) {
	c.w.t.Helper()
	if got := c.take(); !slices.Equal(got, want) {
		c.w.t.Errorf("%s got\n  %s\nwant\n  %s", c.JID(), strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func (w *world) wantRemote(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.remote, want) {
		w.t.Errorf("sent to other servers was\n  %s\nwant\n  %s", strings.Join(w.remote, "\n  "), strings.Join(want, "\n  "))
	}
	w.remote = nil
}

// inbound is a presence stanza from elsewhere.
func (w *world) inbound(typ, from, to string) {
	w.t.Helper()
	w.presence.Inbound(context.Background(), xmpp.Must(xmpp.Presence, xmpp.Header{
		From: address(w.t, from), To: address(w.t, to), Type: typ,
	}, ""))
}

// standing is how one stands to the other, as "Both" or "To approved".
func (w *world) standing(owner, contact string) string {
	w.t.Helper()
	s, err := w.rosters.Standing(w.t.Context(), address(w.t, owner), address(w.t, contact))
	if err != nil {
		w.t.Fatal(err)
	}
	if s.Approved {
		return s.State.String() + " approved"
	}
	return s.State.String()
}

// friends have a subscription to each other.
func (w *world) friends(a, b string) {
	w.t.Helper()
	x, y := w.connect(a+"/setup"), w.connect(b+"/setup")
	x.tell("subscribe", b)
	y.tell("subscribed", a)
	y.tell("subscribe", a)
	x.tell("subscribed", b)
	x.leave()
	y.leave()
	if w.standing(a, b) != "Both" || w.standing(b, a) != "Both" {
		w.t.Fatalf("%s and %s are no friends", a, b)
	}
}

// describe says in a line what a stanza says.
func describe(st *xmpp.Stanza) string {
	short := func(j jid.JID) string { return strings.Replace(j.String(), "@example.org", "", 1) }
	if st.Type() == "error" {
		condition := "unknown"
		if e := st.Find(xmpp.NSClient, "error"); e != nil && len(e.Children) > 0 {
			condition = e.Children[0].Local
		}
		return st.Kind().String() + " error " + condition + " of " + short(st.From())
	}
	if st.Kind() == xmpp.Presence {
		typ := st.Type()
		if typ == "" {
			typ = "available"
		}
		line := typ + " " + short(st.From())
		if status := st.Find(xmpp.NSClient, "status"); status != nil {
			line += " " + status.Text
		}
		return line
	}
	query := st.Find(roster.NS, "query")
	if query == nil {
		return st.Type()
	}
	line := st.Type()
	for _, e := range query.Children {
		i, removed, err := roster.ParseItem(e)
		switch {
		case err != nil:
			return "a bad item in " + st.Text()
		case removed:
			line += " " + short(i.JID) + " removed"
			continue
		}
		line += " " + short(i.JID) + " " + i.State.Subscription()
		if i.State.IsAsking() {
			line += " ask"
		}
		if i.Approved {
			line += " approved"
		}
	}
	return line
}
