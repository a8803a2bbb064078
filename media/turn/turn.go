// Package turn is a server of TURN (RFC 8656) and STUN (RFC 8489) on UDP, TCP and TLS: a client behind a NAT gets an
// address here, at which others reach it. Relayed addresses are UDP alone.
//
// A client proves itself by the long-term mechanism, with a name that says until when it is good (Credentials). What
// comes from somebody who has not is kept nowhere, and is answered within a budget of bytes for each source. What a
// relayed address may talk to is said by Peers.
//
// pion/turn was measured first. It costs more than coturn for each packet, and bounds neither permissions nor
// what a connection may do unproved; docs/design/09-turn.md has the figures and the list.
package turn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Address is one that relayed addresses are opened at.
type Address struct {
	Bind   netip.Addr
	Public netip.Addr // under which others reach it; Bind if not given
}

// Limits bound what is given. Zero fields take the defaults.
type Limits struct {
	Allocations int           // all together; default 2000
	PerAccount  int           // default 40
	Bandwidth   int           // bytes a second of one allocation, each way; default 1 MiB
	Lifetime    time.Duration // the longest that is granted at once; default an hour
}

// Config of a Server.
type Config struct {
	Credentials *Credentials
	// Relays are at most one of each family; none: only STUN is answered.
	Relays []Address
	// Low and High are the ports of relayed addresses, both included; default 49152 to 65535 (rfc8656#7.2).
	Low, High uint16
	Peers     Peers
	Limits    Limits
	// Sockets is how many share each UDP address; default the number of processors.
	Sockets int
	// Exists says whether an account may have an allocation; nil: each may.
	Exists func(ctx context.Context, account string) (bool, error)
	Now    func() time.Time
	Log    *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Low, c.High = cmp.Or(c.Low, 49152), cmp.Or(c.High, 65535)
	c.Limits = c.Limits.withDefaults()
	c.Sockets = cmp.Or(c.Sockets, runtime.GOMAXPROCS(0))
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Exists == nil {
		c.Exists = func(context.Context, string) (bool, error) { return true, nil }
	}
	return c
}

func (l Limits) withDefaults() Limits {
	l.Allocations = cmp.Or(l.Allocations, 2000)
	l.PerAccount = cmp.Or(l.PerAccount, 40)
	l.Bandwidth = cmp.Or(l.Bandwidth, 1<<20)
	l.Lifetime = max(cmp.Or(l.Lifetime, time.Hour), defaultLifetime)
	return l
}

// Times of the protocol.
const (
	defaultLifetime = 10 * time.Minute // rfc8656#3.2
	permissionTime  = 5 * time.Minute  // rfc8656#9
	channelTime     = 10 * time.Minute // rfc8656#12
	reservationTime = 30 * time.Second // rfc8656#7.2
)

// maxLooking is how many may be waiting for Config.Exists.
const maxLooking = 64

// Server is a TURN server. It listens nowhere until it is told to.
type Server struct {
	cfg     Config
	log     *slog.Logger
	limits  atomic.Pointer[Limits]
	peers   *peers
	ports   *ports
	nonces  nonces
	shield  *shield
	counts  counters
	looking chan struct{} // one for each that asks Exists
	warned  *rate.Limiter // one line of each few seconds, whatever happens

	ctx     context.Context // of what runs until Close
	stop    context.CancelFunc
	running sync.WaitGroup

	mu           sync.Mutex
	closed       bool
	closers      []func()
	allocations  map[*allocation]struct{}
	perAccount   map[string]int
	reservations map[string]*reservation
}

// New makes a Server.
func New(c Config) (*Server, error) {
	c = c.withDefaults()
	if c.Credentials == nil {
		return nil, errors.New("turn: no credentials")
	}
	p, err := newPorts(c)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: c, log: c.Log, ports: p, nonces: newNonces(c.Now), shield: newShield(c.Now),
		looking:     make(chan struct{}, maxLooking),
		warned:      rate.NewLimiter(rate.Every(10*time.Second), 5),
		allocations: map[*allocation]struct{}{}, perAccount: map[string]int{}, reservations: map[string]*reservation{},
	}
	s.peers = newPeers(c.Peers, c.Relays, p.open)
	s.limits.Store(&c.Limits)
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// Relaying says whether there is any address to give.
func (s *Server) Relaying() bool { return len(s.cfg.Relays) > 0 }

// SetLimits changes the limits. What is allocated stays.
func (s *Server) SetLimits(l Limits) {
	l = l.withDefaults()
	s.limits.Store(&l)
}

// Run ends what has expired, until ctx ends.
func (s *Server) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.sweep()
		if n%60 == 0 {
			s.peers.look()
		}
	}
}

func (s *Server) sweep() {
	now := s.cfg.Now()
	for _, a := range s.list() {
		if a.expired(now) {
			s.end(a, "it was not refreshed")
			continue
		}
		a.prune(now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, r := range s.reservations {
		if now.After(r.expires) {
			s.dropReservation(token, r)
		}
	}
}

func (s *Server) list() []*allocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*allocation, 0, len(s.allocations))
	for a := range s.allocations {
		list = append(list, a)
	}
	return list
}

// Forget ends the allocations of an account.
func (s *Server) Forget(account string) {
	for _, a := range s.list() {
		if a.account == account {
			s.end(a, "the account is gone")
		}
	}
}

// track has something closed with the server; false if that is closed already.
func (s *Server) track(closer func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.closers = append(s.closers, closer)
	return true
}

// Close ends everything.
func (s *Server) Close() {
	s.mu.Lock()
	closers := s.closers
	s.closed, s.closers = true, nil
	s.mu.Unlock()
	s.stop()
	for _, c := range closers {
		c()
	}
	for _, a := range s.list() {
		s.end(a, "the server stops")
	}
	s.mu.Lock()
	for token, r := range s.reservations {
		s.dropReservation(token, r)
	}
	s.mu.Unlock()
	s.running.Wait()
}

// warn writes a line that strangers or clients could cause without end.
func (s *Server) warn(text string, args ...any) {
	if s.warned.Allow() {
		s.log.Warn(text, args...)
	}
}

// counters are of all that happened.
type counters struct {
	allocated, refused, unproved, unanswered atomic.Uint64
	packets, bytes, dropped                  atomic.Uint64
}

// Stats are what the server does and did.
type Stats struct {
	Allocations int            // now
	Accounts    map[string]int // of whom
	Allocated   uint64         // since the start
	Refused     uint64         // by limits, or for their peers
	Unproved    uint64         // requests without a good name and password
	Unanswered  uint64         // those whose source had used up its budget
	Packets     uint64         // relayed, both ways
	Bytes       uint64
	Dropped     uint64 // over an allocation's bandwidth, or where a connection was full
}

// Stats tells.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	out := Stats{Allocations: len(s.allocations), Accounts: map[string]int{}}
	for account, n := range s.perAccount {
		out.Accounts[account] = n
	}
	live := make([]*allocation, 0, len(s.allocations))
	for a := range s.allocations {
		live = append(live, a)
	}
	s.mu.Unlock()
	c := &s.counts
	out.Allocated, out.Refused, out.Unproved, out.Unanswered = c.allocated.Load(), c.refused.Load(), c.unproved.Load(), c.unanswered.Load()
	out.Packets, out.Bytes, out.Dropped = c.packets.Load(), c.bytes.Load(), c.dropped.Load()
	for _, a := range live {
		out.Packets += a.packets.Load()
		out.Bytes += a.bytes.Load()
		out.Dropped += a.dropped.Load()
	}
	return out
}

func wrap(what string, err error) error { return fmt.Errorf("turn: %s: %w", what, err) }
