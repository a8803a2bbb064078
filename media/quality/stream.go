// Package quality says how a call sounds: what was lost and how unevenly it came, by our own count and by what the peers report
// (RFC 3550, RFC 3611), how long a way there and back takes, and what an average listener would make of it by the
// E-model (ITU-T G.107).
package quality

import (
	"encoding/binary"
	"math"
	"time"
)

// Stream counts what comes of one source after another (rfc3550#6.4.1, rfc3550#A.3, rfc3550#A.8).
type Stream struct {
	ssrc    uint32
	bound   bool
	base    uint32 // extended sequence number that the source began with
	highest uint32 // the highest, extended
	count   uint32 // packets of this source
	window  uint64 // of the last 64 numbers, which came
	jumped  int    // packets in a row that were too far off

	repeated uint64
	before   Count // of the sources before

	jitter     float64 // in seconds
	peak, sum  float64
	measured   int
	timestamp  uint32 // of the last packet
	arrived    time.Time
	timed      bool // there was one
	toldLost   int64
	toldNumber uint32
}

// Count of packets.
type Count struct{ Received, Expected, Repeated uint64 }

const (
	tooFar = 3000 // a jump in numbers after which the source counts as a new one (rfc3550#A.1)
	trust  = 2    // packets after a jump until it is believed
	pause  = 2    // seconds: what is off by more is a source whose timestamps stood still, not the network
	seen   = 64   // numbers back to which a repetition is known
)

// Take counts a packet of a clock.
func (s *Stream) Take(ssrc uint32, sequence uint16, timestamp uint32, clock int, now time.Time) {
	if !s.bound || s.ssrc != ssrc {
		s.begin(ssrc, sequence)
	}
	step := int16(sequence - uint16(s.highest))
	switch {
	case step > tooFar || step < -tooFar:
		if s.jumped++; s.jumped < trust {
			return
		}
		s.begin(ssrc, sequence)
	case step > 0:
		s.highest += uint32(step)
		s.window = s.window<<step | 1
	case s.count > 0 && step > -seen:
		bit := uint64(1) << -step
		if s.window&bit != 0 {
			s.repeated++
			return
		}
		s.window |= bit
	}
	s.jumped = 0
	s.count++
	s.arrive(timestamp, clock, now)
}

func (s *Stream) begin(ssrc uint32, sequence uint16) {
	s.before = s.Count()
	s.ssrc, s.bound, s.count, s.timed, s.jumped, s.repeated = ssrc, true, 0, false, 0, 0
	s.base = 1<<16 | uint32(sequence) // so that what came before its first is no huge number
	s.highest, s.window = s.base, 1
	s.toldNumber, s.toldLost = 0, 0
}

func (s *Stream) arrive(timestamp uint32, clock int, now time.Time) {
	if clock <= 0 {
		return
	}
	if s.timed {
		sent := float64(int32(timestamp-s.timestamp)) / float64(clock)
		if d := math.Abs(now.Sub(s.arrived).Seconds() - sent); d < pause {
			s.jitter += (d - s.jitter) / 16
			s.peak = max(s.peak, s.jitter)
			s.sum += s.jitter
			s.measured++
		}
	}
	s.timestamp, s.arrived, s.timed = timestamp, now, true
}

// Count is of all sources so far.
func (s *Stream) Count() Count {
	c := s.before
	if s.count > 0 {
		c.Received += uint64(s.count)
		c.Expected += max(uint64(s.highest-s.base)+1, uint64(s.count))
		c.Repeated += s.repeated
	}
	return c
}

// Lost is the share of packets that did not come, from 0 to 1.
func (c Count) Lost() float64 {
	if c.Expected == 0 {
		return 0
	}
	return float64(c.Expected-c.Received) / float64(c.Expected)
}

// Jitter is the mean over the stream, and the highest.
func (s *Stream) Jitter() (mean, most time.Duration) {
	if s.measured == 0 {
		return 0, 0
	}
	return seconds(s.sum / float64(s.measured)), seconds(s.peak)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Block is a reception report block (rfc3550#6.4.1).
type Block struct {
	SSRC     uint32
	Fraction uint8 // 256ths lost since the last report
	Lost     int32
	Highest  uint32
	Jitter   uint32 // in the clock
	LSR      uint32
	DLSR     uint32 // 65536ths of a second
}

// Report is what is to be told of the source; ok is false if nothing has come.
func (s *Stream) Report(clock int) (b Block, ok bool) {
	if s.count == 0 {
		return Block{}, false
	}
	expected := s.highest - s.base + 1
	lost := int64(expected) - int64(s.count)
	b = Block{
		SSRC: s.ssrc, Lost: int32(min(max(lost, -0x800000), 0x7fffff)),
		Highest: s.highest - 1<<16, Jitter: uint32(s.jitter * float64(clock)),
	}
	if news, gone := expected-s.toldNumber, lost-s.toldLost; news > 0 && gone > 0 {
		b.Fraction = uint8(min(gone*256/int64(news), 255))
	}
	s.toldNumber, s.toldLost = expected, lost
	return b, true
}

// Append writes the block.
func (b Block) Append(dst []byte) []byte {
	dst = be32(dst, b.SSRC)
	dst = be32(dst, uint32(b.Fraction)<<24|uint32(b.Lost)&0xffffff)
	dst = be32(dst, b.Highest)
	dst = be32(dst, b.Jitter)
	dst = be32(dst, b.LSR)
	return be32(dst, b.DLSR)
}

func be32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }
