package turn

import (
	"net/netip"
	"slices"
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

// paths are an allocation's permissions and channels. They are never changed, but replaced. There are few of each, so that
// looking through them takes less than a map.
type paths struct {
	permissions []permission
	channels    []channel
}

type permission struct {
	peer    netip.Addr
	expires int64 // Unix nanoseconds
}

type channel struct {
	number  uint16
	peer    netip.AddrPort // as the client names it
	target  netip.AddrPort // where it is sent to
	expires int64
}

// permitted says whether a peer may send, and be sent to, at a time.
func (p *paths) permitted(peer netip.Addr, t int64) bool {
	for i := range p.permissions {
		if x := &p.permissions[i]; x.peer == peer {
			return x.expires > t
		}
	}
	return false
}

// numbered is the channel of a number, to that of a peer; nil if there is none at a time.
func (p *paths) numbered(n uint16, t int64) *channel {
	for i := range p.channels {
		if c := &p.channels[i]; c.number == n && c.expires > t {
			return c
		}
	}
	return nil
}

func (p *paths) to(peer netip.AddrPort, t int64) *channel {
	for i := range p.channels {
		if c := &p.channels[i]; c.peer == peer && c.expires > t {
			return c
		}
	}
	return nil
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
	next := &paths{slices.Clone(old.permissions), slices.Clone(old.channels)}
	if !f(next) {
		return false
	}
	a.path.Store(next)
	return true
}

// prune forgets what has expired.
func (a *allocation) prune(now time.Time) {
	t := now.UnixNano()
	old := func(p permission) bool { return p.expires <= t }
	over := func(c channel) bool { return c.expires <= t }
	if p := a.paths(); !slices.ContainsFunc(p.permissions, old) && !slices.ContainsFunc(p.channels, over) {
		return
	}
	a.change(func(p *paths) bool {
		p.permissions, p.channels = slices.DeleteFunc(p.permissions, old), slices.DeleteFunc(p.channels, over)
		return true
	})
}

// permit adds permissions, all or none.
func (a *allocation) permit(now time.Time, addrs ...netip.Addr) bool {
	return a.change(func(p *paths) bool {
		for _, addr := range addrs {
			p.permit(addr, now)
		}
		return len(p.permissions) <= maxPermissions
	})
}

func (p *paths) permit(addr netip.Addr, now time.Time) {
	p.permissions = slices.DeleteFunc(p.permissions, func(x permission) bool { return x.peer == addr })
	p.permissions = append(p.permissions, permission{addr, now.Add(permissionTime).UnixNano()})
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
		if c := p.numbered(number, t); c != nil && c.peer != peer {
			out = boundOtherwise
		} else if c := p.to(peer, t); c != nil && c.number != number {
			out = boundOtherwise
		}
		p.channels = slices.DeleteFunc(p.channels, func(c channel) bool { return c.number == number || c.peer == peer })
		p.channels = append(p.channels, channel{number, peer, target, now.Add(channelTime).UnixNano()})
		p.permit(peer.Addr(), now)
		if out == boundWell && (len(p.channels) > maxChannels || len(p.permissions) > maxPermissions) {
			out = boundTooMany
		}
		return out == boundWell // else all stays as it was
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
