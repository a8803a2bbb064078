package b2bua

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/transaction"
)

// elsewhere is the Reason for those who need not ring any longer (rfc3326#3.1).
const elsewhere = `SIP;cause=200;text="Call completed elsewhere"`

// verdict is how a target refused, or what stands for that.
type verdict struct {
	status int
	resp   *sip.Message // nil: nothing was received, the status is ours
}

// start calls the first targets.
func (c *Call) start() {
	if c.over {
		return
	}
	if c.inv.Media != nil {
		c.inv.Media.Leg(0, "caller", c.caller.peer(), c.inv.Form)
	}
	c.advance()
}

// advance starts the next wave when nobody rings, and answers the caller when there is none.
func (c *Call) advance() {
	for !c.over && c.winner == nil && !c.ringing() {
		if c.next == len(c.inv.Waves) {
			c.decline(c.best)
			return
		}
		c.startWave()
	}
}

func (c *Call) ringing() bool {
	return slices.ContainsFunc(c.legs, func(l *leg) bool { return !l.done })
}

func (c *Call) startWave() {
	w := &c.inv.Waves[c.next]
	c.next++
	c.stop("wave")
	if w.Timeout > 0 {
		c.after("wave", w.Timeout, func() { c.expire(c.legs) })
	}
	part := w.deal(c.breadth())
	for i := range w.Targets {
		if c.over {
			return // a target before it was of no use to anyone: 6xx
		}
		c.ring(&w.Targets[i], part(&w.Targets[i]))
	}
}

// ring calls one target, which may fork as broadly as it is told.
func (c *Call) ring(t *Target, breadth uint32) {
	l := &leg{call: c, index: len(c.legs) + 1, target: t, flow: t.Flow, breadth: breadth}
	c.legs = append(c.legs, l)
	if t.Fail != 0 || t.Flow == nil {
		c.fail(l, verdict{status: t.Fail})
		return
	}
	body := c.req.Body()
	if m := c.inv.Media; m != nil {
		m.Leg(l.index, t.Name, l.peer(), t.Form)
		var err error
		if body, err = c.turnOffer(c.caller, l, body); err != nil {
			c.b.c.Log.Info("offer refused by media", "call", c.info.ID, "target", t.Name, "err", err)
			c.fail(l, verdict{status: 488})
			return
		}
	}
	s, err := c.b.ua.Invite(t.Flow, c.invite(l, body), l)
	if err != nil {
		c.b.c.Log.Warn("target can't be called", "call", c.info.ID, "target", t.Name, "err", err)
		c.fail(l, verdict{status: 503})
		return
	}
	l.session = s
	c.live++
	c.patience(l)
}

// patience starts a leg's Timer C anew (rfc3261#16.6 step 11).
func (c *Call) patience(l *leg) {
	c.after(l.timerC(), c.b.c.TimerC, func() { c.expire([]*leg{l}) })
}

// invite builds the INVITE for a leg. From and To tell the callee the same as the caller said.
func (c *Call) invite(l *leg, body string) *sip.Builder {
	t := l.target
	b := sip.NewRequest(sip.INVITE, t.URI)
	for _, r := range t.Routes {
		b.Add(sip.HeaderRoute, r)
	}
	b.Set(sip.HeaderMaxForwards, strconv.FormatUint(uint64(hops(c.req)-1), 10)).
		Set(sip.HeaderMaxBreadth, strconv.FormatUint(uint64(l.breadth), 10))
	from, err := c.req.From()
	if err == nil {
		a := untagged(from)
		a.Params = a.Params.With("tag", transaction.NewTag())
		b.Set(sip.HeaderFrom, a.String())
	}
	if to, err := c.req.To(); err == nil {
		b.Set(sip.HeaderTo, untagged(to).String())
	}
	b.Set(sip.HeaderCallID, newCallID()).
		Set(sip.HeaderCSeq, "1 INVITE").
		Set(sip.HeaderContact, dialog.Contact(from.URI.User, t.Flow))
	passRequest(b, c.req, body)
	if c.inv.Edit != nil {
		c.inv.Edit(b, t)
	}
	return b
}

// hops is a request's Max-Forwards (rfc3261#8.1.1.6).
func hops(req *sip.Message) uint32 {
	if n, ok := req.Number(sip.HeaderMaxForwards); ok {
		return min(n, 255)
	}
	return 70
}

// progress tells the caller that somebody rings. With several targets it hears 180 and
// nothing else, once: what one of them says is not what all of them say.
func (c *Call) progress(l *leg, resp *sip.Message) {
	if c.over || c.winner != nil || l.done {
		return
	}
	l.heard = true
	c.patience(l)
	status, body := 180, ""
	if c.single {
		status, body = resp.Status(), c.earlyBody(l, resp)
	}
	p := &c.provisional
	if p.status == status && (body == "" || body == p.body) {
		return
	}
	b := c.in.Response(status, "")
	if c.single {
		passResponse(b, resp, body)
	}
	p.status, p.body = status, body
	c.tell(b)
}

// tell sends a provisional response, now and again each minute.
func (c *Call) tell(b *sip.Builder) {
	c.in.Respond(b)
	status := c.provisional.status
	c.after("refresh", refreshEvery, func() {
		c.tell(c.in.Response(status, ""))
	})
}

// earlyBody is the description that a provisional response gives the caller. All of one
// answer to the caller is one dialog to it, so of several forks behind the target only
// the first is heard early.
func (c *Call) earlyBody(l *leg, resp *sip.Message) string {
	if !isSDP(resp) || c.req.Body() == "" || l.early.tag != "" && l.early.tag != resp.ToTag() {
		return ""
	}
	body, err := c.turnAnswer(l, c.caller, resp.Body())
	if err != nil {
		c.b.c.Log.Info("early answer refused by media", "call", c.info.ID, "err", err)
		return ""
	}
	l.early.tag, l.early.body = resp.ToTag(), resp.Body()
	return body
}

// answered takes the first 2xx of a leg.
func (c *Call) answered(l *leg, resp *sip.Message) {
	if c.over || c.winner != nil || l.done {
		return // its session is being ended
	}
	c.winner = l
	c.stop("wave")
	c.stop("refresh")
	for _, other := range c.legs {
		c.stop(other.timerC())
		if other != l {
			c.lose(other, elsewhere)
		}
	}
	body, err := c.answerBody(l, resp)
	if err != nil {
		c.b.c.Log.Info("answer refused by media", "call", c.info.ID, "target", l.target.Name, "err", err)
		c.winner = nil // the caller never hears of it
		c.finish(End{By: Server, Status: 488, Err: err})
		return
	}
	b := c.in.Response(resp.Status(), resp.Reason())
	passResponse(b, resp, body)
	c.in.Respond(b)
	if c.late = c.req.Body() == "" && resp.Body() != ""; !c.late {
		l.session.ACK(nil)
	}
	c.established(l)
}

// answerBody turns what an answer brings for the caller: the answer to its offer, or an offer
// if it made none.
func (c *Call) answerBody(l *leg, resp *sip.Message) (string, error) {
	body := resp.Body()
	if c.req.Body() == "" {
		return c.turnOffer(l, c.caller, body)
	}
	if body == "" && l.early.tag == resp.ToTag() {
		body = l.early.body
	}
	return c.turnAnswer(l, c.caller, body)
}

// established begins what is there for calls that are up.
func (c *Call) established(l *leg) {
	l.watch = l.flow.Done()
	if m, ok := c.inv.Media.(Watcher); ok {
		m.Established()
	}
	c.after("duration", cmp.Or(c.inv.MaxDuration, c.b.c.MaxDuration), func() {
		c.finish(End{By: Server, Reason: `SIP;cause=200;text="The longest time of a call is up"`})
	})
	if c.b.c.Audit > 0 {
		c.audit()
	}
	c.mu.Lock()
	c.info.Target, c.info.Answered = l.target.Name, c.b.now()
	c.mu.Unlock()
	if c.inv.Observer != nil {
		c.inv.Observer.Answered(c.Info())
	}
}

// refused takes the end of a leg that never answered.
func (c *Call) refused(l *leg, e dialog.End) {
	v := verdict{status: e.Status, resp: e.Message}
	if v.status < 300 {
		v.status = 500
	}
	// Another flow of the same device may still reach it (rfc5626#7).
	lost := e.Message == nil && errors.Is(e.Err, transaction.ErrTransport) || v.status == 430 || v.status == 408 && !l.heard
	if lost && l.target.Next != nil {
		c.out(l)
		c.ring(l.target.Next, l.breadth)
		c.advance()
		return
	}
	c.fail(l, v)
	c.advance()
}

// out takes a leg out of the race.
func (c *Call) out(l *leg) {
	l.done = true
	c.stop(l.timerC())
	if c.inv.Media != nil {
		c.inv.Media.Drop(l.index)
	}
}

// lose takes a leg out that has not refused.
func (c *Call) lose(l *leg, reason string) {
	if l.done {
		return
	}
	c.out(l)
	l.end(0, reason)
}

// fail counts a refusal.
func (c *Call) fail(l *leg, v verdict) {
	c.out(l)
	if l.target.Next != nil && l.target.Fail != 0 {
		c.ring(l.target.Next, l.breadth)
		return
	}
	if v.status == 0 {
		v.status = 480
	}
	if v.better(c.best) {
		c.best = v
	}
	if v.status >= 600 { // rfc3261#16.7 step 5: nobody else has to ring
		for _, other := range c.legs {
			c.lose(other, fmt.Sprintf("SIP;cause=%d", v.status))
		}
		c.decline(v)
	}
}

// expire gives up on legs that have rung long enough.
func (c *Call) expire(legs []*leg) {
	if c.winner != nil {
		return
	}
	for _, l := range slices.Clone(legs) {
		if !l.done {
			c.lose(l, `SIP;cause=408;text="No answer"`)
			if v := (verdict{status: 408}); v.better(c.best) {
				c.best = v
			}
		}
	}
	c.advance()
}

// decline gives the caller the best of the refusals.
func (c *Call) decline(v verdict) {
	if c.over {
		return
	}
	e := End{By: Callee, Status: outward(v.status)}
	switch {
	case v.resp == nil && v.status == 0: // no target at all (rfc3261#16.5)
		e.By, e.Status = Server, 480
	case v.resp == nil:
		e.By = Server
	default:
		e.Reason = v.resp.Get(sip.HeaderReason)
		phrase := ""
		if e.Status == v.status {
			phrase = v.resp.Reason()
		}
		b := c.in.Response(e.Status, phrase)
		passResponse(b, v.resp, v.resp.Body())
		c.in.Respond(b)
	}
	c.finish(e)
}

// outward is the status that stands for another leg's: a challenge is to us, and the
// caller can't answer it; what is out of service is the target, not we (rfc3261#16.7).
func outward(status int) int {
	switch status {
	case 401, 407:
		return 403
	case 503:
		return 500
	}
	return status
}

// class puts verdicts into the order of rfc3261#16.7 step 6: 6xx first, then the lowest class.
func (v verdict) class() int {
	if v.status >= 600 {
		return 0
	}
	return v.status / 100
}

// tells says, smaller for more, how much a verdict tells among those of its class.
func (v verdict) tells() int {
	switch v.status {
	case 415, 420, 484, 488: // with another request it would work
		return 0
	case 486: // a person is there
		return 1
	case 401, 407, 408, 430, 487, 503: // a device, a way to it or a right was missing
		return 3
	}
	if v.resp == nil {
		return 3
	}
	return 2
}

// better says that v is to be preferred to o; among equals the earlier one stays.
func (v verdict) better(o verdict) bool {
	if o.status == 0 {
		return true
	}
	if v.class() != o.class() {
		return v.class() < o.class()
	}
	return v.tells() < o.tells()
}

// turnOffer and turnAnswer have the anchor change a description; without one it passes.
func (c *Call) turnOffer(from, to *leg, body string) (string, error) {
	if c.inv.Media == nil || body == "" {
		return body, nil
	}
	return c.inv.Media.Offer(c.ctx, from.index, to.index, body)
}

func (c *Call) turnAnswer(from, to *leg, body string) (string, error) {
	if c.inv.Media == nil || body == "" {
		return body, nil
	}
	return c.inv.Media.Answer(c.ctx, from.index, to.index, body)
}
