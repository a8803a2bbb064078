package event_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/event"
	"parley/sip/siptest"
	"parley/sip/transaction"
)

// kit is a server with one package, "presence", in virtual time.
type kit struct {
	*testing.T
	clock      *siptest.Clock
	layer      *transaction.Layer
	notifier   *event.Notifier
	compositor *event.Compositor[string]
	first      event.Notice // of subscriptions that come

	mu      sync.Mutex
	subs    []*event.Subscription
	ended   int
	changed []string
}

func newKit(t *testing.T, change ...func(*event.Config, *event.CompositorConfig)) *kit {
	t.Helper()
	k := &kit{T: t, clock: siptest.NewClock(), first: active("open")}
	k.layer = transaction.New(transaction.Config{Shards: 2, Clock: k.clock, OnRequest: k.serve})
	t.Cleanup(k.layer.Close)
	p := event.Package{Name: "presence", Types: []string{"application/pidf+xml", "text/plain"}}
	c := event.Config{Layer: k.layer, Packages: []event.Package{p}, Server: "parley", Now: k.clock.Now}
	pc := event.CompositorConfig{
		Layer: k.layer, Package: p, Now: k.clock.Now, Changed: func(entity string) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.changed = append(k.changed, entity)
		},
	}
	for _, f := range change {
		f(&c, &pc)
	}
	k.notifier, k.compositor = event.New(c), event.NewCompositor[string](pc)
	return k
}

func active(body string) event.Notice {
	return event.Notice{State: event.Active, Type: "application/pidf+xml", Body: body}
}

func (k *kit) serve(s *transaction.Server) {
	if k.notifier.Serve(s) {
		return
	}
	req := s.Request()
	switch {
	case req.ToTag() != "":
		k.answer(s, req.Response(481, ""))
	case req.Method() == sip.PUBLISH:
		k.answer(s, k.compositor.Publish(req.Target(), req.FromTag(), req))
	default:
		w, refusal := k.notifier.Read(req)
		if refusal != nil {
			k.answer(s, refusal)
			return
		}
		sub, err := k.notifier.Accept(s, w, dialog.Contact("bob", s.Flow()), k.first, k)
		if err == nil {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.subs = append(k.subs, sub)
		}
	}
}

func (k *kit) answer(s *transaction.Server, b *sip.Builder) {
	resp, err := b.ToTag("answer").Message()
	if err != nil {
		k.Error(err)
		return
	}
	s.Respond(resp)
}

// Ended implements event.Handler.
func (k *kit) Ended(*event.Subscription) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended++
}

// over is how many subscriptions have ended.
func (k *kit) over() int {
	k.clock.Settle()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ended
}

// last is the subscription that came last.
func (k *kit) last() *event.Subscription {
	k.clock.Settle()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.subs[len(k.subs)-1]
}

// watcher is a phone and its subscription.
type watcher struct {
	k *kit
	*siptest.Peer
	dialog *siptest.Dialog
}

func (k *kit) phone(network string) *watcher {
	k.Helper()
	return &watcher{k: k, Peer: siptest.Join(k, k.clock, "alice@example.org", network, k.layer.Receive)}
}

func forEvent(b *sip.Builder) { b.Set(sip.HeaderEvent, "presence") }

// subscribe sends a SUBSCRIBE, has it granted, and gives the first NOTIFY, answered.
func (w *watcher) subscribe(edits ...siptest.Edit) *sip.Message {
	w.k.Helper()
	req := w.Request(sip.SUBSCRIBE, "bob@example.org", append([]siptest.Edit{forEvent}, edits...)...)
	resp := w.Expect("200 SUBSCRIBE")
	w.dialog = w.Dialog(req, resp)
	return w.told()
}

// told expects a NOTIFY and takes it.
func (w *watcher) told() *sip.Message {
	w.k.Helper()
	n := w.Expect("NOTIFY")
	w.Respond(n, 200)
	w.k.clock.Settle() // what comes next may go to another shard
	return n
}

// again is another SUBSCRIBE in the dialog.
func (w *watcher) again(expires string, edits ...siptest.Edit) {
	w.k.Helper()
	w.dialog.Request(sip.SUBSCRIBE, append([]siptest.Edit{forEvent, siptest.With(sip.HeaderExpires, expires)}, edits...)...)
}

// check compares a NOTIFY's Subscription-State and body.
func (w *watcher) check(n *sip.Message, state, body string) {
	w.k.Helper()
	if got := n.Get(sip.HeaderSubscriptionState); got != state {
		w.k.Errorf("Subscription-State is %q, want %q", got, state)
	}
	if n.Body() != body {
		w.k.Errorf("the NOTIFY says %q, want %q", n.Body(), body)
	}
	if got := n.Get(sip.HeaderEvent); !strings.HasPrefix(got, "presence") {
		w.k.Errorf("Event is %q", got)
	}
}

const pace = 5 * time.Second
