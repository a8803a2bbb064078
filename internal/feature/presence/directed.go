package presence

import (
	"context"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// errBlocked answers who speaks to somebody he has blocked (xep0191#3.2).
var errBlocked = &xmpp.StanzaError{Condition: xmpp.NotAcceptable, Type: xmpp.Cancel, Extra: "<blocked xmlns='urn:xmpp:blocking:errors'/>"}

// directed is presence that a session says to one alone (rfc6121#4.6).
func (p *Presence) directed(ctx context.Context, s *im.Session, st *xmpp.Stanza) error {
	if err := p.mayReach(ctx, s.JID(), st.To()); err != nil {
		return err
	}
	return p.turn(ctx, 0, func(t *turn) error {
		if p.c.Sessions.Get(s.JID()) != s {
			return nil // it has left already, and nobody would hear that it does
		}
		if st.Type() == "unavailable" {
			s.Undirect(st.To())
		} else if !s.Direct(st.To(), p.c.Directed) {
			return &xmpp.StanzaError{Condition: xmpp.ResourceConstraint, Type: xmpp.Cancel, Text: "presence was directed to too many"}
		}
		t.send(st)
		return nil
	}, s.JID().Bare())
}

// pass passes on what says nothing of its sender's presence.
func (p *Presence) pass(ctx context.Context, s *im.Session, st *xmpp.Stanza) error {
	if st.To().IsZero() {
		return nil
	}
	if err := p.mayReach(ctx, s.JID(), st.To()); err != nil {
		return err
	}
	return p.turn(ctx, 0, func(t *turn) error { t.send(st); return nil }, s.JID().Bare())
}

// mayReach says why what an account says can't go to somebody.
func (p *Presence) mayReach(ctx context.Context, from, to jid.JID) error {
	switch {
	case p.blocks(ctx, from.Bare(), to):
		return errBlocked
	case !p.c.Local(to.Domain) && p.c.Remote == nil:
		return &xmpp.StanzaError{Condition: xmpp.RemoteServerNotFound}
	}
	return nil
}
