package rtp

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"sync"
	"time"
)

// RTCP feedback (rfc4585#6.1, rfc5104#4.3.1.1).
const (
	TypeTransport = 205 // feedback on transport
	TypePicture   = 206 // feedback on payload: pictures

	FormatNACK = 1 // of TypeTransport
	FormatPLI  = 1 // of TypePicture: a picture is lost
	FormatFIR  = 4 // of TypePicture: a full picture is wanted
	formatAFB  = 15
)

// Format is a feedback packet's.
func Format(b []byte) byte { return b[0] & 0x1f }

// About is the source that a feedback packet speaks of (rfc4585#6.1); that of FIR stands among its entries.
func About(b []byte) uint32 {
	switch {
	case len(b) >= 20 && b[1] == TypePicture && Format(b) == FormatFIR:
		return binary.BigEndian.Uint32(b[12:])
	case len(b) >= 12:
		return binary.BigEndian.Uint32(b[8:])
	}
	return 0
}

// Lost are the sequence numbers that a NACK asks for (rfc4585#6.2.1).
func Lost(b []byte) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for at := 12; at+4 <= len(b); at += 4 {
			first, more := binary.BigEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:])
			if !yield(first) {
				return
			}
			for i := uint16(1); more != 0; i, more = i+1, more>>1 {
				if more&1 != 0 && !yield(first+i) {
					return
				}
			}
		}
	}
}

// begin starts a compound packet of ours (rfc3550#6.1).
func (c *Carrier) begin(dst []byte) []byte {
	dst = append(dst, 2<<6, typeRR, 0, 1)
	dst = binary.BigEndian.AppendUint32(dst, c.ssrc)
	return appendCNAME(dst, c.ssrc, c.cname)
}

func (c *Carrier) feedback(dst []byte, format, kind byte, words int, about uint32) []byte {
	dst = append(c.begin(dst), 2<<6|format, kind, 0, byte(words))
	dst = binary.BigEndian.AppendUint32(dst, c.ssrc)
	return binary.BigEndian.AppendUint32(dst, about)
}

// PLI says that a picture of a source is lost (rfc4585#6.3.1).
func (c *Carrier) PLI(dst []byte, source uint32) []byte {
	return c.feedback(dst, FormatPLI, TypePicture, 2, source)
}

// NACK asks a source again for count packets from a number on (rfc4585#6.2.1).
func (c *Carrier) NACK(dst []byte, source uint32, first uint16, count int) []byte {
	words := (count + 16) / 17
	dst = c.feedback(dst, FormatNACK, TypeTransport, 2+words, source)
	for ; count > 0; count, first = count-17, first+17 {
		dst = binary.BigEndian.AppendUint16(dst, first)
		dst = binary.BigEndian.AppendUint16(dst, uint16(1<<min(count-1, 16)-1))
	}
	return dst
}

// FIR asks a source for a full picture; each request has another number (rfc5104#4.3.1).
func (c *Carrier) FIR(dst []byte, source uint32, number uint8) []byte {
	dst = c.feedback(dst, FormatFIR, TypePicture, 4, 0)
	dst = binary.BigEndian.AppendUint32(dst, source)
	return append(dst, number, 0, 0, 0)
}

// REMB tells a source how many bits a second it may send (draft-alvestrand-rmcat-remb-03#2.2).
func (c *Carrier) REMB(dst []byte, source uint32, rate uint64) []byte {
	dst = c.feedback(dst, formatAFB, TypePicture, 5, 0)
	exponent := max(bits.Len64(rate)-18, 0)
	word := uint32(1)<<24 | uint32(exponent)<<18 | uint32(rate>>exponent)
	dst = append(dst, "REMB"...)
	dst = binary.BigEndian.AppendUint32(dst, word)
	return binary.BigEndian.AppendUint32(dst, source)
}

const (
	kept      = 512 // packets; at 30 pictures a second of large video some two seconds
	again     = 30 * time.Millisecond
	maxResent = 64 // for one NACK
)

// Cache keeps what was sent of late, for a peer that has lost some of it.
type Cache struct {
	mu    sync.Mutex
	slots [kept]slot
}

// slot is a packet; its buffer is used again and again.
type slot struct {
	packet   []byte
	sequence uint16
	resent   time.Time
}

// Keep takes a copy of a packet.
func (c *Cache) Keep(packet []byte) {
	n := binary.BigEndian.Uint16(packet[2:])
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.slots[n%kept]
	s.packet, s.sequence, s.resent = append(s.packet[:0], packet...), n, time.Time{}
}

// Resend sends again what a NACK asks for and is still there: each packet not more often than a peer can need it, so that
// nobody is sent much for little.
func (c *Cache) Resend(nack []byte, now time.Time, send func([]byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for sequence := range Lost(nack) {
		s := &c.slots[sequence%kept]
		if len(s.packet) == 0 || s.sequence != sequence || now.Sub(s.resent) < again {
			continue
		}
		if n++; n > maxResent {
			return
		}
		s.resent = now
		send(s.packet)
	}
}
