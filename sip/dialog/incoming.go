package dialog

import (
	"time"

	"parley/sip"
	"parley/sip/transaction"
)

// Incoming is a request of the peer that waits for our answer.
type Incoming struct {
	session *Session
	server  *transaction.Server
	dialog  *Dialog // nil for the first INVITE
	initial bool
	done    bool // answered finally; belongs to the shard
}

// Request is what came, Session where it belongs, Flow where it came from.
func (in *Incoming) Request() *sip.Message { return in.server.Request() }
func (in *Incoming) Session() *Session     { return in.session }
func (in *Incoming) Flow() sip.Flow        { return in.server.Flow() }

// Initial says that it is the INVITE that began the session.
func (in *Incoming) Initial() bool { return in.initial }

// Response starts an answer with our tag, and Record-Route and Contact where they belong.
func (in *Incoming) Response(status int, reason string) *sip.Builder {
	req := in.server.Request()
	b := req.Response(status, reason).ToTag(in.session.key.tag)
	if status == 100 || status >= 300 {
		return b
	}
	if in.initial { // rfc3261#12.1.1
		b.Copy(req, sip.HeaderRecordRoute)
	}
	if refreshes(req.Method()) {
		b.Set(sip.HeaderContact, in.contact())
	}
	if status >= 200 && req.Method() == sip.INVITE { // rfc3261#13.3.1.4
		b.Set(sip.HeaderAllow, in.session.ua.cfg.Allow)
	}
	return b
}

func (in *Incoming) contact() string {
	if in.dialog != nil {
		return in.dialog.contact
	}
	return in.session.dialog.contact
}

// Respond sends the answer that b builds. A 2xx to an INVITE is sent again until its ACK
// comes. After a final answer further ones are dropped.
func (in *Incoming) Respond(b *sip.Builder) {
	in.session.post(func() { in.respond(b) })
}

func (in *Incoming) respond(b *sip.Builder) {
	if in.done {
		return
	}
	s := in.session
	if s.ua.cfg.Server != "" {
		b.Set(sip.HeaderServer, s.ua.cfg.Server)
	}
	resp, err := b.Message()
	if err != nil {
		s.ua.cfg.Log.Error("response could not be written", "call", s.key.callID, "err", err)
		in.reject(500, "")
		return
	}
	in.server.Respond(resp)
	if resp.Status() < 200 {
		return
	}
	in.settle()
	switch {
	case resp.Status() < 300:
		in.accepted(resp)
	case in.initial:
		s.finish(End{Status: resp.Status(), Reason: resp.Get(sip.HeaderReason)})
	}
}

// accepted goes on after a 2xx.
func (in *Incoming) accepted(resp *sip.Message) {
	s, req := in.session, in.server.Request()
	if in.dialog != nil {
		in.dialog.Refresh(req, in.server.Flow())
	}
	if req.Method() != sip.INVITE {
		return
	}
	s.dialog.Confirm()
	if in.initial {
		s.dialog.flow = in.server.Way()
	}
	seq, _ := req.CSeq()
	s.answer = &answer{session: s, server: in.server, resp: resp, seq: seq}
	s.answer.start()
}

// reject answers finally by ourselves.
func (in *Incoming) reject(status int, reason string) {
	if in.done {
		return
	}
	b := in.server.Request().Response(status, "").ToTag(in.session.key.tag)
	if reason != "" {
		b.Set(sip.HeaderReason, reason)
	}
	in.settle()
	in.session.ua.respond(in.server, b)
}

func (in *Incoming) settle() {
	in.done = true
	if in.session.invite == in {
		in.session.invite = nil
	}
	delete(in.session.pending, in)
}

// Cancelled answers an INVITE that the peer gives up (rfc3261#9.2).
func (in *Incoming) Cancelled(_ *transaction.Server, cancel *sip.Message) {
	if in.done {
		return
	}
	in.reject(487, "")
	s := in.session
	if !in.initial {
		s.h.Cancelled(s, in)
		return
	}
	s.finish(End{Remote: true, Status: 487, Message: cancel, Reason: cancel.Get(sip.HeaderReason)})
}

// Ended hears that the transaction is over. What failed after a final answer that
// refused is no matter any more.
func (in *Incoming) Ended(_ *transaction.Server, err error) {
	s := in.session
	if err == nil || s.over {
		return
	}
	accepted := s.answer != nil && s.answer.server == in.server
	if !in.done || accepted {
		in.settle()
		s.finish(End{Err: err})
	}
}

// answer is our 2xx to an INVITE, sent again until its ACK comes (rfc3261#13.3.1.4): over
// reliable transports too, since a later hop may be another.
type answer struct {
	session *Session
	server  *transaction.Server
	resp    *sip.Message
	seq     uint32
	wait    time.Duration
	spent   time.Duration
	cancel  func()
}

func (a *answer) start() {
	a.wait = a.session.ua.cfg.T1
	a.arm()
}

func (a *answer) arm() {
	a.cancel = a.session.ua.cfg.Layer.After(a.session.key.callID, a.wait, a.again)
}

func (a *answer) stop() { a.cancel() }

func (a *answer) again() {
	s := a.session
	if s.answer != a {
		return
	}
	a.spent += a.wait
	limit := 64 * s.ua.cfg.T1
	if a.spent >= limit {
		s.unacknowledged()
		return
	}
	a.server.Respond(a.resp)
	a.wait = min(2*a.wait, s.ua.cfg.T2, limit-a.spent)
	a.arm()
}

// unacknowledged ends a session whose answer nobody took.
func (s *Session) unacknowledged() {
	s.answer = nil
	e := &End{Err: ErrNoACK}
	if s.ending != nil {
		e = s.ending
	}
	s.hangUp(e)
}

// acknowledged takes the ACK of our 2xx.
func (s *Session) acknowledged(ack *sip.Message) {
	seq, _ := ack.CSeq()
	if s.over || s.answer == nil || s.answer.seq != seq || s.dialog.id.Remote != ack.FromTag() {
		return
	}
	s.answer.stop()
	s.answer = nil
	if s.ending != nil {
		s.hangUp(s.ending)
		return
	}
	s.h.Acknowledged(s, ack)
}
