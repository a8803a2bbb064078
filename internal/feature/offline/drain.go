package offline

import (
	"context"
	"slices"

	"parley/xmpp"
	"parley/xmpp/delay"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/sid"
)

// Available is told of a session that messages to its account may go to from now on: it is brought those that wait.
func (o *Store) Available(_ context.Context, session *im.Session) {
	if p, ok := session.Priority(); !ok || p < 0 { // rfc6121#8.5.2.2.1
		return
	}
	o.listen() // what an earlier session has left comes before what is new
	owner := session.JID().Bare()
	s := o.shard(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.boxes[owner]; b != nil && b.rows > 0 && !b.isDead(session) {
		o.begin(s, b, session)
	}
}

// kick has a goroutine go on with a drain, if there is room and none is at it.
func (o *Store) kick(s *shard, b *box, d *drain) {
	if d.working || d.over || o.stopping.Load() || o.isFull(d) {
		return
	}
	d.working = true
	o.drains.Go(func() { o.work(s, b, d) })
}

// isFull says that a session has as much as it may have without acknowledging any: more would fill its outbox, and end it.
func (o *Store) isFull(d *drain) bool {
	return d.flying >= o.config.Window || d.flyingBytes >= o.config.WindowBytes
}

// work brings as much as the session may be given before it acknowledges some.
func (o *Store) work(s *shard, b *box, d *drain) {
	for {
		after, upTo, room, bytes := o.claim(s, b, d)
		if room == 0 {
			return
		}
		rows, last, err := o.store.page(context.Background(), b.owner, after, upTo, room, bytes)
		if err != nil {
			o.config.Log.Error("waiting messages not read", "account", b.owner.String(), "err", err)
			o.giveUp(s, b, d)
			return
		}
		if o.bring(s, b, d, rows, upTo, last) {
			return
		}
	}
}

// claim says what is to be read next: nothing if room is 0.
func (o *Store) claim(s *shard, b *box, d *drain) (after, upTo im.ID, room, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := d.session.Priority(); (!ok || p < 0 || b.isDead(d.session)) && !d.over {
		o.finish(s, b, d)
	}
	if d.over || o.stopping.Load() || o.isFull(d) {
		d.working = false
		return 0, 0, 0, 0
	}
	d.again = false
	d.gone = nil
	return d.next, s.mark, min(o.config.Window-d.flying, batch), o.config.WindowBytes - d.flyingBytes
}

func (o *Store) giveUp(s *shard, b *box, d *drain) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.working = false
	if !d.over {
		o.finish(s, b, d)
	}
}

// bring hands rows to the drain's session; last says that there were no more of them. It is true when there is
// nothing left to do.
func (o *Store) bring(s *shard, b *box, d *drain, rows []row, upTo im.ID, last bool) (done bool) {
	stanzas := make([]*xmpp.Stanza, len(rows))
	for i, r := range rows {
		stanzas[i] = o.read(b.owner, r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.again && !d.over { // what was read is to be read once more, in order
		return false
	}
	for i, r := range rows {
		if d.over {
			break
		}
		o.bringOne(b, d, r, stanzas[i])
		d.next = r.id
	}
	if !d.over && (!last || upTo != s.mark) {
		return false
	}
	d.working = false
	if !d.over {
		o.finish(s, b, d)
	}
	return true
}

// bringOne hands over a message, unless it is with another session.
func (o *Store) bringOne(b *box, d *drain, r row, st *xmpp.Stanza) {
	id := r.id
	if d.gone[id] {
		return
	}
	e := b.out[id]
	switch {
	case e == nil:
		e = &entry{size: len(r.stanza)}
		b.out[id] = e
	case slices.Contains(e.owed, d):
		e.owed = slices.DeleteFunc(e.owed, func(x *drain) bool { return x == d })
		d.owed--
	case !b.abandoned(e):
		return
	}
	if st == nil { // it can't be read: nobody will have it
		e.got = true
	} else {
		o.give(b, id, e, d.session, d, st)
	}
	o.settle(b, id, e)
}

// read makes a message of a row, as sessions get it: with the stanza-id of the first time, and when it came.
func (o *Store) read(owner jid.JID, r row) *xmpp.Stanza {
	st, err := xmpp.Parse(r.stanza)
	if err != nil {
		o.config.Log.Error("a waiting message can't be read", "account", owner.String(), "id", r.id.String(), "err", err)
		return nil
	}
	b := xmpp.NewBuilder(make([]byte, 0, 200))
	names := []xmpp.Name{delay.Name()}
	delay.Write(b, jid.JID{Domain: owner.Domain}, r.id.Time()) // xep0160#2
	if r.archived {
		sid.Write(b, owner, r.id.String())
		names = append(names, sid.Name())
	}
	return st.Edit(xmpp.Edit{Append: b.String(), Appended: names})
}
