package calls

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"runtime/debug"
	"time"

	"parley/internal/bridge"
	"parley/internal/core"
	"parley/sdp"
	"parley/sip/dialog"
	"parley/xmpp"
	"parley/xmpp/carbons"
	"parley/xmpp/hints"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/jingle"
)

// state is how far a call has come.
type state uint8

const (
	ringing   state = iota // nobody has taken it
	taken                  // a phone has answered an app's proposal, whose session is to begin
	beginning              // a Jingle session has begun and is not accepted
	up                     // both sides talk
)

// call is one call between an app and the SIP side. Its fields belong to its goroutine, but for those of the first
// paragraph, which don't change.
type call struct {
	x        *Calls
	id       string         // the Call-ID that it has on the SIP side
	sid      string         // of the Jingle session, and the id of what goes before it
	own      jid.JID        // whom the app talks to; bare if the app began a session with a bare address
	session  *im.Session    // stands for own
	begun    intent         // what an app has begun; zero if the SIP side did
	proposed bool           // it has proposed it, and makes its offer later
	accounts []core.Address // that it counts for
	callee   core.Address
	queue    queue

	state   state
	over    bool
	dialog  *dialog.Session
	in      *dialog.Incoming // the INVITE that waits for an answer
	late    bool             // our 2xx had an offer; the ACK has the answer
	rung    []*rung          // the apps that were told of it
	app     *im.Session      // who the Jingle session is with
	intents bool             // the call was agreed on by messages
	told    bool             // somebody rings, and the other side knows
	planned bool             // there are SIP targets

	sip, jingle bridge.Media // what the two sides have said
	before      []*jingle.Jingle
	version     uint64
	number      uint64 // of our session descriptions
	pending     map[string]func(*xmpp.Stanza)
	modifying   int  // requests to change senders that the app has not answered
	offering    bool // a re-INVITE is under way
	again       []*jingle.Jingle
	timers      map[string]func()
	trickles    bool   // the SIP side takes candidates one by one
	lite        bool   // and needs none
	gathered    func() // what waits for the app's candidates
	foundations bridge.Foundations
}

// rung is an app that was told of a call.
type rung struct {
	App
	out bool // it doesn't ring any more
}

func newCall(x *Calls, id string) *call {
	c := &call{
		x: x, id: id, queue: queue{wake: make(chan struct{}, 1)}, pending: map[string]func(*xmpp.Stanza){},
		timers: map[string]func(){}, number: uint64(x.c.Rand(1 << 62)),
	}
	return c
}

// at makes the call's address.
func (c *call) at(own jid.JID) {
	c.own = own
	c.session = im.NewSession(own, outbox{c}, im.Info{Network: "SIP", Phone: true})
}

// role is the app's in the Jingle session.
func (c *call) role() jingle.Party {
	if c.begun != (intent{}) {
		return jingle.Initiator
	}
	return jingle.Responder
}

// newID makes a random UUID, as xep0353#3.1 wants ids to be.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // which never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// newResource names one call's other side. It tells nothing of it.
func newResource() string { return "call-" + rand.Text()[:12] }

func (c *call) post(f func()) { c.queue.put(item{do: f}) }

// run is the call's goroutine.
func (c *call) run() {
	defer c.x.drop(c)
	defer c.session.Finish()
	defer c.queue.close()
	for !c.over {
		select {
		case <-c.queue.wake:
			for _, i := range c.queue.take() {
				switch {
				case !c.over:
					c.guard(i.do)
				case i.late != nil:
					i.late()
				}
			}
		case <-c.lost():
			c.guard(c.appLost)
		}
	}
}

// lost is closed when the app's session is gone for good.
func (c *call) lost() <-chan struct{} {
	if c.app == nil {
		return nil
	}
	return c.app.Finished()
}

// guard keeps a mistake of ours inside the call that it is made in.
func (c *call) guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			c.x.c.Log.Error("call failed", "call", c.id, "panic", r, "stack", string(debug.Stack()))
			c.end(ending{reason: &jingle.Reason{Condition: jingle.GeneralError}, status: 500})
		}
	}()
	f()
}

// after has f run on the call's goroutine in a while. A timer of the same name is replaced.
func (c *call) after(name string, d time.Duration, f func()) {
	c.stop(name)
	c.timers[name] = c.x.ports.Layer.After(c.id, d, func() { c.post(f) })
}

func (c *call) stop(name string) {
	if stop := c.timers[name]; stop != nil {
		stop()
		delete(c.timers, name)
	}
}

// origin is that of the next description for the SIP side.
func (c *call) origin() sdp.Origin {
	c.version++
	return sdp.Origin{Host: netip.IPv4Unspecified(), ID: c.number, Version: c.version}
}

// ending is the end of a call.
type ending struct {
	reason *jingle.Reason
	status int    // for a caller that waits for an answer; 0: what the reason comes to
	header string // the Reason header field; "": what the reason comes to
	bySIP  bool   // the SIP side has ended it
	byApp  bool   // the app has ended it
}

// end ends the call on the side that does not know it yet.
func (c *call) end(e ending) {
	if c.over {
		return
	}
	c.over = true
	for name := range c.timers {
		c.stop(name)
	}
	if e.reason == nil {
		e.reason = &jingle.Reason{Condition: jingle.GeneralError}
	}
	if e.status == 0 {
		e.status = bridge.Status(e.reason)
	}
	if e.header == "" {
		e.header = bridge.Header(e.reason)
	}
	if !e.bySIP && c.dialog != nil {
		c.dialog.End(e.status, e.header)
	}
	c.part(e)
	c.x.c.Log.Info("app's call ended", "call", c.id, "app", c.appName(), "reason", string(e.reason.Condition), "status", e.status,
		"by app", e.byApp, "by SIP", e.bySIP)
}

func (c *call) appName() string {
	if c.app != nil {
		return c.app.JID().String()
	}
	return c.begun.by.String()
}

// part tells the apps that the call is over.
func (c *call) part(e ending) {
	c.stopRinging(e)
	if c.begun != (intent{}) && c.app == nil && !e.byApp {
		c.refuseCaller(e)
	}
	if c.app == nil {
		return
	}
	if !e.byApp {
		c.tell(&jingle.Jingle{Action: jingle.SessionTerminate, SID: c.sid, Reason: e.reason})
	}
	if c.intents && c.state == up {
		_ = c.say(c.own, c.app.JID(), &jingle.Intent{Step: jingle.Finish, ID: c.sid, Reason: e.reason}, stored) // which is in the log
	}
}

// appLost ends the call of an app that is gone for good.
func (c *call) appLost() {
	c.end(ending{
		reason: &jingle.Reason{Condition: jingle.Gone}, byApp: true, header: `SIP;cause=503;text="The app's connection is gone"`,
	})
}

// outbox takes what is sent to the address that an app talks to.
type outbox struct{ call *call }

// Send implements im.Outbox.
func (o outbox) Send(st *xmpp.Stanza, done func(bool)) {
	c := o.call
	if done != nil {
		go done(true)
	}
	late := func() {
		if st.Kind() == xmpp.IQ && !st.IsError() {
			c.x.answer(st.Fail(unknownSession(st)))
		}
	}
	switch {
	case c.queue.offer(item{func() { c.hear(st) }, late}):
	case c.queue.isClosed():
		go late()
	case st.Kind() == xmpp.IQ && !st.IsError():
		go c.x.answer(st.Fail(&xmpp.StanzaError{Condition: xmpp.ResourceConstraint}))
	}
}

// End implements im.Outbox.
func (outbox) End(*xmpp.StreamError) {}

// unknownSession is the answer to a request of a call that is over (xep0166#10).
func unknownSession(st *xmpp.Stanza) *xmpp.StanzaError {
	if _, ok := st.Part(jingle.NS, "jingle"); ok {
		return asStanzaError(jingle.UnknownSession())
	}
	return &xmpp.StanzaError{Condition: xmpp.ServiceUnavailable}
}

// answer gives an app what it asked for.
func (x *Calls) answer(st *xmpp.Stanza) {
	if s := x.ports.Sessions.Get(st.To()); s != nil {
		s.Send(st)
	}
}

// keeping says what of a message is kept.
type keeping string

const (
	stored    keeping = hints.Store
	notStored keeping = hints.NoStore
)

// submitTime bounds how long a message may take to be kept.
const submitTime = 10 * time.Second

// say sends a step of message initiation. What goes to one app alone is not copied to its account's others
// (xep0280#6.1), who are told themselves.
func (c *call) say(from, to jid.JID, i *jingle.Intent, keep keeping) error {
	b := xmpp.NewBuilder(nil)
	i.Append(b)
	b.Open(string(keep), hints.NS).Close()
	if i.Step == jingle.Propose || i.Step == jingle.Retract || i.Step == jingle.Accept {
		b.Open("private", carbons.NS).Close()
	}
	st, err := xmpp.New(xmpp.Message, xmpp.Header{From: from, To: to, ID: rand.Text(), Type: "chat"}, b.String())
	if err != nil {
		return fmt.Errorf("calls: write %s: %w", i.Step, err)
	}
	c.session.Direct(to, maxDirected) // it may ask us
	ctx, cancel := context.WithTimeout(c.x.ctx, submitTime)
	defer cancel()
	if _, err = c.x.ports.Submit(ctx, nil, st); err != nil {
		c.x.c.Log.Info("a step of a call did not pass", "call", c.id, "step", string(i.Step), "to", to.String(), "err", err)
	}
	return err
}

// tell sends a request of the session to its app, and does not look at the answer.
func (c *call) tell(j *jingle.Jingle) { c.ask(c.app, j, func(*xmpp.Stanza) {}) }

// maxPending bounds the requests that an app has not answered.
const maxPending = 64

// ask sends a request of the session. done hears of the answer on the call's goroutine; never, if the call ends before.
func (c *call) ask(to *im.Session, j *jingle.Jingle, done func(answer *xmpp.Stanza)) {
	if len(c.pending) >= maxPending {
		c.end(ending{reason: &jingle.Reason{Condition: jingle.Timeout, Text: "the app answers nothing"}})
		return
	}
	id := rand.Text()
	st, err := xmpp.New(xmpp.IQ, xmpp.Header{From: c.own, To: to.JID(), ID: id, Type: "set"}, j.XML())
	if err != nil { // what came from the SIP side can't be said
		c.x.c.Log.Error("a request of a call could not be written", "call", c.id, "action", string(j.Action), "err", err)
		return
	}
	if !c.own.IsBare() { // answers to a bare address are not told from others
		c.pending[id] = done
	}
	c.session.Direct(to.JID(), maxDirected)
	to.Send(st)
}

// maxDirected bounds the apps of a call.
const maxDirected = 64

// hear takes what came to the address that the app talks to.
func (c *call) hear(st *xmpp.Stanza) {
	switch {
	case st.Kind() == xmpp.Message:
		c.message(st)
	case st.Kind() != xmpp.IQ:
	case st.IsError():
		if done := c.pending[st.ID()]; done != nil {
			delete(c.pending, st.ID())
			done(st)
		}
	default:
		c.request(st)
	}
}

func (c *call) message(st *xmpp.Stanza) {
	p, ok := st.Part(jingle.NSMessage, "")
	if !ok {
		return
	}
	i, err := jingle.ParseIntent(st.Element(p))
	if err != nil || i.ID != c.sid {
		return
	}
	if c.begun != (intent{}) {
		if st.From() == c.begun.by && !st.IsError() {
			c.settled(i)
		}
		return
	}
	if r := c.ringingAt(st.From()); r != nil {
		c.replied(r, i, st.IsError())
	}
}

// request answers what the app asks.
func (c *call) request(st *xmpp.Stanza) {
	p, ok := st.Payload()
	switch {
	case ok && p.Space == jingle.NS && st.Type() == "set":
		j, err := jingle.Parse(st.Element(p))
		if err == nil {
			err = c.act(st, j)
		}
		if err != nil {
			c.x.answer(st.Fail(asStanzaError(err)))
		}
	case ok && st.Type() == "get":
		c.question(st, p)
	default:
		c.x.answer(st.Fail(&xmpp.StanzaError{Condition: xmpp.ServiceUnavailable}))
	}
}

// agree answers a request with an empty result.
func (c *call) agree(st *xmpp.Stanza) { c.x.answer(st.Result("")) }
