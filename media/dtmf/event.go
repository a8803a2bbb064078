// Package dtmf carries the keys of a telephone in the ways that peers know: as events beside the audio (RFC 4733), as two tones
// in it (ITU-T Q.23), and in the bodies of SIP INFO that phones took up before either (application/dtmf-relay and
// application/dtmf, which have no standard).
package dtmf

import (
	"encoding/binary"
	"strings"
	"time"
)

const keys = "0123456789*#ABCD" // by their event codes (rfc4733#3.2)

// Code is the event of a key.
func Code(key byte) (code byte, ok bool) {
	i := strings.IndexByte(keys, upper(key))
	return byte(i), i >= 0
}

// Key is the key of an event; ok is false for events that are none, such as flash.
func Key(code byte) (key byte, ok bool) {
	if int(code) >= len(keys) {
		return 0, false
	}
	return keys[code], true
}

func upper(b byte) byte {
	if b >= 'a' && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}

// Event is the payload of a telephone-event packet (rfc4733#2.3).
type Event struct {
	Code     byte
	End      bool
	Volume   byte   // dB below full scale, 0 to 63
	Duration uint16 // since the packet's timestamp, in its clock
}

// Read reads a payload.
func Read(payload []byte) (Event, bool) {
	if len(payload) < 4 {
		return Event{}, false
	}
	return Event{
		Code: payload[0], End: payload[1]&0x80 != 0, Volume: payload[1] & 0x3f,
		Duration: binary.BigEndian.Uint16(payload[2:]),
	}, true
}

// Append writes the payload.
func (e Event) Append(b []byte) []byte {
	second := e.Volume & 0x3f
	if e.End {
		second |= 0x80
	}
	return binary.BigEndian.AppendUint16(append(b, e.Code, second), e.Duration)
}

// Packet is an event as RTP carries it: while it lasts all packets have the timestamp of its begin, and the first has the
// marker (rfc4733#2.5.1.2).
type Packet struct {
	Marker    bool
	Timestamp uint32
	Event     Event
}

const (
	every  = 20 * time.Millisecond
	again  = 3       // times that the end is sent (rfc4733#2.5.1.4)
	level  = 10      // dB below full scale
	most   = 0xffff  // of a segment's duration (rfc4733#2.5.1.3)
	behind = 1 << 31 // timestamps from here on are earlier ones
)

// Press is a key that is sent as events: each Next is due 20 ms after the one before, three at the end carry the same.
type Press struct {
	clock int
	code  byte
	start uint32
	total uint32 // ticks that it takes
	at    uint32 // that have gone
	ends  int    // packets with the end that were sent
	begun bool
}

// NewPress begins a key at an RTP time of a clock; it lasts at least 40 ms.
func NewPress(key byte, clock int, start uint32, length time.Duration) (*Press, bool) {
	code, ok := Code(key)
	if !ok || clock <= 0 {
		return nil, false
	}
	length = min(max(length, 2*every), 10*time.Second)
	return &Press{clock: clock, code: code, start: start, total: uint32(length * time.Duration(clock) / time.Second)}, true
}

// Next is the packet that is due; ok is false when all have been.
func (p *Press) Next() (_ Packet, ok bool) {
	if p.ends == again {
		return Packet{}, false
	}
	if p.at < p.total {
		p.at = min(p.at+uint32(every*time.Duration(p.clock)/time.Second), p.total)
	}
	out := Packet{Marker: !p.begun, Timestamp: p.start, Event: Event{Code: p.code, Volume: level}}
	p.begun = true
	if p.at == p.total {
		out.Event.End = true
		p.ends++
	}
	out.Timestamp, out.Event.Duration = segment(p.start, p.at)
	return out, true
}

// segment is where a duration that may not fit 16 bits stands (rfc4733#2.5.1.3).
func segment(start, duration uint32) (timestamp uint32, part uint16) {
	whole := (max(duration, 1) - 1) / most
	return start + whole*most, uint16(duration - whole*most)
}

// Receiver makes presses of packets, of which some get lost and the last comes several times.
type Receiver struct {
	Clock int

	any   bool
	last  uint32 // timestamp of the event that was told last
	code  byte
	ended bool
	until uint32 // RTP time to which it lasted
}

// Take says whether a packet begins a press, and whether it ends one, of which it is the first to say so.
func (r *Receiver) Take(timestamp uint32, e Event) (begins, ends bool) {
	fresh := !r.any || timestamp-r.last-1 < behind-1
	// The next segment of a long press begins where the last packet seen of the one before ended, or a little later.
	going := r.any && e.Code == r.code && !r.ended && fresh && int64(timestamp-r.until) <= int64(r.Clock/10)
	switch {
	case going:
		r.last = timestamp
	case fresh:
		begins = true
		r.any, r.last, r.code, r.ended = true, timestamp, e.Code, false
	case timestamp != r.last || e.Code != r.code:
		return false, false // of an earlier one
	}
	ends = e.End && !r.ended
	r.ended = r.ended || e.End
	r.until = timestamp + uint32(e.Duration)
	return begins, ends
}

// Scaler turns the events of one clock into those of another, packet by packet.
type Scaler struct {
	From, To int

	any   bool
	start uint32 // of the event that goes on, in the old clock
	ours  uint32 // and in the new one
}

// Scale gives a packet's event in the new clock. begin is the RTP time there of an event that begins with this packet.
func (s *Scaler) Scale(timestamp uint32, e Event, begin uint32) (uint32, Event) {
	if !s.any || s.start != timestamp {
		s.any, s.start, s.ours = true, timestamp, begin
	}
	duration := uint32(uint64(e.Duration) * uint64(s.To) / uint64(s.From))
	timestamp, e.Duration = segment(s.ours, duration)
	return timestamp, e
}
