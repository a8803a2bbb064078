package transaction

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/sip"
	"parley/sip/siptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a layer in virtual time with one flow to a peer that the test plays.
type world struct {
	t         *testing.T
	clock     *siptest.Clock
	layer     *Layer
	near, far *siptest.Flow
	start     time.Time

	mu      sync.Mutex
	servers []*Server
	events  []string // what handlers heard, with the time
}

// newWorld makes one; the config's callbacks are the world's where the test has none.
func newWorld(t *testing.T, network string, c Config) *world {
	t.Helper()
	w := &world{t: t, clock: siptest.NewClock()}
	w.start = w.clock.Now()
	c.Clock = w.clock
	if c.Shards == 0 {
		c.Shards = 1
	}
	if c.OnRequest == nil {
		c.OnRequest = w.serve
	}
	if c.OnACK == nil {
		c.OnACK = func(_ sip.Flow, m *sip.Message) { w.note("OnACK") }
	}
	if c.OnStray == nil {
		c.OnStray = func(_ sip.Flow, m *sip.Message) { w.note("OnStray " + siptest.Summary(m)) }
	}
	w.layer = New(c)
	w.near, w.far = siptest.Pipe(w.clock, network)
	w.near.OnReceive(w.layer.Receive)
	t.Cleanup(w.layer.Close)
	return w
}

func (w *world) note(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, w.clock.Now().Sub(w.start).String()+" "+s)
}

func (w *world) serve(s *Server) {
	w.note("OnRequest " + siptest.Summary(s.Request()))
	w.mu.Lock()
	w.servers = append(w.servers, s)
	w.mu.Unlock()
	s.Handle(w)
}

// world is the handler of all its transactions.
func (w *world) Response(_ *Client, resp *sip.Message) { w.note("Response " + siptest.Summary(resp)) }
func (w *world) Cancelled(_ *Server, _ *sip.Message)   { w.note("Cancelled") }

type ended interface{ Request() *sip.Message }

func (w *world) end(x ended, err error) {
	w.note(fmt.Sprintf("Ended %s: %v", x.Request().Method(), err))
}

type clientSide struct{ *world }

func (c clientSide) Ended(x *Client, err error) { c.end(x, err) }

func (w *world) Ended(x *Server, err error) { w.end(x, err) }

// request starts a client transaction.
func (w *world) request(m *sip.Message) *Client {
	c := w.layer.Request(w.near, m, clientSide{w})
	w.clock.Settle()
	return c
}

// arrive lets m come from the peer.
func (w *world) arrive(m *sip.Message) {
	w.t.Helper()
	if err := w.far.Send(m); err != nil {
		w.t.Fatalf("peer could not send: %v", err)
	}
	w.clock.Settle()
}

// answer lets the peer answer req.
func (w *world) answer(req *sip.Message, status int) *sip.Message {
	w.t.Helper()
	resp := siptest.Response(req, status)
	w.arrive(resp)
	return resp
}

// server is the only server transaction so far.
func (w *world) server() *Server {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.servers) != 1 {
		w.t.Fatalf("%d server transactions, want 1", len(w.servers))
	}
	return w.servers[0]
}

func (w *world) respond(s *Server, status int) *sip.Message {
	resp := siptest.Response(s.Request(), status)
	s.Respond(resp)
	w.clock.Settle()
	return resp
}

func (w *world) advance(d time.Duration) { w.clock.Advance(d) }

// sent compares all that was sent since the last look.
func (w *world) sent(want ...string) {
	w.t.Helper()
	w.clock.Settle()
	compare(w.t, "sent", w.near.Lines(), want)
}

// heard compares what the handlers heard since the last look.
func (w *world) heard(want ...string) {
	w.t.Helper()
	w.clock.Settle()
	w.mu.Lock()
	got := w.events
	w.events = nil
	w.mu.Unlock()
	compare(w.t, "handlers heard", got, want)
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\n  %q\nwant\n  %q", what, got, want)
	}
}

// empty checks that nothing is left: no transaction, no timer, no ticking.
func (w *world) empty() {
	w.t.Helper()
	w.advance(2 * time.Second) // the ticking lingers
	if st := w.layer.Stats(); st.Clients != 0 || st.Servers != 0 {
		w.t.Errorf("%d client and %d server transactions are left", st.Clients, st.Servers)
	}
	if n := w.layer.live.Load(); n != 0 {
		w.t.Errorf("the limit counts %d transactions that are not there", n)
	}
	for _, sh := range w.layer.shards {
		if len(sh.clients)+len(sh.servers)+sh.wheel.count != 0 {
			w.t.Errorf("a shard has %d clients, %d servers, %d timers",
				len(sh.clients), len(sh.servers), sh.wheel.count)
		}
	}
	if n := w.clock.Ticking(); n != 0 {
		w.t.Errorf("%d shards tick for nothing", n)
	}
}

func invite(edits ...siptest.Edit) *sip.Message {
	return siptest.Invite("alice@example.com", "bob@example.com", edits...)
}

func options(edits ...siptest.Edit) *sip.Message {
	return siptest.Request(sip.OPTIONS, "alice@example.com", "bob@example.com", edits...)
}

// each runs a test over an unreliable and a reliable flow.
func each(t *testing.T, f func(t *testing.T, network string, reliable bool)) {
	t.Helper()
	for _, network := range []string{sip.UDP, sip.TCP} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			f(t, network, network != sip.UDP)
		})
	}
}

// times makes lines of one message at several times.
func times(what string, at ...string) []string {
	lines := []string{}
	for _, s := range at {
		lines = append(lines, s+" "+what)
	}
	return lines
}
