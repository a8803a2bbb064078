package siptest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/sip"
)

// wire is how a peer's text travels.
type wire interface {
	write(text string) error
	network() string
	host() string // host:port for Via and Contact
	close()
}

// Peer is a user agent that does what the test says. It is made by Join (no network,
// virtual time), UDP, TCP, TLS or WebSocket. Its methods are for the test's goroutine.
type Peer struct {
	// Timeout is how long Expect waits in real time; 5 s from the start.
	Timeout time.Duration
	// Repeats makes Expect see copies of what came before; else they are passed over.
	Repeats bool
	// Shown, if not "", is the "host:port" that Via and Contact name in place of the peer's
	// own: that of a peer behind a NAT.
	Shown string
	// Given, if not "", is the URI of its Contact.
	Given string

	t       testing.TB
	name    string // alice@example.com
	contact string // the user of Contact
	tag     string
	clock   *Clock // nil: real time
	wire    wire
	flow    *Flow // the other end, of a peer without a network
	ignore  []string
	seen    map[string]bool

	mu     sync.Mutex
	inbox  []*sip.Message
	news   chan struct{}
	talk   []string // the conversation, for failures
	closed bool
}

func newPeer(t testing.TB, name string) *Peer {
	p := &Peer{
		Timeout: 5 * time.Second, t: t, name: name, contact: user(name), tag: random(10),
		seen: map[string]bool{}, news: make(chan struct{}, 1),
	}
	t.Cleanup(p.Close)
	return p
}

// Join makes a peer without a network: what it sends goes to receive, what is sent into its
// Flow comes to it. With a clock, Expect lets the work settle and never waits.
func Join(t testing.TB, clock *Clock, name, network string, receive Receiver) *Peer {
	t.Helper()
	near, far := Pipe(clock, network)
	near.OnReceive(receive)
	p := newPeer(t, name)
	p.clock, p.flow, p.wire = clock, near, pipeWire{far}
	far.OnReceive(func(_ sip.Flow, m *sip.Message) { p.take(m) })
	return p
}

// pipeWire writes into a pipe's far end.
type pipeWire struct{ far *Flow }

func (w pipeWire) network() string { return w.far.Network() }
func (w pipeWire) host() string    { return w.far.Advertised() }
func (w pipeWire) close()          { w.far.Close() }
func (w pipeWire) write(text string) error {
	m, err := sip.Parse(text)
	if err != nil {
		return err
	}
	return w.far.Send(m)
}

// Flow is the server's end of a peer without a network: the way to it. nil for one
// with a socket.
func (p *Peer) Flow() *Flow { return p.flow }

// Addr is the peer's own "host:port".
func (p *Peer) Addr() string { return p.wire.host() }

// Contact is the peer's Contact value.
func (p *Peer) Contact() string {
	if p.Given != "" {
		return "<" + p.Given + ">"
	}
	uri := "sip:" + p.contact + "@" + p.shown()
	switch n := p.wire.network(); n {
	case sip.UDP, sip.Memory:
	case sip.WSS:
		uri += ";transport=ws" // rfc7118#5.2
	default:
		uri += ";transport=" + strings.ToLower(n)
	}
	return "<" + uri + ">"
}

func (p *Peer) shown() string { return cmp.Or(p.Shown, p.wire.host()) }

// Via is a fresh Via value of the peer.
func (p *Peer) Via() string {
	return "SIP/2.0/" + p.wire.network() + " " + p.shown() + ";branch=" + Branch() + ";rport"
}

// Close closes the connection; the test's end does it too.
func (p *Peer) Close() {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	p.mu.Unlock()
	if !closed && p.wire != nil {
		p.wire.close()
	}
}

// Send sends text (see Wire) as it stands.
func (p *Peer) Send(text string) {
	p.t.Helper()
	text = Wire(text)
	line, _, _ := strings.Cut(text, "\r\n")
	p.say("-> " + line)
	if err := p.wire.write(text); err != nil {
		p.fail("could not send %q: %v", line, err)
	}
}

// SendMessage sends m.
func (p *Peer) SendMessage(m *sip.Message) {
	p.t.Helper()
	p.Send(m.Text())
}

// Make makes a request of this peer, without sending it.
func (p *Peer) Make(method sip.Method, to string, edits ...Edit) *sip.Message {
	own := []Edit{
		With(sip.HeaderVia, p.Via()),
		With(sip.HeaderFrom, nameAddr(p.name)+";tag="+p.tag),
		func(b *sip.Builder) {
			if method == sip.INVITE || method == sip.REGISTER || method == sip.SUBSCRIBE {
				b.Set(sip.HeaderContact, p.Contact())
			}
		},
	}
	return Request(method, p.name, to, append(own, edits...)...)
}

// Request makes a request and sends it.
func (p *Peer) Request(method sip.Method, to string, edits ...Edit) *sip.Message {
	p.t.Helper()
	m := p.Make(method, to, edits...)
	p.SendMessage(m)
	return m
}

// Invite calls to, with an offer.
func (p *Peer) Invite(to string, edits ...Edit) *sip.Message {
	p.t.Helper()
	return p.Request(sip.INVITE, to, append([]Edit{WithSDP(Offer)}, edits...)...)
}

// Register registers the peer's own address at its domain.
func (p *Peer) Register(edits ...Edit) *sip.Message {
	p.t.Helper()
	_, domain, _ := strings.Cut(p.name, "@")
	all := append([]Edit{WithTarget("sip:" + domain), With(sip.HeaderExpires, "300")}, edits...)
	return p.Request(sip.REGISTER, p.name, all...)
}

// Respond answers req and gives the response back. 2xx of an INVITE have a Contact and an
// answer, and all have the peer's tag and the request's Record-Route.
func (p *Peer) Respond(req *sip.Message, status int, edits ...Edit) *sip.Message {
	p.t.Helper()
	b := req.Response(status, "")
	if status > 100 {
		b.ToTag(p.tag).Copy(req, sip.HeaderRecordRoute)
	}
	if req.Method() == sip.INVITE && status > 100 && status < 300 {
		b.Set(sip.HeaderContact, p.Contact())
	}
	if req.Method() == sip.INVITE && status/100 == 2 {
		b.Body("application/sdp", Answer)
	}
	m := build(b, edits)
	p.SendMessage(m)
	return m
}

// Ack sends the ACK for a final response of an INVITE.
func (p *Peer) Ack(invite, resp *sip.Message, edits ...Edit) *sip.Message {
	p.t.Helper()
	m := Ack(invite, resp, edits...)
	p.SendMessage(m)
	return m
}

// Cancel cancels an INVITE.
func (p *Peer) Cancel(invite *sip.Message, edits ...Edit) *sip.Message {
	p.t.Helper()
	m := Cancel(invite, edits...)
	p.SendMessage(m)
	return m
}

// Dialog is the dialog that a request and its response made; the peer may have sent either.
func (p *Peer) Dialog(req, resp *sip.Message) *Dialog {
	d := NewDialog(req, resp)
	if req.FromTag() != p.tag {
		d = Answered(req, resp)
		d.via = p.Via()
	}
	d.peer = p
	return d
}

// Ignore passes over what fits one of the patterns from now on (see Expect).
func (p *Peer) Ignore(patterns ...string) { p.ignore = append(p.ignore, patterns...) }

// Expect is the next message, which has to fit: "INVITE" is a request, "180" a response,
// "200 BYE" a response to a BYE, "2xx" any of a class, "any" whatever comes; several
// patterns are alternatives. A 100 that nobody asked for is passed over, and so are copies of what came
// before (unless p.Repeats).
func (p *Peer) Expect(patterns ...string) *sip.Message {
	p.t.Helper()
	m := p.next(patterns, p.Timeout)
	want := strings.Join(patterns, " or ")
	if m == nil {
		p.fail("expected %s, but nothing came", want)
	}
	if !fitsAny(m, patterns) {
		p.fail("expected %s, got:\n\n%s", want, m.Text())
	}
	return m
}

// Silent checks that nothing comes for d (in virtual time: the test advances the clock itself,
// and d does not matter).
func (p *Peer) Silent(d time.Duration) {
	p.t.Helper()
	if m := p.next(nil, d); m != nil {
		p.fail("expected nothing, got:\n\n%s", m.Text())
	}
}

// next is the next message that is not to be passed over; nil if there is none in time.
func (p *Peer) next(patterns []string, wait time.Duration) *sip.Message {
	var deadline <-chan time.Time
	if p.clock == nil {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		deadline = timer.C
	}
	for {
		if p.clock != nil {
			p.clock.Settle()
		}
		if m := p.pop(); m != nil {
			if p.passed(m, patterns) {
				continue
			}
			return m
		}
		if p.clock != nil {
			return nil
		}
		select {
		case <-p.news:
		case <-deadline:
			return nil
		}
	}
}

func (p *Peer) pop() *sip.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.inbox) == 0 {
		return nil
	}
	m := p.inbox[0]
	p.inbox = p.inbox[1:]
	return m
}

func (p *Peer) passed(m *sip.Message, patterns []string) bool {
	if p.seen[m.Text()] && !p.Repeats {
		return true
	}
	p.seen[m.Text()] = true
	if fitsAny(m, p.ignore) {
		return true
	}
	return m.Status() == 100 && !fitsAny(m, patterns)
}

func fitsAny(m *sip.Message, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(s string) bool { return fits(m, s) })
}

func fits(m *sip.Message, pattern string) bool {
	if pattern == "any" {
		return true
	}
	if m.IsRequest() {
		return string(m.Method()) == pattern
	}
	status, method, both := strings.Cut(pattern, " ")
	if both && method != string(m.Method()) {
		return false
	}
	code := fmt.Sprint(m.Status())
	return status == code || status == code[:1]+"xx"
}

// take is called with what arrives, from any goroutine.
func (p *Peer) take(m *sip.Message) {
	line, _, _ := strings.Cut(m.Text(), "\r\n")
	p.say("<- " + line)
	p.mu.Lock()
	p.inbox = append(p.inbox, m)
	p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (p *Peer) say(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.talk = append(p.talk, line)
}

// fail ends the test with what was said.
func (p *Peer) fail(format string, args ...any) {
	p.t.Helper()
	p.mu.Lock()
	talk := strings.Join(p.talk, "\n  ")
	p.mu.Unlock()
	p.t.Fatalf("%s %s\nthe conversation of %s:\n  %s", p.name, fmt.Sprintf(format, args...), p.name, talk)
}
