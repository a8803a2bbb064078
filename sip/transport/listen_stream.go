package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"parley/sip"
)

// streamListener is one TCP or TLS listener.
type streamListener struct {
	network  string
	bound    netip.AddrPort
	listener net.Listener
	config   *tls.Config
}

// ListenTCP listens on addr ("host:port"; the host "" is every address, "0.0.0.0" and "::"
// every one of their family) and returns the address it listens on.
func (l *Layer) ListenTCP(ctx context.Context, addr string) (netip.AddrPort, error) {
	return l.listenStream(ctx, sip.TCP, addr, nil)
}

// ListenTLS is ListenTCP for TLS. A config with GetCertificate or GetConfigForClient can
// change its certificate while it is in use.
func (l *Layer) ListenTLS(ctx context.Context, addr string, config *tls.Config) (netip.AddrPort, error) {
	if config == nil {
		return netip.AddrPort{}, errors.New("transport: TLS listener without a TLS configuration")
	}
	return l.listenStream(ctx, sip.TLS, addr, config)
}

func (l *Layer) listenStream(ctx context.Context, network, addr string, config *tls.Config) (netip.AddrPort, error) {
	base, err := family("tcp", addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	lc := net.ListenConfig{
		KeepAliveConfig: keepAlive(l.limits.Load().DeadPeerTimeout),
		Control:         streamOptions(l.limits.Load().DeadPeerTimeout),
	}
	listener, err := lc.Listen(ctx, base, addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("transport: listen %s: %w", network, err)
	}
	s := streamListener{network: network, bound: addrPort(listener.Addr()), listener: listener, config: config}

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.closing {
		l.closeSocket(listener)
		return netip.AddrPort{}, ErrClosed
	}
	l.streams = append(l.streams, s)
	l.running.Go(func() { l.acceptLoop(s) })
	return s.bound, nil
}

// keepAlive makes TCP notice within d that a silent peer is gone.
func keepAlive(d time.Duration) net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: d / 2, Interval: max(d/8, time.Second), Count: 4}
}

// acceptLoop accepts until the listener is closed. Other errors (too many open files) pass,
// so they only slow it.
func (l *Layer) acceptLoop(s streamListener) {
	var wait time.Duration
	for {
		raw, err := s.listener.Accept()
		switch {
		case err == nil:
			wait = 0
			l.accept(s, raw)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			l.log.Warn("accept failed", "network", s.network, "listener", s.bound, "err", err, "wait", wait)
			time.Sleep(wait)
		}
	}
}

// accept admits one connection; all that can wait for the peer happens in its goroutine.
func (l *Layer) accept(s streamListener, raw net.Conn) {
	c := l.newConn(s.network, addrPort(raw.LocalAddr()), addrPort(raw.RemoteAddr()))
	w := newStream(l, raw, raw)
	var t *tls.Conn
	if s.config != nil {
		t = tls.Server(raw, s.config)
		w.conn = t
	} else {
		c.peer = peer{network: sip.TCP, addr: c.remote}
	}
	c.wire = w
	if err := l.open(c); err != nil {
		l.count.refused.Add(1)
		l.log.Debug("connection refused", "remote", c.remote, "err", err)
		w.closeRaw()
		return
	}
	l.count.accepted.Add(1)
	if t == nil {
		c.start()
		go c.run(context.Background())
		return
	}
	go l.shakeHands(c, w, t)
}

// shakeHands brings TLS up, and leaves reading to a fresh goroutine: a handshake's stack
// is large.
func (l *Layer) shakeHands(c *conn, w *stream, t *tls.Conn) {
	err := w.raw.SetDeadline(time.Now().Add(l.limits.Load().HandshakeTimeout))
	if err == nil {
		err = t.Handshake() //nolint:noctx // the deadline bounds it, and close ends it
	}
	if err == nil {
		err = w.raw.SetDeadline(time.Time{})
	}
	if err != nil {
		close(w.drained)
		c.close("handshake: "+err.Error(), false)
		l.running.Done()
		return
	}
	c.start()
	go c.run(context.Background())
}
