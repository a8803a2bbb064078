// Package location is the location table: where each account can be reached now (the
// bindings of RFC 3261 section 10). Memory is the truth for readers; the database is what makes
// bindings survive a restart.
//
// A new, changed or removed binding is on disk before Change returns. A refresh that only moves
// the time is not waited for: it is written a little later, and should that be lost, the device
// repeats it.
package location

import (
	"context"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/internal/core"
	"parley/internal/db"
)

// Store keeps bindings on disk.
type Store interface {
	// Load gives every binding that lives beyond now.
	Load(ctx context.Context, now time.Time, each func(core.Binding)) error
	// Save puts and deletes bindings in one transaction.
	Save(ctx context.Context, put []core.Binding, drop []core.Binding) error
	// Expire deletes what has expired before now.
	Expire(ctx context.Context, now time.Time) error
}

// Config of a Table; zero fields take their defaults.
type Config struct {
	// Changed is told of each account one of whose devices has registered, or is bound no longer, after that. It must not block.
	Changed func(core.Address)
	Now     func() time.Time
	Log     *slog.Logger
}

const stripes = 64

// Table implements core.Location.
type Table struct {
	now    func() time.Time
	log    *slog.Logger
	tell   func(core.Address)
	store  Store
	seed   maphash.Seed
	shards [stripes]shard
}

// shard holds the accounts that hash to it. Changes to one account happen one after the other.
type shard struct {
	changing sync.Mutex // held during a change, also while it is written
	mu       sync.RWMutex
	accounts map[core.Address][]core.Binding
	dirty    map[dirtyKey]struct{} // refreshed in memory only
}

type dirtyKey struct {
	account core.Address
	key     string
}

// Open reads the table from its store.
func Open(ctx context.Context, cfg Config, store Store) (*Table, error) {
	t := &Table{now: cfg.Now, log: cfg.Log, tell: cfg.Changed, store: store, seed: maphash.MakeSeed()}
	if t.now == nil {
		t.now = time.Now
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.tell == nil {
		t.tell = func(core.Address) {}
	}
	for i := range t.shards {
		t.shards[i].accounts = map[core.Address][]core.Binding{}
		t.shards[i].dirty = map[dirtyKey]struct{}{}
	}
	err := store.Load(ctx, t.now(), func(b core.Binding) {
		s := t.shard(b.Account)
		s.accounts[b.Account] = append(s.accounts[b.Account], b)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Table) shard(a core.Address) *shard {
	return &t.shards[maphash.Comparable(t.seed, a)%stripes]
}

// Bindings implements core.Location.
func (t *Table) Bindings(_ context.Context, a core.Address) ([]core.Binding, error) {
	list := t.live(a)
	slices.SortStableFunc(list, func(x, y core.Binding) int {
		if x.Q != y.Q {
			return y.Q - x.Q
		}
		return y.Updated.Compare(x.Updated)
	})
	return list, nil
}

// live is a copy of an account's bindings that have not expired.
func (t *Table) live(a core.Address) []core.Binding {
	s, now := t.shard(a), t.now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []core.Binding
	for _, b := range s.accounts[a] {
		if b.Expires.After(now) {
			out = append(out, b)
		}
	}
	return out
}

// Change implements core.Location.
func (t *Table) Change(ctx context.Context, a core.Address, f func([]core.Binding) ([]core.Binding, error)) error {
	s := t.shard(a)
	s.changing.Lock()
	defer s.changing.Unlock()
	now := t.live(a)
	next, err := f(slices.Clone(now))
	if err != nil {
		return err
	}
	put, drop, refreshed := difference(now, next)
	if len(put)+len(drop) > 0 {
		if err := t.store.Save(ctx, put, drop); err != nil {
			return err
		}
	}
	s.set(a, next, refreshed)
	if len(put)+len(drop)+len(refreshed) > 0 {
		t.tell(a)
	}
	return nil
}

func (s *shard) set(a core.Address, next []core.Binding, refreshed []core.Binding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(next) == 0 {
		delete(s.accounts, a)
	} else {
		s.accounts[a] = slices.Clone(next)
	}
	for _, b := range refreshed {
		s.dirty[dirtyKey{a, b.Key}] = struct{}{}
	}
}

// difference says what has to be on disk before anybody is told (put, drop) and what may follow.
func difference(now, next []core.Binding) (put, drop, refreshed []core.Binding) {
	for _, b := range next {
		at := slices.IndexFunc(now, func(x core.Binding) bool { return x.Key == b.Key })
		switch {
		case at < 0 || !sameButTime(now[at], b):
			put = append(put, b)
		case !sameTime(now[at], b):
			refreshed = append(refreshed, b)
		}
	}
	for _, b := range now {
		if !slices.ContainsFunc(next, func(x core.Binding) bool { return x.Key == b.Key }) {
			drop = append(drop, b)
		}
	}
	return put, drop, refreshed
}

func sameTime(a, b core.Binding) bool {
	return a.Expires.Equal(b.Expires) && a.Updated.Equal(b.Updated) && a.CSeq == b.CSeq && a.CallID == b.CallID
}

// sameButTime: the device only says again what it said before. One that wants a shorter life
// than before means it; that is written at once.
func sameButTime(a, b core.Binding) bool {
	return a.Contact == b.Contact && a.Q == b.Q && a.Flow == b.Flow && a.Network == b.Network &&
		a.Source == b.Source && a.NATed == b.NATed && a.Instance == b.Instance && a.RegID == b.RegID &&
		a.UserAgent == b.UserAgent && a.Device == b.Device && a.Messages == b.Messages &&
		slices.Equal(a.Path, b.Path) && !b.Expires.Before(a.Expires)
}

// Flush writes refreshes that are in memory only.
func (t *Table) Flush(ctx context.Context) error {
	// All at once, so that the database commits them together.
	g, ctx := errgroup.WithContext(ctx)
	for i := range t.shards {
		if t.shards[i].isDirty() {
			g.Go(func() error { return t.shards[i].flush(ctx, t.store) })
		}
	}
	return g.Wait()
}

func (s *shard) isDirty() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.dirty) > 0
}

// flush holds off changes: what it writes must not come after a newer word.
func (s *shard) flush(ctx context.Context, store Store) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	list := s.takeDirty()
	if len(list) == 0 {
		return nil
	}
	err := store.Save(ctx, list, nil)
	if err != nil {
		s.markDirty(list)
	}
	return err
}

func (s *shard) markDirty(list []core.Binding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range list {
		s.dirty[dirtyKey{b.Account, b.Key}] = struct{}{}
	}
}

func (s *shard) takeDirty() []core.Binding {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []core.Binding
	for d := range s.dirty {
		for _, b := range s.accounts[d.account] {
			if b.Key == d.key {
				list = append(list, b)
			}
		}
	}
	clear(s.dirty)
	return list
}

// Sweep forgets what has expired.
func (t *Table) Sweep(ctx context.Context) error {
	now := t.now()
	for i := range t.shards {
		for _, a := range t.shards[i].sweep(now) {
			t.tell(a)
		}
	}
	return t.store.Expire(ctx, now)
}

// sweep gives the accounts of which something has expired.
func (s *shard) sweep(now time.Time) (changed []core.Address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a, list := range s.accounts {
		left := slices.DeleteFunc(slices.Clone(list), func(b core.Binding) bool { return !b.Expires.After(now) })
		if len(left) == len(list) {
			continue
		}
		changed = append(changed, a)
		if len(left) == 0 {
			delete(s.accounts, a)
		} else {
			s.accounts[a] = left
		}
	}
	return changed
}

// Forget drops all bindings of an account that is gone.
func (t *Table) Forget(ctx context.Context, a core.Address) error {
	return t.Change(ctx, a, func([]core.Binding) ([]core.Binding, error) { return nil, nil })
}

// Count is how many bindings live now.
func (t *Table) Count() (n int) {
	now := t.now()
	for i := range t.shards {
		n += t.shards[i].count(now)
	}
	return n
}

func (s *shard) count(now time.Time) (n int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, list := range s.accounts {
		for _, b := range list {
			if b.Expires.After(now) {
				n++
			}
		}
	}
	return n
}

// List gives at most n live bindings, by account.
func (t *Table) List(n int) []core.Binding {
	var out []core.Binding
	now := t.now()
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		for _, list := range s.accounts {
			for _, b := range list {
				if b.Expires.After(now) && len(out) < n {
					out = append(out, b)
				}
			}
		}
		s.mu.RUnlock()
	}
	slices.SortFunc(out, func(x, y core.Binding) int {
		if x.Account == y.Account {
			return x.Since.Compare(y.Since)
		}
		if x.Account.Less(y.Account) {
			return -1
		}
		return 1
	})
	return out
}

// Run flushes every second and sweeps every minute until ctx ends, and flushes once more then.
func (t *Table) Run(ctx context.Context) {
	db.Upkeep{
		Of: "bindings", Flush: t.Flush, Sweep: t.Sweep, FlushEvery: time.Second, SweepEvery: time.Minute, Log: t.log,
	}.Run(ctx)
}
