package xmppedge

import (
	"crypto/rand"
	"time"

	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/sm"
)

// manage takes an element of XEP-0198 on a bound stream.
func (s *session) manage(c *conn, raw *xmpp.Raw) error {
	switch raw.Name().Local {
	case "r":
		s.answer()
	case "a":
		h, err := sm.ReadAnswer(raw)
		if err != nil {
			return &xmpp.StreamError{Condition: xmpp.PolicyViolation, Text: "an acknowledgement without a number"}
		}
		return s.acknowledge(h)
	case "enable":
		s.enable(sm.ReadEnable(raw))
	default:
		s.mu.Lock()
		s.push(item{text: sm.Failed(xmpp.UnexpectedRequest, nil)})
		s.mu.Unlock()
	}
	return nil
}

// maxAnswers bounds the answers that a client which doesn't read can ask for; further ones are one with the last.
const maxAnswers = 64

// answer says how much is handled (xep0198#4). The stanzas before the question are: they come one after the other.
func (s *session) answer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.managed:
		s.push(item{text: sm.Failed(xmpp.UnexpectedRequest, nil)})
	case s.answers < maxAnswers:
		s.answers++
		s.wake()
	}
}

// signal adds to a batch what XEP-0198 has to say. s.mu is held.
func (s *session) signal(b *batch) {
	for ; s.answers > 0; s.answers-- {
		b.add(sm.Answer(s.handled))
	}
	if !s.managed {
		return
	}
	switch waiting := !s.asked.IsZero(); {
	case s.ask || !waiting && s.fresh >= s.edge.limits.Load().AckStanzas:
		b.add(sm.Request)
		s.ask, s.fresh, s.asked = false, 0, time.Now()
		s.after(s.edge.limits.Load().DeadPeer)
	case !waiting && s.fresh > 0:
		s.after(s.edge.limits.Load().AckTime)
	}
}

// acknowledge takes the client's count of our stanzas.
func (s *session) acknowledge(h uint32) error {
	s.mu.Lock()
	if !s.managed {
		s.mu.Unlock()
		return nil
	}
	n := h - s.acked // modulo 2^32
	if uint64(n) > uint64(len(s.unacked)) {
		sent := s.acked + uint32(len(s.unacked))
		s.mu.Unlock()
		return sm.TooHigh(h, sent)
	}
	has := append([]item(nil), s.unacked[:n]...)
	s.unacked = shift(s.unacked, int(n))
	for i := range has {
		s.size -= has[i].len()
	}
	s.acked = h
	s.asked = time.Time{}
	if s.fresh > 0 && s.conn != nil {
		s.after(s.edge.limits.Load().AckTime)
	}
	s.mu.Unlock()
	tell(has, true)
	return nil
}

// after has tick be called. s.mu is held.
func (s *session) after(d time.Duration) {
	if s.timer == nil {
		s.timer = time.AfterFunc(d, s.tick)
		return
	}
	s.timer.Reset(d)
}

// tick asks for an acknowledgement that is due, gives up a connection whose client does not give one, and ends a session
// that nobody has resumed.
func (s *session) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch c := s.conn; {
	case s.ended:
	case c == nil && !now.Before(s.expires):
		s.end(nil)
	case c == nil:
		s.after(s.expires.Sub(now))
	case !s.asked.IsZero():
		if left := s.asked.Add(s.edge.limits.Load().DeadPeer).Sub(now); left > 0 {
			s.after(left)
			return
		}
		c.wire.abort()
	case s.fresh > 0:
		s.ask = true
		s.wake()
	}
}

// enable begins stream management (xep0198#3).
func (s *session) enable(e sm.Enable) {
	s.mu.Lock()
	if s.managed || s.ended {
		s.push(item{text: sm.Failed(xmpp.UnexpectedRequest, nil)})
		s.mu.Unlock()
		return
	}
	s.managed = true
	if e.Resume {
		s.id, s.within = rand.Text(), s.edge.limits.Load().ResumeTime
		if e.Max > 0 {
			s.within = min(s.within, e.Max)
		}
	}
	id := s.id
	s.push(item{text: sm.Enabled(id, s.within)})
	s.mu.Unlock()
	if id != "" {
		s.edge.remember(id, s)
	}
}

// remember has a session be found by its id, unless it is gone already.
func (e *Edge) remember(id string, s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, alive := e.sessions[s.im]; alive {
		e.resumable[id] = s
	}
}

// hibernate begins to wait for the session to be resumed. s.mu is held.
func (s *session) hibernate() {
	s.expires = time.Now().Add(s.within)
	s.after(s.within)
}

// Waiting implements im.Waiter.
func (s *session) Waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn == nil && !s.ended
}

// resume has an earlier session of the account go on over this connection (xep0198#5). If that can't be, the client may
// still bind a resource.
func (n *negotiation) resume(raw *xmpp.Raw) (*session, error) {
	r, err := sm.ReadResume(raw)
	if err != nil {
		return nil, n.say(sm.Failed(xmpp.BadRequest, nil))
	}
	n.edge.mu.Lock()
	s := n.edge.resumable[r.Previous]
	handled := n.edge.past.find(r.Previous, n.account)
	n.edge.mu.Unlock()
	if s == nil || s.account != n.account || !s.detach() {
		return nil, n.say(sm.Failed(xmpp.ItemNotFound, handled))
	}
	info := n.newInfo()
	err = s.attach(n.conn, r, info)
	if err == nil {
		n.settleDevice(n.edge.ctx, s)
	}
	return s, err
}

// detach takes the session from the connection that it has, which ends. After it no stanza of that is handled any more.
// It is false if the session has ended.
func (s *session) detach() bool {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	old := s.conn
	s.conn = nil
	s.makeRoom()
	s.hibernate()
	s.mu.Unlock()
	if old != nil {
		old.end(&xmpp.StreamError{Condition: xmpp.StreamConflict, Text: "the stream is resumed elsewhere"}) // xep0198#5
		old.handling.Lock()
		old.handling.Unlock() //nolint:staticcheck // it was only waited for
	}
	return true
}

// attach goes on over another connection: what the client did not get is sent again.
func (s *session) attach(c *conn, r sm.Resume, info im.Info) error {
	if err := s.acknowledge(r.Handled); err != nil {
		s.End(nil)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.conn != nil {
		return &xmpp.StreamError{Condition: xmpp.StreamConflict} // somebody else was faster
	}
	s.timer.Stop()
	s.requeue(sm.Resumed(r.Previous, s.handled))
	s.unacked, s.fresh, s.ask, s.asked, s.answers = nil, 0, false, time.Time{}, 0
	s.im.Moved(info)
	s.conn = c
	c.bound.Store(true)
	s.wake()
	return nil
}

// requeue has everything be written again, after a first element: but for those that mean something on the connection
// alone that they were for. s.mu is held.
func (s *session) requeue(first string) {
	list := append([]item{{text: first}}, s.unacked...)
	s.size += len(first)
	for _, i := range s.queue {
		if i.stanza != nil {
			list = append(list, i)
		} else {
			s.size -= i.len()
		}
	}
	s.queue, s.queued = list, 0
	for i := range list {
		s.queued += list[i].len()
	}
}

// past remembers how many stanzas of sessions that are gone were handled (xep0198#5), up to a bound.
type past struct {
	of    map[string]ending
	order []string // a ring
	next  int
}

type ending struct {
	account core.Address
	handled uint32
}

const maxPast = 4096

func (p *past) add(id string, account core.Address, handled uint32) {
	if p.of == nil {
		p.of = map[string]ending{}
	}
	p.of[id] = ending{account, handled}
	if len(p.order) < maxPast {
		p.order = append(p.order, id)
		return
	}
	delete(p.of, p.order[p.next])
	p.order[p.next] = id
	p.next = (p.next + 1) % maxPast
}

func (p *past) find(id string, account core.Address) *uint32 {
	if e, ok := p.of[id]; ok && e.account == account {
		return &e.handled
	}
	return nil
}
