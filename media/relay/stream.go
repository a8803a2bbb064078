package relay

import (
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"parley/media/rtp"
	"parley/media/webrtc"
)

// stream is one medium of the call: an end towards the caller, and one towards those who are
// called for each family of addresses among them.
type stream struct{ ends map[side]*end }

// side finds an end.
type side struct {
	caller bool
	host   netip.Addr
	secure int // one more than the leg, if that speaks WebRTC: such an end is for it alone
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
			e.close()
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
	rtc       *webrtc.Transport   // what stands in the latches' place at an end that speaks WebRTC
	out       *rtp.Carrier        // what is sent from here, if the media is bridged
	spent     []byte              // of the goroutine that rtc reads by
	other     atomic.Pointer[end] // where its media goes; nil: nowhere
	users     map[int]int         // legs that know of it, and when they were told
	leg       int                 // the one that media is expected from; -1: none yet
	log       *slog.Logger
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
	var spent []byte
	e.read(e.pair.RTP, func(b []byte, from netip.AddrPort) {
		switch {
		case rtp.IsRTP(b):
			if e.rtp.Take(from, time.Now()) {
				spent = e.passRTP(b, spent)
			}
		case rtp.IsRTCP(b):
			if known, ok := e.rtp.Learned(); ok && known == unmap(from) {
				spent = e.passMux(b, spent)
			}
		}
	})
}

func (e *end) readRTCP() {
	var spent []byte
	e.read(e.pair.RTCP, func(b []byte, from netip.AddrPort) {
		if rtp.IsRTCP(b) && e.rtcp.Take(from, time.Now()) {
			spent = e.passRTCP(b, spent)
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
