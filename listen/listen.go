// Package listen accepts connections from strangers: how many at once, all together and from one address, and how it
// is found out that a peer is gone. It knows no protocol.
package listen

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Gate counts connections, all together and by address.
type Gate struct {
	mu           sync.Mutex
	most, mostOf int
	all          int
	of           map[netip.Prefix]int
}

// NewGate lets most connections in, and mostOf of them from one IPv4 address or one /64 of IPv6.
func NewGate(most, mostOf int) *Gate {
	return &Gate{most: most, mostOf: mostOf, of: map[netip.Prefix]int{}}
}

// Set changes the limits. Who is in stays.
func (g *Gate) Set(most, mostOf int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most, g.mostOf = most, mostOf
}

// Enter counts a connection, unless there are too many.
func (g *Gate) Enter(from netip.Addr) bool {
	group := Group(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= g.most || g.of[group] >= g.mostOf {
		return false
	}
	g.all++
	g.of[group]++
	return true
}

// Leave gives back the place of a connection that Enter let in.
func (g *Gate) Leave(from netip.Addr) {
	group := Group(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.of[group]--; g.of[group] == 0 {
		delete(g.of, group)
	}
}

// Guard is a listener that gives the connections which the gate lets in. Others are closed at once: a queue would only
// hide the flood.
func (g *Gate) Guard(l net.Listener) net.Listener { return &guarded{l, g} }

type guarded struct {
	net.Listener
	gate *Gate
}

func (g *guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := Address(c.RemoteAddr()).Addr()
		if g.gate.Enter(from) {
			return &counted{Conn: c, left: func() { g.gate.Leave(from) }}, nil
		}
		_ = c.Close()
	}
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	once sync.Once
	left func()
}

func (c *counted) Close() error {
	c.once.Do(c.left)
	return c.Conn.Close()
}

// Inside is how many connections are counted now.
func (g *Gate) Inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.all
}

// Group is what counts as one address: whoever has one IPv6 address usually has all of its /64.
func Group(a netip.Addr) netip.Prefix {
	bits := 32
	if a = a.Unmap().WithZone(""); a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // the zero address: all of these are one group
	}
	return p
}

// Address is a connection's end, zero if that is no IP address.
func Address(a net.Addr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// Config listens for connections whose peers count as gone when they have not acknowledged what was sent to them,
// or not answered the kernel's probes, for so long.
func Config(dead time.Duration) net.ListenConfig {
	return net.ListenConfig{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: dead / 2, Interval: max(dead/8, time.Second), Count: 4},
		Control:         userTimeout(dead),
	}
}

// Accept hands over connections until the listener is closed or ctx ends. Other errors (too many open files) pass,
// so they only slow it. take must not wait for the peer.
func Accept(ctx context.Context, l net.Listener, log *slog.Logger, take func(net.Conn)) {
	var wait time.Duration
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			wait = 0
			take(c)
			continue
		case errors.Is(err, net.ErrClosed) || ctx.Err() != nil:
			return
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		log.Warn("accept failed", "listener", l.Addr(), "err", err, "wait", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}
