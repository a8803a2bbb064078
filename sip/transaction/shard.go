package transaction

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"parley/sip"
)

// queueLimit is how many messages from the network may wait for one shard. What
// the program itself queues is bounded by the transactions it belongs to.
const queueLimit = 8192

// event is one piece of work: exactly one of message, answer, start and call is meant.
type event struct {
	flow   sip.Flow     // a message came over it
	msg    *sip.Message // the message, or server's response
	server *Server
	client *Client
	f      func()
}

// call is the Call-ID, for the log.
func (e *event) call() string {
	if e.msg == nil {
		return ""
	}
	return e.msg.CallID()
}

// shard is one goroutine and all that it owns.
type shard struct {
	layer *Layer

	// The inbox, for all goroutines.
	mu      sync.Mutex
	filled  sync.Cond
	in      []event
	network int  // events in it that came from the network
	ticked  bool // time has passed
	closing bool
	closed  bool

	// For the shard alone.
	spare    []event
	wheel    wheel
	stopTick func()
	empty    int // ticks without a timer
	ending   bool
	servers  map[serverKey]*Server
	clients  map[clientKey]*Client

	nServers, nClients                        atomic.Int64
	requests, responses, dropped, retransmits atomic.Uint64
}

func newShard(l *Layer) *shard {
	sh := &shard{layer: l, servers: map[serverKey]*Server{}, clients: map[clientKey]*Client{}}
	sh.filled.L = &sh.mu
	sh.wheel.start = l.clock.Now()
	return sh
}

// post queues the program's own work; false if the shard is gone.
func (sh *shard) post(e event) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.push(e)
}

// receive queues what came from the network, if there is room.
func (sh *shard) receive(e event) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.network >= sh.layer.queue {
		return false
	}
	if !sh.push(e) {
		return false
	}
	sh.network++
	return true
}

func (sh *shard) push(e event) bool {
	if sh.closed {
		return false
	}
	sh.layer.busy(1)
	sh.in = append(sh.in, e)
	sh.filled.Signal()
	return true
}

// tick is called by the clock.
func (sh *shard) tick() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.ticked || sh.closed {
		return
	}
	sh.layer.busy(1)
	sh.ticked = true
	sh.filled.Signal()
}

func (sh *shard) close() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.closing = true
	sh.filled.Signal()
}

// run is the shard's goroutine.
func (sh *shard) run() {
	for {
		batch, ticked, more := sh.take()
		if !more {
			break
		}
		for i := range batch {
			sh.guard("transaction", batch[i].call(), func() { sh.handle(&batch[i]) })
			batch[i] = event{}
			sh.layer.busy(-1)
		}
		if ticked {
			sh.advance()
			sh.layer.busy(-1)
		}
		sh.keep(batch)
	}
	if sh.stopTick != nil {
		sh.stopTick()
	}
}

// take waits for work. When the layer closes it ends all transactions first and is done once
// what that led to is done.
func (sh *shard) take() (batch []event, ticked, more bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for len(sh.in) == 0 && !sh.ticked {
		if sh.closing && sh.ending {
			sh.closed = true
			return nil, false, false
		}
		if sh.closing {
			sh.mu.Unlock()
			sh.endAll()
			sh.mu.Lock()
			continue
		}
		sh.filled.Wait()
	}
	batch, ticked = sh.in, sh.ticked
	sh.in, sh.spare = sh.spare, nil
	sh.network, sh.ticked = 0, false
	return batch, ticked, true
}

// keep uses a batch's memory again, unless a burst made it large.
func (sh *shard) keep(batch []event) {
	if cap(batch) <= 1024 {
		sh.spare = batch[:0]
	}
}

func (sh *shard) handle(e *event) {
	switch {
	case e.flow != nil:
		sh.message(e.flow, e.msg)
	case e.server != nil:
		e.server.respond(e.msg)
	case e.client != nil:
		e.client.start()
	default:
		e.f()
	}
}

// message sorts what came from the network.
func (sh *shard) message(f sip.Flow, m *sip.Message) {
	via, ok := m.Via()
	if !ok || sh.ending {
		sh.dropped.Add(1)
		return
	}
	switch {
	case !m.IsRequest():
		sh.responses.Add(1)
		sh.response(f, m, via)
	case m.Method() == sip.ACK:
		sh.requests.Add(1)
		sh.ack(f, m, via)
	case m.Method() == sip.CANCEL:
		sh.requests.Add(1)
		sh.cancel(f, m, via)
	default:
		sh.requests.Add(1)
		sh.request(f, m, via)
	}
}

// request gives a copy to its transaction and starts one for what is new.
func (sh *shard) request(f sip.Flow, m *sip.Message, via sip.Via) {
	key := keyOf(m, via, m.Method())
	if s := sh.servers[key]; s != nil {
		s.again(f)
		return
	}
	if !sh.layer.admit() {
		sh.overload(f, m)
		return
	}
	s := newServer(sh, f, m, key)
	s.start()
}

// response finds the client transaction (rfc3261#17.1.3).
func (sh *shard) response(f sip.Flow, m *sip.Message, via sip.Via) {
	c := sh.clients[clientKey{via.Branch, m.Method()}]
	if c == nil || c.req.CallID() != m.CallID() {
		sh.stray(f, m)
		return
	}
	c.receive(f, m)
}

func (sh *shard) stray(f sip.Flow, m *sip.Message) {
	if h := sh.layer.config.OnStray; h != nil {
		sh.guard("OnStray", m.CallID(), func() { h(f, m) })
	}
}

// guard runs a handler; ok is false if it panicked. All else that runs on the shard is inside
// one as well: a flow's Send is somebody else's code too.
func (sh *shard) guard(what, call string, f func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			sh.layer.log.Error("panic", "in", what, "call", call,
				"value", r, "stack", string(debug.Stack()))
		}
	}()
	f()
	return true
}

func (sh *shard) endAll() {
	sh.ending = true
	for _, c := range sh.clients {
		c.end(ErrClosed)
	}
	for _, s := range sh.servers {
		s.end(ErrClosed)
	}
}

// set starts a timer, or starts it anew.
func (sh *shard) set(t *timer, d time.Duration) { sh.setAt(t, sh.layer.clock.Now().Add(d)) }

func (sh *shard) setAt(t *timer, at time.Time) {
	if sh.stopTick == nil {
		sh.empty = 0
		sh.wheel.run(sh.layer.clock.Now()) // it stood still, and it is empty
		sh.stopTick = sh.layer.clock.Tick(tick, sh.tick)
	}
	sh.wheel.add(t, at)
}

func (sh *shard) stop(t *timer) { sh.wheel.remove(t) }

// advance runs the timers that are due, and lets the ticking end when there are none.
func (sh *shard) advance() {
	sh.wheel.run(sh.layer.clock.Now())
	if sh.wheel.count > 0 {
		sh.empty = 0
		return
	}
	if sh.empty++; sh.empty >= linger && sh.stopTick != nil {
		sh.stopTick()
		sh.stopTick = nil
	}
}
