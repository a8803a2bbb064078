package watch

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"parley/internal/address"
	"parley/internal/core"
	"parley/sip"
	"parley/sip/event"
	"parley/sip/pidf"
	"parley/sip/transaction"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// View is what one account may know of another.
type View struct {
	Seen      bool           // he has a subscription, or it is his own
	Asking    bool           // he has asked for one, and waits
	Presences []*xmpp.Stanza // of the resources that are available, as far as he is shown them
	Talking   bool           // he is on the phone
}

// Presence tells who is here, and to whom.
type Presence interface {
	// Look is what an account sees of an account or a service of this server.
	Look(ctx context.Context, owner, by jid.JID) (View, error)
	// Ask asks in an account's place to see another. The error is a *xmpp.StanzaError, or any other of a fault here.
	Ask(ctx context.Context, from, to jid.JID) error
	// Publish shows a resource that has no session, by what its presence holds; Retract has it leave.
	Publish(ctx context.Context, full jid.JID, payload string) error
	Retract(ctx context.Context, full jid.JID) error
	// Talking says whether an account is on the phone.
	Talking(ctx context.Context, owner jid.JID, on bool) error
}

// Ports are what Watch asks.
type Ports struct {
	Layer    *transaction.Layer
	Presence Presence
	Sessions *im.Table
	// Resource is the resource of the phone that has a binding: the same as of its messages.
	Resource func(a core.Address, b core.Binding) string
	// Exists says whether an account or a service has the address.
	Exists   func(ctx context.Context, bare jid.JID) (bool, error)
	Location core.Location
	// Reach finds the way to a binding, and may connect to it.
	Reach func(ctx context.Context, b core.Binding) (sip.Flow, bool)
}

// Config of a Watch; zero fields take their defaults.
type Config struct {
	Default, Least, Longest time.Duration // of a subscription: 1h, 1m, 1h
	Pace                    time.Duration // between two states that a phone is told; default 5s
	PerAccount              int           // subscriptions of one account's phones; default 200
	Limit                   int           // and of all; default 50000
	Again                   time.Duration // before somebody who has not agreed is asked again; default 24h
	Server                  string        // User-Agent and Server of what is sent
	Now                     func() time.Time
	Log                     *slog.Logger
}

func (c Config) withDefaults() Config {
	c.PerAccount = cmp.Or(c.PerAccount, 200)
	c.Again = cmp.Or(c.Again, 24*time.Hour)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Watch serves presence to phones.
type Watch struct {
	c        Config
	ports    Ports
	notifier *event.Notifier

	mu         sync.Mutex
	watchers   map[jid.JID][]*watcher // by whom they watch
	counts     map[core.Address]int   // subscriptions of an account, those that are being made too
	asked      memory
	changed    map[jid.JID]struct{}      // whose presence is to be looked at
	bound      map[core.Address]struct{} // whose phones have registered
	told       map[core.Address]struct{} // of whom something was published, or has to be looked at anew
	publishers map[jid.JID]core.Address  // of whom something is published
	calls      map[core.Address]bool     // who has begun or ended to be on the phone
	wake       chan struct{}

	published *event.Compositor[publisher]
	shown     map[core.Address]map[string]string // what is shown of phones, by resource; of Run alone
}

// New makes a Watch whose Run has to be called.
func New(c Config, p Ports) *Watch {
	c = c.withDefaults()
	w := &Watch{
		c: c, ports: p, watchers: map[jid.JID][]*watcher{}, counts: map[core.Address]int{}, asked: memory{keep: c.Again},
		changed: map[jid.JID]struct{}{}, bound: map[core.Address]struct{}{}, told: map[core.Address]struct{}{},
		publishers: map[jid.JID]core.Address{}, calls: map[core.Address]bool{}, wake: make(chan struct{}, 1), shown: map[core.Address]map[string]string{},
	}
	w.notifier = event.New(event.Config{
		Layer: p.Layer, Packages: []event.Package{w.pkg()}, Limit: c.Limit, Server: c.Server, Now: c.Now, Log: c.Log,
	})
	w.published = event.NewCompositor[publisher](event.CompositorConfig{
		Layer: p.Layer, Package: w.pkg(), Limit: c.Limit, Check: check, Changed: w.publishedChanged, Now: c.Now,
	})
	return w
}

// pkg is the presence package (rfc3856#6).
func (w *Watch) pkg() event.Package {
	return event.Package{
		Name: "presence", Types: []string{pidf.MIME},
		Default: w.c.Default, Least: w.c.Least, Longest: w.c.Longest, Pace: w.c.Pace,
	}
}

// Allow is the Allow-Events header field: the packages that are served.
func (w *Watch) Allow() string { return w.notifier.Allow() }

// Count is how many subscriptions there are.
func (w *Watch) Count() int { return w.notifier.Len() }

// Serve takes a request within the dialog of a subscription; it is false for one that is not.
func (w *Watch) Serve(s *transaction.Server) bool { return w.notifier.Serve(s) }

// Changed is told of accounts of which somebody may see another presence; it does not block.
func (w *Watch) Changed(accounts ...jid.JID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range accounts {
		if len(w.watchers[a]) > 0 {
			w.look(a)
		}
		if x, publishes := w.publishers[a]; publishes {
			w.told[x] = struct{}{} // one of his devices may have begun or ended to speak for another of its connections
			w.stir()
		}
	}
}

// look has Run look at an account. w.mu is held.
func (w *Watch) look(a jid.JID) {
	w.changed[a] = struct{}{}
	w.stir()
}

func (w *Watch) stir() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Bound is told of an account whose phones have registered; it does not block. Subscriptions whose connection broke go on
// over the new one, a moment after the phone has the answer to its REGISTER.
func (w *Watch) Bound(a core.Address) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts[a] == 0 {
		return
	}
	w.ports.Layer.After(a.String(), settle, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.bound[a] = struct{}{}
		w.stir()
	})
}

// settle is how long a phone has to take the answer to its REGISTER before it gets anything else.
const settle = 100 * time.Millisecond

// Run tells phones what has changed, until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			w.work(ctx)
		}
	}
}

// work does what is due.
func (w *Watch) work(ctx context.Context) {
	w.mu.Lock()
	changed, bound := w.changed, w.bound
	told, calls := w.told, w.calls
	w.changed, w.bound = map[jid.JID]struct{}{}, map[core.Address]struct{}{}
	w.told, w.calls = map[core.Address]struct{}{}, map[core.Address]bool{}
	w.mu.Unlock()
	for a, on := range calls {
		w.talk(ctx, a, on)
	}
	for a := range told {
		w.show(ctx, a)
	}
	for a := range bound {
		w.move(ctx, a)
	}
	for a := range changed {
		w.tell(ctx, a)
	}
}

// tell has all who watch an account told what they see of it.
func (w *Watch) tell(ctx context.Context, of jid.JID) {
	seen := map[jid.JID]event.Notice{} // by who sees it: he may have several phones
	for _, x := range w.of(of) {
		notice, ok := seen[x.by]
		if !ok {
			view, err := w.ports.Presence.Look(ctx, of, x.by)
			if err != nil {
				w.c.Log.Error("presence not looked at", "account", of.String(), "err", err)
				continue
			}
			notice = w.notify(of, view)
			seen[x.by] = notice
		}
		x.sub.Notify(notice)
	}
}

// of are those who watch an account.
func (w *Watch) of(a jid.JID) []*watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.watchers[a])
}

// all are those of whom something holds.
func (w *Watch) all(holds func(*watcher) bool) (some []*watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, list := range w.watchers {
		for _, x := range list {
			if holds(x) {
				some = append(some, x)
			}
		}
	}
	return some
}

// move gives the subscriptions of an account whose connections are gone the new ones of the same phones.
func (w *Watch) move(ctx context.Context, a core.Address) {
	bindings, err := w.ports.Location.Bindings(ctx, a)
	if err != nil {
		w.c.Log.Error("bindings not read", "account", a.String(), "err", err)
		return
	}
	mine := w.all(func(x *watcher) bool { return x.account == a })
	for _, b := range bindings {
		contact, err := sip.ParseURI(b.Contact)
		if err != nil {
			continue
		}
		f, ok := w.ports.Reach(ctx, b)
		if !ok {
			continue
		}
		for _, x := range mine {
			x.sub.Move(f, func(target string) bool {
				u, err := sip.ParseURI(target)
				return err == nil && u.Equal(contact)
			})
		}
	}
}

// EndDevice ends the subscriptions and publications of a device that was signed out.
func (w *Watch) EndDevice(a core.Address, id string) {
	for _, x := range w.all(func(x *watcher) bool { return x.account == a && x.device == id }) {
		x.sub.Notify(event.Notice{State: event.Terminated, Reason: event.Rejected})
	}
	w.published.Forget(a.String(), func(p event.Publication[publisher]) bool { return p.Of.device == id })
}

// Forget ends the subscriptions of an account that is gone, those to it, and what it has published.
func (w *Watch) Forget(_ context.Context, a core.Address) error {
	j := address.JID(a)
	for _, x := range w.all(func(x *watcher) bool { return x.account == a || x.of == j }) {
		x.sub.Notify(event.Notice{State: event.Terminated, Reason: event.NoResource})
	}
	w.published.Forget(a.String(), func(event.Publication[publisher]) bool { return true })
	return nil
}

// Close ends all subscriptions, for which it takes until ctx ends at most: their phones may ask again when the server is
// back.
func (w *Watch) Close(ctx context.Context) error {
	w.notifier.EndAll(event.Notice{State: event.Terminated, Reason: event.Probation, Retry: comeBack})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for w.notifier.Len() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// comeBack is when phones are to ask again that are told that the server stops.
const comeBack = 5 * time.Second
