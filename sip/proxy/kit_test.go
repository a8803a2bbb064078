package proxy_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/proxy"
	"parley/sip/transaction"
)

// fakeClock is a time that moves when told to, and only when all work is done. Its steps are
// coarse: the tests of this package let minutes pass, many times over.
type fakeClock struct {
	mu    sync.Mutex
	idle  sync.Cond
	busy  int
	now   time.Time
	ticks map[int]func()
	names int
}

func newClock() *fakeClock {
	c := &fakeClock{now: time.Unix(1_700_000_000, 0), ticks: map[int]func(){}}
	c.idle.L = &c.mu
	return c
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Tick(_ time.Duration, f func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names++
	name := c.names
	c.ticks[name] = f
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.ticks, name)
	}
}

func (c *fakeClock) Busy(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy += n; c.busy == 0 {
		c.idle.Broadcast()
	}
}

// settle waits until nothing is queued.
func (c *fakeClock) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.busy > 0 {
		c.idle.Wait()
	}
}

func (c *fakeClock) advance(d time.Duration) { c.leap(d, 100*time.Millisecond) }

// leap is advance in steps of a given length.
func (c *fakeClock) leap(d, step time.Duration) {
	for ; d > 0; d -= step {
		c.mu.Lock()
		c.now = c.now.Add(min(step, d))
		var due []func()
		for _, f := range c.ticks {
			due = append(due, f)
		}
		c.mu.Unlock()
		for _, f := range due {
			f()
		}
		c.settle()
	}
}

// wire is a flow whose far end is the test.
type wire struct {
	id, network, advertised string

	done chan struct{} // nil but for a connection that a test breaks
	mu   sync.Mutex
	sent []*sip.Message
	down bool
	drop bool // keep nothing, for what counts and measures
}

var errDown = errors.New("wire is down")

func (w *wire) ID() string             { return w.id }
func (w *wire) Network() string        { return w.network }
func (w *wire) Local() netip.AddrPort  { return netip.MustParseAddrPort("192.0.2.1:5060") }
func (w *wire) Remote() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.9:5060") }
func (w *wire) Advertised() string     { return w.advertised }
func (w *wire) Reliable() bool         { return w.network != sip.UDP }
func (w *wire) Secure() bool           { return false }
func (w *wire) Done() <-chan struct{}  { return w.done }

func (w *wire) Send(m *sip.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return errDown
	}
	if !w.drop {
		w.sent = append(w.sent, m)
	}
	return nil
}

func (w *wire) all() []*sip.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*sip.Message(nil), w.sent...)
}

func (w *wire) setDown() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
}

// record is an Observer that writes down what it heard.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, ", ")
}

func (r *record) Provisional(t *proxy.Target, m *sip.Message) { r.add("%s %d", t.Name, m.Status()) }
func (r *record) Ended()                                      { r.add("ended") }

func (r *record) Branch(t *proxy.Target, status int, err error) {
	if err != nil {
		r.add("%s done %d %v", t.Name, status, err)
		return
	}
	r.add("%s done %d", t.Name, status)
}

func (r *record) Final(t *proxy.Target, m *sip.Message) {
	if t == nil {
		r.add("caller told %d", m.Status())
		return
	}
	r.add("caller told %d of %s", m.Status(), t.Name)
}

// scene is a proxy between a caller and some phones.
type scene struct {
	t      testing.TB
	clock  *fakeClock
	layer  *transaction.Layer
	proxy  *proxy.Proxy
	caller *wire
	heard  *record
	calls  int

	// forward is what the next request is done with; hold keeps it waiting instead.
	forward proxy.Forward
	hold    func(*transaction.Server)

	mu  sync.Mutex
	ctx *proxy.Context
}

func newScene(t testing.TB) *scene { return newSceneWith(t, proxy.Config{}) }

func newSceneWith(t testing.TB, config proxy.Config) *scene {
	t.Helper()
	sc := &scene{t: t, clock: newClock(), heard: &record{}}
	sc.caller = &wire{id: "udp-caller", network: sip.UDP, advertised: "proxy.example.org:5060"}
	sc.layer = transaction.New(transaction.Config{Shards: 2, Clock: sc.clock, OnRequest: sc.onRequest})
	config.Layer = sc.layer
	sc.proxy = proxy.New(config)
	t.Cleanup(sc.layer.Close)
	return sc
}

func (sc *scene) onRequest(s *transaction.Server) {
	if sc.hold != nil {
		sc.hold(s)
		return
	}
	if v := sc.proxy.Check(s.Request()); v != nil {
		sc.proxy.Refuse(s, v)
		return
	}
	sc.start(s)
}

func (sc *scene) start(s *transaction.Server) {
	f := sc.forward
	if f.Observer == nil {
		f.Observer = sc.heard
	}
	ctx := sc.proxy.Forward(s, f)
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.ctx = ctx
}

func (sc *scene) context() *proxy.Context {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.ctx
}

// phone is one target and who sits behind it.
type phone struct {
	*wire
	sc   *scene
	name string
}

func (sc *scene) phone(name string) *phone {
	return &phone{&wire{id: "udp-" + name, network: sip.UDP, advertised: "proxy.example.org:5060"}, sc, name}
}

func (p *phone) target() proxy.Target {
	return proxy.Target{Name: p.name, URI: "sip:" + p.name + "@192.0.2.9", Flow: p.wire}
}

// wave rings phones together.
func wave(ring time.Duration, phones ...*phone) proxy.Wave {
	w := proxy.Wave{Timeout: ring}
	for _, p := range phones {
		w.Targets = append(w.Targets, p.target())
	}
	return w
}

const offer = "v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\n"

// request is the text of a fresh request of the caller.
func (sc *scene) request(method sip.Method, more ...string) string {
	sc.calls++
	n := sc.calls
	body := ""
	if method == sip.INVITE || method == sip.MESSAGE {
		body = offer
		more = append(more, "Content-Type: application/sdp")
	}
	lines := append([]string{
		string(method) + " sip:bob@example.org SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/UDP 192.0.2.5:5060;branch=z9hG4bKcaller%d;received=192.0.2.5", n),
		fmt.Sprintf("From: <sip:alice@example.org>;tag=a%d", n),
		"To: <sip:bob@example.org>",
		fmt.Sprintf("Call-ID: call%d@192.0.2.5", n),
		"CSeq: 1 " + string(method),
		"Max-Forwards: 70",
		"Contact: <sip:alice@192.0.2.5>",
	}, more...)
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

func parse(t testing.TB, text string) *sip.Message {
	t.Helper()
	m, err := sip.Parse(text)
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, text)
	}
	return m
}

// sends lets the caller send something.
func (sc *scene) sends(text string) *sip.Message {
	sc.t.Helper()
	m := parse(sc.t, text)
	sc.layer.Receive(sc.caller, m)
	sc.clock.settle()
	return m
}

// calls someone: an INVITE.
func (sc *scene) invites(more ...string) *sip.Message {
	sc.t.Helper()
	return sc.sends(sc.request(sip.INVITE, more...))
}

// cancels the INVITE that was sent.
func (sc *scene) cancels(invite *sip.Message, more ...string) {
	sc.t.Helper()
	via, _ := invite.Via()
	lines := append([]string{
		"CANCEL " + invite.Target() + " SIP/2.0",
		"Via: " + via.String(),
		"From: " + invite.Get(sip.HeaderFrom),
		"To: " + invite.Get(sip.HeaderTo),
		"Call-ID: " + invite.CallID(),
		"CSeq: 1 CANCEL",
		"Max-Forwards: 70",
	}, more...)
	sc.sends(strings.Join(lines, "\r\n") + "\r\nContent-Length: 0\r\n\r\n")
}

// finals are the final responses to the request itself that the caller got, without copies.
func (sc *scene) finals() (list []*sip.Message) { return sc.responses(200, 699) }

func (sc *scene) responses(from, to int) (list []*sip.Message) {
	seen := map[string]bool{}
	for _, m := range sc.caller.all() {
		_, method := m.CSeq()
		if m.IsRequest() || method == sip.CANCEL || m.Status() < from || m.Status() > to || seen[m.Text()] {
			continue
		}
		seen[m.Text()] = true
		list = append(list, m)
	}
	return list
}

func (sc *scene) got() string {
	var codes []string
	for _, m := range sc.responses(101, 699) {
		codes = append(codes, fmt.Sprint(m.Status()))
	}
	return strings.Join(codes, " ")
}

// callerGot checks which responses but 100 the caller got until now, in order.
func (sc *scene) callerGot(want string) {
	sc.t.Helper()
	if got := sc.got(); got != want {
		sc.t.Errorf("the caller got %q, not %q", got, want)
	}
}

// last is the newest request of a method that a phone got.
func (p *phone) last(method sip.Method) *sip.Message {
	all := p.all()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].IsRequest() && all[i].Method() == method {
			return all[i]
		}
	}
	return nil
}

// got is the request that the phone must have got.
func (p *phone) got(method sip.Method) *sip.Message {
	p.sc.t.Helper()
	m := p.last(method)
	if m == nil {
		p.sc.t.Fatalf("%s got no %s", p.name, method)
	}
	return m
}

func (p *phone) gotNo(method sip.Method) {
	p.sc.t.Helper()
	if m := p.last(method); m != nil {
		p.sc.t.Errorf("%s got a %s", p.name, method)
	}
}

// first is the request that the proxy forwarded to the phone.
func (p *phone) first() *sip.Message {
	all := p.all()
	if len(all) == 0 {
		p.sc.t.Fatalf("%s got nothing", p.name)
	}
	return all[0]
}

// response makes one to what was forwarded.
func (p *phone) response(status int, tag string, edits ...func(*sip.Builder)) *sip.Message {
	p.sc.t.Helper()
	b := p.first().Response(status, "")
	if tag != "" {
		b.ToTag(tag)
	}
	for _, edit := range edits {
		edit(b)
	}
	m, err := b.Message()
	if err != nil {
		p.sc.t.Fatal(err)
	}
	return m
}

// answers with a status.
func (p *phone) answers(status int, edits ...func(*sip.Builder)) {
	p.sc.t.Helper()
	tag := ""
	if status > 100 {
		tag = p.name
	}
	p.says(p.response(status, tag, edits...))
}

func (p *phone) says(m *sip.Message) {
	p.sc.layer.Receive(p.wire, m)
	p.sc.clock.settle()
}

func header(h sip.Header, value string) func(*sip.Builder) {
	return func(b *sip.Builder) { b.Add(h, value) }
}

// acks what the caller was told last, if it was no 2xx.
func (sc *scene) acks() {
	sc.t.Helper()
	for _, m := range sc.finals() {
		if m.Status() < 300 || m.Method() != sip.INVITE {
			continue
		}
		via, _ := m.Via()
		sc.sends(strings.Join([]string{
			"ACK sip:bob@example.org SIP/2.0", "Via: " + via.String(), "From: " + m.Get(sip.HeaderFrom),
			"To: " + m.Get(sip.HeaderTo), "Call-ID: " + m.CallID(), "CSeq: 1 ACK", "Max-Forwards: 70",
			"Content-Length: 0", "", "",
		}, "\r\n"))
	}
}

// nothingLeft lets all timers run out and checks that no state stays.
func (sc *scene) nothingLeft() {
	sc.t.Helper()
	sc.acks()
	sc.clock.advance(70 * time.Second)
	if n := sc.proxy.Active(); n != 0 {
		sc.t.Errorf("%d contexts are left", n)
	}
	if st := sc.layer.Stats(); st.Clients != 0 || st.Servers != 0 {
		sc.t.Errorf("%d client and %d server transactions are left", st.Clients, st.Servers)
	}
}
