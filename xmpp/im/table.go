package im

import (
	"errors"
	"hash/maphash"
	"slices"
	"sync"

	"parley/xmpp/jid"
)

// Why a session can't be added to a Table.
var (
	ErrTaken   = errors.New("im: another session has this resource")
	ErrTooMany = errors.New("im: the account has too many sessions")
	ErrClosed  = errors.New("im: the server takes no more sessions")
)

// Table is where sessions are found by their addresses.
type Table struct {
	perAccount int
	seed       maphash.Seed
	shards     [64]shard
}

type shard struct {
	mu       sync.RWMutex
	closed   bool
	sessions map[jid.JID][]*Session // by bare address; a list is never changed in place
}

// NewTable makes an empty table. perAccount is how many sessions one account may have; 0 means 20.
func NewTable(perAccount int) *Table {
	if perAccount <= 0 {
		perAccount = 20
	}
	t := &Table{perAccount: perAccount, seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].sessions = map[jid.JID][]*Session{}
	}
	return t
}

func (t *Table) shard(bare jid.JID) *shard {
	return &t.shards[maphash.Comparable(t.seed, bare)%uint64(len(t.shards))]
}

// Add puts a session in the table. With ErrTaken comes the session that has its resource; the caller ends
// that and tries again, or makes up another resource.
func (t *Table) Add(s *Session) (other *Session, err error) {
	bare := s.jid.Bare()
	h := t.shard(bare)
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.sessions[bare]
	if at := index(list, s.jid.Resource); at >= 0 {
		return list[at], ErrTaken
	}
	switch {
	case h.closed:
		return nil, ErrClosed
	case len(list) >= t.perAccount:
		return nil, ErrTooMany
	}
	h.sessions[bare] = append(slices.Clip(list), s)
	return nil, nil
}

func index(list []*Session, resource string) int {
	return slices.IndexFunc(list, func(s *Session) bool { return s.jid.Resource == resource })
}

// Remove takes a session out, and says whether it was in.
func (t *Table) Remove(s *Session) bool {
	bare := s.jid.Bare()
	h := t.shard(bare)
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.sessions[bare]
	at := slices.Index(list, s)
	if at < 0 {
		return false
	}
	if len(list) == 1 {
		delete(h.sessions, bare)
	} else {
		h.sessions[bare] = slices.Delete(slices.Clone(list), at, at+1)
	}
	return true
}

// Of are the sessions of an account, the oldest first. The list must not be changed.
func (t *Table) Of(bare jid.JID) []*Session {
	bare = bare.Bare()
	h := t.shard(bare)
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.sessions[bare]
}

// Get is the session of a full address, nil if there is none.
func (t *Table) Get(full jid.JID) *Session {
	list := t.Of(full)
	if at := index(list, full.Resource); at >= 0 {
		return list[at]
	}
	return nil
}

// All are all sessions, in no order.
func (t *Table) All() (all []*Session) {
	for i := range t.shards {
		h := &t.shards[i]
		h.mu.RLock()
		for _, list := range h.sessions {
			all = append(all, list...)
		}
		h.mu.RUnlock()
	}
	return all
}

// Count is how many sessions there are.
func (t *Table) Count() (n int) {
	for i := range t.shards {
		h := &t.shards[i]
		h.mu.RLock()
		for _, list := range h.sessions {
			n += len(list)
		}
		h.mu.RUnlock()
	}
	return n
}

// Close has Add refuse further sessions.
func (t *Table) Close() {
	for i := range t.shards {
		h := &t.shards[i]
		h.mu.Lock()
		h.closed = true
		h.mu.Unlock()
	}
}
