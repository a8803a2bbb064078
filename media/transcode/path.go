// Package transcode turns the audio that one end of a call sends into what the other understands: codec, sample rate, length
// of packets, and the keys of a telephone (RFC 4733) where the two ends have them differently.
//
// A Path works when a packet comes, on the goroutine that has read it: it has none of its own, no timer, and no buffer that
// would delay what is in order. One packet that comes before another that is missing waits for that, or for the next. What
// is lost is made up from what came after it.
package transcode

import (
	"time"

	"parley/media/codec"
	"parley/media/dtmf"
	"parley/media/rtp"
)

// Side is what one end of the audio was agreed to speak.
type Side struct {
	Codec   codec.Codec
	Payload uint8
	// Events are telephone-events, if the end knows them.
	Events Events
	// Ptime is the length of the packets that the end wants; default 20 ms.
	Ptime time.Duration
}

// Events are telephone-events as an end knows them; with Clock 0 it doesn't.
type Events struct {
	Payload uint8
	Clock   int
}

const (
	usual    = 20 * time.Millisecond
	longest  = 120 * time.Millisecond // of a packet, and of what is made up
	pressing = 16                     // keys that may wait
	farOff   = 100                    // packets by which a number may be an old one
)

// Path is one direction of the audio. All but Press belongs to one goroutine.
type Path struct {
	from, to Side
	same     bool // the audio passes as it is
	decoder  codec.Decoder
	encoder  codec.Encoder
	rate     int // of what the decoder gives
	outRate  int
	convert  *codec.Resampler
	frame    int // samples of a packet that is sent
	framer   codec.Framer

	bound bool
	ssrc  uint32
	next  uint16 // number that is due
	held  rtp.Packet
	holds bool

	placed  bool
	at      uint32 // RTP time that the decoder has come to
	inZero  uint32 // an RTP time of the source,
	outZero uint32 // and what it is in ours

	sequence uint16
	time     uint32 // of the framer's first sample, in our clock
	marker   bool

	keys    keys
	presses chan press

	samples, converted, chunk []int16
	payload                   []byte
}

type press struct {
	key    byte
	length time.Duration
}

// New makes a path.
func New(from, to Side) (*Path, error) {
	if to.Ptime <= 0 {
		to.Ptime = usual
	}
	to.Ptime = min(to.Ptime, longest)
	p := &Path{from: from, to: to, presses: make(chan press, pressing)}
	p.same = from.Codec.Name == to.Codec.Name && from.Codec.Clock == to.Codec.Clock
	p.rate, p.outRate = codec.Meet(from.Codec, to.Codec)
	var err error
	if p.decoder, err = from.Codec.Decoder(p.rate); err != nil {
		return nil, err
	}
	if p.encoder, err = to.Codec.Encoder(p.outRate, codec.Options{}); err != nil {
		return nil, err
	}
	p.convert = codec.NewResampler(p.rate, p.outRate)
	p.frame = codec.Samples(to.Ptime, p.outRate)
	if from.Events.Clock == 0 && to.Events.Clock > 0 && !p.same {
		p.keys.detector = dtmf.NewDetector(p.rate)
	}
	p.keys.scale = dtmf.Scaler{From: max(from.Events.Clock, 1), To: max(to.Events.Clock, 1)}
	return p, nil
}

// Takes says whether the path knows what to do with a payload type.
func (p *Path) Takes(payload uint8) bool {
	return payload == p.from.Payload || p.from.Events.Clock > 0 && payload == p.from.Events.Payload
}

// Press has a key go to the other end as it knows them. It may be called by any goroutine; the key goes with the audio.
func (p *Path) Press(key byte, length time.Duration) bool {
	select {
	case p.presses <- press{key, length}:
		return true
	default:
		return false
	}
}

// Take takes a packet, and emits those that it gives. Their numbers and times are a stream of the packet's source.
func (p *Path) Take(in *rtp.Packet, emit func(*rtp.Packet)) {
	if !p.bound || p.ssrc != in.SSRC {
		p.begin(in)
	}
	ahead := int16(in.Sequence - p.next)
	switch {
	case ahead < -farOff || ahead > 10*farOff:
		p.begin(in)
		p.pass(in, emit)
	case ahead < 0:
	case ahead == 1 && !p.holds:
		p.hold(in)
	case p.holds && ahead > 1:
		p.release(emit)
		p.pass(in, emit)
	case p.holds && ahead == 1: // the same again
	default:
		p.pass(in, emit)
		p.release(emit)
	}
}

// begin starts with a source.
func (p *Path) begin(in *rtp.Packet) {
	p.bound, p.ssrc, p.next = true, in.SSRC, in.Sequence
	p.holds, p.placed, p.marker = false, false, true
	p.framer.Clear()
}

// hold keeps a packet until the one before it comes.
func (p *Path) hold(in *rtp.Packet) {
	payload := append(p.held.Payload[:0], in.Payload...)
	p.held, p.holds = *in, true
	p.held.Payload = payload
}

func (p *Path) release(emit func(*rtp.Packet)) {
	if p.holds && int16(p.held.Sequence-p.next) >= 0 {
		p.holds = false
		p.pass(&p.held, emit)
	}
	p.holds = false
}

// pass handles a packet in its order.
func (p *Path) pass(in *rtp.Packet, emit func(*rtp.Packet)) {
	lost := in.Sequence != p.next
	p.next = in.Sequence + 1
	switch {
	case in.Type == p.from.Payload:
		p.audio(in, lost, emit)
	case p.from.Events.Clock > 0 && in.Type == p.from.Events.Payload:
		if e, ok := dtmf.Read(in.Payload); ok {
			p.event(in, e, emit)
		}
	}
}

// audio decodes a packet, and what was lost before it.
func (p *Path) audio(in *rtp.Packet, lost bool, emit func(*rtp.Packet)) {
	if p.keys.covers(in.Timestamp, p.from.Codec.Clock) {
		return // the key is heard instead
	}
	p.samples = p.samples[:0]
	if !p.placed {
		p.place(in.Timestamp)
	}
	if gap := int32(in.Timestamp - p.at); gap != 0 {
		n := p.from.Codec.Samples(uint32(gap), p.rate)
		if lost && gap > 0 && n <= codec.Samples(longest, p.rate) && !p.same {
			p.samples = p.decoder.Conceal(p.samples, n, in.Payload)
		} else {
			p.jump(in.Timestamp, gap)
		}
	}
	if p.same {
		p.forward(in, emit)
		return
	}
	before := len(p.samples)
	samples, err := p.decoder.Decode(p.samples, in.Payload)
	if err != nil || len(samples)-before > codec.Samples(longest, p.rate) {
		samples = p.samples // it is as good as lost
	}
	p.samples = samples
	p.at = in.Timestamp + p.from.Codec.Ticks(len(samples)-before, p.rate)
	p.keys.listen(samples)
	p.converted = p.convert.Convert(p.converted[:0], samples)
	p.framer.Add(p.converted)
	p.flow(emit)
}

// place begins the time of ours where that of the source stands.
func (p *Path) place(timestamp uint32) {
	p.placed, p.at = true, timestamp
	p.inZero, p.outZero = timestamp, p.time
}

// jump goes on at another time: after silence that was not sent, or a loss too long to make up. The time of ours
// never goes back.
func (p *Path) jump(timestamp uint32, gap int32) {
	p.framer.Clear()
	p.marker = true
	now := p.outZero + p.ours(int32(timestamp-p.inZero))
	if gap < 0 || int32(now-p.time) < 0 {
		now = p.time
	}
	p.time = now
	p.inZero, p.outZero, p.at = timestamp, now, timestamp
}

// ours is a span of the source's time in our clock.
func (p *Path) ours(span int32) uint32 {
	return uint32(int64(span) * int64(p.to.Codec.Clock) / int64(p.from.Codec.Clock))
}

// forward passes a packet's payload on, with our number and time. How long it is shows with the next.
func (p *Path) forward(in *rtp.Packet, emit func(*rtp.Packet)) {
	length := p.to.Codec.Ticks(p.frame, p.outRate)
	if p.from.Codec.Clock == 8000 && len(p.from.Codec.Rates) == 1 {
		length = uint32(len(in.Payload)) // G.711 and G.722: an octet for each tick
	}
	p.at = in.Timestamp + length
	if !p.press(length, emit) {
		p.emit(p.to.Payload, p.time, in.Payload, emit)
	}
	p.time += length
}

// flow sends all frames that are whole.
func (p *Path) flow(emit func(*rtp.Packet)) {
	for {
		var ok bool
		if p.chunk, ok = p.framer.Next(p.chunk[:0], p.frame); !ok {
			return
		}
		length := p.to.Codec.Ticks(p.frame, p.outRate)
		if !p.press(length, emit) {
			p.encode(p.chunk, emit)
		}
		p.time += length
	}
}

func (p *Path) encode(samples []int16, emit func(*rtp.Packet)) {
	var err error
	if p.payload, err = p.encoder.Encode(p.payload[:0], samples); err == nil {
		p.emit(p.to.Payload, p.time, p.payload, emit)
	}
}

func (p *Path) emit(payload uint8, timestamp uint32, b []byte, emit func(*rtp.Packet)) {
	out := rtp.Packet{Marker: p.marker, Type: payload, Sequence: p.sequence, Timestamp: timestamp, SSRC: p.ssrc, Payload: b}
	p.sequence++
	p.marker = false
	emit(&out)
}
