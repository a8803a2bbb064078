package xmppedge

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"parley/xmpp"
	"parley/xmpp/xmpptest"
)

func TestStanzasAreAcknowledged(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{Limits: Limits{AckStanzas: 3, AckTime: 20 * time.Millisecond}})
	c := w.app(t, "alice", "desk")
	c.Send("<r xmlns='urn:xmpp:sm:3'/>")
	c.Expect("<failed xmlns='urn:xmpp:sm:3'/>") // not before it is enabled
	c.Send(message("bob@example.org", 0))
	c.Enable(false)
	if h := c.RequestAck(); h != 0 {
		t.Errorf("%d stanzas are handled from the beginning", h)
	}
	for i := range 5 {
		c.Send(message("bob@example.org", i))
	}
	c.Send("<presence/><iq type='get' id='1'><x xmlns='urn:x'/></iq>")
	if h := c.RequestAck(); h != 7 {
		t.Errorf("%d stanzas are handled, want 7", h)
	}
	c.Send("<enable xmlns='urn:xmpp:sm:3'/><resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>")
	c.Expect("<failed xmlns='urn:xmpp:sm:3'/>")
	c.Expect("<failed xmlns='urn:xmpp:sm:3'/>")

	c.Manual = true
	outcome := make(chan int, 10)
	s := w.table.Get(c.JID)
	send := func(i int) {
		s.Deliver(xmpp.Must(xmpp.Message, xmpp.Header{To: c.JID, ID: fmt.Sprint("m", i)}, ""), func(ok bool) {
			if ok {
				outcome <- i
			}
		})
	}
	for i := range 3 {
		send(i)
	}
	c.Await("<message id='m2'/>")
	c.Await("<r xmlns='urn:xmpp:sm:3'/>")
	select {
	case i := <-outcome:
		t.Errorf("stanza %d counts as delivered before it is acknowledged", i)
	default:
	}
	c.Ack(3)
	for want := range 3 {
		if got := <-outcome; got != want {
			t.Errorf("stanza %d is delivered, want %d", got, want)
		}
	}
	send(3)
	c.Await("<r xmlns='urn:xmpp:sm:3'/>") // for one alone, after a while
	c.Ack(4)
	if got := <-outcome; got != 3 {
		t.Errorf("stanza %d is delivered", got)
	}
	c.Ack(9)
	r := c.Await("error")
	if e := r.Child("urn:xmpp:sm:3", "handled-count-too-high"); e.Attr("h") != "9" || e.Attr("send-count") != "4" {
		t.Errorf("to acknowledge too many is answered %s", r.Raw)
	}
}

func TestCountersWrapAround(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := w.app(t, "alice", "desk")
	c.Manual = true
	c.Enable(true)
	s := w.inside(c)
	s.mu.Lock()
	s.handled, s.acked = math.MaxUint32, math.MaxUint32-1
	s.mu.Unlock()
	outcome := make(chan bool, 10)
	for i := range 3 {
		s.im.Deliver(xmpp.Must(xmpp.Message, xmpp.Header{To: c.JID, ID: fmt.Sprint(i)}, ""), func(ok bool) { outcome <- ok })
	}
	c.Await("<message id='2'/>")
	c.Send("<message/><message/>")
	c.Ack(1)
	for range 3 {
		if !<-outcome {
			t.Error("a stanza is lost")
		}
	}
	if h := c.RequestAck(); h != 1 {
		t.Errorf("%d stanzas are handled, want 1", h)
	}
}

func (w *world) webSocket(t *testing.T, user string) *xmpptest.Client {
	t.Helper()
	c := xmpptest.WebSocket(t, user+"@example.org", w.web(t), nil)
	c.Prepare()
	c.SignIn("PLAIN", user+"-pw")
	return c
}

func TestASessionIsResumed(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	again := map[string]func(string) *xmpptest.Client{
		"TCP":       func(user string) *xmpptest.Client { return w.app(t, user, "") },
		"WebSocket": func(user string) *xmpptest.Client { return w.webSocket(t, user) },
	}
	for name, connect := range again {
		for name2, reconnect := range again {
			t.Run(name+" to "+name2, func(t *testing.T) {
				c := connect("alice")
				c.Bind("from" + name + "to" + name2)
				c.Manual = true
				c.Enable(true)
				s := w.table.Get(c.JID)
				c.Send("<message id='1'/>")
				c.Send("<message id='2'/>")
				w.told(t, 2)
				outcome := make(chan bool, 10)
				send := func(id int) {
					s.Deliver(xmpp.Must(xmpp.Message, xmpp.Header{To: c.JID, ID: fmt.Sprint("m", id)}, ""), func(ok bool) { outcome <- ok })
				}
				for i := range 3 {
					send(i)
				}
				c.Await("<message id='m2'/>")
				c.Ack(1)
				if !<-outcome {
					t.Error("an acknowledged stanza is lost")
				}
				c.Cut()
				w.waiting(t, c.JID)
				send(3)

				c2 := reconnect("alice")
				c2.Manual = true
				if h := c2.Resume(c); h != 2 {
					t.Errorf("%d stanzas are handled, want 2", h)
				}
				// The client got m0 to m2, and says so when it resumes.
				c2.Expect("<message id='m3'/>")
				for range 2 {
					if !<-outcome {
						t.Error("a stanza is lost that resuming acknowledged")
					}
				}
				c2.Ack(4)
				if !<-outcome {
					t.Error("a stanza is lost that was sent while nobody was there")
				}
				if w.table.Get(c.JID) != s || s.Info().Network == "" {
					t.Error("it is another session now")
				}
				if want := map[string]string{"TCP": "TLS", "WebSocket": "WebSocket"}[name2]; s.Info().Network != want {
					t.Errorf("it is over %s, want %s", s.Info().Network, want)
				}
				c2.Close()
				w.over(t)
			})
		}
	}
}

func TestWhatIsNotAcknowledgedIsSentAgainInOrder(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := w.app(t, "alice", "desk")
	c.Manual = true
	c.Enable(true)
	s := w.table.Get(c.JID)
	for i := range 10 {
		s.Send(xmpp.Must(xmpp.Message, xmpp.Header{To: c.JID, ID: fmt.Sprint("m", i)}, ""))
	}
	c.Await("<message id='m9'/>")
	c.Cut()
	w.waiting(t, c.JID)
	s.Send(xmpp.Must(xmpp.Message, xmpp.Header{To: c.JID, ID: "m10"}, ""))
	again := dialTLS(t, w.tls)
	again.open()
	again.signIn("alice")
	again.say(resume(t, w, c, 4))
	if e := again.want("urn:xmpp:sm:3", "resumed"); e.Attr("h") != "0" || e.Attr("previd") == "" {
		t.Errorf("resumed by %s", text(e))
	}
	for i := 4; i <= 10; i++ {
		if m := again.want(xmpp.NSClient, "message"); m.Attr("id") != fmt.Sprint("m", i) {
			t.Errorf("message %s is sent again, want m%d", m.Attr("id"), i)
		}
	}
	// While it is there, a third connection takes it; the second hears why.
	third := dialTLS(t, w.tls)
	third.open()
	third.signIn("alice")
	third.say(resume(t, w, c, 11))
	third.want("urn:xmpp:sm:3", "resumed")
	for e := again.hear(); ; e = again.hear() {
		if e.Space == xmpp.NSStream && e.Child(xmpp.NSStreams, "conflict") != nil {
			break
		}
	}
	again.closed()
	third.say(message("alice@example.org/desk", 1))
	if m := third.want(xmpp.NSClient, "message"); m.Attr("id") != "1" {
		t.Errorf("the third hears %s", text(m))
	}
}

// resume asks for the session of a client, whose count is h.
func resume(t *testing.T, w *world, c *xmpptest.Client, h int) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, s := range w.resumable {
		if s.im.JID() == c.JID {
			return fmt.Sprintf("<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%d'/>", id, h)
		}
	}
	t.Fatal("there is no such session")
	return ""
}

func TestWhoMayNotResume(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{Limits: Limits{ResumeTime: 50 * time.Millisecond}})
	c := w.app(t, "alice", "desk")
	c.Enable(true)
	c.Send("<message/><message/>")
	c.RequestAck()
	ask := resume(t, w, c, 0)

	// Before anybody is signed in, and by somebody else.
	early := dialTLS(t, w.tls)
	early.open()
	early.say(ask)
	if e := early.want("urn:xmpp:sm:3", "failed"); e.Child(xmpp.NSStanzas, "unexpected-request") == nil {
		t.Errorf("before signing in: %s", text(e))
	}
	bob := w.app(t, "bob", "")
	if r := bob.TryResume(c); r.Child(xmpp.NSStanzas, "item-not-found") == nil || r.Attr("h") != "" {
		t.Errorf("bob resumes alice's session: %s", r.Raw)
	}
	bob.Send("<resume xmlns='urn:xmpp:sm:3' previd='x'/>")
	if r := bob.Expect("failed"); r.Child(xmpp.NSStanzas, "bad-request") == nil {
		t.Errorf("without a count: %s", r.Raw)
	}
	bob.Send("<enable xmlns='urn:xmpp:sm:3'/>")
	if r := bob.Expect("failed"); r.Child(xmpp.NSStanzas, "unexpected-request") == nil {
		t.Errorf("enabled before there is a resource: %s", r.Raw)
	}
	bob.JID = bob.JID.Bare()
	bob.Send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
	bob.Expect("<iq type='result' id='b'/>") // which still may be asked for

	// Who comes too late hears how much was handled.
	c.Cut()
	if got := w.over(t); got != "alice@example.org/desk" {
		t.Errorf("%s ended", got)
	}
	late := w.app(t, "alice", "")
	if r := late.TryResume(c); r.Child(xmpp.NSStanzas, "item-not-found") == nil || r.Attr("h") != "2" {
		t.Errorf("too late: %s", r.Raw)
	}
}

func TestResumingWithACountTooHighEndsBoth(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := w.app(t, "alice", "desk")
	c.Enable(true)
	ask := resume(t, w, c, 7)
	c.Cut()
	w.waiting(t, c.JID)
	again := w.app(t, "alice", "")
	again.Send(ask)
	again.ExpectEnd("undefined-condition")
	w.over(t)
}

func TestTheClientMayShortenItsClaim(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	c := w.app(t, "alice", "desk")
	c.Send("<enable xmlns='urn:xmpp:sm:3' resume='1' max='1'/>")
	if r := c.Expect("enabled"); r.Attr("max") != "1" {
		t.Errorf("enabled by %s", r.Raw)
	}
	c.Cut()
	w.waiting(t, c.JID)
	began := time.Now()
	w.over(t)
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it waits for %v", took)
	}
}

func TestAResumedSessionWaitsForTheStanzaAtHand(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{})
	w.chat.hold = make(chan struct{})
	c := w.app(t, "alice", "desk")
	c.Enable(true)
	c.Send("<message id='1'/><message id='2'/>")
	again := dialTLS(t, w.tls)
	again.open()
	again.signIn("alice")
	again.say(resume(t, w, c, 0))
	select {
	case w.chat.hold <- struct{}{}:
	case <-time.After(patience):
		t.Fatal("the chat is not told")
	}
	// The first is handled, and counts. The second was not begun, or counts too.
	go func() {
		for range w.chat.hold {
		}
	}()
	time.AfterFunc(100*time.Millisecond, func() { close(w.chat.hold) })
	e := again.want("urn:xmpp:sm:3", "resumed")
	if handled := len(w.chat.got); fmt.Sprint(handled) != e.Attr("h") {
		t.Errorf("%d are handled, %s are counted", handled, e.Attr("h"))
	}
}

func TestAClientThatDoesNotAnswerIsGone(t *testing.T) {
	t.Parallel()
	w := listening(t, Config{Limits: Limits{AckTime: 10 * time.Millisecond, DeadPeer: 50 * time.Millisecond}})
	c := w.app(t, "alice", "desk")
	c.Manual = true
	c.Enable(true)
	w.table.Get(c.JID).Send(xmpp.Must(xmpp.Message, xmpp.Header{To: c.JID}, ""))
	c.Await("<r xmlns='urn:xmpp:sm:3'/>")
	w.waiting(t, c.JID)
}

func TestASessionThatNobodyResumesIsBounded(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		limits Limits
		size   int
	}{
		"stanzas": {Limits{QueueStanzas: 10}, 10}, "bytes": {Limits{QueueBytes: 100000}, 9000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := listening(t, Config{Limits: x.limits})
			c := w.app(t, "alice", "desk")
			c.Enable(true)
			c.Cut()
			w.waiting(t, c.JID)
			s := w.table.Get(c.JID)
			st := xmpp.Must(xmpp.Message, xmpp.Header{To: c.JID}, "<body>"+strings.Repeat("x", x.size)+"</body>")
			lost := make(chan bool, 100)
			n := 0
			for ; w.table.Get(c.JID) != nil && n < 50; n++ {
				s.Deliver(st, func(ok bool) { lost <- !ok })
				time.Sleep(time.Millisecond)
			}
			if n < 10 || n > 20 {
				t.Errorf("it takes %d stanzas", n)
			}
			w.over(t)
			for range n {
				if !<-lost {
					t.Error("a stanza that nobody got counts as delivered")
				}
			}
		})
	}
}

func TestEndingsAreRememberedWithinABound(t *testing.T) {
	t.Parallel()
	var p past
	for i := range maxPast + 10 {
		p.add(fmt.Sprint(i), alice, uint32(i))
	}
	if len(p.of) != maxPast || p.find("9", alice) != nil {
		t.Errorf("%d are remembered", len(p.of))
	}
	if h := p.find("10", alice); h == nil || *h != 10 {
		t.Error("one of the last is forgotten")
	}
}
