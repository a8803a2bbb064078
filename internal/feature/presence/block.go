package presence

import (
	"context"
	"slices"

	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// Hide has an account block others: store puts them on its block list, and gives those that were not on it before. The
// account and these leave for each other (xep0191#3.3); nothing is said to who had seen nothing. The others are as
// they stand on the list, and may be domains.
//
// Nobody of them says anything while that goes on, so that no leaving is lost between the list and what is said.
func (p *Presence) Hide(ctx context.Context, owner jid.JID, others []jid.JID, store func() (added []jid.JID, err error)) error {
	owner = owner.Bare()
	contacts, err := p.matching(ctx, owner, others)
	if err != nil {
		return err
	}
	locked := []jid.JID{owner}
	for _, c := range contacts {
		locked = append(locked, c.JID)
	}
	for _, j := range others {
		if j.Local != "" {
			locked = append(locked, j.Bare())
		}
	}
	return p.turn(ctx, 0, func(t *turn) error {
		added, err := store()
		if err == nil {
			t.conceal(owner, added)
			p.changed(locked...)
		}
		return err
	}, locked...)
}

// matching are an account's contacts whom addresses on a block list mean, or some of whose sessions.
func (p *Presence) matching(ctx context.Context, owner jid.JID, others []jid.JID) (list []*roster.Contact, err error) {
	contacts, err := p.c.Roster.Contacts(ctx, owner)
	for _, c := range contacts {
		if c.JID != owner && slices.ContainsFunc(others, func(o jid.JID) bool {
			return o.Domain == c.JID.Domain && (o.Local == "" || o.Local == c.JID.Local)
		}) {
			list = append(list, c)
		}
	}
	return list, err
}

// conceal has an account and those that it has just blocked leave for each other.
func (t *turn) conceal(owner jid.JID, others []jid.JID) {
	contacts, err := t.p.matching(t.ctx, owner, others)
	if err != nil {
		t.p.c.Log.Error("presence not hidden", "account", owner.String(), "err", err)
	}
	for _, c := range contacts {
		for _, o := range others {
			if c.State.IsSeen() {
				t.part(owner, c.JID, o)
			}
			if c.State.SeesContact() {
				t.partFrom(c.JID, owner, o)
			}
		}
	}
	for _, s := range t.p.c.Sessions.Of(owner) {
		t.undirect(s, others)
	}
}

// Show has an account and somebody whom it no longer blocks see each other again, as far as they may (xep0191#3.4).
func (p *Presence) Show(ctx context.Context, owner, other jid.JID) {
	owner = owner.Bare()
	contacts, err := p.matching(ctx, owner, []jid.JID{other})
	if err != nil {
		p.c.Log.Error("roster not read", "account", owner.String(), "err", err)
	}
	for _, c := range contacts {
		if err := p.reveal(ctx, owner, c.JID); err != nil {
			p.c.Log.Error("presence not shown", "account", owner.String(), "err", err)
		}
	}
}

func (p *Presence) reveal(ctx context.Context, owner, contact jid.JID) error {
	if !p.reaches(contact) && !p.present(contact) {
		p.changed(owner, contact)
		return nil
	}
	return p.turn(ctx, 0, func(t *turn) error {
		s, err := p.c.Roster.Standing(ctx, owner, contact)
		if s.State.IsSeen() {
			t.show(owner, contact)
		}
		if s.State.SeesContact() {
			t.show(contact, owner) // of accounts here; others are not asked again
		}
		p.changed(owner, contact)
		return err
	}, owner, contact)
}

// matches says whether a block list's address means a session (xep0191#6).
func matches(other, full jid.JID) bool {
	return other.Domain == full.Domain && (other.Local == "" || other.Local == full.Local) &&
		(other.Resource == "" || other.Resource == full.Resource)
}

// part has an account's sessions leave for those of a contact that were blocked. The block holds already, so what is said
// last goes past it.
func (t *turn) part(owner, contact, other jid.JID) {
	if other.Domain != contact.Domain || other.Local != "" && other.Local != contact.Local {
		return
	}
	for _, s := range t.p.seen.of(owner) {
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
	for _, o := range t.p.seen.of(contact) {
		if !matches(other, o.JID()) {
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
func (t *turn) undirect(s *im.Session, others []jid.JID) {
	for _, j := range s.TakeDirected() {
		if !slices.ContainsFunc(others, func(o jid.JID) bool { return matches(o, j) }) {
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
