package transaction

import (
	"fmt"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/siptest"
)

// TestNothingStays does 20,000 transactions of all kinds and ends, and looks for what is left.
func TestNothingStays(t *testing.T) {
	t.Parallel()
	const each = 2500
	w := newWorld(t, sip.UDP, Config{Shards: 2})
	w.layer.config.OnStray = nil
	w.layer.config.OnRequest = func(s *Server) {
		if status := s.Request().Get(sip.HeaderSubject); status != "" {
			var n int
			if _, err := fmt.Sscan(status, &n); err != nil {
				panic(err)
			}
			s.Respond(siptest.Response(s.Request(), n))
		}
	}
	asks := func(status int) siptest.Edit { return siptest.With(sip.HeaderSubject, fmt.Sprint(status)) }
	for i := range each {
		w.far.OnReceive(nil)
		w.arrive(invite(asks(200))) // Timer L
		w.arrive(invite(asks(486))) // Timer H
		w.arrive(options(asks(200)))
		w.arrive(options()) // never answered
		cancelled := w.layer.Request(w.near, invite(), nil)
		cancelled.Cancel("") // Timer B
		w.layer.Request(w.near, options(), nil)
		w.far.OnReceive(func(_ sip.Flow, m *sip.Message) { // answered at once
			if m.IsRequest() && m.Method() != sip.ACK {
				if err := w.far.Send(siptest.Response(m, []int{200, 404}[i%2])); err != nil {
					t.Error(err)
				}
			}
		})
		w.layer.Request(w.near, invite(), nil)
		w.layer.Request(w.near, options(), nil)
		w.clock.Settle()
	}
	st := w.layer.Stats()
	if st.Servers != 4*each || st.Clients != 4*each {
		t.Fatalf("%d servers and %d clients live, want %d each", st.Servers, st.Clients, 4*each)
	}
	w.advance(33 * time.Second)
	w.empty()
}
