package presence

import (
	"context"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// View is what one account may know of another.
type View struct {
	Seen   bool // he has a subscription, or it is his own
	Asking bool // he has asked for one, and waits for the answer
	// Presences are what the available resources said last, in the order in which they became available. There are
	// none where one of the two has blocked the other, which nobody is told.
	Presences []*xmpp.Stanza
	Talking   bool // he is on the phone; what is in Presences does not say so
}

// Look is what an account of this server sees of an account or a service of it.
func (p *Presence) Look(ctx context.Context, owner, by jid.JID) (v View, err error) {
	owner, by = owner.Bare(), by.Bare()
	if v.Seen = owner == by; !v.Seen {
		his, err := p.c.Roster.Standing(ctx, by, owner)
		if err != nil {
			return v, err
		}
		v.Seen, v.Asking = his.State.SeesContact(), his.State.IsAsking()
	}
	if !v.Seen || p.blocked(ctx, owner, by) {
		return v, nil
	}
	if reply := p.entity(owner); reply != nil {
		v.Presences = available(reply(xmpp.Must(xmpp.Presence, xmpp.Header{From: by, To: owner, Type: "probe"}, "")))
		return v, nil
	}
	if owner != by { // the two rosters agree, but for a moment
		standing, err := p.c.Roster.Standing(ctx, owner, by)
		if v.Seen = standing.State.IsSeen(); err != nil || !v.Seen {
			return v, err
		}
	}
	unlock := p.locks.Lock(owner)
	defer unlock()
	v.Talking = p.calls.is(owner)
	for _, s := range p.seen.of(owner) {
		if a := s.Availability(); a != nil {
			v.Presences = append(v.Presences, a.Stanza)
		}
	}
	return v, nil
}

// available are those of some stanzas that say that somebody is here.
func available(all []*xmpp.Stanza) (some []*xmpp.Stanza) {
	for _, st := range all {
		if st.Kind() == xmpp.Presence && st.Type() == "" {
			some = append(some, st)
		}
	}
	return some
}

func (p *Presence) changed(accounts ...jid.JID) { p.c.Changed(accounts...) }
