package siptest

import (
	"sync"
	"time"
)

// patience is how long real work may take between two moments of virtual time.
const patience = 30 * time.Second

// Clock is virtual time: it stands still until Advance. It is a transaction.Tracker, so that
// every layer that lives in it can be waited for.
type Clock struct {
	moving sync.Mutex // one Advance at a time

	mu      sync.Mutex
	rest    sync.Cond
	start   time.Time
	now     time.Time
	busy    int
	tickers []*ticker
}

type ticker struct {
	every time.Duration
	next  time.Time
	f     func()
}

// NewClock starts at a fixed moment.
func NewClock() *Clock {
	c := &Clock{start: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	c.now = c.start
	c.rest.L = &c.mu
	return c
}

// Now is the virtual time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Tick calls f at each whole multiple of d since the start, from inside Advance.
func (c *Clock) Tick(d time.Duration, f func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &ticker{every: d, next: c.now.Add(d - c.now.Sub(c.start)%d), f: f}
	c.tickers = append(c.tickers, t)
	return func() { c.remove(t) }
}

func (c *Clock) remove(t *ticker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.tickers {
		if other == t {
			c.tickers = append(c.tickers[:i:i], c.tickers[i+1:]...)
			return
		}
	}
}

// Ticking is how many tickers run: none, when nobody waits for anything.
func (c *Clock) Ticking() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.tickers)
}

// Busy is told of work: +1 when it is queued, -1 when it is done. A test whose code starts
// goroutines of its own calls it around them.
func (c *Clock) Busy(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy += n
	if c.busy == 0 {
		c.rest.Broadcast()
	}
}

// Settle waits until everything that was queued is done, and what that led to. It must not be
// called from a handler, which is work itself.
func (c *Clock) Settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy == 0 {
		return
	}
	late := false
	timer := time.AfterFunc(patience, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		late = true
		c.rest.Broadcast()
	})
	defer timer.Stop()
	for c.busy != 0 {
		if late {
			panic("siptest: work does not end; does a handler block, or wait for Settle?")
		}
		c.rest.Wait()
	}
}

// Advance lets d pass: every tick that is due happens at its own moment and is worked off
// before the next.
func (c *Clock) Advance(d time.Duration) {
	c.moving.Lock()
	defer c.moving.Unlock()
	c.Settle()
	end := c.Now().Add(d)
	for {
		t := c.step(end)
		if t == nil {
			return
		}
		t.f()
		c.Settle()
	}
}

// step moves to the next tick up to end; nil if there is none.
func (c *Clock) step(end time.Time) *ticker {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first *ticker
	for _, t := range c.tickers {
		if !t.next.After(end) && (first == nil || t.next.Before(first.next)) {
			first = t
		}
	}
	if first == nil {
		c.now = end
		return nil
	}
	c.now = first.next
	first.next = first.next.Add(first.every)
	return first
}
