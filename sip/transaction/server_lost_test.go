package transaction

import (
	"testing"
	"time"

	"parley/sip"
	"parley/sip/siptest"
)

// ways gives out flows as Return; nil is none.
type ways struct {
	flows []sip.Flow
	asked int
}

func (w *ways) find(_ sip.Flow, _ *sip.Message, found func(sip.Flow)) {
	w.asked++
	if len(w.flows) == 0 {
		found(nil)
		return
	}
	f := w.flows[0]
	w.flows = w.flows[1:]
	found(f)
}

// another flow to the same peer.
func (w *world) another() *siptest.Flow {
	near, _ := siptest.Pipe(w.clock, sip.TCP)
	near.OnReceive(w.layer.Receive)
	return near
}

func TestCallerThatCanNotBeToldEndsItsInvite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	w.arrive(invite())
	w.respond(w.server(), 180)
	w.advance(time.Minute)
	w.heard("0s OnRequest INVITE")
	w.near.Close()
	w.advance(watchEvery + tick)
	w.mu.Lock()
	n := len(w.events)
	w.mu.Unlock()
	if n != 1 {
		t.Errorf("%d ends after %v, want one", n, watchEvery)
	}
	w.empty()
}

func TestCallerThatIsLostBeforeAnythingWasSaid(t *testing.T) { // the 100 is the first that can't be told
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	w.arrive(invite())
	w.near.Close()
	w.advance(3 * time.Second)
	w.heard("0s OnRequest INVITE", "2.2s Ended INVITE: "+ErrTransport.Error())
	w.empty()
}

func TestResponsesGoAnotherWay(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 486} {
		w := newWorld(t, sip.TCP, Config{})
		second := w.another()
		ways := &ways{flows: []sip.Flow{second}}
		w.layer.config.Return = ways.find
		w.arrive(invite())
		s := w.server()
		w.respond(s, 180)
		w.near.Close()
		w.advance(watchEvery + tick)
		w.respond(s, status)
		w.sent("0s 180 INVITE")
		want := siptest.Summary(siptest.Response(s.Request(), status))
		if got := second.Take(); len(got) != 2 || got[0].Message.Status() != 180 || siptest.Summary(got[1].Message) != want {
			t.Errorf("the other way was told %v, want 180 and %d", got, status)
		}
		w.heard("0s OnRequest INVITE")
		if ways.asked != 1 {
			t.Errorf("a way was looked for %d times", ways.asked)
		}
	}
}

func TestAnotherWayIsLookedForOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	second := w.another()
	ways := &ways{flows: []sip.Flow{second, w.another()}}
	w.layer.config.Return = ways.find
	w.arrive(invite())
	w.respond(w.server(), 180)
	w.near.Close()
	w.advance(watchEvery + tick)
	second.Close()
	w.advance(watchEvery + tick)
	if ways.asked != 1 {
		t.Errorf("a way was looked for %d times", ways.asked)
	}
	w.empty()
}

// The answer itself finds that the connection is gone; it is told the other way, and a copy of it too.
func TestAnswerGoesAnotherWay(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 404} {
		w := newWorld(t, sip.TCP, Config{})
		second := w.another()
		w.layer.config.Return = (&ways{flows: []sip.Flow{second}}).find
		w.arrive(invite())
		s := w.server()
		w.respond(s, 180)
		w.near.Close()
		resp := w.respond(s, status)
		if status < 300 {
			s.Respond(resp) // a user agent says it again (rfc3261#13.3.1.4)
			w.clock.Settle()
		}
		if got := second.Take(); len(got) != 1 || got[0].Message.Status() != status {
			t.Errorf("the other way was told %v, want %d", got, status)
		}
		w.advance(time.Minute)
		end := "32s Ended INVITE: " + ErrTimeout.Error() // no ACK came
		if status < 300 {
			end = "32s Ended INVITE: <nil>"
		}
		w.heard("0s OnRequest INVITE", end)
		w.empty()
	}
}

// Nobody has us connect to them by asking for something and hanging up.
func TestNoConnectionIsMadeForARefusal(t *testing.T) {
	t.Parallel()
	for status, m := range map[int]*sip.Message{200: options(), 407: invite(), 503: invite(siptest.With(sip.HeaderCSeq, "7 INVITE"))} {
		w := newWorld(t, sip.TCP, Config{})
		ways := &ways{flows: []sip.Flow{w.another()}}
		w.layer.config.Return = ways.find
		w.arrive(m)
		if status == 503 {
			w.advance(time.Second) // so long that it got a 100
		}
		w.near.Close()
		w.respond(w.server(), status)
		w.advance(time.Minute)
		if ways.asked != 0 {
			t.Errorf("%d to %s: a way was looked for", status, m.Method())
		}
		w.empty()
	}
}

// A copy of the INVITE that comes over a new connection is a better way than any that we could find.
func TestCallerComesBackByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	var found func(sip.Flow)
	w.layer.config.Return = func(_ sip.Flow, _ *sip.Message, f func(sip.Flow)) { found = f }
	m := invite()
	w.arrive(m)
	s := w.server()
	w.respond(s, 180)
	w.near.Close()
	w.advance(watchEvery + tick)
	w.respond(s, 183) // the search goes on
	w.advance(watchEvery + tick)
	second := w.another()
	w.layer.Receive(second, m)
	w.clock.Settle()
	found(nil)
	w.clock.Settle()
	w.respond(s, 200)
	if got := second.Take(); len(got) != 2 || got[1].Message.Status() != 200 {
		t.Errorf("the new connection was told %v, want 183 and 200", got)
	}
	w.heard("0s OnRequest INVITE")
}
