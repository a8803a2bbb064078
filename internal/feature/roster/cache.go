package roster

import (
	"container/list"
	"sync"

	"parley/xmpp/jid"
)

// cache holds the rosters that were used last, up to a number of contacts in all.
type cache struct {
	limit int

	mu    sync.Mutex
	size  int
	books map[jid.JID]*list.Element
	used  list.List // of *cached, the last used first
}

type cached struct {
	owner jid.JID
	book  *book
}

func newCache(limit int) *cache {
	return &cache{limit: limit, books: map[jid.JID]*list.Element{}}
}

// weight counts an empty roster too.
func (c *cached) weight() int { return 1 + len(c.book.contacts) + len(c.book.removed) }

func (c *cache) get(owner jid.JID) *book {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.books[owner]
	if e == nil {
		return nil
	}
	c.used.MoveToFront(e)
	return e.Value.(*cached).book
}

// put is called by who has locked the account, so that no older book comes after a newer one.
func (c *cache) put(owner jid.JID, b *book) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.books[owner]; e != nil {
		c.remove(e)
	}
	e := c.used.PushFront(&cached{owner, b})
	c.books[owner] = e
	c.size += e.Value.(*cached).weight()
	for c.size > c.limit && c.used.Len() > 1 {
		c.remove(c.used.Back())
	}
}

func (c *cache) drop(owner jid.JID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.books[owner]; e != nil {
		c.remove(e)
	}
}

func (c *cache) remove(e *list.Element) {
	x := e.Value.(*cached)
	c.used.Remove(e)
	delete(c.books, x.owner)
	c.size -= x.weight()
}
