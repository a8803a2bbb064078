package turn

import (
	"net/netip"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// canForbidFragments says that DONT-FRAGMENT is obeyed.
const canForbidFragments = true

// sharesPorts says that sharePort spreads the load.
const sharesPorts = true

func sharePort(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	if err != nil {
		return err
	}
	return failed
}

// relaySocket is the socket of a relayed address. The runtime does not know it: one goroutine waits for many by epoll,
// which costs half of what a goroutine for each does.
type relaySocket struct {
	six bool

	mu sync.RWMutex // a number that was closed may be another socket's
	fd int          // -1 once closed
}

func openRelay(at netip.AddrPort) (*relaySocket, error) {
	s := &relaySocket{six: at.Addr().Is6()}
	family := unix.AF_INET
	if s.six {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s.fd = fd
	if err := s.prepare(at); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *relaySocket) prepare(at netip.AddrPort) error {
	if s.six {
		if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	s.fragments(true)
	return os.NewSyscallError("bind", unix.Bind(s.fd, s.sockaddr(at)))
}

// fragments says whether datagrams may be fragmented on their way, as is usual (rfc8656#15). Where that can't be set it
// stays as it is.
func (s *relaySocket) fragments(may bool) {
	how := unix.IP_PMTUDISC_DO
	if may {
		how = unix.IP_PMTUDISC_DONT
	}
	if s.six {
		_ = unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, how)
		return
	}
	_ = unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, how)
}

func (s *relaySocket) sockaddr(a netip.AddrPort) unix.Sockaddr {
	if s.six {
		return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

// send never waits for room in the kernel. whole forbids fragments.
func (s *relaySocket) send(b []byte, to netip.AddrPort, whole bool) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return unix.EBADF
	}
	if whole {
		s.fragments(false)
		defer s.fragments(true)
	}
	return unix.Sendto(s.fd, b, unix.MSG_DONTWAIT, s.sockaddr(to))
}

// receive takes one datagram, if there is one.
func (s *relaySocket) receive(b []byte) (int, netip.AddrPort, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return 0, netip.AddrPort{}, false
	}
	n, from, err := syscall.Recvfrom(s.fd, b, unix.MSG_DONTWAIT) // unix.Recvfrom asks for the protocol each time
	if err != nil {
		return 0, netip.AddrPort{}, false
	}
	switch a := from.(type) {
	case *syscall.SockaddrInet4:
		return n, netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), true
	case *syscall.SockaddrInet6:
		return n, netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)), true
	}
	return 0, netip.AddrPort{}, false
}

func (s *relaySocket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		_ = unix.Close(s.fd) // of a UDP socket, it can't fail in a way that leaves it open
		s.fd = -1
	}
}

// relays reads the relayed addresses of many allocations in batches.
type relays struct {
	server  *Server
	deliver func(a *allocation, b []byte)
	flush   func()
	epoll   *os.File // by which the runtime waits

	mu   sync.RWMutex
	byFD map[int32]*allocation
}

const relayBatch = 64

func newRelays(s *Server, deliver func(*allocation, []byte), flush func()) (*relays, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &relays{server: s, deliver: deliver, flush: flush, epoll: os.NewFile(uintptr(fd), "relays"), byFD: map[int32]*allocation{}}, nil
}

// add has an allocation's relayed address read.
func (r *relays) add(a *allocation) error {
	s := a.relay.socket
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return unix.EBADF
	}
	r.mu.Lock()
	for fd, other := range r.byFD { // those that are over are forgotten here, a few at a time
		if other.ended.Load() {
			delete(r.byFD, fd)
		}
	}
	r.byFD[int32(s.fd)] = a
	r.mu.Unlock()
	raw, err := r.epoll.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.EpollCtl(int(fd), unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)})
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("epoll_ctl", failed)
}

func (r *relays) run() {
	raw, err := r.epoll.SyscallConn()
	if err != nil {
		r.server.log.Error("can't read relayed addresses", "err", err)
		return
	}
	events, n := make([]unix.EpollEvent, relayBatch), 0
	slots := make([][]byte, relayBatch)
	for i := range slots {
		slots[i] = make([]byte, slotSize)
	}
	wait := func(fd uintptr) bool {
		n, err = unix.EpollWait(int(fd), events, 0)
		return n != 0
	}
	for raw.Read(wait) == nil {
		if err != nil && err != unix.EINTR { //nolint:errorlint // a bare errno
			r.server.log.Error("can't read relayed addresses", "err", err)
			return
		}
		r.take(events[:max(n, 0)], slots)
	}
}

// take reads one datagram of each socket that has any: at the rate of media, it seldom has two.
func (r *relays) take(events []unix.EpollEvent, slots [][]byte) {
	now := r.server.cfg.Now()
	for i, e := range events {
		r.mu.RLock()
		a := r.byFD[e.Fd]
		r.mu.RUnlock()
		if a == nil {
			continue
		}
		n, from, ok := a.relay.socket.receive(slots[i][headroom : headroom+maxDatagram])
		if !ok {
			continue
		}
		if b := r.server.down(a, slots[i], n, from, now); b != nil {
			r.deliver(a, b)
		}
	}
	r.flush()
}

func (r *relays) close() { r.epoll.Close() }
