package rtp

import "encoding/binary"

// MaxPacket is the largest datagram that is taken; audio and video fit any path's MTU.
const MaxPacket = 2048

const headerLength = 12

// IsRTP says whether a datagram can be RTP (rfc3550#5.1), and not RTCP on the same
// port (rfc5761#4), nor STUN or DTLS (rfc7983#7).
func IsRTP(b []byte) bool { return len(b) >= headerLength && b[0]>>6 == 2 && !rtcpType(b[1]) }

// IsRTCP says whether a datagram can be RTCP.
func IsRTCP(b []byte) bool { return len(b) >= 8 && b[0]>>6 == 2 && rtcpType(b[1]) }

// IsZRTP says whether a datagram is of those by which two ends agree on keys in their media (rfc6189#5): it is passed
// between ends of one form.
func IsZRTP(b []byte) bool {
	return len(b) >= headerLength && b[0] == 0x10 && binary.BigEndian.Uint32(b[4:]) == 0x5a525450
}

func rtcpType(t byte) bool { return t >= 192 && t <= 223 }

// Packet is a datagram's RTP, as far as we look into it.
type Packet struct {
	Marker    bool
	Type      uint8
	Sequence  uint16
	Timestamp uint32
	SSRC      uint32
	Payload   []byte // of the datagram read
}

// Read takes a datagram apart. Contributing sources, extensions and padding are left out.
func Read(b []byte) (Packet, bool) {
	if !IsRTP(b) {
		return Packet{}, false
	}
	p := Packet{
		Marker: b[1]&0x80 != 0, Type: b[1] & 0x7f,
		Sequence:  binary.BigEndian.Uint16(b[2:]),
		Timestamp: binary.BigEndian.Uint32(b[4:]),
		SSRC:      binary.BigEndian.Uint32(b[8:]),
	}
	start, end := headerLength+4*int(b[0]&0x0f), len(b)
	if b[0]&0x10 != 0 { // rfc3550#5.3.1
		if start+4 > end {
			return Packet{}, false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	if b[0]&0x20 != 0 {
		padding := int(b[end-1])
		if padding == 0 {
			return Packet{}, false
		}
		end -= padding
	}
	if start > end {
		return Packet{}, false
	}
	p.Payload = b[start:end]
	return p, true
}

// Append writes the packet to b.
func (p *Packet) Append(b []byte) []byte {
	second := p.Type
	if p.Marker {
		second |= 0x80
	}
	b = append(b, 2<<6, second)
	b = binary.BigEndian.AppendUint16(b, p.Sequence)
	b = binary.BigEndian.AppendUint32(b, p.Timestamp)
	b = binary.BigEndian.AppendUint32(b, p.SSRC)
	return append(b, p.Payload...)
}
