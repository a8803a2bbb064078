// Package sipedge is where SIP meets parley: it takes requests from the transports, proves who
// asks, has their plan made, and hands the plan's targets to the proxy or to the
// back-to-back user agent. It keeps no accounts and no bindings of its own.
package sipedge

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/b2bua"
	"parley/sip/digest"
	"parley/sip/proxy"
	"parley/sip/transaction"
	"parley/sip/transport"
)

// Registrar answers the REGISTER of an authenticated account. device is the one whose token proved it, "" if none did.
type Registrar interface {
	Register(ctx context.Context, a core.Address, device string, f sip.Flow, req *sip.Message) *sip.Builder
}

// Agent is a user agent inside the process. Its requests and responses travel over a
// memory flow, so that it is reached by the same interface as a phone.
type Agent interface {
	Serve(s *transaction.Server)
	ACK(f sip.Flow, ack *sip.Message)
}

// Caller is an Agent that calls for others, whom it has proved itself: it says who one of its INVITEs is from. An error
// refuses it.
type Caller interface {
	Caller(invite *sip.Message) (core.Caller, error)
}

// Addresses prepares an account's address from the user and host of a SIP URI.
type Addresses func(user, host string) (core.Address, error)

// Config of an Edge.
type Config struct {
	Domains []string // ours; the first is meant by a URI that has only our IP address
	// Key signs what the edge gives away and takes back: nonces and flow tokens.
	Key []byte
	// Settings are what may change while the edge works; they are asked for at each request. Default their
	// zero value.
	Settings      func() Settings
	NonceLifetime time.Duration
	TimerC        time.Duration
	MaxBreadth    int
	// Working is how many requests may be at work at once; past it they get 503. Default 1024.
	Working   int
	T1        time.Duration
	T2        time.Duration
	T4        time.Duration
	Limit     int // transactions at once
	Transport transport.Config
	Server    string // our Server header field
	Now       func() time.Time
	Log       *slog.Logger
}

// Settings may change while the edge works.
type Settings struct {
	// SHA256Agents and MD5Agents are beginnings of User-Agent values: the first are
	// challenged with SHA-256 before MD5 (rfc8760), the second and all unknown ones with MD5 alone,
	// since many phones break on two challenges.
	SHA256Agents []string
	MD5Agents    []string
	MaxDuration  time.Duration // the longest a call may last; default 12h
}

// Planner makes the plan of a call.
type Planner interface {
	Plan(context.Context, *core.Call) (*core.Plan, error)
}

// Ports are what the edge needs from the rest.
type Ports struct {
	Accounts  core.Accounts
	Guard     core.Guard
	Devices   core.Devices // whose tokens are taken; nil: none are
	Planner   Planner
	Registrar Registrar
	Addresses Addresses
	// Message answers a MESSAGE that a plan was made for. Nil: it goes to the plan's targets, as a call does.
	Message func(ctx context.Context, c *core.Call, f sip.Flow, req *sip.Message) *sip.Builder
	Events  Events // nil: nothing can be subscribed to
	// Talking is told when the first of an account's calls was answered, and when its last one is over. It must not block.
	// nil: nobody wants to know.
	Talking func(a core.Address, on bool)
	// Anchor makes what carries a back-to-back call's media; if it is nil, or gives nil, bodies pass as they are.
	Anchor func(*core.Call) b2bua.Media
}

// Edge is the SIP side of the server.
type Edge struct {
	cfg       Config
	ports     Ports
	log       *slog.Logger
	transport *transport.Layer
	layer     *transaction.Layer
	proxy     *proxy.Proxy
	b2b       *backToBack
	tokens    tokens
	nonces    *digest.Nonces
	dummy     string // an HA1 nobody has: unknown users cost as much as known ones
	agents    agents
	calls     calls

	slots    chan struct{}
	closing  sync.Mutex // over closed, and over adding to working
	closed   bool
	working  sync.WaitGroup
	stop     context.CancelFunc
	ctx      context.Context
	draining atomic.Bool
}

// New makes an edge that listens nowhere yet.
func New(cfg Config, ports Ports) *Edge {
	if cfg.Working == 0 {
		cfg.Working = 1024
	}
	if cfg.Settings == nil {
		cfg.Settings = func() Settings { return Settings{} }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e := &Edge{
		cfg: cfg, ports: ports, log: cfg.Log,
		tokens: tokens{key: subkey(cfg.Key, "flow token")},
		nonces: digest.NewNonces(subkey(cfg.Key, "nonce"), cfg.NonceLifetime),
		slots:  make(chan struct{}, cfg.Working),
		dummy:  hex.EncodeToString(subkey(cfg.Key, "nobody's password")),
	}
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.layer = transaction.New(transaction.Config{
		T1: cfg.T1, T2: cfg.T2, T4: cfg.T4, Limit: cfg.Limit, Log: cfg.Log,
		OnRequest: e.onRequest, OnACK: e.onACK,
		Return: func(gone sip.Flow, req *sip.Message, found func(sip.Flow)) { e.transport.Return(gone, req, found) },
	})
	cfg.Transport.Handler = e.layer.Receive
	cfg.Transport.Log = cfg.Log
	e.transport = transport.New(cfg.Transport)
	e.b2b = newBackToBack(e)
	e.calls.log = cfg.Log
	e.calls.talk.tell = ports.Talking
	e.proxy = proxy.New(proxy.Config{
		Layer: e.layer, Log: cfg.Log, TimerC: cfg.TimerC, MaxBreadth: uint32(max(cfg.MaxBreadth, 0)),
	})
	return e
}

// Transport is where listeners are added.
func (e *Edge) Transport() *transport.Layer { return e.transport }

// Layer is where agents inside the process have their transactions.
func (e *Edge) Layer() *transaction.Layer { return e.layer }

// Calls is how many calls ring or are up.
func (e *Edge) Calls() int { return e.calls.count() }

// Load is what the edge has at hand.
type Load struct {
	Requests   int // that wait for the data folder
	Forwards   int // requests that were forwarded and are not over
	BackToBack int // calls whose dialogs are ours
}

// Load counts what is at hand now.
func (e *Edge) Load() Load {
	return Load{Requests: len(e.slots), Forwards: e.proxy.Active(), BackToBack: e.b2b.ua.Count()}
}

// Draining says that no new calls are taken any more.
func (e *Edge) Draining() bool { return e.draining.Load() }

// flow finds a flow by its ID: that of a peer or of an agent inside the process.
func (e *Edge) flow(id string) (sip.Flow, bool) {
	if f, ok := e.agents.flow(id); ok {
		return f, true
	}
	return e.transport.Flow(id)
}

// onRequest sorts a new request; it runs on a shard and does nothing that takes time.
func (e *Edge) onRequest(s *transaction.Server) {
	if a, ok := e.agents.at(s.Flow()); ok {
		a.Serve(s)
		return
	}
	req := s.Request()
	if v := e.proxy.Check(req); v != nil && (v.Status != 483 || !e.forUs(s)) {
		e.proxy.Refuse(s, v)
		return
	}
	routed, popped, err := proxy.Preprocess(req, e.ours(s.Flow(), req.CallID()))
	if err != nil {
		e.refuse(s, 400, "Bad Route")
		return
	}
	in := &inbound{edge: e, server: s, req: routed, flow: s.Flow(), popped: popped}
	if e.inDialog(in) {
		return
	}
	e.work(in)
}

// work handles an initial request on a goroutine of its own, as many at a time as allowed.
func (e *Edge) work(in *inbound) {
	if !e.enter() {
		e.respond(in.server, in.req.Response(503, "Busy").Set(sip.HeaderRetryAfter, "5"))
		return
	}
	go func() {
		defer func() {
			if p := recover(); p != nil {
				e.log.Error("request failed", "call", in.req.CallID(), "panic", p)
				e.refuse(in.server, 500, "")
			}
			<-e.slots
			e.working.Done()
		}()
		in.serve(e.ctx)
	}()
}

// enter takes a slot for a request, unless none is free or the edge is closing.
func (e *Edge) enter() bool {
	e.closing.Lock()
	defer e.closing.Unlock()
	if e.closed {
		return false
	}
	select {
	case e.slots <- struct{}{}:
		e.working.Add(1)
		return true
	default:
		return false
	}
}

// respond sends a response made of a builder, with our To tag if it has none.
func (e *Edge) respond(s *transaction.Server, b *sip.Builder) {
	if e.cfg.Server != "" {
		b.Set(sip.HeaderServer, e.cfg.Server)
	}
	resp, err := b.ToTag(e.tokens.tag(s.Request())).Message()
	if err != nil {
		e.log.Error("response could not be written", "call", s.Request().CallID(), "err", err)
		return
	}
	s.Respond(resp)
}

func (e *Edge) refuse(s *transaction.Server, status int, reason string) {
	e.respond(s, s.Request().Response(status, reason))
}

// fail answers with what an error says to a peer.
func (e *Edge) fail(s *transaction.Server, err error) {
	ce := core.AsError(err)
	if ce.Reason == core.Internal {
		e.log.Error("request failed", "call", s.Request().CallID(), "err", err)
	}
	b := s.Request().Response(status(ce.Reason), phrase(ce.Public))
	if ce.Retry > 0 {
		b.Set(sip.HeaderRetryAfter, seconds(ce.Retry))
	}
	e.respond(s, b)
}

// isOurs says whether a Route or Request-URI names this server.
func (e *Edge) isOurs(u sip.URI, f sip.Flow) bool {
	_, ok := e.domainOf(u.Host, f)
	return ok
}

// domainOf gives the domain that a host means: one of ours, or, by an IP address of ours, the
// first. Many a desk phone knows its server by address alone.
func (e *Edge) domainOf(host string, f sip.Flow) (string, bool) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, d := range e.cfg.Domains {
		if host == d {
			return d, true
		}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "", false
	}
	if addr.Unmap() == f.Local().Addr().Unmap() || host == advertisedHost(f) {
		return e.cfg.Domains[0], true
	}
	return "", false
}

func advertisedHost(f sip.Flow) string {
	u, err := sip.ParseURI("sip:" + f.Advertised())
	if err != nil {
		return ""
	}
	return u.Host
}

// address prepares the account address that a URI names; ok is false for one that is not ours.
func (e *Edge) address(u sip.URI, f sip.Flow) (a core.Address, ours bool, err error) {
	domain, ours := e.domainOf(u.Host, f)
	if !ours {
		return core.Address{}, false, nil
	}
	a, err = e.ports.Addresses(u.User, domain)
	return a, true, err
}

// Run does what is due from time to time, until ctx ends.
func (e *Edge) Run(ctx context.Context) {
	tick := time.NewTimer(min(time.Minute, e.maxDuration()))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			e.calls.forget(e.cfg.Now().Add(-e.maxDuration()))
			tick.Reset(min(time.Minute, e.maxDuration()))
		}
	}
}

func (e *Edge) maxDuration() time.Duration { return cmp.Or(e.cfg.Settings().MaxDuration, 12*time.Hour) }

// Drain refuses new calls and gives running ones until ctx ends; then they are ended.
func (e *Edge) Drain(ctx context.Context) error {
	e.draining.Store(true)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for e.calls.count() > 0 {
		select {
		case <-ctx.Done():
			e.b2b.endAll("server is stopping")
			return errors.New("sipedge: calls were still up at the deadline")
		case <-tick.C:
		}
	}
	return nil
}

// Close stops everything at once.
func (e *Edge) Close() {
	e.closing.Lock()
	e.closed = true
	e.closing.Unlock()
	e.stop()
	e.b2b.close() // it says goodbye, so the way out has to be open still
	e.working.Wait()
	e.transport.Close()
	e.layer.Close()
}
