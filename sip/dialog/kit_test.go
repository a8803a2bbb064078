package dialog

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/transaction"
)

// wire is a flow whose far end is the test.
type wire struct {
	id   string
	sent chan *sip.Message
	done chan struct{}
}

func newWire(id string) *wire {
	return &wire{id: id, sent: make(chan *sip.Message, 1000), done: make(chan struct{})}
}

func (w *wire) ID() string             { return w.id }
func (w *wire) Network() string        { return sip.TCP }
func (w *wire) Local() netip.AddrPort  { return netip.MustParseAddrPort("192.0.2.1:5060") }
func (w *wire) Remote() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.7:40000") }
func (w *wire) Advertised() string     { return "parley.example:5060" }
func (w *wire) Reliable() bool         { return true }
func (w *wire) Secure() bool           { return false }
func (w *wire) Done() <-chan struct{}  { return w.done }

func (w *wire) Send(m *sip.Message) error {
	select {
	case <-w.done:
		return ErrFlow
	default:
	}
	w.sent <- m
	return nil
}

// kit is a user agent whose peer the test plays.
type kit struct {
	*testing.T
	layer *transaction.Layer
	ua    *UA
	wire  *wire
	log   *events
	in    chan *Incoming // initial INVITEs
}

// newKit runs in a bubble of its own time; it ends with the test.
func newKit(t *testing.T) *kit {
	t.Helper()
	k := &kit{T: t, wire: newWire("tcp:1"), log: newEvents(), in: make(chan *Incoming, 10)}
	k.layer = transaction.New(transaction.Config{Shards: 2, OnRequest: k.onRequest, OnACK: k.onACK})
	k.ua = NewUA(Config{Layer: k.layer, Rand: func(int) int { return 3 }})
	t.Cleanup(k.layer.Close)
	return k
}

func (k *kit) onRequest(srv *transaction.Server) {
	if k.ua.Serve(srv) {
		return
	}
	if srv.Request().ToTag() != "" {
		k.ua.Reply(srv, srv.Request().Response(481, ""))
		return
	}
	if in, err := k.ua.Accept(srv, "<sip:us@parley.example>", k.log); err == nil {
		k.in <- in
	}
}

func (k *kit) onACK(_ sip.Flow, ack *sip.Message) { k.ua.ACK(ack) }

// send plays the peer. The text has \n line ends, and no Content-Length.
func (k *kit) send(text string, args ...any) *sip.Message {
	k.Helper()
	return k.sendOn(k.wire, text, args...)
}

func (k *kit) sendOn(f sip.Flow, text string, args ...any) *sip.Message {
	k.Helper()
	text = fmt.Sprintf(strings.TrimLeft(text, "\n"), args...)
	head, body, _ := strings.Cut(text, "\n\n")
	head = strings.TrimRight(head, "\n") + fmt.Sprintf("\nContent-Length: %d", len(body))
	m, err := sip.Parse(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)
	if err != nil {
		k.Fatalf("parse: %v\n%s", err, text)
	}
	if v := m.Validate(); v != nil {
		k.Fatalf("validate: %v\n%s", v, text)
	}
	k.layer.Receive(f, m)
	return m
}

// next gives the next message that we sent.
func (k *kit) next() *sip.Message {
	k.Helper()
	select {
	case m := <-k.wire.sent:
		return m
	case <-time.After(10 * time.Minute):
		k.Fatal("nothing was sent")
		return nil
	}
}

// expect takes the next message and checks how it begins.
func (k *kit) expect(start string) *sip.Message {
	k.Helper()
	m := k.next()
	line, _, _ := strings.Cut(m.Text(), "\r\n")
	if !strings.HasPrefix(line, start) && !strings.HasPrefix(line, "SIP/2.0 "+start) {
		k.Fatalf("sent %q, want %q\n%s", line, start, m.Text())
	}
	return m
}

// quiet checks that nothing is sent for d.
func (k *kit) quiet(d time.Duration) {
	k.Helper()
	select {
	case m := <-k.wire.sent:
		k.Fatalf("sent within %v:\n%s", d, m.Text())
	case <-time.After(d):
	}
}

// want checks the next event of the session's handler.
func (k *kit) want(event string) any {
	k.Helper()
	select {
	case e := <-k.log.c:
		if e.name != event {
			k.Fatalf("event %q, want %q", e.name, event)
		}
		return e.value
	case <-time.After(10 * time.Minute):
		k.Fatalf("no event, want %q", event)
		return nil
	}
}

func (k *kit) incoming() *Incoming {
	k.Helper()
	select {
	case in := <-k.in:
		return in
	case <-time.After(time.Minute):
		k.Fatal("no call came")
		return nil
	}
}

// events is a Handler that keeps what it hears.
type events struct{ c chan event }

type event struct {
	name  string
	value any
}

func newEvents() *events { return &events{c: make(chan event, 1000)} }

func (e *events) Progress(_ *Session, resp *sip.Message) {
	e.c <- event{fmt.Sprint("progress ", resp.Status()), resp}
}
func (e *events) Answered(_ *Session, resp *sip.Message) {
	e.c <- event{"answered " + resp.ToTag(), resp}
}
func (e *events) Acknowledged(_ *Session, ack *sip.Message) { e.c <- event{"acknowledged", ack} }
func (e *events) Request(_ *Session, in *Incoming) {
	e.c <- event{"request " + string(in.Request().Method()), in}
}
func (e *events) Cancelled(_ *Session, in *Incoming) { e.c <- event{"cancelled", in} }
func (e *events) Ended(_ *Session, end End)          { e.c <- event{"ended", end} }

// The peer's messages.
const inviteText = `
INVITE sip:us@parley.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK%[1]s
Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>
From: "Alice" <sip:alice@example.org>;tag=a1
To: <sip:us@example.org>
Call-ID: c1
CSeq: 10 INVITE
Contact: <sip:alice@192.0.2.7:40000;transport=tcp>
Max-Forwards: 70
Content-Type: application/sdp

v=0 offer
`

// inDialog is a request of the peer within the dialog.
func inDialog(method string, seq int, tag string, more string) string {
	return fmt.Sprintf(`
%[1]s sip:us@parley.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bKin%[2]d%[1]s
From: "Alice" <sip:alice@example.org>;tag=a1
To: <sip:us@example.org>;tag=%[3]s
Call-ID: c1
CSeq: %[2]d %[1]s
Max-Forwards: 70%[4]s
`, method, seq, tag, more)
}

// reply answers our request as the peer with the given tag.
func (k *kit) reply(req *sip.Message, status int, tag, more string) {
	k.Helper()
	b := req.Response(status, "").ToTag(tag)
	for line := range strings.Lines(more) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			b.SetName(name, value)
		}
	}
	m, err := b.Message()
	if err != nil {
		k.Fatal(err)
	}
	k.layer.Receive(k.wire, m)
}
