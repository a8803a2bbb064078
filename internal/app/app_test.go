package app

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/config"
	"parley/internal/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var alice = core.Address{Local: "alice", Domain: "localhost"}

func settings(t *testing.T) config.Config {
	t.Helper()
	c := config.Demo()
	c.Server.Data = t.TempDir()
	for _, list := range []*[]string{&c.SIP.UDP, &c.SIP.TCP, &c.SIP.TLS, &c.XMPP.C2S, &c.XMPP.C2STLS, &c.Web.HTTPS} {
		*list = []string{"127.0.0.1:0"}
	}
	return c
}

func stop(t *testing.T, a *App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := a.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func open(t *testing.T, c config.Config) *App {
	t.Helper()
	a, err := New(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func bind(t *testing.T, a *App) {
	t.Helper()
	b := core.Binding{
		Account: alice, Key: "k", Contact: "sip:alice@192.0.2.7", Flow: "udp:1", Network: "UDP", Q: 1000,
		Source: netip.MustParseAddrPort("192.0.2.7:5060"), Expires: time.Now().Add(time.Hour),
	}
	err := a.location.Change(t.Context(), alice, func([]core.Binding) ([]core.Binding, error) {
		return []core.Binding{b}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAServerStartsListensAndStops(t *testing.T) {
	t.Parallel()
	a := open(t, settings(t))
	defer stop(t, a)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sip-udp", "sip-tcp", "sip-tls", "https"} {
		if len(a.Addresses()[name]) != 1 {
			t.Errorf("%s listens on %v", name, a.Addresses()[name])
		}
	}
	status, err := a.Status(t.Context())
	if err != nil || status.Accounts != 0 || status.Calls != 0 {
		t.Errorf("status is %+v, %v", status, err)
	}
}

func TestWhoIsDeletedWhileTheServerIsStoppedIsNotReached(t *testing.T) {
	t.Parallel()
	c := settings(t)
	a := open(t, c)
	if err := a.store.accounts.Create(t.Context(), alice, "secret", false); err != nil {
		t.Fatal(err)
	}
	bind(t, a)
	stop(t, a)
	users, closer, err := OpenUsers(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := users.Delete(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, c)
	defer stop(t, again)
	if n := again.location.Count(); n != 0 {
		t.Errorf("%d bindings of a deleted account came back", n)
	}
}

func TestNewAccountsBeginAsTheConfigurationSays(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.Accounts.Strangers = true
	users, closer, err := OpenUsers(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := users.Create(t.Context(), alice, "secret"); err != nil {
		t.Fatal(err)
	}
	if list, err := users.List(t.Context(), core.Address{}, 10); err != nil || len(list) != 1 || !list[0].Strangers {
		t.Errorf("the account is %+v, %v", list, err)
	}
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnOwnerIsKnownAfterARestart(t *testing.T) {
	t.Parallel()
	c := settings(t)
	a := open(t, c)
	bind(t, a)
	stop(t, a)
	again := open(t, c)
	defer stop(t, again)
	g := again.newGuard()
	for i := range 200 {
		g.Failed(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String(), alice)
	}
	if g.Check("203.0.113.250", alice) == 0 {
		t.Error("an attack from two hundred addresses slows nobody")
	}
	if wait := g.Check("192.0.2.7", alice); wait != 0 {
		t.Errorf("the owner at his phone's address waits %v", wait)
	}
}

func TestASecondServerOnTheFolderIsRefused(t *testing.T) {
	t.Parallel()
	c := settings(t)
	a := open(t, c)
	defer stop(t, a)
	if b, err := New(t.Context(), c, slog.New(slog.DiscardHandler)); err == nil {
		stop(t, b)
		t.Error("two servers have one data folder")
	}
}
