package app

import (
	"net/netip"
	"slices"
	"testing"

	"parley/internal/config"
	"parley/internal/feature/external"
	"parley/media/rtp"
	"parley/media/turn"
	"parley/xmpp/im"
)

// relaying is a server with a relay.
func relaying(t *testing.T) *App {
	t.Helper()
	c := settings(t)
	c.TURN.Enabled = config.Always
	for _, list := range []*[]string{&c.TURN.UDP, &c.TURN.TCP, &c.TURN.TLS} {
		*list = []string{"127.0.0.1:0"}
	}
	return open(t, c)
}

func TestARelayIsListedWhereItListens(t *testing.T) {
	t.Parallel()
	a := relaying(t)
	defer stop(t, a)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := a.Addresses()
	var want []string
	for listener, form := range map[string][2]string{"turn-udp": {"turn:127.0.0.1:", "?transport=udp"}, "turn-tcp": {"turn:127.0.0.1:", "?transport=tcp"}, "turn-tls": {"turns:localhost:", "?transport=tcp"}} {
		p := netip.MustParseAddrPort(at[listener][0])
		want = append(want, form[0]+p.String()[len("127.0.0.1:"):]+form[1])
	}
	want = append(want, "stun:"+at["turn-udp"][0])
	got := a.turn.forDevices()(alice)
	slices.Sort(want)
	slices.Sort(got.URIs)
	if !slices.Equal(got.URIs, want) || got.TTL != 12*3600 {
		t.Errorf("clients are told %+v, want %q", got, want)
	}
	services, _ := a.chatServices()
	if !slices.ContainsFunc(services, func(s im.Service) bool { return slices.Contains(s.Features, external.NS) }) {
		t.Error("apps can't ask for it")
	}
}

func TestOnlyAccountsMayRelay(t *testing.T) {
	t.Parallel()
	a := relaying(t)
	defer stop(t, a)
	if err := a.store.accounts.Create(t.Context(), alice, "secret", false); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{alice.String(): true, "nobody@localhost": false, "no address": false} {
		if got, err := a.mayRelay(t.Context(), name); got != want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestThereIsARelayWhereItIsOfUse(t *testing.T) {
	t.Parallel()
	private, public := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("203.0.113.7")
	for _, c := range []struct {
		media   rtp.Address
		enabled config.Enabled
		want    []turn.Address
	}{
		{rtp.Address{Bind: public}, config.Auto, []turn.Address{{Bind: public, Public: public}}},
		{rtp.Address{Bind: private, Public: public}, config.Auto, []turn.Address{{Bind: private, Public: public}}},
		{rtp.Address{Bind: private}, config.Auto, nil},
		{rtp.Address{Bind: netip.MustParseAddr("100.64.1.1")}, config.Auto, nil},
		{rtp.Address{Bind: private}, config.Always, []turn.Address{{Bind: private, Public: private}}},
	} {
		if got := relayAddresses([]rtp.Address{c.media}, c.enabled); !slices.Equal(got, c.want) {
			t.Errorf("%+v, %s: %v, want %v", c.media, c.enabled, got, c.want)
		}
	}
	media := mediaPorts([]rtp.Address{{Bind: private, Public: public}}, config.PortRange{Low: 30000, High: 30009})
	for peer, want := range map[string]bool{"203.0.113.7:30000": true, "203.0.113.7:30010": false, "10.0.0.5:30000": false} {
		if inside, ok := media(netip.MustParseAddrPort(peer)); ok != want || ok && inside.Addr() != private {
			t.Errorf("%s: %v, %v", peer, inside, ok)
		}
	}
}

func TestWithoutARelayNothingIsSaidOfIt(t *testing.T) {
	t.Parallel()
	a := open(t, settings(t))
	defer stop(t, a)
	if a.turn != nil || a.turn.forDevices() != nil || a.turn.services() != nil || a.turn.listeners(t.Context()) != nil {
		t.Error("a server on loopback has a relay")
	}
}
