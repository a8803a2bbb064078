package transport

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/sip"
)

// linger is how long a connection that we end may take for its farewell.
const linger = 500 * time.Millisecond

// Connection is what a flow over TCP, TLS or WebSocket can do besides.
type Connection interface {
	sip.Flow
	// Prove says that the peer has shown who it is, or otherwise is welcome to stay: the
	// limits for unproven connections end.
	Prove()
	// Close ends the connection after what is queued has been written; the reason is
	// for the log.
	Close(reason string)
	// TLS is the state of a TLS connection that is not a WebSocket, else nil.
	TLS() *tls.ConnectionState
}

// Prove calls f's Prove if it is a Connection.
func Prove(f sip.Flow) {
	if c, ok := f.(Connection); ok {
		c.Prove()
	}
}

// wire is the part of a connection that knows how its bytes move.
type wire interface {
	// read hands messages to c until the connection ends, and says why it did. Once c
	// is closed it throws away what comes.
	read(ctx context.Context, c *conn) (reason string)
	// write writes messages, one after the other, within WriteTimeout.
	write(texts []string) error
	// close ends it; a polite close says farewell first, for at most linger.
	close(polite bool)
	tls() *tls.ConnectionState
}

// conn is one connection, a sip.Flow.
type conn struct {
	layer         *Layer
	wire          wire
	id, network   string
	local, remote netip.AddrPort
	advertised    string
	dialled       bool
	peer          peer // under which Dial finds it; zero if it must not
	opened        time.Time
	done          chan struct{}

	proven         atomic.Bool
	received, sent atomic.Uint64 // messages; received counts valid ones
	unproven       int           // messages before Prove; the reader's own

	mu      sync.Mutex
	proof   *time.Timer // ends a connection that brings no message or no proof in time
	queue   []string
	size    int    // bytes queued or being written
	writing bool   // a goroutine is in drain
	ending  string // why to close once the queue is written
	closed  bool
}

func (l *Layer) newConn(network string, local, remote netip.AddrPort) *conn {
	return &conn{
		layer:      l,
		id:         strings.ToLower(network) + ":" + rand.Text(),
		network:    network,
		local:      local,
		remote:     remote,
		advertised: l.advertise(local, remote),
		opened:     time.Now(),
		done:       make(chan struct{}),
	}
}

func (c *conn) ID() string             { return c.id }
func (c *conn) Network() string        { return c.network }
func (c *conn) Local() netip.AddrPort  { return c.local }
func (c *conn) Remote() netip.AddrPort { return c.remote }
func (c *conn) Advertised() string     { return c.advertised }
func (c *conn) Reliable() bool         { return true }
func (c *conn) Done() <-chan struct{}  { return c.done }

func (c *conn) Secure() bool              { return c.network == sip.TLS || c.network == sip.WSS }
func (c *conn) TLS() *tls.ConnectionState { return c.wire.tls() }

// Send queues m.
func (c *conn) Send(m *sip.Message) error {
	err := c.enqueue(m.Text())
	if err == nil {
		c.sent.Add(1)
		c.layer.count.sent.Add(1)
	}
	return err
}

func (c *conn) enqueue(text string) error {
	limits := c.layer.limits.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.ending != "" {
		return ErrGone
	}
	// One message always has a place, whatever its size.
	if c.size > 0 && (len(c.queue) >= limits.QueueMessages || c.size+len(text) > limits.QueueBytes) {
		c.layer.count.dropped.Add(1)
		return ErrQueueFull
	}
	c.queue = append(c.queue, text)
	c.size += len(text)
	if !c.writing {
		c.writing = true
		c.layer.running.Go(c.drain) // the reader still runs: see background
	}
	return nil
}

// drain writes until the queue is empty. A connection with nothing to say has no writer.
func (c *conn) drain() {
	var batch []string
	for {
		var ok bool
		if batch, ok = c.take(batch); !ok {
			return
		}
		if err := c.wire.write(batch); err != nil {
			c.close("write: "+err.Error(), false)
		}
	}
}

// take swaps the queue for the batch just written.
func (c *conn) take(written []string) (batch []string, ok bool) {
	c.mu.Lock()
	for _, text := range written {
		c.size -= len(text)
	}
	clear(written)
	batch, c.queue = c.queue, written[:0]
	if len(batch) > 0 && !c.closed {
		c.mu.Unlock()
		return batch, true
	}
	c.writing, c.queue, c.size = false, nil, 0
	ending := c.ending
	c.mu.Unlock()
	if ending != "" {
		c.close(ending, true)
	}
	return nil, false
}

func (c *conn) pending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writing
}

// start begins the time in which an accepted connection has to bring a message. It is called
// before the reader starts.
func (c *conn) start() {
	if c.dialled {
		c.proven.Store(true) // we chose the peer
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.proof = time.AfterFunc(c.layer.limits.Load().FirstMessageTimeout, func() {
			if !c.proven.Load() {
				c.close("no message or no proof in time", true)
			}
		})
	}
}

// run reads until the connection ends. It is the goroutine that open counted.
func (c *conn) run(ctx context.Context) {
	defer c.layer.running.Done()
	c.close(c.wire.read(ctx, c), false)
}

// message takes the text of one message from the reader.
func (c *conn) message(text string) {
	defer func() { c.layer.fault(recover(), c.remote) }()
	m, v := c.layer.parse(text, c.remote)
	if !c.heard(m != nil && v == nil) || m == nil {
		return
	}
	if v != nil {
		c.layer.refuse(c, m, v, nil)
		return
	}
	c.layer.handle(c, m)
}

// heard counts a message against what an unproven connection may send; false says that
// it was one too many.
func (c *conn) heard(valid bool) bool {
	if valid {
		c.received.Add(1)
	}
	if c.proven.Load() {
		return true
	}
	if c.unproven++; c.unproven > c.layer.limits.Load().UnprovenMessages {
		c.close("too many messages without proof", true)
		return false
	}
	if valid && c.received.Load() == 1 {
		c.awaitProof()
	}
	return true
}

// awaitProof begins the time from the first message to Prove.
func (c *conn) awaitProof() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.proof.Reset(c.layer.limits.Load().ProofTimeout)
	}
}

// ping answers a keep-alive (rfc5626#3.5.1). A peer that does not read gets no more of them.
func (c *conn) ping() {
	c.layer.count.keepAlives.Add(1)
	if err := c.enqueue("\r\n"); err != nil {
		c.layer.log.Debug("keep-alive not answered", "flow", c.id, "err", err)
	}
}

// Prove ends the limits for unproven connections.
func (c *conn) Prove() {
	if c.proven.Swap(true) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proof != nil {
		c.proof.Stop()
	}
}

// Close ends the connection once the queue is written.
func (c *conn) Close(reason string) {
	c.mu.Lock()
	c.ending = cmp.Or(c.ending, reason, "closed")
	writing := c.writing
	c.mu.Unlock()
	if !writing {
		c.close(reason, true)
	}
}

// close ends the connection now.
func (c *conn) close(reason string, polite bool) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	if c.proof != nil {
		c.proof.Stop()
	}
	c.layer.running.Go(func() { c.wire.close(polite) })
	c.mu.Unlock()

	close(c.done)
	c.layer.forget(c)
	c.layer.log.Debug("connection closed", "flow", c.id, "remote", c.remote, "reason", reason)
}

func (c *conn) isClosed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// background runs f in a goroutine of the layer, unless c is closed. Until a connection is
// closed its reader runs, so the layer's WaitGroup is not at zero when it is added to.
func (c *conn) background(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.layer.running.Go(f)
	}
}

func (c *conn) info() FlowInfo {
	c.mu.Lock()
	queued := c.size
	c.mu.Unlock()
	return FlowInfo{
		ID:       c.id,
		Network:  c.network,
		Local:    c.local,
		Remote:   c.remote,
		Opened:   c.opened,
		Dialled:  c.dialled,
		Proven:   c.proven.Load(),
		Received: c.received.Load(),
		Sent:     c.sent.Load(),
		Queued:   queued,
	}
}
