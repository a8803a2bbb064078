package xmppedge

import (
	"slices"
	"sync"
	"time"

	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/sm"
)

// session is a bound resource: the outbox of an im.Session, and the state of XEP-0198, by which it outlives its
// connection.
type session struct {
	edge    *Edge
	im      *im.Session
	account core.Address

	mu      sync.Mutex
	conn    *conn         // nil while it waits to be resumed
	queue   []item        // what is to be written
	unacked []item        // what was written and is not acknowledged (XEP-0198)
	queued  int           // bytes of queue
	size    int           // bytes of both, and of what is being written
	room    chan struct{} // closed when the queue is short again; nil if nobody waits for that
	ended   bool
	timer   *time.Timer // for tick

	// XEP-0198, once it is enabled.
	managed bool
	id      string        // by which it is resumed; "" if it can't be
	within  time.Duration // how long it may wait for that
	expires time.Time     // when it has waited for so long
	handled uint32        // stanzas of the client
	acked   uint32        // stanzas of ours that the client has acknowledged
	fresh   int           // written since we asked for an acknowledgement
	ask     bool          // it is time to ask
	asked   time.Time     // when we asked and were not answered yet
	answers int           // that the client has asked for
}

// item is something to be written: a stanza, or an element that is none.
type item struct {
	stanza  *xmpp.Stanza
	text    string
	done    func(ok bool)
	counted bool // it is one of those that the client acknowledges
}

func (i *item) len() int {
	if i.stanza != nil {
		return len(i.stanza.Text())
	}
	return len(i.text)
}

var (
	_ im.Outbox = (*session)(nil)
	_ im.Waiter = (*session)(nil)
)

// Send implements im.Outbox.
func (s *session) Send(st *xmpp.Stanza, done func(ok bool)) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		if done != nil {
			go done(false)
		}
		return
	}
	full := len(s.queue)+len(s.unacked) >= s.edge.limits.Load().QueueStanzas ||
		s.size > 0 && s.size+len(st.Text()) > s.edge.limits.Load().QueueBytes // one always has a place
	s.push(item{stanza: st, done: done, counted: s.managed})
	s.mu.Unlock()
	if full {
		s.End(&xmpp.StreamError{Condition: xmpp.StreamResource, Text: "you don't take what is sent to you"})
	}
}

// push queues an item, and sees that it is written. s.mu is held.
func (s *session) push(i item) {
	s.queue = append(s.queue, i)
	s.size += i.len()
	s.queued += i.len()
	s.wake()
}

// wake sees that somebody writes what there is to write. s.mu is held.
func (s *session) wake() {
	if c := s.conn; c != nil && !c.flushing {
		c.flushing = true
		s.edge.background(func() { s.flush(c) })
	}
}

// flush writes until there is nothing left. A connection with nothing to say has no writer.
func (s *session) flush(c *conn) {
	b := s.edge.pools.batch()
	defer s.edge.pools.free(b)
	for {
		b.text, b.ends = b.text[:0], b.ends[:0]
		written, ok := s.take(c, b)
		if !ok {
			return
		}
		err := c.write(b)
		s.settle(written, err == nil)
		if err != nil {
			c.wire.abort() // its reader ends, and does what is to be done
		}
	}
}

// take fills a batch from the queue. What it returns is not kept for an acknowledgement.
func (s *session) take(c *conn, b *batch) (uncounted []item, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c || len(s.queue) == 0 && s.answers == 0 && !s.ask {
		c.flushing = false
		return nil, false
	}
	n := 0
	for ; n < len(s.queue) && len(b.text) < batchSize; n++ {
		i := s.queue[n]
		s.queued -= i.len()
		if i.counted {
			s.unacked = append(s.unacked, i)
			s.fresh++
		} else {
			uncounted = append(uncounted, i)
		}
		b.put(c, i)
	}
	s.queue = shift(s.queue, n)
	if !s.behind() {
		s.makeRoom()
	}
	s.signal(b)
	return uncounted, true
}

// backlog is the part of the queue that may be full of what is to be written, before its client is listened to no more.
const backlog = 4

// awaitRoom waits while much is to be written to a connection: a client that asks faster than it takes the answers is not
// listened to as long.
func (s *session) awaitRoom(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.conn == c && s.behind() {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		<-room
		s.mu.Lock()
	}
}

// behind says that much is to be written. s.mu is held.
func (s *session) behind() bool {
	l := s.edge.limits.Load()
	return len(s.queue) > l.QueueStanzas/backlog || s.queued > l.QueueBytes/backlog
}

// makeRoom has those go on who wait for room. s.mu is held.
func (s *session) makeRoom() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// put adds an item in the form that the connection needs.
func (b *batch) put(c *conn, i item) {
	if i.stanza == nil {
		b.add(i.text)
		return
	}
	b.text = c.wire.form().AppendStanza(b.text, i.stanza)
	b.ends = append(b.ends, len(b.text))
}

// shift drops the first n items, and the memory of a list that is empty.
func shift(list []item, n int) []item {
	if n == len(list) {
		return nil
	}
	return slices.Delete(list, 0, n)
}

// settle tells what became of items that are not acknowledged.
func (s *session) settle(list []item, ok bool) {
	s.mu.Lock()
	for i := range list {
		s.size -= list[i].len()
	}
	s.mu.Unlock()
	tell(list, ok)
}

func tell(list []item, ok bool) {
	for i := range list {
		if list[i].done != nil {
			list[i].done(ok)
		}
	}
}

// End implements im.Outbox.
func (s *session) End(e *xmpp.StreamError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(e)
}

// end is End; s.mu is held.
func (s *session) end(e *xmpp.StreamError) {
	if s.ended {
		return
	}
	s.ended = true
	c := s.conn
	s.conn = nil
	s.makeRoom()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.edge.background(func() { s.finish(c, e) })
}

// finish ends a session, whose connection may be gone: it says farewell, waits for the stanza at hand, and has everybody
// know.
func (s *session) finish(c *conn, e *xmpp.StreamError) {
	s.mu.Lock()
	rest, unacked := s.queue, s.unacked
	s.queue, s.unacked = nil, nil
	s.mu.Unlock()
	said := false
	if c != nil {
		said = s.farewell(c, rest, e)
		c.handling.Lock()   // no stanza is handled any more once we have it
		c.handling.Unlock() //nolint:staticcheck // it was only waited for
	}
	s.edge.forget(s)
	s.edge.ports.Sessions.Remove(s.im)
	tell(unacked, false)
	for i := range rest {
		tell(rest[i:i+1], said && !rest[i].counted)
	}
	s.edge.ports.Chat.Ended(s.edge.ctx, s.im)
	s.im.Finish()
	s.edge.running.Done()
}

// farewell writes the last of the queue and says why the session ends. It is true if all of that was taken.
func (s *session) farewell(c *conn, rest []item, e *xmpp.StreamError) bool {
	if !c.closing.CompareAndSwap(false, true) {
		return false
	}
	b := new(batch)
	n := 0
	for ; n < len(rest) && len(b.text) < batchSize; n++ {
		if e != nil && e.Condition == xmpp.StreamResource {
			break // it doesn't read
		}
		b.put(c, rest[n])
	}
	if s.managed {
		b.add(sm.Answer(s.count())) // xep0198#4
	}
	return c.last(b, e) && n == len(rest)
}

func (s *session) count() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handled
}

// left is called by the reader of a connection that is gone. A session that may be resumed waits for it; any other ends,
// which it says.
func (s *session) left(c *conn, resumable bool) (ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.conn != c: // it goes on elsewhere, or ends already
		return false
	case s.id == "" || !resumable || s.edge.closed.Load():
		s.end(nil)
		return true
	}
	s.conn = nil
	s.hibernate()
	s.edge.log.Debug("session waits to be resumed", "session", s.im.JID().String())
	return false
}

// add counts a session; it is false if the edge is closed.
func (e *Edge) add(s *session) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Load() {
		return false
	}
	e.sessions[s.im] = s
	e.running.Add(1)
	return true
}

// forget drops a session, and remembers for a while how many stanzas of it were handled.
func (e *Edge) forget(s *session) {
	s.mu.Lock()
	id, handled := s.id, s.handled
	s.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s.im)
	if id != "" {
		delete(e.resumable, id)
		e.past.add(id, s.account, handled)
	}
}
