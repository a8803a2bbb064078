//go:build !linux

package turn

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// canForbidFragments: DONT-FRAGMENT is not obeyed here, and refused.
const canForbidFragments = false

// sharesPorts: sockets of one port don't share its load here.
const sharesPorts = false

func sharePort(string, string, syscall.RawConn) error { return nil }

// relaySocket is the socket of a relayed address.
type relaySocket struct{ conn *net.UDPConn }

func openRelay(at netip.AddrPort) (*relaySocket, error) {
	network := "udp4"
	if at.Addr().Is6() {
		network = "udp6"
	}
	c, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return &relaySocket{c}, nil
}

func (s *relaySocket) send(b []byte, to netip.AddrPort, _ bool) error {
	_, err := s.conn.WriteToUDPAddrPort(b, to)
	return err
}

func (s *relaySocket) close() { s.conn.Close() }

// relays reads relayed addresses, with a goroutine for each.
type relays struct {
	server  *Server
	deliver func(a *allocation, b []byte)
	flush   func()
	mu      sync.Mutex // deliver and flush are for one at a time
}

func newRelays(s *Server, deliver func(*allocation, []byte), flush func()) (*relays, error) {
	return &relays{server: s, deliver: deliver, flush: flush}, nil
}

func (r *relays) add(a *allocation) error {
	r.server.running.Go(func() {
		slot := make([]byte, slotSize)
		for {
			n, from, err := a.relay.socket.conn.ReadFromUDPAddrPort(slot[headroom : headroom+maxDatagram])
			if a.ended.Load() {
				return
			}
			if err == nil {
				r.take(a, slot, n, unmap(from))
			}
		}
	})
	return nil
}

func (r *relays) take(a *allocation, slot []byte, n int, from netip.AddrPort) {
	if b := r.server.down(a, slot, n, from, r.server.cfg.Now()); b != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.deliver(a, b)
		r.flush()
	}
}

func (r *relays) run()   {}
func (r *relays) close() {}
