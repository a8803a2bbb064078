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
	rate int
}

// NewCarrier makes one; rand gives the random numbers that RTP wants (rfc3550#5.1).
func NewCarrier(rand func() uint32) *Carrier {
	return &Carrier{
		ssrc: rand(), cname: fmt.Sprintf("%08x%08x", rand(), rand()),
		out: stream{sequence: uint16(rand()), timestamp: rand()}, rate: 8000,
	}
}

// Source is our stream's SSRC and CNAME.
func (c *Carrier) Source() (ssrc uint32, cname string) { return c.ssrc, c.cname }

// SetRate says how fast the RTP clock of what is carried runs.
func (c *Carrier) SetRate(rate int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rate = rate
}

// RTP writes a datagram's packet into dst as one of ours; it is false for one that is none.
func (c *Carrier) RTP(dst, datagram []byte, now time.Time) ([]byte, bool) {
	p, ok := Read(datagram)
	if !ok {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.carry(&p, now, c.rate)
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

const blockLength = 24 // rfc3550#6.4.1

// RTCP writes what is to be passed on of a compound packet into dst; it is false if nothing is. c carries what the
// packet's sender sends, back what it receives. The sender's report, or the receiver's, passes with its numbers
// translated; our own CNAME follows (rfc3550#6.1). Feedback of other kinds was agreed for one path and stays there.
func (c *Carrier) RTCP(dst, datagram []byte, back *Carrier) ([]byte, bool) {
	for b := datagram; len(b) >= 8 && b[0]>>6 == 2; {
		length := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if length > len(b) {
			return nil, false
		}
		if out, ok := c.report(dst, b[:length], back); ok {
			return appendCNAME(out, c.ssrc, c.cname), true
		}
		b = b[length:]
	}
	return nil, false
}

// report translates a sender's or a receiver's report.
func (c *Carrier) report(dst, b []byte, back *Carrier) ([]byte, bool) {
	at, start := 8, len(dst)
	switch b[1] {
	case typeSR:
		if len(b) < 28 {
			return nil, false
		}
		at = 28
	case typeRR:
	default:
		return nil, false
	}
	dst = append(dst, 2<<6, b[1], 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, c.ssrc)
	if b[1] == typeSR {
		timestamp, ok := c.came(binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[16:]))
		if !ok {
			return nil, false
		}
		dst = append(dst, b[8:16]...)
		dst = binary.BigEndian.AppendUint32(dst, timestamp)
		dst = append(dst, b[20:28]...)
	}
	for range int(b[0] & 0x1f) {
		if at+blockLength > len(b) {
			break
		}
		block := b[at : at+blockLength]
		at += blockLength
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
	binary.BigEndian.PutUint16(dst[start+2:], uint16((len(dst)-start)/4-1))
	return dst, true
}
