package presence

import (
	"context"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// maxReplies is how often a service of the server may be answered that was itself answered by the server's rules.
const maxReplies = 4

// turn is something that happens while accounts are locked.
type turn struct {
	p       *Presence
	ctx     context.Context //nolint:containedctx // it lives as long as the call
	depth   int
	replies []*xmpp.Stanza // of services: their turn comes when the locks are free
}

// turn runs f with accounts locked.
func (p *Presence) turn(ctx context.Context, depth int, f func(*turn) error, accounts ...jid.JID) error {
	t := &turn{p: p, ctx: ctx, depth: depth}
	err := func() error {
		unlock := p.locks.Lock(accounts...)
		defer unlock()
		return f(t)
	}()
	for _, st := range t.replies {
		p.inbound(ctx, st, depth+1)
	}
	return err
}

// send passes a stanza on, unless one of the two has blocked the other.
func (t *turn) send(st *xmpp.Stanza) {
	to := st.To()
	switch {
	case !t.p.elsewhere(to):
		t.deliver(st)
	case !t.p.blocks(t.ctx, st.From().Bare(), to):
		t.out(st)
	}
}

// elsewhere says that an address belongs to no account here: to a service of this server, or to another server.
func (p *Presence) elsewhere(j jid.JID) bool {
	return !p.c.Local(j.Domain) || p.entity(j.Bare()) != nil
}

// out passes on what goes elsewhere.
func (t *turn) out(st *xmpp.Stanza) {
	reply := t.p.entity(st.To().Bare())
	switch {
	case reply != nil && t.depth < maxReplies:
		t.replies = append(t.replies, reply(st)...)
	case reply == nil && t.p.c.Remote != nil:
		t.p.c.Remote(t.ctx, st)
	}
}

// deliver gives a stanza to the session of its full address, or to all available ones of a bare address
// (rfc6121#8.5.2.1.2, rfc6121#8.5.3.1).
func (t *turn) deliver(st *xmpp.Stanza) {
	to := st.To()
	if !to.IsBare() {
		if s := t.p.c.Sessions.Get(to); s != nil {
			t.give(s, st)
		}
		return
	}
	for _, s := range t.p.c.Sessions.Of(to) {
		if s.Availability() != nil {
			t.give(s, st)
		}
	}
}

// give sends to a session, unless one of the two has blocked the other.
func (t *turn) give(s *im.Session, st *xmpp.Stanza) {
	if !t.p.blocked(t.ctx, st.From(), s.JID()) {
		s.Send(st)
	}
}

// to is a stanza with that address.
func to(st *xmpp.Stanza, j jid.JID) *xmpp.Stanza { return st.Edit(xmpp.Edit{To: &j}) }

// reaches says whether anybody hears what is sent to a contact: of a local account only if it has sessions.
func (p *Presence) reaches(contact jid.JID) bool {
	return len(p.c.Sessions.Of(contact)) > 0 || p.elsewhere(contact)
}

// present says whether there may be anything to see of a contact, who may be one of another server.
func (p *Presence) present(contact jid.JID) bool {
	return len(p.seen.of(contact)) > 0 || p.elsewhere(contact)
}

func unavailable(from, to jid.JID) *xmpp.Stanza {
	return xmpp.Must(xmpp.Presence, xmpp.Header{From: from, To: to, Type: "unavailable"}, "")
}

// show sends the presence of an account's sessions to somebody.
func (t *turn) show(owner, whom jid.JID) {
	for _, s := range t.p.seen.of(owner) {
		if a := s.Availability(); a != nil {
			t.send(to(t.p.toOthers(owner, a.Stanza), whom))
		}
	}
}

// hide has an account's sessions leave for somebody.
func (t *turn) hide(owner, whom jid.JID) {
	for _, s := range t.p.seen.of(owner) {
		t.send(unavailable(s.JID(), whom))
	}
}
