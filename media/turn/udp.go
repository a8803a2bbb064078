package turn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	udpBatch  = 32
	udpBuffer = 4 << 20 // asked of the kernel for each socket; it may give less
)

// udpListener is the sockets of one UDP address, and who has an allocation by it.
type udpListener struct {
	server  *Server
	bound   netip.AddrPort
	sockets []*udpSocket

	mu      sync.RWMutex
	clients map[netip.AddrPort]*allocation
}

// udpSocket is one of them. It reads what clients send, and its relays what is for its clients.
type udpSocket struct {
	*net.UDPConn
	listener *udpListener
	reader   *relays
	out      []ipv4.Message
	write    func([]ipv4.Message, int) (int, error)
}

// ListenUDP listens on an address, with as many sockets as Config.Sockets says: the kernel spreads the clients over
// them. Without a host it is every address of the machine, for IPv4 and IPv6 each.
func (s *Server) ListenUDP(ctx context.Context, addr string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, wrap("listen on UDP", err)
	}
	if host != "" {
		return s.listenUDP(ctx, addr)
	}
	first, err := s.listenUDP(ctx, net.JoinHostPort("0.0.0.0", port))
	if err != nil {
		return first, err
	}
	second := netip.AddrPortFrom(netip.IPv6Unspecified(), first.Port())
	if _, err := s.listenUDP(ctx, second.String()); err != nil && !errors.Is(err, syscall.EAFNOSUPPORT) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
		return first, err
	}
	return first, nil
}

func (s *Server) listenUDP(ctx context.Context, addr string) (netip.AddrPort, error) {
	u := &udpListener{server: s, clients: map[netip.AddrPort]*allocation{}}
	if err := u.open(ctx, addr); err != nil {
		u.close()
		return netip.AddrPort{}, wrap("listen on UDP", err)
	}
	if !s.track(u.close) {
		u.close()
		return netip.AddrPort{}, net.ErrClosed
	}
	for _, k := range u.sockets {
		s.running.Go(k.read)
		s.running.Go(k.reader.run)
	}
	return u.bound, nil
}

func (u *udpListener) open(ctx context.Context, addr string) error {
	network := "udp4"
	if a, err := netip.ParseAddrPort(addr); err == nil && a.Addr().Is6() && !a.Addr().Is4In6() {
		network = "udp6"
	}
	// The first socket finds out whether the address is free: those that share a port are let onto another process's.
	probe, err := new(net.ListenConfig).ListenPacket(ctx, network, addr)
	if err != nil {
		return err
	}
	bound, ok := probe.LocalAddr().(*net.UDPAddr)
	if !ok {
		return errors.Join(errors.New("not a UDP socket"), probe.Close())
	}
	u.bound = unmap(bound.AddrPort())
	if !sharesPorts {
		return u.add(probe)
	}
	if err := probe.Close(); err != nil {
		return err
	}
	lc := net.ListenConfig{Control: sharePort}
	for range u.server.cfg.Sockets {
		c, err := lc.ListenPacket(ctx, network, u.bound.String())
		if err != nil {
			return err
		}
		if err := u.add(c); err != nil {
			return err
		}
	}
	return nil
}

func (u *udpListener) add(c net.PacketConn) (err error) {
	conn, ok := c.(*net.UDPConn)
	if !ok {
		return errors.New("not a UDP socket")
	}
	k := &udpSocket{UDPConn: conn, listener: u}
	u.sockets = append(u.sockets, k)
	if err := errors.Join(conn.SetReadBuffer(udpBuffer), conn.SetWriteBuffer(udpBuffer)); err != nil {
		u.server.log.Debug("UDP buffers", "err", err)
	}
	if k.write = ipv4.NewPacketConn(conn).WriteBatch; u.bound.Addr().Is6() {
		k.write = ipv6.NewPacketConn(conn).WriteBatch
	}
	k.reader, err = newRelays(u.server, k.deliver, k.flush)
	return err
}

func (u *udpListener) close() {
	for _, k := range u.sockets {
		k.UDPConn.Close()
		if k.reader != nil {
			k.reader.close()
		}
	}
}

func (u *udpListener) client(from netip.AddrPort) *allocation {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.clients[from]
}

// read takes what clients send until the socket is closed. Other errors only slow it.
func (k *udpSocket) read() {
	s, messages := k.listener.server, make([]ipv4.Message, udpBatch)
	read, control := k.prepare()
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, slotSize)}
		messages[i].OOB = make([]byte, control)
	}
	for {
		n, err := read(messages, 0)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			s.log.Warn("UDP read failed", "listener", k.listener.bound, "err", err)
			time.Sleep(5 * time.Millisecond)
			continue
		}
		now := s.cfg.Now()
		for i := range messages[:n] {
			k.take(&messages[i], now)
		}
	}
}

// prepare gives what reads, and how much room is needed to hear which of our addresses a datagram was for.
func (k *udpSocket) prepare() (read func([]ipv4.Message, int) (int, error), control int) {
	wild := k.listener.bound.Addr().IsUnspecified()
	if k.listener.bound.Addr().Is6() {
		p := ipv6.NewPacketConn(k.UDPConn)
		if wild && p.SetControlMessage(ipv6.FlagDst, true) == nil {
			control = len(ipv6.NewControlMessage(ipv6.FlagDst))
		}
		return p.ReadBatch, control
	}
	p := ipv4.NewPacketConn(k.UDPConn)
	if wild && p.SetControlMessage(ipv4.FlagDst, true) == nil {
		control = len(ipv4.NewControlMessage(ipv4.FlagDst))
	}
	return p.ReadBatch, control
}

func (k *udpSocket) take(m *ipv4.Message, now time.Time) {
	addr, ok := m.Addr.(*net.UDPAddr)
	if !ok {
		return
	}
	from, b := unmap(addr.AddrPort()), m.Buffers[0][:m.N]
	if isChannel(b) {
		if a := k.listener.client(from); a != nil {
			k.listener.server.fromChannel(a, b, now)
		}
		return
	}
	if len(b) >= 20 && b[0]>>6 == 0 {
		k.listener.server.message(&udpLink{socket: k, from: from, addr: addr, control: k.source(m.OOB[:m.NN])}, b)
	}
}

// source is the control message by which an answer comes from the address that was asked.
func (k *udpSocket) source(oob []byte) []byte {
	if len(oob) == 0 {
		return nil
	}
	if k.listener.bound.Addr().Is6() {
		var c ipv6.ControlMessage
		if c.Parse(oob) != nil || c.Dst == nil {
			return nil
		}
		return (&ipv6.ControlMessage{Src: c.Dst}).Marshal()
	}
	var c ipv4.ControlMessage
	if c.Parse(oob) != nil || c.Dst == nil {
		return nil
	}
	return (&ipv4.ControlMessage{Src: c.Dst}).Marshal()
}

// deliver keeps data for a client until flush; b stays as it is until then.
func (k *udpSocket) deliver(a *allocation, b []byte) {
	l, ok := a.client.(*udpLink)
	if !ok {
		return
	}
	n := len(k.out)
	k.out = slices.Grow(k.out, 1)[:n+1]
	m := &k.out[n]
	if m.Buffers == nil {
		m.Buffers = make([][]byte, 1)
	}
	m.Buffers[0], m.Addr, m.OOB = b, l.addr, l.control
}

func (k *udpSocket) flush() {
	for rest := k.out; len(rest) > 0; {
		n, err := k.write(rest, 0)
		if err != nil {
			n = max(n, 0) + 1 // that one can't be sent
		}
		rest = rest[min(n, len(rest)):]
	}
	k.out = k.out[:0]
}

// udpLink is a client's UDP address.
type udpLink struct {
	socket  *udpSocket
	from    netip.AddrPort
	addr    *net.UDPAddr
	control []byte
}

func (l *udpLink) remote() netip.AddrPort { return l.from }
func (l *udpLink) stream() bool           { return false }
func (l *udpLink) padded() bool           { return false }
func (l *udpLink) relays() *relays        { return l.socket.reader }

func (l *udpLink) reply(b []byte) {
	_, _, _ = l.socket.WriteMsgUDP(b, l.control, l.addr) // what is lost the client asks for again
}

func (l *udpLink) allocation() *allocation { return l.socket.listener.client(l.from) }

func (l *udpLink) bind(a *allocation) bool {
	u := l.socket.listener
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, has := u.clients[l.from]; has {
		return false
	}
	u.clients[l.from] = a
	return true
}

func (l *udpLink) unbind(a *allocation) {
	u := l.socket.listener
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.clients[l.from] == a {
		delete(u.clients, l.from)
	}
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
