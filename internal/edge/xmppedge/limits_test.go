package xmppedge

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/xmpp"
	"parley/xmpp/xmpptest"
)

// bubble runs a test on a clock of its own, with an edge that takes SCRAM without TLS.
func bubble(t *testing.T, l Limits, f func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{WithoutTLS: true, Limits: l})
		f(t, w)
	})
}

// inMemory is a client with a session over a connection in memory.
func (w *world) inMemory(t *testing.T, resource string) (*xmpptest.Client, net.Conn) {
	t.Helper()
	here, there := net.Pipe()
	w.accept(there, false)
	c := xmpptest.Over(t, "alice@example.org", here, nil)
	c.Timeout = time.Hour
	c.Login("alice-pw", resource)
	return c, here
}

// drip says a byte a second until the connection ends, and gives how long that took and what was heard.
func drip(conn net.Conn, text string) (time.Duration, string) {
	began := time.Now()
	heard := make(chan string)
	go func() {
		b, _ := io.ReadAll(conn)
		heard <- string(b)
	}()
	for i := 0; ; i++ {
		if _, err := conn.Write([]byte{text[min(i, len(text)-1)]}); err != nil {
			break
		}
		time.Sleep(time.Second)
	}
	conn.Close()
	return time.Since(began), <-heard
}

func TestASilentConnectionIsEnded(t *testing.T) {
	bubble(t, Limits{}, func(t *testing.T, w *world) {
		here, there := net.Pipe()
		w.accept(there, false)
		began := time.Now()
		b, _ := io.ReadAll(here)
		if took := time.Since(began); took < 15*time.Second || took > 17*time.Second {
			t.Errorf("it is ended after %v", took)
		}
		if !strings.Contains(string(b), "connection-timeout") {
			t.Errorf("it hears %q", b)
		}
	})
}

func TestADrippingHeaderIsEnded(t *testing.T) {
	bubble(t, Limits{}, func(t *testing.T, w *world) {
		here, there := net.Pipe()
		w.accept(there, false)
		took, heard := drip(here, "<stream:stream                       "+strings.Repeat(" ", 10000))
		if took < time.Minute || took > 62*time.Second || !strings.Contains(heard, "connection-timeout") {
			t.Errorf("it is ended after %v, and hears %q", took, heard)
		}
	})
}

func TestWhoDoesNotSignInIsEnded(t *testing.T) {
	bubble(t, Limits{}, func(t *testing.T, w *world) {
		here, there := net.Pipe()
		w.accept(there, false)
		took, heard := drip(here, header+strings.Repeat("\n", 10000))
		if took < time.Minute || took > 62*time.Second || !strings.Contains(heard, "connection-timeout") {
			t.Errorf("it is ended after %v, and hears %q", took, heard)
		}
	})
}

func TestADrippingStanzaIsEnded(t *testing.T) {
	bubble(t, Limits{}, func(t *testing.T, w *world) {
		c, conn := w.inMemory(t, "desk")
		began := time.Now()
		for text := "<message"; ; text = " " {
			if _, err := conn.Write([]byte(text)); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took < 30*time.Second || took > 33*time.Second {
			t.Errorf("it is ended after %v", took)
		}
		c.ExpectEnd("connection-timeout")
		w.over(t)
	})
}

func TestWhiteSpaceKeepsASession(t *testing.T) {
	bubble(t, Limits{}, func(t *testing.T, w *world) {
		c, conn := w.inMemory(t, "desk")
		for range 1000 {
			if _, err := conn.Write([]byte("\n")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		c.Send(message("alice@example.org/desk", 1))
		c.Expect("<message id='1'/>")
	})
}

func TestASilentSessionIsProbed(t *testing.T) {
	bubble(t, Limits{}, func(t *testing.T, w *world) {
		c, conn := w.slow(t)
		synctest.Wait()
		before := conn.read.Load()
		time.Sleep(16 * time.Minute)
		if got := conn.read.Load() - before; got != 3 {
			t.Errorf("in 16 minutes of silence %d bytes are sent, want 3", got)
		}
		// One that does not take the probe is gone.
		defer conn.stop()()
		time.Sleep(10 * time.Minute)
		if w.table.Get(c.JID) != nil {
			t.Error("a peer that takes nothing is kept")
		}
	})
}

// counting counts what is read, and can stop to.
type counting struct {
	net.Conn
	read  atomic.Int64
	stuck atomic.Pointer[chan struct{}]
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	if wait := c.stuck.Load(); wait != nil {
		<-*wait
	}
	return n, err
}

// stop has nothing more be read, but for what is on its way, until the test calls what it gives.
func (c *counting) stop() (goOn func()) {
	wait := make(chan struct{})
	c.stuck.Store(&wait)
	return func() { close(wait) }
}

// slow is a client with a session, whose reading can be stopped.
func (w *world) slow(t *testing.T) (*xmpptest.Client, *counting) {
	t.Helper()
	here, there := net.Pipe()
	w.accept(there, false)
	conn := &counting{Conn: here}
	c := xmpptest.Over(t, "alice@example.org", conn, nil)
	c.Timeout = time.Hour
	c.Login("alice-pw", "desk")
	return c, conn
}

func TestASilentManagedSessionIsAskedAndThenWaits(t *testing.T) {
	bubble(t, Limits{}, func(t *testing.T, w *world) {
		c, _ := w.inMemory(t, "desk")
		c.Manual = true
		c.Enable(true)
		began := time.Now()
		c.Expect("<r xmlns='urn:xmpp:sm:3'/>")
		if took := time.Since(began); took < 5*time.Minute || took > 6*time.Minute {
			t.Errorf("it is asked after %v", took)
		}
		c.Ack(0)
		c.Expect("<r xmlns='urn:xmpp:sm:3'/>")
		time.Sleep(61 * time.Second)
		if s := w.table.Get(c.JID); s == nil || !s.Waiting() {
			t.Error("a client that does not answer is taken to be there")
		}
		time.Sleep(10*time.Minute + time.Second)
		if s := w.table.Get(c.JID); s != nil {
			t.Error("a session that nobody resumes is kept")
		}
	})
}

func TestASlowReaderIsBounded(t *testing.T) {
	t.Parallel()
	for name, managed := range map[string]bool{"plain": false, "managed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Config{WithoutTLS: true, Limits: Limits{QueueBytes: 1 << 20, SendTime: time.Hour}})
			c, conn := w.slow(t)
			if managed {
				c.Enable(true)
			}
			defer conn.stop()()
			s := w.inside(c)
			st := xmpp.Must(xmpp.Message, xmpp.Header{To: c.JID}, "<body>"+strings.Repeat("x", 1000)+"</body>")
			outcomes := make(chan bool, 5000)
			n := 0
			for ; s.alive() && n < 5000; n++ {
				s.im.Deliver(st, func(ok bool) { outcomes <- ok })
			}
			if n < 900 || n > 1200 {
				t.Errorf("it takes %d stanzas of 1 KB", n)
			}
			w.over(t)
			lost := 0
			for range n {
				if !<-outcomes {
					lost++
				}
			}
			if lost < 900 {
				t.Errorf("of %d stanzas that nobody read %d count as lost", n, lost)
			}
		})
	}
}

// inside is the edge's side of a client's session.
func (w *world) inside(c *xmpptest.Client) *session {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sessions[w.table.Get(c.JID)]
}

func (s *session) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ended
}

func TestWhoAsksFasterThanItReadsIsHeldBack(t *testing.T) {
	for name, l := range map[string]Limits{"stanzas": {QueueStanzas: 100}, "bytes": {QueueBytes: 8000}} {
		t.Run(name, func(t *testing.T) { heldBack(t, l) })
	}
}

func heldBack(t *testing.T, l Limits) {
	bubble(t, l, func(t *testing.T, w *world) {
		c, conn := w.slow(t)
		goOn := conn.stop()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for i := range 500 {
				if _, err := io.WriteString(conn, message("alice@example.org/desk", i)); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if n := len(w.chat.got); n > 100 {
			t.Errorf("%d stanzas are taken of a client that reads no answers", n)
		}
		goOn()
		<-sent
		for i := range 500 {
			c.Await(fmt.Sprintf("<message id='%d'/>", i))
		}
	})
}

func TestQuestionsOfWhoDoesNotReadAreBounded(t *testing.T) {
	bubble(t, Limits{}, func(t *testing.T, w *world) {
		c, conn := w.slow(t)
		c.Enable(true)
		defer conn.stop()()
		for range 1000 {
			c.Send("<r xmlns='urn:xmpp:sm:3'/>")
		}
		synctest.Wait()
		s := w.inside(c)
		s.mu.Lock()
		if s.answers > maxAnswers || len(s.queue) > 0 {
			t.Errorf("%d answers and %d elements are queued", s.answers, len(s.queue))
		}
		s.mu.Unlock()
	})
}

func TestClosingDoesNotWaitForever(t *testing.T) {
	bubble(t, Limits{SendTime: time.Hour}, func(t *testing.T, w *world) {
		here, there := net.Pipe()
		w.accept(there, false) // which reads nothing
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := w.Close(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a peer that reads nothing holds the end up for %v", took)
		}
		here.Close()
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]Limits{"all together": {Connections: 2}, "by address": {PerAddress: 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := listening(t, Config{Limits: l})
			first := w.session("alice", "desk")
			dial(t, w.tcp)
			third := dial(t, w.tcp)
			third.gone()
			if got := w.Stats(); got.Refused == 0 || got.Sessions != 1 || got.Connections["TLS"] != 1 {
				t.Errorf("the statistics are %+v", got)
			}
			first.say("</stream:stream>")
			first.closed()
			for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				c := dial(t, w.tcp)
				if _, err := io.WriteString(c.conn, header); err == nil {
					if event, _, err := c.next(); err == nil && event == xmpp.Opened {
						break
					}
				}
				if time.Now().After(end) {
					t.Fatal("a connection that is closed counts on")
				}
			}
			if w.gate.Inside() > 2 {
				t.Errorf("%d are inside", w.gate.Inside())
			}
		})
	}
}

func TestLimitsChangeWhileItRuns(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{Limits: Limits{Connections: 1}})
	first := dialTLS(t, w.tls)
	first.open()
	dial(t, w.tcp).gone()
	w.SetLimits(Limits{Connections: 2, StanzaBytes: 20000})
	w.session("bob", "phone")
	first.signIn("alice")
	first.bind("desk")
	first.say("<message><body>" + strings.Repeat("x", 20000) + "</body></message>")
	first.ends(xmpp.PolicyViolation)
}
