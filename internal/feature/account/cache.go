package account

import (
	"container/list"
	"hash/maphash"
	"sync"

	"parley/internal/core"
)

// cache holds the records used last, and apart from them the addresses last asked for that
// nobody has, so that those who try names can't push out those who have one.
//
// A record that was read before a write and arrives after it must not stay: every
// drop ends the shard's epoch, and put takes only what was read within the present one.
type cache struct {
	seed   maphash.Seed
	shards [16]shard
}

type shard struct {
	mu      sync.Mutex
	epoch   uint64
	known   lru
	unknown lru
}

func newCache(limit int) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	each := max(limit/len(c.shards), 1)
	for i := range c.shards {
		c.shards[i].known.limit = each
		c.shards[i].unknown.limit = max(each/4, 1)
		c.shards[i].reset()
	}
	return c
}

func (s *shard) reset() {
	s.epoch++
	s.known.reset()
	s.unknown.reset()
}

func (c *cache) shard(a core.Address) *shard {
	return &c.shards[maphash.Comparable(c.seed, a)%uint64(len(c.shards))]
}

// get gives what is known of an address; found with no record says that there is no account.
func (c *cache) get(a core.Address) (r *Record, found bool, epoch uint64) {
	s := c.shard(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, found = s.known.get(a); !found {
		r, found = s.unknown.get(a)
	}
	return r, found, s.epoch
}

func (c *cache) put(a core.Address, r *Record, epoch uint64) {
	s := c.shard(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case epoch != s.epoch:
	case r == nil:
		s.unknown.put(a, nil)
	default:
		s.known.put(a, r)
	}
}

func (c *cache) drop(a core.Address) {
	s := c.shard(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	s.known.drop(a)
	s.unknown.drop(a)
}

func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.reset()
		s.mu.Unlock()
	}
}

// lru is a map that forgets what was used longest ago.
type lru struct {
	limit int
	items map[core.Address]*list.Element
	order *list.List // of entry, the latest first
}

type entry struct {
	address core.Address
	record  *Record
}

func (l *lru) reset() {
	l.items = map[core.Address]*list.Element{}
	l.order = list.New()
}

func (l *lru) get(a core.Address) (*Record, bool) {
	e, ok := l.items[a]
	if !ok {
		return nil, false
	}
	l.order.MoveToFront(e)
	return e.Value.(entry).record, true
}

func (l *lru) put(a core.Address, r *Record) {
	l.drop(a)
	l.items[a] = l.order.PushFront(entry{a, r})
	if l.order.Len() > l.limit {
		l.drop(l.order.Back().Value.(entry).address)
	}
}

func (l *lru) drop(a core.Address) {
	if e, ok := l.items[a]; ok {
		l.order.Remove(e)
		delete(l.items, a)
	}
}
