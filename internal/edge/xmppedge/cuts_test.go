package xmppedge

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// flaky is an app that is cut off again and again, resumes its session, and keeps count of both directions.
type flaky struct {
	t       *testing.T
	w       *world
	rand    *rand.Rand
	id      string // of its session
	got     uint32 // stanzas
	sent    uint32 // that it made
	handled uint32 // of those, as far as it knows
	most    uint32 // that it makes
}

const (
	request = "<r xmlns='urn:xmpp:sm:3'/>"
	nsSM    = "urn:xmpp:sm:3"
)

// connect gives a connection on which the session goes on, or begins.
func (f *flaky) connect() *client {
	f.t.Helper()
	var c *client
	if f.rand.IntN(2) == 0 {
		c = dialTLS(f.t, f.w.tls)
		c.open()
		c.signIn("alice")
	} else {
		c = dial(f.t, f.w.tcp)
		c.open()
		c.scram("alice")
		c.open()
	}
	if f.id == "" {
		c.bind("flaky")
		c.say("<enable xmlns='urn:xmpp:sm:3' resume='1'/>")
		f.id = c.want(nsSM, "enabled").Attr("id")
		return c
	}
	c.say(fmt.Sprintf("<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%d'/>", f.id, f.got))
	f.knows(c.want(nsSM, "resumed"))
	for i := f.handled; i < f.sent; i++ { // what got lost
		c.say(message("bob@example.org", int(i)))
	}
	return c
}

func (f *flaky) knows(e *xmpp.Element) {
	f.t.Helper()
	n, err := strconv.ParseUint(e.Attr("h"), 10, 32)
	if err != nil || uint32(n) < f.handled || uint32(n) > f.sent {
		f.t.Fatalf("%s, where %d are known to be handled of %d", text(e), f.handled, f.sent)
	}
	f.handled = uint32(n)
}

// use has the connection for a while, then cuts it off.
func (f *flaky) use(c *client, all uint32) {
	defer c.conn.Close()
	for range f.rand.IntN(60) {
		if f.sent < f.most && f.rand.IntN(2) == 0 {
			c.say(message("bob@example.org", int(f.sent)), request)
			f.sent++
		}
		if f.got == all && f.handled == f.most {
			return
		}
		if err := c.conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			f.t.Fatal(err)
		}
		event, e, err := c.next()
		if err != nil {
			return // nothing comes for a moment, which is as good a time as any
		}
		switch {
		case event != xmpp.Whole:
			f.t.Fatalf("the session ends with event %d", event)
		case e.Local == "message":
			if got := e.Attr("id"); got != fmt.Sprint(f.got) {
				f.t.Fatalf("message %s arrives, want %d", got, f.got)
			}
			f.got++
		case e.Local == "r":
			c.say(fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'/>", f.got))
		case e.Local == "a":
			f.knows(e)
		}
	}
}

// Whatever connections do, each stanza arrives once and in order, in both directions.
func TestNothingIsLostOrDoubledByCuts(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{WithoutTLS: true, Limits: Limits{AckStanzas: 4, AckTime: 5 * time.Millisecond, QueueStanzas: 5000}})
	const all = 200
	f := &flaky{t: t, w: w, rand: rand.New(rand.NewPCG(1, 2)), most: all}
	c := f.connect()
	s := w.table.Get(jid.JID{Local: "alice", Domain: "example.org", Resource: "flaky"})
	var delivered, twice atomic.Int64
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range all {
			var told atomic.Bool
			s.Deliver(xmpp.Must(xmpp.Message, xmpp.Header{To: s.JID(), ID: fmt.Sprint(i)}, ""), func(ok bool) {
				if told.Swap(true) || !ok {
					twice.Add(1)
				}
				delivered.Add(1)
			})
			if i%10 == 0 {
				time.Sleep(2 * time.Millisecond)
			}
		}
	})
	cuts := 0
	for end := time.Now().Add(3 * patience); f.got < all || f.handled < all; cuts++ {
		if time.Now().After(end) {
			t.Fatalf("after %d cuts %d and %d of %d have arrived", cuts, f.got, f.handled, all)
		}
		f.use(c, all)
		c = f.connect()
	}
	c.say(fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'/></stream:stream>", f.got))
	for event, _, err := c.next(); event != xmpp.Closed; event, _, err = c.next() {
		if err != nil {
			t.Fatal(err)
		}
	}
	sending.Wait()
	w.over(t)
	if delivered.Load() != all || twice.Load() != 0 {
		t.Errorf("of %d stanzas %d are told of, %d of them wrongly", all, delivered.Load(), twice.Load())
	}
	for i, st := range w.told(t, all) {
		if st.ID() != fmt.Sprint(i) {
			t.Fatalf("stanza %s is handled as number %d", st.ID(), i)
		}
	}
	if n := len(w.chat.got); n != 0 {
		t.Errorf("%d stanzas are handled twice", n)
	}
	t.Logf("%d cuts", cuts)
}
