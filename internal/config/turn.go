package config

import (
	"net/netip"
	"time"

	"parley/internal/address"
)

func (c *Config) turnSection() section {
	t := &c.TURN
	return section{"turn", "TURN and STUN: clients behind NATs get an address of this server's for their media.", []field{
		{"enabled", oneOf(&t.Enabled, choice[Enabled]{"auto", Auto}, choice[Enabled]{"always", Always}, choice[Enabled]{"never", Never}), onRestart,
			"Whether there is a relay: where the server has a public address (one of its own that media uses, media.public_address or " +
				"sip.public_address), always, or never.", "rfc8656"},
		{"udp", listeners(&t.UDP), onRestart, "Addresses for TURN and STUN over UDP.", "rfc8656#3.1"},
		{"tcp", listeners(&t.TCP), onRestart, "Addresses for TURN over TCP, for networks without UDP.", "rfc8656#3.1"},
		{"tls", listeners(&t.TLS), onRestart,
			"Addresses for TURN over TLS, with the certificate of [tls]. Port 443 passes more firewalls than 5349.", "rfc8656#3.1"},
		{"host", host(&t.Host), onRestart,
			"The name or address that clients are told; empty: the public address, and for TLS the first of server.domains.", ""},
		{"ports", ports(&t.Ports), onRestart,
			"The UDP ports of relayed addresses, which are those of [media]. None of media.ports may be among them.", "rfc8656#7.2"},
		{"allow_peers", networks(&t.AllowPeers), onRestart,
			"Networks that a relay may reach although they are not the internet's. An address of this machine has to be named by itself.", "rfc8656#21.1"},
		{"deny_peers", networks(&t.DenyPeers), onRestart, "Networks that no relay may reach, whatever else is said.", ""},
		{"credentials", duration(&t.Credentials, 5*time.Minute, 7*24*time.Hour), onRestart,
			"How long the name and password are good that a client is given to get a relay.", ""},
		{"allocations", integer{&t.Allocations, 1, 1000000}, onReload, "Relayed addresses that there may be at once.", "rfc8656#7.2"},
		{"allocations_per_account", integer{&t.AllocationsPerAccount, 1, 100000}, onReload,
			"Those of one account. A browser takes several for each call.", "rfc8656#7.2"},
		{"bandwidth", size(&t.Bandwidth, 4<<10, 1<<30), onReload,
			"What one relayed address may carry in a second, each way; what is over is dropped.", ""},
		{"lifetime", duration(&t.Lifetime, 10*time.Minute, 24*time.Hour), onReload,
			"The longest that one is given for before it has to be refreshed.", "rfc8656#7.2"},
		{"connections", integer{&t.Connections, 1, 1000000}, onReload, "TCP and TLS connections that there may be at once.", ""},
		{"connections_per_address", integer{&t.ConnectionsPerAddress, 1, 1000000}, onReload,
			"Those of one IP address (one /64 of IPv6).", ""},
	}}
}

// host is a domain name, an IP address, or nothing.
func host(p *string) value {
	return scalar[string]{p: p, format: asIs, want: `a domain name or IP address, such as "turn.example.org", or ""`,
		parse: func(s string) (string, bool) {
			if s == "" {
				return s, true
			}
			if a, err := netip.ParseAddr(s); err == nil {
				return a.String(), a.Zone() == ""
			}
			d, err := address.Domain(s)
			return d, err == nil
		}}
}
