package rtp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// ErrPorts says that no pair of ports is free.
var ErrPorts = errors.New("rtp: no port is free")

// Address is one address of the server for media.
type Address struct {
	Bind   netip.Addr
	Public netip.Addr // under which peers reach it; Bind if not given
}

// PortsConfig says where media may be received.
type PortsConfig struct {
	// Addresses are at most one of each family; the first is for peers whose family is not known.
	Addresses []Address
	// Low and High are the range, both ends included. Without it the system chooses.
	Low, High uint16
}

// Ports gives out pairs of ports: an even one for RTP and the next for RTCP (rfc3550#11).
type Ports struct {
	addresses []Address
	low       uint16
	count     int // pairs in the range; 0: no range

	mu   sync.Mutex
	next int
	used map[netip.AddrPort]struct{} // of the range
	open int
}

// NewPorts checks the configuration. Nothing is bound yet.
func NewPorts(c PortsConfig) (*Ports, error) {
	if len(c.Addresses) == 0 {
		return nil, errors.New("rtp: no address for media")
	}
	p := &Ports{used: map[netip.AddrPort]struct{}{}}
	for _, a := range c.Addresses {
		if !a.Bind.IsValid() {
			return nil, errors.New("rtp: address for media is not valid")
		}
		if !a.Public.IsValid() {
			a.Public = a.Bind
		}
		a.Bind, a.Public = a.Bind.Unmap(), a.Public.Unmap()
		if a.Public.IsUnspecified() || a.Public.Is4() != a.Bind.Is4() {
			return nil, fmt.Errorf("rtp: peers can't reach %v as %v", a.Bind, a.Public)
		}
		p.addresses = append(p.addresses, a)
	}
	if c.Low == 0 && c.High == 0 {
		return p, nil
	}
	low, high := int(c.Low)+int(c.Low)%2, int(c.High)
	if p.count = (high - low + 1) / 2; c.Low == 0 || p.count < 1 {
		return nil, fmt.Errorf("rtp: range %d to %d has no pair of ports", c.Low, c.High)
	}
	p.low = uint16(low)
	return p, nil
}

// InUse is how many pairs are open.
func (p *Ports) InUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// address chooses for a peer at that address.
func (p *Ports) address(peer netip.Addr) Address {
	for _, a := range p.addresses {
		if peer.IsValid() && a.Bind.Is4() == peer.Unmap().Is4() {
			return a
		}
	}
	return p.addresses[0]
}

// Host is the address that a peer is told.
func (p *Ports) Host(peer netip.Addr) netip.Addr { return p.address(peer).Public }

// Inside is the address that this process itself reaches a public address of its own at.
func (p *Ports) Inside(addr netip.Addr) netip.Addr {
	for _, a := range p.addresses {
		switch {
		case a.Public != addr:
		case a.Bind == netip.IPv4Unspecified():
			return netip.AddrFrom4([4]byte{127, 0, 0, 1})
		case a.Bind == netip.IPv6Unspecified():
			return netip.IPv6Loopback()
		default:
			return a.Bind
		}
	}
	return addr
}

// Pair is an open pair of ports.
type Pair struct {
	RTP, RTCP *net.UDPConn
	Host      netip.Addr // as peers are told
	ports     *Ports
	key       netip.AddrPort
	once      sync.Once
}

// RTPPort and RTCPPort are what a description names.
func (p *Pair) RTPPort() uint16  { return port(p.RTP) }
func (p *Pair) RTCPPort() uint16 { return port(p.RTCP) }

func port(c *net.UDPConn) uint16 {
	a, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		return 0
	}
	return uint16(a.Port)
}

// Passing says that an error of reading from a port is not its end: time was up, or an ICMP
// message came.
func Passing(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ECONNREFUSED)
}

// Close gives the ports back. Further calls do nothing.
func (p *Pair) Close() {
	p.once.Do(func() {
		// Closing a UDP socket can't fail in a way that leaves it open.
		_ = p.RTP.Close()
		_ = p.RTCP.Close()
		p.ports.release(p.key)
	})
}

func (p *Ports) release(key netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, key)
	p.open--
}

// Open opens a pair to talk to a peer at that address, which may be the zero Addr.
func (p *Ports) Open(peer netip.Addr) (*Pair, error) {
	a := p.address(peer)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == 0 {
		return p.anywhere(a)
	}
	for range p.count {
		// Round and round: a port that was just given back may still be sent to.
		key := netip.AddrPortFrom(a.Bind, p.low+uint16(2*p.next))
		p.next = (p.next + 1) % p.count
		if _, taken := p.used[key]; taken {
			continue
		}
		pair, err := p.bind(a, key)
		if err == nil {
			p.used[key] = struct{}{}
			return pair, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
	return nil, ErrPorts
}

// anywhere lets the system choose an even port whose neighbour is free too.
func (p *Ports) anywhere(a Address) (*Pair, error) {
	for range 64 {
		probe, err := net.ListenUDP(network(a.Bind), net.UDPAddrFromAddrPort(netip.AddrPortFrom(a.Bind, 0)))
		if err != nil {
			return nil, fmt.Errorf("rtp: open port: %w", err)
		}
		n := port(probe)
		if err := probe.Close(); err != nil {
			return nil, fmt.Errorf("rtp: close port: %w", err)
		}
		pair, err := p.bind(a, netip.AddrPortFrom(a.Bind, n&^1))
		if err == nil {
			return pair, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
	return nil, ErrPorts
}

func (p *Ports) bind(a Address, at netip.AddrPort) (*Pair, error) {
	first, err := net.ListenUDP(network(a.Bind), net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("rtp: open port: %w", err)
	}
	next := netip.AddrPortFrom(at.Addr(), at.Port()+1)
	second, err := net.ListenUDP(network(a.Bind), net.UDPAddrFromAddrPort(next))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("rtp: open port: %w", err), first.Close())
	}
	p.open++
	return &Pair{RTP: first, RTCP: second, Host: a.Public, ports: p, key: at}, nil
}

func network(a netip.Addr) string {
	if a.Is4() {
		return "udp4"
	}
	return "udp6"
}
