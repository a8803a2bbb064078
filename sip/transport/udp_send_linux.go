package transport

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// sender sends datagrams from one socket and never waits for room in the kernel.
type sender struct {
	raw  syscall.RawConn
	six  bool // an IPv6 socket, which knows IPv4 peers as ::ffff:a.b.c.d
	pool sync.Pool
}

func (s *sender) open(conn *net.UDPConn, six bool) (err error) {
	s.six = six
	s.raw, err = conn.SyscallConn()
	return err
}

// datagram is what one system call needs, kept together so that sending allocates nothing.
type datagram struct {
	b, oob []byte
	to4    unix.SockaddrInet4
	to6    unix.SockaddrInet6
	to     unix.Sockaddr
	err    error
	try    func(fd uintptr) bool
}

func newDatagram() *datagram {
	d := new(datagram)
	d.try = func(fd uintptr) bool {
		for {
			_, d.err = unix.SendmsgN(int(fd), d.b, d.oob, d.to, unix.MSG_DONTWAIT)
			if !errors.Is(d.err, unix.EINTR) {
				return true // also without room: waiting is not ours
			}
		}
	}
	return d
}

// send sends b to an address, from the address from if it is valid.
func (s *sender) send(b []byte, from netip.Addr, to netip.AddrPort) error {
	if !s.six && !to.Addr().Is4() {
		return unix.EAFNOSUPPORT
	}
	d, ok := s.pool.Get().(*datagram)
	if !ok {
		d = newDatagram()
	}
	defer s.pool.Put(d)
	if d.b = b; s.six {
		d.address6(from, to)
	} else {
		d.address4(from, to)
	}
	err := s.raw.Write(d.try)
	if d.b = nil; err != nil {
		return err
	}
	return d.err
}

func (d *datagram) address4(from netip.Addr, to netip.AddrPort) {
	d.to4 = unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	d.to, d.oob = &d.to4, nil
	if from.IsValid() {
		d.oob = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.As4()})
	}
}

func (d *datagram) address6(from netip.Addr, to netip.AddrPort) {
	d.to6 = unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16(), ZoneId: zone(to.Addr())}
	d.to, d.oob = &d.to6, nil
	if from.IsValid() {
		d.oob = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: from.As16(), Ifindex: zone(from)})
	}
}

// zone is the index of the interface that a link-local address belongs to.
func zone(a netip.Addr) uint32 {
	name := a.Zone()
	if name == "" {
		return 0
	}
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	n, err := strconv.ParseUint(name, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
