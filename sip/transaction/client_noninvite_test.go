package transaction

import (
	"testing"
	"time"

	"parley/sip"
)

func TestNonInviteClientUnanswered(t *testing.T) { // Timers E and F
	t.Parallel()
	each(t, func(t *testing.T, network string, reliable bool) {
		w := newWorld(t, network, Config{})
		w.request(options())
		w.advance(40 * time.Second)
		if reliable {
			w.sent("0s OPTIONS")
		} else {
			w.sent(times("OPTIONS", "0s", "500ms", "1.5s", "3.5s", "7.5s", "11.5s", "15.5s",
				"19.5s", "23.5s", "27.5s", "31.5s")...)
		}
		w.heard("32s Ended OPTIONS: " + ErrTimeout.Error())
		w.empty()
	})
}

func TestNonInviteClientProceeding(t *testing.T) { // Timer E becomes T2, Timer F goes on
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{})
	c := w.request(options())
	w.advance(600 * time.Millisecond)
	w.answer(c.Request(), 100)
	w.advance(40 * time.Second)
	w.sent(times("OPTIONS", "0s", "500ms", "1.5s", "5.5s", "9.5s", "13.5s", "17.5s", "21.5s",
		"25.5s", "29.5s")...)
	w.heard("600ms Response 100 OPTIONS", "32s Ended OPTIONS: "+ErrTimeout.Error())
	w.empty()
}

func TestNonInviteClientAnswered(t *testing.T) { // Timer K
	t.Parallel()
	each(t, func(t *testing.T, network string, reliable bool) {
		for _, status := range []int{200, 302, 404, 503, 600} {
			w := newWorld(t, network, Config{})
			c := w.request(options())
			resp := w.answer(c.Request(), status)
			w.advance(time.Second)
			w.arrive(resp)
			w.advance(time.Minute)
			w.sent("0s OPTIONS")
			what := " " + resp.Text()[8:11] + " OPTIONS"
			if reliable {
				w.heard("0s Response"+what, "0s Ended OPTIONS: <nil>", "1s OnStray"+what)
			} else {
				w.heard("0s Response"+what, "5s Ended OPTIONS: <nil>")
			}
			w.empty()
		}
	})
}

func TestCancelOfNonInviteDoesNothing(t *testing.T) { // rfc3261#9.1
	t.Parallel()
	w := newWorld(t, sip.TCP, Config{})
	c := w.request(options())
	w.answer(c.Request(), 100)
	c.Cancel("")
	w.sent("0s OPTIONS")
}

func TestOtherTimerValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sip.UDP, Config{T1: 100 * time.Millisecond, T2: 300 * time.Millisecond, T4: time.Second})
	w.request(options())
	w.advance(1500 * time.Millisecond)
	w.sent(times("OPTIONS", "0s", "100ms", "300ms", "600ms", "900ms", "1.2s", "1.5s")...)
	w.advance(10 * time.Second)
	w.heard("6.4s Ended OPTIONS: " + ErrTimeout.Error())
}
