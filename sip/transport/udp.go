package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/time/rate"

	"parley/sip"
)

const (
	udpPrefix = "udp:"
	batchSize = 16      // datagrams read at once
	udpBuffer = 4 << 20 // asked of the kernel for each socket; it may give less
)

// udpListener is the sockets of one UDP address.
type udpListener struct {
	layer    *Layer
	bound    netip.AddrPort
	both     bool // an IPv6 socket that takes IPv4 too
	sockets  []*udpSocket
	refusals *rate.Limiter
	bindings *rate.Limiter
}

// udpSocket is one of them, with its reader.
type udpSocket struct {
	*net.UDPConn
	sender
}

// ListenUDP listens on addr (as ListenTCP) with Config.Sockets sockets, among which the
// kernel spreads the peers, so that each peer's datagrams keep their order.
func (l *Layer) ListenUDP(ctx context.Context, addr string) (netip.AddrPort, error) {
	network, err := family("udp", addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	u := &udpListener{
		layer:    l,
		refusals: rate.NewLimiter(rate.Limit(l.limits.Load().Refusals), l.limits.Load().Refusals),
		bindings: rate.NewLimiter(rate.Limit(l.limits.Load().Bindings), l.limits.Load().Bindings),
	}
	if err := u.openSockets(ctx, network, addr); err != nil {
		u.close()
		return netip.AddrPort{}, fmt.Errorf("transport: listen UDP: %w", err)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.closing {
		u.close()
		return netip.AddrPort{}, ErrClosed
	}
	l.udp = append(l.udp, u)
	for _, s := range u.sockets {
		l.running.Go(func() { u.read(s) })
	}
	return u.bound, nil
}

func (u *udpListener) openSockets(ctx context.Context, network, addr string) error {
	// A first socket finds out whether the address is free, and which port the kernel gives
	// for 0: sockets that share a port are let onto those of another process, too.
	probe, err := new(net.ListenConfig).ListenPacket(ctx, network, addr)
	if err != nil {
		return err
	}
	u.bound = addrPort(probe.LocalAddr())
	u.both = network == "udp" && u.bound.Addr().IsUnspecified() && u.bound.Addr().Is6()
	if !sharesPorts {
		return u.add(probe)
	}
	if err := probe.Close(); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	addr = joinHostPort(host, u.bound.Port())
	lc := net.ListenConfig{Control: reusePort}
	for range u.layer.config.Sockets {
		conn, err := lc.ListenPacket(ctx, network, addr)
		if err != nil {
			return err
		}
		if err := u.add(conn); err != nil {
			return err
		}
	}
	return nil
}

func (u *udpListener) add(conn net.PacketConn) error {
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return fmt.Errorf("not a UDP socket: %T", conn)
	}
	s := &udpSocket{UDPConn: udp}
	u.sockets = append(u.sockets, s)
	if err := errors.Join(udp.SetReadBuffer(udpBuffer), udp.SetWriteBuffer(udpBuffer)); err != nil {
		u.layer.log.Debug("UDP buffers", "err", err)
	}
	return s.open(udp, u.bound.Addr().Is6())
}

func (u *udpListener) close() {
	for _, s := range u.sockets {
		u.layer.closeSocket(s.UDPConn)
	}
}

// has says whether local is one of the listener's addresses.
func (u *udpListener) has(local netip.AddrPort) bool {
	a, bound := local.Addr(), u.bound.Addr()
	switch {
	case local.Port() != u.bound.Port():
		return false
	case bound.IsUnspecified():
		return u.both || bound.Is4() == a.Is4()
	default:
		return a == bound
	}
}

// flow is the flow from local, which the listener has, to remote. Any of the sockets will
// do; a peer always gets the same.
func (u *udpListener) flow(local, remote netip.AddrPort) *udpFlow {
	a := remote.Addr().As16()
	i := (int(a[15]) + int(remote.Port())) % len(u.sockets)
	return &udpFlow{listener: u, socket: u.sockets[i], local: local, remote: remote}
}

// udpReader reads one socket in batches, and which of our addresses each datagram was for.
type udpReader struct {
	read     func([]ipv4.Message, int) (int, error)
	messages []ipv4.Message
	dst      func(oob []byte) netip.Addr // nil: the socket's own address
}

// read takes datagrams until the socket is closed. Other errors only slow it.
func (u *udpListener) read(s *udpSocket) {
	r, err := u.reader(s)
	if err != nil {
		u.layer.log.Error("UDP reader", "listener", u.bound, "err", err)
		return
	}
	for {
		n, err := r.read(r.messages, 0)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			u.layer.log.Warn("UDP read failed", "listener", u.bound, "err", err)
			time.Sleep(5 * time.Millisecond)
			continue
		}
		for i := range r.messages[:n] {
			u.take(s, r, &r.messages[i])
		}
	}
}

func (u *udpListener) reader(s *udpSocket) (*udpReader, error) {
	r := &udpReader{messages: make([]ipv4.Message, batchSize)}
	for i := range r.messages {
		// One byte more shows a datagram that is too long.
		r.messages[i].Buffers = [][]byte{make([]byte, u.layer.limits.Load().MaxDatagram+1)}
	}
	var err error
	if wild := u.bound.Addr().IsUnspecified(); u.bound.Addr().Is4() {
		conn := ipv4.NewPacketConn(s.UDPConn)
		r.read = conn.ReadBatch
		if wild {
			err = conn.SetControlMessage(ipv4.FlagDst, true)
			r.control(ipv4.NewControlMessage(ipv4.FlagDst), destination4())
		}
	} else {
		conn := ipv6.NewPacketConn(s.UDPConn)
		r.read = conn.ReadBatch
		if wild {
			err = conn.SetControlMessage(ipv6.FlagDst, true)
			r.control(ipv6.NewControlMessage(ipv6.FlagDst), destination6())
		}
	}
	return r, err
}

// control makes room for control messages of the size of room.
func (r *udpReader) control(room []byte, dst func([]byte) netip.Addr) {
	r.dst = dst
	for i := range r.messages {
		r.messages[i].OOB = make([]byte, len(room))
	}
}

func destination4() func([]byte) netip.Addr {
	var cm ipv4.ControlMessage
	return func(oob []byte) netip.Addr {
		if cm.Parse(oob) != nil {
			return netip.Addr{}
		}
		a, _ := netip.AddrFromSlice(cm.Dst)
		return a.Unmap()
	}
}

func destination6() func([]byte) netip.Addr {
	var cm ipv6.ControlMessage
	return func(oob []byte) netip.Addr {
		if cm.Parse(oob) != nil {
			return netip.Addr{}
		}
		a, _ := netip.AddrFromSlice(cm.Dst)
		return a.Unmap()
	}
}

// take handles one datagram.
func (u *udpListener) take(s *udpSocket, r *udpReader, d *ipv4.Message) {
	source := addrPort(d.Addr)
	defer func() { u.layer.fault(recover(), source) }()
	local := u.bound
	if r.dst != nil {
		a := r.dst(d.OOB[:d.NN])
		if !a.IsValid() || a.IsMulticast() {
			return // no address to answer from
		}
		if a.IsLinkLocalUnicast() {
			a = a.WithZone(source.Addr().Zone())
		}
		local = netip.AddrPortFrom(a, u.bound.Port())
	}
	b := d.Buffers[0][:d.N]
	f := udpFlow{listener: u, socket: s, local: local, remote: source}
	switch {
	case d.N > u.layer.limits.Load().MaxDatagram:
		u.layer.malformed(source, sip.ErrTooLong)
	case u.keepAlive(&f, b):
		u.layer.count.keepAlives.Add(1)
	default:
		u.message(f, string(b), source)
	}
}

// keepAlive takes what only keeps a NAT's binding open: STUN, which is answered, and the
// short or empty datagrams that agents send in its place, which are not.
func (u *udpListener) keepAlive(f *udpFlow, b []byte) bool {
	if isSTUN(b) {
		if resp := bindingResponse(b, f.remote); resp != nil && u.bindings.Allow() {
			if err := f.write(resp); err != nil {
				u.layer.log.Debug("STUN response not sent", "remote", f.remote, "err", err)
			}
		}
		return true
	}
	return len(b) <= 4 || len(bytes.Trim(b, "\r\n\x00 ")) == 0
}

// message takes one message. The flow that a request comes with leads to where its
// responses must go, see replyTo: an agent that wants them at another port than it sends
// from wants requests there, too.
func (u *udpListener) message(f udpFlow, text string, source netip.AddrPort) {
	m, v := u.layer.parse(text, source)
	if m == nil {
		return
	}
	f.remote = replyTo(m, source)
	if v != nil {
		u.layer.refuse(&f, m, v, u.refusals)
		return
	}
	u.layer.handle(&f, m)
}

// udpFlow is a sip.Flow: a value made for each datagram, remembered by nobody.
type udpFlow struct {
	listener      *udpListener
	socket        *udpSocket
	local, remote netip.AddrPort
}

// ID is "udp:local/remote", which is all that is needed to find the flow again.
func (f *udpFlow) ID() string { return udpPrefix + f.local.String() + "/" + f.remote.String() }

func (f *udpFlow) Network() string        { return sip.UDP }
func (f *udpFlow) Local() netip.AddrPort  { return f.local }
func (f *udpFlow) Remote() netip.AddrPort { return f.remote }
func (f *udpFlow) Advertised() string     { return f.listener.layer.advertise(f.local, f.remote) }
func (f *udpFlow) Reliable() bool         { return false }
func (f *udpFlow) Secure() bool           { return false }
func (f *udpFlow) Done() <-chan struct{}  { return nil }

// Send sends m at once, or not at all.
func (f *udpFlow) Send(m *sip.Message) error {
	b := f.listener.layer.buffer()
	defer f.listener.layer.free(b)
	*b = append(*b, m.Text()...)
	if err := f.write(*b); err != nil {
		f.listener.layer.count.dropped.Add(1)
		return err
	}
	f.listener.layer.count.sent.Add(1)
	return nil
}

// write sends from the address that the flow has: the peer, or a NAT before it, takes
// datagrams from no other.
func (f *udpFlow) write(b []byte) error {
	var from netip.Addr
	if f.listener.bound.Addr().IsUnspecified() {
		from = f.local.Addr()
	}
	if err := f.socket.send(b, from, f.remote); err != nil {
		return fmt.Errorf("transport: send UDP to %s: %w", f.remote, err)
	}
	return nil
}

// udpFlowByID finds a flow by its ID without the prefix.
func (l *Layer) udpFlowByID(id string) (*udpFlow, bool) {
	first, second, _ := strings.Cut(id, "/")
	local, err1 := netip.ParseAddrPort(first)
	remote, err2 := netip.ParseAddrPort(second)
	if err1 != nil || err2 != nil || remote.Port() == 0 || local.Addr().IsUnspecified() || remote.Addr().IsUnspecified() {
		return nil, false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, false
	}
	for _, u := range l.udp {
		if u.has(local) {
			return u.flow(local, remote), true
		}
	}
	return nil, false
}
