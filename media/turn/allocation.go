package turn

import (
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// allocation is a relayed address and whose it is.
type allocation struct {
	account string
	name    string // that it was made with (rfc8656#5)
	client  link
	relay   *relay
	six     bool
	made    time.Time
	request [12]byte // the transaction that made it, and
	answer  []byte   // what was answered: a retransmission gets the same (rfc8656#7.2)

	expires atomic.Int64 // Unix nanoseconds
	ended   atomic.Bool
	up      pace // from the client
	down    pace // to the client

	packets, bytes, dropped atomic.Uint64

	mu   sync.Mutex // for changes of paths
	path atomic.Pointer[paths]
}

// paths are an allocation's permissions and channels. They are never changed, but replaced.
type paths struct {
	permissions map[netip.Addr]int64 // until when, Unix nanoseconds
	channels    map[uint16]channel
	byPeer      map[netip.AddrPort]uint16
}

type channel struct {
	peer    netip.AddrPort // as the client names it
	target  netip.AddrPort // where it is sent to
	expires int64
}

// The most that one allocation may have of each. A client has a permission for each candidate of the other side.
const (
	maxPermissions = 128
	maxChannels    = 64
)

func (a *allocation) expired(now time.Time) bool { return now.UnixNano() >= a.expires.Load() }

func (a *allocation) paths() *paths {
	if p := a.path.Load(); p != nil {
		return p
	}
	return &paths{}
}

// change replaces the paths by what f makes of a copy; if f says no, they stay.
func (a *allocation) change(f func(*paths) bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.paths()
	next := &paths{permissions: maps.Clone(old.permissions), channels: maps.Clone(old.channels), byPeer: maps.Clone(old.byPeer)}
	if next.permissions == nil {
		next.permissions, next.channels, next.byPeer = map[netip.Addr]int64{}, map[uint16]channel{}, map[netip.AddrPort]uint16{}
	}
	if !f(next) {
		return false
	}
	a.path.Store(next)
	return true
}

// prune forgets what has expired.
func (a *allocation) prune(now time.Time) {
	if t := now.UnixNano(); a.paths().stale(t) {
		a.change(func(p *paths) bool {
			maps.DeleteFunc(p.permissions, func(_ netip.Addr, until int64) bool { return until <= t })
			maps.DeleteFunc(p.channels, func(_ uint16, c channel) bool { return c.expires <= t })
			maps.DeleteFunc(p.byPeer, func(_ netip.AddrPort, n uint16) bool { _, ok := p.channels[n]; return !ok })
			return true
		})
	}
}

func (p *paths) stale(t int64) bool {
	for _, until := range p.permissions {
		if until <= t {
			return true
		}
	}
	for _, c := range p.channels {
		if c.expires <= t {
			return true
		}
	}
	return false
}

// permit adds permissions, all or none.
func (a *allocation) permit(now time.Time, addrs ...netip.Addr) bool {
	until := now.Add(permissionTime).UnixNano()
	return a.change(func(p *paths) bool {
		for _, addr := range addrs {
			p.permissions[addr] = until
		}
		return len(p.permissions) <= maxPermissions
	})
}

// What binding a channel can come to.
type bound int

const (
	boundWell bound = iota
	boundOtherwise
	boundTooMany
)

// bind binds a channel, or refreshes it; the permission comes with it (rfc8656#12.2).
func (a *allocation) bind(now time.Time, number uint16, peer, target netip.AddrPort) bound {
	out, t := boundWell, now.UnixNano()
	a.change(func(p *paths) bool {
		if c, ok := p.channels[number]; ok && c.expires > t && c.peer != peer {
			out = boundOtherwise
			return false
		} else if ok {
			delete(p.byPeer, c.peer) // it may have expired
		}
		if n, ok := p.byPeer[peer]; ok && n != number {
			if p.channels[n].expires > t {
				out = boundOtherwise
				return false
			}
			delete(p.channels, n)
		}
		p.channels[number] = channel{peer, target, now.Add(channelTime).UnixNano()}
		p.byPeer[peer] = number
		p.permissions[peer.Addr()] = now.Add(permissionTime).UnixNano()
		if len(p.channels) > maxChannels || len(p.permissions) > maxPermissions {
			out = boundTooMany
			return false
		}
		return true
	})
	return out
}

// end takes an allocation away.
func (s *Server) end(a *allocation, why string) {
	if !a.ended.CompareAndSwap(false, true) {
		return
	}
	a.client.unbind(a)
	s.ports.release(a.relay)
	s.mu.Lock()
	delete(s.allocations, a)
	s.giveBack(a.account)
	s.counts.packets.Add(a.packets.Load())
	s.counts.bytes.Add(a.bytes.Load())
	s.counts.dropped.Add(a.dropped.Load())
	s.mu.Unlock()
	s.log.Debug("a relay is over", "account", a.account, "client", a.client.remote(), "relayed", a.relay.public, "because", why,
		"for", s.cfg.Now().Sub(a.made).Round(time.Second), "packets", a.packets.Load(), "bytes", a.bytes.Load(), "dropped", a.dropped.Load())
}

// giveBack takes one of an account's places back. The caller holds the lock.
func (s *Server) giveBack(account string) {
	if s.perAccount[account]--; s.perAccount[account] <= 0 {
		delete(s.perAccount, account)
	}
}

func (s *Server) dropReservation(token string, r *reservation) {
	delete(s.reservations, token)
	s.giveBack(r.account)
	s.ports.release(r.relay)
}
