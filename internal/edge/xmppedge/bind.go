package xmppedge

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// iq takes one that comes before there is a resource: it can only ask for one (rfc6120#7).
func (n *negotiation) iq(ctx context.Context, raw *xmpp.Raw) (*session, error) {
	st, err := raw.Stanza(n.user)
	if refused, ok := errors.AsType[*xmpp.StanzaError](err); ok {
		return nil, n.say(n.wire.form().Stanza(st.Fail(refused)))
	}
	if err != nil {
		return nil, err
	}
	p, ok := st.Payload()
	if !ok || p.Name != (xmpp.Name{Space: xmpp.NSBind, Local: "bind"}) || st.Type() != "set" {
		return nil, &xmpp.StreamError{Condition: xmpp.StreamNotAuthorized} // rfc6120#4.9.3.12
	}
	s, err := n.bind(ctx, st, st.Element(p).ChildText("", "resource"))
	if refused, ok := errors.AsType[*xmpp.StanzaError](err); ok {
		return nil, n.say(n.wire.form().Stanza(st.Fail(refused)))
	}
	return s, err
}

// bind makes a session of a resource: the client's, or one that we make up (rfc6120#7.6, rfc6120#7.7).
func (n *negotiation) bind(ctx context.Context, st *xmpp.Stanza, wanted string) (*session, error) {
	resource := strings.ToLower(rand.Text())
	if wanted != "" {
		var err error
		if resource, err = jid.Resource(wanted); err != nil {
			return nil, &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: "not a resource"} // rfc6120#7.7.2.1
		}
	}
	full := n.user.With(strings.Clone(resource)) // it is a part of the request, which need not be kept
	s := &session{edge: n.edge, account: n.account, conn: n.conn}
	s.im = im.NewSession(full, s, n.newInfo())
	// Nothing is written before the result, which is first in the queue.
	n.flushing = true
	result := xmpp.NewBuilder(nil).Open("bind", xmpp.NSBind).Element("jid", "", full.String()).Close().String()
	s.push(item{text: n.wire.form().Stanza(xmpp.Must(xmpp.IQ, xmpp.Header{ID: st.ID(), Type: "result"}, result))})
	if !n.edge.add(s) {
		return nil, shutdown()
	}
	if err := n.enroll(ctx, s); err != nil {
		n.edge.forget(s)
		n.edge.running.Done()
		return nil, err
	}
	n.bound.Store(true)
	n.edge.log.Debug("session begins", "session", full.String(), "remote", n.remote, "network", n.network())
	s.mu.Lock()
	n.flushing = false
	s.wake()
	s.mu.Unlock()
	return s, nil
}

// maxConflicts bounds how often a resource is fought for.
const maxConflicts = 8

// enroll puts a session into the table. One that has its resource ends first, and everybody hears of that (rfc6120#7.7.2.2).
func (n *negotiation) enroll(ctx context.Context, s *session) error {
	for range maxConflicts {
		other := n.edge.ofDevice(s.im)
		var err error
		if other == nil {
			other, err = n.edge.ports.Sessions.Add(s.im)
		}
		switch {
		case other == nil && err == nil:
			n.settleDevice(ctx, s)
			return nil
		case errors.Is(err, im.ErrTooMany):
			if other = n.edge.waiting(s.im.JID()); other == nil {
				return &xmpp.StanzaError{Condition: xmpp.ResourceConstraint, Text: "the account has too many sessions"} // rfc6120#7.6.2.1
			}
		case errors.Is(err, im.ErrClosed):
			return shutdown()
		case other == nil:
			return err
		}
		other.End(replaced())
		select {
		case <-other.Finished():
		case <-ctx.Done():
			return shutdown()
		}
	}
	return &xmpp.StanzaError{Condition: xmpp.Conflict}
}

// waiting is the oldest session of an account that has no connection: it makes room for one that has.
func (e *Edge) waiting(of jid.JID) *im.Session {
	for _, s := range e.ports.Sessions.Of(of) {
		if s.Waiting() {
			return s
		}
	}
	return nil
}

func (n *negotiation) newInfo() im.Info {
	info := *n.info.Load()
	info.Mechanism, info.Since, info.Device = n.mechanism, n.began, n.device
	return info
}
