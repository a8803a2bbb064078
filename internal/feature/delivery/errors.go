package delivery

import (
	"context"
	"errors"
	"time"

	"parley/internal/address"
	"parley/internal/core"
	"parley/internal/db"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// accountOf is the account that an address is of.
func accountOf(j jid.JID) (core.Address, error) { return address.FromJID(j) }

// fail answers a stanza with an error, unless nothing may be answered to it.
func (d *Delivery) fail(s *im.Session, st *xmpp.Stanza, err error) {
	e := d.explain(st, err)
	if st.IsError() { // rfc6120#8.3.1
		return
	}
	d.answer(s, st.Fail(e))
}

// explain is what the sender of a stanza is told of an error; the log is told what he may not know.
func (d *Delivery) explain(st *xmpp.Stanza, err error) *xmpp.StanzaError {
	e, known := asStanzaError(err)
	if !known && (e.Condition != xmpp.ResourceConstraint || d.mayTell()) {
		d.log.Error("stanza failed", "kind", st.Kind().String(), "from", st.From().String(), "err", err)
	}
	return e
}

// quiet is how long the log is not told again that nothing can be stored: every message would say so.
const quiet = 10 * time.Second

func (d *Delivery) mayTell() bool {
	now, last := d.ids.now().UnixNano(), d.told.Load()
	return (now < last || now-last > int64(quiet)) && d.told.CompareAndSwap(last, now)
}

// answer sends what the server says to a session, or to whoever asked from elsewhere.
func (d *Delivery) answer(s *im.Session, st *xmpp.Stanza) {
	if s == nil {
		s = d.session(st.To())
	}
	if s != nil {
		s.Send(st)
	}
}

// asStanzaError is what a peer is told of an error; known is false if the log has to be told too.
func asStanzaError(err error) (e *xmpp.StanzaError, known bool) {
	if e, ok := errors.AsType[*xmpp.StanzaError](err); ok {
		return e, true
	}
	if e, ok := errors.AsType[*core.Error](err); ok {
		return &xmpp.StanzaError{Condition: condition(e.Reason), Text: e.Public}, e.Reason != core.Internal
	}
	for _, full := range []error{db.ErrFull, db.ErrIO, db.ErrReadOnly, db.ErrBusy, db.ErrClosed} {
		if errors.Is(err, full) {
			return &xmpp.StanzaError{Condition: xmpp.ResourceConstraint, Text: "the server can't store anything now"}, false
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &xmpp.StanzaError{Condition: xmpp.ResourceConstraint, Text: "the server is too busy"}, true
	}
	return &xmpp.StanzaError{Condition: xmpp.InternalServerError}, false
}

func condition(r core.Reason) xmpp.StanzaCondition {
	switch r {
	case core.BadRequest:
		return xmpp.BadRequest
	case core.Forbidden:
		return xmpp.Forbidden
	case core.NotFound:
		return xmpp.ItemNotFound
	case core.Conflict:
		return xmpp.Conflict
	case core.Unavailable:
		return xmpp.RecipientUnavailable
	case core.TooMany:
		return xmpp.ResourceConstraint
	case core.Unsupported:
		return xmpp.FeatureNotImplemented
	case core.Decline, core.LoopDetected, core.NotAcceptable:
		return xmpp.NotAcceptable
	case core.NeedAuth:
		return xmpp.NotAuthorized
	case core.Internal:
	}
	return xmpp.InternalServerError
}
