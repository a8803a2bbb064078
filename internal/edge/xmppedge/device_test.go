package xmppedge

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"sync"
	"testing"

	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/jid"
)

// devices are alice's and bob's tokens "alice-token" and "bob-token", and one of an account elsewhere.
type devices struct {
	mu   sync.Mutex
	gone bool
}

func (d *devices) Token(_ context.Context, token, _ string) (core.Device, error) {
	switch token {
	case "alice-token":
		return core.Device{ID: "alice-web", Account: core.Address{Local: "alice", Domain: "example.org"}}, nil
	case "bob-token":
		return core.Device{ID: "bob-web", Account: core.Address{Local: "bob", Domain: "example.org"}}, nil
	case "far-token":
		return core.Device{ID: "far", Account: core.Address{Local: "alice", Domain: "xn--bcher-kva.example"}}, nil
	case "broken":
		return core.Device{}, errors.New("the disk is gone")
	}
	return core.Device{}, core.ErrNoDevice
}

func (d *devices) Stands(_ context.Context, a core.Address, id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.gone && id == a.Local+"-web"
}

func withDevices(t *testing.T, c Config) (*world, *devices) {
	t.Helper()
	w, d := listening(t, c), &devices{}
	w.ports.Devices = d // nobody has connected yet
	return w, d
}

// token signs in by one and says how that ended: "success", or the failure's condition.
func (c *client) token(authzid, token string) string {
	c.t.Helper()
	if authzid != "" {
		authzid = "a=" + authzid
	}
	c.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='OAUTHBEARER'>" +
		base64.StdEncoding.EncodeToString([]byte("n,"+authzid+",\x01auth=Bearer "+token+"\x01\x01")) + "</auth>")
	e := c.hear()
	if e.Local == "challenge" {
		c.say("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AQ==</response>")
		e = c.hear()
	}
	if e.Local == "failure" {
		return e.Children[0].Local
	}
	return e.Local
}

func TestADeviceSignsInByItsToken(t *testing.T) {
	t.Parallel()
	w, _ := withDevices(t, Config{})
	for _, authzid := range []string{"", "alice@example.org"} {
		c := dialTLS(t, w.tls)
		c.open()
		if got := c.token(authzid, "alice-token"); got != "success" {
			t.Fatalf("as %q: %s", authzid, got)
		}
		c.open()
		c.bind("x" + authzid[:min(1, len(authzid))])
	}
	list := w.table.Of(jid.JID{Local: "alice", Domain: "example.org"})
	if len(list) != 1 || list[0].JID().Resource != "xa" || list[0].Info().Device != "alice-web" || list[0].Info().Mechanism != "OAUTHBEARER" {
		t.Errorf("a device has %d sessions, want the last alone", len(list))
	}
	if w.guard.failed != nil || !slices.Equal(w.guard.succeeded, []string{"alice@tokens of example.org", "alice@tokens of example.org"}) {
		t.Errorf("the guard heard of %q and %q", w.guard.failed, w.guard.succeeded)
	}
}

func TestABadTokenSignsNobodyIn(t *testing.T) {
	t.Parallel()
	w, _ := withDevices(t, Config{Limits: Limits{AuthTries: 20}})
	c := dialTLS(t, w.tls)
	c.open()
	for _, test := range []struct{ authzid, token, want string }{
		{"", "x", "not-authorized"},
		{"alice@example.org", "x", "not-authorized"},
		{"bob@example.org", "alice-token", "not-authorized"},
		{"alice@elsewhere.example", "alice-token", "not-authorized"},
		{"", "far-token", "not-authorized"},
		{"", "broken", "temporary-auth-failure"},
	} {
		if got := c.token(test.authzid, test.token); got != test.want {
			t.Errorf("%q as %q: %s, want %s", test.token, test.authzid, got, test.want)
		}
	}
	want := []string{"@tokens of example.org", "alice@tokens of example.org", "bob@tokens of example.org", "@tokens of example.org"}
	w.guard.mu.Lock()
	defer w.guard.mu.Unlock()
	if !slices.Equal(w.guard.failed, want) || w.guard.succeeded != nil {
		t.Errorf("the guard heard of %q and %q; want %q", w.guard.failed, w.guard.succeeded, want)
	}
}

func TestATokenThatFailedLeavesThePasswordToCount(t *testing.T) {
	t.Parallel()
	w, _ := withDevices(t, Config{})
	c := dialTLS(t, w.tls)
	c.open()
	c.token("alice@example.org", "x")
	c.signIn("alice")
	w.guard.mu.Lock()
	defer w.guard.mu.Unlock()
	if !slices.Equal(w.guard.succeeded, []string{"alice@example.org"}) {
		t.Errorf("the guard heard of %q", w.guard.succeeded)
	}
}

func TestTokensWaitForTLS(t *testing.T) {
	t.Parallel()
	w, _ := withDevices(t, Config{WithoutTLS: true})
	offers := func(e *xmpp.Element) (found bool) {
		list := e.Child(xmpp.NSSASL, "mechanisms")
		return list != nil && slices.ContainsFunc(list.Children, func(m *xmpp.Element) bool { return m.Text == "OAUTHBEARER" })
	}
	c := dial(t, w.tcp)
	if offers(c.open()) {
		t.Error("tokens are asked for without TLS")
	}
	c.startTLS()
	if !offers(c.open()) {
		t.Error("tokens are not taken under TLS")
	}
	other := dialTLS(t, listening(t, Config{}).tls)
	if offers(other.open()) {
		t.Error("tokens are taken although there are no devices")
	}
}

func TestADeviceIsSignedOut(t *testing.T) {
	t.Parallel()
	w, d := withDevices(t, Config{})
	sign := func(user, token string) *client {
		c := dialTLS(t, w.tls)
		c.open()
		if got := c.token("", token); got != "success" {
			t.Fatal(got)
		}
		c.open()
		c.bind(user)
		return c
	}
	c := sign("alice", "alice-token")
	other := dialTLS(t, w.tls)
	other.open()
	other.signIn("alice")
	other.bind("by-password")
	w.EndDevice(jid.JID{Local: "alice", Domain: "example.org"}, "alice-web")
	if e := c.want(xmpp.NSStream, "error"); e.Children[0].Local != "not-authorized" {
		t.Errorf("it hears %s", text(e))
	}
	if w.table.Get(jid.JID{Local: "alice", Domain: "example.org", Resource: "by-password"}) == nil {
		t.Error("the session by password is gone too")
	}
	d.mu.Lock()
	d.gone = true // between the proof and the table
	d.mu.Unlock()
	late := dialTLS(t, w.tls)
	late.open()
	late.token("", "bob-token")
	late.open()
	late.bind("late")
	if e := late.want(xmpp.NSStream, "error"); e.Children[0].Local != "not-authorized" {
		t.Errorf("who was signed out on the way hears %s", text(e))
	}
}
