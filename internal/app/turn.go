package app

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"strconv"
	"time"

	"parley/internal/address"
	"parley/internal/admin"
	"parley/internal/config"
	"parley/internal/core"
	"parley/internal/edge/signin"
	"parley/internal/feature/external"
	"parley/listen"
	"parley/media/rtp"
	"parley/media/turn"
	"parley/xmpp/im"
)

// relayService is the TURN server and what clients are told of it. A nil one does nothing.
type relayService struct {
	cfg         config.Config
	server      *turn.Server
	credentials *turn.Credentials
	addresses   []turn.Address
	told        *external.External
	bound       func() map[string][]string
	gate        *listen.Gate
	tls         *tls.Config
	log         *slog.Logger
}

// openRelay makes the TURN server, if there shall be one.
func (a *App) openRelay() error {
	t := a.cfg.TURN
	media, err := mediaAddresses(a.cfg)
	if err != nil {
		return err
	}
	relays := relayAddresses(media, t.Enabled)
	switch {
	case t.Enabled == config.Never:
		return nil
	case len(relays) == 0:
		a.log.Info("no TURN relay: this server knows no public address of its own", "setting", "media.public_address or turn.enabled")
		return nil
	}
	key, err := a.store.key.Derive("turn", 32)
	if err != nil {
		return err
	}
	r := &relayService{
		cfg: a.cfg, addresses: relays, bound: a.Addresses, log: a.log,
		credentials: &turn.Credentials{Realm: a.cfg.Server.Domains[0], Key: key, Lifetime: t.Credentials},
		gate:        listen.NewGate(t.Connections, t.ConnectionsPerAddress),
		tls:         a.cert.TLS(uint16(a.cfg.TLS.MinVersion)),
	}
	r.server, err = turn.New(turn.Config{
		Credentials: r.credentials, Relays: relays, Low: t.Ports.Low, High: t.Ports.High, Limits: relayLimits(t), Exists: a.mayRelay, Log: a.log,
		Peers: turn.Peers{Allow: t.AllowPeers, Deny: t.DenyPeers, Own: ownAddresses, Media: mediaPorts(media, a.cfg.Media.Ports)},
	})
	if err != nil {
		return err
	}
	r.told = external.New(external.Config{Services: r.list, Credential: r.forApp, Log: a.log})
	a.turn = r
	return nil
}

// relayAddresses are those of media that are of use to others: where that is to be found out, public ones.
func relayAddresses(media []rtp.Address, enabled config.Enabled) (out []turn.Address) {
	for _, m := range media {
		public := m.Public
		if !public.IsValid() {
			public = m.Bind
		}
		if enabled == config.Always || isPublic(public) {
			out = append(out, turn.Address{Bind: m.Bind, Public: public})
		}
	}
	return out
}

func isPublic(a netip.Addr) bool {
	carrier := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10) // rfc6890#2.2.2
	return a.IsGlobalUnicast() && !a.IsPrivate() && !carrier.Contains(a)
}

// mediaPorts says which ports of ours a relay may talk to: those at which the server's own media is received, at the address
// that peers are told.
func mediaPorts(media []rtp.Address, ports config.PortRange) func(netip.AddrPort) (netip.AddrPort, bool) {
	return func(peer netip.AddrPort) (netip.AddrPort, bool) {
		for _, m := range media {
			public := m.Public
			if !public.IsValid() {
				public = m.Bind
			}
			if peer.Addr() == public && peer.Port() >= ports.Low && peer.Port() <= ports.High {
				return netip.AddrPortFrom(m.Bind, peer.Port()), true
			}
		}
		return peer, false
	}
}

func ownAddresses() []netip.Addr {
	list, err := machine()
	if err != nil {
		return nil
	}
	return list
}

func relayLimits(t config.TURN) turn.Limits {
	return turn.Limits{Allocations: t.Allocations, PerAccount: t.AllocationsPerAccount, Bandwidth: t.Bandwidth, Lifetime: t.Lifetime}
}

// mayRelay says whether an account, which a credential names, is still there.
func (a *App) mayRelay(ctx context.Context, name string) (bool, error) {
	x, err := address.Parse(name)
	if err != nil {
		return false, nil //nolint:nilerr // it was an address when the credential was made
	}
	return a.hasAccount(ctx, address.JID(x))
}

func (r *relayService) listeners(ctx context.Context) []listener {
	if r == nil {
		return nil
	}
	t := r.cfg.TURN
	stream := func(secure *tls.Config) func(string) (string, error) {
		return func(addr string) (string, error) {
			lc := listen.Config(time.Minute)
			l, err := lc.Listen(ctx, "tcp", addr)
			if err != nil {
				return "", err
			}
			return bound(l.Addr(), r.server.ServeStream(r.gate.Guard(l), secure))
		}
	}
	return []listener{
		{"turn-udp", t.UDP, func(s string) (string, error) { return text(r.server.ListenUDP(ctx, s)) }},
		{"turn-tcp", t.TCP, stream(nil)},
		{"turn-tls", t.TLS, stream(r.tls)},
	}
}

func (r *relayService) run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.told.Run(ctx)
	}()
	r.server.Run(ctx)
	<-done
}

func (r *relayService) close() {
	if r != nil {
		r.server.Close()
	}
}

func (r *relayService) setLimits(t config.TURN) {
	if r != nil {
		r.server.SetLimits(relayLimits(t))
		r.gate.Set(t.Connections, t.ConnectionsPerAddress)
	}
}

// forget ends the relays of a deleted account.
func (r *relayService) forget(_ context.Context, gone core.Address) error {
	if r != nil {
		r.server.Forget(gone.String())
	}
	return nil
}

// services are what apps can ask.
func (r *relayService) services() []im.Service {
	if r == nil {
		return nil
	}
	return r.told.Services()
}

// list is where the relay listens, as clients are told: UDP first, which is the best way for media.
func (r *relayService) list() (out []external.Service) {
	at := r.bound()
	for _, x := range []struct {
		listener, transport string
		secure, stun        bool
	}{{"turn-udp", "udp", false, true}, {"turn-tcp", "tcp", false, false}, {"turn-tls", "tcp", true, false}} {
		for _, text := range at[x.listener] {
			addr, err := netip.ParseAddrPort(text)
			if err != nil {
				continue
			}
			for _, host := range r.hosts(x.secure, addr.Addr().Unmap()) {
				s := external.Service{Type: "turn", Host: host, Port: addr.Port(), Transport: x.transport, Restricted: true}
				if x.secure {
					s.Type = "turns"
				}
				if x.stun {
					out = append(out, external.Service{Type: "stun", Host: host, Port: s.Port, Transport: "udp"})
				}
				out = append(out, s)
			}
		}
	}
	return out
}

// hosts are the names that clients are told of a listener.
func (r *relayService) hosts(secure bool, at netip.Addr) (out []string) {
	switch {
	case r.cfg.TURN.Host != "":
		return []string{r.cfg.TURN.Host}
	case secure:
		return []string{r.cfg.Server.Domains[0]} // what the certificate has
	}
	for _, a := range r.addresses {
		if at.IsUnspecified() || at == a.Bind || at == a.Public {
			out = append(out, a.Public.String())
		}
	}
	if out == nil {
		return []string{at.String()}
	}
	return out
}

func (r *relayService) forApp(a core.Address) external.Credential {
	c := r.credentials.New(a.String())
	return external.Credential{Name: c.Name, Password: c.Password, Expires: c.Expires}
}

// forDevices is what those get who ask over HTTPS; nil: nothing.
func (r *relayService) forDevices() func(core.Address) signin.Relay {
	if r == nil {
		return nil
	}
	return func(a core.Address) signin.Relay {
		c := r.credentials.New(a.String())
		out := signin.Relay{Username: c.Name, Password: c.Password, TTL: int(r.credentials.Lifetime / time.Second), URIs: []string{}}
		for _, s := range r.list() {
			out.URIs = append(out.URIs, uri(s))
		}
		return out
	}
}

// uri writes a service as a browser takes it (rfc7064#3.1, rfc7065#3.1).
func uri(s external.Service) string {
	host := s.Host
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	out := s.Type + ":" + host + ":" + strconv.Itoa(int(s.Port))
	if s.Restricted {
		out += "?transport=" + s.Transport
	}
	return out
}

// report adds what the relay does to a status.
func (r *relayService) report(s *admin.Status) {
	if r == nil {
		return
	}
	x := r.server.Stats()
	s.Relays, s.RelayUsers = x.Allocations, len(x.Accounts)
	s.Connections["TURN"] = r.gate.Inside()
	for name, n := range map[string]uint64{
		"relays given": x.Allocated, "relays refused": x.Refused, "relay requests unproved": x.Unproved,
		"relay requests unanswered": x.Unanswered, "packets relayed": x.Packets, "relayed packets dropped": x.Dropped,
	} {
		s.Counters[name] = n
	}
}
