package sipedge

import (
	"cmp"
	"context"
	"net/netip"
	"strings"
	"time"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/proxy"
)

// dialTimeout bounds how long a call waits for a connection to one of its targets.
const dialTimeout = 3 * time.Second

// run carries a plan out.
func (e *Edge) run(ctx context.Context, in *inbound, call *core.Call, plan *core.Plan) {
	e.log.Info("plan", "call", call.ID, "method", call.Method, "from", call.From.Address.String(), "known", call.From.Known,
		"to", call.To.String(), "plan", plan.String(), "why", plan.Why)
	waves := e.waves(ctx, call, plan)
	if call.Method == "INVITE" && plan.Mode == core.BackToBack {
		e.b2b.call(in, call, plan, waves)
		return
	}
	forward := proxy.Forward{Request: in.req, Waves: waves, Edit: e.clean}
	if call.Method == "INVITE" {
		forward.RecordRoute = e.recordRoute(call.ID)
		e.calls.begin(call, e.cfg.Now())
		forward.Observer = &callObserver{edge: e, call: call}
	}
	e.proxy.Forward(in.server, forward)
}

// callObserver follows a proxied call until it is answered or over.
type callObserver struct {
	edge *Edge
	call *core.Call
}

func (o *callObserver) Provisional(*proxy.Target, *sip.Message) {}

func (o *callObserver) Branch(t *proxy.Target, status int, err error) {
	o.edge.log.Debug("branch", "call", o.call.ID, "target", t.Name, "status", status, "err", err)
}

func (o *callObserver) Final(t *proxy.Target, resp *sip.Message) {
	name := ""
	if t != nil {
		name = t.Name
	}
	o.edge.log.Info("call answered", "call", o.call.ID, "status", resp.Status(), "by", name)
	if resp.Status() < 300 {
		o.edge.calls.answered(o.call.ID, name, o.edge.cfg.Now())
		return
	}
	o.edge.calls.endUnanswered(o.call.ID) // its transactions take longer to end
}

func (o *callObserver) Ended() { o.edge.calls.endUnanswered(o.call.ID) }

// waves turns a plan's steps into the proxy's.
func (e *Edge) waves(ctx context.Context, call *core.Call, plan *core.Plan) []proxy.Wave {
	waves := make([]proxy.Wave, 0, len(plan.Steps))
	for _, step := range plan.Steps {
		w := proxy.Wave{Timeout: step.Ring}
		for _, t := range step.Targets {
			w.Targets = append(w.Targets, e.target(ctx, call, t))
		}
		waves = append(waves, w)
	}
	return waves
}

func (e *Edge) target(ctx context.Context, call *core.Call, t core.Target) proxy.Target {
	out := proxy.Target{Name: t.Name, URI: t.Binding.Contact, Routes: t.Binding.Path}
	if t.Agent != "" {
		out.Flow = e.agents.byName[t.Agent]
		out.URI = cmp.Or(t.Binding.Contact, call.ToURI)
		if out.Flow == nil {
			out.Fail = 480
		}
		return out
	}
	f, ok := e.Reach(ctx, t.Binding)
	if !ok {
		out.Fail = 480
		return out
	}
	out.Flow = f
	return out
}

// Reach finds the flow of a binding. When its connection is gone (after a restart, say) and the contact
// names the very address it came from, a new one is made there; no other address is ever connected
// to, or a contact could point us at anybody.
func (e *Edge) Reach(ctx context.Context, b core.Binding) (sip.Flow, bool) {
	contact, err := sip.ParseURI(b.Contact)
	if f, ok := e.transport.Flow(b.Flow); ok && !gone(f) {
		if err == nil {
			f = e.listens(f, contact, b)
		}
		return f, true
	}
	if err != nil || b.NATed || b.Network == sip.WS || b.Network == sip.WSS {
		return nil, false
	}
	addr, err := netip.ParseAddr(contact.Host)
	if err != nil || addr.Unmap() != b.Source.Addr().Unmap() {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	f, err := e.transport.Dial(ctx, b.Network, netip.AddrPortFrom(addr, port(contact, b.Network)), contact.Host)
	if err != nil {
		e.log.Info("device not reachable", "account", b.Account.String(), "contact", b.Contact, "err", err)
		return nil, false
	}
	return f, true
}

// listens is the flow to where a device listens. Over UDP that may be another port than it sends from.
func (e *Edge) listens(f sip.Flow, contact sip.URI, b core.Binding) sip.Flow {
	if b.NATed || len(b.Path) > 0 || f.Network() != sip.UDP || port(contact, sip.UDP) == f.Remote().Port() {
		return f
	}
	if addr, err := netip.ParseAddr(contact.Host); err != nil || addr.Unmap() != f.Remote().Addr().Unmap() {
		return f
	}
	if beside, ok := e.transport.Beside(f, port(contact, sip.UDP)); ok {
		return beside
	}
	return f
}

func port(u sip.URI, network string) uint16 {
	switch {
	case u.Port > 0 && u.Port < 1<<16:
		return uint16(u.Port)
	case network == sip.TLS || strings.EqualFold(u.Scheme, "sips"):
		return 5061 // rfc3261#19.1.2
	}
	return 5060
}
