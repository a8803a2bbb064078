package dtmf

import "math"

// The frequencies of the keys' rows and columns (ITU-T Q.23).
var (
	rows    = [4]float64{697, 770, 852, 941}
	columns = [4]float64{1209, 1336, 1477, 1633}
)

// pad has the keys as they lie.
const pad = "123A456B789C*0#D"

// Tone makes the two tones of a key.
type Tone struct {
	low, high          float64 // angle of a sample
	phaseLow, phaseHig float64
}

const amplitude = 6000 // of each tone, near 13 dB below full scale both together (ITU-T Q.24 takes 3 to 24 dB)

// NewTone begins one.
func NewTone(key byte, rate int) (*Tone, bool) {
	for i := range len(pad) {
		if pad[i] == upper(key) {
			turn := 2 * math.Pi / float64(rate)
			return &Tone{low: rows[i/4] * turn, high: columns[i%4] * turn}, true
		}
	}
	return nil, false
}

// Append appends n samples.
func (t *Tone) Append(dst []int16, n int) []int16 {
	for range n {
		dst = append(dst, int16(amplitude*(math.Sin(t.phaseLow)+math.Sin(t.phaseHig))))
		t.phaseLow = math.Mod(t.phaseLow+t.low, 2*math.Pi)
		t.phaseHig = math.Mod(t.phaseHig+t.high, 2*math.Pi)
	}
	return dst
}
