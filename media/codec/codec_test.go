package codec

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"parley/test/harness/audio"
)

func TestAllAreWhole(t *testing.T) {
	t.Parallel()
	said := speech(t)
	for _, c := range All() {
		for _, rate := range c.Rates {
			in := convert(said, 16000, rate)
			e, err := c.Encoder(rate, Options{})
			if err != nil {
				t.Fatal(err)
			}
			d, err := c.Decoder(rate)
			if err != nil {
				t.Fatal(err)
			}
			var out []int16
			frame := rate / 50
			for at := 0; at+frame <= len(in); at += frame {
				payload, err := e.Encode(nil, in[at:at+frame])
				if err != nil {
					t.Fatal(err)
				}
				if out, err = d.Decode(out, payload); err != nil {
					t.Fatal(err)
				}
			}
			if len(out) != len(in)/frame*frame {
				t.Errorf("%s at %d: %d samples became %d", c.Name, rate, len(in), len(out))
			}
			// Above four kilohertz waveforms may differ.
			if got := audio.Similarity(clip(convert(in, rate, 8000), 8000), clip(convert(out, rate, 8000), 8000)); got < 0.88 {
				t.Errorf("%s at %d: similarity %.3f", c.Name, rate, got)
			}
		}
		if _, err := c.Encoder(11025, Options{}); !errors.Is(err, ErrRate) {
			t.Errorf("%s encodes at 11025: %v", c.Name, err)
		}
		if _, err := c.Decoder(11025); !errors.Is(err, ErrRate) {
			t.Errorf("%s decodes at 11025: %v", c.Name, err)
		}
		if found, ok := Find(c.Name, c.Clock, c.Channels); !ok || found.Payload != c.Payload {
			t.Errorf("%s is not found", c.Name)
		}
	}
	if _, ok := Find("G729", 8000, 1); ok {
		t.Error("G.729 is offered")
	}
}

func clip(samples []int16, rate int) audio.Clip { return audio.Clip{Rate: rate, Samples: samples} }

func convert(samples []int16, from, to int) []int16 {
	return NewResampler(from, to).Convert(nil, samples)
}

func TestTicks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		c             Codec
		rate, samples int
		ticks         uint32
	}{{pcmu(), 8000, 160, 160}, {g722(), 16000, 320, 160}, {Codec{Clock: 48000}, 8000, 160, 960}} {
		if got := test.c.Ticks(test.samples, test.rate); got != test.ticks {
			t.Errorf("%s: %d samples are %d ticks, want %d", test.c.Name, test.samples, got, test.ticks)
		}
		if got := test.c.Samples(test.ticks, test.rate); got != test.samples {
			t.Errorf("%s: %d ticks are %d samples, want %d", test.c.Name, test.ticks, got, test.samples)
		}
	}
}

func TestMeet(t *testing.T) {
	t.Parallel()
	wide := Codec{Rates: []int{48000, 16000, 8000}}
	for _, test := range []struct {
		name         string
		a, b         Codec
		rateA, rateB int
	}{
		{"PCMU and PCMA", pcmu(), pcma(), 8000, 8000},
		{"G.722 and PCMA", g722(), pcma(), 16000, 8000},
		{"Opus and PCMA", wide, pcma(), 8000, 8000},
		{"G.722 and Opus", g722(), wide, 16000, 16000},
	} {
		if a, b := Meet(test.a, test.b); a != test.rateA || b != test.rateB {
			t.Errorf("%s meet at %d and %d", test.name, a, b)
		}
	}
}

// sine is a second of a tone.
func sine(frequency float64, rate int) []int16 {
	out := make([]int16, rate)
	for i := range out {
		out[i] = int16(10000 * math.Sin(2*math.Pi*frequency*float64(i)/float64(rate)))
	}
	return out
}

// power of a frequency, and of all, in samples without their edges.
func power(samples []int16, rate int, frequency float64) (of, all float64) {
	samples = samples[len(samples)/10 : len(samples)*9/10]
	var re, im float64
	for i, s := range samples {
		sin, cos := math.Sincos(2 * math.Pi * frequency * float64(i) / float64(rate))
		re += float64(s) * cos
		im += float64(s) * sin
		all += float64(s) * float64(s)
	}
	n := float64(len(samples))
	return 2 * (re*re + im*im) / n / n, all / n
}

func TestResampler(t *testing.T) {
	t.Parallel()
	for _, rates := range [][2]int{{8000, 16000}, {8000, 48000}, {16000, 8000}, {48000, 8000}, {48000, 16000}, {44100, 8000}, {22050, 48000}} {
		from, to := rates[0], rates[1]
		narrow := float64(min(from, to))
		for _, part := range []float64{0.02, 0.1, 0.25, 0.4} {
			f := 5 * math.Round(part*narrow/5) // whole periods in what is measured
			out := convert(sine(f, from), from, to)
			of, all := power(out, to, f)
			if gain := 10 * math.Log10(of/(1e8/2)); math.Abs(gain) > 0.3 {
				t.Errorf("%d to %d: %.0f Hz passes with %.2f dB", from, to, f, gain)
			}
			if noise := 10 * math.Log10((all-of+0.1)/of); noise > -65 {
				t.Errorf("%d to %d: %.0f Hz brings %.1f dB of others", from, to, f, noise)
			}
		}
		if from > to {
			_, all := power(convert(sine(0.6*narrow, from), from, to), to, 0)
			if left := 10 * math.Log10((all+0.1)/(1e8/2)); left > -60 {
				t.Errorf("%d to %d: what lies above half of the rate is left with %.1f dB", from, to, left)
			}
		}
	}
}

// TestResamplerInParts gives the same whatever the lengths of its inputs.
func TestResamplerInParts(t *testing.T) {
	t.Parallel()
	in := speech(t)
	whole, parts := convert(in, 16000, 48000), NewResampler(16000, 48000)
	var got []int16
	for n, at := 1, 0; at < len(in); n = n%400 + 7 {
		end := min(at+n, len(in))
		got = parts.Convert(got, in[at:end])
		at = end
	}
	if hash(bytesOf(got)) != hash(bytesOf(whole)) {
		t.Error("samples in parts give other samples")
	}
	if off := 3*len(in) - len(got); off < 0 || off > 3*32 {
		t.Errorf("%d samples became %d", len(in), len(got))
	}
}

func TestFramer(t *testing.T) {
	t.Parallel()
	var f Framer
	f.Add([]int16{1, 2, 3, 4, 5})
	for _, want := range []string{"[1 2]", "[3 4]"} {
		if got, ok := f.Next(nil, 2); !ok || fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	if _, ok := f.Next(nil, 2); ok || f.Len() != 1 {
		t.Error("a frame is made of half of one")
	}
	f.Clear()
	if f.Len() != 0 {
		t.Error("it keeps what was cleared")
	}
	if _, ok := f.Next(nil, 0); ok {
		t.Error("there are endlessly many empty frames")
	}
}

// lose takes every nth packet of 20 ms out of speech and conceals it, or leaves silence.
func lose(t *testing.T, c Codec, samples []int16, rate int, lost func(int) bool, conceal bool) []int16 {
	t.Helper()
	e, err := c.Encoder(rate, Options{Loss: 5})
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Decoder(rate)
	if err != nil {
		t.Fatal(err)
	}
	var out []int16
	var payloads [][]byte
	for frame := rate / 50; len(samples) >= frame; samples = samples[frame:] {
		payload, err := e.Encode(nil, samples[:frame])
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, payload)
	}
	for i, payload := range payloads {
		switch {
		case !lost(i):
			if out, err = d.Decode(out, payload); err != nil {
				t.Fatal(err)
			}
		case !conceal:
			out = append(out, make([]int16, rate/50)...)
		case i+1 < len(payloads) && !lost(i+1):
			out = d.Conceal(out, rate/50, payloads[i+1])
		default:
			out = d.Conceal(out, rate/50, nil)
		}
	}
	return out
}

// TestConcealment looks at the packets that are lost, one of ten, of those with speech: how far their level is off, and how
// like what was said the sound of them is.
func TestConcealment(t *testing.T) {
	t.Parallel()
	said := speech(t)
	for _, c := range All() {
		rate := c.Rates[0]
		in := convert(said, 16000, rate)
		none := lose(t, c, in, rate, func(int) bool { return false }, true)
		like, off, n := 0.0, 0.0, 0
		for first := 1; first < 10; first += 2 {
			lost := func(i int) bool { return i%10 == first }
			out := lose(t, c, in, rate, lost, true)
			for i, frame := 0, rate/50; (i+2)*frame < len(out); i++ {
				was := none[i*frame:][:frame]
				if !lost(i) || energy(was) < float64(frame)*1e5 {
					continue
				}
				got := out[i*frame:][:frame]
				like += alike(was, out[(i-1)*frame:(i+2)*frame], rate/8000)
				off += math.Abs(10 * math.Log10((energy(got)+1)/energy(was)))
				n++
			}
		}
		like, off = like/float64(n), off/float64(n)
		t.Logf("%s: of %d lost packets with speech the level is off by %.1f dB, the likeness %.2f", c.Name, n, off, like)
		if n < 20 || off > 9 || like < 0.65 {
			t.Errorf("%s: of %d lost packets with speech the level is off by %.1f dB, the likeness %.2f", c.Name, n, off, like)
		}
	}
}

// alike is the highest correlation of a packet's sound with what is found around it.
func alike(was, around []int16, step int) (best float64) {
	for at := 0; at+len(was) <= len(around); at += step {
		part, dot := around[at:at+len(was)], 0.0
		for i, v := range was {
			dot += float64(v) * float64(part[i])
		}
		if e := energy(part); e > 0 {
			best = max(best, dot/math.Sqrt(e*energy(was)))
		}
	}
	return best
}

func TestConcealerEnds(t *testing.T) {
	t.Parallel()
	c := NewConcealer(8000)
	if out := c.Conceal(nil, 160); len(out) != 160 || energy(out) != 0 {
		t.Error("it makes up what nobody said")
	}
	said := sine(200, 8000)
	c.Heard(said[:4000])
	first := c.Conceal(nil, 80)
	if _, all := power(first, 8000, 200); all < 4e7 {
		t.Errorf("the first ten milliseconds have the power %.0f", all)
	}
	if jump := int(first[0]) - int(said[3999]); jump > 2000 || jump < -2000 {
		t.Errorf("a loss begins with a step of %d", jump)
	}
	rest := c.Conceal(nil, 800)
	if energy(rest[400:]) != 0 {
		t.Error("it is not silent after sixty milliseconds")
	}
	back := append([]int16(nil), said[:160]...)
	c.Heard(back)
	if back[0] > 1000 || back[159] != said[159] {
		t.Errorf("what comes after begins with %d", back[0])
	}
}

func energy(samples []int16) (sum float64) {
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return sum
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x7f, 0xff, 1, 2, 3}, uint16(160))
	f.Add([]byte{0x78, 0}, uint16(20))
	f.Fuzz(func(t *testing.T, payload []byte, lost uint16) {
		for _, c := range All() {
			for _, rate := range c.Rates {
				d, err := c.Decoder(rate)
				if err != nil {
					t.Fatal(err)
				}
				out, err := d.Decode(nil, payload)
				if err != nil && len(out) > 0 {
					t.Errorf("%s gives samples with an error", c.Name)
				}
				n := len(out)
				if out = d.Conceal(out, int(lost), payload); len(out) != n+int(lost) {
					t.Errorf("%s conceals %d samples by %d", c.Name, lost, len(out)-n)
				}
				if _, err := d.Decode(nil, payload); err != nil && n > 0 {
					t.Errorf("%s: what could be decoded can't any more: %v", c.Name, err)
				}
			}
		}
	})
}

// BenchmarkCodec is 20 ms of speech.
func BenchmarkCodec(b *testing.B) {
	said := speech(b)
	for _, c := range All() {
		for _, rate := range c.Rates {
			frame := rate / 50
			in := convert(said, 16000, rate)
			e, err := c.Encoder(rate, Options{})
			if err != nil {
				b.Fatal(err)
			}
			d, err := c.Decoder(rate)
			if err != nil {
				b.Fatal(err)
			}
			var payloads [][]byte
			for at := 0; at+frame <= len(in); at += frame {
				payload, err := e.Encode(nil, in[at:at+frame])
				if err != nil {
					b.Fatal(err)
				}
				payloads = append(payloads, payload)
			}
			b.Run(fmt.Sprintf("%s/%d/encode", c.Name, rate), func(b *testing.B) {
				b.ReportAllocs()
				var out []byte
				for i := 0; b.Loop(); i = (i + 1) % len(payloads) {
					if out, err = e.Encode(out[:0], in[i*frame:][:frame]); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%d/decode", c.Name, rate), func(b *testing.B) {
				b.ReportAllocs()
				var out []int16
				for i := 0; b.Loop(); i = (i + 1) % len(payloads) {
					if out, err = d.Decode(out[:0], payloads[i]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkResample(b *testing.B) {
	for _, rates := range [][2]int{{8000, 16000}, {16000, 8000}, {8000, 48000}, {48000, 8000}} {
		b.Run(fmt.Sprintf("%d-%d", rates[0], rates[1]), func(b *testing.B) {
			r, in := NewResampler(rates[0], rates[1]), sine(440, rates[0])[:rates[0]/50]
			var out []int16
			for b.Loop() {
				out = r.Convert(out[:0], in)
			}
		})
	}
}

func BenchmarkConceal(b *testing.B) {
	c, in := NewConcealer(16000), sine(140, 16000)[:1600]
	var out []int16
	for b.Loop() {
		c.Heard(in)
		out = c.Conceal(out[:0], 320)
	}
}
