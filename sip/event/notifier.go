package event

import (
	"cmp"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/transaction"
)

// ErrLimit says that there are too many subscriptions.
var ErrLimit = errors.New("event: too many subscriptions")

// Config of a Notifier. Layer and Packages are needed.
type Config struct {
	Layer    *transaction.Layer
	Packages []Package
	Limit    int    // subscriptions at once; default 50000
	Server   string // the Server header field of answers, and the User-Agent of NOTIFY; none if empty
	Now      func() time.Time
	Log      *slog.Logger
}

// Notifier keeps subscriptions.
type Notifier struct {
	c        Config
	packages []Package
	allow    string // Allow-Events

	mu   sync.Mutex
	subs map[key]*Subscription
}

// key finds a subscription: the Call-ID and our tag.
type key struct{ callID, tag string }

// Handler hears of a subscription; on its shard.
type Handler interface {
	// Ended: nothing more can be told to the subscriber. It comes once.
	Ended(s *Subscription)
}

// New makes a notifier.
func New(c Config) *Notifier {
	c.Limit = cmp.Or(c.Limit, 50_000)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	n := &Notifier{c: c, subs: map[key]*Subscription{}}
	var names []string
	for _, p := range c.Packages {
		n.packages = append(n.packages, p.withDefaults())
		names = append(names, p.Name)
	}
	n.allow = strings.Join(names, ", ")
	return n
}

// Allow is the Allow-Events header field: the packages that are known (rfc6665#8.2.2).
func (n *Notifier) Allow() string { return n.allow }

// Len is how many subscriptions there are.
func (n *Notifier) Len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.subs)
}

// Wish is what a SUBSCRIBE outside of a dialog asks for.
type Wish struct {
	Event   Event
	Type    string        // of the documents that its sender takes
	Expires time.Duration // 0: the state once
	pkg     *Package
}

// Read says what a SUBSCRIBE outside of a dialog asks for, or what it is answered instead.
func (n *Notifier) Read(req *sip.Message) (w Wish, refusal *sip.Builder) {
	e, ok := ParseEvent(req.Get(sip.HeaderEvent))
	at := slices.IndexFunc(n.packages, func(p Package) bool { return p.Name == e.Name })
	if !ok || at < 0 { // rfc6665#4.2.1.1
		return w, n.badEvent(req)
	}
	if refusal = unsupported(req); refusal != nil {
		return w, refusal
	}
	w = Wish{Event: e, pkg: &n.packages[at]}
	if w.Type = w.pkg.chosen(req); w.Type == "" {
		return w, req.Response(406, "").Set(sip.HeaderAccept, strings.Join(w.pkg.Types, ", "))
	}
	w.Expires, refusal = w.pkg.interval(req)
	return w, refusal
}

// badEvent refuses a package that nobody here knows.
func (n *Notifier) badEvent(req *sip.Message) *sip.Builder {
	return req.Response(489, "Bad Event").Set(sip.HeaderAllowEvents, n.allow)
}

// Accept answers a SUBSCRIBE that was read and is granted, and tells its sender the first notice at once (rfc6665#4.2.1.2).
// contact is our Contact value. With an error the request is answered, and there is no subscription. One that has ended
// already, because the state was asked for once or first says so, comes back like any other.
func (n *Notifier) Accept(srv *transaction.Server, w Wish, contact string, first Notice, h Handler) (*Subscription, error) {
	req := srv.Request()
	d, err := dialog.NewUAS(req, srv.Flow(), transaction.NewTag(), contact)
	if err != nil {
		n.respond(srv, req.Response(400, "Bad Contact or Record-Route").ToTag(transaction.NewTag()))
		return nil, err
	}
	d.Confirm()
	s := &Subscription{n: n, dialog: d, event: w.Event, pkg: w.pkg, kind: w.Type, notice: first, handler: h}
	s.key = key{d.ID().CallID, d.ID().Local}
	if !n.add(s) {
		n.respond(srv, req.Response(503, "Too Many Subscriptions").Set(sip.HeaderRetryAfter, "60").ToTag(s.key.tag))
		return nil, ErrLimit
	}
	s.post(func() { s.begin(srv, w.Expires) })
	return s, nil
}

func (n *Notifier) add(s *Subscription) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.subs) >= n.c.Limit {
		return false
	}
	n.subs[s.key] = s
	return true
}

func (n *Notifier) drop(s *Subscription) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.subs, s.key)
}

// Serve takes a request within the dialog of a subscription; it is false for one that is not. It may be called on a shard.
func (n *Notifier) Serve(srv *transaction.Server) bool {
	req := srv.Request()
	n.mu.Lock()
	s := n.subs[key{req.CallID(), req.ToTag()}]
	n.mu.Unlock()
	if s == nil || req.ToTag() == "" {
		return false
	}
	s.post(func() { s.serve(srv) })
	return true
}

// EndAll ends all subscriptions, as with Notify.
func (n *Notifier) EndAll(last Notice) {
	n.mu.Lock()
	all := slices.Collect(maps.Values(n.subs))
	n.mu.Unlock()
	for _, s := range all {
		s.Notify(last)
	}
}

func (n *Notifier) respond(srv *transaction.Server, b *sip.Builder) {
	if n.c.Server != "" {
		b.Set(sip.HeaderServer, n.c.Server)
	}
	resp, err := b.Message()
	if err != nil {
		n.c.Log.Error("response could not be written", "call", srv.Request().CallID(), "err", err)
		return
	}
	srv.Respond(resp)
}
