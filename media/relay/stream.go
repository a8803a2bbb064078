package relay

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"

	"parley/media/quality"
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
	delete(s.offered, leg)
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
// stream of the other end's, its payload type that which the other peer wants. What the other peer doesn't understand
// at all goes by a crossing.
type way struct {
	to     *end
	types  *types // nil: as it came
	sealed bool   // what passes as it came is encrypted
	cross  *crossing
	takes  []types // what the crossing takes, and as what, by its sides
}

// end is one medium towards one side of the call. What is not atomic belongs to the anchor's lock.
type end struct {
	port atomic.Pointer[port] // media that are bundled share one
	out  *rtp.Carrier         // what is sent from here, if the media is bridged
	way  atomic.Pointer[way]  // where its media goes; nil: nowhere
	// How its peer's media comes and goes.
	meter quality.Meter
	// Of pictures: its peer, what was asked of that and when, and its last packet's source and number.
	picture   atomic.Pointer[picture]
	asked     atomic.Int64
	requests  atomic.Uint32
	last      atomic.Uint64
	onRefresh func(leg int)

	users map[int]int // legs that know of it, and when they were told
}

// pass hands a packet that came to an end to the other one; spent is a buffer to be used again.
func (e *end) pass(b, spent []byte, now time.Time) []byte {
	w := e.way.Load()
	if w == nil {
		return spent
	}
	e.meter.Packet(b, now)
	if w.cross != nil {
		w.cross.rtp(w, b, now)
		return spent
	}
	if w.types == nil {
		w.to.meter.Went()
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
	w.to.meter.Went()
	w.to.port.Load().sendRTP(out)
	if p := w.to.picture.Load(); p != nil {
		if p.cache != nil {
			p.cache.Keep(out)
		}
		e.came(b, now)
	}
	return out
}

// came asks for a full picture when another source begins to send, and again for what is missing of one, once: what comes
// later is passed in its place.
func (e *end) came(b []byte, now time.Time) {
	source, sequence := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint16(b[2:])
	this := 1<<48 | uint64(source)<<16 | uint64(sequence)
	last := e.last.Load()
	ahead := int16(sequence - uint16(last))
	switch {
	case last>>16 != this>>16:
		e.refresh(now)
	case ahead <= 0:
		return
	case ahead > 1 && ahead <= maxMissed:
		e.ask(source, uint16(last)+1, int(ahead)-1)
	}
	e.last.Store(this)
}

// maxMissed is how many packets may be missing that are asked for again; of more the picture is lost.
const maxMissed = 100

// ask asks an end's peer again for what it has sent.
func (e *end) ask(source uint32, first uint16, count int) {
	if p := e.picture.Load(); p != nil && p.able.nack {
		e.port.Load().sendRTCP(e.out.NACK(nil, source, first, count))
	}
}

// passRTCP does the same with RTCP. With rtcp-mux (rfc5761) it came to the port of RTP, and goes on by that.
func (e *end) passRTCP(b, spent []byte, mux bool) []byte {
	w := e.way.Load()
	if w == nil {
		return spent
	}
	now := time.Now()
	if !w.sealed {
		e.meter.Told(b, now)
	}
	if w.cross != nil {
		return spent // it makes reports of its own
	}
	to := w.to.port.Load()
	if w.types == nil {
		if !w.sealed {
			w.to.meter.Tells(b, now)
		}
		if mux {
			to.write(b)
		} else {
			to.writeRTCP(b)
		}
		return spent
	}
	e.heard(b, now)
	out, ok := w.to.out.RTCP(spent[:0], b, e.out)
	if !ok {
		return spent
	}
	w.to.meter.Tells(out, now)
	to.sendRTCP(out)
	return out
}

// close gives an end's port back, unless others use it still.
func (e *end) close() { e.port.Load().leave(e) }
