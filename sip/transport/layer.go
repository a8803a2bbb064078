package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"hash/maphash"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/sip"
)

// Why a message, a connection or a flow is refused.
var (
	ErrClosed      = errors.New("transport: layer is closed")
	ErrGone        = errors.New("transport: connection is closed")
	ErrQueueFull   = errors.New("transport: send queue is full")
	ErrLimit       = errors.New("transport: too many connections")
	ErrAddressBusy = errors.New("transport: too many connections from this address")
	ErrNoListener  = errors.New("transport: no listener to send from")
)

// Handler takes a valid message that came on f. It is called on the goroutine that reads
// f, so messages of one connection come one after the other; it must not block.
type Handler func(f sip.Flow, m *sip.Message)

// Config of a Layer. Every field but Handler may be left zero.
type Config struct {
	Handler Handler
	Log     *slog.Logger
	Limits  Limits

	// PublicAddress is the host (name or address, without a port) under which peers outside
	// reach us if that is not the address of our sockets: behind a 1:1 NAT.
	PublicAddress string
	// LocalNetworks are those whose peers reach us under our sockets' own addresses in spite
	// of PublicAddress. Loopback is always one.
	LocalNetworks []netip.Prefix

	Sockets int         // sockets, each with its reader, of one UDP listener; GOMAXPROCS
	DialTLS *tls.Config // for connections we open; nil: the system's roots
}

// Layer owns all listeners and connections of one element.
type Layer struct {
	config Config
	limits atomic.Pointer[Limits]
	log    *slog.Logger
	count  counters
	seed   maphash.Seed // of the To tags of stateless refusals

	buffers sync.Pool // of *[]byte, for what is being written

	running sync.WaitGroup // readers, writers, accept loops; see conn.background

	mu       sync.RWMutex
	closed   bool
	closing  bool // no new connections
	conns    map[string]*conn
	peers    map[peer]*conn
	dials    map[peer]*attempt
	groups   map[netip.Prefix]int
	accepted int
	dialled  int
	streams  []streamListener
	udp      []*udpListener
}

// New makes a Layer without listeners.
func New(c Config) *Layer {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Handler == nil {
		c.Handler = func(sip.Flow, *sip.Message) {}
	}
	if c.Sockets <= 0 {
		c.Sockets = runtime.GOMAXPROCS(0)
	}
	l := &Layer{
		config: c,
		log:    c.Log,
		seed:   maphash.MakeSeed(),
		conns:  make(map[string]*conn),
		peers:  make(map[peer]*conn),
		dials:  make(map[peer]*attempt),
		groups: make(map[netip.Prefix]int),
	}
	limits := c.Limits.withDefaults()
	l.limits.Store(&limits)
	return l
}

// SetLimits changes the limits while the layer works. What was set when a connection or a listener was
// opened stays with it; MaxDatagram, DeadPeerTimeout, Refusals and Bindings stay as they are altogether.
func (l *Layer) SetLimits(limits Limits) {
	old := l.limits.Load()
	limits.MaxDatagram, limits.DeadPeerTimeout = old.MaxDatagram, old.DeadPeerTimeout
	limits.Refusals, limits.Bindings = old.Refusals, old.Bindings
	limits = limits.withDefaults()
	l.limits.Store(&limits)
}

// Flow finds a flow by its ID. A UDP flow is there as long as its local socket is, also
// after a restart; so an ID that comes from a peer must be authenticated before it is used.
func (l *Layer) Flow(id string) (sip.Flow, bool) {
	if rest, ok := strings.CutPrefix(id, udpPrefix); ok {
		f, ok := l.udpFlowByID(rest)
		if !ok {
			return nil, false
		}
		return f, true
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	c, ok := l.conns[id]
	if !ok {
		return nil, false
	}
	return c, true
}

// open admits c and puts it into the tables. With it runs one goroutine, which the caller
// starts with l.running.Done deferred.
func (l *Layer) open(c *conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.admit(c); err != nil {
		return err
	}
	l.conns[c.id] = c
	if _, taken := l.peers[c.peer]; !taken && c.peer != (peer{}) {
		l.peers[c.peer] = c
	}
	l.running.Add(1)
	return nil
}

// admit counts c against the limits; l.mu is held.
func (l *Layer) admit(c *conn) error {
	switch {
	case l.closed || l.closing:
		return ErrClosed
	case c.dialled && l.dialled >= l.limits.Load().MaxConnections:
		return ErrLimit
	case c.dialled:
		l.dialled++
		return nil
	}
	g := group(c.remote.Addr())
	if err := l.full(g); err != nil {
		return err
	}
	l.accepted++
	l.groups[g]++
	return nil
}

// full says why no connection of g can be accepted; l.mu is held.
func (l *Layer) full(g netip.Prefix) error {
	switch {
	case l.accepted >= l.limits.Load().MaxConnections:
		return ErrLimit
	case l.groups[g] >= l.limits.Load().MaxConnectionsPerAddress:
		return ErrAddressBusy
	}
	return nil
}

// forget undoes open's bookkeeping.
func (l *Layer) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c.id)
	if l.peers[c.peer] == c {
		delete(l.peers, c.peer)
	}
	if c.dialled {
		l.dialled--
		return
	}
	l.accepted--
	g := group(c.remote.Addr())
	if l.groups[g]--; l.groups[g] <= 0 {
		delete(l.groups, g)
	}
}

// advertise is the "host:port" under which remote reaches us at local.
func (l *Layer) advertise(local, remote netip.AddrPort) string {
	if l.config.PublicAddress == "" || l.isLocal(remote.Addr()) {
		return netip.AddrPortFrom(local.Addr().WithZone(""), local.Port()).String()
	}
	return joinHostPort(l.config.PublicAddress, local.Port())
}

func (l *Layer) isLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	for _, p := range l.config.LocalNetworks {
		if p.Contains(a.WithZone("")) {
			return true
		}
	}
	return false
}

// Shutdown accepts no more connections, lets what is queued be written until ctx ends, and
// closes the layer. It returns ctx's error if something was left unwritten.
func (l *Layer) Shutdown(ctx context.Context) error {
	l.stopAccepting()
	err := l.flush(ctx)
	l.Close()
	return err
}

func (l *Layer) stopAccepting() {
	l.mu.Lock()
	l.closing = true
	streams := l.streams
	l.mu.Unlock()
	for _, s := range streams {
		l.closeSocket(s.listener)
	}
}

// flush waits until every send queue is empty.
func (l *Layer) flush(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for l.unwritten() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (l *Layer) unwritten() bool {
	for _, c := range l.connections() {
		if c.pending() {
			return true
		}
	}
	return false
}

// Close closes all sockets and connections and waits for their goroutines. It must not be
// called by a Handler.
func (l *Layer) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.running.Wait()
		return
	}
	l.closed = true
	streams, udp := l.streams, l.udp
	for _, a := range l.dials {
		a.cancel()
	}
	l.mu.Unlock()

	for _, s := range streams {
		l.closeSocket(s.listener)
	}
	for _, u := range udp {
		u.close()
	}
	for _, c := range l.connections() {
		c.close("server is closing", true)
	}
	l.running.Wait()
}

func (l *Layer) closeSocket(s interface{ Close() error }) {
	if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		l.log.Debug("close", "err", err)
	}
}

// buffer is an empty buffer to write from; free takes it back.
func (l *Layer) buffer() *[]byte {
	if b, ok := l.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, firstBuffer)
	return &b
}

func (l *Layer) free(b *[]byte) {
	if cap(*b) <= 256<<10 {
		*b = (*b)[:0]
		l.buffers.Put(b)
	}
}

func (l *Layer) connections() []*conn {
	l.mu.RLock()
	defer l.mu.RUnlock()
	list := make([]*conn, 0, len(l.conns))
	for _, c := range l.conns {
		list = append(list, c)
	}
	return list
}
