package turn

import (
	"net/netip"
	"slices"
	"sync/atomic"
)

// Peers says whom a relayed address may talk to: by default everybody on the internet, but nobody whom only this machine or
// its own network reaches, and nothing at this machine but Media and other relayed addresses.
type Peers struct {
	Allow []netip.Prefix // networks that would else be refused; an own address only if it stands there by itself
	Deny  []netip.Prefix // comes before all else
	// Own are the machine's addresses now.
	Own func() []netip.Addr
	// Media says whether a port of an address of ours, as peers are told it, is one that the server's own media may be
	// received at, and where this process reaches it.
	Media func(netip.AddrPort) (inside netip.AddrPort, ok bool)
}

// notForAll are networks that are not the internet's, or lead back into those that are not.
func notForAll() []netip.Prefix {
	var out []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", // rfc6890#2.2.2
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2002::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", // rfc6890#2.2.3
	} {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

type peers struct {
	Peers
	refused []netip.Prefix
	relays  []Address
	relayed func(port uint16) bool // whether a relayed address of ours has it
	own     atomic.Pointer[map[netip.Addr]bool]
}

func newPeers(c Peers, relays []Address, relayed func(uint16) bool) *peers {
	p := &peers{Peers: c, refused: notForAll(), relayed: relayed}
	for _, r := range relays {
		if !r.Public.IsValid() {
			r.Public = r.Bind
		}
		p.relays = append(p.relays, Address{Bind: r.Bind.Unmap(), Public: r.Public.Unmap()})
	}
	p.look()
	return p
}

// look notes the machine's addresses, which change.
func (p *peers) look() {
	own := map[netip.Addr]bool{}
	if p.Own != nil {
		for _, a := range p.Own() {
			own[a.Unmap().WithZone("")] = true
		}
	}
	for _, r := range p.relays {
		own[r.Public], own[r.Bind] = true, true
	}
	p.own.Store(&own)
}

func in(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(n netip.Prefix) bool { return n.Contains(a) })
}

// permits says whether any port of an address may be talked to.
func (p *peers) permits(a netip.Addr) bool {
	a = a.Unmap()
	switch {
	case !a.IsValid() || in(p.Deny, a):
		return false
	case (*p.own.Load())[a]:
		return p.public(a) || p.named(a)
	}
	return !in(p.refused, a) || in(p.Allow, a)
}

// named says whether an own address is allowed by itself.
func (p *peers) named(a netip.Addr) bool {
	return slices.Contains(p.Allow, netip.PrefixFrom(a, a.BitLen()))
}

func (p *peers) public(a netip.Addr) bool {
	return slices.ContainsFunc(p.relays, func(r Address) bool { return r.Public == a })
}

// target is where to send what is for a peer, if it may be talked to.
func (p *peers) target(peer netip.AddrPort) (netip.AddrPort, bool) {
	a := peer.Addr().Unmap()
	peer = netip.AddrPortFrom(a, peer.Port())
	if peer.Port() == 0 || !p.permits(a) {
		return peer, false
	}
	if !(*p.own.Load())[a] {
		return peer, true
	}
	if p.Media != nil {
		if inside, ok := p.Media(peer); ok {
			return inside, true
		}
	}
	for _, r := range p.relays {
		if r.Public == a && p.relayed(peer.Port()) {
			return netip.AddrPortFrom(r.Bind, peer.Port()), true
		}
	}
	return peer, p.named(a)
}

// shown is a peer's address as the client knows it: our own have another one inside.
func (p *peers) shown(from netip.AddrPort) netip.AddrPort {
	for _, r := range p.relays {
		if r.Bind == from.Addr() {
			return netip.AddrPortFrom(r.Public, from.Port())
		}
	}
	return from
}
