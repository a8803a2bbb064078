package delivery

import (
	"context"
	"slices"

	"parley/xmpp"
	"parley/xmpp/delay"
	"parley/xmpp/hints"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/jingle"
	"parley/xmpp/sid"
)

// message takes a message to its recipient, or answers it with an error.
func (d *Delivery) message(ctx context.Context, s *im.Session, st *xmpp.Stanza) {
	if st.To().IsZero() { // rfc6120#10.3.1
		own := st.From().Bare()
		st = st.Edit(xmpp.Edit{To: &own})
	}
	if _, err := d.submit(ctx, s, st); err != nil {
		d.fail(s, st, err)
	}
}

// Submit takes a message whose sender gets his answer otherwise than by a stanza: the error, a *xmpp.StanzaError, says
// why it is refused. It returns once nothing of the message can be lost. s is nil if no session sends it.
func (d *Delivery) Submit(ctx context.Context, s *im.Session, st *xmpp.Stanza) (im.Fate, error) {
	fate, err := d.submit(ctx, s, st)
	if err != nil {
		return fate, d.explain(st, err)
	}
	return fate, nil
}

func (d *Delivery) submit(ctx context.Context, s *im.Session, st *xmpp.Stanza) (im.Fate, error) {
	m := &mail{st: d.clean(st), from: s, sender: d.isAccount(st.From())}
	_, ofCall := m.st.Part(jingle.NSMessage, "")
	ofCall = ofCall && !m.st.IsError()
	if ofCall && s != nil { // the call goes on by requests to this session (xep0353#3.6), which may come at once
		s.Talk(m.st.To())
	}
	if err := d.route(ctx, m); err != nil {
		return im.Refused, err
	}
	if ofCall {
		d.Calls.Heard(s, m.st)
	}
	return m.fate, nil
}

func (d *Delivery) route(ctx context.Context, m *mail) error {
	st := m.st
	if err := d.mayWrite(ctx, st); err != nil {
		return err
	}
	to := st.To()
	reply, isEntity := d.entity(to)
	if guest := d.guest(to); guest != nil {
		return d.toGuest(ctx, m, guest)
	}
	switch {
	case isEntity:
		m.sender = m.sender && !st.IsError()
		if err := d.deliver(ctx, m); err != nil {
			return err
		}
		d.ask(ctx, reply, st)
		m.fate = im.Handed
		return nil
	case !d.serves(to.Domain):
		return &xmpp.StanzaError{Condition: xmpp.RemoteServerNotFound} // rfc6120#10.4
	case to.Local == "":
		return errNoAccount // rfc6120#10.5.1: the server itself reads no messages
	}
	m.account = true
	if err := d.recipient(ctx, to.Bare(), st.From()); err != nil {
		return err
	}
	switch d.fate(st) {
	case drop:
		m.fate = im.Dropped
		return nil
	case refuse:
		return errNoAccount
	}
	return d.deliver(ctx, m)
}

// guest is a session of a call with somebody who has no account here.
func (d *Delivery) guest(to jid.JID) *im.Session {
	if to.IsBare() || d.isAccount(to) {
		return nil
	}
	return d.Calls.Session(to)
}

// toGuest gives a message to such a session. Its sender's archive keeps it.
func (d *Delivery) toGuest(ctx context.Context, m *mail, guest *im.Session) error {
	m.sender = m.sender && !m.st.IsError()
	if err := d.deliver(ctx, m); err != nil {
		return err
	}
	guest.Send(m.st)
	m.fate = im.Handed
	return nil
}

// session is that of a full address, in the table or not.
func (d *Delivery) session(full jid.JID) *im.Session {
	if s := d.Sessions.Get(full); s != nil {
		return s
	}
	return d.Calls.Session(full)
}

// clean takes away what only the server says: stanza-ids by either account, and delays by the server.
func (d *Delivery) clean(st *xmpp.Stanza) *xmpp.Stanza {
	forged := sid.Drop(st, st.From().Bare(), st.To().Bare()) // xep0359#3
	ours := func(p xmpp.Part) bool {
		if forged(p) {
			return true
		}
		from, ok := delay.From(st, p)
		return ok && (from.Local == "" && d.serves(from.Domain) || from == st.To().Bare()) // xep0203#6
	}
	if !slices.ContainsFunc(st.Parts(), ours) {
		return st
	}
	return st.Edit(xmpp.Edit{Drop: ours})
}

// fate is what the rules say of a message to an account that is there.
type fate uint8

const (
	drop   fate = iota // nobody is told
	refuse             // the sender is told
	pass               // it goes to sessions, or waits
)

// fate is the table of rfc6121#8.5.4.
func (d *Delivery) fate(st *xmpp.Stanza) fate {
	to := st.To()
	if !to.IsBare() && d.session(to) != nil {
		return pass // rfc6121#8.5.3.1: whatever it is, and whatever the session's priority
	}
	waiting := refuse
	if hints.Waits(st) {
		waiting = pass
	} else if st.Body() == "" {
		waiting = drop // a sign that somebody types is not worth an error
	}
	switch st.Type() {
	case "error":
		return drop
	case "groupchat":
		return refuse
	case "chat": // to a resource that is gone: as to the bare address (rfc6121#8.5.3.2.1)
	case "headline":
		if !to.IsBare() {
			return refuse
		}
		waiting = drop
	default:
		if !to.IsBare() {
			return refuse
		}
	}
	if len(d.recipients(st)) > 0 {
		return pass
	}
	return waiting
}

// recipients are the sessions that a message goes to now.
func (d *Delivery) recipients(st *xmpp.Stanza) []*im.Session {
	to := st.To()
	if !to.IsBare() {
		if s := d.session(to); s != nil {
			return []*im.Session{s}
		}
	}
	switch st.Type() {
	case "error", "groupchat":
		return nil
	case "headline": // rfc6121#8.5.2.1.1: to all
		return available(d.Sessions.Of(to), 0)
	}
	all := d.Sessions.Of(to)
	best := int8(0)
	for _, s := range all {
		if p, ok := s.Priority(); ok {
			best = max(best, p)
		}
	}
	return available(all, best)
}

// available are the sessions that messages to the account may go to, of a priority or above.
func available(all []*im.Session, least int8) (some []*im.Session) {
	for _, s := range all {
		if p, ok := s.Priority(); ok && p >= least {
			some = append(some, s)
		}
	}
	return some
}

// withID is a message with the stanza-id that its owner's archive has for it.
func withID(st *xmpp.Stanza, owner jid.JID, id im.ID) *xmpp.Stanza {
	b := xmpp.NewBuilder(make([]byte, 0, 96))
	sid.Write(b, owner, id.String())
	return st.Edit(xmpp.Edit{Append: b.String(), Appended: []xmpp.Name{sid.Name()}})
}
