package tone

import (
	"math"
	"testing"
)

// level is the power of a frequency in samples, in dB below a full sine.
func level(samples []int16, rate int, frequency float64) float64 {
	var re, im float64
	for i, s := range samples {
		sin, cos := math.Sincos(2 * math.Pi * frequency * float64(i) / float64(rate))
		re += float64(s) * cos
		im += float64(s) * sin
	}
	a := 2 * math.Hypot(re, im) / float64(len(samples))
	return 20 * math.Log10((a+0.1)/32768)
}

func TestTonesSoundAsTheTableSays(t *testing.T) {
	t.Parallel()
	for country, tones := range national {
		for name, c := range map[string]Cadence{
			"dial": tones.Dial, "ringback": tones.Ringback, "busy": tones.Busy, "congestion": tones.Congestion, "waiting": tones.Waiting,
		} {
			if len(c) == 0 {
				t.Errorf("%s has no %s", country, name)
			}
			for _, rate := range []int{8000, 48000} {
				p := NewPlayer(c, rate)
				for i, part := range c {
					n := rate
					if part.Length > 0 {
						n = int(part.Length.Seconds() * float64(rate))
					}
					got := p.Append(nil, n)
					for _, f := range part.Frequencies {
						if l := level(got, rate, f); l < -27 || l > -16 {
							t.Errorf("%s: part %d of %s: %.0f Hz has %.1f dB", country, i, name, f, l)
						}
					}
					if l := level(got, rate, 1000); l > -30 && len(part.Frequencies) == 0 {
						t.Errorf("%s: part %d of %s is no pause", country, i, name)
					}
				}
			}
		}
	}
}

func TestEdges(t *testing.T) {
	t.Parallel()
	p := NewPlayer(national["de"].Busy, 8000)
	samples := p.Append(nil, 80000)
	for i := range samples[1:] {
		if step := int(samples[i+1]) - int(samples[i]); step > 2000 || step < -2000 {
			t.Fatalf("there is a step of %d", step)
		}
	}
	once := NewPlayer(Beep(), 8000).Append(nil, 16000)
	if level(once[:4000], 8000, 1000) < -20 || level(once[4000:], 8000, 1000) > -60 {
		t.Error("it beeps other than once")
	}
	if got := NewPlayer(nil, 8000).Append(nil, 80); len(got) != 80 {
		t.Errorf("no tone is %d samples long", len(got))
	}
	if got := NewPlayer(Cadence{{}, {}}, 8000).Append(nil, 80); len(got) != 80 {
		t.Errorf("silence is %d samples long", len(got))
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	if _, known := Of("AT"); !known {
		t.Error("Austria is not known")
	}
	if tones, known := Of("xx"); known || len(tones.Busy) == 0 {
		t.Error("an unknown country has no tones")
	}
}
