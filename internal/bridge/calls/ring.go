package calls

import (
	"context"
	"errors"
	"strings"

	"parley/internal/address"
	"parley/internal/bridge"
	"parley/internal/core"
	"parley/sdp"
	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/transaction"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/jingle"
)

// A call of the SIP side rings the callee's apps: those that know message initiation by a propose each, to their full
// addresses, so that each is told what it needs; the others by the session itself.

// invited takes an INVITE that begins a call.
func (x *Calls) invited(s *transaction.Server) {
	req := s.Request()
	to, from, ok := parties(req.Target())
	if !ok {
		x.ua.Reply(s, req.Response(404, ""))
		return
	}
	x.mu.Lock()
	again := x.byCallID[req.CallID()] != nil
	x.mu.Unlock()
	if again { // Jingle counts no hops
		x.ua.Reply(s, req.Response(482, "")) // rfc3261#8.2.2.2
		return
	}
	offer, err := x.offered(req)
	if err != nil {
		x.c.Log.Info("offer refused", "call", req.CallID(), "err", err)
		x.ua.Reply(s, unacceptable(req, err))
		return
	}
	caller, ours := x.jidOf(from)
	c := newCall(x, req.CallID())
	c.sid, c.sip, c.callee = newID(), offer, to
	c.at(caller.With(newResource()))
	if c.accounts = []core.Address{to}; ours && from != to {
		c.accounts = append(c.accounts, from)
	}
	if err := x.admit(c); err != nil {
		x.c.Log.Info("call not taken", "call", c.id, "err", err)
		x.ua.Reply(s, req.Response(busy(err), "").Set(sip.HeaderRetryAfter, "60"))
		return
	}
	c.trickles = trickles(req)
	c.in, err = x.ua.Accept(s, dialog.Contact(address.ToSIPUser(to.Local), s.Flow()), handler{c})
	if err != nil { // it is answered
		x.drop(c)
		return
	}
	c.dialog = c.in.Session()
	c.post(c.ring)
	go c.run()
}

// busy is the answer to a call that is one too many.
func busy(err error) int {
	if errors.Is(err, errLimit) {
		return 486
	}
	return 503
}

// Why an offer can't be taken to an app.
var (
	errNoOffer = errors.New("calls: an app needs an offer")
	errForm    = errors.New("calls: the offer is not of a form that apps understand")
)

// offered reads the offer of an INVITE.
func (*Calls) offered(req *sip.Message) (bridge.Media, error) {
	if req.Body() == "" {
		return bridge.Media{}, errNoOffer
	}
	d, err := described(req)
	if err != nil {
		return bridge.Media{}, err
	}
	if d.Form() != sdp.DTLS || !d.HasICE() {
		return bridge.Media{}, errForm
	}
	return bridge.Read(d, jingle.Initiator)
}

var errType = errors.New("calls: the body is no session description")

// described reads a message's description.
func described(m *sip.Message) (*sdp.Description, error) {
	kind, _, _ := strings.Cut(m.Get(sip.HeaderContentType), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), sdpType) {
		return nil, errType
	}
	return sdp.Parse(m.Body())
}

// unacceptable is the answer to a description that can't be used (rfc3261#20.43).
func unacceptable(req *sip.Message, err error) *sip.Builder {
	switch {
	case errors.Is(err, errType):
		return req.Response(415, "").Set(sip.HeaderAccept, sdpType)
	case errors.Is(err, sdp.ErrSyntax):
		return req.Response(400, "Bad Session Description")
	}
	return req.Response(488, "").Set(sip.HeaderWarning, `399 parley "`+strings.TrimPrefix(err.Error(), "calls: ")+`"`)
}

// ring tells the apps of the call.
func (c *call) ring() {
	apps := c.x.ports.Apps.Wait(c.x.ctx, address.JID(c.callee), c.twoSided())
	for _, a := range apps {
		c.rung = append(c.rung, &rung{App: a})
	}
	keep := stored
	for _, r := range c.rung {
		if c.tellOf(r, keep) && r.Intents {
			keep = notStored // one is enough for the archive
		}
	}
	c.after("ring", c.x.c.Ring, func() {
		c.end(ending{reason: &jingle.Reason{Condition: jingle.Timeout}})
	})
	c.nobodyLeft(480)
}

// twoSided are the devices that ring by SIP.
func (c *call) twoSided() (ids []string) {
	ctx, cancel := context.WithTimeout(c.x.ctx, submitTime)
	defer cancel()
	bindings, err := c.x.ports.Bindings(ctx, c.callee)
	if err != nil {
		c.x.c.Log.Error("bindings not read", "account", c.callee.String(), "err", err)
	}
	for _, b := range bindings {
		if b.Device != "" {
			ids = append(ids, b.Device)
		}
	}
	return ids
}

// tellOf tells an app of the call.
func (c *call) tellOf(r *rung, keep keeping) bool {
	c.watch(r)
	if !r.Intents {
		return c.initiate(r)
	}
	i, ok := c.sip.Proposal(c.sid)
	if !ok || c.say(c.own, r.JID(), i, keep) != nil {
		r.out = true
	}
	return !r.out
}

// watch has the call hear of an app that goes while it rings.
func (c *call) watch(r *rung) {
	go func() {
		select {
		case <-r.Finished():
			c.post(func() { c.gone(r) })
		case <-c.session.Finished():
		}
	}()
}

// gone is an app that rings no longer, since it is no more.
func (c *call) gone(r *rung) {
	if r.out || c.app != nil {
		return
	}
	r.out = true
	c.nobodyLeft(480)
}

// initiate begins the session with an app (xep0166#6.3).
func (c *call) initiate(r *rung) bool {
	j, err := c.sip.Initiate(c.sid)
	if err != nil {
		r.out = true
		return false
	}
	j.Initiator = c.own
	c.ask(r.Session, j, func(answer *xmpp.Stanza) { c.initiated(r, answer) })
	return true
}

// initiated hears whether an app takes note of the session.
func (c *call) initiated(r *rung, answer *xmpp.Stanza) {
	if answer.Type() != "error" || c.state == up || r.out {
		return
	}
	r.out = true
	reason := bridge.Cause(conditionOf(answer))
	if c.app == r.Session {
		c.end(ending{reason: reason, byApp: true})
		return
	}
	c.nobodyLeft(bridge.Status(reason))
}

// conditionOf is that of an error stanza.
func conditionOf(st *xmpp.Stanza) xmpp.StanzaCondition {
	if e := st.Find(xmpp.NSClient, "error"); e != nil {
		for _, c := range e.Children {
			if c.Space == xmpp.NSStanzas && c.Local != "text" {
				return xmpp.StanzaCondition(c.Local)
			}
		}
	}
	return xmpp.UndefinedCondition
}

// nobodyLeft ends a call that rings nowhere any more.
func (c *call) nobodyLeft(status int) {
	if c.app != nil || c.over {
		return
	}
	for _, r := range c.rung {
		if !r.out {
			return
		}
	}
	c.end(ending{reason: bridge.Reason(status, ""), status: status})
}

// ringingAt is the app of an address that was told of the call.
func (c *call) ringingAt(full jid.JID) *rung {
	for _, r := range c.rung {
		if r.JID() == full {
			return r
		}
	}
	return nil
}

// replied takes what an app says to a proposal.
func (c *call) replied(r *rung, i *jingle.Intent, failed bool) {
	switch {
	case failed:
		c.gone(r)
	case c.app == r.Session: // it takes back what it has agreed to
		if i.Step == jingle.Reject || i.Step == jingle.Retract || i.Step == jingle.Finish {
			c.takenBack(i)
		}
	case i.Step == jingle.Ring:
		c.rings()
	case i.Step == jingle.Proceed && c.app == nil:
		c.proceed(r)
	case i.Step == jingle.Proceed: // another one was faster
		r.out = false
		c.withdraw(r, takenElsewhere(), notStored)
	case i.Step == jingle.Reject && !r.out && c.app == nil: // by one for all (xep0353#3.5)
		r.out = true
		c.end(ending{reason: reasonOf(i), status: bridge.Outcome(i)})
	}
}

func reasonOf(i *jingle.Intent) *jingle.Reason {
	if i.Reason != nil {
		return i.Reason
	}
	return &jingle.Reason{Condition: jingle.Decline}
}

// takenElsewhere is why an app need not ring any longer (rfc3326#3.1).
func takenElsewhere() *jingle.Reason {
	return &jingle.Reason{Condition: jingle.Cancel, Text: "Call completed elsewhere"}
}

// rings passes on that an app rings, once.
func (c *call) rings() {
	if c.told || c.in == nil {
		return
	}
	c.told = true
	c.in.Respond(c.in.Response(180, ""))
}

// proceed begins the session with the app that takes the call, and has the others stop ringing.
func (c *call) proceed(r *rung) {
	c.app, c.intents, c.state = r.Session, true, beginning
	if !c.initiate(r) {
		c.end(ending{reason: &jingle.Reason{Condition: jingle.FailedApplication}, byApp: true})
		return
	}
	c.after("ring", c.x.c.Begin, func() {
		c.end(ending{reason: &jingle.Reason{Condition: jingle.Timeout, Text: "the session was not accepted"}})
	})
	c.othersStop(r)
}

// othersStop tells the other apps that one has taken the call. The server copies what that says to those that want copies
// (xep0353#3.4); the rest is told by us.
func (c *call) othersStop(taker *rung) {
	for _, r := range c.rung {
		copied := r.Intents && taker.Intents && r.Has(im.Carbons)
		switch {
		case r == taker || r.out:
		case copied:
			r.out = true
		default:
			c.withdraw(r, takenElsewhere(), notStored)
		}
	}
}

// withdraw has an app stop ringing.
func (c *call) withdraw(r *rung, reason *jingle.Reason, keep keeping) {
	if r.out {
		return
	}
	r.out = true
	if r.Intents {
		_ = c.say(c.own, r.JID(), bridge.Retraction(c.sid, reason), keep) // which is in the log
		return
	}
	c.ask(r.Session, &jingle.Jingle{Action: jingle.SessionTerminate, SID: c.sid, Reason: reason}, func(*xmpp.Stanza) {})
}

// stopRinging has all apps stop that still ring for a call that is over. One that a phone has answered is, for those
// who speak an older version, accepted by another device of theirs (xep0353#3.4).
func (c *call) stopRinging(e ending) {
	answered := e.bySIP && strings.Contains(e.header, "cause=200")
	other := address.JID(c.callee).With(c.own.Resource)
	keep := stored
	for _, r := range c.rung {
		if r.out || r.Session == c.app {
			continue
		}
		if answered && r.Intents {
			_ = c.say(other, r.JID(), &jingle.Intent{Step: jingle.Accept, ID: c.sid}, keep)
			keep = notStored
		}
		c.withdraw(r, e.reason, keep)
		if r.Intents {
			keep = notStored
		}
	}
}

// accepted takes the answer of an app.
func (c *call) accepted(st *xmpp.Stanza, r *rung, j *jingle.Jingle) error {
	answer, err := bridge.Take(j, jingle.Responder, c.sip)
	if err != nil {
		return err
	}
	d, err := answer.Describe(c.origin(), true)
	if err != nil {
		return err
	}
	c.agree(st)
	if c.app == nil {
		c.app = r.Session
		c.othersStop(r)
	}
	c.jingle, c.state = answer, up
	c.stop("ring")
	c.in.Respond(c.in.Response(200, "").Body(sdpType, d.String()))
	c.in = nil
	for _, j := range c.before {
		c.change(j)
	}
	c.before = nil
	return nil
}
