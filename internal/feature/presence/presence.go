// Package presence tells who is here, and to whom (RFC 6121 sections 3 and 4): the presence of an account's sessions goes
// to its own other sessions, to the contacts that have a subscription, and to whom a session tells itself. It hands on what is
// said about subscriptions, as the tables of xmpp/roster want it; the rosters themselves are kept elsewhere.
//
// Whatever concerns an account's presence happens with the account locked, and what it says is sent before the lock is
// given back. So a contact hears a session in the order in which that spoke, whoever made the server speak, and nothing
// comes after a subscription's end.
package presence

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"parley/internal/db"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// Roster keeps who may see whom. Addresses are bare.
type Roster interface {
	// Contacts are all contacts of an account. The list must not be changed.
	Contacts(ctx context.Context, owner jid.JID) ([]*roster.Contact, error)
	// Standing is how an account stands to a contact.
	Standing(ctx context.Context, owner, contact jid.JID) (roster.Standing, error)
	// Exchange does what a stanza about a subscription does to the rosters that are kept here. When it is on disk, tell
	// hears of each step, which must not ask the roster again. The error is a *xmpp.StanzaError for the sender, or
	// any other of a fault here.
	Exchange(ctx context.Context, t roster.Talk, tell func(roster.Step)) error
	// Remove ends the subscriptions with a contact and takes it off.
	Remove(ctx context.Context, owner, contact jid.JID, here bool, tell func(roster.Step)) error
	// Forget ends all subscriptions of an account and drops its roster.
	Forget(ctx context.Context, owner jid.JID, here func(contact jid.JID) bool, tell func(contact jid.JID, s roster.Step)) error
}

// Blocker keeps whom accounts have blocked (XEP-0191).
type Blocker interface {
	// Blocks says whether an account, by its bare address, has blocked somebody.
	Blocks(ctx context.Context, owner, other jid.JID) (bool, error)
}

// Config of the presence. Sessions, Roster, Local and Exists are needed.
type Config struct {
	Sessions *im.Table
	Roster   Roster
	Block    Blocker // nil: nobody blocks
	// Local says whether a domain is one of this server.
	Local func(domain string) bool
	// Exists says whether there is an account, of a local domain.
	Exists func(ctx context.Context, bare jid.JID) (bool, error)
	// Remote takes what goes to other domains. It must not block. nil: there are none.
	Remote func(ctx context.Context, st *xmpp.Stanza)
	// Entity finds a service of this server that has a presence of its own: what it answers to a stanza. nil: there are none.
	Entity func(bare jid.JID) (reply func(st *xmpp.Stanza) []*xmpp.Stanza, ok bool)
	// Available are told when a session begins to take messages to its account: it became available with a priority
	// that is not negative. Its own presence has been handled then.
	Available []func(ctx context.Context, s *im.Session)

	// Changed is told of accounts of which somebody may see, or may have seen, another presence from now on. It must not
	// block. nil: nobody wants to know.
	Changed func(accounts ...jid.JID)

	Directed int // to how many a session may tell its presence besides its contacts; default 500
	Now      func() time.Time
	Log      *slog.Logger
}

// Presence of the server's accounts.
type Presence struct {
	c     Config
	locks im.Locks
	seen  seen
	calls talking
}

// New makes it.
func New(c Config) *Presence {
	c.Directed = cmp.Or(c.Directed, 500)
	if c.Changed == nil {
		c.Changed = func(...jid.JID) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Presence{c: c}
}

// Handle does what a presence stanza of a local session wants. Its from is the session's address.
func (p *Presence) Handle(ctx context.Context, s *im.Session, st *xmpp.Stanza) {
	if err := p.handle(ctx, s, st); err != nil && !st.IsError() {
		s.Send(st.Fail(p.explain(s.JID(), err)))
	}
}

func (p *Presence) handle(ctx context.Context, s *im.Session, st *xmpp.Stanza) error {
	if k, ok := roster.KindOf(st.Type()); ok {
		return p.subscription(ctx, s.JID(), st, k)
	}
	addressed := !st.To().IsZero()
	switch st.Type() {
	case "":
		if addressed {
			return p.directed(ctx, s, st)
		}
		return p.available(ctx, s, st)
	case "unavailable":
		if addressed {
			return p.directed(ctx, s, st)
		}
		return p.unavailable(ctx, s, st)
	case "probe":
		return p.probe(ctx, s, st)
	case "error":
		return p.pass(ctx, s, st)
	}
	return &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: "there is no such type of presence"} // rfc6121#4.7.1
}

// explain makes of an error what the sender is told.
func (p *Presence) explain(who jid.JID, err error) *xmpp.StanzaError {
	if e, ok := errors.AsType[*xmpp.StanzaError](err); ok {
		return e
	}
	p.c.Log.Error("presence not handled", "account", who.Bare().String(), "err", err)
	if errors.Is(err, db.ErrFull) {
		return &xmpp.StanzaError{Condition: xmpp.ResourceConstraint}
	}
	return &xmpp.StanzaError{Condition: xmpp.InternalServerError}
}

// Sees says whether somebody may know that an account is here: by a subscription, or because one of its sessions told
// him (rfc6121#8.5.3.1).
func (p *Presence) Sees(ctx context.Context, owner, other jid.JID) (bool, error) {
	owner = owner.Bare()
	if other.Bare() == owner {
		return true, nil
	}
	for _, s := range p.c.Sessions.Of(owner) {
		if s.IsDirected(other) {
			return true, nil
		}
	}
	standing, err := p.c.Roster.Standing(ctx, owner, other.Bare())
	return standing.State.IsSeen(), err
}

// here says whether an account of this server has the address.
func (p *Presence) here(ctx context.Context, bare jid.JID) (bool, error) {
	if bare.Local == "" || !p.c.Local(bare.Domain) || p.entity(bare) != nil {
		return false, nil
	}
	return p.c.Exists(ctx, bare)
}

func (p *Presence) entity(bare jid.JID) func(*xmpp.Stanza) []*xmpp.Stanza {
	if p.c.Entity == nil || !p.c.Local(bare.Domain) {
		return nil
	}
	if reply, ok := p.c.Entity(bare); ok {
		return reply
	}
	return nil
}

// blocked says whether one of two has blocked the other. Where that can't be found out they have.
func (p *Presence) blocked(ctx context.Context, from, to jid.JID) bool {
	return p.blocks(ctx, to.Bare(), from) || p.blocks(ctx, from.Bare(), to)
}

func (p *Presence) blocks(ctx context.Context, owner, other jid.JID) bool {
	if p.c.Block == nil || owner.Local == "" || owner == other.Bare() || !p.c.Local(owner.Domain) {
		return false
	}
	blocks, err := p.c.Block.Blocks(ctx, owner, other)
	if err != nil {
		p.c.Log.Error("block list not read", "account", owner.String(), "err", err)
		return true
	}
	return blocks
}
