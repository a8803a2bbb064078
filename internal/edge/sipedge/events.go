package sipedge

import (
	"context"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/transaction"
)

// Events serves what can be subscribed to and published (RFC 6665, RFC 3903).
type Events interface {
	// Allow is the Allow-Events header field.
	Allow() string
	// Serve takes a request within a dialog of its own, on the shard; it is false for one that is not.
	Serve(s *transaction.Server) bool
	// Subscribe answers a SUBSCRIBE that begins a subscription of a proved account. device is the one whose token proved
	// it, "" if none did.
	Subscribe(ctx context.Context, c *core.Call, device string, s *transaction.Server)
	// Publish answers the PUBLISH of a proved account, which came over a flow.
	Publish(ctx context.Context, c *core.Call, device string, f sip.Flow, req *sip.Message) *sip.Builder
}

// event proves who subscribes or publishes, and has that done.
func (in *inbound) event(ctx context.Context) {
	e := in.edge
	if e.ports.Events == nil { // rfc6665#7.2
		e.respond(in.server, in.req.Response(489, "Bad Event").Set(sip.HeaderAllow, allowed))
		return
	}
	caller, ok := in.caller(ctx)
	if !ok {
		return
	}
	to, ok := in.callee(caller)
	if !ok {
		return
	}
	if !caller.Known {
		e.log.Info("a stranger's event request refused", "call", in.req.CallID(), "to", to.String(), "source", caller.Source.String())
		e.refuse(in.server, 403, "")
		return
	}
	call := &core.Call{ID: in.req.CallID(), Method: string(in.req.Method()), From: caller, To: to, ToURI: in.req.Target()}
	if in.req.Method() == sip.PUBLISH {
		e.respond(in.server, e.ports.Events.Publish(ctx, call, in.device, in.flow, in.req))
		return
	}
	e.ports.Events.Subscribe(ctx, call, in.device, in.server)
}
