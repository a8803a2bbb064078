package b2bua

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/transaction"
)

// refreshEvery is how often a caller hears that it still rings, so that no proxy before us
// loses its patience (rfc3261#13.3.1.1).
const refreshEvery = time.Minute

// Call is one call. Its fields without a lock belong to its goroutine.
type Call struct {
	b      *B2BUA
	inv    Invite
	req    *sip.Message // the caller's INVITE
	queue  queue
	ctx    context.Context
	cancel context.CancelFunc

	in     *dialog.Incoming
	caller *leg
	legs   []*leg // those that were called, by index from 1
	winner *leg   // who answered
	single bool   // there is but one target, so what it says early can pass
	next   int    // the wave to start next
	best   verdict
	timers map[string]func() // what stops them
	late   bool              // the answer is in the caller's ACK
	over   bool
	live   int // sessions that have not ended

	provisional struct { // what the caller was told last
		status int
		body   string
	}

	abandoned chan struct{}
	mu        sync.Mutex
	info      Info
}

func newCall(b *B2BUA, s *transaction.Server, inv Invite) *Call {
	c := &Call{
		b: b, inv: inv, req: inv.Request, queue: newQueue(), timers: map[string]func(){},
		abandoned: make(chan struct{}),
	}
	if c.req == nil {
		c.req = s.Request()
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.caller = &leg{call: c, flow: s.Flow(), watch: s.Flow().Done()}
	c.info = Info{ID: c.req.CallID(), Since: b.now()}
	if from, err := c.req.From(); err == nil {
		c.info.From = from.URI.String()
	}
	if to, err := c.req.To(); err == nil {
		c.info.To = to.URI.String()
	}
	n := 0
	for _, w := range inv.Waves {
		n += len(w.Targets)
	}
	c.single = n == 1
	return c
}

// begin takes the INVITE and starts the call's goroutine.
func (c *Call) begin(s *transaction.Server) error {
	req := c.req
	if hops, ok := req.Number(sip.HeaderMaxForwards); ok && hops == 0 {
		return c.b.refuse(s, req.Response(483, ""), ErrHops)
	}
	if !c.broadEnough() {
		return c.b.refuse(s, req.Response(440, ""), ErrBreadth)
	}
	if c.inv.Media != nil && req.Body() != "" && !isSDP(req) {
		return c.b.refuse(s, req.Response(415, "").Set(sip.HeaderAccept, "application/sdp"),
			errors.New("b2bua: media can't be anchored: the body is no session description"))
	}
	if err := c.b.admit(c); err != nil {
		return c.b.refuse(s, req.Response(503, "Too Many Calls").Set(sip.HeaderRetryAfter, "10"), err)
	}
	in, err := c.b.ua.Accept(s, dialog.Contact(user(req.Target()), s.Flow()), c.caller)
	if err != nil {
		c.b.drop(c)
		return err
	}
	c.in, c.caller.session = in, in.Session()
	c.live = 1
	c.post(c.start)
	go c.run()
	return nil
}

// user is a URI's user part as written.
func user(uri string) string {
	u, err := sip.ParseURI(uri)
	if err != nil {
		return ""
	}
	return u.User
}

func (b *B2BUA) refuse(s *transaction.Server, with *sip.Builder, err error) error {
	if b.c.Server != "" {
		with.Set(sip.HeaderServer, b.c.Server)
	}
	resp, bad := with.ToTag(transaction.NewTag()).Message()
	if bad != nil {
		return bad
	}
	s.Respond(resp)
	return err
}

// Info is what is known now.
func (c *Call) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info
}

// End ends the call, answered or not, with a Reason. It returns at once.
func (c *Call) End(reason string) {
	c.post(func() { c.finish(End{By: Server, Reason: reason}) })
}

// abandon leaves a call whose peers don't answer.
func (c *Call) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.abandoned:
	default:
		close(c.abandoned)
	}
}

// post queues work for the call's goroutine.
func (c *Call) post(f func()) {
	c.b.busy(1)
	if !c.queue.put(f) {
		c.b.busy(-1)
	}
}

// offer is post for what may be refused.
func (c *Call) offer(f func()) bool {
	if c.queue.full() {
		return false
	}
	c.post(f)
	return true
}

// run is the call's goroutine.
func (c *Call) run() {
	defer c.b.drop(c)
	defer func() { c.b.busy(-c.queue.close()) }()
	for !c.over || c.live > 0 {
		select {
		case <-c.queue.wake:
			for _, f := range c.queue.take() {
				c.guard(f)
				c.b.busy(-1)
			}
		case <-c.caller.watch:
			c.lostFlow(c.caller)
		case <-c.watchWinner():
			c.lostFlow(c.winner)
		case err := <-c.lostMedia():
			c.guard(func() { c.endWithout(err) })
		case leg := <-c.asked():
			c.guard(func() { c.refresh(leg) })
		case <-c.abandoned:
			c.guard(func() { c.finish(End{By: Server, Err: ErrClosed}) })
			return
		}
	}
}

// mediaLost is the Reason for both ends when the media between them did not come about, or went away.
const mediaLost = `SIP;cause=500;text="Media can't get through"`

func (c *Call) lostMedia() <-chan error {
	if c.inv.Media == nil || c.over {
		return nil
	}
	return c.inv.Media.Lost()
}

// endWithout ends a call whose media is lost.
func (c *Call) endWithout(err error) {
	e := End{By: Server, Reason: mediaLost, Err: err}
	if c.winner == nil {
		e.Status = 500
	}
	c.finish(e)
}

func (c *Call) watchWinner() <-chan struct{} {
	if c.winner == nil {
		return nil
	}
	return c.winner.watch
}

// guard keeps a mistake of ours inside the call that it is made in.
func (c *Call) guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			c.b.c.Log.Error("call failed", "call", c.info.ID, "panic", r, "stack", string(debug.Stack()))
			c.finish(End{By: Server, Status: 500, Err: fmt.Errorf("b2bua: %v", r)})
		}
	}()
	f()
}

// after has f run on the call's goroutine in a while. A timer of the same name is replaced. A call that is over,
// whose sessions are still saying goodbye, gets none: it would hold the call until it fires.
func (c *Call) after(name string, d time.Duration, f func()) {
	if c.over {
		return
	}
	c.stop(name)
	c.timers[name] = c.b.c.Layer.After(c.info.ID, d, func() {
		c.post(func() {
			if !c.over {
				f()
			}
		})
	})
}

func (c *Call) stop(name string) {
	if stop := c.timers[name]; stop != nil {
		stop()
		delete(c.timers, name)
	}
}

// finish ends the call: whoever still has a session loses it, in the way its state asks.
func (c *Call) finish(e End) {
	if c.over {
		return
	}
	c.over = true
	for name := range c.timers {
		c.stop(name)
	}
	if c.winner == nil && e.Status == 0 {
		e.Status = 480
	}
	reason := e.reason()
	c.caller.end(e.Status, reason)
	for _, l := range c.legs {
		l.end(0, reason)
	}
	c.cancel()
	if c.inv.Media != nil {
		c.inv.Media.Close()
	}
	info := c.Info()
	c.b.c.Log.Info("call ended", "call", info.ID, "from", info.From, "to", info.To, "target", info.Target,
		"by", e.By.String(), "status", e.Status, "reason", e.Reason, "err", e.Err)
	c.measured()
	if c.inv.Observer != nil {
		c.inv.Observer.Ended(info, e)
	}
}

// reason is what the others are told.
func (e End) reason() string {
	switch {
	case e.Reason != "":
		return e.Reason
	case errors.Is(e.Err, dialog.ErrFlow), errors.Is(e.Err, transaction.ErrTransport):
		return `SIP;cause=503;text="The other side's connection is gone"`
	case errors.Is(e.Err, dialog.ErrNoACK), errors.Is(e.Err, transaction.ErrTimeout), errors.Is(e.Err, dialog.ErrGone):
		return `SIP;cause=408;text="The other side is gone"`
	case e.By == Caller && e.Status == 487:
		return `SIP;cause=487;text="Caller gave up"`
	}
	return ""
}

// lostFlow gives an end of the call whose connection is gone a while to come back. A caller that can't
// be told of an answer any more has no such time: its transaction ends, and the call with it.
func (c *Call) lostFlow(l *leg) {
	l.watch = nil
	c.after(l.grace(), c.b.c.Grace, func() {
		l.session.Flow(func(f sip.Flow) { c.post(func() { c.reached(l, f) }) })
	})
}

// reached goes on with the flow that an end is reached over now, if there is one.
func (c *Call) reached(l *leg, f sip.Flow) {
	switch {
	case c.over:
	case f.ID() == l.flow.ID():
		c.finish(End{By: l.party(), Err: dialog.ErrFlow})
	default:
		c.onFlow(l, f)
	}
}

// legEnded hears that a session is over.
func (c *Call) legEnded(l *leg, e dialog.End) {
	c.live--
	l.ended = true
	switch {
	case c.over:
	case l == c.caller || l == c.winner:
		end := End{By: l.party(), Status: e.Status, Reason: e.Reason, Err: e.Err}
		if !e.Remote && e.Err == nil {
			end.By = Server
		}
		c.finish(end)
	case !l.done:
		c.refused(l, e)
	}
}
