package sipedge

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/siptest"
	"parley/sip/transport"
)

// tokens are those of two devices; "broken" breaks.
type deviceTokens map[string]core.Device

func (d deviceTokens) Token(_ context.Context, token, source string) (core.Device, error) {
	if token == "broken" || source != "127.0.0.1" {
		return core.Device{}, errors.New("the disk is gone")
	}
	if found, ok := d[token]; ok {
		return found, nil
	}
	return core.Device{}, core.ErrNoDevice
}

func (d deviceTokens) Stands(context.Context, core.Address, string) bool { return true }

func withDevices(t *testing.T) *world {
	t.Helper()
	return makeWorld(t, transport.Limits{}, deviceTokens{
		"alices": {ID: "a", Account: core.Address{Local: "alice", Domain: "example.org"}},
		"bobs":   {ID: "b", Account: core.Address{Local: "bob", Domain: "example.org"}},
	})
}

func bearerIs(token string) siptest.Edit {
	return siptest.With(sip.HeaderAuthorization, "Bearer "+token)
}

func TestATokenRegistersAndCalls(t *testing.T) {
	t.Parallel()
	w := withDevices(t)
	p := siptest.UDP(t, "bob@example.org", w.addr)
	p.Register(bearerIs("bobs"))
	p.Expect("200 REGISTER")
	w.mu.Lock()
	if got := w.bindings["bob"]; len(got) != 1 || got[0].Device != "b" {
		t.Errorf("bound are %+v", got)
	}
	w.mu.Unlock()
	caller := siptest.UDP(t, "alice@example.org", w.addr)
	caller.Invite("bob@example.org", bearerIs("alices"))
	caller.Ignore("100")
	invite := p.Expect("INVITE")
	if strings.Contains(invite.Text(), "alices") {
		t.Errorf("the callee is told the caller's token:\n%s", invite.Text())
	}
	p.Respond(invite, 486)
	caller.Expect("486")
	p.Expect("ACK")
	caller.Request(sip.MESSAGE, "bob@example.org", siptest.With(sip.HeaderProxyAuthorization, "bearer alices"), siptest.WithBody("text/plain", "hi"))
	p.Respond(p.Expect("MESSAGE"), 200)
	caller.Expect("200 MESSAGE")
	if w.failures.Load() != 0 {
		t.Error("the guard counted a failure")
	}
}

// Wrong and foreign tokens get the same answer, on every method.
func TestABadTokenIsRefused(t *testing.T) {
	t.Parallel()
	w := withDevices(t)
	p := siptest.UDP(t, "alice@example.org", w.addr)
	var answers []string
	for _, token := range []string{"nobodys", "bobs", "", "a b c"} {
		p.Register(bearerIs(token))
		answers = append(answers, p.Expect("401 REGISTER").Get(sip.HeaderWWWAuthenticate))
		invite := p.Invite("bob@example.org", bearerIs(token))
		resp := p.Expect("401 INVITE")
		p.Ack(invite, resp)
		answers = append(answers, resp.Get(sip.HeaderWWWAuthenticate))
	}
	for _, a := range answers {
		if a != `Bearer realm="example.org", error="invalid_token"` {
			t.Errorf("a bad token is answered by %q", a)
		}
	}
	p.Request(sip.MESSAGE, "bob@example.org", siptest.With(sip.HeaderProxyAuthorization, "Bearer bobs"))
	if a := p.Expect("407 MESSAGE").Get(sip.HeaderProxyAuthenticate); a != answers[0] {
		t.Errorf("a bad token in Proxy-Authorization is answered by %q", a)
	}
	if n := w.failures.Load(); n != 9 {
		t.Errorf("the guard counted %d failures, want 9", n)
	}
	p.Register(bearerIs("broken"))
	p.Expect("500 REGISTER")
	w.wait.Store(1e9)
	p.Register(bearerIs("bobs"))
	if after := p.Expect("503 REGISTER").Get(sip.HeaderRetryAfter); after != "1" {
		t.Errorf("Retry-After is %q", after)
	}
	p.Register(bearerIs("alices")) // which nobody can guess
	p.Expect("200 REGISTER")
}

func TestNobodyIsAskedForAToken(t *testing.T) {
	t.Parallel()
	w := withDevices(t)
	p := siptest.UDP(t, "alice@example.org", w.addr)
	p.Register()
	for value := range p.Expect("401").Values(sip.HeaderWWWAuthenticate) {
		if !strings.HasPrefix(value, "Digest ") {
			t.Errorf("asked for %q", value)
		}
	}
	p = siptest.UDP(t, "alice@example.org", newWorld(t).addr)
	p.Register(bearerIs("alices"))
	if a := p.Expect("401").Get(sip.HeaderWWWAuthenticate); !strings.HasPrefix(a, "Digest ") {
		t.Errorf("without devices a token is answered by %q", a)
	}
}

// wireFlow is a connection of some place.
type wireFlow struct {
	sip.Flow
	secure bool
	remote string
}

func (f wireFlow) Secure() bool           { return f.secure }
func (f wireFlow) Remote() netip.AddrPort { return netip.MustParseAddrPort(f.remote) }

func TestATokenThatOthersHeardIsNone(t *testing.T) {
	t.Parallel()
	w := withDevices(t)
	req := siptest.Request(sip.REGISTER, "alice@example.org", "alice@example.org", bearerIs("alices"))
	for _, test := range []struct {
		flow wireFlow
		want bool
	}{
		{wireFlow{secure: true, remote: "192.0.2.7:5061"}, true},
		{wireFlow{remote: "192.0.2.7:5060"}, false},
		{wireFlow{remote: "127.0.0.1:5060"}, true},
		{wireFlow{remote: "[::ffff:127.0.0.1]:5060"}, true},
		{wireFlow{remote: "[2001:db8::1]:5060"}, false},
	} {
		in := &inbound{edge: w.edge, req: req, flow: test.flow}
		if token, _, found := in.bearer(); found != test.want || found && token != "alices" {
			t.Errorf("over %+v: %q, %v", test.flow, token, found)
		}
	}
}
