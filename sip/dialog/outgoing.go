package dialog

import (
	"errors"
	"time"

	"parley/sip"
	"parley/sip/transaction"
)

// patience is how long a re-INVITE may be without a final answer after a provisional one: a
// person may have to be asked, but the transaction alone would wait for ever.
const patience = 3 * time.Minute

// maxForks bounds the early dialogs of one INVITE.
const maxForks = 32

// outgoingCall is our INVITE that begins a session.
type outgoingCall struct {
	session   *Session
	req       *sip.Message
	client    *transaction.Client
	forks     map[string]*fork // by the peer's tag
	acked     bool             // the answer is acknowledged
	cancelled bool
	final     bool
}

// fork is one of those that our INVITE reached.
type fork struct {
	dialog *Dialog
	ack    *sip.Message // for its 2xx, to be sent for each repetition
}

// ACK acknowledges the answer to our INVITE; edit, if not nil, gives it a body. A repeated
// answer gets it again.
func (s *Session) ACK(edit func(*sip.Builder)) {
	s.post(func() {
		c := s.call
		if c == nil || s.dialog == nil || c.acked || s.over {
			return
		}
		c.acked = true
		f := c.forks[s.dialog.id.Remote]
		f.ack = s.ack(s.dialog, c.seq(), edit)
	})
}

func (c *outgoingCall) seq() uint32 {
	seq, _ := c.req.CSeq()
	return seq
}

// ack builds and sends an ACK; it is no transaction (rfc3261#13.2.2.4).
func (s *Session) ack(d *Dialog, seq uint32, edit func(*sip.Builder)) *sip.Message {
	b := d.ACK(seq).Prepend(sip.HeaderVia, Via(d.flow))
	if edit != nil {
		edit(b)
	}
	m, err := b.Message()
	if err != nil {
		s.ua.cfg.Log.Error("ACK could not be written", "call", s.key.callID, "err", err)
		return nil
	}
	s.send(d.flow, m)
	return m
}

func (s *Session) send(f sip.Flow, m *sip.Message) {
	if err := f.Send(m); err != nil {
		s.ua.cfg.Log.Debug("ACK was not sent", "call", s.key.callID, "err", err)
	}
}

// cancel gives the call up (rfc3261#9.1).
func (c *outgoingCall) cancel(reason string) {
	if c.client == nil { // not sent yet, and now never
		c.session.finish(*c.session.ending)
		return
	}
	c.cancelled = true
	c.client.Cancel(reason)
}

// Response hears of every response to our INVITE.
func (c *outgoingCall) Response(tc *transaction.Client, resp *sip.Message) {
	s := c.session
	switch status := resp.Status(); {
	case status == 100:
	case status < 200:
		if !s.over && s.ending == nil && s.dialog == nil && c.fork(tc, resp) != nil {
			s.h.Progress(s, resp)
		}
	case status < 300:
		c.answered(tc, resp)
	case s.ending != nil:
		c.final = true
		e := *s.ending
		e.Status = status
		s.finish(e)
	default:
		c.final = true
		s.finish(End{Remote: true, Status: status, Message: resp, Reason: resp.Get(sip.HeaderReason)})
	}
}

// fork finds or makes the dialog with who answers; nil if there are too many or it can't be made.
func (c *outgoingCall) fork(tc *transaction.Client, resp *sip.Message) *fork {
	if f := c.forks[resp.ToTag()]; f != nil {
		return f
	}
	if len(c.forks) >= maxForks {
		return nil
	}
	d, err := NewUAC(c.req, resp, tc.Flow(), c.req.Get(sip.HeaderContact))
	if err != nil {
		c.session.ua.cfg.Log.Debug("response makes no dialog", "call", resp.CallID(), "err", err)
		return nil
	}
	f := &fork{dialog: d}
	c.forks[resp.ToTag()] = f
	return f
}

// answered takes a 2xx: the first is the answer, a further fork's is acknowledged and hung
// up at once (rfc3261#13.2.2.4), a repeated one gets its ACK again.
func (c *outgoingCall) answered(tc *transaction.Client, resp *sip.Message) {
	s := c.session
	c.final = true
	f := c.fork(tc, resp)
	if f == nil {
		return
	}
	if f.ack != nil {
		s.send(f.dialog.flow, f.ack)
		return
	}
	if s.dialog == f.dialog {
		return // its ACK is not decided yet
	}
	if fresh, err := NewUAC(c.req, resp, tc.Flow(), c.req.Get(sip.HeaderContact)); err == nil {
		f.dialog.confirmFrom(fresh)
	}
	if s.over || s.ending != nil || s.dialog != nil {
		c.late(f)
		return
	}
	s.dialog = f.dialog
	s.h.Answered(s, resp)
}

// late gets rid of an answer that nobody wants any more.
func (c *outgoingCall) late(f *fork) {
	s := c.session
	f.ack = s.ack(f.dialog, c.seq(), nil)
	reason := ""
	if s.ending != nil {
		reason = s.ending.Reason
	}
	s.bye(f.dialog, reason)
	if s.ending != nil {
		s.finish(*s.ending)
	}
}

// Ended hears that the transaction is over.
func (c *outgoingCall) Ended(_ *transaction.Client, err error) {
	s := c.session
	if s.dialog != nil {
		return
	}
	if s.ending != nil {
		s.finish(*s.ending)
		return
	}
	status := 503
	switch {
	case err == nil: // a 2xx that made no dialog
		status, err = 502, ErrContact
	case errors.Is(err, transaction.ErrTimeout): // rfc3261#8.1.3.1
		status = 408
	}
	s.finish(End{Status: status, Err: err})
}

// settle acknowledges the answer if that was not done.
func (c *outgoingCall) settle() {
	s := c.session
	if s.dialog == nil || c.acked {
		return
	}
	c.acked = true
	if f := c.forks[s.dialog.id.Remote]; f != nil {
		f.ack = s.ack(s.dialog, c.seq(), nil)
	}
}

// Outgoing is a request of ours within the dialog.
type Outgoing struct {
	session *Session
	method  sip.Method
	edit    func(*sip.Builder)
	done    func(*Outgoing, *sip.Message, error)
	client  *transaction.Client
	seq     uint32
	ackMsg  *sip.Message
	stop    func() // of a re-INVITE: what ends its wait
	answer  bool   // a 2xx to our re-INVITE waits for its ACK
	told    bool
}

// Request sends a request within the dialog. edit, if not nil, completes it; done hears
// once: of the final response, or why there is none. A 2xx to an INVITE asks for o.ACK.
func (s *Session) Request(
	method sip.Method, edit func(*sip.Builder), done func(*Outgoing, *sip.Message, error),
) *Outgoing {
	o := &Outgoing{session: s, method: method, edit: edit, done: done}
	s.post(o.start)
	return o
}

func (o *Outgoing) start() {
	s := o.session
	if err := s.ready(o.method); err != nil {
		o.tell(nil, err)
		return
	}
	d := s.dialog
	b := d.Request(o.method)
	if o.edit != nil {
		o.edit(b)
	}
	req, err := b.Prepend(sip.HeaderVia, Via(d.flow)).Message()
	if err != nil {
		o.tell(nil, err)
		return
	}
	o.seq, _ = req.CSeq()
	switch {
	case o.method == sip.INVITE:
		s.ours = o
	case o.method == sip.UPDATE && req.Body() != "":
		s.offers[o] = true
	}
	o.client = s.ua.cfg.Layer.Request(d.flow, req, o)
	if o.method == sip.INVITE {
		o.stop = s.ua.cfg.Layer.After(s.key.callID, patience, o.giveUp)
	}
}

// giveUp cancels a re-INVITE that has no final answer; then it ends in 64*T1 at the latest.
func (o *Outgoing) giveUp() {
	if !o.told && o.client != nil {
		o.client.Cancel("")
	}
}

// ready says whether a request may be sent now.
func (s *Session) ready(m sip.Method) error {
	switch {
	case s.over || s.ending != nil:
		return ErrEnded
	case s.dialog == nil:
		return ErrEarly
	case !s.dialog.Alive():
		return ErrFlow
	case m == sip.INVITE && !s.dialog.confirmed:
		return ErrEarly
	case m == sip.INVITE && s.busy(), m == sip.UPDATE && s.busy():
		return ErrPending
	}
	return nil
}

// busy says that an offer is under way in either direction (rfc3261#14.1, rfc3311#5.1).
func (s *Session) busy() bool {
	return s.ours != nil || len(s.offers) > 0 || s.invite != nil || s.answer != nil ||
		(s.call != nil && !s.call.acked) || s.updating()
}

// Cancel gives up a re-INVITE.
func (o *Outgoing) Cancel(reason string) {
	o.session.post(func() {
		if o.client != nil {
			o.client.Cancel(reason)
		}
	})
}

// ACK acknowledges the 2xx to a re-INVITE; edit, if not nil, gives it a body.
func (o *Outgoing) ACK(edit func(*sip.Builder)) {
	o.session.post(func() { o.acknowledge(edit) })
}

func (o *Outgoing) acknowledge(edit func(*sip.Builder)) {
	if !o.answer {
		return
	}
	s := o.session
	o.answer = false
	o.ackMsg = s.ack(s.dialog, o.seq, edit)
	if s.ours == o {
		s.ours = nil
	}
}

// Response hears of the responses.
func (o *Outgoing) Response(c *transaction.Client, resp *sip.Message) {
	s, status := o.session, resp.Status()
	if status < 200 {
		return
	}
	if o.told { // a 2xx again
		if o.ackMsg != nil {
			s.send(s.dialog.flow, o.ackMsg)
		}
		return
	}
	delete(s.offers, o)
	switch {
	case status < 300:
		s.dialog.Refresh(resp, c.Flow())
		o.answer = o.method == sip.INVITE
		if o.answer && s.over {
			o.acknowledge(nil)
		}
	case s.ours == o:
		s.ours = nil
	}
	o.tell(resp, nil)
	if status == 481 || status == 408 { // rfc3261#12.2.1.2
		s.lost(resp)
	}
}

// lost ends a session whose peer doesn't know it any more. The BYE tells whoever is still
// there to the contrary.
func (s *Session) lost(resp *sip.Message) {
	if s.over {
		return
	}
	s.settle()
	s.bye(s.dialog, "")
	s.finish(End{Remote: true, Message: resp, Err: ErrGone})
}

// Ended hears that the transaction is over.
func (o *Outgoing) Ended(_ *transaction.Client, err error) {
	if err == nil || o.told {
		return
	}
	s := o.session
	delete(s.offers, o)
	if s.ours == o {
		s.ours = nil
	}
	o.tell(nil, err)
	if !errors.Is(err, transaction.ErrOverload) { // that one never left
		s.end(0, "", err) // rfc3261#12.2.1.2
	}
}

func (o *Outgoing) tell(resp *sip.Message, err error) {
	o.told = true
	if o.stop != nil {
		o.stop()
	}
	if o.done != nil {
		o.done(o, resp, err)
	}
}
