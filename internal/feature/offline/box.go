package offline

import (
	"slices"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// box is what memory knows of an account for which messages are on disk. Its shard's lock is held in all of this file.
type box struct {
	owner   jid.JID
	rows    int              // on disk
	bytes   int              // of those
	changes int              // how often rows has changed
	unsure  bool             // there may be fewer, or of other size: it is a while ago that they were counted
	out     map[im.ID]*entry // those that are with sessions, or that sessions have and that are still on disk
	drains  []*drain
	dead    []*im.Session // those that have said that they will never have something
}

// entry is a message that is with sessions.
type entry struct {
	size  int
	with  []*im.Session // those that may yet have it
	owed  []*drain      // those whose turn it is to bring it
	got   bool          // a session has it
	going bool          // it is being deleted
}

// drain brings what waits to a session, in order. While it does, what is new for the session goes the same way.
type drain struct {
	session *im.Session
	next    im.ID // what is beyond it is still to be brought
	flying  int   // brought and not yet acknowledged
	// flyingBytes are those of the messages that fly.
	flyingBytes int
	owed        int  // new messages among what is to be brought
	working     bool // a goroutine is at it
	again       bool // it was told to begin again
	over        bool
	gone        map[im.ID]bool // deleted since it has read them
}

// box is an account's; it is made if it is not there.
func (s *shard) box(owner jid.JID) *box {
	b := s.boxes[owner]
	if b == nil {
		b = &box{owner: owner, out: map[im.ID]*entry{}}
		s.boxes[owner] = b
	}
	return b
}

// tidy drops a box that has nothing to tell.
func (s *shard) tidy(b *box) {
	if b.rows <= 0 && len(b.out) == 0 && len(b.drains) == 0 && s.boxes[b.owner] == b {
		delete(s.boxes, b.owner)
	}
}

func (b *box) drain(session *im.Session) *drain {
	for _, d := range b.drains {
		if d.session == session {
			return d
		}
	}
	return nil
}

// forget drops a message that is no longer on disk. Who has read it there and not yet handed it over hears of it.
func (b *box) forget(id im.ID) {
	delete(b.out, id)
	for _, d := range b.drains {
		if d.working {
			if d.gone == nil {
				d.gone = map[im.ID]bool{}
			}
			d.gone[id] = true
		}
	}
}

func (b *box) isDead(session *im.Session) bool { return slices.Contains(b.dead, session) }

// bury notes that a session takes nothing more. Those that everyone knows to be gone are forgotten.
func (b *box) bury(session *im.Session) {
	b.dead = slices.DeleteFunc(b.dead, isFinished)
	if !b.isDead(session) && !isFinished(session) {
		b.dead = append(b.dead, session)
	}
}

func isFinished(session *im.Session) bool {
	select {
	case <-session.Finished():
		return true
	default:
		return false
	}
}

// Hand gives a message to the sessions that choose gives, or lets it wait.
func (o *Store) Hand(c im.Copy, id im.ID, st *xmpp.Stanza, choose func() []*im.Session) {
	s := o.shard(c.Owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.box(c.Owner)
	if id <= s.mark { // a repetition of one that may wait already
		b.unsure = true
	}
	s.mark = max(s.mark, id)
	chosen := choose()
	if b.out[id] != nil {
		return // a repetition of one that is with a session
	}
	e := &entry{size: len(c.Stanza.Text())}
	b.rows++
	b.bytes += e.size
	b.changes++
	for _, session := range chosen {
		switch d := b.drain(session); {
		case b.isDead(session):
		case d != nil && id > d.next:
			e.owed = append(e.owed, d)
			d.owed++
		default:
			o.give(b, id, e, session, nil, st)
		}
	}
	if len(e.with) > 0 || len(e.owed) > 0 {
		b.out[id] = e
	}
}

// give sends a message to a session.
func (o *Store) give(b *box, id im.ID, e *entry, session *im.Session, d *drain, st *xmpp.Stanza) {
	e.with = append(e.with, session)
	size := len(st.Text())
	if d != nil {
		d.flying++
		d.flyingBytes += size
	}
	session.Deliver(st, func(ok bool) { o.events.add(event{b.owner, id, session, d, size, ok}) })
}

// settle looks at what has become of a message. It says whether the message waits again.
func (o *Store) settle(b *box, id im.ID, e *entry) (waits bool) {
	switch {
	case e.going || len(e.owed) > 0:
	case e.got:
		e.going = true
		o.removal.add(key{b.owner, id})
	case len(e.with) == 0:
		delete(b.out, id)
		return true
	}
	return false
}

// happened notes what a session has said of a message.
func (o *Store) happened(s *shard, ev event) {
	b := s.boxes[ev.owner]
	if b == nil {
		return // the account is forgotten
	}
	if ev.drain != nil {
		ev.drain.flying--
		ev.drain.flyingBytes -= ev.size
		o.kick(s, b, ev.drain)
	}
	if !ev.ok {
		b.bury(ev.session)
	}
	e := b.out[ev.id]
	if e == nil {
		return
	}
	if at := slices.Index(e.with, ev.session); at >= 0 {
		e.with = slices.Delete(e.with, at, at+1)
	}
	e.got = e.got || ev.ok
	if o.settle(b, ev.id, e) {
		o.redistribute(s, b)
	}
}

// abandoned says that a message is with nobody who may still have it, though not all of them have said so. Those it was
// with are forgotten.
func (b *box) abandoned(e *entry) bool {
	if e.got || e.going || len(e.owed) > 0 {
		return false
	}
	e.with = slices.DeleteFunc(e.with, func(session *im.Session) bool { return b.isDead(session) || isFinished(session) })
	return len(e.with) == 0
}

// redistribute has another session take what waits, if there is one.
func (o *Store) redistribute(s *shard, b *box) {
	if b.rows <= len(b.out) {
		return
	}
	var best *im.Session
	priority := int8(-1)
	for _, session := range o.sessions.Of(b.owner) {
		p, ok := session.Priority()
		if ok && p > priority && !b.isDead(session) && !isFinished(session) {
			best, priority = session, p
		}
	}
	if best != nil {
		o.begin(s, b, best)
	}
}

// begin has a session be brought all that waits.
func (o *Store) begin(s *shard, b *box, session *im.Session) {
	d := b.drain(session)
	if d == nil {
		d = &drain{session: session}
		b.drains = append(b.drains, d)
	}
	d.next, d.again = 0, true
	o.kick(s, b, d)
}

// finish ends a drain. What it should have brought waits again, if no other session has it.
func (o *Store) finish(s *shard, b *box, d *drain) {
	d.over = true
	b.drains = slices.DeleteFunc(b.drains, func(x *drain) bool { return x == d })
	if d.owed == 0 {
		s.tidy(b)
		return
	}
	again := false
	for id, e := range b.out {
		if at := slices.Index(e.owed, d); at >= 0 {
			e.owed = slices.Delete(e.owed, at, at+1)
			again = o.settle(b, id, e) || again
		}
	}
	d.owed = 0
	if again {
		o.redistribute(s, b)
	}
	s.tidy(b)
}

// Ended is told of each session that is gone: what it was to be brought goes to another.
func (o *Store) Ended(session *im.Session) {
	o.listen() // what it has is not to be brought to another
	owner := session.JID().Bare()
	s := o.shard(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes[owner]
	if b == nil {
		return
	}
	b.bury(session)
	if d := b.drain(session); d != nil {
		o.finish(s, b, d)
	}
	o.redistribute(s, b)
	s.tidy(b)
}
