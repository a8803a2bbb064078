package siptest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"parley/sip"
)

// ErrDown is what Send returns on a flow that was closed.
var ErrDown = errors.New("siptest: flow is down")

// Receiver takes what arrives on a flow: transaction.Layer's Receive, or a test's function.
type Receiver func(sip.Flow, *sip.Message)

// Sent is a message that was given to a flow, and how long after the pipe was made.
type Sent struct {
	At      time.Duration
	Message *sip.Message
}

// Flow is one end of a pipe: what is sent into it arrives at the other end at once. It
// remembers all that was sent into it. Its zero value is not usable; see Pipe.
type Flow struct {
	id, network   string
	local, remote netip.AddrPort
	clock         *Clock
	start         time.Time
	other         *Flow
	done          chan struct{}

	mu      sync.Mutex
	receive Receiver
	sent    []Sent
	seen    int
	lose    func(*sip.Message) bool
	err     error // what Send returns, if the test wants it to fail
	down    bool  // closed: nothing mends that
}

// Pipe makes two joined flows of a network (sip.UDP ...): near for the code under test,
// far for the test. With clock nil the times in Log are real.
func Pipe(clock *Clock, network string) (near, far *Flow) {
	server, client := netip.MustParseAddrPort("192.0.2.10:5060"), netip.MustParseAddrPort("192.0.2.77:5062")
	if network == sip.Memory {
		server, client = netip.AddrPort{}, netip.AddrPort{}
	}
	near = newFlow(clock, network, server, client)
	far = newFlow(clock, network, client, server)
	near.other, far.other = far, near
	return near, far
}

func newFlow(clock *Clock, network string, local, remote netip.AddrPort) *Flow {
	f := &Flow{id: "test-" + random(8), network: network, local: local, remote: remote, clock: clock}
	f.start = f.now()
	if network != sip.UDP {
		f.done = make(chan struct{})
	}
	return f
}

func (f *Flow) now() time.Time {
	if f.clock == nil {
		return time.Now()
	}
	return f.clock.Now()
}

// ID, Network, Local, Remote, Reliable, Secure and Done are as sip.Flow says.
func (f *Flow) ID() string             { return f.id }
func (f *Flow) Network() string        { return f.network }
func (f *Flow) Local() netip.AddrPort  { return f.local }
func (f *Flow) Remote() netip.AddrPort { return f.remote }
func (f *Flow) Reliable() bool         { return f.network != sip.UDP }
func (f *Flow) Secure() bool           { return f.network == sip.TLS || f.network == sip.WSS }

// Done is nil for UDP.
func (f *Flow) Done() <-chan struct{} { return f.done }

// Advertised is the local address; memory has a name of its own.
func (f *Flow) Advertised() string {
	if !f.local.IsValid() {
		return f.id + ".invalid"
	}
	return f.local.String()
}

// Send records m and hands it to the other end, unless the test wants it to fail or be lost.
func (f *Flow) Send(m *sip.Message) error {
	f.mu.Lock()
	if err := f.failure(); err != nil {
		f.mu.Unlock()
		return err
	}
	f.sent = append(f.sent, Sent{f.now().Sub(f.start), m})
	lost := f.lose != nil && f.lose(m)
	f.mu.Unlock()
	if !lost {
		f.other.arrive(m)
	}
	return nil
}

func (f *Flow) failure() error {
	if f.down {
		return ErrDown
	}
	return f.err
}

func (f *Flow) arrive(m *sip.Message) {
	f.mu.Lock()
	receive := f.receive
	f.mu.Unlock()
	if receive != nil {
		receive(f, f.stamp(m))
	}
}

// stamp fills an empty rport, as a transport does (rfc3581#4).
func (f *Flow) stamp(m *sip.Message) *sip.Message {
	via, ok := m.Via()
	if !ok || !m.IsRequest() || !f.remote.IsValid() {
		return m
	}
	if port, there := via.Params.Get("rport"); !there || port != "" {
		return m
	}
	via.Params = via.Params.With("received", f.remote.Addr().String()).
		With("rport", fmt.Sprint(f.remote.Port()))
	return must(m.Edit().SetFirst(sip.HeaderVia, via.String()).Message())
}

// OnReceive says who takes what arrives at this end.
func (f *Flow) OnReceive(r Receiver) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.receive = r
}

// Lose asks for each message that is sent from now on whether it gets lost on the way; nil: none.
func (f *Flow) Lose(lose func(*sip.Message) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lose = lose
}

// Fail makes Send return err from now on; nil mends it. What was closed stays closed.
func (f *Flow) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Close breaks the connection at both ends. UDP has none to break.
func (f *Flow) Close() {
	if f.done == nil {
		return
	}
	for _, end := range []*Flow{f, f.other} {
		end.mu.Lock()
		if !end.down {
			end.down = true
			close(end.done)
		}
		end.mu.Unlock()
	}
}

// Log is all that was sent into this end.
func (f *Flow) Log() []Sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

// Take is what was sent since the last Take.
func (f *Flow) Take() []Sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	news := slices.Clone(f.sent[f.seen:])
	f.seen = len(f.sent)
	return news
}

// Lines is Take as text, one line for each message: "500ms INVITE", "1.5s 200 INVITE". It is
// made for comparing a whole exchange at once.
func (f *Flow) Lines() []string {
	lines := []string{}
	for _, s := range f.Take() {
		lines = append(lines, s.At.String()+" "+Summary(s.Message))
	}
	return lines
}

// Summary names a message: "INVITE", "180 INVITE".
func Summary(m *sip.Message) string {
	if m.IsRequest() {
		return string(m.Method())
	}
	return fmt.Sprintf("%d %s", m.Status(), m.Method())
}
