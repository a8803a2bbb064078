package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"parley/sip"
)

// peer is whom a connection can be used for again: the address, and for TLS the name that
// its certificate was checked for.
type peer struct {
	network string
	addr    netip.AddrPort
	name    string
}

// attempt is one connection being made; all who want it wait for the same.
type attempt struct {
	done   chan struct{}
	conn   *conn
	err    error
	cancel context.CancelFunc
}

// Dial gives a flow to addr over UDP, TCP or TLS. An open connection to the peer is used
// again, over TCP also one that the peer made (rfc3261#18). For UDP it is a listening
// socket from which the peer can be reached. serverName is what a TLS certificate must
// be for; "" is the address itself.
func (l *Layer) Dial(ctx context.Context, network string, addr netip.AddrPort, serverName string) (sip.Flow, error) {
	addr = unmap(addr)
	p := peer{network: network, addr: addr}
	switch network {
	case sip.UDP:
		return l.dialUDP(addr)
	case sip.TCP:
	case sip.TLS:
		if p.name = serverName; p.name == "" {
			p.name = addr.Addr().WithZone("").String()
		}
	default:
		return nil, fmt.Errorf("transport: can't dial over %q", network)
	}
	c, a, err := l.attempt(p)
	switch {
	case err != nil:
		return nil, err
	case c != nil:
		return c, nil
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("transport: dial %s %s: %w", network, addr, ctx.Err())
	}
	if a.err != nil {
		return nil, fmt.Errorf("transport: dial %s %s: %w", network, addr, a.err)
	}
	return a.conn, nil
}

// attempt finds the connection to p, or the attempt to make one, which it starts if
// there is none.
func (l *Layer) attempt(p peer) (*conn, *attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.peers[p]; c != nil {
		return c, nil, nil
	}
	if a := l.dials[p]; a != nil {
		return nil, a, nil
	}
	switch {
	case l.closed || l.closing:
		return nil, nil, ErrClosed
	case l.dialled+len(l.dials) >= l.limits.Load().MaxConnections:
		return nil, nil, ErrLimit
	}
	// It belongs to all who wait for it, so it doesn't end with the first one's context.
	ctx, cancel := context.WithTimeout(context.Background(), l.limits.Load().DialTimeout)
	a := &attempt{done: make(chan struct{}), cancel: cancel}
	l.dials[p] = a
	l.running.Go(func() {
		defer cancel()
		a.conn, a.err = l.connect(ctx, p)
		l.mu.Lock()
		delete(l.dials, p)
		l.mu.Unlock()
		close(a.done)
	})
	return nil, a, nil
}

// connect makes the connection and starts its reader.
func (l *Layer) connect(ctx context.Context, p peer) (*conn, error) {
	d := net.Dialer{
		KeepAliveConfig: keepAlive(l.limits.Load().DeadPeerTimeout),
		Control:         streamOptions(l.limits.Load().DeadPeerTimeout),
	}
	raw, err := d.DialContext(ctx, "tcp", p.addr.String())
	if err != nil {
		return nil, err
	}
	w := newStream(l, raw, raw)
	if p.network == sip.TLS {
		t := tls.Client(raw, l.dialConfig(p.name))
		if err := t.HandshakeContext(ctx); err != nil {
			w.closeRaw()
			return nil, err
		}
		w.conn = t
	}
	// The peer reaches us at our listener, not at the port that this connection has.
	local := addrPort(raw.LocalAddr())
	c := l.newConn(p.network, local, p.addr)
	c.advertised = l.advertise(l.listening(p.network, local), p.addr)
	c.wire, c.dialled, c.peer = w, true, p
	c.start()
	if err := l.open(c); err != nil {
		w.closeRaw()
		return nil, err
	}
	go c.run(context.Background())
	return c, nil
}

func (l *Layer) dialConfig(name string) *tls.Config {
	config := l.config.DialTLS.Clone() // of nil: nil
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config.ServerName = name
	return config
}

// listening is the address of local's host with the port on which we listen for network, or
// local itself if we don't.
func (l *Layer) listening(network string, local netip.AddrPort) netip.AddrPort {
	l.mu.RLock()
	defer l.mu.RUnlock()
	best := local
	for _, s := range l.streams {
		if s.network != network {
			continue
		}
		if s.bound.Addr() == local.Addr() {
			return s.bound
		}
		if s.bound.Addr().IsUnspecified() {
			best = netip.AddrPortFrom(local.Addr(), s.bound.Port())
		}
	}
	return best
}

// dialUDP gives the flow of the listener that the way to remote leads through.
func (l *Layer) dialUDP(remote netip.AddrPort) (sip.Flow, error) {
	source, err := route(remote)
	if err != nil {
		return nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, exact := range [...]bool{true, false} {
		for _, u := range l.udp {
			local := netip.AddrPortFrom(source, u.bound.Port())
			if u.has(local) && (u.bound.Addr() == source) == exact {
				return u.flow(local, remote), nil
			}
		}
	}
	return nil, fmt.Errorf("%w: UDP to %s", ErrNoListener, remote)
}

// Beside is the flow from the same socket of ours to another UDP port of the same peer: that of one who sends from
// one port and listens on another.
func (l *Layer) Beside(f sip.Flow, port uint16) (sip.Flow, bool) {
	u, ok := f.(*udpFlow)
	if !ok || u.listener.layer != l || port == 0 {
		return nil, false
	}
	return u.listener.flow(u.local, netip.AddrPortFrom(u.remote.Addr(), port)), true
}

// route asks the kernel which of our addresses it would send to remote from. Nothing is sent.
func route(remote netip.AddrPort) (netip.Addr, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("transport: no way to %s: %w", remote, err)
	}
	local := addrPort(conn.LocalAddr()).Addr()
	return local, errors.Join(conn.Close())
}
