package block

import (
	"context"
	"errors"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// NS is the namespace of the blocking command.
const NS = "urn:xmpp:blocking"

// Services are what clients manage their account's list with.
func (l *Lists) Services() []im.Service {
	own := func(local string, h im.Handler) im.Service {
		return im.Service{Name: xmpp.Name{Space: NS, Local: local}, At: im.Own, Handle: h}
	}
	return []im.Service{
		own("blocklist", l.get),
		own("block", l.block),
		own("unblock", l.unblock),
		// Clients look for it at the server, where nothing is asked (xep0191#3.1).
		{Name: xmpp.Name{Space: NS}, At: im.Server | im.Own, Features: []string{NS}},
	}
}

// get tells the list. Whoever has asked for it hears of its changes (xep0191#3.2, xep0191#3.3).
func (l *Lists) get(ctx context.Context, s *im.Session, st *xmpp.Stanza) (string, error) {
	if st.Type() != "get" {
		return "", bad("the list is read by a get")
	}
	owner := st.From().Bare()
	unlock := l.locks.Lock(owner)
	defer unlock()
	list, err := l.list(ctx, owner)
	if err != nil {
		return "", err
	}
	payload := command("blocklist", list.sorted())
	if s == nil {
		return payload, nil
	}
	// A change that comes next may not be heard of before this.
	s.Set(im.Blocklist, true)
	s.Send(st.Result(payload))
	return "", im.ErrAnswered
}

func (l *Lists) block(ctx context.Context, _ *im.Session, st *xmpp.Stanza) (string, error) {
	items, err := l.items(st)
	if err != nil {
		return "", err
	}
	if len(items) == 0 {
		return "", bad("nobody is named") // xep0191#3.3
	}
	owner := st.From().Bare()
	for _, j := range items {
		if j.Bare() == owner {
			return "", &xmpp.StanzaError{Condition: xmpp.NotAcceptable, Text: "an account can't block itself"} // xep0191#5
		}
	}
	unlock := l.locks.Lock(owner)
	defer unlock()
	err = l.c.Hide(ctx, owner, items, func() ([]jid.JID, error) {
		added, err := l.c.Store.Add(ctx, owner, items, l.c.Items, l.c.Now())
		l.cache.drop(owner)
		return added, err
	})
	if errors.Is(err, ErrFull) {
		return "", &xmpp.StanzaError{Condition: xmpp.ResourceConstraint, Text: "the block list would be too long"}
	}
	if err != nil {
		return "", err
	}
	l.push(owner, command("block", items))
	return "", nil
}

func (l *Lists) unblock(ctx context.Context, _ *im.Session, st *xmpp.Stanza) (string, error) {
	items, err := l.items(st)
	if err != nil {
		return "", err
	}
	owner := st.From().Bare()
	unlock := l.locks.Lock(owner)
	defer unlock()
	removed, err := l.c.Store.Remove(ctx, owner, items) // none are all (xep0191#3.5)
	if err != nil {
		return "", err
	}
	l.cache.drop(owner)
	left, err := l.list(ctx, owner)
	if err != nil {
		return "", err
	}
	for _, j := range removed {
		if !left.has(owner, j) {
			l.c.Show(ctx, owner, j)
		}
	}
	l.push(owner, command("unblock", items))
	return "", nil
}

// items are whom a request names.
func (l *Lists) items(st *xmpp.Stanza) ([]jid.JID, error) {
	p, ok := st.Payload()
	if !ok || st.Type() != "set" {
		return nil, bad("the list is changed by a set with one payload")
	}
	var list []jid.JID
	for _, item := range st.Element(p).Children {
		if item.Space != NS || item.Local != "item" {
			continue
		}
		if len(list) == l.c.Request {
			return nil, &xmpp.StanzaError{Condition: xmpp.NotAcceptable, Text: "too many addresses in one request", Type: xmpp.Modify}
		}
		j, err := jid.Parse(item.Attr("jid"))
		if err != nil {
			return nil, &xmpp.StanzaError{Condition: xmpp.JIDMalformed, Text: "the jid of an item is none"}
		}
		list = append(list, j)
	}
	return list, nil
}

func bad(text string) error { return &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: text} }

// command is a payload that names addresses.
func command(name string, list []jid.JID) string {
	b := xmpp.NewBuilder(nil).Open(name, NS)
	for _, j := range list {
		b.Open("item", "").Attr("jid", j.String()).Close()
	}
	return b.Close().String()
}

// push tells those of the owner's sessions that know the list (xep0191#3.3).
func (l *Lists) push(owner jid.JID, payload string) {
	for _, s := range l.c.Sessions.Of(owner) {
		if s.Has(im.Blocklist) {
			s.Send(xmpp.Must(xmpp.IQ, xmpp.Header{To: s.JID(), ID: l.c.ID(), Type: "set"}, payload))
		}
	}
}
