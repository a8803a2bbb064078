// Package offline keeps messages until a session has them (XEP-0160), also those whose recipient is online: what a
// session has not acknowledged is lost neither with the session nor with the server.
//
// A message is written before anybody gets it, and goes when a session has it. Memory knows which are with sessions,
// so that another session that comes online is not given them too. After a crash that knowledge is gone: what was
// with a session is given once more, under the same stanza-id.
package offline

import (
	"context"
	"database/sql"
	"embed"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/db"
	"parley/xmpp"
	"parley/xmpp/hints"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config of a Store; zero fields take their defaults.
type Config struct {
	PerAccount int           // messages that may wait for one account; default 1000
	Bytes      int           // and their size; default 16 MiB
	Keep       time.Duration // how long they wait; default 30 days
	Window     int           // messages that a session is given before it has acknowledged any; default 100
	// WindowBytes are the bytes of those, but for what the last of them is over; default 1 MiB.
	WindowBytes int
	Delete      time.Duration // the time between two deletions of what sessions have; default 200 ms
	Now         func() time.Time
	Log         *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.PerAccount <= 0 {
		c.PerAccount = 1000
	}
	if c.Bytes <= 0 {
		c.Bytes = 16 << 20
	}
	if c.Keep <= 0 {
		c.Keep = 30 * 24 * time.Hour
	}
	if c.WindowBytes <= 0 {
		c.WindowBytes = 1 << 20
	}
	if c.Window <= 0 {
		c.Window = 100
	}
	if c.Delete <= 0 {
		c.Delete = 200 * time.Millisecond
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

const (
	stripes = 64
	// batch is how many messages are read or deleted at once.
	batch = 256
)

// Store holds the messages that wait.
type Store struct {
	config   Config
	store    *store
	sessions *im.Table
	seed     maphash.Seed
	shards   [stripes]shard

	events    events
	listening sync.Mutex
	removal   removal
	drains    sync.WaitGroup

	stopping atomic.Bool
}

// shard holds the accounts that hash to it.
type shard struct {
	mu    sync.Mutex
	boxes map[jid.JID]*box
	mark  im.ID // what has a lesser ID or this one, and waits for an account of the shard, was handed
}

// Open reads what waits in a database. Its Run has to be called.
func Open(ctx context.Context, d *db.DB, cfg Config, sessions *im.Table) (*Store, error) {
	if err := d.Migrate(ctx, "offline", migrations); err != nil {
		return nil, err
	}
	o := &Store{config: cfg.withDefaults(), store: &store{d}, sessions: sessions, seed: maphash.MakeSeed()}
	o.events.wake = make(chan struct{}, 1)
	for i := range o.shards {
		o.shards[i].boxes = map[jid.JID]*box{}
	}
	last, err := o.store.counts(ctx, func(owner string, n int) {
		if j, err := jid.Parse(owner); err == nil {
			b := o.shard(j).box(j)
			b.rows, b.unsure = n, true
		}
	})
	for i := range o.shards {
		o.shards[i].mark = last
	}
	return o, err
}

func (o *Store) shard(owner jid.JID) *shard {
	return &o.shards[maphash.Comparable(o.seed, owner)%stripes]
}

// Services are what service discovery says of the store (xep0160#4).
func (o *Store) Services() []im.Service {
	return []im.Service{{At: im.Server, Features: []string{"msgoffline"}}}
}

// errFull is what a message is refused with for which there is no room.
var errFull = &xmpp.StanzaError{
	Type: xmpp.Wait, Condition: xmpp.ServiceUnavailable, Text: "too many messages wait for the recipient", // xep0160#2
}

// Keep says how a message is kept, if it is worth it. It refuses one that would have to wait where too many do.
func (o *Store) Keep(ctx context.Context, c im.Copy) (func(context.Context, *sql.Tx, im.ID) error, error) {
	if !c.Incoming || !hints.Waits(c.Stanza) {
		return nil, nil
	}
	if err := o.weigh(ctx, c.Owner); err != nil {
		return nil, err
	}
	if !o.hasRoom(c.Owner) {
		return nil, errFull
	}
	owner, text := c.Owner.String(), c.Stanza.Text()
	return func(ctx context.Context, tx *sql.Tx, id im.ID) error {
		return insert(ctx, tx, owner, row{id, c.Archived, text})
	}, nil
}

// hasRoom says whether a message may be taken: there is a place for it to wait, or a session that takes it at once,
// whose own bound holds then.
func (o *Store) hasRoom(owner jid.JID) bool {
	s := o.shard(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[owner]
	if b == nil || b.rows < o.config.PerAccount && b.bytes < o.config.Bytes {
		return true
	}
	for _, session := range o.sessions.Of(owner) {
		if p, ok := session.Priority(); ok && p >= 0 && b.drain(session) == nil && !b.isDead(session) {
			return true
		}
	}
	return false
}

// weigh finds out how much waits for an account, if memory is not sure.
func (o *Store) weigh(ctx context.Context, owner jid.JID) error {
	s := o.shard(owner)
	s.mu.Lock()
	b := s.boxes[owner]
	if b == nil || !b.unsure {
		s.mu.Unlock()
		return nil
	}
	changes, mark := b.changes, s.mark
	s.mu.Unlock()
	rows, bytes, err := o.store.size(ctx, owner, mark)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && b.changes == changes { // else the next one tries again
		b.rows, b.bytes, b.unsure = rows, bytes, false
		s.tidy(b)
	}
	return err
}

// Waiting is how many messages wait for an account, those that sessions have not acknowledged yet included.
func (o *Store) Waiting(owner jid.JID) int {
	s := o.shard(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.boxes[owner]; b != nil {
		return b.rows
	}
	return 0
}

// Count is how many messages wait altogether.
func (o *Store) Count() (n int) {
	for i := range o.shards {
		s := &o.shards[i]
		s.mu.Lock()
		for _, b := range s.boxes {
			n += b.rows
		}
		s.mu.Unlock()
	}
	return n
}

// Forget drops what waits for an account that is gone.
func (o *Store) Forget(ctx context.Context, owner jid.JID) error {
	if err := o.store.forget(ctx, owner); err != nil {
		return err
	}
	s := o.shard(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.boxes[owner]; b != nil {
		b.rows, b.bytes = 0, 0
		s.tidy(b)
	}
	return nil
}
