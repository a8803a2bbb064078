package xmppedge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"parley/listen"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/stream"
)

// tcp is the wire of TCP and TLS.
type tcp struct {
	edge   *Edge
	raw    net.Conn // the TCP connection
	conn   net.Conn // the same, or TLS over it
	shown  *x509.Certificate
	silent bool // its handshake is running

	first  time.Time // when a stranger has to have said something
	until  time.Time // when a stranger has to have signed in; zero once one has
	begun  time.Time // when the element that is partly there began
	idle   time.Time // when the peer has been silent for long
	heard  int       // bytes of a stranger
	limits xmpp.Limits
	scan   *xmpp.Scanner // nil while nothing is there to scan
	parked xmpp.Parked   // the stream that is open, while scan is nil
	open   bool          // parked is one
	buf    *[bufferSize]byte

	sys   syscall.RawConn // by which one can wait without a buffer; nil where that is not so
	still bool            // nothing has come for a while, and nothing is left of what came

	dead atomic.Bool
}

// accept takes one connection; all that can wait for the peer happens in its goroutine.
func (e *Edge) accept(raw net.Conn, direct bool) {
	c, w := e.admit(raw)
	if c == nil {
		_ = raw.Close() // a queue would only hide the flood
		return
	}
	w.silent = direct
	if direct {
		go c.begin(w)
		return
	}
	go c.run()
}

// admit counts a connection, and makes what it needs; nil if there is no room.
func (e *Edge) admit(raw net.Conn) (*conn, *tcp) {
	from := listen.Address(raw.RemoteAddr())
	if !e.gate.Enter(from.Addr()) {
		e.refused.Add(1)
		return nil, nil
	}
	now, l := time.Now(), e.limits.Load()
	w := &tcp{edge: e, raw: raw, conn: raw, first: now.Add(min(l.FirstByteTime, l.AuthTime)), until: now.Add(l.AuthTime)}
	if sc, ok := raw.(syscall.Conn); ok && canWait {
		w.sys, _ = sc.SyscallConn() // nil if there is none
	}
	w.still = w.sys != nil
	w.restart(false)
	c := &conn{edge: e, wire: w, remote: from, began: now}
	c.info.Store(&im.Info{Network: "TCP", Source: from})
	if !e.enter(c) {
		e.gate.Leave(from.Addr())
		return nil, nil
	}
	return c, w
}

// handshake brings TLS up. What was read before it is not looked at any more: somebody may have put it there
// before the connection was protected.
func (c *conn) handshake(w *tcp) error {
	c.mute(w, true)
	ctx, cancel := context.WithTimeout(c.edge.ctx, c.edge.limits.Load().HandshakeTime)
	defer cancel()
	if err := w.raw.SetDeadline(time.Time{}); err != nil {
		return err
	}
	t := tls.Server(w.raw, c.edge.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	state := t.ConnectionState()
	if p := state.NegotiatedProtocol; p != "" && p != alpn {
		return errors.New("xmppedge: the client wants to speak " + p)
	}
	w.shown = shown(c.edge.cfg.TLS, state.ServerName)
	c.writes.Lock()
	w.conn, w.silent = t, false
	c.writes.Unlock()
	w.scan, w.still = nil, false
	w.restart(false)
	info := *c.info.Load()
	info.Network, info.Encrypted = "TLS", true
	c.info.Store(&info)
	return nil
}

// mute has nothing be written on a connection whose handshake is running.
func (c *conn) mute(w *tcp, on bool) {
	c.writes.Lock()
	defer c.writes.Unlock()
	w.silent = on
}

// alpn is how TLS names XMPP of clients (xep0368#2).
const alpn = "xmpp-client"

// shown is the certificate that clients are shown now.
func shown(c *tls.Config, server string) *x509.Certificate {
	var cert *tls.Certificate
	switch {
	case c.GetCertificate != nil:
		got, err := c.GetCertificate(&tls.ClientHelloInfo{ServerName: server})
		if err != nil {
			return nil
		}
		cert = got
	case len(c.Certificates) > 0:
		cert = &c.Certificates[0]
	}
	if cert == nil {
		return nil
	}
	return cert.Leaf
}

func (t *tcp) form() stream.Form { return stream.Bytes }

func (t *tcp) secured() (*tls.ConnectionState, *x509.Certificate) {
	c, ok := t.conn.(*tls.Conn)
	if !ok {
		return nil, nil
	}
	state := c.ConnectionState()
	return &state, t.shown
}

func (t *tcp) restart(signedIn bool) {
	t.limits = t.edge.limits.Load().before()
	if signedIn {
		t.limits = t.edge.limits.Load().after()
	}
	t.open, t.parked = false, xmpp.Parked{}
	t.begun = time.Time{}
	if t.scan != nil {
		t.scan.Limits = t.limits
		t.scan.Restart()
	}
}

func (t *tcp) settle() {
	t.until = time.Time{}
	t.idle = time.Now().Add(t.edge.limits.Load().Idle)
}

func (t *tcp) next() (xmpp.Event, *xmpp.Raw, error) {
	for {
		if t.scan != nil {
			event, raw, err := t.scan.Next()
			if err != nil || event != xmpp.More {
				t.begun = time.Time{}
				return event, raw, err
			}
		}
		if err := t.fill(); err != nil {
			return xmpp.More, nil, err
		}
	}
}

// fill reads once.
func (t *tcp) fill() error {
	switch partial := t.scan != nil && t.scan.Buffered() > 0; {
	case !partial:
		t.begun = time.Time{}
	case t.begun.IsZero():
		t.begun = time.Now()
	}
	deadline, why := t.deadline()
	if err := t.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	if t.still {
		if err := ready(t.sys); err != nil {
			return t.failed(err, why)
		}
		t.still = false
	}
	if t.buf == nil {
		t.buf = t.edge.pools.buffer()
	}
	n, err := t.conn.Read(t.buf[:])
	if n > 0 {
		return t.feed(t.buf[:n])
	}
	return t.failed(err, why)
}

// failed says what it means that nothing was read, where why is what it means that nothing came in time.
func (t *tcp) failed(err, why error) error {
	switch {
	case errors.Is(err, io.EOF):
		return errGone
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case why == errQuiet: //nolint:errorlint // never wrapped
		t.rest()
		if !t.until.IsZero() {
			return nil
		}
	case why == errIdle: //nolint:errorlint // never wrapped
		t.idle = time.Now().Add(t.edge.limits.Load().Idle)
	}
	return why
}

// rest gives back what a connection that waits for its peer does not need. A read has just waited in vain, so that TLS
// keeps nothing back either: the next thing to happen is that the socket can be read.
func (t *tcp) rest() {
	t.still = true
	t.edge.pools.buffers.Put(t.buf)
	t.buf = nil
	if t.scan == nil {
		return
	}
	if t.parked, t.open = t.scan.Park(); t.open {
		t.edge.pools.scanners.Put(t.scan)
		t.scan = nil
	}
}

// wait waits until there is something to read. It is called after errQuiet, by a goroutine whose stack is small.
func (t *tcp) wait() error {
	if err := t.conn.SetReadDeadline(t.idle); err != nil {
		return err
	}
	if err := ready(t.sys); err != nil {
		return t.failed(err, errIdle)
	}
	t.still = false
	return nil
}

func (t *tcp) feed(b []byte) error {
	if !t.until.IsZero() {
		if t.heard += len(b); t.heard > t.edge.limits.Load().AuthBytes {
			return tooMuch()
		}
	} else {
		t.idle = time.Now().Add(t.edge.limits.Load().Idle)
	}
	switch {
	case t.scan != nil:
	case t.open:
		t.scan = t.edge.pools.scanner()
		t.scan.Unpark(t.parked)
		t.parked, t.open = xmpp.Parked{}, false
	default:
		t.scan = &xmpp.Scanner{Limits: t.limits}
	}
	t.scan.Feed(b)
	return nil
}

// deadline is when the next bytes must have come, and what it means if they have not.
func (t *tcp) deadline() (time.Time, error) {
	at, why := t.patience()
	if quiet := time.Now().Add(t.edge.quiet); t.begun.IsZero() && !t.still && t.sys != nil && quiet.Before(at) {
		return quiet, errQuiet
	}
	return at, why
}

func (t *tcp) patience() (time.Time, error) {
	switch {
	case t.until.IsZero() && t.begun.IsZero():
		return t.idle, errIdle
	case t.until.IsZero():
		return t.begun.Add(t.edge.limits.Load().StanzaTime), timeout("an element takes too long")
	case t.heard == 0:
		return t.first, timeout("nothing was said")
	}
	return t.until, timeout("signing in takes too long")
}

func tooMuch() *xmpp.StreamError {
	return &xmpp.StreamError{Condition: xmpp.PolicyViolation, Text: "too much is said before signing in"}
}

func timeout(text string) *xmpp.StreamError {
	return &xmpp.StreamError{Condition: xmpp.ConnectionTimeout, Text: text}
}

func (t *tcp) write(b *batch) error {
	if len(b.text) == 0 {
		return nil
	}
	if t.silent {
		return errGone
	}
	if err := t.conn.SetWriteDeadline(time.Now().Add(t.edge.limits.Load().SendTime)); err != nil {
		return err
	}
	_, err := t.conn.Write(b.text)
	return err
}

// probe is the white space of rfc6120#4.6.1: TCP finds out whether it arrives.
func (t *tcp) probe() error { return t.write(&batch{text: []byte(" "), ends: []int{1}}) }

func (t *tcp) farewell() {
	if w, ok := t.conn.(*tls.Conn); ok {
		_ = w.CloseWrite() // the peer may be gone
	}
	if w, ok := t.raw.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite() // the same
	}
}

// drain throws away what comes, so that our last words are not lost in a reset.
func (t *tcp) drain() {
	if t.raw.SetReadDeadline(time.Now().Add(2*linger)) == nil {
		_, _ = io.Copy(io.Discard, t.raw) // how it ends does not matter
	}
}

func (t *tcp) abort() {
	if !t.dead.Swap(true) {
		_ = t.raw.Close() // nothing is left to lose
		t.edge.gate.Leave(listen.Address(t.raw.RemoteAddr()).Addr())
	}
}
