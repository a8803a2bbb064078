package codec

import "math"

// Resampler converts between sample rates: a low-pass filter of windowed sinc, in as many phases as it takes to give
// every output sample its own. What it adds of its own stays 70 dB below the signal.
type Resampler struct {
	up, down int       // the rates, reduced
	taps     int       // of a phase
	phases   []float32 // up of them, each with its taps
	window   []float32 // the last inputs, taps-1 of them, and then the new ones
	phase    int       // of the next output
}

const (
	sincTaps = 32  // of a phase at the lower rate
	kaiser   = 7.5 // of the window
	sincEdge = 0.9 // of the lower rate's half, where the filter begins to close
)

// NewResampler makes one. Rates are positive.
func NewResampler(from, to int) *Resampler {
	d := gcd(from, to)
	r := &Resampler{up: to / d, down: from / d}
	if r.up == r.down {
		return r
	}
	width := max(1, float64(r.down)/float64(r.up))
	r.taps = int(math.Ceil(sincTaps * width))
	r.phases = make([]float32, r.up*r.taps)
	for p := range r.up {
		r.fill(p, width)
	}
	r.window = make([]float32, r.taps-1, 4*r.taps)
	return r
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// fill computes a phase, and has it pass what is constant unchanged.
func (r *Resampler) fill(p int, width float64) {
	half := float64(r.taps) / 2
	taps := r.phases[p*r.taps:][:r.taps]
	sum := 0.0
	for i := range taps {
		// The distance of input i from the output, in inputs.
		x := float64(i) + 1 - half - float64(p)/float64(r.up)
		v := sinc(x*sincEdge/width) * bessel(kaiser*math.Sqrt(max(0, 1-x*x/half/half)))
		taps[i] = float32(v)
		sum += v
	}
	for i := range taps {
		taps[i] /= float32(sum)
	}
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel is the modified Bessel function of the first kind and order zero, which Kaiser's window is made of.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-9*sum; k++ {
		term *= x * x / (4 * k * k)
		sum += term
	}
	return sum
}

// Delay is how many input samples later a sound comes out.
func (r *Resampler) Delay() int { return r.taps / 2 }

// Convert appends the samples at the new rate to dst. What the last inputs need of later ones comes with the next call.
func (r *Resampler) Convert(dst, samples []int16) []int16 {
	if r.up == r.down {
		return append(dst, samples...)
	}
	for _, s := range samples {
		r.window = append(r.window, float32(s))
	}
	at := 0
	for at+r.taps <= len(r.window) {
		dst = append(dst, r.filter(r.window[at:][:r.taps]))
		r.phase += r.down
		at += r.phase / r.up
		r.phase %= r.up
	}
	at = min(at, len(r.window))
	r.window = r.window[:copy(r.window, r.window[at:])]
	return dst
}

func (r *Resampler) filter(x []float32) int16 {
	taps := r.phases[r.phase*r.taps:][:len(x)]
	var a, b, c, d float32
	for len(x) >= 4 && len(taps) >= 4 {
		a += x[0] * taps[0]
		b += x[1] * taps[1]
		c += x[2] * taps[2]
		d += x[3] * taps[3]
		x, taps = x[4:], taps[4:]
	}
	for i, v := range x {
		a += v * taps[i]
	}
	v := a + b + c + d
	switch {
	case v >= 32767:
		return 32767
	case v <= -32768:
		return -32768
	case v < 0:
		return int16(v - 0.5)
	}
	return int16(v + 0.5)
}
