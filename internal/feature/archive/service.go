package archive

import (
	"cmp"
	"context"
	"slices"
	"time"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/mam"
	"parley/xmpp/rsm"
	"parley/xmpp/sid"
)

// Bounds of what is asked.
const (
	maxListed  = 1000  // addresses in each list of preferences
	maxIDs     = 100   // messages that a query may name
	maxCounted = 10000 // messages that are counted for a query
)

// Services are what an account can ask of its archive.
func (a *Archive) Services() []im.Service {
	return []im.Service{
		{
			Name: xmpp.Name{Space: mam.NS, Local: "query"}, At: im.Own, Handle: a.query,
			Features: []string{mam.NS, mam.Extended, mam.GroupchatField, rsm.NS, sid.NS},
		},
		// It is the account that is asked for it (xep0313#support), but older apps, Profanity's of Debian among them, look
		// for it at the server.
		{Name: xmpp.Name{Space: mam.NS}, At: im.Server, Features: []string{mam.NS}},
		{Name: xmpp.Name{Space: mam.NS, Local: "metadata"}, At: im.Own, Handle: a.metadata},
		{Name: xmpp.Name{Space: mam.NS, Local: "prefs"}, At: im.Own, Handle: a.preferences},
	}
}

var errNotFound = &xmpp.StanzaError{Condition: xmpp.ItemNotFound}

func (a *Archive) query(ctx context.Context, s *im.Session, st *xmpp.Stanza) (string, error) {
	if st.Type() == "get" {
		return mam.Fields(), nil
	}
	if s == nil {
		return "", &xmpp.StanzaError{Condition: xmpp.Forbidden} // xep0313#8.1
	}
	q, err := mam.ParseQuery(st.Find(mam.NS, "query"))
	if err != nil {
		return "", err
	}
	owner := s.JID().Bare()
	p, err := a.find(ctx, owner, q)
	if err != nil {
		return "", err
	}
	for i := range p.messages {
		m := p.messages[i]
		if q.Flip { // xep0313#4.3.4
			m = p.messages[len(p.messages)-1-i]
		}
		if err := send(s, owner, q.ID, m); err != nil {
			a.config.Log.Error("an archived message can't be read", "account", owner.String(), "id", m.id.String(), "err", err)
		}
	}
	return mam.Fin(p.set(), p.complete), nil
}

func send(s *im.Session, owner jid.JID, query string, m message) error {
	st, err := xmpp.Parse(m.stanza)
	if err != nil {
		return err
	}
	result, err := mam.Result(owner, s.JID(), query, m.id.String(), m.id.Time(), st)
	if err != nil {
		return err
	}
	s.Send(result)
	return nil
}

// page is what a query finds.
type page struct {
	messages []message
	complete bool
	count    int // -1 if it is not known
	index    int // of the first; -1 if it is not known
}

func (p page) set() rsm.Page {
	set := rsm.Page{Index: p.index, Count: p.count}
	if n := len(p.messages); n > 0 {
		set.First, set.Last = p.messages[0].id.String(), p.messages[n-1].id.String()
	}
	return set
}

func (a *Archive) find(ctx context.Context, owner jid.JID, q mam.Query) (page, error) {
	f, err := a.filter(ctx, owner, q)
	if err != nil {
		return page{}, err
	}
	limit := a.config.Page
	if q.Page.Max >= 0 {
		limit = min(limit, q.Page.Max)
	}
	switch {
	case len(q.IDs) > 0:
		return a.named(ctx, f, q.IDs)
	case q.Page.Index >= 0:
		return page{}, &xmpp.StanzaError{Condition: xmpp.FeatureNotImplemented, Text: "pages have no numbers"} // xep0059#2.7
	case limit == 0:
		return a.counted(ctx, f)
	}
	whole := f
	if err := a.narrow(ctx, &f, q.Page); err != nil {
		return page{}, err
	}
	messages, err := a.store.page(ctx, f, q.Page.Last, limit+1)
	if err != nil {
		return page{}, err
	}
	p := page{messages: messages, complete: len(messages) <= limit, count: -1, index: -1}
	p.cut(limit, a.config.PageBytes, q.Page.Last)
	if p.complete && f == whole {
		p.count, p.index = len(p.messages), 0
	}
	return p, nil
}

// cut keeps a page within its bounds: at its end, or at its beginning if it is read from the end.
func (p *page) cut(limit, bytes int, fromEnd bool) {
	n := 0
	for n < min(limit, len(p.messages)) {
		m := p.messages[n]
		if fromEnd {
			m = p.messages[len(p.messages)-1-n]
		}
		if bytes -= len(m.stanza); bytes < 0 && n > 0 {
			break
		}
		n++
	}
	if n < len(p.messages) {
		p.complete = false
	}
	if fromEnd {
		p.messages = p.messages[len(p.messages)-n:]
	} else {
		p.messages = p.messages[:n]
	}
}

// filter is which messages a query is about.
func (a *Archive) filter(ctx context.Context, owner jid.JID, q mam.Query) (filter, error) {
	f := filter{owner: owner, with: q.With, before: maxID}
	if !q.Start.IsZero() {
		f.after = max(f.after, im.FirstID(q.Start)-1)
	}
	if !q.End.IsZero() {
		f.before = im.FirstID(q.End.Add(time.Millisecond)) // its whole millisecond
	}
	return f, a.bound(ctx, &f, q.AfterID, q.BeforeID)
}

// narrow lets the filter have the page that is asked for.
func (a *Archive) narrow(ctx context.Context, f *filter, r rsm.Request) error {
	return a.bound(ctx, f, r.After, r.Before)
}

// bound narrows the filter to what is after one message and before another, which have to be there (xep0313#4.3.2).
func (a *Archive) bound(ctx context.Context, f *filter, after, before string) error {
	if after != "" {
		m, err := a.known(ctx, f.owner, after)
		if err != nil {
			return err
		}
		f.after = max(f.after, m.id)
	}
	if before != "" {
		m, err := a.known(ctx, f.owner, before)
		if err != nil {
			return err
		}
		f.before = min(f.before, m.id)
	}
	return nil
}

func (a *Archive) known(ctx context.Context, owner jid.JID, text string) (message, error) {
	id, ok := im.ParseID(text)
	if !ok {
		return message{}, errNotFound
	}
	m, ok, err := a.store.get(ctx, owner, id)
	if err == nil && !ok {
		err = errNotFound
	}
	return m, err
}

// lets says whether a message is one of those that are wanted.
func (f filter) lets(m message) bool {
	return m.id > f.after && m.id < f.before &&
		(f.with.IsZero() || m.peer == f.with.Bare().String() && (f.with.IsBare() || m.resource == f.with.Resource))
}

// named finds messages by their IDs.
func (a *Archive) named(ctx context.Context, f filter, ids []string) (page, error) {
	if len(ids) > maxIDs {
		return page{}, &xmpp.StanzaError{Condition: xmpp.NotAcceptable, Text: "too many messages are asked for"}
	}
	var list []message
	for _, text := range ids {
		m, err := a.known(ctx, f.owner, text)
		if err != nil {
			return page{}, err
		}
		if f.lets(m) {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(x, y message) int { return cmp.Compare(x.id, y.id) })
	list = slices.CompactFunc(list, func(x, y message) bool { return x.id == y.id })
	return page{messages: list, complete: true, count: len(list), index: 0}, nil
}

// counted is the page without a message: it says how many there are.
func (a *Archive) counted(ctx context.Context, f filter) (page, error) {
	n, err := a.store.count(ctx, f, maxCounted+1)
	p := page{count: n, index: -1, complete: n == 0}
	if n > maxCounted {
		p.count = -1
	}
	return p, err
}

func (a *Archive) metadata(ctx context.Context, s *im.Session, st *xmpp.Stanza) (string, error) {
	if s == nil || st.Type() != "get" {
		return "", &xmpp.StanzaError{Condition: xmpp.BadRequest}
	}
	all := filter{owner: s.JID().Bare(), before: maxID}
	first, err := a.edge(ctx, all, false)
	if err != nil {
		return "", err
	}
	last, err := a.edge(ctx, all, true)
	return mam.Metadata(first, last), err
}

func (a *Archive) edge(ctx context.Context, f filter, last bool) (mam.Edge, error) {
	list, err := a.store.page(ctx, f, last, 1)
	if err != nil || len(list) == 0 {
		return mam.Edge{}, err
	}
	return mam.Edge{ID: list[0].id.String(), At: list[0].id.Time()}, nil
}

// preferences tells or sets what the account wants archived.
func (a *Archive) preferences(ctx context.Context, s *im.Session, st *xmpp.Stanza) (string, error) {
	if s == nil {
		return "", &xmpp.StanzaError{Condition: xmpp.Forbidden}
	}
	owner := s.JID().Bare()
	if st.Type() == "get" {
		p, err := a.prefsOf(ctx, owner)
		return p.XML(), err
	}
	p, err := mam.ParsePrefs(st.Find(mam.NS, "prefs"), maxListed)
	if err != nil {
		return "", err
	}
	if err := a.store.setPrefs(ctx, owner, p); err != nil {
		return "", err
	}
	a.cache(owner, p, true)
	return p.XML(), nil
}
