package device

import (
	"sync"
	"time"
)

// cache holds devices that were used lately, and the uses that are not written yet.
//
// A record that was read before a change and arrives after it must not stay: every drop ends the epoch, and put takes
// only what was read within the present one.
type cache struct {
	limit int

	mu      sync.Mutex
	epoch   uint64
	records map[string]Record
	uses    map[string]Use // not written yet
}

func newCache(limit int) *cache {
	return &cache{limit: limit, records: map[string]Record{}, uses: map[string]Use{}}
}

func (c *cache) get(id string) (r Record, found bool, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, found = c.records[id]
	return r, found, c.epoch
}

func (c *cache) put(r Record, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.epoch {
		return
	}
	if len(c.records) >= c.limit {
		for some := range c.records { // whichever comes first: a map has no order
			delete(c.records, some)
			break
		}
	}
	c.records[r.ID] = r
}

func (c *cache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	delete(c.records, id)
	delete(c.uses, id)
}

// touch notes a use, unless a later one is known, or there are too many: the next will do.
func (c *cache) touch(u Use) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.records[u.ID]; ok && r.Used.Before(u.At) {
		r.Used, r.Source = u.At, u.Source
		c.records[u.ID] = r
	}
	last, known := c.uses[u.ID]
	if known && !last.At.Before(u.At) || !known && len(c.uses) >= c.limit {
		return
	}
	c.uses[u.ID] = u
}

// used is when a device was used last, if the store says stored.
func (c *cache) used(id string, stored time.Time) time.Time {
	if u, ok := c.last(id); ok && u.At.After(stored) {
		return u.At
	}
	return stored
}

func (c *cache) last(id string) (Use, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.records[id]; ok {
		return Use{ID: id, Source: r.Source, At: r.Used}, true
	}
	u, ok := c.uses[id]
	return u, ok
}

// take gives the uses that are not written yet.
func (c *cache) take() []Use {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Use, 0, len(c.uses))
	for _, u := range c.uses {
		all = append(all, u)
	}
	clear(c.uses)
	return all
}
