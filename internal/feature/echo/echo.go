// Package echo is the echo service: an address that answers a call and plays one's voice back, and, as the contact in
// the folder below, sends back what one writes to it, so that anyone can try a phone or an app without another person.
// To SIP it is a user agent inside the process (RFC 3261) with plain RTP (RFC 3550) of its own; since it sends back what
// it hears it takes any codec without being able to decode it.
package echo

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"parley/media/rtp"
	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/transaction"
)

// allow is what the service can be asked.
const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"

// Config of the service. Layer and Ports are needed; every other zero value takes its default.
type Config struct {
	Layer *transaction.Layer
	Ports *rtp.Ports
	// T1 and T2 are the Layer's.
	T1, T2 time.Duration
	// Name is the user part of its contact; default "echo".
	Name string
	// MaxCalls at once; a further one gets 486. It is asked for at each call; default 100.
	MaxCalls func() int
	// MaxDuration ends a call; asked for at each one, default 10 minutes.
	MaxDuration func() time.Duration
	// Dead ends a call from which no audio comes for so long; default one minute.
	Dead time.Duration
	// Delay is how much later the voice comes back; default none.
	Delay time.Duration
	// Server is the Server header field of its answers; none if empty.
	Server string
	// Rand gives the IDs of session descriptions; default math/rand/v2.
	Rand func() uint64
	Log  *slog.Logger
}

// Echo is the service.
type Echo struct {
	c  Config
	ua *dialog.UA

	mu      sync.Mutex
	calls   map[*call]struct{}
	closing bool
	changed chan struct{} // holds a token when a call has gone
	running sync.WaitGroup
}

// New makes the service.
func New(c Config) *Echo {
	if c.Name == "" {
		c.Name = "echo"
	}
	if c.MaxCalls == nil {
		c.MaxCalls = func() int { return 100 }
	}
	if c.MaxDuration == nil {
		c.MaxDuration = func() time.Duration { return 10 * time.Minute }
	}
	if c.Dead == 0 {
		c.Dead = time.Minute
	}
	if c.Rand == nil {
		c.Rand = rand.Uint64
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Echo{
		c: c, calls: map[*call]struct{}{}, changed: make(chan struct{}, 1),
		ua: dialog.NewUA(dialog.Config{Layer: c.Layer, T1: c.T1, T2: c.T2, Allow: allow, Server: c.Server, Log: c.Log}),
	}
}

// Calls is how many calls it has now.
func (e *Echo) Calls() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.calls)
}

// Serve takes a request that came over the service's end of a flow.
func (e *Echo) Serve(s *transaction.Server) { e.ua.Alone(s, e.answer) }

// ACK takes an ACK that came over the service's end of a flow.
func (e *Echo) ACK(_ sip.Flow, ack *sip.Message) { e.ua.ACK(ack) }

// answer takes a new call.
func (e *Echo) answer(s *transaction.Server) {
	req := s.Request()
	c := &call{echo: e, id: req.CallID(), peer: signalling(req), session: e.c.Rand() >> 2}
	if status := e.admit(c); status != 0 {
		e.ua.Reply(s, req.Response(status, "").Set(sip.HeaderRetryAfter, "60"))
		return
	}
	in, err := e.ua.Accept(s, dialog.Contact(e.c.Name, s.Flow()), c)
	if err != nil { // it is answered
		e.drop(c)
		return
	}
	in.Respond(in.Response(180, ""))
	c.begin(in)
}

// admit counts a call in; a status other than 0 refuses it.
func (e *Echo) admit(c *call) (status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closing:
		return 503
	case len(e.calls) >= e.c.MaxCalls():
		return 486
	}
	e.calls[c] = struct{}{}
	return 0
}

func (e *Echo) isClosing() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closing
}

func (e *Echo) drop(c *call) {
	e.mu.Lock()
	delete(e.calls, c)
	e.mu.Unlock()
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// Close takes no more calls, hangs up those it has, and returns when their ports are given
// back. When ctx ends it no longer waits for peers to answer.
func (e *Echo) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closing = true
	e.mu.Unlock()
	err := e.hangUp(ctx)
	for _, c := range e.list() { // their peers are silent
		c.closeMedia()
	}
	e.running.Wait()
	return err
}

func (e *Echo) hangUp(ctx context.Context) error {
	for {
		calls := e.list()
		if len(calls) == 0 {
			return nil
		}
		for _, c := range calls {
			c.end(`SIP;cause=503;text="Server is stopping"`)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.changed:
		}
	}
}

func (e *Echo) list() []*call {
	e.mu.Lock()
	defer e.mu.Unlock()
	calls := make([]*call, 0, len(e.calls))
	for c := range e.calls {
		calls = append(calls, c)
	}
	return calls
}

// isSDP says whether a message's body is a session description.
func isSDP(m *sip.Message) bool {
	kind, _, _ := strings.Cut(m.Get(sip.HeaderContentType), ";")
	return strings.EqualFold(strings.TrimSpace(kind), sdpType)
}
