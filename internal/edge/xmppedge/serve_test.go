package xmppedge

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"parley/xmpp"
)

// restless has connections rest at once.
func restless(t *testing.T, l Limits) *world {
	t.Helper()
	w := newWorld(t, Config{TLS: certificate(t), WithoutTLS: true, Limits: l})
	w.quiet = time.Millisecond
	plain, err := w.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	direct, err := w.ListenTLS(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.tcp, w.tls = plain.String(), direct.String()
	return w
}

func TestAConnectionThatRestsWakesUp(t *testing.T) {
	t.Parallel()
	w := restless(t, Limits{})
	for name, c := range map[string]*client{"TLS": w.session("alice", "tls"), "TCP": w.scramSession("bob", "tcp")} {
		for i := range 50 {
			text := fmt.Sprintf("<message to='alice@example.org/tls' id='%d'><body>%s</body></message>", i, name)
			cut := i % len(text)
			c.say(text[:cut])
			time.Sleep(3 * time.Millisecond) // longer than it takes to rest, but that it must not do here
			c.say(text[cut:])
			if st := w.told(t, 1)[0]; st.ID() != fmt.Sprint(i) || st.Body() != name {
				t.Fatalf("over %s message %d arrives as %s", name, i, st.Text())
			}
			time.Sleep(time.Duration(i%3) * 2 * time.Millisecond)
		}
		c.say("\n")
		time.Sleep(5 * time.Millisecond)
		c.say("</stream:stream>")
	}
	for range 2 {
		w.over(t)
	}
}

// scramSession is a session over TCP without TLS.
func (w *world) scramSession(user, resource string) *client {
	w.t.Helper()
	c := dial(w.t, w.tcp)
	c.open()
	c.scram(user)
	c.open()
	c.bind(resource)
	return c
}

func TestAConnectionThatRestsIsProbedAndEnds(t *testing.T) {
	t.Parallel()
	w := restless(t, Limits{Idle: 50 * time.Millisecond})
	c := w.session("alice", "desk")
	b := make([]byte, 3)
	if _, err := io.ReadFull(c.conn, b); err != nil || string(b) != "   " {
		t.Errorf("it is probed by %q, %v", b, err)
	}
	c.conn.Close()
	w.over(t)
}

func TestAStrangerThatRestsIsEnded(t *testing.T) {
	t.Parallel()
	w := restless(t, Limits{FirstByteTime: 50 * time.Millisecond, AuthTime: 150 * time.Millisecond})
	silent, silentTLS := dial(t, w.tcp), dialTLS(t, w.tls)
	for _, c := range []*client{silent, silentTLS} {
		if event, _, err := c.next(); err != nil || event != xmpp.Opened {
			t.Fatal(event, err)
		}
		c.ends(xmpp.ConnectionTimeout)
	}
	opened := dialTLS(t, w.tls)
	opened.open()
	opened.ends(xmpp.ConnectionTimeout)
}

func TestClosingHasTimeForFarewells(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := w.session("alice", "desk")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	go func() { _ = w.Close(ctx) }()
	c.ends(xmpp.SystemShutdown)
}

func TestWhoHalfClosesHearsTheEnd(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{WithoutTLS: true})
	for says, want := range map[string]xmpp.StreamCondition{"</stream:stream>": "", "<bad/>": xmpp.UnsupportedStanzaType} {
		for range 20 {
			c := w.scramSession("alice", "desk")
			c.say(says)
			if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if want == "" {
				c.closed()
			} else {
				c.ends(want)
			}
			w.over(t)
		}
	}
}
