package delivery

import (
	"context"
	"database/sql"
	"slices"

	"parley/xmpp"
	"parley/xmpp/carbons"
	"parley/xmpp/im"
	"parley/xmpp/sid"
)

// mail is a message on its way.
type mail struct {
	st      *xmpp.Stanza
	from    *im.Session // nil if it came from elsewhere
	sender  bool        // its sender is an account here
	account bool        // its recipient is an account here
	in, out im.Copy

	writes []write
	waits  bool // it is in the recipient's offline store
	fate   im.Fate

	id          im.ID
	repeated    bool
	toIn, toOut *xmpp.Stanza // as the recipient's and the sender's sessions get it
	place       place
}

type write func(ctx context.Context, tx *sql.Tx, id im.ID) error

// deliver keeps a message and hands it to sessions.
func (d *Delivery) deliver(ctx context.Context, m *mail) error {
	if err := d.keep(ctx, m); err != nil {
		return err
	}
	if len(m.writes) == 0 {
		m.stamp()
		d.hand(m)
		return nil
	}
	err := d.write(ctx, m)
	if err == nil {
		m.stamp()
	}
	d.order.settle(m, err == nil)
	return err
}

// keep asks who keeps the message. One to the account itself has one place in its archive (xep0313#6.1.1).
func (d *Delivery) keep(ctx context.Context, m *mail) error {
	from, to := m.st.From(), m.st.To()
	origin := sid.Origin(m.st)
	add := func(k Keeper, c im.Copy) (kept bool, err error) {
		w, err := k.Keep(ctx, c)
		if w != nil {
			m.writes = append(m.writes, w)
		}
		return w != nil, err
	}
	var err error
	if m.sender {
		m.out = im.Copy{Owner: from.Bare(), With: to, Origin: origin, Stanza: m.st}
		if m.out.Archived, err = add(d.Archive, m.out); err != nil {
			return err
		}
	}
	if !m.account {
		return nil
	}
	m.in = im.Copy{Owner: to.Bare(), With: from, Incoming: true, Origin: origin, Stanza: m.st}
	if m.in.Owner == m.out.Owner {
		m.in.Archived = m.out.Archived
	} else if m.in.Archived, err = add(d.Archive, m.in); err != nil {
		return err
	}
	m.waits, err = add(d.Offline, m.in)
	return err
}

// write runs all writes of a message in one transaction, which gives it its ID and its place in the order.
func (d *Delivery) write(ctx context.Context, m *mail) error {
	bound := im.ID(0)
	err := d.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		ctx := context.WithoutCancel(ctx) // once it is begun it is brought to its end
		m.repeated, bound = false, 0
		if m.out.Archived && m.out.Origin != "" {
			if m.id, m.repeated, err = d.Archive.Repeated(ctx, tx, m.out); err != nil {
				return err
			}
		}
		if !m.repeated {
			if m.id, bound, err = d.ids.next(ctx, tx); err != nil {
				return err
			}
		}
		d.order.add(m)
		for _, w := range m.writes {
			if err := w(ctx, tx, m.id); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		d.ids.settle(bound)
	}
	return err
}

// stamp makes the message as sessions get it: with the ID that it has in their archive.
func (m *mail) stamp() {
	m.toIn, m.toOut = m.st, m.st
	if m.in.Archived {
		m.toIn = withID(m.st, m.in.Owner, m.id)
	}
	if m.out.Archived && carbons.Eligible(carbons.Sent, m.st) {
		m.toOut = withID(m.st, m.out.Owner, m.id)
	}
}

// hand gives a message to sessions.
func (d *Delivery) hand(m *mail) {
	var got []*im.Session
	if m.account {
		got = d.handIn(m)
		m.fate = im.Waits
		if len(got) > 0 {
			m.fate = im.Handed
		}
	}
	self := m.account && m.in.Owner == m.out.Owner
	if m.account && !self && carbons.Eligible(carbons.Received, m.st) {
		d.Carbons.Received(m.in.Owner, m.toIn, got)
	}
	if m.sender && carbons.Eligible(carbons.Sent, m.st) {
		var except []*im.Session
		if self {
			except = got
		}
		if m.from != nil {
			except = append(except[:len(except):len(except)], m.from)
		}
		d.Carbons.Sent(m.out.Owner, m.toOut, except)
	}
}

func (d *Delivery) handIn(m *mail) (got []*im.Session) {
	choose := func() []*im.Session {
		got = d.recipients(m.st)
		if m.from != nil && m.from.Has(im.NoReturn) {
			got = slices.DeleteFunc(slices.Clone(got), func(s *im.Session) bool { return s == m.from })
		}
		return got
	}
	if m.waits {
		d.Offline.Hand(m.in, m.id, m.toIn, choose)
		return got
	}
	for _, s := range choose() {
		s.Send(m.toIn)
	}
	return got
}
