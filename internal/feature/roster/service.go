package roster

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"

	"parley/internal/db"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// handle answers what an account's client asks of its roster.
func (r *Rosters) handle(ctx context.Context, s *im.Session, st *xmpp.Stanza) (string, error) {
	if s == nil || !st.To().IsZero() && st.To().Bare() != s.JID().Bare() {
		return "", &xmpp.StanzaError{Condition: xmpp.Forbidden} // rfc6121#2.3.3
	}
	query := st.Find(roster.NS, "query")
	if st.Type() == "get" {
		return "", r.get(ctx, s, st, query)
	}
	set, err := roster.ParseSet(query, r.c.Limits)
	if err != nil {
		return "", err
	}
	return "", Explain(r.set(ctx, s.JID().Bare(), set))
}

// get answers with the roster (rfc6121#2.1.4), or, if the client knows a version, with what has changed since
// (rfc6121#2.6.3). It sends the answer itself, since no change may come between that and the roster it shows.
func (r *Rosters) get(ctx context.Context, s *im.Session, st *xmpp.Stanza, query *xmpp.Element) error {
	owner := s.JID().Bare()
	unlock := r.locks.Lock(owner)
	defer unlock()
	b, err := r.lockedBook(ctx, owner)
	if err != nil {
		return err
	}
	s.Set(im.Interested, true)
	known, versioned := query.Lookup("ver")
	if versioned {
		if pushes, ok := b.update(owner, known); ok {
			s.Send(st.Result(""))
			for _, p := range pushes {
				s.Send(p.stanza(s, p.payload()))
			}
			return im.ErrAnswered
		}
	}
	s.Send(st.Result(b.whole(versioned)))
	return im.ErrAnswered
}

func (b *book) whole(versioned bool) string {
	x := xmpp.NewBuilder(nil).Open("query", roster.NS)
	if versioned {
		x.Attr("ver", versionText(b.version))
	}
	for _, c := range b.contacts {
		if c.Listed {
			c.Append(x)
		}
	}
	return x.Close().String()
}

// update is what a client with an older version has to be told; ok is false where the whole roster is better.
func (b *book) update(owner jid.JID, known string) (pushes []*push, ok bool) {
	version, err := strconv.ParseInt(known, 10, 64)
	if err != nil {
		return nil, false
	}
	shown, removed, ok := b.since(version)
	if !ok || 2*(len(shown)+len(removed)) > len(b.contacts)+2 {
		return nil, false
	}
	for _, c := range shown {
		pushes = append(pushes, &push{owner: owner, contact: c.JID, item: &c.Item, version: c.Version})
	}
	for _, g := range removed {
		pushes = append(pushes, &push{owner: owner, contact: g.JID, version: g.Version})
	}
	slices.SortFunc(pushes, func(x, y *push) int { return cmp.Compare(x.version, y.version) })
	return pushes, true
}

// set changes what the account itself says of a contact (rfc6121#2.3, rfc6121#2.4), or removes it (rfc6121#2.5).
func (r *Rosters) set(ctx context.Context, owner jid.JID, set roster.Set) error {
	switch {
	case set.JID == owner:
		return &xmpp.StanzaError{Condition: xmpp.NotAllowed, Text: "nobody is a contact of his own"} // rfc6121#2.3.3
	case set.Remove && r.c.Remove != nil:
		return r.c.Remove(ctx, owner, set.JID)
	case set.Remove:
		return r.Remove(ctx, owner, set.JID, false, func(roster.Step) {})
	}
	return r.change(ctx, []jid.JID{owner}, func(c *change) error {
		d := c.drafts[owner]
		now := d.get(set.JID)
		if listed, _ := d.count(); !now.Listed && listed >= r.c.Items {
			return errFull
		}
		now.Name, now.Groups, now.Listed = set.Name, set.Groups, true
		if !d.put(now, c.now) {
			now.Version = d.next(c.now) // clients hear of every set, also of one that changes nothing
		}
		c.events = append(c.events, event{quiet: true, push: newPush(d, set.JID)})
		return nil
	}, nil)
}

// Explain turns the errors of a full disk into what a client is told.
func Explain(err error) error {
	if errors.Is(err, db.ErrFull) {
		return &xmpp.StanzaError{Condition: xmpp.ResourceConstraint}
	}
	return err
}
