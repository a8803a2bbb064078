package transaction

import (
	"cmp"
	"errors"
	"hash/maphash"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"parley/sip"
)

// How a transaction ended without a final response.
var (
	ErrTimeout   = errors.New("transaction: no response in time")       // Timer B, F, H
	ErrTransport = errors.New("transaction: message could not be sent") // rfc3261#17.1.4
	ErrClosed    = errors.New("transaction: layer is closed")
	ErrOverload  = errors.New("transaction: too many transactions")
	// ErrBranch says that a request has no Via, or its branch is in use.
	ErrBranch = errors.New("transaction: request has no fresh branch")
)

// Config of a Layer. The zero value of each field but OnRequest takes the default.
type Config struct {
	Shards    int           // default: GOMAXPROCS
	T1        time.Duration // 500ms
	T2        time.Duration // 4s
	T4        time.Duration // 5s
	Limit     int           // transactions held at once; default 200000. Past it new requests get 503 statelessly
	Clock     Clock
	Log       *slog.Logger
	OnRequest func(*Server)                // a new request (never ACK or CANCEL); on the shard
	OnACK     func(sip.Flow, *sip.Message) // an ACK that ends no server transaction: for a 2xx; on the shard
	OnStray   func(sip.Flow, *sip.Message) // a response that no client transaction waits for; may be nil
	// Return looks for another way back to where a request came from whose connection is gone
	// (rfc3261#18.2.2). It must not block; it calls found once, from any goroutine, with
	// nil if there is no way. nil stands for one that never finds any.
	Return func(gone sip.Flow, req *sip.Message, found func(sip.Flow))
}

// Layer holds the transactions of one element.
type Layer struct {
	config  Config
	clock   Clock
	tracker Tracker // nil in real time
	log     *slog.Logger
	seed    maphash.Seed
	shards  []*shard
	queue   int // of queueLimit
	live    atomic.Int64
	running sync.WaitGroup
}

// New starts the shards; Close ends them.
func New(c Config) *Layer {
	l := &Layer{config: c.withDefaults(), seed: maphash.MakeSeed(), queue: queueLimit}
	l.clock, l.log = l.config.Clock, l.config.Log
	l.tracker, _ = l.clock.(Tracker)
	for range l.config.Shards {
		sh := newShard(l)
		l.shards = append(l.shards, sh)
		l.running.Go(sh.run)
	}
	return l
}

func (c Config) withDefaults() Config {
	c.Shards = cmp.Or(c.Shards, runtime.GOMAXPROCS(0))
	c.T1 = cmp.Or(c.T1, 500*time.Millisecond)
	c.T2 = cmp.Or(c.T2, 4*time.Second)
	c.T4 = cmp.Or(c.T4, 5*time.Second)
	c.Limit = cmp.Or(c.Limit, 200_000)
	if c.Clock == nil {
		c.Clock = wallClock{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.OnRequest == nil {
		c.OnRequest = refuse
	}
	if c.OnACK == nil {
		c.OnACK = func(sip.Flow, *sip.Message) {}
	}
	if c.Return == nil {
		c.Return = func(_ sip.Flow, _ *sip.Message, found func(sip.Flow)) { found(nil) }
	}
	return c
}

// refuse answers for an element that serves nobody.
func refuse(s *Server) {
	if resp, err := s.req.Response(501, "").ToTag(NewTag()).Message(); err == nil {
		s.Respond(resp)
	}
}

// long is 64*T1: how long a peer may be silent.
func (l *Layer) long() time.Duration { return 64 * l.config.T1 }

func (l *Layer) busy(n int) {
	if l.tracker != nil {
		l.tracker.Busy(n)
	}
}

// admit counts a new transaction, if there is room for it.
func (l *Layer) admit() bool {
	if l.live.Add(1) > int64(l.config.Limit) {
		l.live.Add(-1)
		return false
	}
	return true
}

func (l *Layer) shard(callID string) *shard {
	if len(l.shards) == 1 {
		return l.shards[0]
	}
	return l.shards[maphash.String(l.seed, callID)%uint64(len(l.shards))]
}

// Receive takes a parsed, valid message from a flow; it is what a transport's handler
// calls. It never blocks: a full shard queue drops the message and counts it. (A message from
// a Memory flow is the program's own and always taken.)
// A request's topmost Via must already have received/rport (rfc3581#4).
func (l *Layer) Receive(f sip.Flow, m *sip.Message) {
	sh, e := l.shard(m.CallID()), event{flow: f, msg: m}
	if f.Network() == sip.Memory && sh.post(e) {
		return
	}
	if !sh.receive(e) {
		sh.dropped.Add(1)
	}
}

// Request starts a client transaction. req has its own Via on top, with a branch from
// NewBranch. h is called on the shard of req's Call-ID. An ACK is no transaction: it is sent
// once, and that is its end.
//
// A reliable flow that dies ends the transactions that wait on it with ErrTransport within
// two seconds.
func (l *Layer) Request(f sip.Flow, req *sip.Message, h ClientHandler) *Client {
	c := newClient(l.shard(req.CallID()), f, req, h)
	if !c.shard.post(event{client: c}) {
		c.state = terminated
		go c.handler.Ended(c, ErrClosed) // there is no shard to call it on
	}
	return c
}

// Do runs f on the shard of callID, after what is already queued there; never once the layer
// is closed.
func (l *Layer) Do(callID string, f func()) { l.shard(callID).post(event{f: f}) }

// After runs f on the shard of callID once d has passed, unless stop is called first, or the
// layer is closed.
func (l *Layer) After(callID string, d time.Duration, f func()) (stop func()) {
	w := &delayed{shard: l.shard(callID), call: callID, f: f}
	w.timer.owner = w
	at := l.clock.Now().Add(d)
	w.shard.post(event{f: func() { w.start(at) }})
	return w.stop
}

// delayed is one call of After.
type delayed struct {
	shard   *shard
	call    string
	timer   timer
	stopped atomic.Bool
	f       func()
}

func (w *delayed) start(at time.Time) {
	if !w.stopped.Load() && !w.shard.ending {
		w.shard.setAt(&w.timer, at)
	}
}

func (w *delayed) stop() {
	if !w.stopped.Swap(true) {
		w.shard.post(event{f: func() { w.shard.stop(&w.timer) }})
	}
}

func (w *delayed) fire(*timer) {
	if !w.stopped.Swap(true) {
		w.shard.guard("delayed function", w.call, w.f)
	}
}

// Stats counts what lives now and what happened since the start: requests and responses
// that came in (copies included), what was dropped for lack of room, and what
// was sent again.
type Stats struct {
	Clients, Servers                          int
	Requests, Responses, Dropped, Retransmits uint64
}

// Stats sums the shards up.
func (l *Layer) Stats() Stats {
	var st Stats
	for _, sh := range l.shards {
		st.Clients += int(sh.nClients.Load())
		st.Servers += int(sh.nServers.Load())
		st.Requests += sh.requests.Load()
		st.Responses += sh.responses.Load()
		st.Dropped += sh.dropped.Load()
		st.Retransmits += sh.retransmits.Load()
	}
	return st
}

// Close ends every transaction with ErrClosed and stops the shards. It waits for them, so a
// handler must not call it.
func (l *Layer) Close() {
	for _, sh := range l.shards {
		sh.close()
	}
	l.running.Wait()
}

// reply answers a request without a transaction.
func (sh *shard) reply(f sip.Flow, b *sip.Builder, call string) {
	resp, err := b.Message()
	if err == nil {
		err = f.Send(resp)
	}
	if err != nil {
		sh.layer.log.Debug("response not sent", "call", call, "err", err)
	}
}

// overload refuses a request that there is no room for. The time to wait differs between
// calls, so that they don't come back together.
func (sh *shard) overload(f sip.Flow, m *sip.Message) {
	wait := 5 + maphash.String(sh.layer.seed, m.CallID())%10
	sh.reply(f, m.Response(503, "").
		Set(sip.HeaderRetryAfter, strconv.FormatUint(wait, 10)).
		ToTag(sh.layer.statelessTag(m)), m.CallID())
}
