package sipedge

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/core"
	"parley/sdp"
	"parley/sip"
	"parley/sip/transaction"
	"parley/sip/transport"
)

// allowed is what the server routes or answers itself.
const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, MESSAGE, REGISTER, REFER, NOTIFY, SUBSCRIBE, PUBLISH"

// inbound is a request that came in, with our own routes already taken off.
type inbound struct {
	edge   *Edge
	server *transaction.Server
	req    *sip.Message
	flow   sip.Flow
	popped []sip.URI
	device string // whose token proved it, by its id
}

// serve answers a request that begins something; it may take its time.
func (in *inbound) serve(ctx context.Context) {
	e := in.edge
	switch method := in.req.Method(); {
	case method == sip.REGISTER:
		in.register(ctx)
	case e.forUs(in.server):
		in.options()
	default:
		in.begin(ctx, method)
	}
}

// begin goes by the methods that may begin something with an account.
func (in *inbound) begin(ctx context.Context, method sip.Method) {
	e := in.edge
	switch method {
	case sip.INVITE, sip.MESSAGE, sip.OPTIONS:
		in.route(ctx)
	case sip.SUBSCRIBE, sip.PUBLISH:
		in.event(ctx)
	case sip.BYE, sip.INFO, sip.UPDATE, sip.PRACK, sip.NOTIFY: // rfc3261#12.2.2
		e.refuse(in.server, 481, "")
	default:
		e.respond(in.server, in.req.Response(405, "").Set(sip.HeaderAllow, allowedBut(method)))
	}
}

// allowedBut is what is allowed where one method is not (rfc3261#21.4.6): within a call it may be.
func allowedBut(method sip.Method) string {
	list := slices.DeleteFunc(strings.Split(allowed, ", "), func(m string) bool { return m == string(method) })
	return strings.Join(list, ", ")
}

// forUs says whether a request is to the server itself: our host without a user.
func (e *Edge) forUs(s *transaction.Server) bool {
	u, err := sip.ParseURI(s.Request().Target())
	return err == nil && u.User == "" && e.isOurs(u, s.Flow())
}

func (in *inbound) options() {
	if in.req.Method() != sip.OPTIONS {
		in.edge.respond(in.server, in.req.Response(405, "").Set(sip.HeaderAllow, "OPTIONS, REGISTER"))
		return
	}
	// rfc3261#11.2
	b := in.req.Response(200, "").Set(sip.HeaderAllow, allowed).
		Set(sip.HeaderAccept, "application/sdp").Set(sip.HeaderSupported, "path")
	if events := in.edge.ports.Events; events != nil {
		b.Set(sip.HeaderAllowEvents, events.Allow())
	}
	in.edge.respond(in.server, b)
}

// register proves the account and has the registrar answer.
func (in *inbound) register(ctx context.Context) {
	e := in.edge
	target, err := sip.ParseURI(in.req.Target())
	if err != nil || !e.isOurs(target, in.flow) {
		e.refuse(in.server, 404, "Not a Registrar for This Domain")
		return
	}
	to, err := in.req.To()
	if err != nil {
		e.refuse(in.server, 400, "Bad To")
		return
	}
	aor, ours, err := e.address(to.URI, in.flow)
	if !ours || err != nil { // rfc3261#10.3 step 5
		e.refuse(in.server, 404, "")
		return
	}
	id, ok := in.prove(ctx, registrarAuth, aor)
	if !ok {
		return
	}
	if id != aor { // rfc3261#10.3 step 4: nobody registers for another
		e.log.Warn("registration for another's address refused", "account", id.String(), "to", aor.String(),
			"source", in.flow.Remote().String())
		e.refuse(in.server, 403, "Not Your Address")
		return
	}
	e.respond(in.server, e.ports.Registrar.Register(ctx, aor, in.device, in.flow, in.req))
}

// route finds out who calls whom, has the plan made, and runs it.
func (in *inbound) route(ctx context.Context) {
	e := in.edge
	if in.req.Method() == sip.INVITE && e.draining.Load() {
		e.respond(in.server, in.req.Response(503, "Server Is Stopping").Set(sip.HeaderRetryAfter, "30"))
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
	call := &core.Call{
		ID: in.req.CallID(), Method: string(in.req.Method()), From: caller, To: to,
		ToURI: in.req.Target(), Media: in.media(),
	}
	plan, err := e.ports.Planner.Plan(ctx, call)
	if err != nil {
		e.log.Info("call refused", "call", call.ID, "from", caller.Address.String(), "to", to.String(),
			"known", caller.Known, "reason", core.AsError(err).Public, "err", core.AsError(err).Err)
		e.fail(in.server, err)
		return
	}
	transport.Prove(in.flow) // a stranger who is let in may stay for his call
	if in.req.Method() == sip.MESSAGE && e.ports.Message != nil {
		e.respond(in.server, e.ports.Message(ctx, call, in.flow, in.req))
		return
	}
	e.run(ctx, in, call, plan)
}

// caller proves who asks. A From of our domains has to be proved by its own password; any other is
// a stranger's.
func (in *inbound) caller(ctx context.Context) (core.Caller, bool) {
	e := in.edge
	if c, ok, err := e.agents.caller(in.flow, in.req); ok {
		if err != nil {
			e.fail(in.server, err)
		}
		return c, err == nil
	}
	from, err := in.req.From()
	if err != nil {
		e.refuse(in.server, 400, "Bad From")
		return core.Caller{}, false
	}
	caller := core.Caller{Source: in.flow.Remote(), NATed: in.nated(), Network: in.flow.Network()}
	address, ours, err := e.address(from.URI, in.flow)
	if !ours {
		caller.Address = core.Address{Local: from.URI.UnescapedUser(), Domain: strings.ToLower(from.URI.Host)}
		return caller, true
	}
	if err != nil {
		e.refuse(in.server, 403, "From Is No Address Here")
		return caller, false
	}
	id, ok := in.prove(ctx, proxyAuth, address)
	if !ok {
		return caller, false
	}
	if id != address {
		e.log.Warn("forged From refused", "account", id.String(), "from", address.String(), "source", caller.Source.String())
		e.refuse(in.server, 403, "From Is Not Yours")
		return caller, false
	}
	caller.Address, caller.Known = address, true
	return caller, true
}

func (in *inbound) callee(caller core.Caller) (core.Address, bool) {
	e := in.edge
	target, err := sip.ParseURI(in.req.Target())
	if err != nil {
		e.refuse(in.server, 400, "Bad Request-URI")
		return core.Address{}, false
	}
	to, ours, err := e.address(target, in.flow)
	switch {
	case !ours && caller.Known:
		e.refuse(in.server, 403, "Other Domains Are Not Served")
	case !ours:
		e.log.Warn("relaying refused", "to", target.String(), "source", caller.Source.String())
		e.refuse(in.server, 403, "Relaying Denied")
	case err != nil:
		e.refuse(in.server, 404, "")
	default:
		return to, true
	}
	return core.Address{}, false
}

// nated: the caller seems to be behind a NAT that his media does not get through by itself.
func (in *inbound) nated() bool {
	contacts, _, err := in.req.Contacts()
	if err != nil || len(contacts) == 0 || in.flow.Network() == sip.WS || in.flow.Network() == sip.WSS {
		return false // browsers have ICE
	}
	via, _ := in.req.Via()
	return sip.BehindNAT(contacts[0].URI, via, in.flow.Network(), in.flow.Remote())
}

// media reads what the plan has to know of the offer.
func (in *inbound) media() core.Media {
	if !strings.HasPrefix(strings.ToLower(in.req.Get(sip.HeaderContentType)), "application/sdp") {
		return core.Media{}
	}
	offer, err := sdp.Parse(in.req.Body())
	if err != nil {
		return core.Media{Offered: true}
	}
	media := core.Media{Offered: true, ICE: offer.HasICE(), Form: offer.Form().String(), Rare: offer.Rare()}
	if len(offer.Media) > 0 {
		media.Profile = offer.Media[0].Proto
	}
	return media
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// status is the response for a kind of failure.
func status(r core.Reason) int {
	switch r {
	case core.BadRequest:
		return 400
	case core.Forbidden:
		return 403
	case core.NotFound:
		return 404
	case core.Conflict:
		return 409
	case core.Unavailable:
		return 480
	case core.TooMany:
		return 503
	case core.Unsupported:
		return 501
	case core.Decline:
		return 603
	case core.NeedAuth:
		return 407
	case core.LoopDetected:
		return 482
	case core.NotAcceptable:
		return 488
	}
	return 500
}

// phrase makes a reason phrase of an error's public text.
func phrase(public string) string {
	if public == "" {
		return ""
	}
	return strings.ToUpper(public[:1]) + public[1:]
}
