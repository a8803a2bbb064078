package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/db"
	"parley/internal/db/dbtest"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = jid.JID{Local: "alice", Domain: "example.org"}
	bob   = jid.JID{Local: "bob", Domain: "example.org"}
)

// kit is the rosters with a clock of their own.
type kit struct {
	*Rosters
	t     testing.TB
	store *flaky
	now   time.Time
	table *im.Table
}

// flaky is a store whose disk may fail.
type flaky struct {
	Store
	fails error
	saves int
	loads int
}

func (f *flaky) Load(ctx context.Context, owner jid.JID) (Stored, error) {
	f.loads++
	return f.Store.Load(ctx, owner)
}

func (f *flaky) Save(ctx context.Context, changes []Change) error {
	f.saves++
	if f.fails != nil {
		return f.fails
	}
	return f.Store.Save(ctx, changes)
}

func newKit(t testing.TB, change ...func(*Config)) *kit {
	return newKitOn(t, dbtest.Open(t), change...)
}

func newKitOn(t testing.TB, d *db.DB, change ...func(*Config)) *kit {
	t.Helper()
	store, err := NewStore(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{t: t, store: &flaky{Store: store}, now: start, table: im.NewTable(0)}
	c := Config{Store: k.store, Sessions: k.table, Now: func() time.Time { return k.now }}
	for _, f := range change {
		f(&c)
	}
	k.Rosters = New(c)
	return k
}

// client is a session of alice.
type client struct {
	*im.Session
	k   *kit
	mu  sync.Mutex
	got []string
}

func (c *client) Send(st *xmpp.Stanza, _ func(bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := st.Type()
	if query := st.Find(roster.NS, "query"); query != nil {
		if ver, ok := query.Lookup("ver"); ok {
			line += " v" + ver
		}
		for _, e := range query.Children {
			i, removed, err := roster.ParseItem(e)
			if err != nil {
				line += " bad item"
			}
			line += " " + i.JID.Local
			if removed {
				line += "-"
			}
			if i.Name != "" {
				line += "=" + i.Name
			}
		}
	}
	if e := st.Find(xmpp.NSClient, "error"); e != nil {
		line += " " + e.Children[0].Local
	}
	c.got = append(c.got, line)
}

func (c *client) End(*xmpp.StreamError) {}

func (k *kit) login(name string) *client {
	k.t.Helper()
	c := &client{k: k}
	c.Session = im.NewSession(alice.With(name), c, im.Info{})
	if _, err := k.table.Add(c.Session); err != nil {
		k.t.Fatal(err)
	}
	return c
}

func (c *client) iq(typ, query string) {
	c.k.t.Helper()
	st := xmpp.Must(xmpp.IQ, xmpp.Header{From: c.JID(), ID: "i", Type: typ}, query)
	payload, err := c.k.Services()[0].Handle(context.Background(), c.Session, st)
	var e *xmpp.StanzaError
	switch {
	case errors.Is(err, im.ErrAnswered):
	case errors.As(err, &e):
		c.Session.Send(st.Fail(e))
	case err != nil:
		c.Session.Send(st.Fail(&xmpp.StanzaError{Condition: xmpp.InternalServerError}))
	default:
		c.Session.Send(st.Result(payload))
	}
}

func (c *client) get(attr string) { c.iq("get", "<query xmlns='jabber:iq:roster'"+attr+"/>") }

func (c *client) set(item string) {
	c.iq("set", "<query xmlns='jabber:iq:roster'><item "+item+"</query>")
}

// add puts a contact of that name on the roster.
func (c *client) add(names ...string) {
	for _, n := range names {
		c.set("jid='" + n + "@example.org'/>")
	}
}

func (c *client) remove(name string) { c.set("jid='" + name + "@example.org' subscription='remove'/>") }

func (c *client) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

func (c *client) want(want ...string) {
	c.k.t.Helper()
	if got := c.take(); !slices.Equal(got, want) {
		c.k.t.Errorf("%s got\n  %s\nwant\n  %s", c.JID().Resource, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// at is a version as text: milliseconds after the test's beginning.
func at(ms int64) string { return fmt.Sprint(start.UnixMilli() + ms) }

func TestGetAndSet(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	phone, tablet, deaf := k.login("phone"), k.login("tablet"), k.login("deaf")
	phone.get("")
	phone.want("result")
	tablet.get("")
	tablet.take()
	phone.set("jid='bob@example.org' name='Bob'><group>Friends</group></item>")
	phone.want("set v"+at(0)+" bob=Bob", "result")
	tablet.want("set v" + at(0) + " bob=Bob")
	deaf.want()
	phone.set("jid='bob@example.org' name='Robert'/>")
	phone.want("set v"+at(1)+" bob=Robert", "result")
	phone.set("jid='bob@example.org' name='Robert'/>")
	phone.want("set v"+at(2)+" bob=Robert", "result")
	deaf.get("")
	deaf.want("result bob=Robert")
	list, err := k.Contacts(t.Context(), alice)
	if err != nil || len(list) != 1 || list[0].State != roster.None || len(list[0].Groups) != 0 {
		t.Errorf("kept is %+v, %v", list, err)
	}
	tablet.take()
	phone.remove("bob")
	tablet.want("set v" + at(3) + " bob-")
	phone.take()
	phone.remove("bob")
	phone.want("error item-not-found")
	phone.add("alice")
	phone.want("error not-allowed")
	phone.set("jid='@'/>")
	phone.want("error bad-request")
	tablet.want()
}

func TestOnlyTheAccountItselfReadsItsRoster(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	phone := k.login("phone")
	handle := k.Services()[0].Handle
	get := func(to jid.JID) *xmpp.Stanza {
		return xmpp.Must(xmpp.IQ, xmpp.Header{To: to, ID: "i", Type: "get"}, "<query xmlns='jabber:iq:roster'/>")
	}
	for s, st := range map[*im.Session]*xmpp.Stanza{nil: get(alice), phone.Session: get(bob)} {
		var e *xmpp.StanzaError
		if _, err := handle(t.Context(), s, st); !errors.As(err, &e) || e.Condition != xmpp.Forbidden {
			t.Errorf("%v, want forbidden", err)
		}
	}
	phone.want()
	if phone.Has(im.Interested) {
		t.Error("who was refused is told of changes")
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *Config) { c.Removals = 3 })
	c := k.login("phone")
	c.get(" ver=''")
	c.want("result v0")
	k.now = start.Add(10 * time.Millisecond)
	c.add("a", "b", "c", "d", "e", "f", "g", "h") // versions 10 to 17
	c.remove("c")                                 // 18
	c.add("a")                                    // 19
	c.take()
	for _, test := range []struct {
		known string
		want  []string
	}{
		{at(19), []string{"result"}},
		{at(18), []string{"result", "set v" + at(19) + " a"}},
		{at(17), []string{"result", "set v" + at(18) + " c-", "set v" + at(19) + " a"}},
		{at(16), []string{"result", "set v" + at(17) + " h", "set v" + at(18) + " c-", "set v" + at(19) + " a"}},
		{at(10), []string{"result v" + at(19) + " a b d e f g h"}}, // nearly all has changed
		{at(9), []string{"result v" + at(19) + " a b d e f g h"}},
		{at(20), []string{"result v" + at(19) + " a b d e f g h"}}, // of a time that never was
		{"", []string{"result v" + at(19) + " a b d e f g h"}},
		{"none of ours", []string{"result v" + at(19) + " a b d e f g h"}},
		{"-1", []string{"result v" + at(19) + " a b d e f g h"}},
	} {
		for _, from := range []string{"memory", "disk"} {
			if from == "disk" {
				k.cache.drop(alice)
			}
			c.get(" ver='" + test.known + "'")
			t.Log(test.known, from)
			c.want(test.want...)
		}
	}
	c.add("c") // 20: is back
	c.take()
	c.get(" ver='" + at(18) + "'")
	c.want("result", "set v"+at(19)+" a", "set v"+at(20)+" c")
}

func TestRemovedContactsAreRememberedForAWhile(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *Config) { c.Removals = 2 })
	c := k.login("phone")
	c.add("a", "b", "c", "d", "e", "f", "g", "h") // 0 to 7
	for _, n := range []string{"a", "b", "c"} {   // 8 to 10
		c.remove(n)
	}
	for _, from := range []string{"memory", "disk"} {
		if from == "disk" {
			k.cache.drop(alice)
		}
		c.take()
		c.get(" ver='" + at(8) + "'")
		c.want("result", "set v"+at(9)+" b-", "set v"+at(10)+" c-")
		c.get(" ver='" + at(7) + "'") // that a went is forgotten
		c.want("result v" + at(10) + " d e f g h")
	}
}

func TestVersionsOfAnAccountThatWasThereBefore(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	c := k.login("phone")
	c.add("a", "b")
	if err := k.Forget(t.Context(), alice, func(jid.JID) bool { return false }, func(jid.JID, roster.Step) {}); err != nil {
		t.Fatal(err)
	}
	c.take()
	c.get(" ver='" + at(1) + "'")
	c.want("result v0")
	k.now = start.Add(time.Second)
	c.add("z")
	c.take()
	c.get(" ver='" + at(1) + "'")
	c.want("result v" + at(1000) + " z")
}

func TestARequestIsNoChangeOfTheRoster(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	c := k.login("phone")
	c.get("")
	c.add("a")
	c.take()
	ask := roster.Talk{From: bob, To: alice, Kind: roster.Subscribe, Request: "<presence/>", ToHere: true}
	if err := k.Exchange(t.Context(), ask, func(roster.Step) {}); err != nil {
		t.Fatal(err)
	}
	c.want()
	c.get(" ver='" + at(0) + "'")
	c.want("result")
	c.remove("bob") // who is not listed
	c.want("error item-not-found")
	c.add("bob")
	c.take()
	if s, err := k.Standing(t.Context(), alice, bob); err != nil || s.State != roster.NonePendingIn {
		t.Errorf("who is listed now has %s, %v", s.State, err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *Config) {
		c.Items, c.Requests = 3, 2
		c.Limits = roster.Limits{Name: 5, Group: 5, Groups: 1}
	})
	c := k.login("phone")
	c.add("a", "b", "c", "d")
	c.want("result", "result", "result", "error resource-constraint")
	c.set("jid='a@example.org' name='Alfred'/>")
	c.set("jid='a@example.org'><group>Friends</group></item>")
	c.set("jid='a@example.org'><group>a</group><group>b</group></item>")
	c.add("a")
	c.want("error not-acceptable", "error not-acceptable", "error not-acceptable", "result")
	say := func(from, to jid.JID, kind roster.Kind, fromHere bool) error {
		return k.Exchange(t.Context(), roster.Talk{From: from, To: to, Kind: kind, FromHere: fromHere, ToHere: !fromHere}, func(roster.Step) {})
	}
	var e *xmpp.StanzaError
	if err := say(alice, bob, roster.Subscribe, true); !errors.As(err, &e) || e.Condition != xmpp.ResourceConstraint {
		t.Errorf("a full roster takes one more: %v", err)
	}
	for i := range 5 {
		stranger := jid.JID{Local: fmt.Sprint("stranger", i), Domain: "example.com"}
		if err := say(stranger, alice, roster.Subscribe, false); err != nil {
			t.Error(err)
		}
	}
	b, err := k.book(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	if listed, requests := b.count(); listed != 3 || requests != 2 {
		t.Errorf("%d contacts and %d requests are kept", listed, requests)
	}
	if err := say(jid.JID{Local: "a", Domain: "example.org"}, alice, roster.Subscribe, false); err != nil {
		t.Error(err)
	}
	if s, err := k.Standing(t.Context(), alice, jid.JID{Local: "a", Domain: "example.org"}); err != nil || s.State != roster.NonePendingIn {
		t.Errorf("a contact's own request is kept out: %s, %v", s.State, err)
	}
}

func TestWhatCantBeWrittenDidNotHappen(t *testing.T) {
	t.Parallel()
	for fails, want := range map[error]string{db.ErrFull: "error resource-constraint", db.ErrIO: "error internal-server-error"} {
		k := newKit(t)
		c := k.login("phone")
		c.get("")
		c.add("a")
		c.take()
		k.store.fails = fails
		c.add("b")
		c.remove("a")
		c.want(want, want)
		told := false
		err := k.Exchange(t.Context(), roster.Talk{From: alice, To: bob, Kind: roster.Subscribe, FromHere: true, ToHere: true},
			func(roster.Step) { told = true })
		if !errors.Is(err, fails) || told {
			t.Errorf("%v: the exchange ended with %v; told: %v", fails, err, told)
		}
		k.store.fails = nil
		c.get("")
		c.want("result a")
	}
}

func TestNothingIsTellableBeforeItIsOnDisk(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	talk := roster.Talk{From: alice, To: bob, Kind: roster.Subscribe, FromHere: true, ToHere: true}
	err := k.Exchange(t.Context(), talk, func(roster.Step) {
		if k.store.saves != 1 {
			t.Errorf("told after %d saves", k.store.saves)
		}
	})
	if err != nil || k.store.saves != 1 { // both rosters in one
		t.Errorf("%d saves, %v", k.store.saves, err)
	}
}

func TestMemoryHoldsWhatWasUsedLast(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *Config) { c.Cached = 10 })
	for i := range 20 {
		owner := jid.JID{Local: fmt.Sprint("user", i), Domain: "example.org"}
		for j := range 3 {
			contact := jid.JID{Local: fmt.Sprint("contact", j), Domain: "example.com"}
			if err := k.set(t.Context(), owner, roster.Set{JID: contact}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if k.cache.size > 10 || len(k.cache.books) != k.cache.used.Len() || len(k.cache.books) != 2 {
		t.Errorf("%d contacts of %d accounts are in memory", k.cache.size, len(k.cache.books))
	}
	k.store.loads = 0
	for range 5 {
		list, err := k.Contacts(t.Context(), jid.JID{Local: "user0", Domain: "example.org"})
		if err != nil || len(list) != 3 {
			t.Errorf("%v, %v", list, err)
		}
	}
	if k.store.loads != 1 {
		t.Errorf("a roster in use was read %d times", k.store.loads)
	}
}

func TestFeaturesAreXML(t *testing.T) {
	t.Parallel()
	e, err := xmpp.ParseElement("<features>" + Features() + "</features>")
	if err != nil || e.Child(roster.NSVersioning, "ver") == nil || e.Child(roster.NSPreApproval, "sub") == nil {
		t.Errorf("%s: %v", Features(), err)
	}
}
