package proxy

import (
	"errors"

	"parley/sip"
	"parley/sip/transaction"
)

// errNoFlow is a target that was given without a way to it.
var errNoFlow = errors.New("proxy: target has no flow")

// branch is one target of a context and its client transaction.
type branch struct {
	ctx     *Context
	target  *Target
	client  *transaction.Client
	wave    int
	breadth uint32
	stop    func() // Timer C
	over    bool   // the final response is there, or will not come
	heard   bool   // it rang, or said something of the kind
	ringing bool   // nothing has ended it early
	expired bool   // it rang too long
}

// start sends the request to the branch's target.
func (b *branch) start() {
	c := b.ctx
	if b.target.Fail != 0 {
		c.over(b, answer{status: b.target.Fail, target: b.target}, nil)
		return
	}
	if b.target.Flow == nil {
		b.fail(errNoFlow)
		return
	}
	req, err := c.request(b.target, b.breadth)
	if err != nil {
		b.fail(err)
		return
	}
	b.ringing = true
	c.live++
	if c.invite {
		b.startTimer()
	}
	b.client = c.proxy.layer.Request(b.target.Flow, req, b)
}

// Response takes a response of the target (rfc3261#16.7).
func (b *branch) Response(_ *transaction.Client, resp *sip.Message) {
	switch status := resp.Status(); {
	case status == 100: // step 5: goes no further than here
	case status < 200:
		b.provisional(resp)
	case status < 300:
		b.ctx.success(b, resp)
	case b.expired && status == 487: // we asked for it: to the caller it's no answer
		b.ctx.over(b, answer{status: 408, target: b.target}, nil)
	default:
		b.ctx.over(b, answer{status: status, resp: resp, target: b.target}, nil)
	}
}

func (b *branch) provisional(resp *sip.Message) {
	b.heard = true
	if b.ctx.done {
		return
	}
	if b.ctx.invite && b.ringing {
		b.stopTimer()
		b.startTimer() // rfc3261#16.7 step 2
	}
	b.ctx.pass(b, resp)
}

// Ended takes the end of the client transaction, which holds the context no longer.
func (b *branch) Ended(_ *transaction.Client, err error) {
	b.ctx.live--
	if !b.over {
		b.fail(err)
	}
	b.ctx.release()
}

// fail counts what went wrong as the response that the standards say it is.
func (b *branch) fail(err error) {
	a := answer{status: 503, target: b.target}
	switch {
	case errors.Is(err, transaction.ErrTimeout):
		a.status = 408 // rfc3261#16.8
	case errors.Is(err, transaction.ErrTransport), errors.Is(err, errNoFlow):
		a.fault = true // rfc3261#16.9
	case errors.Is(err, transaction.ErrOverload), errors.Is(err, transaction.ErrClosed):
		// it is we who are out of service
	default: // the request could not be made
		a.status = 500
	}
	b.ctx.over(b, a, err)
}

// tryNext goes on with the next flow of the same device if the answer speaks of the flow
// rather than of the device (rfc5626#7), and reports whether it does. A device that rang has
// been reached.
func (b *branch) tryNext(a answer) bool {
	c, next := b.ctx, b.target.Next
	lost := a.fault || a.status == 430 || a.status == 408 && !b.heard || b.target.Fail != 0
	if next == nil || !lost || c.closed || b.expired {
		return false
	}
	nb := &branch{ctx: c, target: next, wave: b.wave, breadth: b.breadth}
	c.breadth -= nb.breadth
	c.running++
	if nb.wave == c.next {
		c.open++
	}
	c.branches = append(c.branches, nb)
	nb.start()
	return true
}

// cancel ends a branch that has no final response. The transaction sends the CANCEL when it may,
// if it is an INVITE's (rfc3261#9.1), and bounds how long the answer may take.
func (b *branch) cancel(reason string) {
	if b.over || !b.ringing {
		return
	}
	b.ringing = false
	b.stopTimer()
	if b.client != nil {
		b.client.Cancel(reason)
	}
}

// expire gives up on a branch that has rung long enough. No Reason goes along: for
// the device it's a call missed.
func (b *branch) expire() {
	if b.over {
		return
	}
	b.expired = true
	b.cancel("")
}

// timeC is rfc3261#16.8. Without any provisional response Timer B has come before.
func (b *branch) timeC() {
	b.stop = nil
	if b.over {
		return
	}
	b.expire()
	b.ctx.open--
	b.ctx.advance()
}

func (b *branch) startTimer() {
	b.stop = b.ctx.proxy.layer.After(b.ctx.callID, b.ctx.proxy.timerC, b.timeC)
}

func (b *branch) stopTimer() {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
}

var _ transaction.ClientHandler = (*branch)(nil)
