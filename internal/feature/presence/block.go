package presence

import (
	"context"

	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// Hide has an account and somebody whom it has blocked leave for each other (xep0191#3.3): nothing is said to who
// had seen nothing. other is as it stands on a block list, and may be a domain.
func (p *Presence) Hide(ctx context.Context, owner, other jid.JID) {
	owner = owner.Bare()
	p.eachMatch(ctx, owner, other, func(t *turn, contact jid.JID, s roster.State) {
		if s.IsSeen() {
			t.part(owner, contact, other)
		}
		if s.SeesContact() {
			t.partFrom(contact, owner, other)
		}
	})
	err := p.turn(ctx, 0, func(t *turn) error {
		for _, s := range p.c.Sessions.Of(owner) {
			t.undirect(s, other)
		}
		return nil
	}, owner)
	if err != nil {
		p.c.Log.Error("presence not hidden", "account", owner.String(), "err", err)
	}
}

// Show has an account and somebody whom it no longer blocks see each other again, as far as they may (xep0191#3.4).
func (p *Presence) Show(ctx context.Context, owner, other jid.JID) {
	owner = owner.Bare()
	p.eachMatch(ctx, owner, other, func(t *turn, contact jid.JID, s roster.State) {
		if s.IsSeen() {
			t.show(owner, contact)
		}
		if s.SeesContact() {
			t.show(contact, owner) // of accounts here; others are not asked again
		}
	})
}

// eachMatch runs f for each contact that an address on a block list means, with both locked.
func (p *Presence) eachMatch(ctx context.Context, owner, other jid.JID, f func(*turn, jid.JID, roster.State)) {
	contacts, err := p.c.Roster.Contacts(ctx, owner)
	if err != nil {
		p.c.Log.Error("roster not read", "account", owner.String(), "err", err)
		return
	}
	for _, c := range contacts {
		if c.JID.Domain != other.Domain || other.Local != "" && other.Local != c.JID.Local || !p.reaches(c.JID) {
			continue
		}
		err := p.turn(ctx, 0, func(t *turn) error {
			now, err := p.c.Roster.Standing(ctx, owner, c.JID)
			if err == nil {
				f(t, c.JID, now.State)
			}
			return err
		}, owner, c.JID)
		if err != nil {
			p.c.Log.Error("roster not read", "account", owner.String(), "err", err)
		}
	}
}

// matches says whether a block list's address means a session (xep0191#6).
func matches(other, full jid.JID) bool {
	return other.Domain == full.Domain && (other.Local == "" || other.Local == full.Local) &&
		(other.Resource == "" || other.Resource == full.Resource)
}

// part has an account's sessions leave for those of a contact that were blocked. The block holds already, so what is said
// last goes past it.
func (t *turn) part(owner, contact, other jid.JID) {
	for _, s := range t.p.c.Sessions.Of(owner) {
		if s.Availability() == nil {
			continue
		}
		if t.p.elsewhere(contact) {
			t.out(unavailable(s.JID(), contact.With(other.Resource)))
			continue
		}
		for _, o := range t.p.c.Sessions.Of(contact) {
			if o.Availability() != nil && matches(other, o.JID()) {
				o.Send(unavailable(s.JID(), o.JID()))
			}
		}
	}
}

// partFrom has those sessions of a contact that were blocked leave for an account.
func (t *turn) partFrom(contact, owner, other jid.JID) {
	for _, o := range t.p.c.Sessions.Of(contact) {
		if o.Availability() == nil || !matches(other, o.JID()) {
			continue
		}
		for _, s := range t.p.c.Sessions.Of(owner) {
			if s.Availability() != nil {
				s.Send(unavailable(o.JID(), owner))
			}
		}
	}
}

// undirect has a session leave for those it told of itself.
func (t *turn) undirect(s *im.Session, other jid.JID) {
	for _, j := range s.TakeDirected() {
		if !matches(other, j) {
			s.Direct(j, t.p.c.Directed)
			continue
		}
		st := unavailable(s.JID(), j)
		if t.p.elsewhere(j) {
			t.out(st)
			continue
		}
		for _, o := range t.p.c.Sessions.Of(j) {
			if j.IsBare() && o.Availability() != nil || o.JID() == j {
				o.Send(st)
			}
		}
	}
}
