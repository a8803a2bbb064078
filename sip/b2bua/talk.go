package b2bua

import (
	"errors"
	"strconv"

	"parley/sip"
	"parley/sip/dialog"
)

// turn is a request of one leg on its way through the other.
type turn struct {
	from, to *leg
	in       *dialog.Incoming
	out      *dialog.Outgoing
	late     bool // the 2xx had the offer; the answer comes in the ACK
	gone     bool // its sender has given it up
}

// over lets the next INVITE of its sender come.
func (t *turn) over() {
	if t.from.turn == t {
		t.from.turn = nil
	}
}

// other is the far end of a call that is up.
func (c *Call) other(l *leg) *leg {
	if l == c.caller {
		return c.winner
	}
	return c.caller
}

// request takes a request of one end within the call.
func (c *Call) request(l *leg, in *dialog.Incoming) {
	req := in.Request()
	switch {
	case c.over:
		in.Respond(in.Response(481, ""))
		return
	case hops(req) == 0:
		in.Respond(in.Response(483, ""))
		return
	case !passes(req.Method()): // transfer among them: what a REFER names are dialogs of the other leg
		in.Respond(in.Response(405, "").Set(sip.HeaderAllow, allow))
		return
	case c.winner == nil || l != c.caller && l != c.winner:
		c.tooEarly(in)
		return
	}
	if c.refreshed(l, in) {
		return
	}
	switch req.Method() {
	case sip.INVITE, sip.UPDATE:
		c.moved(l, in)
		c.offerTurn(l, in)
	default:
		if !c.key(l, in) {
			c.pass(&turn{from: l, to: c.other(l), in: in}, req.Body())
		}
	}
}

// passes says that a request of this method means the same in the other leg.
func passes(m sip.Method) bool {
	switch m {
	case sip.INVITE, sip.UPDATE, sip.INFO, sip.MESSAGE, sip.OPTIONS:
		return true
	}
	return false
}

// tooEarly answers what comes before somebody has answered the call: there is nobody yet to
// pass it to.
func (c *Call) tooEarly(in *dialog.Incoming) {
	if in.Request().Method() == sip.OPTIONS {
		in.Respond(in.Response(200, "").Set(sip.HeaderAllow, allow).Set(sip.HeaderAccept, "application/sdp"))
		return
	}
	in.Respond(in.Response(500, "Not Answered Yet").Set(sip.HeaderRetryAfter, "3"))
}

// moved takes over a peer that comes back on another connection.
func (c *Call) moved(l *leg, in *dialog.Incoming) {
	if in.Flow().ID() != l.flow.ID() {
		c.onFlow(l, in.Flow())
	}
}

// onFlow has a leg be reached over another flow.
func (c *Call) onFlow(l *leg, f sip.Flow) {
	l.flow = f
	l.watch = f.Done()
	c.stop(l.grace())
	if c.inv.Media != nil {
		name, form := "caller", c.inv.Form
		if l.target != nil {
			name, form = l.target.Name, l.target.Form
		}
		c.inv.Media.Leg(l.index, name, l.peer(), form)
	}
}

// offerTurn passes on a request that may have an offer.
func (c *Call) offerTurn(l *leg, in *dialog.Incoming) {
	t := &turn{from: l, to: c.other(l), in: in}
	req := in.Request()
	if c.inv.Media != nil && req.Body() != "" && !isSDP(req) {
		in.Respond(in.Response(415, "").Set(sip.HeaderAccept, "application/sdp"))
		return
	}
	body, err := c.turnOffer(t.from, t.to, req.Body())
	if err != nil {
		c.b.c.Log.Info("offer refused by media", "call", c.info.ID, "err", err)
		in.Respond(in.Response(488, ""))
		return
	}
	if req.Method() == sip.INVITE {
		l.turn = t
	}
	c.pass(t, body)
}

// pass sends the request on.
func (c *Call) pass(t *turn, body string) {
	req := t.in.Request()
	edit := func(b *sip.Builder) {
		b.Set(sip.HeaderMaxForwards, strconv.FormatUint(uint64(hops(req)-1), 10))
		passRequest(b, req, body)
	}
	t.out = t.to.session.Request(req.Method(), edit, func(o *dialog.Outgoing, resp *sip.Message, err error) {
		c.post(func() { c.passed(t, resp, err) })
	})
}

// passed takes the answer.
func (c *Call) passed(t *turn, resp *sip.Message, err error) {
	if c.over {
		return // the sessions' end has seen to everything
	}
	switch {
	case err != nil:
		t.over()
		t.in.Respond(t.in.Response(failure(err), ""))
	case resp.Status() >= 300:
		t.over()
		status, phrase := outward(resp.Status()), ""
		if status == resp.Status() {
			phrase = resp.Reason()
		}
		b := t.in.Response(status, phrase)
		passResponse(b, resp, resp.Body())
		t.in.Respond(b)
	default:
		c.taken(t, resp)
	}
}

// failure is the status for a request that could not be passed on.
func failure(err error) int {
	switch {
	case errors.Is(err, dialog.ErrPending): // rfc3261#14.2: both ends had the same idea
		return 491
	case errors.Is(err, dialog.ErrEnded), errors.Is(err, dialog.ErrGone):
		return 481
	case errors.Is(err, dialog.ErrFlow):
		return 480
	}
	return 408
}

// taken passes a 2xx back.
func (c *Call) taken(t *turn, resp *sip.Message) {
	invite := resp.Method() == sip.INVITE
	offered := t.in.Request().Body() != ""
	t.late = invite && !offered && resp.Body() != ""
	body, err := resp.Body(), error(nil)
	switch {
	case t.gone:
	case t.late:
		body, err = c.turnOffer(t.to, t.from, body)
	case offered && (invite || resp.Method() == sip.UPDATE):
		body, err = c.turnAnswer(t.to, t.from, body)
	}
	if err != nil { // the ends would disagree on what was agreed
		c.finish(End{By: Server, Reason: `SIP;cause=488;text="Media can't be agreed on"`, Err: err})
		return
	}
	b := t.in.Response(resp.Status(), resp.Reason())
	passResponse(b, resp, body)
	t.in.Respond(b)
	if !invite {
		return
	}
	if !t.late || t.gone {
		t.over()
		t.out.ACK(nil)
	}
}

// acknowledged passes the answer in an ACK on.
func (c *Call) acknowledged(l *leg, ack *sip.Message) {
	if c.over {
		return
	}
	t := l.turn
	switch {
	case l == c.caller && c.late:
		c.late = false
		c.passAnswer(l, c.winner, ack, c.winner.session.ACK)
	case t != nil && t.late:
		l.turn = nil
		c.passAnswer(l, t.to, ack, t.out.ACK)
	}
}

func (c *Call) passAnswer(from, to *leg, ack *sip.Message, send func(func(*sip.Builder))) {
	body, err := c.turnAnswer(from, to, ack.Body())
	if err != nil {
		c.finish(End{By: Server, Reason: `SIP;cause=488;text="The answer can't be used"`, Err: err})
		return
	}
	send(func(b *sip.Builder) { passBody(b, ack, body) })
}

// cancelled passes on that a re-INVITE is given up.
func (c *Call) cancelled(l *leg, in *dialog.Incoming) {
	if t := l.turn; t != nil && t.in == in {
		t.gone = true
		t.out.Cancel("")
	}
}

// audit asks both ends now and then whether they are still there. The session of one that is
// not ends by itself (rfc3261#12.2.1.2).
func (c *Call) audit() {
	c.after("audit", c.b.c.Audit, func() {
		for _, l := range []*leg{c.caller, c.winner} {
			l.session.Request(sip.OPTIONS, nil, nil)
		}
		c.audit()
	})
}
