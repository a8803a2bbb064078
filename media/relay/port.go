package relay

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"parley/media/rtp"
	"parley/media/webrtc"
	"parley/sdp"
)

// port is a pair of our ports and the peer behind it, with the keys that were agreed on with that. What is not atomic
// or a Latch belongs to the anchor's lock.
type port struct {
	pair      *rtp.Pair
	rtp, rtcp rtp.Latch
	rtc       *webrtc.Transport // what stands in the latches' place at an end that speaks WebRTC
	sdes      *sdes             // nil where nothing is encrypted by us
	ends      atomic.Pointer[[]*end]
	limit     rtp.Limit // of who reads RTP
	control   rtp.Limit // of who reads RTCP
	rate      atomic.Int64
	raw       atomic.Bool  // what comes is no RTP
	heard     atomic.Int64 // when the peer was heard last
	expected  time.Time    // when it last said what it does
	leg       int          // the one that media is expected from; -1: none yet
	log       *slog.Logger
}

// controlRate is how many bytes of RTCP a second may come on a port of its own: some hundred reports.
const controlRate = 50_000

// scratch is what a goroutine that reads uses again and again.
type scratch struct{ plain, out []byte }

func newScratch() scratch { return scratch{plain: make([]byte, 0, rtp.MaxPacket)} }

func newPort(pair *rtp.Pair, c Config) *port {
	p := &port{pair: pair, leg: -1, log: c.Log, control: rtp.Limit{Rate: controlRate}}
	p.rtp.Strict, p.rtcp.Strict = c.Strict, c.Strict
	p.ends.Store(&[]*end{})
	return p
}

// allow has a port take as much as a medium of that kind may bring.
func (p *port) allow(m *sdp.Media, c Config) {
	rate := c.PictureRate
	if m.Kind == "audio" {
		rate = c.SoundRate
	}
	if now := p.rate.Load(); int64(rate) > now {
		p.rate.Store(int64(rate))
	}
}

// enter and leave say which media are on the port. The last to leave closes it.
func (p *port) enter(e *end) {
	all := append(slices.Clone(*p.ends.Load()), e)
	p.ends.Store(&all)
	e.port.Store(p)
}

func (p *port) leave(e *end) {
	all := slices.DeleteFunc(slices.Clone(*p.ends.Load()), func(o *end) bool { return o == e })
	p.ends.Store(&all)
	if len(all) == 0 {
		p.close()
	}
}

func (p *port) close() {
	if p.rtc != nil {
		p.rtc.Stop()
	}
	p.pair.Close()
}

// expect takes what a leg's description says. What was learned of another leg is forgotten.
func (p *port) expect(leg int, media, control netip.AddrPort, peer netip.Addr, now time.Time) {
	if p.leg != leg {
		p.rtp.Forget()
		p.rtcp.Forget()
		p.leg = leg
	}
	p.expected = now
	p.rtp.Expect(media, peer, now)
	p.rtcp.Expect(control, peer, now)
}

// readRTP passes on what comes to the RTP port. With rtcp-mux (rfc5761) RTCP comes there too; it
// is passed if it is from where the RTP comes from.
func (p *port) readRTP() {
	s := newScratch()
	p.read(p.pair.RTP, func(b []byte, from netip.AddrPort) {
		now := time.Now()
		switch {
		case p.raw.Load():
			if p.limit.Rate = int(p.rate.Load()); p.rtp.Take(from, now) && p.limit.Bytes(len(b), now) {
				p.tookAsItIs(b)
			}
		case rtp.IsRTP(b):
			if b, ok := p.openRTP(b, from, &s, now); ok && p.rtp.Take(from, now) {
				p.tookRTP(b, &s, now)
			}
		case rtp.IsRTCP(b):
			if known, ok := p.rtp.Learned(); ok && known == unmap(from) {
				if b, ok = p.openRTCP(b, &s, now); ok {
					p.tookRTCP(b, &s, true)
				}
			}
		case rtp.IsZRTP(b):
			if p.sdes == nil && p.rtp.Take(from, now) {
				p.tookAsItIs(b)
			}
		}
	})
}

func (p *port) readRTCP() {
	s := newScratch()
	p.read(p.pair.RTCP, func(b []byte, from netip.AddrPort) {
		now := time.Now()
		if !rtp.IsRTCP(b) || !p.rtcp.Admits(from, now) {
			return
		}
		if b, ok := p.openRTCP(b, &s, now); ok && p.rtcp.Take(from, now) {
			p.tookRTCP(b, &s, false)
		}
	})
}

// openRTP decrypts a packet where keys were agreed on. It is proved before the latch learns where it came from; what
// comes from where the peer can't be is not even tried.
func (p *port) openRTP(b []byte, from netip.AddrPort, s *scratch, now time.Time) ([]byte, bool) {
	if p.sdes == nil {
		return b, true
	}
	in := p.sdes.in.Load()
	if in == nil {
		return b, true
	}
	if !p.rtp.Admits(from, now) {
		return nil, false
	}
	return in.rtp(s.plain, b, now)
}

func (p *port) openRTCP(b []byte, s *scratch, now time.Time) ([]byte, bool) {
	if p.sdes == nil {
		return b, true
	}
	in := p.sdes.in.Load()
	if in == nil {
		return b, true
	}
	return in.rtcp(s.plain, b, now)
}

// tookRTP hands a packet of the peer's to the medium that it belongs to: on a port of several, that which has
// its payload type (rfc9143#9.2).
func (p *port) tookRTP(b []byte, s *scratch, now time.Time) {
	p.heard.Store(now.UnixNano())
	if p.limit.Rate = int(p.rate.Load()); !p.limit.Takes(b, now) {
		return
	}
	ends := *p.ends.Load()
	for _, e := range ends {
		if len(ends) > 1 && !e.carries(b) {
			continue
		}
		s.out = e.pass(b, s.out, now)
		return
	}
}

// tookAsItIs passes on what means something to the peers alone.
func (p *port) tookAsItIs(b []byte) {
	for _, e := range *p.ends.Load() {
		if w := e.way.Load(); w != nil && w.types == nil {
			w.to.port.Load().write(b)
		}
	}
}

// tookRTCP has each medium take what is about it.
func (p *port) tookRTCP(b []byte, s *scratch, mux bool) {
	now := time.Now()
	p.heard.Store(now.UnixNano())
	limit := &p.control
	if mux { // by who reads RTP
		limit = &p.limit
	}
	if !limit.Bytes(len(b), now) {
		return
	}
	for _, e := range *p.ends.Load() {
		s.out = e.passRTCP(b, s.out, mux)
	}
}

// read reads until the socket is closed.
func (p *port) read(c *net.UDPConn, take func([]byte, netip.AddrPort)) {
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

// sendRTP encrypts a packet if that was agreed on, and sends it.
func (p *port) sendRTP(b []byte) {
	if p.rtc != nil {
		p.rtc.SendRTP(b)
		return
	}
	if p.sdes != nil {
		if out := p.sdes.out.Load(); out != nil {
			if err := out.RTP(b, p.write); err != nil {
				p.log.Debug("packet was not encrypted", "err", err)
			}
			return
		}
	}
	p.write(b)
}

func (p *port) sendRTCP(b []byte) {
	if p.rtc != nil {
		p.rtc.SendRTCP(b)
		return
	}
	if p.sdes != nil {
		if out := p.sdes.out.Load(); out != nil {
			if err := out.RTCP(b, p.writeRTCP); err != nil {
				p.log.Debug("report was not encrypted", "err", err)
			}
			return
		}
	}
	p.writeRTCP(b)
}

func (p *port) write(b []byte)     { p.send(p.pair.RTP, &p.rtp, b) }
func (p *port) writeRTCP(b []byte) { p.send(p.pair.RTCP, &p.rtcp, b) }

func (p *port) send(c *net.UDPConn, l *rtp.Latch, b []byte) {
	to, ok := l.Target()
	if !ok {
		return
	}
	if _, err := c.WriteToUDPAddrPort(b, to); err != nil {
		p.log.Debug("packet was not passed on", "to", to, "err", err)
	}
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
