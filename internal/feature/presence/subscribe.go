package presence

import (
	"context"

	"parley/internal/address"
	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// Ask asks, in an account's place, to see another, as if one of its sessions had said so. The error is a *xmpp.StanzaError,
// or any other of a fault here.
func (p *Presence) Ask(ctx context.Context, from, to jid.JID) error {
	from, to = from.Bare(), to.Bare()
	return p.subscription(ctx, from, said(roster.Subscribe, from, to), roster.Subscribe)
}

// subscription is what an account here says about a subscription (rfc6121#3).
func (p *Presence) subscription(ctx context.Context, from jid.JID, st *xmpp.Stanza, k roster.Kind) error {
	from, to := from.Bare(), st.To().Bare()
	switch {
	case to.IsZero():
		return &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: "to whom?"}
	case from == to:
		return &xmpp.StanzaError{Condition: xmpp.NotAllowed, Text: "everybody sees himself"}
	}
	if k == roster.Subscribe || k == roster.Subscribed {
		if err := p.mayReach(ctx, from, to); err != nil {
			return err
		}
	}
	here, err := p.here(ctx, to)
	if err != nil {
		return err
	}
	// Who is blocked isn't heard; but what he allows or ends counts, so that the two rosters agree (xep0191#3.2).
	if here && k == roster.Subscribe && p.blocks(ctx, to, from) {
		here = false
	}
	st = st.Edit(xmpp.Edit{From: &from, To: &to}) // rfc6121#3.1.2
	talk := roster.Talk{From: from, To: to, Kind: k, Request: st.Text(), FromHere: true, ToHere: here}
	return p.turn(ctx, 0, func(t *turn) error { return t.talk(talk, st) }, accounts(talk)...)
}

// accounts are those that a talk changes.
func accounts(talk roster.Talk) (list []jid.JID) {
	if talk.FromHere {
		list = append(list, talk.From)
	}
	if talk.ToHere {
		list = append(list, talk.To)
	}
	return list
}

// talk has the rosters changed and everybody told.
func (t *turn) talk(talk roster.Talk, st *xmpp.Stanza) error {
	after := aftermath{t: t}
	err := t.p.c.Roster.Exchange(t.ctx, talk, func(s roster.Step) { after.step(talk.From, talk.To, st, s) })
	after.run()
	return err
}

// aftermath is what follows from the steps of a change.
type aftermath struct {
	t     *turn
	later []func()
}

func (a *aftermath) run() {
	for _, f := range a.later {
		f()
	}
}

// step tells of one: st is what was said at first, from the first to the second; nil if the server said it.
func (a *aftermath) step(owner, peer jid.JID, st *xmpp.Stanza, s roster.Step) {
	if s.Second {
		owner, peer = peer, owner
	}
	lost := s.Before.State.IsSeen() && !s.After.State.IsSeen()
	if s.Before != s.After {
		a.later = append(a.later, func() { a.t.p.changed(owner, peer) })
	}
	if st == nil || st.Type() != s.Kind.String() {
		st = said(s.Kind, owner, peer)
		if !s.Out {
			st = said(s.Kind, peer, owner)
		}
	}
	switch {
	case s.Out:
		if lost {
			a.t.hide(owner, peer) // rfc6121#3.2.2
		}
		if s.Pass && a.t.p.elsewhere(peer) { // accounts here hear by the steps of their own
			a.t.out(st)
		}
	default:
		if s.Pass {
			a.t.hear(owner, st, s.Kind)
		}
		if lost {
			a.later = append(a.later, func() { a.t.hide(owner, peer) }) // rfc6121#3.3.3
		}
	}
	if s.Out && s.After.State.IsSeen() && (s.Auto || !s.Before.State.IsSeen()) {
		a.later = append(a.later, func() { a.t.show(owner, peer) }) // rfc6121#3.1.5
	}
}

// hear gives what was said about a subscription to an account's sessions: a request to those that are available
// (rfc6121#3.1.3), the rest to those that know the roster (rfc6121#3.1.6).
func (t *turn) hear(owner jid.JID, st *xmpp.Stanza, k roster.Kind) {
	for _, s := range t.p.c.Sessions.Of(owner) {
		if k == roster.Subscribe && s.Availability() != nil || k != roster.Subscribe && s.Has(im.Interested) {
			t.give(s, st)
		}
	}
}

// Remove ends the subscriptions between an account and a contact, and takes it off the account's roster (rfc6121#2.5).
func (p *Presence) Remove(ctx context.Context, owner, contact jid.JID) error {
	here, err := p.here(ctx, contact)
	if err != nil {
		return err
	}
	talk := roster.Talk{From: owner, To: contact, FromHere: true, ToHere: here}
	return p.turn(ctx, 0, func(t *turn) error {
		after := aftermath{t: t}
		err := p.c.Roster.Remove(ctx, owner, contact, here, func(s roster.Step) { after.step(owner, contact, nil, s) })
		after.run()
		return err
	}, accounts(talk)...)
}

// Forget ends all subscriptions of an account that is gone, and drops its roster.
func (p *Presence) Forget(ctx context.Context, gone core.Address) error {
	owner := jid.JID{Local: gone.Local, Domain: address.Unicode(gone.Domain)}
	contacts, err := p.c.Roster.Contacts(ctx, owner)
	if err != nil {
		return err
	}
	local, locked := map[jid.JID]bool{}, []jid.JID{owner}
	for _, c := range contacts {
		here, err := p.here(ctx, c.JID)
		if err != nil {
			return err
		}
		if here && c.JID != owner {
			local[c.JID] = true
			locked = append(locked, c.JID)
		}
	}
	return p.turn(ctx, 0, func(t *turn) error {
		after := aftermath{t: t}
		err := p.c.Roster.Forget(ctx, owner, func(j jid.JID) bool { return local[j] },
			func(contact jid.JID, s roster.Step) { after.step(owner, contact, nil, s) })
		after.run()
		return err
	}, locked...)
}
