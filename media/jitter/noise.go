package jitter

import "math"

// Noise is comfort noise: white noise at the level that the far end tells of, through the filter whose reflection
// coefficients it may send with it (rfc3389#3).
type Noise struct {
	rate  int
	level float64
	k     []float64 // reflection coefficients
	b     [maxOrder + 1]float64
	seed  uint32
}

const (
	maxOrder = 12
	overload = 32768 / math.Sqrt2 // of the level's reference: a full sine, 0 dBov is its power (rfc3389#3.1)
	still    = 70                 // dB below it, where nothing was told
)

// NewNoise makes noise for a sample rate.
func NewNoise(rate int) Noise { return Noise{rate: rate, level: gain(still), seed: 1} }

func gain(below float64) float64 { return overload * math.Pow(10, -below/20) }

// Set takes the payload of a packet of comfort noise.
func (n *Noise) Set(payload []byte) {
	if len(payload) == 0 {
		return
	}
	n.level = gain(float64(payload[0] & 0x7f))
	n.k = n.k[:0]
	for _, q := range payload[1:min(len(payload), 1+maxOrder)] {
		n.k = append(n.k, (float64(q)-127)/128)
	}
}

// Append appends samples.
func (n *Noise) Append(dst []int16, count int) []int16 {
	// What the filter adds in power is taken off before it.
	power := 1.0
	for _, k := range n.k {
		power *= 1 - k*k
	}
	amplitude := n.level * math.Sqrt(3*max(power, 0))
	for range count {
		n.seed = n.seed*1664525 + 1013904223
		x := amplitude * (float64(n.seed)/(1<<31) - 1)
		// An all-pole lattice.
		f := x
		for i := len(n.k) - 1; i >= 0; i-- {
			f -= n.k[i] * n.b[i]
			n.b[i+1] = n.b[i] + n.k[i]*f
		}
		n.b[0] = f
		dst = append(dst, int16(min(max(f, -32768), 32767)))
	}
	return dst
}
