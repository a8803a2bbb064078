// Package guard slows those who guess passwords, without locking owners out.
//
// It counts wrong passwords in three tables: of a source against any account, of a source
// against one account, and of everybody against one account. The first two make the source wait; the last makes
// everybody wait who has not lately proved that account from where he is. So a guesser is slowed from one
// address or from many, and the owner at his usual place is not.
//
// All of it is in memory and bounded, and filling it does not help a guesser: a count that makes somebody wait
// gives way only to others that do, each of which costs as many wrong passwords. Accounts that do not exist are
// counted like those that do.
package guard

import (
	"cmp"
	"net/netip"
	"sync"
	"time"

	"parley/internal/core"
)

// Config of a Guard; zero fields take their defaults.
type Config struct {
	// Delays are asked for at each sign-in; default their zero value.
	Delays func() Delays
	// Known is how long a source that proved an account counts as its owner's; default 30 days.
	Known time.Duration
	// Size is how many entries each table holds; default 50000, each 300 bytes, up to 1 KB for the places
	// of an account.
	Size int
	Now  func() time.Time
}

// Delays are what wrong passwords cost; zero fields take their defaults.
type Delays struct {
	FreeTries  int           // wrong passwords before the first wait, of one source against one account; default 5
	FirstDelay time.Duration // the first wait, doubled with each further wrong password; default 1s
	MaxDelay   time.Duration // the longest wait; default 1m
	Forget     time.Duration // time without a wrong password after which counting begins anew; default 15m
}

func (d Delays) withDefaults() Delays {
	return Delays{
		FreeTries: cmp.Or(d.FreeTries, 5), FirstDelay: cmp.Or(d.FirstDelay, time.Second),
		MaxDelay: cmp.Or(d.MaxDelay, time.Minute), Forget: cmp.Or(d.Forget, 15*time.Minute),
	}
}

func (c Config) withDefaults() Config {
	if c.Delays == nil {
		c.Delays = func() Delays { return Delays{} }
	}
	c.Known = cmp.Or(c.Known, 30*24*time.Hour)
	c.Size = cmp.Or(c.Size, 50000)
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
	pairs   *counts // of a source against one account
	sources *counts // of a source against any
	whole   *counts // of everybody unknown against one account
	known   *places // from where accounts were proved
}

// New makes a Guard that has seen nothing.
func New(cfg Config) *Guard {
	c := cfg.withDefaults()
	return &Guard{
		cfg:     c,
		pairs:   newCounts(c.Size, 1),
		sources: newCounts(c.Size, sourceShare),
		whole:   newCounts(c.Size, accountShare),
		known:   newPlaces(c.Size),
	}
}

// Check implements core.Guard.
func (g *Guard) Check(source string, account core.Address) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, from, d := g.cfg.Now(), group(source), g.cfg.Delays().withDefaults()
	wait := max(d.wait(g.pairs, pair{from, account}, now), d.wait(g.sources, pair{source: from}, now))
	if !g.known.has(from, account, now, g.cfg.Known) {
		wait = max(wait, d.wait(g.whole, pair{account: account}, now))
	}
	return wait
}

// wait is how long until the delay that the count has earned is over.
func (d Delays) wait(t *counts, p pair, now time.Time) time.Duration {
	e, free := t.get(p), d.FreeTries*t.share
	if e == nil || now.Sub(e.last) >= d.Forget || e.count < free {
		return 0
	}
	return max(0, e.last.Add(d.delay(e.count-free)).Sub(now))
}

// delay doubles with each wrong password past the free ones.
func (d Delays) delay(over int) time.Duration {
	wait := d.FirstDelay
	for range min(over, 30) {
		if wait *= 2; wait >= d.MaxDelay {
			break
		}
	}
	return min(wait, d.MaxDelay)
}

// Failed implements core.Guard.
func (g *Guard) Failed(source string, account core.Address) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, from, d := g.cfg.Now(), group(source), g.cfg.Delays().withDefaults()
	g.pairs.add(pair{from, account}, now, d)
	g.sources.add(pair{source: from}, now, d)
	if !g.known.has(from, account, now, g.cfg.Known) {
		g.whole.add(pair{account: account}, now, d)
	}
}

// Succeeded implements core.Guard. The source's own count stays: one right password of his own must not buy a
// guesser fresh tries at others'.
func (g *Guard) Succeeded(source string, account core.Address) {
	g.mu.Lock()
	defer g.mu.Unlock()
	from := group(source)
	g.pairs.drop(pair{from, account})
	g.known.add(from, account, g.cfg.Now())
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
