package transaction

import (
	"time"

	"parley/sip"
)

// state of a transaction, named as in the figures of rfc3261#17 and rfc6026#7.
type state uint8

const (
	idle    state = iota // not started
	calling              // INVITE client
	trying               // non-INVITE
	proceeding
	completed
	confirmed // INVITE server
	accepted  // INVITE, after a 2xx (rfc6026#7)
	terminated
)

// watchEvery is how often a client looks whether its reliable flow is still there. A
// glance costs less than a goroutine for each flow or transaction.
const watchEvery = 2 * time.Second

// ClientHandler is who sent a request. Response is called for each response (for an
// INVITE: every 2xx too, as rfc6026 says, its ACK being the handler's own to send);
// Ended once, when the transaction is over: nil after a final response, else why.
// Ended with an error comes instead of a final response.
type ClientHandler interface {
	Response(c *Client, resp *sip.Message)
	Ended(c *Client, err error)
}

// nobody handles what needs no handling.
type nobody struct{}

func (nobody) Response(*Client, *sip.Message) {}
func (nobody) Ended(*Client, error)           {}

// Client is a client transaction.
type Client struct {
	shard    *shard
	flow     sip.Flow
	req      *sip.Message
	handler  ClientHandler
	reliable bool

	// Of the shard.
	state    state
	admitted bool
	final    bool          // a final response went to the handler
	interval time.Duration // of Timer A or E
	retry    timer         // Timer A or E; on a reliable flow the watch over it
	life     timer         // Timers B, D, F, K, M and the wait after a CANCEL
	ack      *sip.Message  // for the non-2xx response
	cancel   *cancelling   // nil if nobody wants it cancelled
}

func newClient(sh *shard, f sip.Flow, req *sip.Message, h ClientHandler) *Client {
	if h == nil {
		h = nobody{}
	}
	c := &Client{shard: sh, flow: f, req: req, handler: h, reliable: f.Reliable()}
	c.retry.owner, c.life.owner = c, c
	return c
}

// Request is the request as it was sent.
func (c *Client) Request() *sip.Message { return c.req }

// Flow is where the request went.
func (c *Client) Flow() sip.Flow { return c.flow }

// Cancel sends CANCEL for an INVITE (with a Reason header field if reason is not ""):
// at once, or when the first provisional response comes (rfc3261#9.1); nothing after a
// final response. If no final response follows in 64*T1, the transaction ends with
// ErrTimeout.
func (c *Client) Cancel(reason string) {
	c.shard.post(event{f: func() { c.wantCancel(reason) }})
}

func (c *Client) isInvite() bool { return c.req.Method() == sip.INVITE }

func (c *Client) key() clientKey {
	via, _ := c.req.Via()
	return clientKey{via.Branch, c.req.Method()}
}

// start enters the table and sends the request.
func (c *Client) start() {
	if err := c.enter(); err != nil {
		c.end(err)
		return
	}
	if c.req.Method() == sip.ACK {
		c.sendOnce()
		return
	}
	c.interval = c.shard.layer.config.T1
	if c.isInvite() {
		c.state = calling
	} else {
		c.state = trying
	}
	c.shard.set(&c.life, c.shard.layer.long()) // Timer B, F
	if c.reliable {
		c.shard.set(&c.retry, watchEvery)
	} else {
		c.shard.set(&c.retry, c.interval) // Timer A, E
	}
	c.send(c.req)
}

func (c *Client) enter() error {
	key := c.key()
	switch {
	case c.shard.ending:
		return ErrClosed
	case key.branch == "" || c.shard.clients[key] != nil:
		return ErrBranch
	case !c.admit():
		return ErrOverload
	}
	c.admitted = true
	c.shard.clients[key] = c
	c.shard.nClients.Add(1)
	return nil
}

// admit lets a CANCEL in always: it makes room.
func (c *Client) admit() bool {
	if c.req.Method() == sip.CANCEL {
		c.shard.layer.live.Add(1)
		return true
	}
	return c.shard.layer.admit()
}

func (c *Client) sendOnce() {
	if c.send(c.req) {
		c.end(nil)
	}
}

// send ends the transaction if m can't be sent (rfc3261#17.1.4).
func (c *Client) send(m *sip.Message) bool {
	if err := c.flow.Send(m); err != nil {
		c.shard.layer.log.Debug("request not sent", "call", c.req.CallID(), "flow", c.flow.ID(), "err", err)
		c.end(ErrTransport)
		return false
	}
	return true
}

func (c *Client) receive(f sip.Flow, resp *sip.Message) {
	if c.isInvite() {
		c.receiveInvite(f, resp)
		return
	}
	c.receiveNonInvite(resp)
}

// tell hands a response up. A handler that panics at a provisional response can't be
// trusted with the call: it is cancelled.
func (c *Client) tell(resp *sip.Message) {
	c.final = c.final || resp.Status() >= 200
	ok := c.shard.guard("Response", c.req.CallID(), func() { c.handler.Response(c, resp) })
	if !ok {
		c.wantCancel("")
	}
}

func (c *Client) fire(t *timer) {
	c.shard.guard("timer", c.req.CallID(), func() { c.due(t) })
}

func (c *Client) due(t *timer) {
	switch {
	case t == &c.life:
		c.expire()
	case c.reliable:
		c.watch()
	default:
		c.resend()
	}
}

// expire is the end of the last wait of a state.
func (c *Client) expire() {
	if c.final {
		c.end(nil) // Timer D, K, M
		return
	}
	c.end(ErrTimeout) // Timer B, F; rfc3261#9.1
}

func (c *Client) watch() {
	if gone(c.flow) {
		c.end(ErrTransport)
		return
	}
	c.shard.set(&c.retry, watchEvery)
}

func gone(f sip.Flow) bool {
	select {
	case <-f.Done(): // never, if nil
		return true
	default:
		return false
	}
}

// resend is Timer A or E.
func (c *Client) resend() {
	c.shard.retransmits.Add(1)
	if !c.send(c.req) {
		return
	}
	c.interval *= 2 // rfc3261#17.1.1.2
	if !c.isInvite() {
		c.interval = c.nextE()
	}
	c.shard.set(&c.retry, c.interval)
}

// settle leaves the states that wait for an answer and stays for d, to catch what is
// sent again.
func (c *Client) settle(st state, d time.Duration) {
	c.state = st
	c.shard.stop(&c.retry)
	c.shard.set(&c.life, d)
}

func (c *Client) end(err error) {
	if c.state == terminated {
		return
	}
	c.state = terminated
	c.shard.stop(&c.retry)
	c.shard.stop(&c.life)
	if c.admitted {
		delete(c.shard.clients, c.key())
		c.shard.nClients.Add(-1)
		c.shard.layer.live.Add(-1)
	}
	if c.final {
		err = nil
	}
	c.shard.guard("Ended", c.req.CallID(), func() { c.handler.Ended(c, err) })
}
