package transaction

import (
	"time"

	"parley/sip"
)

// ServerHandler hears of a server transaction; on the shard.
type ServerHandler interface {
	// Cancelled: a CANCEL came before the final response; its 200 is already sent.
	Cancelled(s *Server, cancel *sip.Message)
	// Ended: ErrTimeout if no ACK came for a non-2xx final response or a request other than
	// INVITE was not answered in 64*T1, ErrTransport if the final response could not be
	// sent, or an INVITE has none yet and its sender can't be told any more, ErrClosed,
	// nil otherwise.
	Ended(s *Server, err error)
}

// Server is a server transaction.
type Server struct {
	shard    *shard
	flow     sip.Flow
	req      *sip.Message
	key      serverKey
	reliable bool

	// Of the shard.
	state    state
	out      sip.Flow      // where responses go: flow, or the one that took its place
	last     *sip.Message  // the response that a copy of the request gets
	tag      string        // the To tag that was sent
	interval time.Duration // of Timer G
	retry    timer         // Timer G; before that, when a 100 is due, then the watch over a reliable flow
	life     timer         // Timers H, I, J, L
	late     bool          // a 100 is allowed (rfc4320#4.1)
	handler  ServerHandler // nil until Handle
	cancel   *sip.Message  // a CANCEL that the handler has not heard of
	err      error         // how it ended, or why it will
	told     bool          // the handler knows of the end
	welcome  bool          // an INVITE that more than 100 was said to
	search   search        // for another way back
}

func newServer(sh *shard, f sip.Flow, m *sip.Message, key serverKey) *Server {
	s := &Server{shard: sh, flow: f, out: f, req: m, key: key, reliable: f.Reliable()}
	s.retry.owner, s.life.owner = s, s
	return s
}

// Request is the request as it came.
func (s *Server) Request() *sip.Message { return s.req }

// Flow is where the request came from.
func (s *Server) Flow() sip.Flow { return s.flow }

// Respond sends resp, made from the request. Responses after a final one are dropped, but
// for further 2xx of an INVITE, which are sent as they come (rfc6026#7.1).
// An INVITE that has no answer after 200ms gets 100 by itself (rfc3261#17.2.1), another
// request when it has waited for 3.5 s (rfc4320#4.1). As that RFC says too, the only
// provisional response to other requests is 100, and a 408 for them ends the
// transaction but is not sent.
func (s *Server) Respond(resp *sip.Message) { s.shard.post(event{server: s, msg: resp}) }

// Handle sets who hears of CANCEL and of the end; call it inside OnRequest, or later: what
// happened before is told then (but not a CANCEL that came too late to matter). Without a
// handler a CANCEL is answered 200 and the INVITE stays as it is: answering it 487 is the
// handler's part.
func (s *Server) Handle(h ServerHandler) {
	s.shard.post(event{f: func() {
		s.handler = h
		s.tellCancelled()
		s.tellEnded()
	}})
}

func (s *Server) isInvite() bool { return s.key.method == sip.INVITE }

// start enters the table and hands the request up.
func (s *Server) start() {
	s.shard.servers[s.key] = s
	s.shard.nServers.Add(1)
	if s.isInvite() {
		s.startInvite()
	} else {
		s.startNonInvite()
	}
	ok := s.shard.guard("OnRequest", s.req.CallID(), func() { s.shard.layer.config.OnRequest(s) })
	if !ok {
		s.fail()
	}
}

// fail answers for a handler that could not.
func (s *Server) fail() {
	if s.state != trying && s.state != proceeding {
		return
	}
	resp, err := s.req.Response(500, "").ToTag(NewTag()).Message()
	if err != nil {
		s.shard.layer.log.Warn("response not made", "call", s.req.CallID(), "err", err)
		s.end(ErrTransport)
		return
	}
	s.respond(resp)
}

// again takes a copy of the request. It may come over a new connection because the old one
// broke; then the responses go there too.
func (s *Server) again(f sip.Flow) {
	if f.ID() != s.out.ID() && gone(s.out) {
		s.out = f
	}
	if s.last != nil && (s.state == proceeding || s.state == completed) {
		s.shard.retransmits.Add(1)
		s.send(s.last)
	}
}

func (s *Server) respond(resp *sip.Message) {
	if resp == nil || resp.IsRequest() || s.state == terminated {
		return
	}
	if tag := resp.ToTag(); tag != "" {
		s.tag = tag
	}
	if s.isInvite() {
		s.respondInvite(resp)
		return
	}
	s.respondNonInvite(resp)
}

// send keeps the state when the response can't be sent: the timers will end it
// (rfc6026#7.1), and a copy of the request may come by a better way.
func (s *Server) send(resp *sip.Message) {
	err := s.out.Send(resp)
	if err != nil {
		s.shard.layer.log.Debug("response not sent", "call", s.req.CallID(), "flow", s.out.ID(), "err", err)
	}
	if resp.Status() < 200 {
		return // watch sees to it
	}
	s.err = nil
	if err != nil {
		s.err = ErrTransport
		if s.welcome || resp.Status() < 300 {
			s.lost()
		}
	}
}

// trying answers 100 in the handler's place.
func (s *Server) trying() {
	resp, err := s.req.Response(100, "").Message()
	if err != nil {
		s.shard.layer.log.Warn("response not made", "call", s.req.CallID(), "err", err)
		return
	}
	s.respond(resp)
}

func (s *Server) fire(t *timer) {
	s.shard.guard("timer", s.req.CallID(), func() { s.due(t) })
}

func (s *Server) due(t *timer) {
	switch {
	case t == &s.life:
		s.expire()
	case s.isInvite():
		s.retryInvite()
	default:
		s.retryNonInvite()
	}
}

// expire is the end of the last wait of a state. Before a final response, and in Completed of
// an INVITE, it means that something did not come.
func (s *Server) expire() {
	waits := s.state == trying || s.state == proceeding || s.state == completed && s.isInvite()
	if waits && s.err == nil {
		s.err = ErrTimeout
	}
	s.end(s.err)
}

// cancelled takes the CANCEL of this request; it means something before the final response of
// an INVITE alone.
func (s *Server) cancelled(m *sip.Message) {
	if !s.isInvite() || s.state != proceeding || s.cancel != nil {
		return
	}
	s.cancel = m
	s.tellCancelled()
}

func (s *Server) tellCancelled() {
	if s.cancel == nil || s.handler == nil || s.state != proceeding {
		return
	}
	m := s.cancel
	ok := s.shard.guard("Cancelled", s.req.CallID(), func() { s.handler.Cancelled(s, m) })
	if !ok {
		s.fail()
	}
}

func (s *Server) end(err error) {
	if s.state == terminated {
		return
	}
	s.state, s.err = terminated, err
	s.last, s.cancel = nil, nil
	s.shard.stop(&s.retry)
	s.shard.stop(&s.life)
	delete(s.shard.servers, s.key)
	s.shard.nServers.Add(-1)
	s.shard.layer.live.Add(-1)
	s.tellEnded()
}

func (s *Server) tellEnded() {
	if s.state != terminated || s.handler == nil || s.told {
		return
	}
	s.told = true
	s.shard.guard("Ended", s.req.CallID(), func() { s.handler.Ended(s, s.err) })
}
