package calls

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"parley/internal/address"
	"parley/internal/core"
	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/transaction"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/jingle"
)

// allow is what the agent can be asked.
const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"

const sdpType = "application/sdp"

// Config of Calls; zero fields take their defaults.
type Config struct {
	Limit      int           // calls at once; default 2000
	PerAccount int           // of one account, in either role; default 10
	Ring       time.Duration // how long a call may go without an answer; default 3 minutes
	Begin      time.Duration // between an answer and the session that it agrees to; default 20 s
	Linger     time.Duration // how long the address of a call that is over tells that it is; default 30 s
	T1, T2     time.Duration // the Layer's
	Server     string        // what the agent calls itself
	// Rand gives a number from 0 to n-1; default math/rand/v2.
	Rand func(n int) int
	Log  *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Limit = cmp.Or(c.Limit, 2000)
	c.PerAccount = cmp.Or(c.PerAccount, 10)
	c.Ring = cmp.Or(c.Ring, 3*time.Minute)
	c.Begin = cmp.Or(c.Begin, 20*time.Second)
	c.Linger = cmp.Or(c.Linger, 30*time.Second)
	if c.Rand == nil {
		c.Rand = rand.IntN
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Ports are what Calls asks.
type Ports struct {
	Apps     *Apps
	Layer    *transaction.Layer
	Sessions *im.Table
	// Submit takes a message for its recipient.
	Submit func(ctx context.Context, s *im.Session, st *xmpp.Stanza) (im.Fate, error)
	// Plan says whom a call would reach.
	Plan func(ctx context.Context, c *core.Call) (*core.Plan, error)
	// Bindings are an account's SIP devices.
	Bindings func(ctx context.Context, a core.Address) ([]core.Binding, error)
	// Flow is the way by which calls are placed; it is asked for once the agent has one.
	Flow func() sip.Flow
	// Serves says whether a domain is one of ours.
	Serves func(domain string) bool
}

// Calls is the apps' user agent, and the other side of their calls.
type Calls struct {
	c     Config
	ports Ports
	ua    *dialog.UA

	mu       sync.Mutex
	live     map[*call]struct{}
	byOwn    map[jid.JID]*call // by the address that the app talks to; also those that were over a moment ago
	byIntent map[intent]*call  // those that an app has begun
	byCallID map[string]*call  // those that were placed
	sids     map[string]int    // of calls that were proposed to apps
	accounts map[core.Address]int
	early    map[intent]time.Time // what was settled before its call was heard of
	closing  bool
	running  sync.WaitGroup
	ctx      context.Context //nolint:containedctx // of all that calls have to say
	stop     context.CancelFunc
}

// intent names a call that an app has begun.
type intent struct {
	by jid.JID // full
	id string
}

// New makes Calls without any.
func New(c Config, p Ports) *Calls {
	c = c.withDefaults()
	x := &Calls{
		c: c, ports: p, live: map[*call]struct{}{}, byOwn: map[jid.JID]*call{}, byIntent: map[intent]*call{},
		byCallID: map[string]*call{}, sids: map[string]int{}, accounts: map[core.Address]int{}, early: map[intent]time.Time{},
	}
	x.ua = dialog.NewUA(dialog.Config{
		Layer: p.Layer, T1: c.T1, T2: c.T2, Limit: 2 * c.Limit, Allow: allow, Server: c.Server, Log: c.Log,
	})
	x.ctx, x.stop = context.WithCancel(context.Background())
	return x
}

// Count is how many calls there are.
func (x *Calls) Count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.live)
}

// Why a call is not taken.
var (
	errClosing = errors.New("calls: the server is stopping")
	errLimit   = errors.New("calls: there are too many")
	errAgain   = errors.New("calls: the call has been here before")
)

// admit counts a call in, and gives it its address.
func (x *Calls) admit(c *call) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.closing:
		return errClosing
	case len(x.live) >= x.c.Limit:
		return errLimit
	}
	for _, a := range c.accounts {
		if x.accounts[a] >= x.c.PerAccount {
			return errLimit
		}
	}
	if c.begun != (intent{}) {
		if x.byIntent[c.begun] != nil || x.sids[c.sid] > 0 {
			return errAgain
		}
		x.byIntent[c.begun] = c
	} else {
		x.sids[c.sid]++
	}
	for _, a := range c.accounts {
		x.accounts[a]++
	}
	x.live[c] = struct{}{}
	if !c.own.IsBare() {
		x.byOwn[c.own] = c
	}
	x.byCallID[c.id] = c
	x.running.Add(1)
	return nil
}

// drop takes a call out whose goroutine has ended. Its address goes a while later.
func (x *Calls) drop(c *call) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.live, c)
	delete(x.byCallID, c.id)
	if c.begun != (intent{}) {
		delete(x.byIntent, c.begun)
	} else if x.sids[c.sid]--; x.sids[c.sid] == 0 {
		delete(x.sids, c.sid)
	}
	for _, a := range c.accounts {
		if x.accounts[a]--; x.accounts[a] == 0 {
			delete(x.accounts, a)
		}
	}
	x.ports.Layer.After(c.id, x.c.Linger, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.byOwn, c.own)
	})
	x.running.Done()
}

// Session is the one of a full address that an app talks to; nil if there is none. It implements delivery.Calls.
func (x *Calls) Session(full jid.JID) *im.Session {
	if s := x.ports.Apps.Session(full); s != nil {
		return s
	}
	if c := x.at(full); c != nil {
		return c.session
	}
	return nil
}

func (x *Calls) at(own jid.JID) *call {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.byOwn[own]
}

// Heard is told of each message by which a call is agreed on, once it was delivered. It implements delivery.Calls.
func (x *Calls) Heard(s *im.Session, st *xmpp.Stanza) {
	p, ok := st.Part(jingle.NSMessage, "")
	if !ok || x.at(st.From()) != nil {
		return // we have said it
	}
	i, err := jingle.ParseIntent(st.Element(p))
	if err != nil {
		return
	}
	switch i.Step {
	case jingle.Propose:
		if s != nil && st.To().IsBare() {
			x.proposed(s, st.To(), i)
		}
	case jingle.Retract, jingle.Finish:
		x.settled(intent{st.From(), i.ID}, i)
	case jingle.Proceed, jingle.Reject:
		x.settled(intent{st.To(), i.ID}, i)
	case jingle.Ring, jingle.Accept:
	}
}

// maxEarly bounds what is remembered of calls that were settled before they were heard of.
const maxEarly = 1000

// settled ends a call that its caller has taken back, or that an app of the callee has taken or refused. One may do so
// before the server is done with the propose.
func (x *Calls) settled(which intent, i *jingle.Intent) {
	x.mu.Lock()
	c := x.byIntent[which]
	if c == nil {
		if len(x.early) >= maxEarly {
			clear(x.early)
		}
		x.early[which] = time.Now()
	}
	x.mu.Unlock()
	if c != nil {
		c.post(func() { c.settled(i) })
	}
}

// wasSettled says that a call needs not begin any more.
func (x *Calls) wasSettled(which intent) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	at, ok := x.early[which]
	delete(x.early, which)
	return ok && time.Since(at) < x.c.Ring
}

// Caller says who one of our INVITEs is from. It implements sipedge.Caller.
func (x *Calls) Caller(invite *sip.Message) (core.Caller, error) {
	x.mu.Lock()
	c := x.byCallID[invite.CallID()]
	x.mu.Unlock()
	if c == nil || c.begun == (intent{}) {
		return core.Caller{}, core.Fail(core.Forbidden, "nobody calls by this", nil)
	}
	return c.caller(), nil
}

// Serve takes a request that came over the agent's end of a flow.
func (x *Calls) Serve(s *transaction.Server) { x.ua.Alone(s, x.invited) }

// ACK takes an ACK that came over the agent's end of a flow.
func (x *Calls) ACK(_ sip.Flow, ack *sip.Message) { x.ua.ACK(ack) }

// jidOf is the bare address of somebody, with an account here or not.
func (x *Calls) jidOf(a core.Address) (j jid.JID, ours bool) {
	if x.ports.Serves(a.Domain) {
		return address.JID(a), true
	}
	return strangeJID(a), false
}

// Close takes no more calls, ends those there are, and returns when they are over. What they say to the other side is
// not waited for.
func (x *Calls) Close(ctx context.Context) error {
	x.mu.Lock()
	x.closing = true
	all := make([]*call, 0, len(x.live))
	for c := range x.live {
		all = append(all, c)
	}
	x.mu.Unlock()
	for _, c := range all {
		c.post(func() {
			c.end(ending{reason: &jingle.Reason{Condition: jingle.Gone, Text: "the server is stopping"}, status: 503})
		})
	}
	done := make(chan struct{})
	go func() {
		x.running.Wait()
		close(done)
	}()
	defer x.stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		x.stop() // whatever a call waits for, it waits no longer
		<-done
		return ctx.Err()
	}
}
