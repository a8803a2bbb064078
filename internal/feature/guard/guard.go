// Package guard slows those who guess passwords, without locking owners out.
//
// It counts wrong passwords in three tables: of a source against any account, of a source
// against one account, and of everybody against one account. The first two make the source wait; the last makes
// everybody wait who has not lately proved that account from where he is. So a guesser is slowed from one
// address or from many, and the owner at his usual place is not.
//
// All of it is in memory and bounded. Accounts that do not exist are counted like those that do.
package guard

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"parley/internal/core"
)

// Config of a Guard; zero fields take their defaults.
type Config struct {
	FreeTries  int           // wrong passwords before the first wait, of one source against one account; default 5
	FirstDelay time.Duration // the first wait, doubled with each further wrong password; default 1s
	MaxDelay   time.Duration // the longest wait; default 1m
	Forget     time.Duration // time without a wrong password after which counting begins anew; default 15m
	// Known is how long a source that proved an account counts as its owner's; default 30 days.
	Known time.Duration
	// Size is how many entries each table holds; default 50000, about 200 bytes each.
	Size int
	Now  func() time.Time
}

func (c Config) withDefaults() Config {
	if c.FreeTries == 0 {
		c.FreeTries = 5
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.FirstDelay, time.Second}, {&c.MaxDelay, time.Minute}, {&c.Forget, 15 * time.Minute}, {&c.Known, 30 * 24 * time.Hour}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Size == 0 {
		c.Size = 50000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// How many wrong passwords a whole source, and a whole account, may have before they make somebody wait, in
// FreeTries: a company's phones share one address, and a person has several devices with an old password.
const (
	sourceShare  = 20
	accountShare = 10
)

// Guard implements core.Guard.
type Guard struct {
	cfg Config

	mu      sync.Mutex
	pairs   table
	sources table
	whole   table
	known   table
}

// pair is a source and an account.
type pair struct {
	source  netip.Prefix
	account core.Address
}

// New makes a Guard that has seen nothing.
func New(cfg Config) *Guard {
	g := &Guard{cfg: cfg.withDefaults()}
	for _, t := range []*table{&g.pairs, &g.sources, &g.whole, &g.known} {
		t.init(g.cfg.Size)
	}
	return g
}

// Check implements core.Guard.
func (g *Guard) Check(source string, account core.Address) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, from := g.cfg.Now(), group(source)
	wait := max(
		g.wait(&g.pairs, pair{from, account}, g.cfg.FreeTries, now),
		g.wait(&g.sources, pair{source: from}, g.cfg.FreeTries*sourceShare, now),
	)
	if !g.isKnown(pair{from, account}, now) {
		wait = max(wait, g.wait(&g.whole, pair{account: account}, g.cfg.FreeTries*accountShare, now))
	}
	return wait
}

// wait is how long until the delay that the count has earned is over.
func (g *Guard) wait(t *table, p pair, free int, now time.Time) time.Duration {
	e := t.get(p)
	if e == nil || now.Sub(e.last) >= g.cfg.Forget || e.count < free {
		return 0
	}
	return max(0, e.last.Add(g.delay(e.count-free)).Sub(now))
}

// delay doubles with each wrong password past the free ones.
func (g *Guard) delay(over int) time.Duration {
	d := g.cfg.FirstDelay
	for range min(over, 30) {
		if d *= 2; d >= g.cfg.MaxDelay {
			break
		}
	}
	return min(d, g.cfg.MaxDelay)
}

func (g *Guard) isKnown(p pair, now time.Time) bool {
	e := g.known.get(p)
	return e != nil && now.Sub(e.last) < g.cfg.Known
}

// Failed implements core.Guard.
func (g *Guard) Failed(source string, account core.Address) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, from := g.cfg.Now(), group(source)
	g.pairs.count(pair{from, account}, now, g.cfg.Forget)
	g.sources.count(pair{source: from}, now, g.cfg.Forget)
	if !g.isKnown(pair{from, account}, now) {
		g.whole.count(pair{account: account}, now, g.cfg.Forget)
	}
}

// Succeeded implements core.Guard. The source's own count stays: one right password of his own must not buy a
// guesser fresh tries at others'.
func (g *Guard) Succeeded(source string, account core.Address) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := pair{group(source), account}
	g.pairs.drop(p)
	g.known.touch(p, g.cfg.Now())
}

// group is what counts as one source: an IPv4 address, or an IPv6 /64, all of which one person has.
func group(source string) netip.Prefix {
	a, err := netip.ParseAddr(source)
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// table counts by key and forgets the one that was quiet for longest when it is full. Whoever fills it with
// other keys from one source is made to wait by that source's own count, which each try moves to the front.
type table struct {
	size    int
	entries map[pair]*list.Element
	order   list.List // of *entry, the latest first
}

type entry struct {
	key   pair
	count int
	last  time.Time
}

func (t *table) init(size int) {
	t.size = size
	t.entries = map[pair]*list.Element{}
}

func (t *table) get(p pair) *entry {
	if e, ok := t.entries[p]; ok {
		return e.Value.(*entry) //nolint:forcetypeassert,errcheck // the list holds nothing else
	}
	return nil
}

// touch gives the entry of a key, making room for it if it is new.
func (t *table) touch(p pair, now time.Time) *entry {
	if el, ok := t.entries[p]; ok {
		t.order.MoveToFront(el)
		e := t.get(p)
		e.last = now
		return e
	}
	if len(t.entries) >= t.size {
		oldest := t.order.Back()
		t.order.Remove(oldest)
		delete(t.entries, oldest.Value.(*entry).key) //nolint:forcetypeassert,errcheck // as above
	}
	e := &entry{key: p, last: now}
	t.entries[p] = t.order.PushFront(e)
	return e
}

func (t *table) count(p pair, now time.Time, forget time.Duration) {
	if e := t.get(p); e != nil && now.Sub(e.last) >= forget {
		e.count = 0
	}
	t.touch(p, now).count++
}

func (t *table) drop(p pair) {
	if el, ok := t.entries[p]; ok {
		t.order.Remove(el)
		delete(t.entries, p)
	}
}
