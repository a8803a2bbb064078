package transaction

import (
	"time"

	"parley/sip"
)

// startNonInvite begins the non-INVITE server machine (rfc3261#17.2.2). After 64*T1 the
// client waits no more, so neither does an unanswered transaction (rfc4320#4.2).
func (s *Server) startNonInvite() {
	s.state = trying
	s.shard.set(&s.life, s.shard.layer.long())
	s.shard.set(&s.retry, s.shard.layer.slowed())
}

// slowed is how long it takes until the peer's Timer E is T2 (rfc4320#4.1): 3.5 s.
func (l *Layer) slowed() time.Duration {
	var sum time.Duration
	for e := l.config.T1; e < l.config.T2; e *= 2 {
		sum += e
	}
	return sum
}

func (s *Server) respondNonInvite(resp *sip.Message) {
	if s.state == completed {
		return
	}
	switch status := resp.Status(); {
	case status == 100 && (s.late || s.reliable):
		s.shard.stop(&s.retry)
		s.state, s.last = proceeding, resp
		s.send(resp)
	case status < 200:
		// rfc4320#4.1
	case status == 408: // rfc4320#4.2
		s.end(nil)
	default:
		s.finish(resp)
	}
}

func (s *Server) finish(resp *sip.Message) {
	s.state, s.last = completed, resp
	s.shard.stop(&s.retry)
	s.shard.set(&s.life, s.shard.layer.long()) // Timer J
	s.send(resp)
	if s.reliable {
		s.end(s.err)
	}
}

// retryNonInvite is the time from which a 100 may be sent, and is.
func (s *Server) retryNonInvite() {
	s.late = true
	s.trying()
}
