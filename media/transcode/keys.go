package transcode

import (
	"time"

	"parley/media/codec"
	"parley/media/dtmf"
	"parley/media/rtp"
)

// keys is what a path knows of those that are down.
type keys struct {
	// Of events that come.
	scale  dtmf.Scaler
	any    bool
	start  uint32 // RTP time of the last
	until  uint32 // to which it has lasted
	ended  bool
	begin  uint32 // in our time
	tone   *dtmf.Tone
	voiced int // samples of the tone that were made

	// Of tones in the audio.
	detector *dtmf.Detector
	heard    byte
	up       bool // it was let go of

	// Of a key that is sent in the audio's place.
	now    press
	code   byte
	since  uint32
	lasted uint32
	sent   *dtmf.Tone
	active bool
}

const grace = 100 * time.Millisecond // after the last that came of an event, in which its end may still come

// covers says that audio of that time is only what an end sends beside an event.
func (k *keys) covers(timestamp uint32, clock int) bool {
	if !k.any || k.ended {
		return false
	}
	if int32(timestamp-k.until) > int32(grace*time.Duration(clock)/time.Second) || int32(timestamp-k.start) < 0 {
		k.ended = true // its end was lost
		return false
	}
	return true
}

// event takes a packet of an event on.
func (p *Path) event(in *rtp.Packet, e dtmf.Event, emit func(*rtp.Packet)) {
	k := &p.keys
	if !p.placed {
		p.place(in.Timestamp)
	}
	if !k.any || k.start != in.Timestamp {
		p.meet(in, e)
	}
	k.until = in.Timestamp + uint32(uint64(e.Duration)*uint64(p.from.Codec.Clock)/uint64(p.from.Events.Clock))
	k.ended = k.ended || e.End
	if p.to.Events.Clock == 0 {
		p.sound(e, emit)
		return
	}
	timestamp, out := k.scale.Scale(in.Timestamp, e, k.begin)
	p.marker = in.Marker
	p.payload = out.Append(p.payload[:0])
	p.emit(p.to.Events.Payload, timestamp, p.payload, emit)
}

// meet begins an event. It has the time that its source gives it, unless that has passed already.
func (p *Path) meet(in *rtp.Packet, e dtmf.Event) {
	k := &p.keys
	k.any, k.start, k.ended, k.voiced, k.tone = true, in.Timestamp, false, 0, nil
	if gap := int32(in.Timestamp - p.at); gap > 0 && gap < int32(p.from.Codec.Clock) {
		p.jump(in.Timestamp, gap)
	}
	p.framer.Clear()
	k.begin = p.time
	if key, ok := dtmf.Key(e.Code); ok && p.to.Events.Clock == 0 {
		k.tone, _ = dtmf.NewTone(key, p.outRate)
	}
}

// sound makes the tone of an event for an end that knows no events, as far as the event has lasted.
func (p *Path) sound(e dtmf.Event, emit func(*rtp.Packet)) {
	k := &p.keys
	if k.tone == nil {
		return
	}
	want := min(int(uint64(e.Duration)*uint64(p.outRate)/uint64(p.from.Events.Clock)), k.voiced+codec.Samples(time.Second, p.outRate))
	if want <= k.voiced {
		return
	}
	p.converted = k.tone.Append(p.converted[:0], want-k.voiced)
	k.voiced = want
	p.framer.Add(p.converted)
	p.flow(emit)
}

// listen looks for tones in audio that goes to an end with events.
func (k *keys) listen(samples []int16) {
	if k.detector == nil {
		return
	}
	k.detector.Hear(samples, func(key byte, down bool) {
		if down {
			k.heard, k.up = key, false
		} else {
			k.up = true
		}
	})
}

// press sends a key in the place of audio of that length, if one is down.
func (p *Path) press(length uint32, emit func(*rtp.Packet)) bool {
	k := &p.keys
	if !k.active && !p.down() {
		return false
	}
	k.lasted += length
	over := k.heard != 0 && k.up || k.heard == 0 && k.lasted >= uint32(k.now.length*time.Duration(p.to.Codec.Clock)/time.Second)
	if p.to.Events.Clock > 0 {
		p.tell(over, emit)
	} else {
		p.payload = p.payload[:0]
		p.chunk = k.sent.Append(p.chunk[:0], p.to.Codec.Samples(length, p.outRate))
		p.encode(p.chunk, emit)
	}
	if over {
		k.active, k.heard = false, 0
		p.marker = true
	}
	return true
}

// down begins with the key that is to be sent.
func (p *Path) down() bool {
	k := &p.keys
	k.now = press{}
	if k.heard == 0 {
		select {
		case k.now = <-p.presses:
		default:
			return false
		}
	} else {
		k.now.key = k.heard
	}
	code, ok := dtmf.Code(k.now.key)
	if !ok {
		return false
	}
	k.sent, _ = dtmf.NewTone(k.now.key, p.outRate)
	k.active, k.code, k.since, k.lasted = true, code, p.time, 0
	p.marker = true
	return true
}

const (
	ends   = 3  // times that the end is sent (rfc4733#2.5.1.4)
	volume = 10 // dB below full scale
)

// tell sends the event of the key that is down.
func (p *Path) tell(over bool, emit func(*rtp.Packet)) {
	k := &p.keys
	lasted := uint64(k.lasted) * uint64(p.to.Events.Clock) / uint64(p.to.Codec.Clock)
	e := dtmf.Event{Code: k.code, End: over, Volume: volume, Duration: uint16(min(lasted, 0xffff))}
	p.payload = e.Append(p.payload[:0])
	times := 1
	if over {
		times = ends
	}
	for range times {
		p.emit(p.to.Events.Payload, k.since, p.payload, emit)
	}
}
