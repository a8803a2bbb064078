package calls

import (
	"errors"
	"slices"
	"time"

	"parley/internal/bridge"
	"parley/sip"
	"parley/sip/dialog"
	"parley/xmpp"
	"parley/xmpp/jingle"
)

// handler hears of the call's SIP side, on the shard of its Call-ID.
type handler struct{ call *call }

// Progress implements dialog.Handler.
func (h handler) Progress(_ *dialog.Session, resp *sip.Message) {
	h.call.queue.offer(item{do: func() { h.call.progress(resp.Status()) }})
}

// Answered implements dialog.Handler.
func (h handler) Answered(s *dialog.Session, resp *sip.Message) {
	s.ACK(nil)
	h.call.post(func() {
		h.call.trickles = trickles(resp)
		h.call.answered(resp)
	})
}

// Acknowledged implements dialog.Handler.
func (h handler) Acknowledged(_ *dialog.Session, ack *sip.Message) {
	h.call.post(func() { h.call.acknowledged(ack) })
}

// Request implements dialog.Handler.
func (h handler) Request(_ *dialog.Session, in *dialog.Incoming) {
	if !h.call.queue.offer(item{do: func() { h.call.asked(in) }}) {
		in.Respond(in.Response(500, "Too Many Requests Pending").Set(sip.HeaderRetryAfter, "5"))
	}
}

// Cancelled implements dialog.Handler: a re-INVITE is answered as soon as it comes.
func (handler) Cancelled(*dialog.Session, *dialog.Incoming) {}

// Ended implements dialog.Handler.
func (h handler) Ended(_ *dialog.Session, e dialog.End) { h.call.post(func() { h.call.ended(e) }) }

// ended takes the end of the SIP side.
func (c *call) ended(e dialog.End) {
	c.dialog = nil
	if e.Status != 0 && c.begun != (intent{}) {
		phrase := ""
		if e.Message != nil {
			phrase = e.Message.Reason()
		}
		c.failed(e.Status, phrase, e.Message)
		return
	}
	end := ending{bySIP: true, header: e.Reason, status: e.Status}
	switch {
	case e.Message != nil && e.Message.Method() == sip.BYE && e.Message.IsRequest():
		end.reason = bridge.Ended(e.Message, jingle.Success)
	case e.Message != nil && e.Message.IsRequest():
		end.reason = bridge.Ended(e.Message, jingle.Cancel)
	case e.Err != nil:
		end.reason = &jingle.Reason{Condition: jingle.ConnectivityError}
	default:
		end.reason = &jingle.Reason{Condition: jingle.Gone}
	}
	c.end(end)
}

// act takes a request of a session; an error is its answer.
func (c *call) act(st *xmpp.Stanza, j *jingle.Jingle) error {
	r := c.ringingAt(st.From())
	switch {
	case j.SID != c.sid:
	case c.app != nil && st.From() == c.app.JID():
		return c.byPeer(st, r, j)
	case r != nil && !r.out && !r.Intents && c.app == nil:
		return c.byRinging(st, r, j)
	case r != nil && !r.Intents && j.Action == jingle.SessionTerminate:
		c.agree(st) // it was told the same
		return nil
	case c.app == nil && st.From() == c.begun.by && j.Action == jingle.SessionInitiate:
		if c.state == taken || !c.intents {
			c.begin(st, j)
			return nil
		}
		return jingle.OutOfOrder()
	}
	return jingle.UnknownSession()
}

// byRinging takes what an app says that rings without having been asked whether it would.
func (c *call) byRinging(st *xmpp.Stanza, r *rung, j *jingle.Jingle) error {
	switch j.Action {
	case jingle.SessionAccept:
		return c.accepted(st, r, j)
	case jingle.SessionTerminate:
		c.agree(st)
		r.out = true
		if status := bridge.Status(j.Reason); status >= 600 {
			c.end(ending{reason: j.Reason, status: status})
		} else {
			c.nobodyLeft(status)
		}
		return nil
	case jingle.SessionInfo:
		return c.inform(st, j)
	case jingle.SessionInitiate:
		return jingle.TieBreak()
	}
	c.agree(st)
	return nil
}

// maxBefore bounds what is kept of what an app says before its session is accepted.
const maxBefore = 32

// byPeer takes what the app of the session says.
func (c *call) byPeer(st *xmpp.Stanza, r *rung, j *jingle.Jingle) error {
	switch j.Action {
	case jingle.SessionAccept:
		if c.state != beginning || c.in == nil || r == nil {
			return jingle.OutOfOrder()
		}
		return c.accepted(st, r, j)
	case jingle.SessionTerminate:
		c.agree(st)
		c.end(ending{reason: over(j), byApp: true})
		return nil
	case jingle.SessionInfo:
		return c.inform(st, j)
	case jingle.SecurityInfo:
		c.agree(st)
		return nil
	case jingle.SessionInitiate, jingle.ContentAccept, jingle.ContentReject, jingle.TransportAccept, jingle.TransportReject:
		return jingle.OutOfOrder() // of ours there was nothing of the kind
	case jingle.TransportReplace: // ICE is all there is
		c.agree(st)
		c.tell(&jingle.Jingle{Action: jingle.TransportReject, SID: c.sid, Contents: j.Contents})
		return nil
	}
	if c.gathered != nil && j.Action == jingle.TransportInfo {
		next, err := c.jingle.Apply(j, c.sip)
		if err != nil {
			return err
		}
		c.agree(st)
		c.jingle = next
		c.hasMore()
		return nil
	}
	if c.state != up {
		if len(c.before) == maxBefore {
			return &xmpp.StanzaError{Condition: xmpp.ResourceConstraint}
		}
		c.before = append(c.before, j)
		c.agree(st)
		return nil
	}
	if j.Action == jingle.ContentModify && c.modifying > 0 && c.role() == jingle.Responder {
		return jingle.TieBreak() // xep0166#7.2.16
	}
	if _, err := c.jingle.Apply(j, c.sip); err != nil {
		return err
	}
	c.agree(st)
	c.change(j)
	return nil
}

// over is why an app ends a session.
func over(j *jingle.Jingle) *jingle.Reason {
	if j.Reason != nil {
		return j.Reason
	}
	return &jingle.Reason{Condition: jingle.Success}
}

// inform takes what an app says of itself: that it rings, or holds.
func (c *call) inform(st *xmpp.Stanza, j *jingle.Jingle) error {
	if len(j.Unknown) > 0 {
		return jingle.UnsupportedInfo() // xep0166#6.8
	}
	c.agree(st)
	for _, i := range j.Infos {
		if bridge.Provisional(i) != 0 {
			c.rings()
		}
	}
	if c.state == up {
		c.change(j)
	}
	return nil
}

// change passes on what an app has changed.
func (c *call) change(j *jingle.Jingle) {
	before := c.jingle
	next, err := before.Apply(j, c.sip)
	if err != nil {
		return
	}
	c.jingle = next
	switch {
	case j.Action == jingle.TransportInfo && !restarts(before, next):
		c.trickle(j)
	case j.Action == jingle.SessionInfo && slices.EqualFunc(before.Lines, next.Lines, sameSenders):
	default:
		c.reoffer(j)
	}
}

func sameSenders(a, b bridge.Line) bool { return a.Content.Senders == b.Content.Senders }

// restarts says that ICE begins anew (xep0176#5.9).
func restarts(before, now bridge.Media) bool {
	for i := range before.Lines {
		old, t := before.Lines[i].Content.Transport, now.Lines[i].Content.Transport
		if old != nil && t != nil && old.UFrag != t.UFrag {
			return true
		}
	}
	return false
}

// trickle tells candidates to who takes them one by one (rfc8840#4.3); others find them by the checks that come from there.
func (c *call) trickle(j *jingle.Jingle) {
	if !c.trickles || c.dialog == nil {
		return
	}
	fragment, err := c.jingle.Fragment(j)
	if err != nil {
		return
	}
	c.dialog.Request(sip.INFO, func(b *sip.Builder) {
		b.SetName("Info-Package", "trickle-ice").Body(bridge.TrickleMIME, fragment)
	}, nil)
}

func trickles(m *sip.Message) bool { return m.HasToken(sip.HeaderSupported, "trickle-ice") }

// maxAgain bounds the changes that wait for one that is under way.
const maxAgain = 8

// reoffer tells the SIP side of a change by a re-INVITE.
func (c *call) reoffer(j *jingle.Jingle) {
	if c.offering {
		if len(c.again) < maxAgain {
			c.again = append(c.again, j)
		}
		return
	}
	c.offer(func(resp *sip.Message) { c.reanswered(j, resp) })
}

// tries is how often a re-INVITE that crosses another is sent again.
const tries = 5

// offer sends a re-INVITE with what the app says now; done hears of the answer, nil if it was refused.
func (c *call) offer(done func(resp *sip.Message)) {
	c.offering = true
	c.try(done, tries)
}

func (c *call) try(done func(*sip.Message), left int) {
	d, err := c.jingle.Offering().Describe(c.origin(), false)
	if err != nil || c.dialog == nil {
		c.offered(done, nil)
		return
	}
	body := d.String()
	c.dialog.Request(sip.INVITE, func(b *sip.Builder) {
		b.Set(sip.HeaderAllow, allow).Body(sdpType, body)
	}, func(o *dialog.Outgoing, resp *sip.Message, err error) {
		if resp != nil && resp.Status() < 300 {
			o.ACK(nil)
		}
		c.post(func() { c.tried(done, left, resp, err) })
	})
}

func (c *call) tried(done func(*sip.Message), left int, resp *sip.Message, err error) {
	crossed := errors.Is(err, dialog.ErrPending) || resp != nil && resp.Status() == 491
	switch {
	case crossed && left > 0:
		c.after("offer", c.soon(), func() { c.try(done, left-1) })
	case err != nil || resp.Status() >= 300:
		c.offered(done, nil)
	default:
		c.offered(done, resp)
	}
}

// offered goes on after a re-INVITE.
func (c *call) offered(done func(*sip.Message), resp *sip.Message) {
	c.offering = false
	done(resp)
	again := c.again
	c.again = nil
	for _, j := range again {
		c.reoffer(j)
	}
}

// soon is how long to wait after a re-INVITE that crossed another (rfc3261#14.1).
func (c *call) soon() time.Duration {
	if c.begun != (intent{}) { // the Call-ID is ours
		return 2100*time.Millisecond + 10*time.Millisecond*time.Duration(c.x.c.Rand(190))
	}
	return 10 * time.Millisecond * time.Duration(c.x.c.Rand(200))
}

// reanswered takes the answer to a change.
func (c *call) reanswered(j *jingle.Jingle, resp *sip.Message) {
	answer, err := c.sip, errType
	if resp != nil {
		answer, err = c.reads(resp)
	}
	if err == nil {
		c.sip = answer
	}
	if j.Action != jingle.ContentAdd {
		return
	}
	for _, reply := range answer.Reply(j) {
		c.tell(reply)
	}
}

// asked takes a request of the SIP side during the call.
func (c *call) asked(in *dialog.Incoming) {
	switch in.Request().Method() {
	case sip.INVITE, sip.UPDATE:
		c.renegotiate(in)
	case sip.OPTIONS:
		in.Respond(c.x.ua.Abilities(in.Response(200, "")))
	case sip.INFO:
		c.info(in)
	default:
		in.Respond(in.Response(405, "").Set(sip.HeaderAllow, allow))
	}
}

// info takes candidates; any other INFO has no word in Jingle.
func (c *call) info(in *dialog.Incoming) {
	req := in.Request()
	if req.Get(sip.HeaderContentType) != bridge.TrickleMIME {
		in.Respond(in.Response(415, "").Set(sip.HeaderAccept, sdpType+", "+bridge.TrickleMIME))
		return
	}
	j, err := c.sip.ReadFragment(req.Body(), c.sid, &c.foundations)
	if err != nil {
		in.Respond(in.Response(400, ""))
		return
	}
	in.Respond(in.Response(200, ""))
	if next, err := c.sip.Apply(j, c.jingle); err == nil {
		c.sip = next
	}
	if c.app != nil {
		c.tell(j)
	}
}

// renegotiate answers a re-INVITE or UPDATE at once, with what the app has said: a phone does not wait for people.
func (c *call) renegotiate(in *dialog.Incoming) {
	req := in.Request()
	switch {
	case c.state != up: // the offer that the app is to make is still to come
		in.Respond(in.Response(491, ""))
		return
	case req.Body() == "" && req.Method() == sip.UPDATE:
		in.Respond(in.Response(200, ""))
		return
	case req.Body() == "":
		c.askedForOffer(in)
		return
	}
	offer, err := c.reads(req)
	if err != nil {
		in.Respond(unacceptable(req, err))
		return
	}
	offer = c.without(offer)
	d, err := c.jingle.Answering(offer).Describe(c.origin(), true)
	if err != nil {
		in.Respond(in.Response(488, ""))
		return
	}
	in.Respond(in.Response(200, "").Body(sdpType, d.String()))
	c.hearSIP(offer)
}

// without refuses what is new in an offer: the app would have to be asked.
func (c *call) without(offer bridge.Media) bridge.Media {
	for i := range offer.Lines {
		if i >= len(c.sip.Lines) || c.sip.Lines[i].Gone {
			offer.Lines[i].Gone = true
		}
	}
	return offer
}

// askedForOffer answers an INVITE that wants an offer (rfc3261#14.2).
func (c *call) askedForOffer(in *dialog.Incoming) {
	d, err := c.jingle.Offering().Describe(c.origin(), false)
	if err != nil {
		in.Respond(in.Response(488, ""))
		return
	}
	c.late = true
	in.Respond(in.Response(200, "").Body(sdpType, d.String()))
}

// acknowledged takes the answer that an ACK may have.
func (c *call) acknowledged(ack *sip.Message) {
	if !c.late {
		return
	}
	c.late = false
	if answer, err := c.reads(ack); err == nil {
		c.hearSIP(c.without(answer))
	}
}

// hearSIP tells the app what the SIP side has changed.
func (c *call) hearSIP(now bridge.Media) {
	changes := now.Changes(c.sip, c.sid)
	c.sip = now
	for _, j := range changes {
		if j.Action != jingle.ContentModify {
			c.ask(c.app, j, c.mustKnowSession)
			continue
		}
		c.modifying++
		c.ask(c.app, j, func(answer *xmpp.Stanza) {
			c.modifying--
			c.mustKnowSession(answer)
		})
	}
}

// mustKnowSession ends a call whose app says that it has no such session.
func (c *call) mustKnowSession(answer *xmpp.Stanza) {
	e := answer.Find(xmpp.NSClient, "error")
	if e != nil && e.Child(jingle.NSErrors, "unknown-session") != nil {
		c.mustKnow(answer)
	}
}
