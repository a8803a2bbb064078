package sipedge

import (
	"context"
	"errors"
	"strings"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/transport"
)

// prove proves that a request is an account's: by the token of one of its devices, if it brings one, else by its password. What
// was proved may be another account than asked for only by a password. A good token never waits for the guard: it can't be guessed.
func (in *inbound) prove(ctx context.Context, kind authKind, a core.Address) (core.Address, bool) {
	token, from, found := in.bearer()
	if !found {
		return in.authenticate(ctx, kind, a.Domain)
	}
	e, source, counted := in.edge, in.source(), a.Tokens()
	d, err := e.ports.Devices.Token(ctx, token, source)
	if err != nil && !errors.Is(err, core.ErrNoDevice) {
		e.fail(in.server, err)
		return core.Address{}, false
	}
	if err != nil || d.Account != a { // another's token is as good as none
		if wait := e.ports.Guard.Check(source, counted); wait > 0 {
			e.respond(in.server, in.req.Response(503, "Too Many Wrong Tokens").Set(sip.HeaderRetryAfter, seconds(wait)))
			return core.Address{}, false
		}
		e.ports.Guard.Failed(source, counted)
		e.log.Warn("wrong token", "account", a.String(), "source", source, "agent", in.req.Get(sip.HeaderUserAgent))
		e.respond(in.server, in.req.Response(from.status, "").
			Add(from.challenge, `Bearer realm="`+a.Domain+`", error="invalid_token"`)) // rfc8898#4
		return core.Address{}, false
	}
	e.ports.Guard.Succeeded(source, counted)
	transport.Prove(in.flow)
	in.device = d.ID
	return a, true
}

// bearer finds a token that the request brings unasked (rfc8898#2.2, rfc8898#2.3), and how to refuse it. Browsers
// put it into Authorization, whoever asks. One that was said where others can hear it counts for nothing (rfc8898#2.1.2).
func (in *inbound) bearer() (token string, from authKind, found bool) {
	if in.edge.ports.Devices == nil {
		return "", authKind{}, false
	}
	for _, kind := range []authKind{registrarAuth, proxyAuth} {
		for value := range in.req.Values(kind.answer) {
			scheme, token, _ := strings.Cut(value, " ")
			if !strings.EqualFold(scheme, "Bearer") {
				continue
			}
			if !in.flow.Secure() && !in.flow.Remote().Addr().Unmap().IsLoopback() {
				in.edge.log.Warn("a token came over a connection without TLS", "source", in.source())
				return "", kind, false
			}
			return strings.TrimSpace(token), kind, true
		}
	}
	return "", authKind{}, false
}

// EndDevice ends the connections of bindings whose device was signed out.
func (e *Edge) EndDevice(gone []core.Binding) {
	for _, b := range gone {
		if f, ok := e.transport.Flow(b.Flow); ok {
			if c, ok := f.(transport.Connection); ok {
				c.Close("the device was signed out")
			}
		}
	}
}
