package dialog

import (
	"errors"
	"strconv"

	"parley/sip"
	"parley/sip/transaction"
)

// Why a session ended, or a request within it could not be sent.
var (
	ErrNoACK   = errors.New("dialog: no ACK came for the answer")
	ErrGone    = errors.New("dialog: the peer doesn't know the call any more")
	ErrEnded   = errors.New("dialog: the session has ended")
	ErrPending = errors.New("dialog: another request is under way")
	ErrEarly   = errors.New("dialog: not answered yet")
)

// Handler hears of a session: on the shard of its Call-ID, never concurrently.
type Handler interface {
	// Progress: a provisional response above 100 came to our INVITE, from whichever fork.
	Progress(s *Session, resp *sip.Message)
	// Answered: the first 2xx came to our INVITE. The handler calls s.ACK, soon.
	Answered(s *Session, resp *sip.Message)
	// Acknowledged: the ACK of our 2xx to an INVITE came.
	Acknowledged(s *Session, ack *sip.Message)
	// Request: a request came within the dialog and waits for in.Respond. It is never an
	// ACK, BYE, CANCEL or PRACK, nor one that crosses another.
	Request(s *Session, in *Incoming)
	// Cancelled: the peer gave up a re-INVITE, which is answered already.
	Cancelled(s *Session, in *Incoming)
	// Ended comes once, as the last.
	Ended(s *Session, e End)
}

// End says how a session ended.
type End struct {
	// Remote: the peer ended it; otherwise we did, or something failed.
	Remote bool
	// Status is the final response of a session that was never answered; 0 for one that was.
	Status int
	// Reason is the Reason header field that came or went with the end (rfc3326).
	Reason string
	// Message is what ended it: a BYE, a CANCEL or a final response; nil if we did.
	Message *sip.Message
	// Err is what failed, nil for an end that somebody wanted.
	Err error
}

// maxPending bounds the requests of one peer that wait for an answer.
const maxPending = 8

// Session is our end of a call. Its fields belong to the shard of its Call-ID.
type Session struct {
	ua   *UA
	h    Handler
	key  key
	from *merge // of a call that came to us

	dialog  *Dialog       // nil until our INVITE is answered
	call    *outgoingCall // our INVITE; nil for a call that came to us
	invite  *Incoming     // the peer's INVITE, until it has a final answer
	answer  *answer       // our 2xx, until its ACK
	ours    *Outgoing     // our re-INVITE, until its ACK
	offers  map[*Outgoing]bool
	pending map[*Incoming]bool // other requests that wait for an answer

	ending *End // we want to end as soon as the rules let us
	over   bool
}

func newSession(u *UA, callID, tag string, h Handler) *Session {
	return &Session{
		ua: u, h: h, key: key{callID, tag},
		pending: map[*Incoming]bool{}, offers: map[*Outgoing]bool{},
	}
}

func (s *Session) post(f func()) { s.ua.cfg.Layer.Do(s.key.callID, f) }

// CallID and Tag are our names of the session.
func (s *Session) CallID() string { return s.key.callID }
func (s *Session) Tag() string    { return s.key.tag }

// Flow tells, on the shard, over which flow the peer is reached now; the session is answered
// or came from the peer.
func (s *Session) Flow(tell func(sip.Flow)) {
	s.post(func() {
		if s.invite != nil && s.invite.initial {
			tell(s.invite.server.Way())
			return
		}
		tell(s.dialog.flow)
	})
}

// End ends the session in the way its state asks for: an unanswered caller gets status (0
// means 480), a call of ours is cancelled, an answered one gets BYE, after the ACK if that is
// still on its way (rfc3261#15). reason, if not "", is the Reason of CANCEL or BYE (rfc3326).
func (s *Session) End(status int, reason string) {
	s.post(func() { s.end(status, reason, nil) })
}

func (s *Session) end(status int, reason string, why error) {
	if s.over || s.ending != nil {
		return
	}
	e := &End{Reason: reason, Err: why}
	switch {
	case s.call != nil && s.dialog == nil:
		s.ending = e
		s.call.cancel(reason)
	case s.invite != nil && s.invite.initial:
		if status == 0 {
			status = 480
		}
		e.Status = status
		s.invite.reject(status, reason)
		s.finish(*e)
	case s.answer != nil && why == nil:
		s.ending = e // rfc3261#15: no BYE from a callee before the ACK
	default:
		s.hangUp(e)
	}
}

// hangUp sends BYE and is over with it (rfc3261#15.1.1).
func (s *Session) hangUp(e *End) {
	s.settle()
	s.bye(s.dialog, e.Reason)
	s.finish(*e)
}

func (s *Session) bye(d *Dialog, reason string) {
	if !d.Alive() {
		return
	}
	b := d.Request(sip.BYE)
	if reason != "" {
		b.Set(sip.HeaderReason, reason)
	}
	req, err := b.Prepend(sip.HeaderVia, Via(d.flow)).Message()
	if err != nil {
		s.ua.cfg.Log.Error("BYE could not be written", "call", s.key.callID, "err", err)
		return
	}
	s.ua.cfg.Layer.Request(d.flow, req, ignore{})
}

// ignore is who waits for the answer to a BYE: nobody.
type ignore struct{}

func (ignore) Response(*transaction.Client, *sip.Message) {}
func (ignore) Ended(*transaction.Client, error)           {}

// finish is the end of every session.
func (s *Session) finish(e End) {
	if s.over {
		return
	}
	s.over = true
	s.ua.drop(s)
	if s.answer != nil {
		s.answer.stop()
		s.answer = nil
	}
	if s.invite != nil {
		s.invite.reject(487, "")
	}
	for in := range s.pending { // rfc3261#15.1.2
		in.reject(487, "")
	}
	s.settle()
	s.h.Ended(s, e)
}

// settle acknowledges answers that the handler has left without ACK, and gives up what has no
// answer.
func (s *Session) settle() {
	if s.call != nil {
		s.call.settle()
	}
	if s.ours != nil {
		s.ours.giveUp()
		s.ours.acknowledge(nil)
	}
}

// serve takes a request of the peer within the dialog (rfc3261#12.2.2).
func (s *Session) serve(srv *transaction.Server) {
	req := srv.Request()
	d := s.with(req.FromTag())
	if d == nil || s.over {
		s.ua.respond(srv, req.Response(481, ""))
		return
	}
	if v := d.Receive(req); v != nil {
		s.ua.respond(srv, req.Response(v.Status, v.Reason))
		return
	}
	if req.Method() == sip.BYE {
		s.hungUp(srv)
		return
	}
	if s.ending != nil { // its handler hears of nothing but the end any more
		s.ua.respond(srv, req.Response(481, ""))
		return
	}
	if b := s.crossed(req); b != nil {
		s.ua.respond(srv, b)
		return
	}
	in := &Incoming{session: s, server: srv, dialog: d}
	if req.Method() == sip.INVITE {
		s.invite = in
	} else {
		s.pending[in] = true
	}
	srv.Handle(in)
	s.h.Request(s, in)
}

// with finds the dialog with the peer of that tag: of a call of ours there may be
// several before one is answered.
func (s *Session) with(tag string) *Dialog {
	if s.dialog != nil {
		if s.dialog.id.Remote == tag {
			return s.dialog
		}
		return nil
	}
	if f := s.call.forks[tag]; f != nil {
		return f.dialog
	}
	return nil
}

func (s *Session) hungUp(srv *transaction.Server) {
	req := srv.Request()
	s.ua.respond(srv, req.Response(200, ""))
	e := End{Remote: true, Message: req, Reason: req.Get(sip.HeaderReason)}
	switch {
	case s.ending != nil && s.answer != nil:
		e.Remote, e.Reason = false, s.ending.Reason // we wanted it first
	case s.invite != nil && s.invite.initial: // rfc3261#15: BYE in the early dialog
		e.Status = 487
	case s.dialog == nil: // a fork that ends its early dialog is not the whole call
		return
	}
	s.finish(e)
}

// crossed gives the refusal of a request that must not be handled now.
func (s *Session) crossed(req *sip.Message) *sip.Builder {
	if tags := s.ua.missing(req); len(tags) > 0 {
		b := req.Response(420, "")
		for _, t := range tags {
			b.Add(sip.HeaderUnsupported, t)
		}
		return b
	}
	switch m := req.Method(); m {
	case sip.PRACK: // rfc3262#3: we send nothing reliably that is provisional
		return req.Response(481, "")
	case sip.INVITE, sip.UPDATE:
		return s.glare(req, m)
	}
	if len(s.pending) >= maxPending {
		return req.Response(500, "Too Many Requests Pending").Set(sip.HeaderRetryAfter, s.soon())
	}
	return nil
}

// glare keeps offers apart (rfc3261#14.2, rfc3311#5.2).
func (s *Session) glare(req *sip.Message, m sip.Method) *sip.Builder {
	offer := m == sip.INVITE || req.Body() != ""
	oursPending := s.ours != nil || len(s.offers) > 0 || (s.call != nil && !s.call.acked)
	switch {
	case m == sip.INVITE && s.dialog == nil:
		return req.Response(481, "")
	case offer && (oursPending || s.answer != nil):
		return req.Response(491, "")
	case offer && s.invite != nil, s.updating(), len(s.pending) >= maxPending:
		return req.Response(500, "Request Pending").Set(sip.HeaderRetryAfter, s.soon())
	}
	return nil
}

func (s *Session) updating() bool {
	for in := range s.pending {
		if in.server.Request().Method() == sip.UPDATE {
			return true
		}
	}
	return false
}

// soon is a Retry-After of 0 to 10 seconds (rfc3261#14.2).
func (s *Session) soon() string { return strconv.Itoa(s.ua.cfg.Rand(11)) }
