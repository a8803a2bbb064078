package location

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"parley/internal/core"
	"parley/internal/db"
	"parley/internal/db/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	alice = core.Address{Local: "alice", Domain: "example.org"}
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func binding(key string, q int, updated, expires time.Duration) core.Binding {
	return core.Binding{
		Account: alice, Key: key, Contact: "sip:" + key + "@192.0.2.7", CallID: "c", CSeq: 1, Q: q, Flow: "udp:1", Network: "UDP",
		Source: netip.MustParseAddrPort("192.0.2.7:5062"), UserAgent: "phone", Path: []string{"<sip:p1;lr>", "<sip:p2;lr>"},
		Since: start, Updated: start.Add(updated), Expires: start.Add(expires), Instance: "<urn:uuid:1>", RegID: 1, NATed: true, Messages: core.Able,
	}
}

func to(list ...core.Binding) func([]core.Binding) ([]core.Binding, error) {
	return func([]core.Binding) ([]core.Binding, error) { return list, nil }
}

// counting is a store that counts writes and can fail.
type counting struct {
	Store
	saves int
	fail  error
}

func (c *counting) Save(ctx context.Context, put, drop []core.Binding) error {
	c.saves++
	if c.fail != nil {
		return c.fail
	}
	return c.Store.Save(ctx, put, drop)
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
	for range 2 { // the second finds nothing to do
		if err := table.Flush(t.Context()); err != nil || store.saves != 3 {
			t.Fatalf("flush: %v after %d tries", err, store.saves-1)
		}
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

// The old time on the disk may pass before the new one is there.
func TestARefreshAtTheLastMomentSurvivesTheSweep(t *testing.T) {
	t.Parallel()
	now := start
	d := dbtest.Open(t)
	table, _ := open(t, d, &now)
	change(t, table, binding("desk", 1000, 0, time.Minute))
	now = start.Add(59 * time.Second)
	change(t, table, binding("desk", 1000, 59*time.Second, time.Hour))
	now = start.Add(61 * time.Second)
	if err := errors.Join(table.Sweep(t.Context()), table.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	again, _ := open(t, d, &now)
	wantKeys(t, again, "desk")
}

func TestAShorterLifeIsWrittenAtOnce(t *testing.T) {
	t.Parallel()
	now := start
	d := dbtest.Open(t)
	table, _ := open(t, d, &now)
	change(t, table, binding("desk", 1000, 0, time.Hour))
	change(t, table, binding("desk", 1000, time.Second, time.Minute))
	now = start.Add(2 * time.Minute)
	again, _ := open(t, d, &now)
	wantKeys(t, again)
}

func TestChangesOfOneAccountComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	now := start
	table, _ := open(t, dbtest.Open(t), &now)
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			err := table.Change(t.Context(), alice, func(now []core.Binding) ([]core.Binding, error) {
				return append(now, binding(fmt.Sprint("phone", i), 1000, 0, time.Hour)), nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := table.Count(); n != 30 {
		t.Errorf("30 phones registered at once, %d are bound", n)
	}
}

func TestARefusedChangeChangesNothing(t *testing.T) {
	t.Parallel()
	now := start
	table, store := open(t, dbtest.Open(t), &now)
	change(t, table, binding("desk", 1000, 0, time.Hour))
	refusal := errors.New("too many contacts")
	err := table.Change(t.Context(), alice, func(list []core.Binding) ([]core.Binding, error) {
		list[0].Contact = "sip:elsewhere@192.0.2.9" // what f was given is its own
		return nil, refusal
	})
	if !errors.Is(err, refusal) || store.saves != 1 {
		t.Errorf("the change ended with %v", err)
	}
	list, err := table.Bindings(t.Context(), alice)
	if err != nil || len(list) != 1 || list[0].Contact != "sip:desk@192.0.2.7" {
		t.Errorf("bound are %+v, %v", list, err)
	}
}

// Whatever devices do and whenever the server starts again, the table is what they were told.
func TestTheTableIsWhatDevicesWereTold(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	rapid.Check(t, func(rt *rapid.T) {
		now := start
		table, _ := open(t, d, &now)
		if err := table.Forget(t.Context(), alice); err != nil {
			rt.Fatal(err)
		}
		told := map[string]core.Binding{}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			key := rapid.SampledFrom([]string{"desk", "mobile", "web"}).Draw(rt, "device")
			switch rapid.SampledFrom([]string{"register", "register", "unregister", "wait", "sweep", "flush", "restart"}).Draw(rt, "step") {
			case "register":
				life := time.Duration(rapid.IntRange(1, 90).Draw(rt, "life")) * time.Second
				b := binding(key, 1000, now.Sub(start), now.Sub(start)+life)
				b.CSeq = uint32(len(told) + 1)
				b.Contact += rapid.SampledFrom([]string{"", ";moved"}).Draw(rt, "contact")
				told[key] = b
				apply(rt, table, b, true)
			case "unregister":
				delete(told, key)
				apply(rt, table, core.Binding{Key: key}, false)
			case "wait":
				now = now.Add(time.Duration(rapid.IntRange(1, 60).Draw(rt, "wait")) * time.Second)
			case "sweep":
				if err := table.Sweep(t.Context()); err != nil {
					rt.Fatal(err)
				}
			case "flush":
				if err := table.Flush(t.Context()); err != nil {
					rt.Fatal(err)
				}
			case "restart": // in good order: what was refreshed is flushed
				if err := table.Flush(t.Context()); err != nil {
					rt.Fatal(err)
				}
				table, _ = open(t, d, &now)
			}
			compare(rt, table, told, now)
		}
	})
}

// apply is what a registrar does.
func apply(rt *rapid.T, table *Table, b core.Binding, bind bool) {
	err := table.Change(context.Background(), alice, func(list []core.Binding) ([]core.Binding, error) {
		list = slices.DeleteFunc(list, func(x core.Binding) bool { return x.Key == b.Key })
		if bind {
			list = append(list, b)
		}
		return list, nil
	})
	if err != nil {
		rt.Fatal(err)
	}
}

func compare(rt *rapid.T, table *Table, told map[string]core.Binding, now time.Time) {
	list, err := table.Bindings(context.Background(), alice)
	if err != nil {
		rt.Fatal(err)
	}
	live := 0
	for _, b := range told {
		if b.Expires.After(now) {
			live++
		}
	}
	if len(list) != live || table.Count() != live {
		rt.Fatalf("%d devices are bound, counted are %d, want %d", len(list), table.Count(), live)
	}
	for _, b := range list {
		if !equal(b, told[b.Key]) {
			rt.Fatalf("bound is %+v, told was %+v", b, told[b.Key])
		}
	}
}

// memory is a store without a disk, for tests whose time is not real.
type memory struct {
	mu   sync.Mutex
	rows map[string]core.Binding
}

func (m *memory) Load(context.Context, time.Time, func(core.Binding)) error { return nil }

func (m *memory) Save(_ context.Context, put, drop []core.Binding) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range put {
		m.rows[b.Key] = b
	}
	for _, b := range drop {
		delete(m.rows, b.Key)
	}
	return nil
}

func (m *memory) row(key string) core.Binding {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows[key]
}

// held is how many bindings are in memory, live or not.
func (t *Table) held(a core.Address) int {
	s := t.shard(a)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.accounts[a])
}

func (m *memory) Expire(_ context.Context, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.rows, func(_ string, b core.Binding) bool { return !b.Expires.After(now) })
	return nil
}

func TestRunWritesRefreshesAndSweeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{rows: map[string]core.Binding{}}
		table, err := Open(t.Context(), Config{}, store)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { table.Run(ctx); close(done) }()
		bind := func(life time.Duration) core.Binding {
			b := binding("desk", 1000, 0, 0)
			b.Updated, b.Expires = time.Now(), time.Now().Add(life)
			change(t, table, b)
			return b
		}
		bind(10 * time.Second)
		refreshed := bind(20 * time.Second)
		time.Sleep(1100 * time.Millisecond)
		if got := store.row("desk"); !got.Expires.Equal(refreshed.Expires) {
			t.Errorf("a second later the disk says %v, told was %v", got.Expires, refreshed.Expires)
		}
		time.Sleep(2 * time.Minute)
		if inMemory, onDisk := table.held(alice), store.row("desk"); inMemory != 0 || onDisk.Key != "" {
			t.Errorf("expired bindings stay: %d in memory, %v on the disk", inMemory, onDisk)
		}
		bind(time.Hour)
		last := bind(2 * time.Hour)
		cancel()
		<-done
		if got := store.row("desk"); !got.Expires.Equal(last.Expires) {
			t.Error("the last refresh was lost when the server stopped in good order")
		}
	})
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

func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	now, told := start, 0
	store, err := NewStore(t.Context(), dbtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	table, err := Open(t.Context(), Config{
		Now: func() time.Time { return now }, Changed: func(a core.Address) {
			if a == alice {
				told++
			}
		},
	}, store)
	if err != nil {
		t.Fatal(err)
	}
	want := func(what string, n int) {
		t.Helper()
		if told != n {
			t.Errorf("%s: told %d times, want %d", what, told, n)
		}
	}
	change(t, table, binding("desk", 1000, 0, time.Minute))
	want("a new binding", 1)
	change(t, table, binding("desk", 1000, time.Second, time.Minute))
	want("a refresh", 2)
	change(t, table, binding("desk", 1000, time.Second, time.Minute))
	want("nothing changed", 2)
	now = now.Add(2 * time.Minute)
	for range 2 {
		if err := table.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want("it expires", 3)
}
