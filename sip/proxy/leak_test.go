package proxy_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/sip"
	"parley/sip/proxy"
	"parley/sip/siptest"
	"parley/sip/transaction"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// robot is a flow whose far end answers by itself.
type robot struct {
	wire
	layer  *transaction.Layer
	answer []int
}

func (r *robot) Send(m *sip.Message) error {
	if !m.IsRequest() || m.Method() == sip.ACK {
		return nil
	}
	statuses := r.answer
	if m.Method() == sip.CANCEL {
		statuses = []int{200}
	}
	for _, status := range statuses {
		resp, err := m.Response(status, "").ToTag("robot").Message()
		if err != nil {
			return err
		}
		r.layer.Receive(r, resp)
	}
	return nil
}

func newRobot(layer *transaction.Layer, network string, answer ...int) *robot {
	return &robot{wire{id: fmt.Sprint("robot-", answer), network: network, advertised: "proxy.example.org"}, layer, answer}
}

// Thousands of calls of all kinds, some of which nobody ever ends, leave nothing behind.
func TestNoLeakOfManyCalls(t *testing.T) {
	sc := newScene(t) // not parallel: it measures the whole heap
	sc.caller.drop = true
	rings := newRobot(sc.layer, sip.UDP, 180)
	takes := newRobot(sc.layer, sip.TCP, 100, 180, 200)
	busy := newRobot(sc.layer, sip.UDP, 486)
	mute := newRobot(sc.layer, sip.UDP)
	var kinds []proxy.Forward
	for _, waves := range [][][]*robot{{{rings, takes}, {busy}}, {{busy}, {takes}}, {{mute, busy}}, {{rings}, {mute}}, {}} {
		var f proxy.Forward
		for _, robots := range waves {
			w := proxy.Wave{Timeout: 10 * time.Second}
			for _, r := range robots {
				w.Targets = append(w.Targets, proxy.Target{Name: r.id, URI: "sip:x@192.0.2.9", Flow: r})
			}
			f.Waves = append(f.Waves, w)
		}
		kinds = append(kinds, f)
	}
	calls := func(n int) {
		for i := range n {
			sc.forward = kinds[i%len(kinds)]
			invite := sc.invites()
			if i%7 == 0 {
				sc.cancels(invite)
			}
			if i%100 == 0 {
				sc.clock.leap(time.Second, time.Second)
			}
		}
		sc.heard.mu.Lock()
		sc.heard.lines = nil
		sc.heard.mu.Unlock()
		sc.clock.leap(5*time.Minute, time.Second)
		if st := sc.layer.Stats(); sc.proxy.Active() != 0 || st.Clients != 0 || st.Servers != 0 {
			t.Fatalf("left: %d contexts, %+v", sc.proxy.Active(), st)
		}
	}
	calls(4000) // tables and pools reach their size
	before := heap()
	for range siptest.Soak(1, 25) {
		calls(4000)
		if grown := heap() - before; grown > 1<<20 {
			t.Fatalf("the heap grew by %d bytes", grown)
		}
	}
}

func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A call from INVITE to 200: parsed, forked to one phone, 180 and 200 parsed and passed back.
func BenchmarkCall(b *testing.B) {
	done := make(chan struct{}, 64)
	caller := &counter{wire: wire{id: "caller", network: sip.TCP, advertised: "proxy.example.org"}, done: done}
	var p *proxy.Proxy
	var phone *answerer
	layer := transaction.New(transaction.Config{
		T1: time.Millisecond, Limit: 1 << 30, // short memories, so that it's steady
		OnRequest: func(s *transaction.Server) {
			p.Forward(s, proxy.Forward{
				Waves:       []proxy.Wave{{Targets: []proxy.Target{{URI: "sip:bob@192.0.2.9:5060", Flow: phone}}}},
				RecordRoute: func(f sip.Flow) string { return "<sip:proxy.example.org;lr>" },
			})
		},
	})
	defer layer.Close()
	phone = &answerer{wire: wire{id: "phone", network: sip.TCP, advertised: "proxy.example.org"}, layer: layer}
	p = proxy.New(proxy.Config{Layer: layer})
	text := (&scene{}).request(sip.INVITE, "User-Agent: bench", "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS")
	head, tail, _ := strings.Cut(text, "call1@")
	first, rest, _ := strings.Cut(head, "z9hG4bKcaller1")
	b.ReportAllocs()
	flying := 0
	for i := 0; b.Loop(); i++ {
		n := fmt.Sprint(i)
		m, err := sip.Parse(first + "z9hG4bKcaller" + n + rest + "call" + n + "@" + tail)
		if err != nil {
			b.Fatal(err)
		}
		layer.Receive(caller, m)
		if flying++; flying == cap(done) {
			<-done
			flying--
		}
	}
	for range flying {
		<-done
	}
}

// counter is a caller that only notes its 200s.
type counter struct {
	wire
	done chan struct{}
}

func (c *counter) Send(m *sip.Message) error {
	if m.Status() == 200 {
		c.done <- struct{}{}
	}
	return nil
}

// answerer is a phone that rings and answers in the fewest steps; what it sends is parsed as
// from the wire.
type answerer struct {
	wire
	layer *transaction.Layer
}

func (a *answerer) Send(m *sip.Message) error {
	for _, status := range [...]int{180, 200} {
		resp, err := m.Response(status, "").ToTag("bob").Copy(m, sip.HeaderRecordRoute).Message()
		if err != nil {
			return err
		}
		a.layer.Receive(a, resp)
	}
	return nil
}
