package transaction

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/siptest"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{Limit: 2})
	w.arrive(options())
	first := w.server()
	w.request(options())
	w.sent("0s OPTIONS")

	m := invite()
	w.arrive(m)
	w.arrive(m)
	w.sent("0s 503 INVITE", "0s 503 INVITE")
	log := w.near.Log()
	refusal, again := log[1].Message, log[2].Message
	if refusal.Text() != again.Text() {
		t.Errorf("copies got different answers:\n%s\n%s", refusal.Text(), again.Text())
	}
	if n, err := strconv.Atoi(refusal.Get(sip.HeaderRetryAfter)); err != nil || n < 5 || n > 14 {
		t.Errorf("Retry-After %q", refusal.Get(sip.HeaderRetryAfter))
	}
	w.arrive(siptest.Ack(m, refusal)) // known, though nothing was kept
	w.request(invite())
	w.heard("0s OnRequest OPTIONS", "0s Ended INVITE: "+ErrOverload.Error())

	w.respond(first, 200)
	w.advance(time.Minute) // both end, and there is room again
	w.arrive(options())
	w.heard("32s Ended OPTIONS: "+ErrTimeout.Error(), "32s Ended OPTIONS: <nil>", "1m0s OnRequest OPTIONS")
}

func TestCancelPassesTheLimit(t *testing.T) { // it makes room
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{Limit: 1})
	c := w.request(invite())
	w.answer(c.Request(), 180)
	c.Cancel("")
	w.sent("0s INVITE", "0s CANCEL")
}

func TestStats(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{Shards: 4})
	for range 10 {
		w.arrive(options())
		w.request(options())
	}
	w.advance(600 * time.Millisecond)
	w.arrive(siptest.Response(options(), 200))
	got := w.layer.Stats()
	want := Stats{Clients: 10, Servers: 10, Requests: 10, Responses: 1, Retransmits: 10}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestFullQueueDrops(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	w.layer.queue = 3
	hold, held := make(chan struct{}), make(chan struct{})
	w.layer.Do("x", func() { close(held); <-hold })
	<-held
	for range 5 {
		if err := w.far.Send(options()); err != nil {
			t.Fatal(err)
		}
	}
	inside, outside := siptest.Pipe(w.clock, sip.Memory)
	inside.OnReceive(w.layer.Receive)
	if err := outside.Send(options()); err != nil { // the program's own messages are taken
		t.Fatal(err)
	}
	done := false
	w.layer.Do("x", func() { done = true })
	close(hold)
	w.clock.Settle()
	if st := w.layer.Stats(); st.Servers != 4 || st.Dropped != 2 || !done {
		t.Errorf("%d taken, %d dropped, own work done: %v; want 4, 2, true", st.Servers, st.Dropped, done)
	}
	w.arrive(options())
	if st := w.layer.Stats(); st.Servers != 5 {
		t.Errorf("the queue did not open again: %+v", st)
	}
}

func TestNoViaIsDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	w.arrive(options(siptest.Without(sip.HeaderVia)))
	w.heard()
	if n := w.layer.Stats().Dropped; n != 1 {
		t.Errorf("Dropped %d, want 1", n)
	}
}

func TestDoKeepsOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{Shards: 4})
	var got []int
	for i := range 100 {
		w.layer.Do("one call", func() { got = append(got, i) })
	}
	w.clock.Settle()
	for i, n := range got {
		if i != n {
			t.Fatalf("order %v", got)
		}
	}
	if len(got) != 100 {
		t.Errorf("%d of 100 ran", len(got))
	}
}

func TestAfter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	w.layer.After("x", 3*time.Second, func() { w.note("three") })
	w.layer.After("x", time.Second, func() { w.note("one") })
	stop := w.layer.After("x", 2*time.Second, func() { w.note("stopped") })
	w.layer.After("x", 0, func() { w.note("zero") })
	w.layer.After("x", 3*time.Second, func() { w.note("also three") })
	w.layer.After("x", 3*time.Minute, func() { w.note("later than the wheel is large") })
	w.advance(1500 * time.Millisecond)
	stop()
	stop()
	w.advance(5 * time.Minute)
	w.heard("10ms zero", "1s one", "3s three", "3s also three", "3m0s later than the wheel is large")
	stop()
	w.empty()
}

func TestAfterStoppedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	hold := make(chan struct{})
	w.layer.Do("x", func() { <-hold })
	stop := w.layer.After("x", 0, func() { w.note("stopped") })
	stop()
	close(hold)
	w.advance(time.Second)
	w.heard()
	w.empty()
}

func TestAfterStoppedByATimerOfTheSameTick(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	var stop func()
	w.layer.After("x", time.Second, func() { stop() })
	stop = w.layer.After("x", time.Second, func() { w.note("stopped") })
	w.advance(2 * time.Second)
	w.heard()
	w.empty()
}

func TestTickingStopsAndStartsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	for range 3 {
		w.layer.After("x", 5*time.Second, func() { w.note("now") })
		w.advance(6 * time.Second)
		w.empty() // 2 s
		w.advance(12 * time.Minute)
	}
	w.heard("5s now", "12m13s now", "24m21s now")
}

func TestClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{Shards: 2})
	w.arrive(invite())
	s := w.server()
	c := w.request(options())
	w.layer.After("x", time.Second, func() { w.note("never") })
	w.heard("0s OnRequest INVITE")
	w.layer.Close()
	w.mu.Lock()
	if len(w.events) != 2 || !strings.HasSuffix(w.events[0], ErrClosed.Error()) ||
		!strings.HasSuffix(w.events[1], ErrClosed.Error()) {
		t.Errorf("handlers heard %q", w.events)
	}
	w.events = nil
	w.mu.Unlock()
	if n := w.clock.Ticking(); n != 0 {
		t.Errorf("%d shards tick", n)
	}

	// What comes now does no harm.
	w.layer.Close()
	s.Respond(siptest.Response(s.Request(), 200))
	s.Handle(w)
	c.Cancel("")
	w.arrive(options())
	w.layer.Do("x", func() { w.note("never") })
	w.layer.After("x", 0, func() { w.note("never") })()
	w.advance(time.Minute)
	w.sent("0s OPTIONS")
	w.heard()
}

func TestCloseAfterAFinalResponse(t *testing.T) { // it came, so there is no error
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	c := w.request(invite())
	w.answer(c.Request(), 200)
	w.layer.Close()
	w.heard("0s Response 200 INVITE", "0s Ended INVITE: <nil>")
}

// waiter tells how a client ended.
type waiter struct{ end chan error }

func (waiter) Response(*Client, *sip.Message) {}
func (h waiter) Ended(_ *Client, err error)   { h.end <- err }

func TestRequestAfterClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	w.layer.Close()
	h := waiter{make(chan error, 1)}
	w.layer.Request(w.near, options(), h)
	if err := <-h.end; !errors.Is(err, ErrClosed) {
		t.Errorf("ended with %v, want ErrClosed", err)
	}
}

// starter answers each end with a new request, three times.
type starter struct {
	*world
	left *atomic.Int32
}

func (h starter) Ended(_ *Client, err error) {
	h.note(err.Error())
	if h.left.Add(-1) > 0 {
		h.layer.Request(h.near, options(), h)
	}
}

func TestRequestWhileClosing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	h := starter{w, &atomic.Int32{}}
	h.left.Store(3)
	w.layer.Request(w.near, options(), h)
	w.clock.Settle()
	w.layer.Close()
	w.sent("0s OPTIONS")
	w.heard(times(ErrClosed.Error(), "0s", "0s", "0s")...)
}

func TestWithoutHandlers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	w.layer.config.OnRequest = Config{}.withDefaults().OnRequest
	w.layer.config.OnACK = Config{}.withDefaults().OnACK
	w.layer.config.OnStray = nil
	m := invite()
	w.arrive(m)
	w.arrive(siptest.Ack(m, siptest.Response(m, 200)))
	w.arrive(siptest.Response(m, 200))
	w.sent("0s 501 INVITE")
	c := w.layer.Request(w.near, options(), nil)
	w.answer(c.Request(), 200)
	if c.Flow() != sip.Flow(w.near) || w.layer.Stats().Clients != 0 {
		t.Errorf("the client did not end: %+v", w.layer.Stats())
	}
}

// trap panics wherever it is called.
type trap struct{}

func (trap) Response(*Client, *sip.Message)  { panic("Response") }
func (trap) Cancelled(*Server, *sip.Message) { panic("Cancelled") }

type clientTrap struct{ trap }

func (clientTrap) Ended(*Client, error) { panic("client's Ended") }

type serverTrap struct{ trap }

func (serverTrap) Ended(*Server, error) { panic("server's Ended") }

func TestHandlersThatPanic(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var text bytes.Buffer
	logger := slog.New(slog.NewTextHandler(lockedWriter{&mu, &text}, nil))
	logged := func(what string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !strings.Contains(text.String(), what) || !strings.Contains(text.String(), "layer_test.go") {
			t.Errorf("%q is not in the log with its stack:\n%s", what, text.String())
		}
		text.Reset()
	}
	w := newWorld(t, sip.TCP, Config{Log: logger,
		OnACK: func(sip.Flow, *sip.Message) { panic("OnACK") }, OnStray: func(sip.Flow, *sip.Message) { panic("OnStray") }})

	w.layer.config.OnRequest = func(*Server) { panic("OnRequest") }
	w.arrive(options())
	w.sent("0s 500 OPTIONS")
	logged("OnRequest")

	w.layer.config.OnRequest = func(s *Server) { s.Handle(serverTrap{}) }
	m := invite()
	w.arrive(m)
	w.arrive(siptest.Cancel(m))
	w.sent("0s 200 CANCEL", "0s 500 INVITE")
	logged("Cancelled")
	no := w.near.Log()[2].Message
	w.arrive(siptest.Ack(m, no))
	logged("server's Ended")

	c := w.layer.Request(w.near, invite(), clientTrap{})
	w.answer(c.Request(), 180)
	w.sent("0s INVITE", "0s CANCEL") // it is of no use any more
	logged("Response")
	w.answer(w.near.Log()[4].Message, 200)
	w.answer(c.Request(), 487)
	w.sent("0s ACK")
	logged("client's Ended")

	w.arrive(siptest.Ack(m, siptest.Response(m, 200)))
	logged("OnACK")
	w.arrive(siptest.Response(m, 200))
	logged("OnStray")
	w.layer.Do("x", func() { panic("Do") })
	w.clock.Settle()
	logged("Do")
	w.layer.After("x", time.Second, func() { panic("After") })
	w.advance(time.Second)
	logged("After")
	w.empty()
}

// mine is a flow that explodes.
type mine struct{ *siptest.Flow }

func (mine) Send(*sip.Message) error { panic("mine") }

func TestFlowThatPanics(t *testing.T) { // its transactions time out; the others go on
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	bad := mine{w.near}
	w.layer.Request(bad, invite(), clientSide{w})
	w.layer.Request(bad, options(), clientSide{w})
	w.layer.Receive(bad, siptest.Cancel(invite()))
	w.arrive(options())
	w.respond(w.server(), 200)
	w.sent("0s 200 OPTIONS")
	w.advance(time.Minute)
	w.heard("0s OnRequest OPTIONS", "32s Ended INVITE: "+ErrTimeout.Error(),
		"32s Ended OPTIONS: "+ErrTimeout.Error(), "32s Ended OPTIONS: <nil>")
	w.empty()
}

// FuzzReceive gives the layer whatever can be parsed, and lets time pass.
func FuzzReceive(f *testing.F) {
	m := invite()
	ok := siptest.Response(m, 200)
	for _, seed := range []*sip.Message{
		m, options(), ok, siptest.Response(m, 486), siptest.Ack(m, ok), siptest.Cancel(m), old(m, ""),
		rebuilt(m, siptest.Without(sip.HeaderTo)), rebuilt(m, siptest.Without(sip.HeaderCSeq)),
	} {
		f.Add(seed.Text())
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := sip.Parse(text)
		if err != nil {
			return
		}
		var log bytes.Buffer
		var mu sync.Mutex
		w := newWorld(t, sip.UDP, Config{
			T1: 10 * time.Millisecond, T2: 40 * time.Millisecond, T4: 50 * time.Millisecond,
			Log: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil)),
		})
		w.layer.config.OnRequest = func(s *Server) {
			if resp, err := s.Request().Response(486, "").ToTag("x").Message(); err == nil {
				s.Respond(resp)
			}
		}
		w.layer.Receive(w.near, m)
		w.layer.Receive(w.near, m)
		c := w.layer.Request(w.near, m, nil)
		w.advance(100 * time.Millisecond)
		c.Cancel("")
		w.advance(2 * time.Second)
		w.layer.Close()
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(log.String(), "panic") {
			t.Errorf("%q\n%s", text, log.String())
		}
	})
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func TestMemoryLoop(t *testing.T) { // both ends of a call in one layer, on one shard
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{Shards: 4})
	ours, theirs := siptest.Pipe(w.clock, sip.Memory)
	ours.OnReceive(w.layer.Receive)
	theirs.OnReceive(w.layer.Receive)
	w.layer.config.OnRequest = func(s *Server) {
		w.note("OnRequest")
		s.Handle(w)
		s.Respond(siptest.Response(s.Request(), 180))
	}
	c := w.layer.Request(ours, invite(), clientSide{w})
	w.heard("0s OnRequest", "0s Response 180 INVITE")
	c.Cancel("")
	w.heard("0s Cancelled")
	if st := w.layer.Stats(); st.Clients != 1 || st.Servers != 1 {
		t.Errorf("%+v", st)
	}
	w.advance(40 * time.Second)
	w.heard("32s Ended INVITE: " + ErrTimeout.Error())
}

func TestBranchAndTag(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		b, tag := NewBranch(), NewTag()
		if !hasCookie(b) || seen[b] || seen[tag] || len(tag) < 8 {
			t.Fatalf("branch %q, tag %q", b, tag)
		}
		seen[b], seen[tag] = true, true
	}
}

func TestRealTime(t *testing.T) { // the wall clock, no test's clock
	t.Parallel()
	l := New(Config{T1: 20 * time.Millisecond})
	defer l.Close()
	near, far := siptest.Pipe(nil, sip.UDP)
	near.OnReceive(l.Receive)
	far.OnReceive(func(_ sip.Flow, m *sip.Message) {
		if len(near.Log()) == 3 { // two copies
			if err := far.Send(siptest.Response(m, 200)); err != nil {
				t.Error(err)
			}
		}
	})
	h := waiter{make(chan error, 1)}
	l.Request(near, invite(), h)
	select {
	case err := <-h.end:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the transaction did not end")
	}
	if at := near.Log()[2].At; at < 60*time.Millisecond {
		t.Errorf("the second copy was sent after %v, want 60ms or more", at)
	}
}

func TestManyGoroutines(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	l := New(Config{Shards: 3, OnRequest: func(s *Server) {
		wg.Go(func() { s.Respond(siptest.Response(s.Request(), 200)) })
	}})
	defer l.Close()
	near, far := siptest.Pipe(nil, sip.Memory)
	near.OnReceive(l.Receive)
	far.OnReceive(l.Receive)
	ends := make(chan error, 400)
	for i := range 400 {
		wg.Go(func() {
			c := l.Request(near, options(siptest.With(sip.HeaderCallID, fmt.Sprint(i))), waiter{ends})
			c.Cancel("")
			l.Do(c.Request().CallID(), func() {})
			l.After(c.Request().CallID(), time.Hour, func() {})()
			_ = l.Stats()
		})
	}
	for range 400 {
		if err := <-ends; err != nil {
			t.Errorf("ended with %v", err)
		}
	}
	wg.Wait()
}
