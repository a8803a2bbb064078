package transaction

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/sip"
	"parley/sip/siptest"
)

// witness is one transaction's handler; it keeps what a handler must be able to rely on.
type witness struct {
	invite       bool
	ends         int
	rejected, ok bool
	err          error
	broken       []string
}

func (w *witness) Response(_ *Client, resp *sip.Message) {
	status := resp.Status()
	again := w.invite && w.ok && status/100 == 2
	switch {
	case w.ends > 0:
		w.broken = append(w.broken, fmt.Sprintf("%d after the end", status))
	case (w.ok || w.rejected) && !again:
		w.broken = append(w.broken, fmt.Sprintf("%d after a final response", status))
	}
	if status >= 200 {
		w.ok, w.rejected = w.ok || status < 300, w.rejected || status >= 300
	}
}

func (w *witness) Ended(_ *Client, err error) { w.over(err) }

func (w *witness) over(err error) {
	w.ends++
	w.err = err
	if final := w.ok || w.rejected; final != (err == nil) {
		w.broken = append(w.broken, fmt.Sprintf("ended with %v; final response: %v", err, final))
	}
}

type serverWitness struct{ ends, cancels int }

func (w *serverWitness) Cancelled(*Server, *sip.Message) { w.cancels++ }
func (w *serverWitness) Ended(*Server, error)            { w.ends++ }

var statuses = rapid.SampledFrom([]int{100, 180, 183, 200, 202, 302, 404, 408, 486, 487, 503, 603})

// TestAnyClientSequence lets a peer, the user and the network do anything in any order.
func TestAnyClientSequence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := quiet(t, rt)
		defer w.layer.Close()
		req := options()
		if rapid.Bool().Draw(rt, "INVITE") {
			req = invite()
		}
		h := &witness{invite: req.Method() == sip.INVITE}
		c := w.layer.Request(w.near, req, h)
		for range rapid.IntRange(0, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0, 1:
				send(rt, w, siptest.Response(req, statuses.Draw(rt, "status")))
			case 2:
				c.Cancel("")
			case 3:
				send(rt, w, siptest.Response(siptest.Cancel(req), 200))
			case 4:
				w.near.Fail(rapid.SampledFrom([]error{nil, nil, errSocket}).Draw(rt, "socket"))
			case 5:
				if rapid.IntRange(0, 5).Draw(rt, "close") == 0 {
					w.near.Close()
				}
			default:
				w.advance(time.Duration(rapid.IntRange(1, 400).Draw(rt, "ms")) * time.Millisecond)
			}
			w.clock.Settle()
		}
		c.Cancel("") // so that a ringing INVITE ends too
		w.advance(8 * time.Second)
		if h.ends != 1 {
			rt.Errorf("ended %d times", h.ends)
		}
		for _, s := range h.broken {
			rt.Error(s)
		}
		checkACKs(rt, w, h)
		leftovers(rt, w)
	})
}

// checkACKs: the layer sends ACKs for non-2xx responses alone.
func checkACKs(rt *rapid.T, w *world, h *witness) {
	for _, s := range w.near.Log() {
		if s.Message.Method() == sip.ACK && !h.rejected {
			rt.Errorf("an ACK without a non-2xx response")
		}
	}
}

// TestAnyServerSequence lets a client, the user and the network do anything in any order.
func TestAnyServerSequence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := quiet(t, rt)
		defer w.layer.Close()
		h := &serverWitness{}
		var s *Server
		w.layer.config.OnRequest = func(x *Server) {
			if s == nil {
				s = x
				s.Handle(h)
				return
			}
			x.Respond(siptest.Response(x.Request(), 200)) // a copy that came after the end
		}
		req := options()
		if rapid.Bool().Draw(rt, "INVITE") {
			req = invite()
		}
		send(rt, w, req)
		w.clock.Settle()
		for range rapid.IntRange(0, 12).Draw(rt, "steps") {
			serverStep(rt, w, s, req)
		}
		w.near.Fail(nil)
		s.Respond(siptest.Response(req, 500)) // so that an INVITE ends
		w.advance(8 * time.Second)
		if h.ends != 1 {
			rt.Errorf("ended %d times", h.ends)
		}
		if h.cancels > 1 {
			rt.Errorf("cancelled %d times", h.cancels)
		}
		checkFinals(rt, w)
		leftovers(rt, w)
	})
}

func serverStep(rt *rapid.T, w *world, s *Server, req *sip.Message) {
	ended := s.state == terminated
	switch rapid.IntRange(0, 6).Draw(rt, "step") {
	case 0:
		if !ended {
			send(rt, w, req)
		}
	case 1, 2:
		s.Respond(siptest.Response(req, statuses.Draw(rt, "status")))
	case 3:
		send(rt, w, siptest.Cancel(req))
	case 4:
		if req.Method() == sip.INVITE && !ended {
			send(rt, w, siptest.Ack(req, siptest.Response(req, 486)))
		}
	case 5:
		w.near.Fail(rapid.SampledFrom([]error{nil, nil, errSocket}).Draw(rt, "socket"))
	default:
		w.advance(time.Duration(rapid.IntRange(1, 400).Draw(rt, "ms")) * time.Millisecond)
	}
	w.clock.Settle()
}

// finals are the different final responses to the request that went out.
func finals(w *world) map[string]*sip.Message {
	all := map[string]*sip.Message{}
	for _, s := range w.near.Log() {
		if s.Message.Status() >= 200 && s.Message.Method() != sip.CANCEL {
			all[s.Message.Text()] = s.Message
		}
	}
	return all
}

// checkFinals: one final response, but for 2xx of an INVITE.
func checkFinals(rt *rapid.T, w *world) {
	ok, no := 0, 0
	for _, m := range finals(w) {
		if m.Status() < 300 && m.Method() == sip.INVITE {
			ok++
		} else {
			no++
		}
	}
	if no > 1 || ok > 0 && no > 0 {
		rt.Errorf("%d 2xx and %d other final responses went out", ok, no)
	}
}

// quiet makes a world without notes, over a flow of either kind.
func quiet(t *testing.T, rt *rapid.T) *world {
	network := rapid.SampledFrom([]string{sip.UDP, sip.TCP}).Draw(rt, "network")
	return newWorld(t, network, Config{
		T1: 50 * time.Millisecond, T2: 400 * time.Millisecond, T4: 500 * time.Millisecond,
		OnACK: func(sip.Flow, *sip.Message) {}, OnStray: func(sip.Flow, *sip.Message) {},
	})
}

func send(rt *rapid.T, w *world, m *sip.Message) {
	if err := w.far.Send(m); err != nil && !errors.Is(err, siptest.ErrDown) {
		rt.Fatalf("peer could not send: %v", err)
	}
}

func leftovers(rt *rapid.T, w *world) {
	w.advance(2 * time.Second)
	sh := w.layer.shards[0]
	if len(sh.clients)+len(sh.servers)+sh.wheel.count != 0 || w.clock.Ticking() != 0 || w.layer.live.Load() != 0 {
		rt.Errorf("left: %d clients, %d servers, %d timers, %d tickers, %d counted",
			len(sh.clients), len(sh.servers), sh.wheel.count, w.clock.Ticking(), w.layer.live.Load())
	}
}
