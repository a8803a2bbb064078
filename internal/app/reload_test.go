package app

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/config"
	"parley/internal/core"
	"parley/sip"
	"parley/sip/siptest"
)

// changing is a server whose settings change.
type changing struct {
	*testing.T
	*App
	cfg config.Config
}

// newChanging starts one with the accounts alice and bob; bob has a phone somewhere.
func newChanging(t *testing.T) *changing {
	t.Helper()
	c := &changing{T: t, cfg: settings(t)}
	c.App = open(t, c.cfg)
	t.Cleanup(func() { stop(t, c.App) })
	for _, name := range []string{"alice", "bob"} {
		if err := c.store.accounts.Create(t.Context(), core.Address{Local: name, Domain: "localhost"}, "secret", false); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// becomes reloads the configuration with a change.
func (c *changing) becomes(change func(*config.Config)) {
	c.Helper()
	change(&c.cfg)
	if err := c.Reload(c.cfg); err != nil {
		c.Fatal(err)
	}
}

func (c *changing) alice() *siptest.Peer {
	p := siptest.UDP(c.T, "alice@localhost", c.Addresses()["sip-udp"][0])
	p.Timeout = 20 * time.Second
	return p
}

// plan is what would become of a call between accounts.
func (c *changing) plan() string {
	c.Helper()
	to := core.Address{Local: "bob", Domain: "localhost"}
	x, err := c.Explain(c.Context(), alice, to)
	if err != nil {
		c.Fatal(err)
	}
	return x.Plan
}

func TestReloadChangesHowCallsRun(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	siptest.UDP(t, "bob@localhost", c.Addresses()["sip-udp"][0]).SignIn("secret")
	for _, x := range []struct {
		change func(*config.Config)
		begins string
		ends   string
	}{
		{func(*config.Config) {}, "proxied: ", " 1m0s"},
		{func(s *config.Config) { s.Calls.Ring = 7 * time.Second }, "proxied: ", " 7s"},
		{func(s *config.Config) { s.Calls.Anchor = config.AnchorAlways }, "back-to-back: ", " 7s"},
		{func(s *config.Config) { s.Calls.Mode = config.ModeProxied }, "proxied: ", " 7s"},
		{func(s *config.Config) { s.Calls.Anchor, s.Calls.Mode = config.AnchorNever, config.ModeAuto }, "proxied: ", " 7s"},
	} {
		c.becomes(x.change)
		if got := c.plan(); !strings.HasPrefix(got, x.begins) || !strings.HasSuffix(got, x.ends) {
			t.Errorf("with %+v the plan is %q, want %s...%s", c.cfg.Calls, got, x.begins, x.ends)
		}
	}
	anchor, err := c.anchor()
	if err != nil {
		t.Fatal(err)
	}
	if anchor(&core.Call{}) != nil {
		t.Error("media is anchored although it never shall be")
	}
}

func TestReloadChangesWhatMayBeRegistered(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	register := func(contact string) int {
		p := c.alice()
		first := p.Register(siptest.With(sip.HeaderExpires, "5"), siptest.With(sip.HeaderContact, contact))
		p.Authorize(first, p.Expect("401"), "secret")
		return p.Expect("200", "423", "403").Status()
	}
	if got := register("<sip:a@192.0.2.1>"); got != 423 {
		t.Errorf("five seconds are answered %d", got)
	}
	c.becomes(func(s *config.Config) { s.Registrar.MinExpires, s.Registrar.Contacts = time.Second, 1 })
	if got := register("<sip:a@192.0.2.1>"); got != 200 {
		t.Errorf("five seconds, of which one would do, are answered %d", got)
	}
	if got := register("<sip:a@192.0.2.2>"); got != 403 {
		t.Errorf("a second contact of one is answered %d", got)
	}
}

func TestReloadChangesWhatGuessingCosts(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	c.becomes(func(s *config.Config) { s.Auth.FreeTries, s.Auth.FirstDelay, s.Auth.MaxDelay = 1, time.Hour, time.Hour })
	p := c.alice()
	first := p.Register()
	second := p.Authorize(first, p.Expect("401"), "a guess")
	p.Authorize(second, p.Expect("401"), "another")
	p.Expect("503")
	c.becomes(func(s *config.Config) { s.Auth.FreeTries = 100 })
	p.SignIn("secret")
}

func TestReloadChangesChallenges(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	offers := func() string {
		p := c.alice()
		p.Register(siptest.With(sip.HeaderUserAgent, "Newphone/1"))
		return p.Expect("401").Get(sip.HeaderWWWAuthenticate)
	}
	if got := offers(); strings.Contains(got, "SHA-256") {
		t.Errorf("a phone that nobody has listed is asked for %s", got)
	}
	c.becomes(func(s *config.Config) { s.Auth.SHA256Agents = []string{"Newphone"} })
	if got := offers(); !strings.Contains(got, "SHA-256") {
		t.Errorf("a phone that is listed is asked for %s", got)
	}
}

func TestReloadChangesTheEcho(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	c.becomes(func(s *config.Config) { s.Echo.MaxCalls = 1 })
	first, second := c.alice(), c.alice()
	first.Ignore("180")
	second.Ignore("180")
	call := func(p *siptest.Peer) (*siptest.Dialog, int) {
		invite := p.Call("echo@localhost", "secret")
		resp := p.Expect("200", "486")
		p.Ack(invite, resp)
		return p.Dialog(invite, resp), resp.Status()
	}
	call(first)
	if _, status := call(second); status != 486 {
		t.Errorf("a second call of one is answered %d", status)
	}
	c.becomes(func(s *config.Config) { s.Echo.MaxCalls, s.Calls.MaxDuration = 2, 300*time.Millisecond })
	if _, status := call(second); status != 200 {
		t.Errorf("a second call of two is answered %d", status)
	}
	second.Respond(second.Expect("BYE"), 200) // its time is up
}

func TestReloadChangesWhatAccountsBeginWith(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	c.becomes(func(s *config.Config) { s.Accounts.Strangers = true })
	carol := core.Address{Local: "carol", Domain: "localhost"}
	if err := c.users().Create(t.Context(), carol, "secret"); err != nil {
		t.Fatal(err)
	}
	if a, err := c.store.accounts.Account(t.Context(), carol); err != nil || !a.Strangers {
		t.Errorf("the account is %+v, %v", a, err)
	}
}

func TestReloadChangesOrigins(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	visit := func() int {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		conn, resp, err := websocket.Dial(ctx, "wss://"+c.Addresses()["https"][0]+"/sip", &websocket.DialOptions{
			HTTPClient:   &http.Client{Transport: &http.Transport{TLSClientConfig: anyone(), DisableKeepAlives: true}},
			HTTPHeader:   http.Header{"Origin": {"https://pages.example"}},
			Subprotocols: []string{"sip"},
		})
		if err == nil {
			conn.CloseNow()
		}
		if resp == nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	if got := visit(); got != http.StatusForbidden {
		t.Errorf("another site's page is answered %d", got)
	}
	c.becomes(func(s *config.Config) { s.Web.Origins = []string{"https://pages.example"} })
	if got := visit(); got != http.StatusSwitchingProtocols {
		t.Errorf("a page that may is answered %d", got)
	}
	c.becomes(func(s *config.Config) { s.Web.Origins = nil })
	if got := visit(); got != http.StatusForbidden {
		t.Errorf("a page that may no more is answered %d", got)
	}
}

func TestReloadChangesLimitsOfConnections(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	c.becomes(func(s *config.Config) { s.SIP.ConnectionsPerAddress = 1 })
	for _, listener := range []string{"sip-tcp", "https"} {
		first, second := c.connect(listener), c.connect(listener)
		if !c.closed(second) {
			t.Errorf("%s: a second connection of one is taken", listener)
		}
		if c.closed(first) {
			t.Errorf("%s: the first is not", listener)
		}
	}
	c.becomes(func(s *config.Config) { s.SIP.ConnectionsPerAddress = 10 })
	for _, listener := range []string{"sip-tcp", "https"} {
		if c.closed(c.connect(listener)) {
			t.Errorf("%s: a second connection of ten is closed", listener)
		}
	}
	c.becomes(func(s *config.Config) { s.SIP.FirstMessageTime = 100 * time.Millisecond })
	if late := c.connect("sip-tcp"); !c.closed(late) {
		t.Error("a silent connection outlives the time for its first message")
	}
}

func (c *changing) connect(listener string) net.Conn {
	c.Helper()
	conn, err := net.Dial("tcp", c.Addresses()[listener][0])
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { conn.Close() })
	return conn
}

// closed says that the server ends a connection soon.
func (c *changing) closed(conn net.Conn) bool {
	c.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		c.Fatal(err)
	}
	_, err := conn.Read(make([]byte, 1))
	timeout, ok := err.(net.Error) //nolint:errorlint // a net.Conn gives it as it is
	return !ok || !timeout.Timeout()
}

func TestReloadLeavesWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	c.becomes(func(s *config.Config) {
		s.SIP.T1, s.Server.Domains, s.Echo.Enabled, s.Calls.Ring = time.Second, []string{"example.org"}, false, 9*time.Second
	})
	now := c.current.Load()
	if now.Calls.Ring != 9*time.Second {
		t.Errorf("ring is %v", now.Calls.Ring)
	}
	if now.SIP.T1 == time.Second || now.Server.Domains[0] != "localhost" || !now.Echo.Enabled {
		t.Errorf("what needs a restart was taken over: %v, %v, %v", now.SIP.T1, now.Server.Domains, now.Echo.Enabled)
	}
	broken := c.cfg
	broken.TLS.Certificate, broken.TLS.Key, broken.Calls.Ring = "none", "none", 10*time.Second
	if err := c.Reload(broken); err == nil || c.current.Load().Calls.Ring != 9*time.Second {
		t.Errorf("of a configuration whose certificate is not there: %v, ring is %v", err, c.current.Load().Calls.Ring)
	}
}
