// Package roster keeps the contact list of each account (RFC 6121 sections 2 and 3): who is on it and under which
// name, who may see whom, who has asked to, and which versions of it clients may know (rfc6121#2.6).
//
// A change is on disk before anybody is told of it; what it does to two accounts of this server is one transaction. The
// accounts of a change are locked meanwhile, so that each client hears of changes in their order. Rosters that were
// used lately are in memory.
package roster

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// Store keeps rosters on disk. Owners are bare addresses.
type Store interface {
	// Load gives an account's roster; one that has none has the zero value. Contacts and Removed are in any order.
	Load(ctx context.Context, owner jid.JID) (Stored, error)
	// Save makes all changes in one transaction.
	Save(ctx context.Context, changes []Change) error
}

// Stored is an account's roster.
type Stored struct {
	Version  int64 // 0: it was never changed
	Oldest   int64 // the oldest version from which the way to this one is known
	Contacts []*roster.Contact
	Removed  []Removed
}

// Removed is a contact that is no longer shown.
type Removed struct {
	JID     jid.JID
	Version int64
}

// Change is what a store has to do to one account's roster.
type Change struct {
	Owner           jid.JID
	Version, Oldest int64
	Put             []*roster.Contact // a later one of the same address counts
	Delete          []jid.JID         // contacts; done after Put
	Removed         []Removed         // to remember; those up to Oldest may be forgotten
	Back            []jid.JID         // of Removed; done before
	All             bool              // the roster goes, and all that is known of it
}

// Config of the rosters. Store and Sessions are needed; every other zero value takes its default.
type Config struct {
	Store    Store
	Sessions *im.Table
	// Remove ends the subscriptions with a contact and takes it off the roster, telling everybody concerned, by
	// Rosters.Remove. Without it only the roster changes.
	Remove func(ctx context.Context, owner, contact jid.JID) error

	Items        int // contacts on a roster; default 1000
	Requests     int // of people not on it that wait for an answer; default 200
	RequestBytes int // what is kept of a request's stanza; of a longer one the address alone; default 4096
	Removals     int // removed contacts that a client with an older version is told of; default 100
	Cached       int // contacts held in memory, of all accounts; default 200000
	Limits       roster.Limits
	Now          func() time.Time
	Log          *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Items = cmp.Or(c.Items, 1000)
	c.Requests = cmp.Or(c.Requests, 200)
	c.RequestBytes = cmp.Or(c.RequestBytes, 4096)
	c.Removals = cmp.Or(c.Removals, 100)
	c.Cached = cmp.Or(c.Cached, 200000)
	c.Limits.Name = cmp.Or(c.Limits.Name, 1023)
	c.Limits.Group = cmp.Or(c.Limits.Group, 255)
	c.Limits.Groups = cmp.Or(c.Limits.Groups, 20)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Rosters are those of all accounts.
type Rosters struct {
	c     Config
	locks im.Locks
	cache *cache
}

// New makes the rosters.
func New(c Config) *Rosters {
	c = c.withDefaults()
	return &Rosters{c: c, cache: newCache(c.Cached)}
}

// Contacts are all that is kept of an account's contacts, in the order of their addresses. They must not be changed.
func (r *Rosters) Contacts(ctx context.Context, owner jid.JID) ([]*roster.Contact, error) {
	b, err := r.book(ctx, owner)
	if err != nil {
		return nil, err
	}
	return b.contacts, nil
}

// Standing is how an account stands to a contact.
func (r *Rosters) Standing(ctx context.Context, owner, contact jid.JID) (roster.Standing, error) {
	b, err := r.book(ctx, owner)
	if err != nil {
		return roster.Standing{}, err
	}
	if c := b.find(contact); c != nil {
		return c.Standing, nil
	}
	return roster.Standing{}, nil
}

// IsContact says whether somebody is on an account's roster: who only asks to be is not.
func (r *Rosters) IsContact(ctx context.Context, owner, other jid.JID) (bool, error) {
	b, err := r.book(ctx, owner)
	if err != nil {
		return false, err
	}
	c := b.find(other.Bare())
	return c != nil && c.Listed, nil
}

// Features are what a stream says of rosters to a client that has signed in, as XML.
func Features() string {
	return "<ver xmlns='" + roster.NSVersioning + "'/><sub xmlns='" + roster.NSPreApproval + "'/>"
}

// Services are what clients ask for by iq.
func (r *Rosters) Services() []im.Service {
	return []im.Service{{Name: xmpp.Name{Space: roster.NS, Local: "query"}, At: im.Own, Handle: r.handle}}
}

// book is an account's roster, from memory if it is there.
func (r *Rosters) book(ctx context.Context, owner jid.JID) (*book, error) {
	if b := r.cache.get(owner); b != nil {
		return b, nil
	}
	unlock := r.locks.Lock(owner)
	defer unlock()
	return r.lockedBook(ctx, owner)
}

// lockedBook is book for who has locked the account.
func (r *Rosters) lockedBook(ctx context.Context, owner jid.JID) (*book, error) {
	if b := r.cache.get(owner); b != nil {
		return b, nil
	}
	stored, err := r.c.Store.Load(ctx, owner)
	if err != nil {
		return nil, err
	}
	b := newBook(stored)
	r.cache.put(owner, b)
	return b, nil
}
