package jitter

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"parley/media/codec"
	"parley/test/harness/audio"
)

func speech(t testing.TB, rate, times int) (out []int16) {
	t.Helper()
	b, err := os.ReadFile("../codec/testdata/speech16.raw")
	if err != nil {
		t.Fatal(err)
	}
	one := make([]int16, len(b)/2)
	for i := range one {
		one[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	one = codec.NewResampler(16000, rate).Convert(nil, one)
	for range times {
		out = append(out, one...)
	}
	return out
}

func named(t testing.TB, name string) codec.Codec {
	t.Helper()
	for _, c := range codec.All() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no %s", name)
	return codec.Codec{}
}

// arrival is a packet and when it comes, after the first was sent.
type arrival struct {
	Packet
	at time.Duration
}

// sent has samples as packets of 20 ms whose sender's clock is so much faster; network changes each one.
func sent(t testing.TB, c codec.Codec, samples []int16, faster float64, network func(i int, a arrival) []arrival) (all []arrival) {
	t.Helper()
	rate := c.Rates[0]
	e, err := c.Encoder(rate, codec.Options{Loss: 5})
	if err != nil {
		t.Fatal(err)
	}
	for i, frame := 0, rate/50; (i+1)*frame <= len(samples); i++ {
		payload, err := e.Encode(nil, samples[i*frame:(i+1)*frame])
		if err != nil {
			t.Fatal(err)
		}
		a := arrival{
			Packet{uint8(c.Payload), uint16(65000 + i), uint32(0xffff0000 + i*c.Clock/50), payload},
			time.Duration(float64(i) * 2e7 / faster),
		}
		all = append(all, network(i, a)...)
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return int(a.at - b.at) })
	return all
}

func asIs(_ int, a arrival) []arrival { return []arrival{a} }

// play pulls 20 ms at a time, and some time more.
func play(t testing.TB, c Config, all []arrival, each func(b *Buffer)) (out []int16, stats Stats) {
	t.Helper()
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	end := all[len(all)-1].at + 300*time.Millisecond
	for now := time.Duration(0); now < end; now += 20 * time.Millisecond {
		for len(all) > 0 && all[0].at <= now {
			b.Push(all[0].Packet, start.Add(all[0].at))
			all = all[1:]
		}
		out = b.Pull(out, b.c.Rate/50, start.Add(now))
		if each != nil {
			each(b)
		}
	}
	return out, b.Stats()
}

func like(said, heard []int16, rate int) float64 {
	to8 := func(x []int16) audio.Clip {
		return audio.Clip{Rate: 8000, Samples: codec.NewResampler(rate, 8000).Convert(nil, x)}
	}
	return audio.Similarity(to8(said), to8(heard))
}

// TestNetworks plays what networks do to packets.
func TestNetworks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		network func(r *rand.Rand) func(int, arrival) []arrival
		alike   float64
		delay   time.Duration // at the end, at most
	}{
		"a good one": {func(*rand.Rand) func(int, arrival) []arrival { return asIs }, 0.99, 45 * time.Millisecond},
		"uneven by 60 ms": {func(r *rand.Rand) func(int, arrival) []arrival {
			return func(_ int, a arrival) []arrival {
				a.at += time.Duration(r.IntN(60)) * time.Millisecond
				return []arrival{a}
			}
		}, 0.88, 110 * time.Millisecond},
		"one that loses a twentieth": {func(r *rand.Rand) func(int, arrival) []arrival {
			return func(i int, a arrival) []arrival {
				if i > 0 && r.IntN(20) == 0 {
					return nil
				}
				return []arrival{a}
			}
		}, 0.95, 45 * time.Millisecond},
		"one that repeats and reorders": {func(r *rand.Rand) func(int, arrival) []arrival {
			return func(_ int, a arrival) []arrival {
				a.at += time.Duration(r.IntN(2)) * 25 * time.Millisecond
				return []arrival{a, a}
			}
		}, 0.9, 80 * time.Millisecond},
		"one that holds all back for 80 ms once": {func(*rand.Rand) func(int, arrival) []arrival {
			return func(i int, a arrival) []arrival {
				if i >= 60 && i < 64 {
					a.at = 64 * 20 * time.Millisecond
				}
				return []arrival{a}
			}
		}, 0.9, 140 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := named(t, "PCMU")
			said := speech(t, 8000, 2)
			all := sent(t, c, said, 1, test.network(rand.New(rand.NewPCG(1, 2))))
			heard, stats := play(t, Config{Codec: c}, all, nil)
			got := like(said, heard, 8000)
			t.Logf("similarity %.3f, %+v", got, stats)
			if got < test.alike {
				t.Errorf("similarity %.3f, want %.2f", got, test.alike)
			}
			if stats.Delay > test.delay {
				t.Errorf("in the end the delay is %v, want at most %v", stats.Delay, test.delay)
			}
		})
	}
}

// TestLossOfEachCodec measures what is left of speech of which a twentieth of the packets is lost.
func TestLossOfEachCodec(t *testing.T) {
	t.Parallel()
	for _, c := range codec.All() {
		rate := c.Rates[0]
		said := speech(t, rate, 2)
		r := rand.New(rand.NewPCG(7, 7))
		all := sent(t, c, said, 1, func(i int, a arrival) []arrival {
			if i > 0 && r.IntN(20) == 0 {
				return nil
			}
			return []arrival{a}
		})
		heard, stats := play(t, Config{Codec: c}, all, nil)
		got := like(said, heard, rate)
		t.Logf("%s: similarity %.3f, %d ms made up", c.Name, got, int(stats.Concealed)*1000/rate)
		if got < 0.84 || stats.Concealed == 0 {
			t.Errorf("%s: similarity %.3f with a twentieth lost, %d samples made up", c.Name, got, stats.Concealed)
		}
	}
}

// TestDrift has the sender's clock be half a percent off, either way, for a minute.
func TestDrift(t *testing.T) {
	t.Parallel()
	for _, faster := range []float64{0.995, 1.005} {
		c := named(t, "PCMA")
		all := sent(t, c, speech(t, 8000, 30), faster, asIs)
		most := time.Duration(0)
		_, stats := play(t, Config{Codec: c}, all, func(b *Buffer) { most = max(most, b.stats.Delay) })
		if most > 150*time.Millisecond {
			t.Errorf("a clock at %v: the delay grows to %v", faster, most)
		}
		if lost := stats.Late + stats.Overflown; lost > 30 {
			t.Errorf("a clock at %v: of 3000 packets %d are not played: %+v", faster, lost, stats)
		}
		t.Logf("a clock at %v: %+v, most delay %v", faster, stats, most)
	}
}

// TestSilence has a sender be silent: with comfort noise, and without.
func TestSilence(t *testing.T) {
	t.Parallel()
	c := named(t, "PCMU")
	all := sent(t, c, speech(t, 8000, 1), 1, func(i int, a arrival) []arrival {
		switch {
		case i == 30:
			a.Packet.Type, a.Packet.Payload = 13, []byte{40}
		case i > 30 && i < 60:
			return nil
		}
		if i >= 60 {
			a.Sequence -= 29
		}
		return []arrival{a}
	})
	out, stats := play(t, Config{Codec: c, Comfort: 13}, all, nil)
	part := out[8000*7/10 : 8000*11/10]
	if level := rms(part); math.Abs(20*math.Log10(level/overload)+40) > 3 {
		t.Errorf("comfort noise has %.0f, which is %.1f dB below overload, want 40", level, -20*math.Log10(level/overload))
	}
	if stats.Concealed > 480 || stats.Played != 70 { // after the last there are 60 ms
		t.Errorf("of 70 packets %d were played, %d samples made up", stats.Played, stats.Concealed)
	}
}

func rms(samples []int16) float64 {
	sum := 0.0
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum / float64(len(samples)))
}

func TestNoiseWithAFilter(t *testing.T) {
	t.Parallel()
	n := NewNoise(8000)
	n.Set([]byte{30, 200, 100, 140, 90})
	if level := rms(n.Append(nil, 80000)); math.Abs(20*math.Log10(level/overload)+30) > 2 {
		t.Errorf("it is %.1f dB below overload, want 30", -20*math.Log10(level/overload))
	}
	n.Set([]byte{20, 0, 255, 0, 255, 0, 255}) // an unstable filter, or almost
	for _, s := range n.Append(nil, 8000) {
		_ = s // it has to come to an end, and stay in range
	}
}

// TestClockStandsStill has a sender whose timestamps stop during a pause.
func TestClockStandsStill(t *testing.T) {
	t.Parallel()
	c := named(t, "PCMU")
	all := sent(t, c, speech(t, 8000, 2), 1, func(i int, a arrival) []arrival {
		if i >= 100 {
			a.at += 1500 * time.Millisecond
		}
		return []arrival{a}
	})
	_, stats := play(t, Config{Codec: c}, all, nil)
	if stats.Played < 185 {
		t.Errorf("of 200 packets %d are played: %+v", stats.Played, stats)
	}
}

func FuzzBuffer(f *testing.F) {
	f.Add([]byte{1, 1, 160, 20, 2, 1, 160, 20, 0, 3, 0, 13})
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, c := range codec.All() {
			b, err := New(Config{Codec: c, Comfort: 13})
			if err != nil {
				t.Fatal(err)
			}
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			var p Packet
			for s := script; len(s) >= 4; s = s[4:] {
				p.Sequence += uint16(int8(s[0]))
				p.Timestamp += uint32(int32(int8(s[1])) * 160)
				p.Type = s[2] % 20
				p.Payload = append(p.Payload[:0], s...)
				now = now.Add(time.Duration(s[3]) * time.Millisecond)
				b.Push(p, now)
				if got := b.Pull(nil, b.c.Rate/50, now); len(got) != b.c.Rate/50 {
					t.Fatalf("it gives %d samples", len(got))
				}
				if b.n < 0 || b.n > capacity || len(b.ready) > b.c.Rate {
					t.Fatalf("it keeps %d packets and %d samples", b.n, len(b.ready))
				}
			}
		}
	})
}

func BenchmarkBuffer(b *testing.B) {
	buffer, err := New(Config{Codec: named(b, "PCMU")})
	if err != nil {
		b.Fatal(err)
	}
	now, p, out := time.Now(), Packet{Payload: make([]byte, 160)}, []int16(nil)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(20 * time.Millisecond)
		p.Sequence++
		p.Timestamp += 160
		buffer.Push(p, now)
		out = buffer.Pull(out[:0], 160, now)
	}
}
