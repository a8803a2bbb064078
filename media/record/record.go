// Package record keeps a call as a stereo WAV file: the caller on the left, the callee on the right, in step as they were
// heard. Where each packet belongs is told by its RTP time (RFC 3550) from the first of its source, which counts by when it came.
//
// Whether a call may be recorded is for its ends to know of: a Policy says how they do.
package record

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"parley/media/codec"
	"parley/media/tone"
	"parley/media/wav"
)

// Policy says how the ends of a call know that it is recorded.
type Policy int

// The policies. The law of a place says which is enough.
const (
	// Announced: they have been told before, in words; nothing is to be heard in the call.
	Announced Policy = iota
	// Beeping: both hear a beep every fifteen seconds.
	Beeping
	// Asked: nothing is kept of before both have said yes, and then both hear the beep.
	Asked
)

// Side is an end of the call.
type Side int

// The sides, by channel.
const (
	Caller Side = iota
	Callee
	sides
)

// Config of a Recorder. Out is needed.
type Config struct {
	Out    io.WriteSeeker
	Rate   int // of the file; default 8000
	Policy Policy
	// Most is the longest recording; default four hours.
	Most time.Duration
}

// What a recorder refuses.
var (
	ErrCodec = errors.New("record: a codec that this build does not know")
	ErrFull  = errors.New("record: the longest time is up")
)

const (
	usualRate = 8000
	usualMost = 4 * time.Hour
	behind    = 500 * time.Millisecond // after which nothing more is waited for
	keep      = 2 * time.Second        // of sound that may be ahead
	moved     = 200 * time.Millisecond // between where a source's packets belong and when they come, with which it is placed anew
	gap       = 100 * time.Millisecond // of loss that is made up
)

// Recorder writes a call's file. It is safe for concurrent use.
type Recorder struct {
	c Config

	mu       sync.Mutex
	out      *wav.Writer
	start    time.Time
	written  int // samples of each channel
	channels [sides]channel
	scratch  []int16
	err      error
}

// channel is the sound of a side that is not written yet.
type channel struct {
	agreed  bool
	name    string
	clock   int
	codec   codec.Codec
	decoder codec.Decoder
	rate    int
	convert *codec.Resampler
	ssrc    uint32
	placed  bool
	zero    uint32 // RTP time that is sample at of the file
	at      int
	end     int // of what was placed last
	ring    []int16
	decoded []int16
	moved   []int16
}

// New begins a recording.
func New(c Config, now time.Time) (*Recorder, error) {
	if c.Rate == 0 {
		c.Rate = usualRate
	}
	if c.Most == 0 {
		c.Most = usualMost
	}
	out, err := wav.NewWriter(c.Out, c.Rate, int(sides))
	if err != nil {
		return nil, fmt.Errorf("record: begin a file: %w", err)
	}
	r := &Recorder{c: c, out: out, start: now}
	for i := range r.channels {
		r.channels[i].ring = make([]int16, codec.Samples(keep+behind, c.Rate))
	}
	return r, nil
}

// Agree says that a side has said yes.
func (r *Recorder) Agree(s Side, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	r.channels[s].agreed = true
}

func (r *Recorder) allowed() bool {
	return r.c.Policy != Asked || r.channels[Caller].agreed && r.channels[Callee].agreed
}

// Beep mixes what the ends are to hear of the recording into samples on their way to one of them, at the recording's rate. Call
// it for both ends, each with a player of its own.
func (r *Recorder) Beep(p *tone.Player, samples []int16) {
	r.mu.Lock()
	quiet := r.c.Policy == Announced || !r.allowed()
	r.mu.Unlock()
	if quiet {
		return
	}
	for i, b := range p.Append(nil, len(samples)) {
		samples[i] = int16(min(max(int(samples[i])+int(b), -32768), 32767))
	}
}

// Speak says what a side's packets are.
func (r *Recorder) Speak(s Side, name string, clock, channels int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	ch := &r.channels[s]
	if ch.name == name && ch.clock == clock {
		return nil
	}
	c, ok := codec.Find(name, clock, channels)
	if !ok {
		return ErrCodec
	}
	ch.rate = c.Rates[0]
	if c.Takes(r.c.Rate) {
		ch.rate = r.c.Rate
	}
	var err error
	if ch.decoder, err = c.Decoder(ch.rate); err != nil {
		return err
	}
	ch.name, ch.clock, ch.codec, ch.placed = name, clock, c, false
	ch.convert = codec.NewResampler(ch.rate, r.c.Rate)
	return nil
}

// Take takes a packet of a side's that came now.
func (r *Recorder) Take(s Side, ssrc, timestamp uint32, payload []byte, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	ch := &r.channels[s]
	switch {
	case r.err != nil:
		return r.err
	case ch.decoder == nil || !r.allowed():
		return nil
	}
	r.place(ch, ssrc, timestamp, payload, now)
	return nil
}

// place puts a packet's sound where it belongs.
func (r *Recorder) place(ch *channel, ssrc, timestamp uint32, payload []byte, now time.Time) {
	here := codec.Samples(now.Sub(r.start), r.c.Rate)
	at := ch.at + int(int64(int32(timestamp-ch.zero))*int64(r.c.Rate)/int64(ch.clock))
	if off := at - here; !ch.placed || ch.ssrc != ssrc || off > codec.Samples(moved, r.c.Rate) || -off > codec.Samples(moved, r.c.Rate) {
		ch.placed, ch.ssrc, ch.zero, ch.at, ch.end = true, ssrc, timestamp, here, here
		at = here
	}
	if at < ch.end { // late, or again: what was made up in its place stays
		return
	}
	if missing := at - ch.end; missing > 0 && missing <= codec.Samples(gap, r.c.Rate) {
		ch.decoded = ch.decoder.Conceal(ch.decoded[:0], missing*ch.rate/r.c.Rate, payload)
		r.put(ch, ch.end)
	}
	var err error
	if ch.decoded, err = ch.decoder.Decode(ch.decoded[:0], payload); err == nil {
		r.put(ch, at)
	}
}

// put writes decoded samples into the ring. The file has all before written already.
func (r *Recorder) put(ch *channel, at int) {
	ch.moved = ch.convert.Convert(ch.moved[:0], ch.decoded)
	for i, s := range ch.moved {
		if at+i >= r.written && at+i < r.written+len(ch.ring) {
			ch.ring[(at+i)%len(ch.ring)] = s
		}
	}
	ch.end = at + len(ch.moved)
}

// advance writes what nothing more can come for.
func (r *Recorder) advance(now time.Time) { r.write(codec.Samples(now.Sub(r.start)-behind, r.c.Rate)) }

// write writes the file up to a sample.
func (r *Recorder) write(until int) {
	if most := codec.Samples(r.c.Most, r.c.Rate); until > most {
		until = most
		if r.err == nil && r.written >= most {
			r.err = ErrFull
		}
	}
	for r.written < until && r.err == nil {
		n := min(until-r.written, usualRate)
		r.scratch = r.scratch[:0]
		for i := range n {
			for s := range r.channels {
				ring := r.channels[s].ring
				at := (r.written + i) % len(ring)
				r.scratch = append(r.scratch, ring[at])
				ring[at] = 0
			}
		}
		if err := r.out.Write(r.scratch); err != nil {
			r.err = fmt.Errorf("record: write: %w", err)
		}
		r.written += n
	}
}

// Close writes the rest and ends the file. The file itself stays open.
func (r *Recorder) Close(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write(codec.Samples(now.Sub(r.start), r.c.Rate))
	if err := r.out.Close(); err != nil {
		return err
	}
	if errors.Is(r.err, ErrFull) {
		return nil
	}
	return r.err
}
