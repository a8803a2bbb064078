// Package block keeps whom an account wants to hear nothing of: its block list, which XMPP clients manage by
// XEP-0191 (Blocking Command) and which holds for calls too.
//
// A change is on disk before anybody is told of it. Whether somebody is blocked is asked for every stanza, so lists that
// were used lately are held in memory.
package block

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"time"

	"parley/internal/address"
	"parley/internal/core"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// Store keeps block lists on disk. Owners are bare addresses.
type Store interface {
	// Load gives an owner's list, in any order.
	Load(ctx context.Context, owner jid.JID) ([]jid.JID, error)
	// Add puts addresses on the list, and gives those that were not on it before. With more than limit on the list
	// nothing is added, and the error is ErrFull.
	Add(ctx context.Context, owner jid.JID, list []jid.JID, limit int, now time.Time) (added []jid.JID, err error)
	// Remove takes addresses off the list; with none given, all. It gives those that were on it.
	Remove(ctx context.Context, owner jid.JID, list []jid.JID) (removed []jid.JID, err error)
}

// Sessions finds an account's connected resources.
type Sessions interface {
	Of(bare jid.JID) []*im.Session
}

// Config of the lists. Store is needed; every other zero value takes its default.
type Config struct {
	Store    Store
	Sessions Sessions // default: none
	// Hide has store put others on the list, and the account seem offline to those that were added (xep0191#3.3). Both at
	// once: a contact that left in between would seem to be here for ever. Default: nobody is told.
	Hide func(ctx context.Context, owner jid.JID, others []jid.JID, store func() (added []jid.JID, err error)) error
	// Show has the account seen again, as far as it is seen at all (xep0191#3.4). other is as it stood on the list: it
	// may be a domain, of which some may be blocked besides. Default: nobody is told.
	Show func(ctx context.Context, owner, other jid.JID)
	// Items is how many addresses a list may have; default 1000.
	Items int
	// Request is how many addresses one request may name; default 200.
	Request int
	// Cached is how many accounts' lists are held in memory; default 16384.
	Cached int
	Now    func() time.Time
	// ID gives the ids of what is sent to sessions; default random ones.
	ID func() string
}

// Lists are the block lists of all accounts.
type Lists struct {
	c     Config
	cache *cache
	locks im.Locks // an owner's sessions are told of changes in the order they were made in
}

// New makes the lists.
func New(c Config) *Lists {
	c.Items = cmp.Or(c.Items, 1000)
	c.Request = cmp.Or(c.Request, 200)
	c.Cached = cmp.Or(c.Cached, 16384)
	if c.Sessions == nil {
		c.Sessions = nobody{}
	}
	if c.Hide == nil {
		c.Hide = func(_ context.Context, _ jid.JID, _ []jid.JID, store func() ([]jid.JID, error)) error {
			_, err := store()
			return err
		}
	}
	if c.Show == nil {
		c.Show = func(context.Context, jid.JID, jid.JID) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ID == nil {
		c.ID = rand.Text
	}
	return &Lists{c: c, cache: newCache(c.Cached)}
}

// nobody is connected.
type nobody struct{}

func (nobody) Of(jid.JID) []*im.Session { return nil }

// Blocks says whether the account owner has blocked other.
func (l *Lists) Blocks(ctx context.Context, owner, other jid.JID) (bool, error) {
	s, err := l.list(ctx, owner.Bare())
	if err != nil {
		return false, err
	}
	return s.has(owner.Bare(), other), nil
}

// list is an owner's list, from memory if it is there.
func (l *Lists) list(ctx context.Context, owner jid.JID) (set, error) {
	s, ok, epoch := l.cache.get(owner)
	if ok {
		return s, nil
	}
	stored, err := l.c.Store.Load(ctx, owner)
	if err != nil {
		return nil, err
	}
	s = newSet(stored)
	l.cache.put(owner, s, epoch)
	return s, nil
}

// Forget drops the list of an account that is gone.
func (l *Lists) Forget(ctx context.Context, a core.Address) error {
	owner := address.JID(a)
	unlock := l.locks.Lock(owner)
	defer unlock()
	_, err := l.c.Store.Remove(ctx, owner, nil)
	l.cache.drop(owner)
	return err
}

// set is a list as it is asked; nil is an empty one. It never changes.
type set map[jid.JID]struct{}

func newSet(list []jid.JID) set {
	if len(list) == 0 {
		return nil
	}
	s := make(set, len(list))
	for _, j := range list {
		s[j] = struct{}{}
	}
	return s
}

// has says whether the list of owner has other on it, as xep0191#6 has addresses match: itself, its account, its domain
// with its resource, or its domain.
//
// An account never blocks itself (xep0191#5), nor the server that it is an account of, whose answers it needs.
func (s set) has(owner, other jid.JID) bool {
	if len(s) == 0 || other.Bare() == owner || other.IsZero() || other == (jid.JID{Domain: owner.Domain}) {
		return false
	}
	for _, j := range [...]jid.JID{
		other, other.Bare(), {Domain: other.Domain, Resource: other.Resource}, {Domain: other.Domain},
	} {
		if _, ok := s[j]; ok {
			return true
		}
	}
	return false
}

// sorted is the list in the order of its addresses' text.
func (s set) sorted() []jid.JID {
	list := make([]jid.JID, 0, len(s))
	for j := range s {
		list = append(list, j)
	}
	slices.SortFunc(list, func(a, b jid.JID) int { return cmp.Compare(a.String(), b.String()) })
	return list
}
