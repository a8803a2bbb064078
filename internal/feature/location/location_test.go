package location

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"parley/internal/core"
	"parley/internal/db"
	"parley/internal/db/dbtest"
)

var (
	alice = core.Address{Local: "alice", Domain: "example.org"}
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func binding(key string, q int, updated, expires time.Duration) core.Binding {
	return core.Binding{
		Account: alice, Key: key, Contact: "sip:" + key + "@192.0.2.7", CallID: "c", CSeq: 1, Q: q, Flow: "udp:1", Network: "UDP",
		Source: netip.MustParseAddrPort("192.0.2.7:5062"), UserAgent: "phone", Path: []string{"<sip:p1;lr>", "<sip:p2;lr>"},
		Since: start, Updated: start.Add(updated), Expires: start.Add(expires), Instance: "<urn:uuid:1>", RegID: 1, NATed: true,
	}
}

func to(list ...core.Binding) func([]core.Binding) ([]core.Binding, error) {
	return func([]core.Binding) ([]core.Binding, error) { return list, nil }
}

// counting is a store that counts what is waited for.
type counting struct {
	Store
	saves, refreshes int
	fail             error
}

func (c *counting) Save(ctx context.Context, put, drop []core.Binding) error {
	c.saves++
	if c.fail != nil {
		return c.fail
	}
	return c.Store.Save(ctx, put, drop)
}

func (c *counting) Refresh(ctx context.Context, list []core.Binding) error {
	c.refreshes++
	if c.fail != nil {
		return c.fail
	}
	return c.Store.Refresh(ctx, list)
}

func open(t *testing.T, d *db.DB, now *time.Time) (*Table, *counting) {
	t.Helper()
	store, err := NewStore(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	c := &counting{Store: store}
	table, err := Open(t.Context(), Config{Now: func() time.Time { return *now }}, c)
	if err != nil {
		t.Fatal(err)
	}
	return table, c
}

func change(t *testing.T, table *Table, list ...core.Binding) {
	t.Helper()
	if err := table.Change(t.Context(), alice, to(list...)); err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, table *Table) (out []string) {
	t.Helper()
	list, err := table.Bindings(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range list {
		out = append(out, b.Key)
	}
	return out
}

func wantKeys(t *testing.T, table *Table, want ...string) {
	t.Helper()
	if got := keys(t, table); !reflect.DeepEqual(got, want) {
		t.Errorf("bound are %v, want %v", got, want)
	}
}

func TestBindingsSurviveARestart(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := start
		table, _ := open(t, d, &now)
		want := binding("desk", 1000, 0, time.Hour)
		change(t, table, want, binding("gone", 1000, 0, time.Minute))
		now = now.Add(2 * time.Minute)
		again, _ := open(t, d, &now)
		got, _ := again.Bindings(t.Context(), alice)
		if len(got) != 1 || !equal(got[0], want) {
			t.Errorf("after the restart: %+v\nwant %+v", got, want)
		}
	})
}

// equal compares bindings with their times in any zone.
func equal(a, b core.Binding) bool {
	for _, t := range []*time.Time{&a.Since, &a.Updated, &a.Expires, &b.Since, &b.Updated, &b.Expires} {
		*t = t.UTC()
	}
	return reflect.DeepEqual(a, b)
}

func TestMostPreferredThenLatestFirst(t *testing.T) {
	t.Parallel()
	now := start
	table, _ := open(t, dbtest.Open(t), &now)
	change(t, table, binding("low", 500, 9, time.Hour), binding("old", 1000, 1, time.Hour), binding("new", 1000, 2, time.Hour))
	wantKeys(t, table, "new", "old", "low")
}

func TestWhatHasExpiredIsNotThere(t *testing.T) {
	t.Parallel()
	now := start
	d := dbtest.Open(t)
	table, _ := open(t, d, &now)
	change(t, table, binding("short", 1000, 0, time.Minute), binding("long", 1000, 0, time.Hour))
	now = now.Add(time.Minute)
	wantKeys(t, table, "long")
	if err := table.Sweep(t.Context()); err != nil || table.Count() != 1 {
		t.Errorf("after the sweep: %d bindings, %v", table.Count(), err)
	}
	var rows int
	if err := d.Read().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM binding").Scan(&rows); err != nil || rows != 1 {
		t.Errorf("on disk are %d, %v; want 1", rows, err)
	}
}

func TestARefreshIsNotWaitedForButWritten(t *testing.T) {
	t.Parallel()
	now := start
	d := dbtest.Open(t)
	table, store := open(t, d, &now)
	change(t, table, binding("desk", 1000, 0, time.Hour))
	change(t, table, binding("desk", 1000, time.Second, 2*time.Hour))
	if store.saves != 1 {
		t.Errorf("%d writes were waited for, want the first alone", store.saves)
	}
	store.fail = errors.New("disk full")
	if err := table.Flush(t.Context()); err == nil {
		t.Error("a flush that failed says nothing")
	}
	store.fail = nil
	if err := table.Flush(t.Context()); err != nil || store.refreshes != 2 {
		t.Fatalf("flush: %v after %d tries", err, store.refreshes)
	}
	now = now.Add(90 * time.Minute)
	again, _ := open(t, d, &now)
	wantKeys(t, again, "desk")
}

func TestWhatCouldNotBeWrittenIsNotBound(t *testing.T) {
	t.Parallel()
	now := start
	table, store := open(t, dbtest.Open(t), &now)
	change(t, table, binding("desk", 1000, 0, time.Hour))
	store.fail = errors.New("disk full")
	if err := table.Change(t.Context(), alice, to()); err == nil {
		t.Error("an unregister that is not on disk was acknowledged")
	}
	if err := table.Change(t.Context(), alice, to(binding("other", 1000, 0, time.Hour))); err == nil {
		t.Error("a register that is not on disk was acknowledged")
	}
	wantKeys(t, table, "desk")
}

func TestForget(t *testing.T) {
	t.Parallel()
	now := start
	table, _ := open(t, dbtest.Open(t), &now)
	change(t, table, binding("desk", 1000, 0, time.Hour))
	if err := table.Forget(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, table)
	if len(table.List(10)) != 0 {
		t.Error("a forgotten account is still listed")
	}
}
