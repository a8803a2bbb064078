package transcode

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"parley/media/codec"
	"parley/media/dtmf"
	"parley/media/rtp"
	"parley/test/harness/audio"
)

func speech(t testing.TB, rate int) []int16 {
	t.Helper()
	b, err := os.ReadFile("../codec/testdata/speech16.raw")
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int16, len(b)/2)
	for i := range out {
		out[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return codec.NewResampler(16000, rate).Convert(nil, out)
}

func side(c codec.Codec) Side { return Side{Codec: c, Payload: uint8(c.Payload)} }

func named(t testing.TB, name string) Side {
	t.Helper()
	for _, c := range codec.All() {
		if c.Name == name {
			return side(c)
		}
	}
	t.Fatalf("there is no %s", name)
	return Side{}
}

func path(t testing.TB, from, to Side) *Path {
	t.Helper()
	p, err := New(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// packets has samples in packets of 20 ms, as a side sends them.
func packets(t testing.TB, s Side, samples []int16) (all []rtp.Packet) {
	t.Helper()
	rate := s.Codec.Rates[0]
	e, err := s.Codec.Encoder(rate, codec.Options{Loss: 5})
	if err != nil {
		t.Fatal(err)
	}
	for i, frame := 0, rate/50; (i+1)*frame <= len(samples); i++ {
		payload, err := e.Encode(nil, samples[i*frame:(i+1)*frame])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rtp.Packet{
			Type: s.Payload, Sequence: uint16(65530 + i), Timestamp: uint32(0xffffff00 + i*s.Codec.Clock/50), SSRC: 7, Payload: payload,
		})
	}
	return all
}

// played is what a side hears, silence where nothing came, and holds numbers and times to the rules.
type played struct {
	testing.TB
	side    Side
	decoder codec.Decoder
	rate    int
	samples []int16
	first   uint32
	last    rtp.Packet
	n       int
	events  []rtp.Packet
}

func player(t testing.TB, s Side) *played {
	t.Helper()
	rate := s.Codec.Rates[0]
	d, err := s.Codec.Decoder(rate)
	if err != nil {
		t.Fatal(err)
	}
	return &played{TB: t, side: s, decoder: d, rate: rate}
}

func (p *played) take(out *rtp.Packet) {
	p.Helper()
	if p.n > 0 && out.Sequence != p.last.Sequence+1 {
		p.Errorf("packet %d follows %d", out.Sequence, p.last.Sequence)
	}
	if p.n++; p.n == 1 {
		p.first = out.Timestamp
		if !out.Marker {
			p.Error("the first packet has no marker")
		}
	}
	p.last = *out
	if p.side.Events.Clock > 0 && out.Type == p.side.Events.Payload {
		e := *out
		e.Payload = append([]byte(nil), out.Payload...)
		p.events = append(p.events, e)
		return
	}
	if out.Type != p.side.Payload {
		p.Fatalf("it is sent payload type %d", out.Type)
	}
	at := p.side.Codec.Samples(out.Timestamp-p.first, p.rate)
	if at < len(p.samples) || at > len(p.samples)+20*p.rate {
		p.Fatalf("packet %d has the time %d; it has heard %d samples", out.Sequence, out.Timestamp-p.first, len(p.samples))
	}
	p.samples = append(p.samples, make([]int16, at-len(p.samples))...)
	var err error
	if p.samples, err = p.decoder.Decode(p.samples, out.Payload); err != nil {
		p.Fatal(err)
	}
}

func clip(samples []int16, rate int) audio.Clip {
	return audio.Clip{Rate: 8000, Samples: codec.NewResampler(rate, 8000).Convert(nil, samples)}
}

func (p *played) like(said []int16, rate int) float64 {
	return audio.Similarity(clip(said, rate), clip(p.samples, p.rate))
}

func TestEveryPair(t *testing.T) {
	t.Parallel()
	for _, from := range codec.All() {
		for _, to := range codec.All() {
			rate := from.Rates[0]
			said := speech(t, rate)
			way, heard := path(t, side(from), side(to)), player(t, side(to))
			for _, in := range packets(t, side(from), said) {
				way.Take(&in, heard.take)
			}
			if seconds := float64(len(heard.samples)) / float64(heard.rate); seconds < 1.95 || seconds > 2.01 {
				t.Errorf("%s to %s: two seconds became %.3f", from.Name, to.Name, seconds)
			}
			if got := heard.like(said, rate); got < 0.87 {
				t.Errorf("%s to %s: similarity %.3f", from.Name, to.Name, got)
			}
		}
	}
}

// TestBadNetwork loses, repeats and reorders packets.
func TestBadNetwork(t *testing.T) {
	t.Parallel()
	for _, c := range codec.All() {
		said := speech(t, c.Rates[0])
		all := packets(t, side(c), said)
		r := rand.New(rand.NewPCG(5, 5))
		way, heard := path(t, side(c), named(t, "PCMU")), player(t, named(t, "PCMU"))
		for i := 0; i < len(all); i++ {
			switch {
			case i > 0 && r.IntN(20) == 0: // lost
				continue
			case r.IntN(20) == 0 && i+1 < len(all):
				way.Take(&all[i+1], heard.take)
				way.Take(&all[i], heard.take)
				i++
				continue
			}
			way.Take(&all[i], heard.take)
			if r.IntN(20) == 0 {
				way.Take(&all[i], heard.take)
			}
		}
		if got := heard.like(said, c.Rates[0]); got < 0.8 {
			t.Errorf("%s: similarity %.3f with a twentieth lost", c.Name, got)
		}
		if seconds := float64(len(heard.samples)) / 8000; c.Name != "PCMU" && (seconds < 1.9 || seconds > 2.01) {
			t.Errorf("%s: two seconds became %.3f", c.Name, seconds)
		}
	}
}

func TestLengthOfPackets(t *testing.T) {
	t.Parallel()
	for _, ptime := range []time.Duration{10, 30, 60, 500} {
		to := named(t, "PCMU")
		to.Ptime = ptime * time.Millisecond
		way, heard := path(t, named(t, "PCMA"), to), player(t, to)
		for _, in := range packets(t, named(t, "PCMA"), speech(t, 8000)) {
			way.Take(&in, func(out *rtp.Packet) {
				if len(out.Payload) != 8*int(min(ptime, 120)) {
					t.Errorf("packets of %d octets for %v", len(out.Payload), to.Ptime)
				}
				heard.take(out)
			})
		}
		if got := heard.like(speech(t, 8000)[:14000], 8000); got < 0.97 {
			t.Errorf("%v: similarity %.3f", to.Ptime, got)
		}
	}
}

// TestSilence has the source stop for a second, and begin with another time.
func TestSilence(t *testing.T) {
	t.Parallel()
	from, to := named(t, "PCMA"), named(t, "G722")
	way, heard := path(t, from, to), player(t, to)
	in := rtp.Packet{Type: 8, Sequence: 1, Timestamp: 5000, SSRC: 7, Payload: make([]byte, 160)}
	send := func(sequence uint16, timestamp uint32) rtp.Packet {
		in.Sequence, in.Timestamp = sequence, timestamp
		way.Take(&in, heard.take)
		return heard.last
	}
	first := send(1, 5000)
	if second := send(2, 5160); second.Timestamp != first.Timestamp+160 || second.Marker {
		t.Errorf("20 ms later it sends %+v", second)
	}
	if third := send(3, 13160); third.Timestamp != first.Timestamp+8160 || !third.Marker {
		t.Errorf("after a second of silence it sends the time %d, marker %v", third.Timestamp-first.Timestamp, third.Marker)
	}
	if fourth := send(4, 100); fourth.Timestamp != first.Timestamp+8320 {
		t.Errorf("after the source's time went back it sends the time %d", fourth.Timestamp-first.Timestamp)
	}
}

func TestAnotherSource(t *testing.T) {
	t.Parallel()
	way := path(t, named(t, "PCMA"), named(t, "PCMU"))
	var last rtp.Packet
	for i, in := range []rtp.Packet{
		{Type: 8, Sequence: 1, Timestamp: 5000, SSRC: 7, Payload: make([]byte, 160)},
		{Type: 8, Sequence: 40000, Timestamp: 17, SSRC: 8, Payload: make([]byte, 160)},
		{Type: 8, Sequence: 5, Timestamp: 17, SSRC: 8, Payload: make([]byte, 160)},
	} {
		n := 0
		way.Take(&in, func(out *rtp.Packet) { n++; last = *out })
		if n != 1 || last.SSRC != in.SSRC || !last.Marker {
			t.Errorf("source %d gives %d packets, the last %+v", i, n, last)
		}
	}
}

func withEvents(s Side, payload uint8, clock int) Side {
	s.Events = Events{Payload: payload, Clock: clock}
	return s
}

// keyed sends speech with a key in it, as events.
func keyed(t *testing.T, from Side, key byte, way *Path, heard *played) {
	t.Helper()
	all := packets(t, from, speech(t, from.Codec.Rates[0]))
	for i := range 20 {
		way.Take(&all[i], heard.take)
	}
	press, _ := dtmf.NewPress(key, from.Events.Clock, all[20].Timestamp, 160*time.Millisecond)
	sequence := all[20].Sequence
	for i := 0; ; i++ {
		x, ok := press.Next()
		if !ok {
			break
		}
		way.Take(&rtp.Packet{Marker: x.Marker, Type: from.Events.Payload, Sequence: sequence, Timestamp: x.Timestamp, SSRC: 7, Payload: x.Event.Append(nil)}, heard.take)
		sequence++
	}
	for i := 28; i < 60; i++ {
		all[i].Sequence = sequence
		way.Take(&all[i], heard.take)
		sequence++
	}
}

func TestEventsStayEvents(t *testing.T) {
	t.Parallel()
	from, to := withEvents(named(t, "PCMA"), 101, 8000), withEvents(named(t, "G722"), 110, 48000)
	way, heard := path(t, from, to), player(t, to)
	keyed(t, from, '5', way, heard)
	r, began, ended := dtmf.Receiver{Clock: 48000}, 0, 0
	for _, p := range heard.events {
		e, ok := dtmf.Read(p.Payload)
		if !ok || e.Code != 5 {
			t.Fatalf("event %+v", e)
		}
		b, x := r.Take(p.Timestamp, e)
		if b {
			began++
			if at := p.Timestamp - heard.first; at != 20*160 {
				t.Errorf("it began at %d", at)
			}
		}
		if x {
			ended++
			if e.Duration != 7680 {
				t.Errorf("it lasted %d", e.Duration)
			}
		}
	}
	if began != 1 || ended != 1 || len(heard.events) != 10 {
		t.Errorf("%d packets: it began %d times and ended %d times", len(heard.events), began, ended)
	}
	if at := len(heard.samples); at != 60*320 {
		t.Errorf("audio and events are %d samples, want %d", at, 60*320)
	}
}

// toned are the keys in what a side heard.
func toned(p *played) (keys string) {
	d := dtmf.NewDetector(p.rate)
	d.Hear(p.samples, func(key byte, down bool) {
		if down {
			keys += string(key)
		}
	})
	return keys
}

func TestEventsBecomeTones(t *testing.T) {
	t.Parallel()
	from := withEvents(named(t, "PCMA"), 101, 8000)
	for _, to := range []Side{named(t, "PCMU"), named(t, "G722"), named(t, "PCMA")} {
		if to.Codec.Name == "PCMA" {
			continue // same codec: see the next test
		}
		way, heard := path(t, from, to), player(t, to)
		keyed(t, from, '#', way, heard)
		if got := toned(heard); got != "#" {
			t.Errorf("%s: heard the keys %q", to.Codec.Name, got)
		}
		if seconds := float64(len(heard.samples)) / float64(heard.rate); seconds < 1.15 || seconds > 1.25 {
			t.Errorf("%s: 1.2 seconds became %.3f", to.Codec.Name, seconds)
		}
	}
}

func TestTonesBecomeEvents(t *testing.T) {
	t.Parallel()
	from, to := named(t, "PCMU"), withEvents(named(t, "G722"), 101, 8000)
	said := speech(t, 8000)[:8000]
	for _, key := range []byte{'4', '2'} {
		tone, _ := dtmf.NewTone(key, 8000)
		said = append(tone.Append(said, 1200), make([]int16, 1600)...)
	}
	way, heard := path(t, from, to), player(t, to)
	for _, in := range packets(t, from, said) {
		way.Take(&in, heard.take)
	}
	if got := keysOf(heard, 8000); got != "42" {
		t.Errorf("the keys 42 became %q", got)
	}
}

func keysOf(p *played, clock int) (keys string) {
	r := dtmf.Receiver{Clock: clock}
	for _, x := range p.events {
		e, _ := dtmf.Read(x.Payload)
		if _, ends := r.Take(x.Timestamp, e); ends {
			key, _ := dtmf.Key(e.Code)
			keys += string(key)
		}
	}
	return keys
}

// TestPress sends keys that signalling brought, to ends that know events and to those that don't, with the audio's
// codec changed or not.
func TestPress(t *testing.T) {
	t.Parallel()
	for _, to := range []Side{named(t, "PCMU"), named(t, "PCMA"), withEvents(named(t, "PCMU"), 101, 8000), withEvents(named(t, "PCMA"), 101, 8000)} {
		from := named(t, "PCMA")
		way, heard := path(t, from, to), player(t, to)
		for i, in := range packets(t, from, speech(t, 8000)) {
			if i == 10 && (!way.Press('7', 100*time.Millisecond) || !way.Press('8', 100*time.Millisecond)) {
				t.Error("it takes no keys")
			}
			if i == 16 { // the tones of two keys need a pause between them
				in.Payload = make([]byte, 160)
			}
			way.Take(&in, heard.take)
		}
		got := toned(heard)
		if to.Events.Clock > 0 {
			got = keysOf(heard, 8000)
		}
		if got != "78" {
			t.Errorf("%s with events at %d: the keys 78 became %q", to.Codec.Name, to.Events.Clock, got)
		}
	}
	way := path(t, named(t, "PCMA"), named(t, "PCMU"))
	for range pressing {
		way.Press('1', time.Second)
	}
	if way.Press('1', time.Second) {
		t.Error("it keeps keys without end")
	}
}

func FuzzPath(f *testing.F) {
	f.Add([]byte{8, 1, 0, 4, 1, 2, 3, 4, 101, 1, 1, 4, 5, 0x80, 1, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, to := range codec.All() {
			from := withEvents(named(t, "PCMA"), 101, 8000)
			way := path(t, from, side(to))
			in := rtp.Packet{SSRC: 1}
			for b := script; len(b) >= 4; {
				n := min(int(b[3]), len(b)-4)
				in.Type = b[0]
				in.Sequence += uint16(int8(b[1]))
				in.Timestamp += uint32(int32(int8(b[2])) * 160)
				in.Payload = b[4 : 4+n]
				sent := 0
				way.Take(&in, func(*rtp.Packet) { sent++ })
				if sent > 400 {
					t.Fatalf("one packet gives %d", sent)
				}
				b = b[4+n:]
			}
		}
	})
}

// BenchmarkCall is 20 ms of a call: a packet each way.
func BenchmarkCall(b *testing.B) {
	for _, pair := range [][2]string{{"opus", "PCMA"}, {"G722", "PCMU"}, {"opus", "G722"}, {"PCMU", "PCMA"}} {
		var ends []Side
		for _, name := range pair {
			for _, c := range codec.All() {
				if c.Name == name {
					ends = append(ends, side(c))
				}
			}
		}
		if len(ends) < 2 {
			continue // not in this build
		}
		b.Run(fmt.Sprintf("%s-%s", pair[0], pair[1]), func(b *testing.B) {
			there, back := path(b, ends[0], ends[1]), path(b, ends[1], ends[0])
			left, right := packets(b, ends[0], speech(b, ends[0].Codec.Rates[0])), packets(b, ends[1], speech(b, ends[1].Codec.Rates[0]))
			b.ReportAllocs()
			emit := func(*rtp.Packet) {}
			for i := 0; b.Loop(); i++ {
				l, r := left[i%len(left)], right[i%len(right)]
				l.Sequence, r.Sequence = uint16(i), uint16(i)
				l.Timestamp, r.Timestamp = uint32(i*ends[0].Codec.Clock/50), uint32(i*ends[1].Codec.Clock/50)
				there.Take(&l, emit)
				back.Take(&r, emit)
			}
			b.ReportMetric(0.02/(float64(b.Elapsed().Seconds())/float64(b.N)), "calls/core")
		})
	}
}
