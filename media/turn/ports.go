package turn

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// ports opens relayed addresses at random ports of a range (rfc8656#7.2: they are not to be guessed).
type ports struct {
	addresses []Address
	low, high int

	mu   sync.Mutex
	used map[netip.AddrPort]struct{} // as bound
}

// errPorts says that no port is free.
var errPorts = errors.New("turn: no port for a relayed address is free")

// errFamily says that no relayed address of the family is given.
var errFamily = errors.New("turn: no address of this family")

func newPorts(c Config) (*ports, error) {
	p := &ports{low: int(c.Low), high: int(c.High), used: map[netip.AddrPort]struct{}{}}
	if p.high <= p.low {
		return nil, fmt.Errorf("turn: ports %d to %d are no range", c.Low, c.High)
	}
	for _, a := range c.Relays {
		if !a.Public.IsValid() {
			a.Public = a.Bind
		}
		a.Bind, a.Public = a.Bind.Unmap(), a.Public.Unmap()
		if !a.Bind.IsValid() || a.Bind.Is4() != a.Public.Is4() || a.Public.IsUnspecified() {
			return nil, fmt.Errorf("turn: peers can't reach %v as %v", a.Bind, a.Public)
		}
		p.addresses = append(p.addresses, a)
	}
	return p, nil
}

// family finds the address of a family.
func (p *ports) family(six bool) (Address, bool) {
	for _, a := range p.addresses {
		if a.Bind.Is6() == six {
			return a, true
		}
	}
	return Address{}, false
}

// open says whether a relayed address of ours has a port.
func (p *ports) open(port uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.addresses {
		if _, ok := p.used[netip.AddrPortFrom(a.Bind, port)]; ok {
			return true
		}
	}
	return false
}

// how says which port is wanted.
type how struct {
	six  bool
	even bool
	next bool // the one after it, too
}

// take opens a relayed address, and a second one if it is asked for.
func (p *ports) take(h how) (first, second *relay, err error) {
	a, ok := p.family(h.six)
	if !ok {
		return nil, nil, errFamily
	}
	count := p.high - p.low + 1
	start, step := rand.IntN(count), 1
	if h.even {
		start, step = start&^1+p.low%2, 2
	}
	for i := 0; i < count; i += step {
		port := p.low + (start+i)%count
		if h.even && port%2 != 0 || h.next && port == p.high {
			continue
		}
		first, err = p.bind(a, uint16(port))
		if err == nil && h.next {
			second, err = p.bind(a, uint16(port+1))
			if err != nil {
				p.release(first)
			}
		}
		if err == nil {
			return first, second, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, nil, err
		}
	}
	return nil, nil, errPorts
}

func (p *ports) bind(a Address, port uint16) (*relay, error) {
	at := netip.AddrPortFrom(a.Bind, port)
	p.mu.Lock()
	_, taken := p.used[at]
	if !taken {
		p.used[at] = struct{}{}
	}
	p.mu.Unlock()
	if taken {
		return nil, syscall.EADDRINUSE
	}
	s, err := openRelay(at)
	if err != nil {
		p.forget(at)
		return nil, wrap("open a relayed address", err)
	}
	return &relay{socket: s, bound: at, public: netip.AddrPortFrom(a.Public, port)}, nil
}

func (p *ports) forget(at netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, at)
}

func (p *ports) release(r *relay) {
	r.socket.close()
	p.forget(r.bound)
}

// relay is an open relayed address.
type relay struct {
	socket *relaySocket
	bound  netip.AddrPort
	public netip.AddrPort
}

// reservation holds the second of two ports for the one who asked for both (rfc8656#7.2).
type reservation struct {
	relay   *relay
	account string
	expires time.Time
}
