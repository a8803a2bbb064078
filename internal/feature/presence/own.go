package presence

import (
	"context"
	"strconv"
	"strings"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// available is a session's presence to all (rfc6121#4.2, rfc6121#4.4).
func (p *Presence) available(ctx context.Context, s *im.Session, st *xmpp.Stanza) error {
	priority, err := priorityOf(st)
	if err != nil {
		return err
	}
	owner := s.JID().Bare()
	now := &im.Availability{Stanza: st, Priority: priority, Since: p.c.Now()}
	var before *im.Availability
	var contacts []*roster.Contact
	gone := false
	err = p.turn(ctx, 0, func(t *turn) (err error) {
		if gone = p.c.Sessions.Get(s.JID()) != s; gone {
			return nil
		}
		if contacts, err = p.c.Roster.Contacts(ctx, owner); err != nil {
			return err
		}
		if before = s.Availability(); before != nil {
			now.Since = before.Since
		}
		s.SetAvailability(now)
		if before == nil {
			p.seen.add(s)
		}
		t.broadcast(owner, st, contacts)
		if before == nil {
			t.welcome(s, contacts)
		}
		p.changed(owner)
		return nil
	}, owner)
	if err != nil || gone {
		return err
	}
	if before == nil {
		p.probeContacts(ctx, s, contacts)
	}
	if priority >= 0 && (before == nil || before.Priority < 0) {
		for _, tell := range p.c.Available {
			tell(ctx, s)
		}
	}
	return nil
}

// priorityOf reads the priority (rfc6121#4.7.2.3).
func priorityOf(st *xmpp.Stanza) (int8, error) {
	var text string
	found := false
	for _, part := range st.Parts() {
		if part.Space != xmpp.NSClient || part.Local != "priority" {
			continue
		}
		if found {
			return 0, &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: "there are two priorities"}
		}
		text, found = st.Element(part).Text, true
	}
	if !found {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.Trim(text, " \t\r\n"), 10, 8)
	if err != nil {
		return 0, &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: "a priority is a number from -128 to 127"}
	}
	return int8(n), nil
}

// broadcast sends to the contacts that have a subscription, and to the account's own available sessions.
func (t *turn) broadcast(owner jid.JID, st *xmpp.Stanza, contacts []*roster.Contact) {
	t.toContacts(t.p.toOthers(owner, st), contacts)
	mine := to(st, owner)
	for _, o := range t.p.c.Sessions.Of(owner) {
		if o.Availability() != nil {
			o.Send(mine)
		}
	}
}

func (t *turn) toContacts(st *xmpp.Stanza, contacts []*roster.Contact) {
	for _, c := range contacts {
		if c.State.IsSeen() && t.p.reaches(c.JID) {
			t.send(to(st, c.JID))
		}
	}
}

// welcome tells a session that has just become available what its account's other sessions say, and who waits for an answer
// (rfc6121#3.1.3).
func (t *turn) welcome(s *im.Session, contacts []*roster.Contact) {
	for _, o := range t.p.seen.of(s.JID().Bare()) {
		if a := o.Availability(); a != nil && o != resource(s) {
			s.Send(to(a.Stanza, s.JID()))
		}
	}
	for _, c := range contacts {
		if c.State.IsAsked() {
			t.give(s, request(c, s.JID().Bare()))
		}
	}
}

// request is the stanza with which a contact has asked.
func request(c *roster.Contact, owner jid.JID) *xmpp.Stanza {
	if c.Request != "" {
		if st, err := xmpp.Parse(c.Request); err == nil {
			return st
		}
	}
	return said(roster.Subscribe, c.JID, owner)
}

// unavailable is a session's leaving, that goes on (rfc6121#4.5).
func (p *Presence) unavailable(ctx context.Context, s *im.Session, st *xmpp.Stanza) error {
	return p.turn(ctx, 0, func(t *turn) error { return t.leave(s, st) }, s.JID().Bare())
}

// Ended is told of a session that is gone, and out of the table.
func (p *Presence) Ended(ctx context.Context, s *im.Session) {
	ctx = context.WithoutCancel(ctx)
	st := unavailable(s.JID(), jid.JID{}) // rfc6121#4.5.2
	if err := p.unavailable(ctx, s, st); err != nil {
		p.c.Log.Error("contacts not told that a session ended", "session", s.JID().String(), "err", err)
	}
}

// leave tells everybody who has seen the session that it is not available any more.
func (t *turn) leave(s *im.Session, st *xmpp.Stanza) (err error) {
	var contacts []*roster.Contact
	if t.p.seen.remove(s) {
		if contacts, err = t.p.c.Roster.Contacts(t.ctx, s.JID().Bare()); err != nil {
			t.p.c.Log.Error("roster not read", "account", s.JID().Bare().String(), "err", err)
		}
		s.SetAvailability(nil)
		t.broadcast(s.JID().Bare(), st, contacts)
		t.p.changed(s.JID().Bare())
	}
	told := map[jid.JID]bool{}
	for _, c := range contacts {
		told[c.JID] = c.State.IsSeen()
	}
	for _, j := range s.TakeDirected() { // rfc6121#4.6.5
		if !told[j.Bare()] {
			t.send(to(st, j))
		}
	}
	return err
}
