package app

import (
	"bytes"
	"fmt"
	"iter"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/siptest"
)

// robot is a phone that is signed in and behaves as its name says. It keeps nothing of a call that is over.
type robot struct {
	name    string
	network string
	conn    net.Conn

	mu    sync.Mutex
	calls map[string]*robotCall // by Call-ID
}

// robotCall is a call that rings or whose ACK is awaited.
type robotCall struct {
	invite *sip.Message
	answer *sip.Message // sent again until its ACK comes
	again  *time.Timer
	tries  int
}

// robotNames are the kinds of phones.
func robotNames() iter.Seq[string] {
	return slices.Values([]string{
		"takes", // answers, and hangs up if its answer is never acknowledged
		"short", // answers, and hangs up upon the ACK
		"rings", // until it is cancelled
		"busy",
		"mute", // never says anything
		"dead", // rings, and never says anything more
	})
}

func newRobot(t *testing.T, name, network, server string) *robot {
	t.Helper()
	conn, err := net.Dial(network, server)
	if err != nil {
		t.Fatal(err)
	}
	r := &robot{name: name, network: strings.ToUpper(network), conn: conn, calls: map[string]*robotCall{}}
	t.Cleanup(func() { conn.Close() })
	r.signIn(t)
	go r.run()
	return r
}

func (r *robot) via() string {
	return "SIP/2.0/" + r.network + " " + r.conn.LocalAddr().String() + ";branch=" + siptest.Branch() + ";rport"
}

func (r *robot) contact() string {
	return "<sip:" + r.name + "@" + r.conn.LocalAddr().String() + ";transport=" + strings.ToLower(r.network) + ">"
}

func (r *robot) signIn(t *testing.T) {
	t.Helper()
	address := r.name + "@localhost"
	req := siptest.Request(sip.REGISTER, address, address, siptest.WithTarget("sip:localhost"),
		siptest.With(sip.HeaderVia, r.via()), siptest.With(sip.HeaderContact, r.contact()))
	var buf []byte
	for _, want := range []int{401, 200} {
		r.send(req)
		var resp *sip.Message
		for resp == nil {
			resp = r.read(&buf)
		}
		if resp.Status() != want {
			t.Fatalf("%s signs in by %s: got\n%s", r.name, r.network, resp.Text())
		}
		if want == 401 {
			req = siptest.Again(req, siptest.WithPassword(resp, req.Target(), r.name, "secret"))
		}
	}
}

func (r *robot) send(m *sip.Message) { _, _ = r.conn.Write([]byte(m.Text())) } // to a server that stops, maybe

func (r *robot) run() {
	var buf []byte
	for {
		m := r.read(&buf)
		if m == nil {
			return
		}
		if m.IsRequest() {
			r.take(m)
		}
	}
}

// read gives the next message; nil is the end.
func (r *robot) read(have *[]byte) *sip.Message {
	buf := make([]byte, 1<<16)
	for {
		*have = bytes.TrimLeft(*have, "\r\n")
		if n, err := sip.FrameLength(*have, 1<<16); err == nil && n > 0 {
			m, err := sip.Parse(string((*have)[:n]))
			*have = (*have)[n:]
			if err == nil {
				return m
			}
		}
		n, err := r.conn.Read(buf)
		if err != nil {
			return nil
		}
		*have = append(*have, buf[:n]...)
	}
}

func (r *robot) take(m *sip.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch c := r.calls[m.CallID()]; m.Method() {
	case sip.INVITE:
		if c == nil {
			r.begin(m)
		}
	case sip.ACK:
		r.acknowledged(c)
	case sip.CANCEL:
		if r.name != "dead" && r.name != "mute" {
			r.send(siptest.Response(m, 200))
			r.cancelled(c)
		}
	default:
		r.send(siptest.Response(m, 200))
		if m.Method() == sip.BYE {
			r.drop(c)
		}
	}
}

func (r *robot) begin(m *sip.Message) {
	tag := func(b *sip.Builder) { b.ToTag(m.CallID()[:8]).Copy(m, sip.HeaderRecordRoute) }
	c := &robotCall{invite: m}
	switch r.name {
	case "mute":
		return
	case "busy":
		c.answer = siptest.Response(m, 486, tag)
	default:
		r.send(siptest.Response(m, 180, tag, siptest.With(sip.HeaderContact, r.contact())))
	}
	if r.name == "takes" || r.name == "short" {
		c.answer = siptest.Response(m, 200, tag, siptest.With(sip.HeaderContact, r.contact()), siptest.WithSDP(siptest.Answer))
	}
	r.calls[m.CallID()] = c
	if c.answer != nil {
		r.answer(c)
	}
}

// answer sends the answer, and again until its ACK comes (rfc3261#13.3.1.4).
func (r *robot) answer(c *robotCall) {
	r.send(c.answer)
	c.again = time.AfterFunc(4*sceneT1, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.calls[c.invite.CallID()] != c || c.answer == nil {
			return
		}
		if c.tries++; c.tries < 16 {
			r.answer(c)
			return
		}
		r.hangUp(c)
	})
}

func (r *robot) acknowledged(c *robotCall) {
	if c == nil || c.answer == nil {
		return
	}
	c.again.Stop()
	if r.name == "short" {
		r.hangUp(c)
		return
	}
	r.drop(c) // what comes next brings all that is needed
}

func (r *robot) cancelled(c *robotCall) {
	if c == nil || c.answer != nil {
		return
	}
	c.answer = siptest.Response(c.invite, 487, func(b *sip.Builder) { b.ToTag(c.invite.CallID()[:8]) })
	r.answer(c)
}

func (r *robot) hangUp(c *robotCall) {
	if c.answer.Status() == 200 {
		d := siptest.Answered(c.invite, c.answer)
		r.send(d.Make(sip.BYE, siptest.With(sip.HeaderVia, r.via())))
	}
	r.drop(c)
}

func (r *robot) drop(c *robotCall) {
	if c == nil {
		return
	}
	if c.again != nil {
		c.again.Stop()
	}
	delete(r.calls, c.invite.CallID())
}

// forget is what a phone without power does.
func (r *robot) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if c.answer == nil {
			r.drop(c)
		}
	}
}

// hand is a test in the hands of one of its goroutines, for one call. What doesn't go as written ends that call: on
// a busy machine a few time out, and whatever way a call goes, nothing may be left of it.
type hand struct {
	testing.TB
	astray *astray
	after  []func()
}

// astray are the calls that didn't go as written.
type astray struct {
	mu    sync.Mutex
	count int
	first string
}

func (a *astray) add(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count++; a.first == "" {
		a.first = fmt.Sprintf(format, args...)
	}
}

// check fails if that was more than one of so many.
func (a *astray) check(t *testing.T, of, all int) {
	t.Helper()
	if a.count > 0 {
		t.Logf("%d of %d didn't go as written, the first: %s", a.count, all, a.first)
	}
	if a.count*of > all {
		t.Error("that is too many to say that they were tried")
	}
}

func (h *hand) Cleanup(f func()) { h.after = append(h.after, f) }

func (h *hand) Fatalf(format string, args ...any) {
	h.astray.add(format, args...)
	runtime.Goexit()
}

func (h *hand) done() {
	for _, f := range slices.Backward(h.after) {
		f()
	}
}
