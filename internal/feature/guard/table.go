package guard

import (
	"container/list"
	"net/netip"
	"slices"
	"time"

	"parley/internal/core"
)

// lru is a map of limited size that forgets what was used longest ago.
type lru[K comparable, V any] struct {
	size    int
	entries map[K]*list.Element
	order   list.List // of *item, the latest first
}

type item[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](size int) *lru[K, V] {
	return &lru[K, V]{size: max(size, 1), entries: map[K]*list.Element{}}
}

// get finds a value without using it.
func (l *lru[K, V]) get(k K) *V {
	el, ok := l.entries[k]
	if !ok {
		return nil
	}
	return &el.Value.(*item[K, V]).value
}

// use gives the value of a key, a new one if there is none, as the one used last.
func (l *lru[K, V]) use(k K) *V {
	if el, ok := l.entries[k]; ok {
		l.order.MoveToFront(el)
		return l.get(k)
	}
	if len(l.entries) >= l.size {
		l.drop(l.order.Back().Value.(*item[K, V]).key)
	}
	l.entries[k] = l.order.PushFront(&item[K, V]{key: k})
	return l.get(k)
}

func (l *lru[K, V]) drop(k K) {
	if el, ok := l.entries[k]; ok {
		l.order.Remove(el)
		delete(l.entries, k)
	}
}

// pair is a source and an account; a count may be of one alone.
type pair struct {
	source  netip.Prefix
	account core.Address
}

// counts are wrong passwords. Those still free have a room of their own, so that a flood of
// made-up names or addresses pushes out nothing that makes somebody wait.
type counts struct {
	share   int               // how many times the free tries are free
	few     *lru[pair, count] // below that
	waiting *lru[pair, count]
}

type count struct {
	count int
	last  time.Time
}

func newCounts(size, share int) *counts {
	return &counts{share: share, few: newLRU[pair, count](size / 2), waiting: newLRU[pair, count](size / 2)}
}

func (c *counts) get(p pair) *count {
	if n := c.waiting.get(p); n != nil {
		return n
	}
	return c.few.get(p)
}

func (c *counts) add(p pair, now time.Time, d Delays) {
	var n count
	if old := c.get(p); old != nil && now.Sub(old.last) < d.Forget {
		n = *old
	}
	n.count, n.last = n.count+1, now
	room, other := c.few, c.waiting
	if n.count >= d.FreeTries*c.share {
		room, other = c.waiting, c.few
	}
	other.drop(p)
	*room.use(p) = n
}

func (c *counts) drop(p pair) {
	c.few.drop(p)
	c.waiting.drop(p)
}

// maxPlaces is how many places of one account are remembered: nobody can push out the places of
// others by proving his own account from very many.
const maxPlaces = 16

// places are the sources that proved each account.
type places struct{ accounts *lru[core.Address, []place] }

type place struct {
	source netip.Prefix
	last   time.Time
}

func newPlaces(size int) *places { return &places{newLRU[core.Address, []place](size)} }

func (p *places) has(source netip.Prefix, a core.Address, now time.Time, lasts time.Duration) bool {
	list := p.accounts.get(a)
	return list != nil && slices.ContainsFunc(*list, func(x place) bool {
		return x.source == source && now.Sub(x.last) < lasts
	})
}

// add remembers a place in the stead of the one not seen for longest, where there are too many.
func (p *places) add(source netip.Prefix, a core.Address, now time.Time) {
	list := p.accounts.use(a)
	at := slices.IndexFunc(*list, func(x place) bool { return x.source == source })
	switch {
	case at >= 0:
		*list = slices.Delete(*list, at, at+1)
	case len(*list) >= maxPlaces:
		*list = slices.Delete(*list, 0, 1)
	}
	*list = append(*list, place{source, now})
}
