// Package jitter evens out how packets of sound come from a network (RFC 3550): they are played in order and at an even pace,
// each as late as the unevenness of the last seconds asks for and no later. What is missing when its time comes is made
// up by the codec, and a long silence is comfort noise (RFC 3389).
//
// A Buffer has no goroutine and no clock: who plays pulls a frame each time one is due.
package jitter

import (
	"time"

	"parley/media/codec"
)

// Config of a Buffer. Codec is needed; every other zero value takes its default.
type Config struct {
	Codec codec.Codec
	// Rate of the samples that are pulled; default the codec's own.
	Rate int
	// Comfort is the payload type of comfort noise; 0 for none (rfc3389#4 has 13).
	Comfort uint8
	// Least and Most bound the delay; default 20 ms and 400 ms.
	Least, Most time.Duration
}

// Packet is one of the stream.
type Packet struct {
	Type      uint8
	Sequence  uint16
	Timestamp uint32
	Payload   []byte
}

// Stats count what became of packets and of time.
type Stats struct {
	Played, Late, Repeated, Overflown uint64 // packets
	Concealed, Silent                 uint64 // samples made up, and of silence or noise
	Stretched, Shrunk                 uint64 // samples added and left out, to change the delay
	Delay                             time.Duration
}

const (
	leastDelay = 20 * time.Millisecond
	mostDelay  = 400 * time.Millisecond
	capacity   = 64                    // packets
	fade       = 60 * time.Millisecond // of what is made up, until only noise is left
	lively     = 2 * time.Second       // without packets, after which the stream begins anew
	forget     = 500                   // packets in which half of the unevenness is forgotten
	lookback   = 100                   // packets in which the earliest are looked for: a drift of clocks is followed
	margin     = 5 * time.Millisecond  // on top of the unevenness seen
	correct    = 5 * time.Millisecond  // of delay too little, which nothing is done about
	surplus    = 25 * time.Millisecond // and too much: a frame that was made up while the next was waited for is kept
	tardy      = 20 * time.Millisecond
	jump       = 5 * time.Second        // in the timestamps, at which the stream begins anew
	slip       = 100 * time.Millisecond // of delay too much that is left out at once
	latest     = 10                     // packets in a row that are too late, with which the stream begins anew
)

type slot struct {
	Packet
	used bool
}

// Buffer of one stream. It is not safe for concurrent use.
type Buffer struct {
	c       Config
	decoder codec.Decoder
	noise   Noise
	slots   [capacity]slot
	n       int

	started bool
	playing bool   // the delay is over
	at      uint32 // RTP time that is due
	next    uint16 // number of the packet that is due, if known
	known   bool
	base    time.Time // when RTP time zero of the stream would have come
	zero    uint32
	floor   float64 // seconds: how early the earliest come, of the last packets and those before them
	lowest  float64
	before  float64
	counted int
	spread  float64 // how late the late ones come after them
	last    time.Time
	late    int // packets in a row that came too late

	ready   []int16 // samples decoded and not yet pulled
	missing time.Duration
	quiet   bool // comfort noise is on
	stats   Stats
}

// New makes a buffer.
func New(c Config) (*Buffer, error) {
	if c.Rate == 0 {
		c.Rate = c.Codec.Rates[0]
	}
	if c.Least == 0 {
		c.Least = leastDelay
	}
	if c.Most == 0 {
		c.Most = max(mostDelay, c.Least)
	}
	d, err := c.Codec.Decoder(c.Rate)
	if err != nil {
		return nil, err
	}
	return &Buffer{c: c, decoder: d, noise: NewNoise(c.Rate)}, nil
}

// Push takes a packet that came now. Its payload is copied.
func (b *Buffer) Push(p Packet, now time.Time) {
	if !b.started || now.Sub(b.last) > lively || b.far(p.Timestamp) {
		b.begin(p, now)
	}
	b.last = now
	b.observe(p.Timestamp, now)
	if b.missed(p) {
		b.stats.Late++
		// What came before is no sign of a clock that stood still.
		if !b.known || int16(p.Sequence-b.next) >= 0 {
			b.late++
		}
		if b.late < latest {
			return
		}
		b.begin(p, now)
	}
	b.late = 0
	at := -1
	for i := range b.slots {
		switch s := &b.slots[i]; {
		case s.used && s.Sequence == p.Sequence:
			b.stats.Repeated++
			return
		case !s.used && at < 0:
			at = i
		}
	}
	if at < 0 {
		b.stats.Overflown++
		b.drop()
		at = 0
		for b.slots[at].used {
			at++
		}
	}
	payload := append(b.slots[at].Payload[:0], p.Payload...)
	b.slots[at] = slot{p, true}
	b.slots[at].Payload = payload
	b.n++
}

// missed says that a packet's time is over. One that is a little late is played all the same: the delay is too short.
func (b *Buffer) missed(p Packet) bool {
	if !b.playing {
		return false
	}
	behind := int32(b.at - p.Timestamp)
	return behind > 0 && (behind >= b.ticks(tardy) || b.known && int16(p.Sequence-b.next) < 0)
}

func (b *Buffer) far(timestamp uint32) bool {
	gap := int32(timestamp - b.at)
	return gap > b.ticks(jump) || gap < -b.ticks(jump)
}

func (b *Buffer) ticks(d time.Duration) int32 {
	return int32(d * time.Duration(b.c.Codec.Clock) / time.Second)
}

// begin starts with a packet; what was not played is given up.
func (b *Buffer) begin(p Packet, now time.Time) {
	for i := range b.slots {
		b.slots[i].used = false
	}
	b.n, b.started, b.playing, b.known = 0, true, false, false
	b.at, b.zero, b.base = p.Timestamp, p.Timestamp, now
	b.floor, b.lowest, b.before, b.counted = 0, 0, 0, 0
	b.ready = b.ready[:0]
}

// observe keeps how uneven the packets come. The earliest of them drift with the clocks of the two ends.
func (b *Buffer) observe(timestamp uint32, now time.Time) {
	due := float64(int32(timestamp-b.zero)) / float64(b.c.Codec.Clock)
	off := now.Sub(b.base).Seconds() - due
	b.lowest = min(b.lowest, off)
	if b.counted++; b.counted == lookback {
		b.before, b.lowest, b.counted = b.lowest, off, 0
	}
	b.floor = min(b.lowest, b.before)
	late := off - b.floor
	if late > b.spread {
		b.spread += (late - b.spread) * 3 / 4
	} else {
		b.spread -= b.spread / forget
	}
	if b.zero != timestamp && int32(timestamp-b.zero) > b.ticks(time.Minute) { // differences must not wrap
		b.base = b.base.Add(time.Duration(due * float64(time.Second)))
		b.zero = timestamp
	}
}

// target is the delay that the unevenness asks for.
func (b *Buffer) target() time.Duration {
	d := time.Duration(b.spread*float64(time.Second)) + margin
	return min(max(d, b.c.Least), b.c.Most)
}

// drop gives up the packet that would be played first.
func (b *Buffer) drop() {
	if s := b.first(); s != nil {
		s.used = false
		b.n--
	}
}

// first is the packet that is to be played first.
func (b *Buffer) first() (found *slot) {
	for i := range b.slots {
		s := &b.slots[i]
		if s.used && (found == nil || int32(s.Timestamp-found.Timestamp) < 0 ||
			s.Timestamp == found.Timestamp && int16(s.Sequence-found.Sequence) < 0) {
			found = s
		}
	}
	return found
}

// Pull appends the next n samples to dst.
func (b *Buffer) Pull(dst []int16, n int, now time.Time) []int16 {
	if !b.playing {
		if !b.started || b.n == 0 || now.Sub(b.base) < b.target() {
			b.stats.Silent += uint64(n)
			return b.silence(dst, n)
		}
		b.playing = true
		b.at = b.first().Timestamp
	}
	for len(b.ready) < n {
		b.more(n-len(b.ready), now)
	}
	dst = append(dst, b.ready[:n]...)
	b.ready = b.ready[:copy(b.ready, b.ready[n:])]
	return dst
}

// more decodes what is due, or makes it up.
func (b *Buffer) more(n int, now time.Time) {
	s := b.first()
	if s != nil && int32(s.Timestamp-b.at) <= 0 {
		b.play(s, now)
		return
	}
	if s != nil && b.known && s.Sequence == b.next && !b.quiet {
		// Nothing is lost: its sender was silent, and speaks again later.
		b.quietly(min(n, b.samples(s.Timestamp)), s.Timestamp)
		return
	}
	var next []byte
	want := n
	if s != nil {
		want = min(n, b.samples(s.Timestamp))
		if int16(s.Sequence-b.next) == 1 && b.known && want == b.samples(s.Timestamp) {
			next = s.Payload
		}
	}
	want = max(want, 1)
	if b.quiet || b.missing >= fade {
		b.quietly(want, b.at+b.c.Codec.Ticks(want, b.c.Rate))
		return
	}
	waits := s == nil && b.delay(now) < b.target()
	b.ready = b.decoder.Conceal(b.ready, want, next)
	b.stats.Concealed += uint64(want)
	b.missing += time.Duration(want) * time.Second / time.Duration(b.c.Rate)
	if waits { // it may be on its way still: what is made up is on top of the sound, and the delay grows
		b.stats.Stretched += uint64(want)
		return
	}
	b.at += b.c.Codec.Ticks(want, b.c.Rate)
}

// delay is how much later than it could have come at the earliest what is decoded next will be heard.
func (b *Buffer) delay(now time.Time) time.Duration {
	due := float64(int32(b.at-b.zero)) / float64(b.c.Codec.Clock)
	return time.Duration((now.Sub(b.base).Seconds() - b.floor - due + float64(len(b.ready))/float64(b.c.Rate)) * float64(time.Second))
}

// samples until an RTP time.
func (b *Buffer) samples(timestamp uint32) int { return b.c.Codec.Samples(timestamp-b.at, b.c.Rate) }

// quietly fills with silence or noise.
func (b *Buffer) quietly(n int, until uint32) {
	n = max(n, 1)
	b.ready = b.silence(b.ready, n)
	b.stats.Silent += uint64(n)
	b.at += b.c.Codec.Ticks(n, b.c.Rate)
	if int32(until-b.at) < 0 {
		b.at = until
	}
}

func (b *Buffer) silence(dst []int16, n int) []int16 {
	if b.quiet {
		return b.noise.Append(dst, n)
	}
	return append(dst, make([]int16, n)...)
}

// play decodes a packet.
func (b *Buffer) play(s *slot, now time.Time) {
	s.used = false
	b.n--
	b.next, b.known = s.Sequence+1, true
	if b.c.Comfort != 0 && s.Type == b.c.Comfort {
		b.noise.Set(s.Payload)
		b.quiet, b.at = true, s.Timestamp
		return
	}
	from := len(b.ready)
	out, err := b.decoder.Decode(b.ready, s.Payload)
	if err != nil {
		return // as good as lost: the next call makes it up
	}
	b.ready, b.quiet, b.missing = out, false, 0
	b.stats.Played++
	b.at = s.Timestamp + b.c.Codec.Ticks(len(out)-from, b.c.Rate)
	b.adapt(from, now)
}

// adapt brings the delay nearer to what it should be: by one period of the voice that is repeated or left out, which is
// not heard, and where far too much waits by leaving out what is quiet.
func (b *Buffer) adapt(from int, now time.Time) {
	b.stats.Delay = b.delay(now)
	off := b.stats.Delay - b.target()
	frame := b.ready[from:]
	switch {
	case off > slip && quiet(frame):
		b.stats.Shrunk += uint64(len(frame))
		b.ready = b.ready[:from]
	case off > surplus:
		n := codec.Shrink(frame, b.c.Rate)
		b.stats.Shrunk += uint64(len(frame) - n)
		b.ready = b.ready[:from+n]
	case off < -correct:
		before := len(b.ready)
		b.ready = codec.Stretch(b.ready, from, b.c.Rate)
		b.stats.Stretched += uint64(len(b.ready) - before)
	}
}

const hush = 200 // root mean square of samples that nobody misses

func quiet(samples []int16) bool {
	sum := 0.0
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return sum < hush*hush*float64(len(samples))
}

// Stats so far.
func (b *Buffer) Stats() Stats { return b.stats }
