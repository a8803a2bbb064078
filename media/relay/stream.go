package relay

import (
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"parley/media/rtp"
)

// stream is one medium of the call: an end towards the caller, and one towards those who are
// called for each family of addresses among them.
type stream struct{ ends map[side]*end }

// side finds an end.
type side struct {
	caller bool
	host   netip.Addr
}

// heldBy is the end that a leg was told of last: there are two if its family has changed.
func (s *stream) heldBy(leg int) *end {
	var found *end
	for _, e := range s.ends {
		if e.users[leg] > 0 && (found == nil || e.users[leg] > found.users[leg]) {
			found = e
		}
	}
	return found
}

// join lets media flow between two ends, and between no others.
func (s *stream) join(a, b *end) {
	for _, e := range s.ends {
		if e != a && e != b {
			e.other.Store(nil)
		}
	}
	a.other.Store(b)
	b.other.Store(a)
}

func (s *stream) part() {
	for _, e := range s.ends {
		e.other.Store(nil)
	}
}

// drop closes the ends that a leg alone used.
func (s *stream) drop(leg int) {
	for k, e := range s.ends {
		if e.users[leg] == 0 {
			continue
		}
		delete(e.users, leg)
		if len(e.users) == 0 {
			delete(s.ends, k)
			s.forget(e)
			e.pair.Close()
		}
	}
}

// forget has nobody send to an end any more.
func (s *stream) forget(gone *end) {
	for _, e := range s.ends {
		if e.other.Load() == gone {
			e.other.Store(nil)
		}
	}
}

// end is a pair of our ports and the peer behind it. What is not atomic or a Latch
// belongs to the anchor's lock.
type end struct {
	pair      *rtp.Pair
	rtp, rtcp rtp.Latch
	other     atomic.Pointer[end] // where its media goes; nil: nowhere
	users     map[int]int         // legs that know of it, and when they were told
	leg       int                 // the one that media is expected from; -1: none yet
	log       *slog.Logger
}

func newEnd(pair *rtp.Pair, strict bool, log *slog.Logger) *end {
	e := &end{pair: pair, users: map[int]int{}, leg: -1, log: log}
	e.rtp.Strict, e.rtcp.Strict = strict, strict
	return e
}

// expect takes what a leg's description says. What was learned of another leg is forgotten.
func (e *end) expect(leg int, media, control netip.AddrPort, peer netip.Addr, now time.Time) {
	if e.leg != leg {
		e.rtp.Forget()
		e.rtcp.Forget()
		e.leg = leg
	}
	e.rtp.Expect(media, peer, now)
	e.rtcp.Expect(control, peer, now)
}

// readRTP passes on what comes to the RTP port. With rtcp-mux (rfc5761) RTCP comes there too; it
// is passed if it is from where the RTP comes from.
func (e *end) readRTP() {
	e.read(e.pair.RTP, func(b []byte, from netip.AddrPort) {
		switch {
		case rtp.IsRTP(b):
			if !e.rtp.Take(from, time.Now()) {
				return
			}
		case rtp.IsRTCP(b):
			if known, ok := e.rtp.Learned(); !ok || known != unmap(from) {
				return
			}
		default:
			return
		}
		if o := e.other.Load(); o != nil {
			o.send(o.pair.RTP, &o.rtp, b)
		}
	})
}

func (e *end) readRTCP() {
	e.read(e.pair.RTCP, func(b []byte, from netip.AddrPort) {
		if !rtp.IsRTCP(b) || !e.rtcp.Take(from, time.Now()) {
			return
		}
		if o := e.other.Load(); o != nil {
			o.send(o.pair.RTCP, &o.rtcp, b)
		}
	})
}

// read reads until the socket is closed.
func (e *end) read(c *net.UDPConn, take func([]byte, netip.AddrPort)) {
	buf := make([]byte, rtp.MaxPacket)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil && n < len(buf): // a full buffer may be a part only
			take(buf[:n], from)
		case err != nil && !rtp.Passing(err):
			return
		}
	}
}

func (e *end) send(c *net.UDPConn, l *rtp.Latch, b []byte) {
	to, ok := l.Target()
	if !ok {
		return
	}
	if _, err := c.WriteToUDPAddrPort(b, to); err != nil {
		e.log.Debug("packet was not passed on", "to", to, "err", err)
	}
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
