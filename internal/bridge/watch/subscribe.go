package watch

import (
	"context"
	"errors"
	"slices"

	"parley/internal/address"
	"parley/internal/core"
	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/event"
	"parley/sip/transaction"
	"parley/xmpp"
	"parley/xmpp/jid"
)

// watcher is a subscription of a phone.
type watcher struct {
	w       *Watch
	account core.Address // whose phone it is
	device  string       // whose token proved it, "" if none did
	by, of  jid.JID
	sub     *event.Subscription // under w.mu, like ended
	ended   bool
}

// Ended implements event.Handler.
func (x *watcher) Ended(*event.Subscription) {
	w := x.w
	w.mu.Lock()
	defer w.mu.Unlock()
	x.ended = true
	w.free(x.account)
	list := slices.DeleteFunc(slices.Clone(w.watchers[x.of]), func(o *watcher) bool { return o == x })
	if w.watchers[x.of] = list; len(list) == 0 {
		delete(w.watchers, x.of)
	}
}

// Subscribe answers a SUBSCRIBE that begins a subscription. Who asks has been proved; device is the one whose token did, "" if
// none did.
func (w *Watch) Subscribe(ctx context.Context, c *core.Call, device string, s *transaction.Server) {
	req := s.Request()
	wish, refusal := w.notifier.Read(req)
	if refusal == nil {
		refusal = w.reserve(req, c.From.Address)
	}
	if refusal != nil {
		w.respond(s, refusal)
		return
	}
	x := &watcher{w: w, account: c.From.Address, device: device, by: address.JID(c.From.Address), of: address.JID(c.To)}
	notice, refusal := w.grant(ctx, x, req, wish.Expires > 0)
	if refusal != nil {
		w.release(x.account)
		w.respond(s, refusal)
		return
	}
	sub, err := w.notifier.Accept(s, wish, dialog.Contact(user(req.Target()), s.Flow()), notice, x)
	if err != nil {
		w.release(x.account)
		w.c.Log.Warn("a phone sees no presence", "account", x.account.String(), "err", err)
		return
	}
	w.add(x, sub)
}

// grant says what a phone sees first, or why it sees nothing. Where its account has no subscription yet, one is asked for
// as by any app of it.
func (w *Watch) grant(ctx context.Context, x *watcher, req *sip.Message, lasting bool) (event.Notice, *sip.Builder) {
	exists, err := w.ports.Exists(ctx, x.of)
	if err == nil && !exists {
		return event.Notice{}, req.Response(404, "")
	}
	var view View
	if err == nil {
		view, err = w.ports.Presence.Look(ctx, x.of, x.by)
	}
	if err == nil && !view.Seen && !view.Asking && lasting && w.mayAsk(x) {
		if err = w.ports.Presence.Ask(ctx, x.by, x.of); err == nil {
			view, err = w.ports.Presence.Look(ctx, x.of, x.by)
		}
	}
	if err != nil {
		return event.Notice{}, w.explain(req, err)
	}
	return w.notify(x.of, view), nil
}

// explain is the answer for what can't be watched.
func (w *Watch) explain(req *sip.Message, err error) *sip.Builder {
	e, ok := errors.AsType[*xmpp.StanzaError](err)
	switch {
	case !ok || e.Condition == xmpp.InternalServerError:
		w.c.Log.Error("a SUBSCRIBE failed", "call", req.CallID(), "err", err)
		return req.Response(500, "")
	case e.Condition == xmpp.ResourceConstraint:
		return req.Response(503, "Too Many Contacts").Set(sip.HeaderRetryAfter, "3600")
	}
	return req.Response(403, "")
}

// mayAsk says whether somebody may be asked to be seen: if that was not done lately.
func (w *Watch) mayAsk(x *watcher) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked.first(pair{x.by, x.of}, w.c.Now())
}

// reserve counts a subscription that is to be made, unless there are too many.
func (w *Watch) reserve(req *sip.Message, a core.Address) *sip.Builder {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts[a] >= w.c.PerAccount {
		return req.Response(503, "Too Many Subscriptions").Set(sip.HeaderRetryAfter, "600")
	}
	w.counts[a]++
	return nil
}

func (w *Watch) release(a core.Address) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.free(a)
}

// free gives back what reserve took. w.mu is held.
func (w *Watch) free(a core.Address) {
	if w.counts[a]--; w.counts[a] <= 0 {
		delete(w.counts, a)
	}
}

// add notes a subscription that stands. What has changed since its first notice was made is told at once.
func (w *Watch) add(x *watcher, sub *event.Subscription) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x.sub = sub
	if x.ended { // its state was wanted once, or refused
		return
	}
	w.watchers[x.of] = append(slices.Clip(w.watchers[x.of]), x)
	w.look(x.of)
}

func (w *Watch) respond(s *transaction.Server, b *sip.Builder) {
	if w.c.Server != "" {
		b.Set(sip.HeaderServer, w.c.Server)
	}
	resp, err := b.ToTag(transaction.NewTag()).Message()
	if err != nil {
		w.c.Log.Error("response could not be written", "call", s.Request().CallID(), "err", err)
		return
	}
	s.Respond(resp)
}

// user is the user of a URI as it is written. It stands in our Contact, so that what comes for a subscription of before a
// restart is known to be for one.
func user(uri string) string {
	u, err := sip.ParseURI(uri)
	if err != nil {
		return ""
	}
	return u.User
}
