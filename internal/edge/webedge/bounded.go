package webedge

import (
	"net"
	"net/netip"
	"sync"
)

// open counts connections, all together and by address.
type open struct {
	mu           sync.Mutex
	most, mostOf int
	all          int
	of           map[netip.Prefix]int
}

func (o *open) add(from netip.Prefix) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all >= o.most || o.of[from] >= o.mostOf {
		return false
	}
	o.all++
	o.of[from]++
	return true
}

func (o *open) drop(from netip.Prefix) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all--
	if o.of[from]--; o.of[from] == 0 {
		delete(o.of, from)
	}
}

// group is what counts as one address: whoever has one IPv6 address usually has all of its /64.
func group(a net.Addr) netip.Prefix {
	from, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := from.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

// bounded closes connections past the limits at once: a queue would only hide the flood.
type bounded struct {
	net.Listener
	open *open
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := group(c.RemoteAddr())
		if b.open.add(from) {
			return &counted{Conn: c, done: func() { b.open.drop(from) }}, nil
		}
		_ = c.Close()
	}
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	once sync.Once
	done func()
}

func (c *counted) Close() error {
	c.once.Do(c.done)
	return c.Conn.Close()
}
