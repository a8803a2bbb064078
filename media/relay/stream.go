package relay

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"

	"parley/media/rtp"
)

// stream is one medium of the call: an end towards the caller, and one towards those who are
// called for each family of addresses among them, or for each leg that has keys of its own.
type stream struct {
	ends    map[side]*end
	offered map[int][]match // by the leg that got the offer
}

// side finds an end.
type side struct {
	caller bool
	host   netip.Addr
	own    int // one more than the leg, if that has keys of its own: such an end is for it alone
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

// join lets media flow between two ends, and between no others. there is the way from a to b, back the other one.
func (s *stream) join(a, b *end, there, back *way) {
	for _, e := range s.ends {
		if e != a && e != b {
			e.way.Store(nil)
		}
	}
	there.to, back.to = b, a
	a.way.Store(there)
	b.way.Store(back)
}

func (s *stream) part() {
	for _, e := range s.ends {
		e.way.Store(nil)
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
		if w := e.way.Load(); w != nil && w.to == gone {
			e.way.Store(nil)
		}
	}
}

// way is where a medium goes from one end, and how: between ends of one form each packet as it came; else as one of a
// stream of the other end's, its payload type that which the other peer wants.
type way struct {
	to    *end
	types *types // nil: as it came
}

// end is one medium towards one side of the call. What is not atomic belongs to the anchor's lock.
type end struct {
	port atomic.Pointer[port] // media that are bundled share one
	out  *rtp.Carrier         // what is sent from here, if the media is bridged
	way  atomic.Pointer[way]  // where its media goes; nil: nowhere
	// Of pictures: its peer, what was asked of that and when, and which source it sends.
	picture   atomic.Pointer[picture]
	asked     atomic.Int64
	requests  atomic.Uint32
	source    atomic.Uint64
	onRefresh func(leg int)

	users map[int]int // legs that know of it, and when they were told
}

// pass hands a packet that came to an end to the other one; spent is a buffer to be used again.
func (e *end) pass(b, spent []byte, now time.Time) []byte {
	w := e.way.Load()
	if w == nil {
		return spent
	}
	if w.types == nil {
		w.to.port.Load().write(b)
		return spent
	}
	payload, ok := w.types.becomes(b)
	if !ok {
		return spent
	}
	out, ok := w.to.out.RTP(spent[:0], b, now)
	if !ok {
		return spent
	}
	out[1] = out[1]&0x80 | payload
	w.to.port.Load().sendRTP(out)
	if p := w.to.picture.Load(); p != nil {
		if p.cache != nil {
			p.cache.Keep(out)
		}
		e.began(b, now)
	}
	return out
}

// began asks for a full picture when another source begins to send.
func (e *end) began(b []byte, now time.Time) {
	if source := 1<<32 | uint64(binary.BigEndian.Uint32(b[8:])); e.source.Swap(source) != source {
		e.refresh(now)
	}
}

// passRTCP does the same with RTCP. With rtcp-mux (rfc5761) it came to the port of RTP, and goes on by that.
func (e *end) passRTCP(b, spent []byte, mux bool) []byte {
	w := e.way.Load()
	if w == nil {
		return spent
	}
	to := w.to.port.Load()
	if w.types == nil {
		if mux {
			to.write(b)
		} else {
			to.writeRTCP(b)
		}
		return spent
	}
	e.heard(b, time.Now())
	out, ok := w.to.out.RTCP(spent[:0], b, e.out)
	if !ok {
		return spent
	}
	to.sendRTCP(out)
	return out
}

// close gives an end's port back, unless others use it still.
func (e *end) close() { e.port.Load().leave(e) }
