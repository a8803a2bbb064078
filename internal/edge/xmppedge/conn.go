package xmppedge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/stream"
)

var (
	errGone   = errors.New("xmppedge: the connection is closed")
	errClosed = errors.New("xmppedge: the client closed its stream")
	errIdle   = errors.New("xmppedge: the client is silent")
	errQuiet  = errors.New("xmppedge: the client says nothing for a moment")
)

// wire is the part of a connection that knows how its bytes move.
type wire interface {
	// next waits for what comes next. The Raw is valid until the next call. A *xmpp.StreamError is for the peer to hear;
	// after errIdle it may be called again, and after errQuiet, before which it is better to wait in a fresh goroutine; after
	// any other error there is nobody to hear.
	next() (xmpp.Event, *xmpp.Raw, error)
	wait() error
	// write writes elements within the time that there is for it.
	write(b *batch) error
	// restart expects a new stream, whose elements may be as long as those of somebody who has signed in, or not.
	restart(signedIn bool)
	// settle ends the limits for strangers: there is a session.
	settle()
	// probe asks a peer that is silent whether it is there, where that can't be done by an element.
	probe() error
	// farewell says that nothing more will be written.
	farewell()
	// drain reads until the peer ends the connection.
	drain()
	// abort ends the connection now.
	abort()
	form() stream.Form
	// secured is the state of TLS and the certificate that was shown, nil if there is none.
	secured() (*tls.ConnectionState, *x509.Certificate)
}

// conn is one connection. It belongs to the goroutine that reads it.
type conn struct {
	edge   *Edge
	wire   wire
	remote netip.AddrPort
	info   atomic.Pointer[im.Info]
	began  time.Time

	bound    atomic.Bool // a session has it, and ends it
	closing  atomic.Bool
	handling sync.Mutex // held while a stanza is handled: who sets closing takes it to know that none is any more
	writes   sync.Mutex // held by who writes
	flushing bool       // a goroutine is in session.flush for it; the session's mutex guards it
}

func (c *conn) network() string { return c.info.Load().Network }

// encrypted says that nobody between can read or change what is said.
func (c *conn) encrypted() bool { return c.info.Load().Encrypted }

// write writes unless the last words have been written.
func (c *conn) write(b *batch) error {
	c.writes.Lock()
	defer c.writes.Unlock()
	if c.closing.Load() {
		return errGone
	}
	return c.wire.write(b)
}

// say writes a few elements.
func (c *conn) say(texts ...string) error {
	b := c.edge.pools.batch()
	defer c.edge.pools.free(b)
	for _, text := range texts {
		b.add(text)
	}
	return c.write(b)
}

// end closes the connection: with a stream error, or without one. It returns at once.
func (c *conn) end(e *xmpp.StreamError) {
	if c.closing.CompareAndSwap(false, true) {
		c.edge.background(func() { c.last(new(batch), e) })
	}
}

// last writes the last words after what is in b, and says whether they were taken. The caller has set closing. The
// connection ends when the peer has ended it too, or after linger.
func (c *conn) last(b *batch, e *xmpp.StreamError) bool {
	time.AfterFunc(linger, c.wire.abort)
	c.writes.Lock()
	defer c.writes.Unlock()
	form := c.wire.form()
	if e != nil {
		b.add(form.Error(e))
	}
	b.add(form.Close())
	err := c.wire.write(b)
	c.wire.farewell()
	return err == nil
}

// begin brings TLS up and goes on, each in a goroutine of its own, since a handshake's stack is large.
func (c *conn) begin(w *tcp) {
	defer func() { c.recovered(recover()) }()
	if err := c.handshake(w); err != nil {
		c.stop(err)
		return
	}
	go c.run()
}

// run negotiates, and goes on with a session in a fresh goroutine. Before it, enter has counted the connection.
func (c *conn) run() {
	defer func() { c.recovered(recover()) }()
	n := negotiation{conn: c}
	s, err := n.run(c.edge.ctx)
	if err != nil {
		c.stop(err)
		return
	}
	c.wire.settle()
	go c.serve(s, nil)
}

// stop ends a connection that there is no session for.
func (c *conn) stop(err error) {
	c.over(err)
	c.wire.drain()
	c.gone()
}

// gone ends what is left.
func (c *conn) gone() {
	c.closing.Store(true)
	c.wire.abort()
	c.edge.leave(c)
}

// recovered keeps a fault of one connection from ending the process.
func (c *conn) recovered(r any) {
	if r != nil {
		c.edge.log.Error("a connection failed", "remote", c.remote, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		c.gone()
	}
}

// over says farewell after an error of the negotiation.
func (c *conn) over(err error) {
	c.edge.log.Debug("connection ends", "remote", c.remote, "network", c.network(), "reason", err)
	if !c.closing.CompareAndSwap(false, true) {
		return
	}
	e, said := errors.AsType[*xmpp.StreamError](err)
	if said || errors.Is(err, errClosed) {
		c.last(new(batch), e)
	}
}

// background runs f as a part of the edge. Something of the edge still runs when it is called.
func (e *Edge) background(f func()) { e.running.Go(f) }

// later runs f as a part of the edge, unless the connection is gone.
func (c *conn) later(f func()) {
	c.edge.mu.Lock()
	defer c.edge.mu.Unlock()
	if _, open := c.edge.conns[c]; open { // so something of the edge still runs
		c.edge.background(f)
	}
}
