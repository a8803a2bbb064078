package sipedge

import (
	"parley/sip"
	"parley/sip/proxy"
)

// inDialog takes a request that belongs to a dialog: of a back-to-back call, or of a proxied one,
// which its route set tells. It runs on the shard and needs no password: the dialog was made by
// somebody who had one, and its tokens are bound to it.
func (e *Edge) inDialog(in *inbound) bool {
	if e.b2b.serve(in.server) {
		return true
	}
	if in.req.ToTag() == "" {
		return false
	}
	if e.ports.Events != nil && e.ports.Events.Serve(in.server) {
		return true
	}
	to, ok := e.routed(in)
	if !ok {
		if in.req.Method() == sip.REGISTER || e.forUs(in.server) {
			return false
		}
		e.refuse(in.server, 481, "") // rfc3261#12.2.2
		return true
	}
	if gone(to) {
		e.refuse(in.server, 430, "Flow Failed") // rfc5626#11.5
		if in.req.Method() == sip.BYE {         // whom it doesn't reach has hung up in his way
			e.calls.end(in.req.CallID(), "hung up on a connection that is gone")
		}
		return true
	}
	e.forwardInDialog(in, to)
	return true
}

// routed finds the flow that the last of our routes names.
func (e *Edge) routed(in *inbound) (sip.Flow, bool) {
	if len(in.popped) == 0 {
		return nil, false
	}
	id, ok := e.tokens.read(in.popped[len(in.popped)-1].User, in.req.CallID())
	if !ok {
		return nil, false
	}
	f, ok := e.flow(id)
	if !ok {
		return deadFlow{}, true
	}
	return f, true
}

// gone says that a connection is no more.
func gone(f sip.Flow) bool {
	if f == (deadFlow{}) {
		return true
	}
	select {
	case <-f.Done():
		return f.Done() != nil
	default:
		return false
	}
}

// deadFlow stands for a connection that a token names and that is no more.
type deadFlow struct{ sip.Flow }

func (e *Edge) forwardInDialog(in *inbound, to sip.Flow) {
	target := proxy.Target{Name: to.ID(), URI: in.req.Target(), Flow: to}
	forward := proxy.Forward{
		Request: in.req,
		Waves:   []proxy.Wave{{Targets: []proxy.Target{target}}},
		Edit:    e.clean,
	}
	if in.req.Method() == sip.INVITE || in.req.Method() == sip.UPDATE || in.req.Method() == sip.SUBSCRIBE {
		forward.RecordRoute = e.recordRoute(in.req.CallID())
	}
	if in.req.Method() == sip.BYE {
		forward.Observer = &byeObserver{edge: e, callID: in.req.CallID()}
	}
	e.proxy.Forward(in.server, forward)
}

// byeObserver notes that a call is over.
type byeObserver struct {
	edge   *Edge
	callID string
}

func (o *byeObserver) Provisional(*proxy.Target, *sip.Message) {}
func (o *byeObserver) Branch(*proxy.Target, int, error)        {}
func (o *byeObserver) Final(*proxy.Target, *sip.Message)       { o.edge.calls.end(o.callID, "hung up") }

// Ended also comes for a BYE that nobody answered: its sender has hung up all the same.
func (o *byeObserver) Ended() { o.edge.calls.end(o.callID, "hung up") }

// onACK passes the ACK of a 2xx on; it runs on the shard.
func (e *Edge) onACK(f sip.Flow, ack *sip.Message) {
	if a, ok := e.agents.at(f); ok {
		a.ACK(f, ack)
		return
	}
	if e.b2b.ack(ack) {
		return
	}
	req, popped, err := proxy.Preprocess(ack, e.ours(f, ack.CallID()))
	if err != nil {
		return
	}
	to, ok := e.routed(&inbound{edge: e, req: req, popped: popped})
	if !ok || gone(to) {
		e.log.Debug("ACK without a way", "call", ack.CallID())
		return
	}
	if err := e.proxy.ForwardACK(req, to, e.cleanACK); err != nil {
		e.log.Debug("ACK not forwarded", "call", ack.CallID(), "err", err)
	}
}

// clean takes away what is between the caller and us: credentials, and an identity that
// nobody we trust has asserted (rfc3325#5).
func (e *Edge) clean(b *sip.Builder, _ *proxy.Target) { e.cleanACK(b) }

func (e *Edge) cleanACK(b *sip.Builder) {
	b.Remove(sip.HeaderProxyAuthorization).Remove(sip.HeaderAuthorization).
		Remove(sip.HeaderPAssertedIdentity).Remove(sip.HeaderPPreferredIdentity)
}

// ours says which Route values name this server.
func (e *Edge) ours(f sip.Flow, callID string) func(sip.URI) bool {
	return func(u sip.URI) bool {
		if _, ok := e.tokens.read(u.User, callID); ok {
			return true
		}
		return e.isOurs(u, f)
	}
}

func (e *Edge) recordRoute(callID string) func(sip.Flow) string {
	return func(f sip.Flow) string { return e.tokens.recordRoute(f, callID, e.cfg.Domains[0]) }
}
