// Package xmppedge is where XMPP clients connect (RFC 6120): over TCP with STARTTLS, over direct TLS (XEP-0368) and
// over WebSocket (RFC 7395). It owns the connections: their negotiation up to a bound resource, their limits, and
// stream management (XEP-0198), by which a session outlives its connection.
//
// What a session says goes to a Chat; what is said to it comes through its im.Outbox. A connection that is idle costs
// one goroutine in a read with a small buffer: nothing that writes, no scanner, no large buffer.
package xmppedge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/core"
	"parley/listen"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// ErrClosed is what a closed edge refuses with.
var ErrClosed = errors.New("xmppedge: the edge is closed")

// Ports are what the edge needs of the rest.
type Ports struct {
	Credentials core.Credentials
	Guard       core.Guard
	// Addresses prepares an account's address. Its domain is in ASCII; that of a JID is in Unicode.
	Addresses func(local, domain string) (core.Address, error)
	Sessions  *im.Table
	// Devices are those whose tokens are taken; nil: none are.
	Devices core.Devices
	Chat    Chat
}

// Chat is where what clients say goes.
type Chat interface {
	// Handle takes one stanza of a bound session; its from is the session's full address. It returns once nothing of it can be
	// lost any more: only then it counts as handled (xep0198#4).
	Handle(ctx context.Context, s *im.Session, st *xmpp.Stanza)
	// Ended is told of a session that is gone (it is out of the table already).
	Ended(ctx context.Context, s *im.Session)
}

// Config of an Edge.
type Config struct {
	// Domains are those whose accounts may sign in, in ASCII. The first is the server's own name.
	Domains []string
	// TLS is for STARTTLS and direct TLS; nil: there is none.
	TLS *tls.Config
	// WithoutTLS lets clients sign in on connections that are not encrypted, by SCRAM.
	WithoutTLS bool
	// Features are put into a stream's features once a client has signed in, as XML that names its namespaces.
	Features string
	Limits   Limits
	Log      *slog.Logger
}

// Edge is the XMPP side of the server.
type Edge struct {
	cfg    Config
	limits atomic.Pointer[Limits]
	ports  Ports
	log    *slog.Logger
	hosts  map[string]string // served domains: in Unicode, and as they are in core
	host   string            // the server's own name, in Unicode
	gate   *listen.Gate
	pools  pools
	quiet  time.Duration

	tls     *tls.Config
	ctx     context.Context //nolint:containedctx // of all that is done for clients
	cancel  context.CancelFunc
	running sync.WaitGroup

	refused, failed atomic.Uint64

	closed atomic.Bool // set under mu

	mu        sync.Mutex
	listeners []net.Listener
	conns     map[*conn]struct{}
	sessions  map[*im.Session]*session
	resumable map[string]*session // by the id of XEP-0198
	past      past
}

// New makes an Edge that listens nowhere yet.
func New(c Config, p Ports) *Edge {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	e := &Edge{
		cfg: c, quiet: quiet, ports: p, log: c.Log,
		hosts: map[string]string{}, conns: map[*conn]struct{}{}, sessions: map[*im.Session]*session{}, resumable: map[string]*session{},
	}
	for i, d := range c.Domains {
		name, err := jid.Domain(d)
		if err != nil {
			c.Log.Error("not a domain that XMPP can serve", "domain", d, "err", err)
			continue
		}
		if i == 0 {
			e.host = name
		}
		e.hosts[name] = d
	}
	if c.TLS != nil {
		e.tls = c.TLS.Clone()
		e.tls.NextProtos = []string{alpn}
	}
	e.gate = listen.NewGate(0, 0)
	e.SetLimits(c.Limits)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// SetLimits changes what clients may make the edge hold or wait for. Connections that are there keep the time that they
// have to sign in.
func (e *Edge) SetLimits(l Limits) {
	l = l.withDefaults()
	e.limits.Store(&l)
	e.gate.Set(l.Connections, l.PerAddress)
}

// ListenTCP listens for connections that may ask for STARTTLS.
func (e *Edge) ListenTCP(ctx context.Context, addr string) (net.Addr, error) {
	return e.listen(ctx, addr, false)
}

// ListenTLS listens for connections that begin with TLS (XEP-0368).
func (e *Edge) ListenTLS(ctx context.Context, addr string) (net.Addr, error) {
	if e.cfg.TLS == nil {
		return nil, errors.New("xmppedge: there is no TLS to listen with")
	}
	return e.listen(ctx, addr, true)
}

func (e *Edge) listen(ctx context.Context, addr string, direct bool) (net.Addr, error) {
	lc := listen.Config(e.limits.Load().DeadPeer)
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("xmppedge: listen on %s: %w", addr, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Load() {
		return nil, errors.Join(ErrClosed, l.Close())
	}
	e.listeners = append(e.listeners, l)
	e.running.Go(func() {
		listen.Accept(e.ctx, l, e.log, func(c net.Conn) { e.accept(c, direct) })
	})
	return l.Addr(), nil
}

// Stats counts connections and sessions.
type Stats struct {
	Connections map[string]int // by network
	Sessions    int            // also those that wait to be resumed
	Refused     uint64         // connections, for want of room
	Failed      uint64         // logins
}

// Stats are those of now.
func (e *Edge) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Stats{
		Connections: map[string]int{}, Sessions: len(e.sessions),
		Refused: e.refused.Load(), Failed: e.failed.Load(),
	}
	for c := range e.conns {
		s.Connections[c.network()]++
	}
	return s
}

// Close takes no more connections, ends all sessions with system-shutdown, and waits for them. What is not done when ctx
// ends is cut short, but for the little time that a farewell needs.
func (e *Edge) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed.Store(true)
	listeners, conns := e.listeners, slices.Collect(maps.Keys(e.conns))
	sessions := slices.Collect(maps.Values(e.sessions))
	e.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close() // nothing is lost with it
	}
	e.ports.Sessions.Close()
	for _, s := range sessions {
		s.End(shutdown())
	}
	for _, c := range conns {
		if !c.bound.Load() {
			c.end(shutdown())
		}
	}
	done := make(chan struct{})
	go func() {
		e.running.Wait()
		close(done)
	}()
	defer e.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-done:
		return nil
	case <-time.After(2 * linger):
	}
	e.cancel()
	for _, c := range conns {
		c.wire.abort()
	}
	<-done
	return ctx.Err()
}

func shutdown() *xmpp.StreamError { return &xmpp.StreamError{Condition: xmpp.SystemShutdown} }

// enter counts a connection; it is false if the edge is closed.
func (e *Edge) enter(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Load() {
		return false
	}
	e.conns[c] = struct{}{}
	e.running.Add(1)
	return true
}

// leave is called when nothing of the connection is left.
func (e *Edge) leave(c *conn) {
	e.mu.Lock()
	delete(e.conns, c)
	e.mu.Unlock()
	e.running.Done()
}
