package app

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"parley/internal/bridge/calls"
	"parley/internal/config"
	"parley/internal/core"
	"parley/internal/feature/echo"
	"parley/media/relay"
	"parley/media/rtp"
	"parley/media/webrtc"
	"parley/sip/b2bua"
)

// openPorts says where the server's own media is received.
func (a *App) openPorts() error {
	addresses, err := mediaAddresses(a.cfg)
	if err != nil {
		return err
	}
	a.ports, err = rtp.NewPorts(rtp.PortsConfig{
		Addresses: addresses, Low: a.cfg.Media.Ports.Low, High: a.cfg.Media.Ports.High,
	})
	return err
}

// anchor makes what carries the media of a back-to-back call; it gives nil if media is never to pass through us.
func (a *App) anchor() (func(*core.Call) b2bua.Media, error) {
	identity, err := webrtc.NewIdentity(time.Now())
	if err != nil {
		return nil, err
	}
	return func(c *core.Call) b2bua.Media {
		calls := a.current.Load().Calls
		if calls.Anchor == config.AnchorNever {
			return nil
		}
		return relay.New(relay.Config{
			Ports: a.ports, Identity: identity, Hide: calls.Anchor == config.AnchorAlways || c.From.Anchored,
			Encryption: encryption(calls.Encryption), Silence: a.current.Load().Media.Silence, Log: a.log,
			Transcode: calls.Transcode,
		}).Anchor()
	}, nil
}

func encryption(policy config.Encryption) relay.Encryption {
	switch policy {
	case config.EncryptionOpportunistic:
		return relay.Opportunistically
	case config.EncryptionRequired:
		return relay.Required
	case config.EncryptionAsOffered:
	}
	return relay.AsOffered
}

// addAgents puts the user agents inside the process behind the edge.
func (a *App) addAgents() error {
	a.sip.AddAgent(calls.Agent, a.calls)
	a.closers = append(a.closers, a.calls.Close)
	if !a.cfg.Echo.Enabled {
		return nil
	}
	service := echo.New(echo.Config{
		Layer: a.sip.Layer(), Ports: a.ports, T1: a.cfg.SIP.T1, T2: a.cfg.SIP.T2,
		MaxCalls:    func() int { return a.current.Load().Echo.MaxCalls },
		MaxDuration: func() time.Duration { return min(a.current.Load().Calls.MaxDuration, longestEcho) },
		Name:        a.cfg.Echo.Name, Server: "parley", Log: a.log,
	})
	a.sip.AddAgent(echo.Agent, service)
	a.closers = append(a.closers, func(ctx context.Context) error { return service.Close(ctx) })
	return nil
}

// mediaAddresses are where RTP is received: what the configuration says, else where SIP listens, else
// the addresses of this machine.
func mediaAddresses(c config.Config) ([]rtp.Address, error) {
	public := c.Media.PublicAddress
	if !public.IsValid() {
		public = c.SIP.PublicAddress
	}
	var found []netip.Addr
	if c.Media.Address.IsValid() {
		found = []netip.Addr{c.Media.Address}
	} else if found = listened(c.SIP); len(found) == 0 {
		var err error
		if found, err = machine(); err != nil {
			return nil, err
		}
	}
	var out []rtp.Address
	taken := map[bool]bool{}
	for _, addr := range found {
		if taken[addr.Is4()] {
			continue
		}
		taken[addr.Is4()] = true
		address := rtp.Address{Bind: addr}
		if public.IsValid() && public.Is4() == addr.Is4() && !addr.IsLoopback() {
			address.Public = public
		}
		out = append(out, address)
	}
	return out, nil
}

// listened are the addresses that SIP is told to listen on; none if it listens on all.
func listened(c config.SIP) []netip.Addr {
	var out []netip.Addr
	for _, list := range [][]string{c.UDP, c.TCP, c.TLS} {
		for _, text := range list {
			host, _, err := net.SplitHostPort(text)
			if err != nil {
				continue
			}
			if addr, err := netip.ParseAddr(host); err == nil && !addr.IsUnspecified() {
				out = append(out, addr.Unmap())
			}
		}
	}
	return out
}

// machine are this machine's own addresses, those that reach furthest first.
func machine() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("app: read this machine's addresses: %w", err)
	}
	var far, near []netip.Addr
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		switch addr := prefix.Addr().Unmap(); {
		case addr.IsLoopback():
			near = append(near, addr)
		case addr.IsGlobalUnicast():
			far = append(far, addr)
		}
	}
	return append(far, near...), nil
}

// longestEcho is how long anyone may listen to himself.
const longestEcho = 10 * time.Minute

// agentDeadline is how long services get to hang up when the server stops.
const agentDeadline = 2 * time.Second
