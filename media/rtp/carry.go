package rtp

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

// Carrier passes a source's packets on as a stream of our own: one SSRC, with sequence numbers and timestamps that go
// on without a break when the source changes. What belongs to one path (contributing sources, header extensions,
// padding) is left out.
type Carrier struct {
	ssrc  uint32
	cname string

	mu   sync.Mutex
	out  stream
	sent sent
	rate int
}

// NewCarrier makes one; rand gives the random numbers that RTP wants (rfc3550#5.1). The first sequence number is a low
// one, so that who begins to decrypt a moment late counts the same rounds (rfc3711#3.3.1).
func NewCarrier(rand func() uint32, cname string) *Carrier {
	return &Carrier{
		ssrc: rand(), cname: cname,
		out: stream{sequence: uint16(rand() & 0x7fff), timestamp: rand()}, rate: 8000,
	}
}

// CNAME makes the name that the streams of one end have in common (rfc7022#4.2).
func CNAME(rand func() uint32) string { return fmt.Sprintf("%08x%08x%08x", rand(), rand(), rand()) }

// Source is our stream's SSRC and CNAME.
func (c *Carrier) Source() (ssrc uint32, cname string) { return c.ssrc, c.cname }

// SetRate says how fast the RTP clock of what is carried runs.
func (c *Carrier) SetRate(rate int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rate = rate
}

// RTP writes a datagram's packet into dst as one of ours; it is false for one that is none, or that has been sent
// before: under one key no number may be used twice (rfc3711#9.1, rfc7714#9.1).
func (c *Carrier) RTP(dst, datagram []byte, now time.Time) ([]byte, bool) {
	p, ok := Read(datagram)
	if !ok {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.carry(&p, now, c.rate)
	if !c.sent.first(p.Sequence) {
		return nil, false
	}
	p.SSRC = c.ssrc
	return p.Append(dst), true
}

// came takes over what a sender report says of the source that is carried.
func (c *Carrier) came(source, timestamp uint32) (ours uint32, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return timestamp + c.out.addTimestamp, c.out.bound && c.out.ssrc == source
}

// went says what a report on our stream means for the source that it carries.
func (c *Carrier) went(ssrc, highest uint32) (source, seen uint32, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.ssrc, highest - uint32(c.out.addSequence), c.out.bound && c.ssrc == ssrc
}

// Carries is the source that is carried now; ok is false if there is none.
func (c *Carrier) Carries() (source uint32, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.ssrc, c.out.bound
}

const blockLength = 24 // rfc3550#6.4.1

// RTCP writes what is to be passed on of a compound packet into dst; it is false if nothing is. c carries what the
// packet's sender sends, back what it receives. The sender's report passes with its numbers translated, and of the
// blocks those on the stream that back is, from whichever of the sender's sources they come; our own CNAME follows
// (rfc3550#6.1). Feedback of other kinds was agreed for one path and stays there.
func (c *Carrier) RTCP(dst, datagram []byte, back *Carrier) ([]byte, bool) {
	start, said := len(dst), false
	for kind, b := range Compound(datagram) {
		if kind != typeSR && kind != typeRR {
			continue
		}
		var ok bool
		if dst, ok = c.report(dst, b, back); ok {
			said = true
		}
	}
	if !said {
		return dst[:start], false
	}
	return appendCNAME(dst, c.ssrc, c.cname), true
}

// report translates a sender's or a receiver's report; it is false if it is about nothing that passes here.
func (c *Carrier) report(dst, b []byte, back *Carrier) ([]byte, bool) {
	start, at, kind := len(dst), 8, byte(typeRR)
	if b[1] == typeSR {
		if at = 28; len(b) < at {
			return dst, false
		}
		if timestamp, ok := c.came(binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[16:])); ok {
			kind = typeSR
			dst = append(dst, 2<<6, kind, 0, 0)
			dst = binary.BigEndian.AppendUint32(dst, c.ssrc)
			dst = append(dst, b[8:16]...)
			dst = binary.BigEndian.AppendUint32(dst, timestamp)
			dst = append(dst, b[20:28]...)
		}
	}
	if kind == typeRR {
		dst = append(dst, 2<<6, kind, 0, 0)
		dst = binary.BigEndian.AppendUint32(dst, c.ssrc)
	}
	dst = translated(dst, start, b[at:], int(b[0]&0x1f), back)
	if kind == typeRR && dst[start]&0x1f == 0 {
		return dst[:start], false
	}
	binary.BigEndian.PutUint16(dst[start+2:], uint16((len(dst)-start)/4-1))
	return dst, true
}

// translated appends what blocks say of back's stream to the report that begins at start.
func translated(dst []byte, start int, blocks []byte, count int, back *Carrier) []byte {
	for ; count > 0 && len(blocks) >= blockLength; count-- {
		block := blocks[:blockLength]
		blocks = blocks[blockLength:]
		source, seen, ok := back.went(binary.BigEndian.Uint32(block), binary.BigEndian.Uint32(block[8:]))
		if !ok {
			continue
		}
		dst = binary.BigEndian.AppendUint32(dst, source)
		dst = append(dst, block[4:8]...)
		dst = binary.BigEndian.AppendUint32(dst, seen)
		dst = append(dst, block[12:]...)
		dst[start]++
	}
	return dst
}

// sent remembers which sequence numbers have been used of late.
type sent struct {
	any     bool
	highest uint16
	used    [sentWords]uint64 // by the number, modulo their bits
}

const (
	sentWords = 16
	sentBits  = 64 * sentWords // twice what a peer of ours keeps track of
)

// first says that a number has not been used before, as far as that is remembered.
func (s *sent) first(n uint16) bool {
	ahead := int16(n - s.highest)
	switch {
	case !s.any || ahead >= sentBits:
		s.used = [sentWords]uint64{}
		s.any, s.highest = true, n
	case ahead > 0:
		for s.highest != n {
			s.highest++
			s.used[s.highest/64%sentWords] &^= 1 << (s.highest % 64)
		}
	case ahead <= -sentBits:
		return false
	}
	word, bit := &s.used[n/64%sentWords], uint64(1)<<(n%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}
