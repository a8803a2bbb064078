package presence

import (
	"context"

	"parley/xmpp"
	"parley/xmpp/roster"
)

// Inbound takes a presence stanza that comes from a service of this server or from another server, to an account here.
func (p *Presence) Inbound(ctx context.Context, st *xmpp.Stanza) { p.inbound(ctx, st, 0) }

func (p *Presence) inbound(ctx context.Context, st *xmpp.Stanza, depth int) {
	if st.Kind() != xmpp.Presence || st.From().IsZero() || p.elsewhere(st.To()) {
		return
	}
	var err error
	if k, ok := roster.KindOf(st.Type()); ok {
		err = p.heard(ctx, st, k, depth)
	} else {
		err = p.turn(ctx, depth, func(t *turn) error {
			if st.Type() == "probe" {
				return t.answer(st, true)
			}
			t.deliver(st)
			return nil
		}, st.To().Bare())
	}
	if err != nil {
		p.c.Log.Error("presence from elsewhere not handled", "from", st.From().Bare().String(), "to", st.To().Bare().String(), "err", err)
	}
}

// heard is what somebody elsewhere says about a subscription. What goes to nobody is not answered, nor is who is blocked.
func (p *Presence) heard(ctx context.Context, st *xmpp.Stanza, k roster.Kind, depth int) error {
	from, to := st.From().Bare(), st.To().Bare()
	here, err := p.here(ctx, to)
	if err != nil || !here || k == roster.Subscribe && p.blocks(ctx, to, from) {
		return err
	}
	st = st.Edit(xmpp.Edit{From: &from, To: &to})
	talk := roster.Talk{From: from, To: to, Kind: k, Request: st.Text(), ToHere: true}
	return p.turn(ctx, depth, func(t *turn) error { return t.talk(talk, st) }, to)
}
