package presence

import (
	"context"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// probe is a client's own asking for somebody's presence.
func (p *Presence) probe(ctx context.Context, s *im.Session, st *xmpp.Stanza) error {
	if st.To().IsZero() {
		return &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: "whose presence?"}
	}
	if err := p.mayReach(ctx, s.JID(), st.To()); err != nil {
		return err
	}
	return p.sendProbe(ctx, st, true)
}

// sendProbe has a probe answered, or passes it on. spoken says that somebody asks, and may wait for an answer.
func (p *Presence) sendProbe(ctx context.Context, st *xmpp.Stanza, spoken bool) error {
	target := st.To().Bare()
	if p.elsewhere(target) {
		return p.turn(ctx, 0, func(t *turn) error { t.send(st); return nil }, st.From().Bare())
	}
	return p.turn(ctx, 0, func(t *turn) error { return t.answer(st, spoken) }, target)
}

// probeContacts asks, for a session that has become available, for the presence of those its account may see
// (rfc6121#4.3.1).
func (p *Presence) probeContacts(ctx context.Context, s *im.Session, contacts []*roster.Contact) {
	for _, c := range contacts {
		if !c.State.SeesContact() || !p.present(c.JID) {
			continue
		}
		st := xmpp.Must(xmpp.Presence, xmpp.Header{From: s.JID(), To: c.JID, Type: "probe"}, "")
		if err := p.sendProbe(ctx, st, false); err != nil {
			p.c.Log.Error("contact's presence not found", "account", s.JID().Bare().String(), "err", err)
		}
	}
}

// answer says to who probes what he may know (rfc6121#4.3.2). The probed account is locked.
func (t *turn) answer(probe *xmpp.Stanza, spoken bool) error {
	owner, asker := probe.To().Bare(), probe.From()
	if t.p.blocked(t.ctx, asker, owner) {
		return nil
	}
	if asker.Bare() != owner {
		standing, err := t.p.c.Roster.Standing(t.ctx, owner, asker.Bare())
		if err != nil {
			return err
		}
		if !standing.State.IsSeen() {
			// The rosters of this server agree with each other; another server is told that its one is wrong. An account that
			// is not there answers the same.
			if !t.p.c.Local(asker.Domain) && !standing.State.IsAsked() {
				t.send(said(roster.Unsubscribed, owner, asker.Bare()))
			}
			return nil
		}
	}
	found := false
	for _, s := range t.p.seen.of(owner) {
		a := s.Availability()
		if a == nil || !probe.To().IsBare() && s.JID() != probe.To() {
			continue
		}
		found = true
		shown := a.Stanza
		if asker.Bare() != owner {
			shown = t.p.toOthers(owner, shown)
		}
		t.send(to(shown, asker))
	}
	if !found && spoken {
		t.send(unavailable(probe.To(), asker))
	}
	return nil
}

// said is a stanza about a subscription that the server itself makes.
func said(k roster.Kind, from, to jid.JID) *xmpp.Stanza {
	return xmpp.Must(xmpp.Presence, xmpp.Header{From: from, To: to, Type: k.String()}, "")
}
