package transaction

import (
	"time"

	"parley/sip"
)

// tryingAfter is how long an INVITE may wait before it gets 100 (rfc3261#17.2.1).
const tryingAfter = 200 * time.Millisecond

// startInvite begins the INVITE server machine (rfc3261#17.2.1, rfc6026#7.1).
func (s *Server) startInvite() {
	s.state = proceeding
	s.shard.set(&s.retry, tryingAfter)
}

func (s *Server) respondInvite(resp *sip.Message) {
	status := resp.Status()
	switch {
	case s.state == accepted && status/100 == 2:
		s.send(resp)
	case s.state != proceeding:
		// a final response was sent
	case status < 200:
		s.shard.stop(&s.retry)
		s.last, s.welcome = resp, s.welcome || status > 100
		s.send(resp)
		if s.reliable {
			s.shard.set(&s.retry, watchEvery)
		}
	case status < 300:
		s.state, s.last = accepted, nil
		s.shard.stop(&s.retry)
		s.shard.set(&s.life, s.shard.layer.long()) // Timer L
		s.send(resp)
	default:
		s.rejectInvite(resp)
	}
}

func (s *Server) rejectInvite(resp *sip.Message) {
	s.state, s.last = completed, resp
	s.shard.stop(&s.retry)
	s.shard.set(&s.life, s.shard.layer.long()) // Timer H
	if !s.reliable {
		s.interval = s.shard.layer.config.T1
		s.shard.set(&s.retry, s.interval) // Timer G
	}
	s.send(resp)
}

// retryInvite is the time for a 100 or for a look at the connection, or Timer G.
func (s *Server) retryInvite() {
	switch {
	case s.state == proceeding && s.last == nil:
		s.trying()
		return
	case s.state == proceeding:
		s.watch()
		return
	}
	s.shard.retransmits.Add(1)
	s.send(s.last)
	s.interval = min(2*s.interval, s.shard.layer.config.T2)
	s.shard.set(&s.retry, s.interval)
}

// ack gives an ACK to the INVITE whose non-2xx response it confirms, any other to the
// handler (rfc3261#17.2.1).
func (sh *shard) ack(f sip.Flow, m *sip.Message, via sip.Via) {
	s := sh.confirmed(m, via)
	switch {
	case s != nil && s.state == completed:
		s.confirm()
	case s != nil && s.state != accepted:
		// too early, or a copy
	case s == nil && m.ToTag() == sh.layer.statelessTag(m):
		// for a response that left no transaction
	default:
		sh.guard("OnACK", m.CallID(), func() { sh.layer.config.OnACK(f, m) })
	}
}

// confirmed finds the INVITE of an ACK. By the old rule its To tag is the one of our
// response, which the INVITE need not have had.
func (sh *shard) confirmed(m *sip.Message, via sip.Via) *Server {
	key := keyOf(m, via, sip.INVITE)
	if s := sh.servers[key]; s != nil || !key.old() {
		return s
	}
	key.host = ""
	if s := sh.servers[key]; s != nil && s.tag == m.ToTag() {
		return s
	}
	return nil
}

// confirm waits for copies of the ACK, where there can be any (Timer I).
func (s *Server) confirm() {
	s.state, s.last, s.err = confirmed, nil, nil
	s.shard.stop(&s.retry)
	if s.reliable {
		s.end(nil)
		return
	}
	s.shard.set(&s.life, s.shard.layer.config.T4)
}
