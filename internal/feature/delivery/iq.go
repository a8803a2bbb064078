package delivery

import (
	"context"
	"errors"
	"fmt"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/jingle"
)

type serviceKey struct {
	name  xmpp.Name
	place im.Place
}

// add takes a service; one without a Handle only has features.
func (d *Delivery) add(s im.Service) error {
	if s.Handle == nil {
		return nil
	}
	for _, place := range []im.Place{im.Server, im.Own, im.Account} {
		if s.At&place == 0 {
			continue
		}
		key := serviceKey{s.Name, place}
		if _, twice := d.services[key]; twice {
			return fmt.Errorf("delivery: two services answer %s %s at one place", s.Local, s.Space)
		}
		d.services[key] = s.Handle
	}
	return nil
}

// iq takes a request or an answer (rfc6120#8.2.3).
func (d *Delivery) iq(ctx context.Context, s *im.Session, st *xmpp.Stanza) {
	request := st.Type() == "get" || st.Type() == "set"
	if !request && !st.IsError() || request && st.ID() == "" {
		d.fail(s, st, &xmpp.StanzaError{Condition: xmpp.BadRequest})
		return
	}
	if _, one := st.Payload(); request && !one {
		d.fail(s, st, &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: "an iq asks for one thing"})
		return
	}
	if err := d.routeIQ(ctx, s, st); err != nil {
		d.fail(s, st, err)
	}
}

func (d *Delivery) routeIQ(ctx context.Context, s *im.Session, st *xmpp.Stanza) error {
	if err := d.mayWrite(ctx, st); err != nil {
		return err
	}
	from, to := st.From(), st.To()
	if guest := d.guest(to); guest != nil {
		guest.Send(st)
		return nil
	}
	if p, ok := st.Payload(); ok && p.Space == jingle.NS && to.IsBare() && d.called(ctx, s, st) {
		return nil
	}
	if reply, ok := d.entity(to); ok {
		d.ask(ctx, reply, st)
		return nil
	}
	switch {
	case to.IsZero() || to == from.Bare(): // rfc6120#10.3.3
		return d.serve(ctx, s, st, im.Own)
	case !d.serves(to.Domain):
		return &xmpp.StanzaError{Condition: xmpp.RemoteServerNotFound} // rfc6120#10.4
	case to.Local == "" && to.IsBare():
		return d.serve(ctx, s, st, im.Server)
	case to.Local == "":
		return errNoAccount
	}
	if err := d.recipient(ctx, to.Bare(), from); err != nil {
		return err
	}
	if to.IsBare() {
		return d.serve(ctx, s, st, im.Account) // rfc6121#8.5.2.1.3
	}
	return d.pass(ctx, st)
}

// called has a request of a call taken that may reach whom it is for.
func (d *Delivery) called(ctx context.Context, s *im.Session, st *xmpp.Stanza) bool {
	to := st.To()
	if st.IsError() || !d.serves(to.Domain) || to.Local == "" {
		return false
	}
	if d.isAccount(to) && d.recipient(ctx, to.Bare(), st.From()) != nil {
		return false
	}
	return d.Calls.Asked(ctx, s, st)
}

// serve has a service answer; answers to what the server asked need nothing done.
func (d *Delivery) serve(ctx context.Context, s *im.Session, st *xmpp.Stanza, place im.Place) error {
	if st.IsError() {
		return nil
	}
	p, _ := st.Payload()
	handle, ok := d.services[serviceKey{p.Name, place}]
	if !ok {
		return &xmpp.StanzaError{Condition: xmpp.ServiceUnavailable} // rfc6120#8.3.3.19
	}
	payload, err := handle(ctx, s, st)
	if errors.Is(err, im.ErrAnswered) {
		return nil
	}
	if err != nil {
		return err
	}
	result, err := xmpp.New(xmpp.IQ, xmpp.Header{From: st.To(), To: st.From(), ID: st.ID(), Type: "result"}, payload)
	if err != nil {
		return fmt.Errorf("delivery: the answer to %s %s: %w", p.Local, p.Space, err)
	}
	d.answer(s, result)
	return nil
}

// pass brings an iq to a session (rfc6121#8.5.3).
func (d *Delivery) pass(ctx context.Context, st *xmpp.Stanza) error {
	to := d.session(st.To())
	if to == nil {
		return errNoAccount // rfc6121#8.5.3.2.3
	}
	if st.IsError() {
		to.Send(st)
		return nil
	}
	// rfc6121#8.5.3.1: a request would tell that the resource is there.
	if sees, err := d.sees(ctx, to, st.From()); err != nil {
		return err
	} else if !sees {
		return errNoAccount
	}
	to.Deliver(st, func(ok bool) {
		if !ok { // the session ended with it
			go d.answer(nil, st.Fail(errNoAccount))
		}
	})
	return nil
}

// sees says whether somebody may know that a session is there.
func (d *Delivery) sees(ctx context.Context, s *im.Session, other jid.JID) (bool, error) {
	owner := s.JID().Bare()
	if d.Sees == nil || owner == other.Bare() || s.IsDirected(other) || s.Talks(other) {
		return true, nil
	}
	return d.Sees(ctx, owner, other.Bare())
}
