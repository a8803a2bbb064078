package audio

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"
	"time"
)

// vowels is a voice made of seed's own syllables: harmonics of a gliding pitch, with pauses.
func vowels(seed uint64, seconds float64) Clip {
	r := rand.New(rand.NewPCG(seed, 1))
	c := Clip{Rate: 8000}
	for c.Seconds() < seconds {
		pitch, glide := 90+60*r.Float64(), r.Float64()-0.5
		formant := 300 + 700*r.Float64()
		length, phase := 800+r.IntN(1600), 0.0
		for i := range length {
			p := pitch * (1 + glide*float64(i)/float64(length))
			phase += 2 * math.Pi * p / 8000
			v := 0.0
			for h := 1.0; h*p < 3400; h++ {
				v += math.Sin(h*phase) * math.Exp(-math.Abs(h*p-formant)/300)
			}
			c.Samples = append(c.Samples, int16(2500*v*math.Sin(math.Pi*float64(i)/float64(length))))
		}
		c.Samples = append(c.Samples, make([]int16, r.IntN(800))...)
	}
	return c
}

func viaG711(c Clip, loudness float64) Clip {
	out := Clip{Rate: c.Rate, Samples: make([]int16, len(c.Samples))}
	for i, s := range c.Samples {
		out.Samples[i] = muDecode(muEncode(int16(float64(s) * loudness)))
	}
	return out
}

func TestSimilarity(t *testing.T) {
	t.Parallel()
	said := vowels(1, 3)
	late := viaG711(said, 0.4).Padded(0.7, 1)

	// A jitter buffer that repeated 20 ms in the middle.
	half := len(late.Samples) / 2
	stretched := Clip{Rate: 8000, Samples: append(append([]int16(nil), late.Samples[:half]...), late.Samples[half-160:]...)}

	cut := Clip{Rate: 8000, Samples: append([]int16(nil), late.Samples...)}
	clear(cut.Samples[5600 : 5600+len(said.Samples)/2])

	noise := Clip{Rate: 8000, Samples: make([]int16, 40000)}
	r := rand.New(rand.NewPCG(5, 5))
	for i := range noise.Samples {
		noise.Samples[i] = int16(r.IntN(8000) - 4000)
	}

	for _, test := range []struct {
		name      string
		heard     Clip
		low, high float64
	}{
		{"the same", said, 0.999, 1.001},
		{"G.711, quiet and late", late, 0.97, 1.001},
		{"at 16 kHz", late.At(16000), 0.95, 1.001},
		{"begun before it was listened to", Clip{8000, late.Samples[5600+2000:]}, 0.85, Alike + 0.05},
		{"20 ms repeated", stretched, Alike, 1.001},
		{"half lost", cut, 0.3, 0.7},
		{"another speaker", vowels(2, 3), 0, 0.75},
		{"noise", noise, 0, 0.5},
		{"silence", Clip{8000, make([]int16, 40000)}, 0, 0},
		{"nothing", Clip{Rate: 8000}, 0, 0},
		{"backwards in sign", Clip{8000, negate(said.Samples)}, 0, 0.8},
	} {
		if got := Similarity(said, test.heard); got < test.low || got > test.high {
			t.Errorf("%s: similarity %.3f, want %.3f to %.3f", test.name, got, test.low, test.high)
		}
	}
}

func negate(in []int16) []int16 {
	out := make([]int16, len(in))
	for i, s := range in {
		out[i] = -s
	}
	return out
}

func TestLaws(t *testing.T) {
	t.Parallel()
	for _, l := range []law{muLaw, aLaw} {
		for b := range 256 {
			s := l.decode(byte(b))
			if back := l.encode(s); l.decode(back) != s {
				t.Errorf("%s: code %#x is %d, which becomes %#x", l.name, b, s, back)
			}
		}
	}
	for _, known := range []struct {
		law    law
		code   byte
		sample int16
	}{
		{muLaw, 0xff, 0}, {muLaw, 0x00, -32124}, {muLaw, 0x80, 32124}, {muLaw, 0xfe, 8}, {muLaw, 0x7e, -8},
		{aLaw, 0xd5, 8}, {aLaw, 0x55, -8}, {aLaw, 0xaa, 32256}, {aLaw, 0x2a, -32256}, {aLaw, 0x80, 5504},
	} {
		if got := known.law.decode(known.code); got != known.sample {
			t.Errorf("%s: code %#x is %d, want %d", known.law.name, known.code, got, known.sample)
		}
	}
}

func TestWAV(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "x.wav")
	c := vowels(3, 0.5)
	if err := c.WriteWAV(name); err != nil {
		t.Fatal(err)
	}
	got, err := ReadWAV(name)
	if err != nil {
		t.Fatal(err)
	}
	if got.Rate != c.Rate || len(got.Samples) != len(c.Samples) || got.Samples[999] != c.Samples[999] {
		t.Errorf("read %d samples at %d, wrote %d at %d", len(got.Samples), got.Rate, len(c.Samples), c.Rate)
	}
	if _, err := parseWAV([]byte("RIFF\x00\x00\x00\x00WAVEfmt \xff\xff\xff\xff")); err == nil {
		t.Error("a broken file is read")
	}
}

func TestEndpointsTalk(t *testing.T) {
	t.Parallel()
	a, err := NewEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := NewEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	said := vowels(4, 1)
	a.Play(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(b.Port())), said)
	deadline := time.Now().Add(10 * time.Second)
	for b.Heard().Seconds() < said.Seconds()-0.02 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if got := Similarity(said, b.Heard()); got < 0.97 {
		t.Errorf("similarity %.3f of what was heard", got)
	}
}

func TestBrowsersTalk(t *testing.T) {
	t.Parallel()
	alice, bob := browser(t), browser(t)
	offer, err := alice.Offer()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := bob.Answer(offer)
	if err != nil {
		t.Fatal(err)
	}
	if err := alice.Answered(answer); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for !alice.Connected() || !bob.Connected() {
		if time.Now().After(deadline) {
			t.Fatal("they are not connected")
		}
		time.Sleep(10 * time.Millisecond)
	}
	said := Sweep(1)
	alice.Play(said.Padded(0.2, 0.5))
	for bob.Heard().Seconds() < 1.4 {
		if time.Now().After(deadline) {
			t.Fatalf("only %.1f s are heard", bob.Heard().Seconds())
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := Similarity(said, bob.Heard()); got < Alike {
		t.Errorf("what is heard is %.2f like what was said", got)
	}
}

func browser(t *testing.T) *Browser {
	t.Helper()
	b, err := NewBrowser()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}
