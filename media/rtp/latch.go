package rtp

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// grace is how long only the addresses that signalling knows may send. Then, if the
	// description names an address that no packet can come from, somebody else may.
	grace = time.Second
	// moving is how long after a new description a peer may move to another source.
	moving = 10 * time.Second
)

// Latch learns where a peer's media comes from, which behind a NAT is not where its
// description says, and answers there (rfc4961). The source is learned once: whoever
// sends to the port afterwards is not heard. It may change only after a new description.
type Latch struct {
	// Strict never takes media from an address that signalling doesn't know.
	Strict bool

	mu    sync.Mutex
	want  netip.AddrPort // where the peer says it is
	peer  netip.Addr     // where its signalling comes from; zero if not known
	since time.Time
	got   netip.AddrPort
	moved time.Time // until when it may move
}

// Expect takes a description's address and the one that signalling came from.
func (l *Latch) Expect(want netip.AddrPort, peer netip.Addr, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.want = netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
	l.peer, l.since, l.moved = peer.Unmap(), now, now.Add(moving)
}

// Forget unlearns everything: another peer is to come.
func (l *Latch) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.want, l.peer, l.since = netip.AddrPort{}, netip.Addr{}, time.Time{}
	l.got, l.moved = netip.AddrPort{}, time.Time{}
}

// Admits says whether a packet from there can be the peer's, and learns nothing: for one that has still to be proved.
func (l *Latch) Admits(from netip.AddrPort, now time.Time) bool {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.admits(from, now)
}

func (l *Latch) admits(from netip.AddrPort, now time.Time) bool {
	return from == l.got || !l.since.IsZero() && (!l.got.IsValid() || !now.After(l.moved)) && l.may(from.Addr(), now)
}

// Take says whether a packet from there is the peer's.
func (l *Latch) Take(from netip.AddrPort, now time.Time) bool {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.admits(from, now) {
		return false
	}
	if from == l.got {
		return true
	}
	if l.got.IsValid() {
		l.moved = time.Time{} // once
	}
	l.got = from
	return true
}

func (l *Latch) may(from netip.Addr, now time.Time) bool {
	if from == l.want.Addr() || from == l.peer {
		return true
	}
	if l.Strict || !hidden(l.want.Addr()) {
		return false
	}
	return !l.peer.IsValid() || now.Sub(l.since) >= grace
}

// hidden says that an address is none to be seen from outside: the peer is behind a NAT.
func hidden(a netip.Addr) bool {
	return !a.IsValid() || a.IsUnspecified() || a.IsPrivate() || a.IsLoopback() ||
		a.IsLinkLocalUnicast() || shared().Contains(a)
}

// shared is the space of carriers' NATs (rfc6598#7).
func shared() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10) }

// Target is where to send: the learned source, or until there is one the described
// address, unless it is a hidden one that signalling didn't come from: what lives there on
// our side of the NAT is somebody else.
func (l *Latch) Target() (to netip.AddrPort, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.got.IsValid() {
		return l.got, true
	}
	a := l.want.Addr()
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || l.want.Port() == 0 {
		return netip.AddrPort{}, false
	}
	return l.want, a == l.peer || !hidden(a)
}

// Learned is the source; ok is false if nothing has come yet.
func (l *Latch) Learned() (from netip.AddrPort, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.got, l.got.IsValid()
}
