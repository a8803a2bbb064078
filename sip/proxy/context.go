package proxy

import (
	"errors"
	"strconv"
	"strings"

	"parley/sip"
	"parley/sip/transaction"
)

// elsewhere is the Reason for those who need not ring any longer (rfc3326#3.1).
const elsewhere = `SIP;cause=200;text="Call completed elsewhere"`

// callerLost is the Reason when nobody is left who could be told of an answer.
const callerLost = `SIP;cause=503;text="The caller's connection is gone"`

// Context is the response context of one forwarded request (rfc3261#16.7). Apart from
// Forward and Cancel everything in it happens on the request's shard.
type Context struct {
	proxy    *Proxy
	server   *transaction.Server
	req      *sip.Message
	f        Forward
	observer guarded
	callID   string
	mark     string // loop mark of the request as received
	invite   bool
	hops     uint32 // Max-Forwards of what we send
	total    uint32 // Max-Breadth of what we received
	breadth  uint32 // how much of it no branch holds

	next     int // the wave to start next
	open     int // branches of the newest wave without a final response
	running  int // all branches without a final response
	live     int // client transactions that are not over
	stopWave func()
	branches []*branch

	closed     bool // no new branches: answered, declined by 6xx, cancelled, or the caller is gone
	done       bool // the caller has a final response, or gets none
	served     bool // the server transaction is over, and so done is true
	ended      bool
	cancelled  int // status to tell after a CANCEL; 0: none came
	best       answer
	terminated answer // the first one with the status of cancelled
	challenges []*sip.Message
	dialogs    []dialog
}

// dialog is one that a 2xx set up.
type dialog struct {
	branch *branch
	tag    string
}

// maxDialogs bounds how many dialogs of one INVITE are told apart for the Observer.
const maxDialogs = 64

// Forward starts forwarding the request of a server transaction. It may be called from
// any goroutine and returns at once.
func (p *Proxy) Forward(s *transaction.Server, f Forward) *Context {
	c := &Context{proxy: p, server: s, req: f.Request, f: f}
	if c.req == nil {
		c.req = s.Request()
	}
	c.observer = guarded{c.f.Observer, c}
	c.callID = c.req.CallID()
	c.invite = c.req.Method() == sip.INVITE
	p.active.Add(1)
	s.Handle(c) // what happened before is told now: nobody rings for a call that is cancelled
	p.layer.Do(c.callID, c.start)
	return c
}

// Cancel ends a request that is under way: INVITEs are cancelled with reason as their
// Reason, which may be empty, no more waves are tried, and the caller is told status (0
// stands for 487) unless somebody answers all the same. It may be called from any goroutine.
func (c *Context) Cancel(status int, reason string) {
	if status == 0 {
		status = 487
	}
	c.proxy.layer.Do(c.callID, func() { c.cancel(status, reason) })
}

// start runs on the shard.
func (c *Context) start() {
	if c.done {
		return
	}
	c.mark = c.proxy.mark(c.server.Request())
	c.total = c.incomingBreadth()
	c.breadth = c.total
	hops, ok := hopsLeft(c.req, c.proxy.hops)
	c.hops = hops
	switch {
	case !ok:
		c.consider(answer{status: 483})
		c.closed = true
	case !c.broadEnough():
		c.consider(answer{status: 440}) // rfc5393#5.3.3
		c.closed = true
	}
	c.advance()
}

// advance does what is due when a branch, a wave or the whole request came to an end.
func (c *Context) advance() {
	for !c.closed && c.open == 0 && c.next < len(c.f.Waves) {
		if !c.startWave() {
			return
		}
	}
	if c.running == 0 {
		c.answer()
	}
}

// startWave sends to the targets of the next wave, or reports false if branches that were
// cancelled still hold too much of the Max-Breadth.
func (c *Context) startWave() bool {
	w := &c.f.Waves[c.next]
	share, ok := c.share(w)
	if !ok {
		return false
	}
	c.endWave()
	c.next++
	c.open = len(w.Targets)
	c.running += len(w.Targets)
	if w.Timeout > 0 && c.open > 0 {
		c.stopWave = c.proxy.layer.After(c.callID, w.Timeout, c.waveTimeout)
	}
	slab := make([]branch, len(w.Targets))
	for i := range w.Targets {
		if c.closed { // a target before it was of no use to anyone: 6xx
			c.open--
			c.running--
			continue
		}
		b := &slab[i]
		b.ctx, b.target, b.wave = c, &w.Targets[i], c.next
		if b.target.sends() {
			b.breadth = share.take()
			c.breadth -= b.breadth
		}
		c.branches = append(c.branches, b)
		b.start()
	}
	return true
}

// endWave stops the newest wave's ring time.
func (c *Context) endWave() {
	if c.stopWave != nil {
		c.stopWave()
		c.stopWave = nil
	}
}

// waveTimeout gives up on a wave that has rung long enough. Its branches are cancelled, and
// the next wave starts without waiting for them: a device that went away while it rang
// must not keep the voicemail from answering. The last wave's are waited for as ever.
func (c *Context) waveTimeout() {
	c.stopWave = nil
	for _, b := range c.branches {
		if b.wave == c.next {
			b.expire()
		}
	}
	c.open = 0
	c.advance()
}

// over takes a branch's final answer, which is not a 2xx.
func (c *Context) over(b *branch, a answer, err error) {
	c.settle(b)
	c.observer.Branch(a.target, a.status, err)
	if b.tryNext(a) {
		return
	}
	c.consider(a)
	if a.status >= 600 { // rfc3261#16.7 step 5
		c.close(declined(a))
	}
	c.advance()
}

// success takes a 2xx: each one to an INVITE is passed on at once, and nobody else has to
// ring any more (rfc3261#16.7 steps 5 and 10). Of another request the first one alone is.
func (c *Context) success(b *branch, resp *sip.Message) {
	first := !b.over
	if first {
		c.settle(b)
		c.observer.Branch(b.target, resp.Status(), nil)
	}
	if c.invite || !c.done {
		c.done = true
		c.pass(b, resp)
	}
	if first {
		c.close(elsewhere)
	}
}

// pass forwards a response as it is but for our Via, and tells the observer of new finals.
func (c *Context) pass(b *branch, resp *sip.Message) {
	if c.served {
		return // rfc6026#7.1: there is no transaction to forward it in
	}
	out, err := resp.Edit().Pop(sip.HeaderVia).Message()
	if err != nil {
		c.proxy.log.Warn("response can't be forwarded", "call", c.callID, "target", b.target.Name, "error", err)
		return
	}
	c.server.Respond(out)
	if resp.Status() < 200 {
		c.observer.Provisional(b.target, out)
		return
	}
	d := dialog{b, resp.ToTag()}
	for _, known := range c.dialogs {
		if known == d {
			return // a retransmission
		}
	}
	if len(c.dialogs) < maxDialogs {
		c.dialogs = append(c.dialogs, d)
		c.observer.Final(b.target, out)
	}
}

// settle notes that a branch has its final response.
func (c *Context) settle(b *branch) {
	b.over = true
	b.stopTimer()
	c.breadth += b.breadth
	c.running--
	if b.wave == c.next && !b.expired {
		c.open--
	}
}

// close sees to it that no branch is added and that those that run are cancelled.
func (c *Context) close(reason string) {
	c.closed = true
	c.endWave()
	for _, b := range c.branches {
		b.cancel(reason)
	}
}

// answer gives the caller the best response once no branch can do better.
func (c *Context) answer() {
	if c.done {
		return
	}
	c.done = true
	a := c.chosen()
	resp, err := c.final(a)
	if err != nil {
		c.proxy.log.Warn("response can't be made", "call", c.callID, "status", a.status, "error", err)
		a = answer{status: 500}
		if resp, err = c.final(a); err != nil {
			return
		}
	}
	c.server.Respond(resp)
	if !c.invite && a.status == 408 {
		return // it ends the transaction but isn't sent: rfc4320#4.2
	}
	c.observer.Final(a.target, resp)
}

// cancel is the caller's or our own wish to end it.
func (c *Context) cancel(status int, reason string) {
	if c.done || c.cancelled != 0 {
		return
	}
	c.cancelled = status
	c.close(reason)
	c.advance()
}

// Cancelled takes the caller's CANCEL (rfc3261#16.10); its Reason goes along (rfc3326#2).
func (c *Context) Cancelled(_ *transaction.Server, cancel *sip.Message) {
	var reasons []string
	for r := range cancel.Values(sip.HeaderReason) {
		reasons = append(reasons, r)
	}
	c.cancel(487, strings.Join(reasons, ", "))
}

// Ended is the end of the caller's transaction. Without a final response there is nobody
// left to answer: the layer is closed, the caller's connection is gone, or after 64*T1 the
// caller of what is no INVITE has given up.
func (c *Context) Ended(_ *transaction.Server, err error) {
	c.served = true
	if !c.done {
		c.done = true
		reason := ""
		if errors.Is(err, transaction.ErrTransport) {
			reason = callerLost
		}
		c.close(reason)
	}
	c.release()
}

// release ends the context when nothing holds it any more.
func (c *Context) release() {
	if c.ended || !c.served || c.live > 0 {
		return
	}
	c.ended = true
	c.endWave()
	c.proxy.active.Add(-1)
	c.observer.Ended()
}

// declined is the Reason that tells the other devices of a 6xx.
func declined(a answer) string {
	text := ""
	if a.resp != nil {
		text = a.resp.Reason()
	}
	reason := "SIP;cause=" + strconv.Itoa(a.status)
	if text == "" {
		return reason
	}
	return reason + `;text="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

var _ transaction.ServerHandler = (*Context)(nil)
