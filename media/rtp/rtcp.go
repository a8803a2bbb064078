package rtp

import (
	"encoding/binary"
	"iter"
	"time"
)

// RTCP packet types (rfc3550#6).
const (
	typeSR   = 200
	typeRR   = 201
	typeSDES = 202
	typeBye  = 203
)

// Compound goes through a compound packet: each packet with its type (rfc3550#6.1).
func Compound(datagram []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for b := datagram; len(b) >= 8 && b[0]>>6 == 2; {
			length := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
			if length < 8 || length > len(b) || !yield(b[1], b[:length:length]) {
				return
			}
			b = b[length:]
		}
	}
}

// report is what a sender tells of itself.
type report struct {
	ssrc      uint32
	timestamp uint32 // RTP time of now
	packets   uint32
	octets    uint32
	cname     string
	bye       bool
}

// append writes a compound packet: sender report, CNAME and, at the end, BYE
// (rfc3550#6.4.1, rfc3550#6.5, rfc3550#6.6).
func (r report) append(b []byte, now time.Time) []byte {
	b = r.appendSender(b, now)
	b = appendCNAME(b, r.ssrc, r.cname)
	if r.bye {
		b = append(b, 2<<6|1, typeBye, 0, 1)
		b = binary.BigEndian.AppendUint32(b, r.ssrc)
	}
	return b
}

// appendSender writes the sender report alone.
func (r report) appendSender(b []byte, now time.Time) []byte {
	b = append(b, 2<<6, typeSR, 0, 6)
	b = binary.BigEndian.AppendUint32(b, r.ssrc)
	b = binary.BigEndian.AppendUint64(b, ntp(now))
	b = binary.BigEndian.AppendUint32(b, r.timestamp)
	b = binary.BigEndian.AppendUint32(b, r.packets)
	return binary.BigEndian.AppendUint32(b, r.octets)
}

// appendCNAME writes a description of one source by its CNAME (rfc3550#6.5).
func appendCNAME(b []byte, ssrc uint32, cname string) []byte {
	item := 4 + 2 + len(cname) + 1 // a zero byte ends the list
	padded := (item + 3) &^ 3
	b = append(b, 2<<6|1, typeSDES, 0, byte(padded/4))
	b = binary.BigEndian.AppendUint32(b, ssrc)
	b = append(b, 1, byte(len(cname)))
	b = append(b, cname...)
	return append(b, make([]byte, 1+padded-item)...)
}

// ntp is the time as RTCP has it: seconds since 1900 and their 2^32nd parts (rfc3550#4).
func ntp(t time.Time) uint64 {
	const since1900 = 2208988800
	seconds := uint64(t.Unix() + since1900)
	return seconds<<32 | uint64(t.Nanosecond())<<32/1e9
}
