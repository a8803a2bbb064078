package presence

import (
	"context"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// published is a resource without a session. It never changes; another takes its place.
type published struct {
	jid jid.JID
	now *im.Availability
}

// JID and Availability implement resource.
func (p *published) JID() jid.JID                   { return p.jid }
func (p *published) Availability() *im.Availability { return p.now }

// Publish shows a resource of an account that has no session here, such as a phone of another protocol. payload is what
// its presence holds. No messages go to it, whatever its priority.
func (p *Presence) Publish(ctx context.Context, full jid.JID, payload string) error {
	st, err := xmpp.New(xmpp.Presence, xmpp.Header{From: full}, payload)
	if err != nil {
		return err
	}
	priority, err := priorityOf(st)
	if err != nil {
		return err
	}
	owner := full.Bare()
	return p.turn(ctx, 0, func(t *turn) error {
		contacts, err := p.c.Roster.Contacts(ctx, owner)
		if err != nil {
			return err
		}
		next := &published{jid: full, now: &im.Availability{Stanza: st, Priority: priority, Since: p.c.Now()}}
		if old := p.published(full); old != nil {
			next.now.Since = old.now.Since
			p.seen.remove(old)
		}
		p.seen.add(next)
		t.broadcast(owner, st, contacts)
		p.changed(owner)
		return nil
	}, owner)
}

// Retract has a resource leave that was published.
func (p *Presence) Retract(ctx context.Context, full jid.JID) error {
	owner := full.Bare()
	return p.turn(ctx, 0, func(t *turn) error {
		old := p.published(full)
		if old == nil {
			return nil
		}
		p.seen.remove(old)
		contacts, err := p.c.Roster.Contacts(ctx, owner)
		t.broadcast(owner, unavailable(full, jid.JID{}), contacts)
		p.changed(owner)
		return err
	}, owner)
}

// published is the published resource of a full address; nil if there is none.
func (p *Presence) published(full jid.JID) *published {
	for _, s := range p.seen.of(full.Bare()) {
		if x, ok := s.(*published); ok && x.jid == full {
			return x
		}
	}
	return nil
}
