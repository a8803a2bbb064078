package app

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/internal/config"
	"parley/internal/edge/sipedge"
	"parley/sip/siptest"
)

// A whole server through which thousands of calls and connections of all kinds have gone, many of which
// their owners never ended, holds what it held before.
func TestNoLeakInAWholeServer(t *testing.T) { // not parallel: it measures the whole process
	s := leakScene(t, func(*config.Config) {})
	s.compare(t, 600, 500)
}

// The same for calls that all run back-to-back, with their media passed by.
func TestNoLeakInAServerThatOwnsAllCalls(t *testing.T) {
	s := leakScene(t, func(c *config.Config) { c.Calls.Mode, c.Calls.Anchor = config.ModeBackToBack, config.AnchorNever })
	s.compare(t, 300, 0)
}

// compare holds what is there after rounds of calls and connections against what was before.
func (s *scene) compare(t *testing.T, calls, connections int) {
	t.Helper()
	s.round(t, calls/3, connections/3) // tables and pools reach their size
	before := measure()
	for range siptest.Soak(1, 12) {
		s.round(t, calls, connections)
		before.compare(t, measure())
	}
}

type measured struct {
	heap       int64
	goroutines int
}

// compare fails if more is there afterwards.
func (m measured) compare(t *testing.T, after measured) {
	t.Helper()
	t.Logf("heap %d KiB, then %d KiB; %d goroutines, then %d", m.heap>>10, after.heap>>10, m.goroutines, after.goroutines)
	if grown := after.heap - m.heap; grown > 1<<20 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
	if after.goroutines > m.goroutines {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines more:\n%s", after.goroutines-m.goroutines, buf[:runtime.Stack(buf, true)])
	}
}

func measure() measured {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	out := measured{int64(m.HeapAlloc), runtime.NumGoroutine()}
	for range 10 { // a finalizer that runs is a goroutine too
		time.Sleep(10 * time.Millisecond)
		out.goroutines = min(out.goroutines, runtime.NumGoroutine())
	}
	return out
}

// scene is a server with quick timers and phones that answer by themselves.
type scene struct {
	*App
	robots     []*robot
	goroutines int // of the server at rest; 0: not known yet

	mu    sync.Mutex
	later []*hand // whose ports nobody else may get before the server is at rest
}

// Times of the scene's server.
const (
	sceneT1   = 40 * time.Millisecond
	sceneRing = time.Second
	sceneLong = 4 * time.Second // the longest call
	sceneSlow = 2 * time.Second // what a peer gets for a handshake, a message
)

func leakScene(t *testing.T, change func(*config.Config)) *scene {
	t.Helper()
	c := settings(t)
	c.SIP.T1, c.SIP.T2, c.SIP.T4 = sceneT1, 4*sceneT1, 5*sceneT1
	c.SIP.ConnectionsPerAddress = 100000
	c.SIP.HandshakeTime, c.SIP.FirstMessageTime, c.SIP.MessageTime = sceneSlow, sceneSlow, sceneSlow
	c.SIP.TimeToAuthenticate = 2 * sceneSlow
	c.Calls.Ring, c.Calls.MaxDuration = sceneRing, sceneLong
	c.Echo.MaxCalls = 10000
	change(&c)
	s := &scene{App: open(t, c)}
	t.Cleanup(func() { stop(t, s.App) })
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, user := range append(slices.Collect(robotNames()), "alice") {
		a := alice
		a.Local = user
		if err := s.store.accounts.Create(t.Context(), a, "secret", true); err != nil {
			t.Fatal(err)
		}
	}
	for user := range robotNames() {
		if user != "short" { // of two phones that both answer, the proxy passes both answers on
			s.robots = append(s.robots, newRobot(t, user, "udp", s.at("sip-udp")))
		}
		if user != "takes" {
			s.robots = append(s.robots, newRobot(t, user, "tcp", s.at("sip-tcp")))
		}
	}
	return s
}

func (s *scene) at(listener string) string { return s.Addresses()[listener][0] }

// round makes calls and connections, some at a time, and waits until they are over.
func (s *scene) round(t *testing.T, calls, connections int) {
	t.Helper()
	kinds, lost := callKinds(), &astray{}
	many(calls, 24, func(i int) {
		h := &hand{TB: t, astray: lost}
		defer h.done()
		kinds[i%len(kinds)](s.caller(h, i/len(kinds)))
	})
	abuses := abuses()
	many(connections, 128, func(i int) {
		h := &hand{TB: t, astray: lost}
		defer h.done()
		abuses[i%len(abuses)].do(h, s)
	})
	lost.check(t, 8, calls+connections)
	s.rest(t)
}

// many runs f for 0 to n-1, some at a time.
func many(n, atOnce int, f func(int)) {
	var all sync.WaitGroup
	next := make(chan int)
	for range atOnce {
		all.Go(func() {
			for i := range next {
				one := make(chan struct{})
				go func() { // which may end by a failed test's Goexit
					defer close(one)
					f(i)
				}()
				<-one
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}

// rest waits until nothing is at work any more; what is still there after all timers is told.
func (s *scene) rest(t *testing.T) {
	t.Helper()
	for _, r := range s.robots {
		r.forget()
	}
	limit := time.Now().Add(time.Duration(siptest.Soak(60, 120)) * time.Second)
	left := s.left()
	for ; left != s.settled() && time.Now().Before(limit); left = s.left() {
		time.Sleep(50 * time.Millisecond)
	}
	if left != s.settled() {
		t.Fatalf("left: %s\nwant: %s", left, s.settled())
	}
	for _, h := range s.later {
		h.done()
	}
	s.later = nil
	for s.goroutines > 0 && runtime.NumGoroutine() > s.goroutines && time.Now().Before(limit) {
		time.Sleep(50 * time.Millisecond)
	}
	s.goroutines = runtime.NumGoroutine()
}

func (s *scene) left() string {
	load, layer, sockets := s.sip.Load(), s.sip.Layer().Stats(), s.sip.Transport().Stats()
	return fmt.Sprintf("%d calls, %+v, %d client and %d server transactions, %d RTP ports, connections %v",
		s.sip.Calls(), load, layer.Clients, layer.Servers, s.ports.InUse(), sockets.Connections)
}

// settled is left of a server at which only the robots are signed in.
func (s *scene) settled() string {
	return fmt.Sprintf("0 calls, %+v, 0 client and 0 server transactions, 0 RTP ports, connections %v",
		sipedge.Load{}, map[string]int{"TCP": len(s.robots) / 2}) // half of them over TCP
}
