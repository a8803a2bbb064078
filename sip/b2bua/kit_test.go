package b2bua

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/sip"
	"parley/sip/siptest"
	"parley/sip/transaction"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kit is a back-to-back user agent between alice, who calls, and others.
type kit struct {
	*testing.T
	clock *siptest.Clock
	layer *transaction.Layer
	b2b   *B2BUA
	alice *siptest.Peer
	bob   *siptest.Peer
	carol *siptest.Peer
	inv   Invite // what happens to the next call
	call  *Call
	seen  *witness
}

// witness is an Observer.
type witness struct {
	mu       sync.Mutex
	answered []Info
	ended    []End
}

func (w *witness) Answered(i Info) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = append(w.answered, i)
}

func (w *witness) Ended(_ Info, e End) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = append(w.ended, e)
}

func newKit(t *testing.T, c Config) *kit { t.Helper(); return newKitWith(t, c, nil) }

// newKitWith is a kit in which lost connections are returned over in a way of the test's.
func newKitWith(t *testing.T, c Config, back func(sip.Flow, *sip.Message, func(sip.Flow))) *kit {
	t.Helper()
	k := &kit{T: t, clock: siptest.NewClock(), seen: &witness{}}
	k.layer = transaction.New(transaction.Config{
		Clock: k.clock, Shards: 2, OnRequest: k.onRequest, Return: back,
		OnACK: func(_ sip.Flow, ack *sip.Message) { k.b2b.ACK(ack) },
	})
	c.Layer, c.Clock = k.layer, k.clock
	k.b2b = New(c)
	k.alice = siptest.Join(t, k.clock, "alice@example.com", sip.UDP, k.layer.Receive)
	k.bob = siptest.Join(t, k.clock, "bob@example.com", sip.TCP, k.layer.Receive)
	k.carol = siptest.Join(t, k.clock, "carol@example.com", sip.UDP, k.layer.Receive)
	k.inv = Invite{Waves: []Wave{{Targets: []Target{k.target("bob", k.bob)}}}, Observer: k.seen}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // the peers don't answer any more
		_ = k.b2b.Close(ctx, "")
		k.layer.Close()
		if n := k.b2b.Count(); n != 0 {
			t.Errorf("%d calls are left", n)
		}
	})
	return k
}

func (k *kit) onRequest(s *transaction.Server) {
	if k.b2b.Serve(s) {
		return
	}
	if s.Request().Method() != sip.INVITE || s.Request().ToTag() != "" {
		_ = k.b2b.refuse(s, s.Request().Response(481, ""), nil)
		return
	}
	call, err := k.b2b.Start(s, k.inv)
	if err == nil {
		k.call = call
	}
}

func (k *kit) target(name string, p *siptest.Peer) Target {
	return Target{Name: name, URI: "sip:" + name + "@" + p.Addr(), Flow: p.Flow()}
}

// both has bob and carol ring together.
func (k *kit) both() {
	k.inv.Waves = []Wave{{Targets: []Target{k.target("bob", k.bob), k.target("carol", k.carol)}}}
}

// up gets a call up between alice and bob.
func (k *kit) up() (alice, bob *siptest.Dialog) {
	k.Helper()
	invite := k.alice.Invite("bob@example.com")
	in := k.bob.Expect("INVITE")
	k.bob.Respond(in, 180)
	k.alice.Expect("180")
	ok := k.bob.Respond(in, 200)
	k.bob.Expect("ACK")
	got := k.alice.Expect("200 INVITE")
	alice = k.alice.Dialog(invite, got)
	alice.Ack()
	k.clock.Settle()
	return alice, k.bob.Dialog(in, ok)
}

// down checks that the call is over, and how.
func (k *kit) down(by Party, status int) End {
	k.Helper()
	k.clock.Advance(70 * time.Second)
	k.seen.mu.Lock()
	defer k.seen.mu.Unlock()
	if len(k.seen.ended) != 1 {
		k.Fatalf("ended %d times", len(k.seen.ended))
	}
	e := k.seen.ended[0]
	if e.By != by || e.Status != status {
		k.Errorf("ended by %v with %d (%+v), want %v with %d", e.By, e.Status, e, by, status)
	}
	if n := k.b2b.Count(); n != 0 {
		k.Errorf("%d calls are left", n)
	}
	return e
}

// has checks a header field of a message.
func (k *kit) has(m *sip.Message, name, want string) {
	k.Helper()
	if got := m.GetName(name); got != want {
		k.Errorf("%s is %q, want %q in\n%s", name, got, want, m.Text())
	}
}

// anchor is a Media that writes into each description which way it went.
type anchor struct {
	mu     sync.Mutex
	log    []string
	refuse string // the step that fails
	lost   chan error
	closed int
}

func (a *anchor) say(format string, args ...any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	a.log = append(a.log, line)
	if a.closed > 0 {
		a.log = append(a.log, "after close: "+line)
	}
	if line == a.refuse {
		return fmt.Errorf("anchor: refused")
	}
	return nil
}

func (a *anchor) Leg(leg int, name string, _ netip.Addr, _ string) {
	_ = a.say("leg %d %s", leg, name)
}
func (a *anchor) Lost() <-chan error { return a.lost }
func (a *anchor) Drop(leg int)       { _ = a.say("drop %d", leg) }

func (a *anchor) Offer(_ context.Context, from, to int, body string) (string, error) {
	return "offer:" + body, a.say("offer %d-%d", from, to)
}

func (a *anchor) Answer(_ context.Context, from, to int, body string) (string, error) {
	return "answer:" + body, a.say("answer %d-%d", from, to)
}

func (a *anchor) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed++
}

func (a *anchor) steps() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.log, ", ")
}
