package block

import (
	"hash/maphash"
	"sync"

	"parley/xmpp/jid"
)

// cache holds lists that were used lately; that of an account which has blocked nobody is nil, and costs next to nothing.
//
// A list that was read before a change and arrives after it must not stay: every drop ends the shard's epoch, and put
// takes only what was read within the present one.
type cache struct {
	seed   maphash.Seed
	each   int
	shards [16]shard
}

type shard struct {
	mu    sync.RWMutex
	epoch uint64
	lists map[jid.JID]set
}

func newCache(limit int) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	c.each = max(limit/len(c.shards), 1)
	for i := range c.shards {
		c.shards[i].lists = map[jid.JID]set{}
	}
	return c
}

func (c *cache) shard(owner jid.JID) *shard {
	return &c.shards[maphash.Comparable(c.seed, owner)%uint64(len(c.shards))]
}

func (c *cache) get(owner jid.JID) (s set, ok bool, epoch uint64) {
	h := c.shard(owner)
	h.mu.RLock()
	defer h.mu.RUnlock()
	s, ok = h.lists[owner]
	return s, ok, h.epoch
}

func (c *cache) put(owner jid.JID, s set, epoch uint64) {
	h := c.shard(owner)
	h.mu.Lock()
	defer h.mu.Unlock()
	if epoch != h.epoch {
		return
	}
	if len(h.lists) >= c.each {
		for some := range h.lists { // whichever comes first: a map has no order
			delete(h.lists, some)
			break
		}
	}
	h.lists[owner] = s
}

func (c *cache) drop(owner jid.JID) {
	h := c.shard(owner)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.epoch++
	delete(h.lists, owner)
}
