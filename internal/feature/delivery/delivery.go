// Package delivery decides what becomes of a stanza: RFC 6121 section 8, RFC 6120 sections 8 and 10, and what
// XEP-0191 (blocking), XEP-0359 (stanza-ids) and XEP-0280 (carbons) add.
//
// A message that somebody keeps is written for its sender's archive, its recipient's archive and its recipient's
// offline store in one transaction, and synced, before any session gets it and before its sender may count it as
// taken. Messages reach sessions in the order of their IDs, which is the order in which they were written.
package delivery

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"parley/internal/core"
	"parley/internal/db"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Presence takes presence (RFC 6121 sections 3 and 4).
type Presence interface {
	// Handle takes what a session sends.
	Handle(ctx context.Context, s *im.Session, st *xmpp.Stanza)
	// Inbound takes what comes from elsewhere, for an account here.
	Inbound(ctx context.Context, st *xmpp.Stanza)
	// Ended tells everyone that a session is gone.
	Ended(ctx context.Context, s *im.Session)
}

// Keeper says which messages an account keeps, and how.
type Keeper interface {
	// Keep gives what writes c down, nil if it is not kept. An error refuses the message. write may be run twice, if
	// the transaction it shares is lost.
	Keep(ctx context.Context, c im.Copy) (write func(ctx context.Context, tx *sql.Tx, id im.ID) error, err error)
}

// Archive keeps what was said.
type Archive interface {
	Keeper
	// Repeated finds a message of its sender's archive that c is a repetition of; ok is false if there is none.
	Repeated(ctx context.Context, tx *sql.Tx, c im.Copy) (id im.ID, ok bool, err error)
}

// Offline keeps messages until a session has them.
type Offline interface {
	Keeper
	// Hand gives a message that was kept to the sessions that choose gives, or lets it wait if there are none. It is
	// called in the order of IDs, but for repetitions. st is the message as sessions get it.
	Hand(c im.Copy, id im.ID, st *xmpp.Stanza, choose func() []*im.Session)
	// Ended is told of each session that is gone.
	Ended(s *im.Session)
}

// Carbons gives an account's other sessions copies.
type Carbons interface {
	// Sent and Received copy a message to the sessions of its sender or recipient but those in except.
	Sent(owner jid.JID, st *xmpp.Stanza, except []*im.Session)
	Received(owner jid.JID, st *xmpp.Stanza, except []*im.Session)
}

// Calls takes part in what apps say of calls (XEP-0166, XEP-0353).
type Calls interface {
	// Session finds a session that is in no table: it has a full address and nothing that was sent to the bare one.
	Session(full jid.JID) *im.Session
	// Heard is told of each message by which a call is agreed on, once it was delivered. s is who sent it, nil if no
	// session did. It does not block.
	Heard(s *im.Session, st *xmpp.Stanza)
	// Asked takes a request of a Jingle session to a bare address, which may be that of an entity; it is false if it does not.
	Asked(ctx context.Context, s *im.Session, st *xmpp.Stanza) bool
}

// nobody calls.
type nobody struct{}

func (nobody) Session(jid.JID) *im.Session                           { return nil }
func (nobody) Heard(*im.Session, *xmpp.Stanza)                       {}
func (nobody) Asked(context.Context, *im.Session, *xmpp.Stanza) bool { return false }

// Ports are what a Delivery asks.
type Ports struct {
	DB interface {
		Write(ctx context.Context, f func(*sql.Tx) error) error
	}
	Accounts interface {
		Account(ctx context.Context, a core.Address) (core.Account, error)
	}
	Sessions *im.Table
	Presence Presence
	// Blocks says whether owner has blocked other (XEP-0191). Nil: nobody blocks.
	Blocks func(ctx context.Context, owner, other jid.JID) (bool, error)
	// Sees says whether other has a subscription to owner's presence; both are bare. Who has none, and was sent no
	// presence either, can ask nothing of owner's sessions (rfc6121#8.5.3.1). Nil: everyone can.
	Sees func(ctx context.Context, owner, other jid.JID) (bool, error)
	// Entity finds an entity of the server that is no account: reply takes a stanza and gives those it answers with.
	Entity  func(bare jid.JID) (reply func(*xmpp.Stanza) []*xmpp.Stanza, ok bool)
	Archive Archive
	Offline Offline
	Carbons Carbons
	// Calls may be nil.
	Calls Calls
}

// Config of a Delivery; zero fields take their defaults.
type Config struct {
	Serves func(domain string) bool // whether a domain, as a jid has it, is one of this server's; nil: each is
	Now    func() time.Time
	Rand   func() uint32 // makes IDs hard to guess; default math/rand/v2
	Log    *slog.Logger
}

// Delivery is what a connection hands its stanzas to.
type Delivery struct {
	Ports
	serves   func(string) bool
	log      *slog.Logger
	services map[serviceKey]im.Handler
	ids      *ids
	order    order
	told     atomic.Int64 // when the log last heard that nothing can be stored
}

// New makes a Delivery that answers iq requests by the services.
func New(ctx context.Context, d *db.DB, cfg Config, p Ports, services []im.Service) (*Delivery, error) {
	if cfg.Serves == nil {
		cfg.Serves = func(string) bool { return true }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := d.Migrate(ctx, "delivery", migrations); err != nil {
		return nil, err
	}
	ids, err := openIDs(ctx, d.Read(), cfg)
	if err != nil {
		return nil, err
	}
	if p.Calls == nil {
		p.Calls = nobody{}
	}
	p.DB = d
	v := &Delivery{Ports: p, serves: cfg.Serves, log: cfg.Log, ids: ids, services: map[serviceKey]im.Handler{}}
	v.order.hand = v.hand
	for _, s := range services {
		if err := v.add(s); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// Handle takes a stanza that a session sends. It returns once nothing of it can be lost.
func (d *Delivery) Handle(ctx context.Context, s *im.Session, st *xmpp.Stanza) {
	switch st.Kind() {
	case xmpp.Message:
		d.message(ctx, s, st)
	case xmpp.IQ:
		d.iq(ctx, s, st)
	case xmpp.Presence:
		d.presence(ctx, s, st)
	}
}

// Inject takes a stanza from a service of this server, or one that a connection of another server is answerable
// for.
func (d *Delivery) Inject(ctx context.Context, st *xmpp.Stanza) {
	if st.Kind() != xmpp.Presence {
		d.Handle(ctx, nil, st)
		return
	}
	if reply, ok := d.entity(st.To()); ok {
		d.ask(ctx, reply, st)
		return
	}
	if d.isAccount(st.To()) && !d.isBlocked(ctx, st.To().Bare(), st.From()) { // xep0191#3.2: without a word
		d.Presence.Inbound(ctx, st)
	}
}

// Ended is told of a session that is gone.
func (d *Delivery) Ended(ctx context.Context, s *im.Session) {
	d.Presence.Ended(ctx, s)
	s.SetAvailability(nil)
	d.Offline.Ended(s)
}

// presence lets what a session says of itself pass, unless it is for somebody whom its owner has blocked.
func (d *Delivery) presence(ctx context.Context, s *im.Session, st *xmpp.Stanza) {
	if err := d.mayWrite(ctx, st); err != nil {
		d.fail(s, st, err)
		return
	}
	d.Presence.Handle(ctx, s, st)
}

// isAccount says that an address may be an account's here: whoever writes from one is.
func (d *Delivery) isAccount(j jid.JID) bool {
	_, entity := d.entity(j)
	return !entity && j.Local != "" && d.serves(j.Domain)
}

func (d *Delivery) entity(j jid.JID) (reply func(*xmpp.Stanza) []*xmpp.Stanza, ok bool) {
	if d.Entity == nil || j.Local == "" || !d.serves(j.Domain) {
		return nil, false
	}
	return d.Entity(j.Bare())
}

// ask has an entity answer. What it says to another entity is not passed on: the two would never end.
func (d *Delivery) ask(ctx context.Context, reply func(*xmpp.Stanza) []*xmpp.Stanza, st *xmpp.Stanza) {
	for _, answer := range reply(st) {
		if _, both := d.entity(answer.To()); !both {
			d.Inject(ctx, answer)
		}
	}
}

// errNoAccount is what a stanza to nobody is answered with, and all that shall look the same.
var errNoAccount = &xmpp.StanzaError{Condition: xmpp.ServiceUnavailable}

// recipient checks that an account is there and takes what other sends; any refusal looks like that of an account
// that is not there.
func (d *Delivery) recipient(ctx context.Context, owner, other jid.JID) error {
	a, err := accountOf(owner)
	if err != nil {
		return errNoAccount
	}
	account, err := d.Accounts.Account(ctx, a)
	if errors.Is(err, core.ErrNoAccount) {
		return errNoAccount
	}
	if err != nil {
		return err
	}
	if !account.Strangers && !d.serves(other.Domain) {
		return errNoAccount
	}
	if owner == other.Bare() || d.Blocks == nil {
		return nil
	}
	blocked, err := d.Blocks(ctx, owner, other)
	if err == nil && blocked {
		return errNoAccount // xep0191#3.2
	}
	return err
}

func (d *Delivery) isBlocked(ctx context.Context, owner, other jid.JID) bool {
	if d.Blocks == nil || owner == other.Bare() {
		return false
	}
	blocked, err := d.Blocks(ctx, owner, other)
	if err != nil {
		d.log.Error("block list not read", "account", owner.String(), "err", err)
	}
	return blocked || err != nil
}

// mayWrite refuses what an account sends to somebody it has blocked (xep0191#3.2).
func (d *Delivery) mayWrite(ctx context.Context, st *xmpp.Stanza) error {
	from, to := st.From(), st.To()
	if d.Blocks == nil || to.IsZero() || from.Bare() == to.Bare() || !d.isAccount(from) {
		return nil
	}
	blocked, err := d.Blocks(ctx, from.Bare(), to)
	if err != nil || !blocked {
		return err
	}
	return &xmpp.StanzaError{Condition: xmpp.NotAcceptable, Extra: "<blocked xmlns='urn:xmpp:blocking:errors'/>"}
}
