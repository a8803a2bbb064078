package block

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/core"
	"parley/internal/db/dbtest"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

var (
	alice = jid.JID{Local: "alice", Domain: "example.org"}
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func parse(t testing.TB, text string) jid.JID {
	t.Helper()
	j, err := jid.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return j
}

// world is the lists with what is around them.
type world struct {
	*Lists
	t     *testing.T
	table *im.Table
	told  []string // of presence
}

func (w *world) hide(_ context.Context, owner jid.JID, _ []jid.JID, store func() ([]jid.JID, error)) error {
	added, err := store()
	for _, other := range added {
		w.told = append(w.told, fmt.Sprintf("%s hides from %s", owner, other))
	}
	return err
}

func (w *world) show(_ context.Context, owner, other jid.JID) {
	w.told = append(w.told, fmt.Sprintf("%s shows to %s", owner, other))
}

func open(t *testing.T, c Config) *world {
	t.Helper()
	if c.Store == nil {
		s, err := NewStore(t.Context(), dbtest.Open(t))
		if err != nil {
			t.Fatal(err)
		}
		c.Store = s
	}
	w := &world{t: t, table: im.NewTable(0)}
	n := 0
	c.Sessions, c.Hide, c.Show, c.Now = w.table, w.hide, w.show, func() time.Time { return start }
	c.ID = func() string { n++; return fmt.Sprint("push", n) }
	w.Lists = New(c)
	return w
}

// outbox keeps what a session is sent.
type outbox struct {
	mu   sync.Mutex
	sent []string
}

func (o *outbox) Send(st *xmpp.Stanza, _ func(bool)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, st.Text())
}

func (o *outbox) End(*xmpp.StreamError) {}

func (w *world) session(resource string) (*im.Session, *outbox) {
	w.t.Helper()
	o := &outbox{}
	s := im.NewSession(alice.With(resource), o, im.Info{})
	if _, err := w.table.Add(s); err != nil {
		w.t.Fatal(err)
	}
	return s, o
}

// ask sends a request of Alice's, and gives what answers it: the payload or the condition.
func (w *world) ask(s *im.Session, typ, payload string) string {
	w.t.Helper()
	from := alice.With("phone")
	if s != nil {
		from = s.JID()
	}
	st := xmpp.Must(xmpp.IQ, xmpp.Header{From: from, ID: "1", Type: typ}, payload)
	p, _ := st.Payload()
	for _, service := range w.Services() {
		if service.Name != p.Name || service.At != im.Own {
			continue
		}
		out, err := service.Handle(w.t.Context(), s, st)
		if errors.Is(err, im.ErrAnswered) {
			return ""
		}
		if e, ok := errors.AsType[*xmpp.StanzaError](err); ok {
			return string(e.Condition)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return out
	}
	w.t.Fatalf("nobody answers %s", payload)
	return ""
}

func request(name string, items ...string) string {
	var b strings.Builder
	for _, i := range items {
		b.WriteString("<item jid='" + i + "'/>")
	}
	return "<" + name + " xmlns='urn:xmpp:blocking'>" + b.String() + "</" + name + ">"
}

func (w *world) blocks(other string) bool {
	w.t.Helper()
	ok, err := w.Blocks(w.t.Context(), alice.With("phone"), parse(w.t, other))
	if err != nil {
		w.t.Fatal(err)
	}
	return ok
}

func TestWhomAnItemMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		item          string
		blocked, free []string
	}{
		{"romeo@x.example/orchard", []string{"romeo@x.example/orchard"},
			[]string{"romeo@x.example", "romeo@x.example/home", "x.example", "x.example/orchard"}},
		{"romeo@x.example", []string{"romeo@x.example", "romeo@x.example/orchard"},
			[]string{"iago@x.example", "x.example", "romeo@y.example"}},
		{"x.example/orchard", []string{"x.example/orchard", "romeo@x.example/orchard"},
			[]string{"x.example", "romeo@x.example", "x.example/home"}},
		{"x.example", []string{"x.example", "romeo@x.example", "romeo@x.example/orchard", "x.example/orchard"},
			[]string{"sub.x.example", "y.example"}},
		// An account hears itself and its server whatever it blocks.
		{"example.org", []string{"bob@example.org", "example.org/bot"},
			[]string{"example.org", "alice@example.org", "alice@example.org/tablet"}},
		{"example.org/tablet", []string{"bob@example.org/tablet"}, []string{"alice@example.org/tablet"}},
	} {
		s := newSet([]jid.JID{parse(t, c.item)})
		for _, other := range c.blocked {
			if !s.has(alice, parse(t, other)) {
				t.Errorf("%s on the list: %s gets through", c.item, other)
			}
		}
		for _, other := range c.free {
			if s.has(alice, parse(t, other)) {
				t.Errorf("%s on the list: %s is blocked", c.item, other)
			}
		}
	}
	if newSet([]jid.JID{{Domain: "x.example"}}).has(alice, jid.JID{}) {
		t.Error("who has no address is blocked")
	}
}

func TestAListIsMadeReadAndCleared(t *testing.T) {
	t.Parallel()
	w := open(t, Config{})
	if got := w.ask(nil, "get", request("blocklist")); got != "<blocklist xmlns='urn:xmpp:blocking'/>" {
		t.Errorf("an empty list is %s", got)
	}
	if got := w.ask(nil, "set", request("block", "Romeo@X.example", "y.example", "a@b.example/it&apos;s")); got != "" {
		t.Errorf("a block is answered with %s", got)
	}
	want := "<blocklist xmlns='urn:xmpp:blocking'><item jid='a@b.example/it&apos;s'/><item jid='romeo@x.example'/><item jid='y.example'/></blocklist>"
	if got := w.ask(nil, "get", request("blocklist")); got != want {
		t.Errorf("the list is %s\nwant %s", got, want)
	}
	if !w.blocks("romeo@x.example/orchard") || !w.blocks("y.example") || w.blocks("x.example") {
		t.Error("who is on the list gets through, or somebody else doesn't")
	}
	w.ask(nil, "set", request("unblock", "romeo@x.example", "never@blocked.example"))
	if w.blocks("romeo@x.example") || !w.blocks("y.example") {
		t.Error("an unblock takes another one off the list")
	}
	w.ask(nil, "set", request("unblock"))
	if w.blocks("y.example") || w.ask(nil, "get", request("blocklist")) != "<blocklist xmlns='urn:xmpp:blocking'/>" {
		t.Error("somebody is blocked after all are let in again")
	}
	wantTold := []string{
		"alice@example.org hides from romeo@x.example", "alice@example.org hides from y.example",
		"alice@example.org hides from a@b.example/it's", "alice@example.org shows to romeo@x.example",
		"alice@example.org shows to a@b.example/it's", "alice@example.org shows to y.example",
	}
	if slices.Sort(w.told); !slices.Equal(w.told, slices.Sorted(slices.Values(wantTold))) {
		t.Errorf("presence was told %q", w.told)
	}
}

func TestWhoStaysBlockedIsNotShown(t *testing.T) {
	t.Parallel()
	w := open(t, Config{})
	w.ask(nil, "set", request("block", "romeo@x.example", "x.example"))
	w.ask(nil, "set", request("block", "x.example")) // once more
	w.ask(nil, "set", request("unblock", "romeo@x.example"))
	want := []string{"alice@example.org hides from romeo@x.example", "alice@example.org hides from x.example"}
	if !slices.Equal(w.told, want) || !w.blocks("romeo@x.example") {
		t.Errorf("presence was told %q, want %q", w.told, want)
	}
}

func TestSessionsThatKnowTheListHearOfChanges(t *testing.T) {
	t.Parallel()
	w := open(t, Config{})
	phone, phoneOut := w.session("phone")
	_, tabletOut := w.session("tablet")
	desk, deskOut := w.session("desk")
	w.ask(phone, "get", request("blocklist"))
	w.ask(desk, "get", request("blocklist"))
	w.ask(phone, "set", request("block", "romeo@x.example"))
	w.ask(phone, "set", request("unblock", "romeo@x.example"))
	w.ask(phone, "set", request("unblock"))
	want := []string{
		"<iq to='alice@example.org/desk' id='1' type='result'><blocklist xmlns='urn:xmpp:blocking'/></iq>",
		"<iq to='alice@example.org/desk' id='push2' type='set'><block xmlns='urn:xmpp:blocking'><item jid='romeo@x.example'/></block></iq>",
		"<iq to='alice@example.org/desk' id='push4' type='set'><unblock xmlns='urn:xmpp:blocking'><item jid='romeo@x.example'/></unblock></iq>",
		"<iq to='alice@example.org/desk' id='push6' type='set'><unblock xmlns='urn:xmpp:blocking'/></iq>",
	}
	if !slices.Equal(deskOut.sent, want) {
		t.Errorf("a session that knows the list hears %q", deskOut.sent)
	}
	if len(phoneOut.sent) != 4 || len(tabletOut.sent) != 0 {
		t.Errorf("the session that changes it hears %q, one that never asked hears %q", phoneOut.sent, tabletOut.sent)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := open(t, Config{Items: 3, Request: 2})
	for _, c := range []struct{ typ, payload, want string }{
		{"set", request("block"), "bad-request"},
		{"set", request("block", "@x.example"), "jid-malformed"},
		{"set", request("block", ""), "jid-malformed"},
		{"set", "<block xmlns='urn:xmpp:blocking'><item/></block>", "jid-malformed"},
		{"set", "<block xmlns='urn:xmpp:blocking'><item xmlns='other' jid='a@x.example'/></block>", "bad-request"},
		{"set", request("unblock", "a b"), "jid-malformed"},
		{"set", request("block", "a@x.example", "b@x.example", "c@x.example"), "not-acceptable"},
		{"set", request("block", "alice@example.org"), "not-acceptable"},
		{"set", request("block", "b@x.example", "alice@example.org/tablet"), "not-acceptable"},
		{"get", request("block", "a@x.example"), "bad-request"},
		{"get", request("unblock"), "bad-request"},
		{"set", request("blocklist"), "bad-request"},
		{"set", request("block", "a@x.example", "b@x.example"), ""},
		{"set", request("block", "c@x.example", "d@x.example"), "resource-constraint"},
		{"set", request("block", "b@x.example", "c@x.example"), ""},
	} {
		if got := w.ask(nil, c.typ, c.payload); got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.typ, c.payload, got, c.want)
		}
	}
	if w.blocks("d@x.example") || !w.blocks("c@x.example") {
		t.Error("of a refused request something stays, or of a good one nothing")
	}
}

func TestADeletedAccountsListIsGone(t *testing.T) {
	t.Parallel()
	w := open(t, Config{})
	w.ask(nil, "set", request("block", "romeo@x.example"))
	if !w.blocks("romeo@x.example") {
		t.Fatal("he gets through")
	}
	if err := w.Forget(t.Context(), core.Address{Local: "alice", Domain: "example.org"}); err != nil {
		t.Fatal(err)
	}
	if w.blocks("romeo@x.example") {
		t.Error("the next one to have the address blocks whom the last one blocked")
	}
}

// counting counts what is read from the disk.
type counting struct {
	Store
	loads int
	err   error
}

func (c *counting) Load(ctx context.Context, owner jid.JID) ([]jid.JID, error) {
	c.loads++
	if c.err != nil {
		return nil, c.err
	}
	return c.Store.Load(ctx, owner)
}

func TestListsAreHeldInMemoryWithinABound(t *testing.T) {
	t.Parallel()
	s, err := NewStore(t.Context(), dbtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	store := &counting{Store: s}
	w := open(t, Config{Store: store, Cached: 32})
	for range 3 {
		w.blocks("romeo@x.example")
	}
	if store.loads != 1 {
		t.Errorf("of three questions %d went to the disk", store.loads)
	}
	for i := range 1000 {
		owner := jid.JID{Local: fmt.Sprint("u", i), Domain: "example.org"}
		if _, err := w.Blocks(t.Context(), owner, alice); err != nil {
			t.Fatal(err)
		}
	}
	held := 0
	for i := range w.cache.shards {
		held += len(w.cache.shards[i].lists)
	}
	if held > 32 {
		t.Errorf("%d lists are held, want 32 at most", held)
	}
}

func TestWhatWasReadBeforeAChangeDoesNotStay(t *testing.T) {
	t.Parallel()
	c := newCache(100)
	_, _, epoch := c.get(alice)
	c.drop(alice)
	c.put(alice, nil, epoch)
	if _, ok, _ := c.get(alice); ok {
		t.Error("a list that is out of date is held")
	}
}

func TestWithoutTheListNobodyIsLetThrough(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk")
	w := open(t, Config{Store: &counting{err: broken}})
	if _, err := w.Blocks(t.Context(), alice, parse(t, "romeo@x.example")); !errors.Is(err, broken) {
		t.Errorf("a list that can't be read says %v", err)
	}
	r := &Router{Lists: w.Lists}
	call := &core.Call{From: core.Caller{Address: core.Address{Local: "r", Domain: "x.example"}}, To: core.Address{Local: "alice", Domain: "example.org"}}
	if err := r.Route(t.Context(), call, &core.Plan{}); !errors.Is(err, broken) {
		t.Errorf("a call goes on, with %v", err)
	}
}

func TestChangesFromSeveralSessionsAtOnceAreToldInOrder(t *testing.T) {
	t.Parallel()
	w := open(t, Config{ID: nil})
	w.c.ID = func() string { return "x" }
	desk, out := w.session("desk")
	w.ask(desk, "get", request("blocklist"))
	w.c.Hide = func(_ context.Context, _ jid.JID, _ []jid.JID, store func() ([]jid.JID, error)) error {
		_, err := store()
		return err
	}
	w.c.Show = func(context.Context, jid.JID, jid.JID) {}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				w.ask(nil, "set", request([]string{"block", "unblock"}[i%2], "romeo@x.example"))
				_, _ = w.Blocks(t.Context(), alice, jid.JID{Local: "romeo", Domain: "x.example"})
			}
		})
	}
	wg.Wait()
	last := strings.Contains(out.sent[len(out.sent)-1], "<block ")
	if len(out.sent) != 1+40 || w.blocks("romeo@x.example") != last {
		t.Errorf("of 40 changes %d were told; the last told is a block: %v, he is blocked: %v", len(out.sent)-1, last, !last)
	}
}

func TestCallsOfThoseWhoAreBlocked(t *testing.T) {
	t.Parallel()
	w := open(t, Config{})
	w.ask(nil, "set", request("block", "bob@example.org", "spam.example", "x@bücher.example"))
	r := &Router{Lists: w.Lists}
	none, err := core.Routers{}.Plan(t.Context(), &core.Call{})
	if err == nil {
		t.Fatalf("nobody is reached by %s", none)
	}
	for _, c := range []struct {
		from    core.Caller
		blocked bool
	}{
		{core.Caller{Address: core.Address{Local: "bob", Domain: "example.org"}, Known: true}, true},
		{core.Caller{Address: core.Address{Local: "carol", Domain: "example.org"}, Known: true}, false},
		{core.Caller{Address: core.Address{Local: "anyone", Domain: "spam.example"}}, true},
		{core.Caller{Address: core.Address{Local: "x", Domain: "xn--bcher-kva.example"}}, true},
		{core.Caller{}, false},
	} {
		plan := &core.Plan{}
		got := r.Route(t.Context(), &core.Call{From: c.from, To: core.Address{Local: "alice", Domain: "example.org"}}, plan)
		if (got != nil) != c.blocked {
			t.Errorf("a call of %s: %v", c.from.Address, got)
		}
		if c.blocked && (got.Error() != err.Error() || core.AsError(got).Reason != core.AsError(err).Reason || len(plan.Notes) != 1) {
			t.Errorf("%s hears %v, one who calls somebody without a device %v; the notes are %q", c.from.Address, got, err, plan.Notes)
		}
	}
}

func BenchmarkBlocks(b *testing.B) {
	s, err := NewStore(b.Context(), dbtest.Open(b))
	if err != nil {
		b.Fatal(err)
	}
	l := New(Config{Store: s})
	if _, err := s.Add(b.Context(), alice, []jid.JID{{Domain: "spam.example"}}, 10, start); err != nil {
		b.Fatal(err)
	}
	bob := jid.JID{Local: "bob", Domain: "example.org"}
	b.ReportAllocs()
	for b.Loop() {
		if blocked, err := l.Blocks(b.Context(), alice, bob); err != nil || blocked {
			b.Fatal(blocked, err)
		}
	}
}
