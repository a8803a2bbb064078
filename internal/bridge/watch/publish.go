package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"parley/internal/address"
	"parley/internal/bridge"
	"parley/internal/core"
	"parley/sip"
	"parley/sip/event"
	"parley/sip/pidf"
	"parley/xmpp/im"
)

// publisher is a phone that publishes.
type publisher struct {
	account  core.Address
	resource string
	device   string // whose token proved it, "" if none did
}

// check is what a document must be to be published.
func check(_, body string) error {
	_, err := pidf.Parse(body)
	return err
}

// Publish answers the PUBLISH of an account's phone. device is the one whose token proved it, "" if none did.
func (w *Watch) Publish(ctx context.Context, c *core.Call, device string, f sip.Flow, req *sip.Message) *sip.Builder {
	a := c.From.Address
	if c.To != a { // rfc3903#6: everybody publishes of himself
		return req.Response(403, "Not Your Presence")
	}
	return w.published.Publish(a.String(), publisher{a, w.resource(ctx, a, f), device}, req)
}

// resource is that of the phone which uses a flow.
func (w *Watch) resource(ctx context.Context, a core.Address, f sip.Flow) string {
	bindings, err := w.ports.Location.Bindings(ctx, a)
	if err != nil {
		w.c.Log.Error("bindings not read", "account", a.String(), "err", err)
	}
	for _, b := range bindings {
		if b.Flow == f.ID() {
			return w.ports.Resource(a, b)
		}
	}
	sum := sha256.Sum256([]byte(a.String() + "\x00" + f.ID())) // it publishes without having registered
	return "phone-" + hex.EncodeToString(sum[:6])
}

// publishedChanged is told of an account whose publications have changed.
func (w *Watch) publishedChanged(account string) {
	a, err := address.Parse(account)
	if err != nil {
		w.c.Log.Error("published by nobody", "account", account, "err", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told[a] = struct{}{}
	w.stir()
}

// show has the contacts of an account see what its phones publish now.
func (w *Watch) show(ctx context.Context, a core.Address) {
	all := w.published.Of(a.String())
	owner := address.JID(a)
	w.mu.Lock()
	if w.publishers[owner] = a; len(all) == 0 {
		delete(w.publishers, owner)
	}
	w.mu.Unlock()
	next, now := w.payloads(a, all), w.shown[a]
	for _, resource := range slices.Sorted(maps.Keys(now)) {
		if _, stays := next[resource]; !stays {
			w.log(a, w.ports.Presence.Retract(ctx, owner.With(resource)))
		}
	}
	for _, resource := range slices.Sorted(maps.Keys(next)) {
		if before, was := now[resource]; !was || before != next[resource] {
			w.log(a, w.ports.Presence.Publish(ctx, owner.With(resource), next[resource]))
		}
	}
	if w.shown[a] = next; len(next) == 0 {
		delete(w.shown, a)
	}
}

func (w *Watch) log(a core.Address, err error) {
	if err != nil {
		w.c.Log.Error("presence of a phone not shown", "account", a.String(), "err", err)
	}
}

// payloads is what the presence of each phone of an account holds that is available. Of two publications of one phone the
// later counts. A device that is available as an app too is shown by that alone.
func (w *Watch) payloads(a core.Address, all []event.Publication[publisher]) map[string]string {
	next := map[string]string{}
	sessions := w.ports.Sessions.Of(address.JID(a))
	for _, p := range all {
		delete(next, p.Of.resource)
		if p.Of.device != "" && slices.ContainsFunc(sessions, func(s *im.Session) bool {
			info := s.Info()
			return !info.Phone && info.Device == p.Of.device && s.Availability() != nil
		}) {
			continue
		}
		shown, ok := best(p.Body)
		if !ok {
			continue
		}
		// Who takes no messages says so by a negative priority (rfc6121#4.7.2.3).
		shown.Priority = -1
		if w.ports.Sessions.Get(address.JID(a).With(p.Of.resource)) != nil {
			shown.Priority = 0
		}
		next[p.Of.resource] = shown.Payload()
	}
	return next
}

// best is what a document says of its phone, that is one resource: its first tuple that is open. ok is false if none is.
func best(document string) (shown bridge.Available, ok bool) {
	d, err := pidf.Parse(document)
	if err != nil {
		return shown, false // it was checked
	}
	for _, a := range bridge.FromPIDF(d) {
		if !a.Gone {
			a.Status = cut(a.Status, maxStatus)
			return a, true
		}
	}
	return shown, false
}

// activities are what an account's phones publish of themselves, by resource, in SIP's own words: XMPP has fewer.
func (w *Watch) activities(a core.Address) map[string][]string {
	all := map[string][]string{}
	for _, p := range w.published.Of(a.String()) {
		d, err := pidf.Parse(p.Body)
		if err != nil {
			continue
		}
		for _, t := range d.Tuples {
			if t.Basic == "closed" {
				continue
			}
			all[p.Of.resource] = t.Activities
			if len(t.Activities) == 0 {
				all[p.Of.resource] = d.Activities
			}
			break
		}
	}
	return all
}
