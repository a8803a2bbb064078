// Package archive keeps what an account has sent and received, for all of its devices: XEP-0313, Message Archive
// Management, with the preferences of XEP-0441.
//
// A message that its sender repeats (the same origin-id and content, after a crash) is found by Repeated, and has one
// place in every archive.
package archive

import (
	"context"
	"database/sql"
	"embed"
	"log/slog"
	"sync"
	"time"

	"parley/internal/db"
	"parley/xmpp/hints"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/mam"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config of an Archive; zero fields take their defaults.
type Config struct {
	Retention time.Duration // how long messages are kept; 0: for ever
	Default   mam.Default   // what becomes of the messages of accounts without preferences; default Always
	Page      int           // the most messages that a query gets; default 100
	PageBytes int           // and their size; default 512 KiB
	Now       func() time.Time
	Log       *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Default == "" {
		c.Default = mam.Always
	}
	if c.Page <= 0 {
		c.Page = 100
	}
	if c.PageBytes <= 0 {
		c.PageBytes = 512 << 10
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Contacts says whether somebody is in an account's roster.
type Contacts interface {
	IsContact(ctx context.Context, owner, other jid.JID) (bool, error)
}

// Archive is the archive of every account.
type Archive struct {
	config   Config
	store    *store
	contacts Contacts

	mu    sync.Mutex
	prefs map[jid.JID]mam.Prefs
}

// Open opens the archives of a database. Without contacts, what only contacts' messages are archived of is nothing.
func Open(ctx context.Context, d *db.DB, cfg Config, contacts Contacts) (*Archive, error) {
	if err := d.Migrate(ctx, "archive", migrations); err != nil {
		return nil, err
	}
	return &Archive{config: cfg.withDefaults(), store: &store{d}, contacts: contacts, prefs: map[jid.JID]mam.Prefs{}}, nil
}

// Keep says how a message is archived, if it is.
func (a *Archive) Keep(ctx context.Context, c im.Copy) (func(context.Context, *sql.Tx, im.ID) error, error) {
	if !hints.Archived(c.Stanza) {
		return nil, nil
	}
	wanted, err := a.wants(ctx, c.Owner, c.With)
	if err != nil || !wanted {
		return nil, err
	}
	m := message{owner: c.Owner.String(), peer: c.With.Bare().String(), resource: c.With.Resource, stanza: c.Stanza.Text()}
	if !c.Incoming {
		m.origin = c.Origin
	}
	return func(ctx context.Context, tx *sql.Tx, id im.ID) error { return insert(ctx, tx, id, m) }, nil
}

// wants says whether an account wants its messages with somebody archived (xep0441#2.3).
func (a *Archive) wants(ctx context.Context, owner, with jid.JID) (bool, error) {
	p, err := a.prefsOf(ctx, owner)
	if err != nil {
		return false, err
	}
	if keep, ok := p.Says(with); ok {
		return keep, nil
	}
	switch p.Default {
	case mam.Never:
		return false, nil
	case mam.Roster:
		if with.Bare() == owner {
			return true, nil
		}
		if a.contacts == nil {
			return false, nil
		}
		return a.contacts.IsContact(ctx, owner, with.Bare())
	case mam.Always:
	}
	return true, nil
}

// maxCached is how many accounts' preferences are in memory.
const maxCached = 20000

func (a *Archive) prefsOf(ctx context.Context, owner jid.JID) (mam.Prefs, error) {
	a.mu.Lock()
	p, ok := a.prefs[owner]
	a.mu.Unlock()
	if ok {
		return p, nil
	}
	p, found, err := a.store.prefs(ctx, owner)
	if err != nil {
		return p, err
	}
	if !found {
		p = mam.Prefs{Default: a.config.Default}
	}
	a.cache(owner, p, false)
	return p, nil
}

// cache holds preferences in memory; those read from the disk do not take the place of newer ones.
func (a *Archive) cache(owner jid.JID, p mam.Prefs, newer bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, has := a.prefs[owner]; has && !newer {
		return
	}
	if len(a.prefs) >= maxCached {
		for other := range a.prefs { // any
			delete(a.prefs, other)
			break
		}
	}
	a.prefs[owner] = p
}

// Repeated finds the message that c repeats, in its sender's archive.
func (a *Archive) Repeated(ctx context.Context, tx *sql.Tx, c im.Copy) (im.ID, bool, error) {
	return repeated(ctx, tx, c)
}

// Forget drops the archive and the preferences of an account that is gone.
func (a *Archive) Forget(ctx context.Context, owner jid.JID) error {
	a.mu.Lock()
	delete(a.prefs, owner)
	a.mu.Unlock()
	if err := a.store.dropPrefs(ctx, owner); err != nil {
		return err
	}
	_, err := a.store.deleteBefore(ctx, owner.String(), maxID)
	return err
}

// Sweep deletes what is older than messages are kept.
func (a *Archive) Sweep(ctx context.Context) error {
	if a.config.Retention <= 0 {
		return nil
	}
	before := im.FirstID(a.config.Now().Add(-a.config.Retention))
	deleted := 0
	for owner := ""; ; {
		next, err := a.store.ownerAfter(ctx, owner)
		if err != nil || next == "" {
			if deleted > 0 {
				a.config.Log.Info("old messages deleted", "number", deleted)
			}
			return err
		}
		owner = next
		n, err := a.store.deleteBefore(ctx, owner, before)
		deleted += n
		if err != nil {
			return err
		}
	}
}

// sweepEvery is the time between two sweeps.
const sweepEvery = time.Hour

// Run sweeps until ctx ends.
func (a *Archive) Run(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := a.Sweep(ctx); err != nil && ctx.Err() == nil {
				a.config.Log.Error("old messages not deleted", "err", err)
			}
		}
	}
}
