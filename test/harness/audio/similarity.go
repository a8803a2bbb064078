package audio

import "math"

// Alike is the similarity from which a recording counts as what was played. The same speech
// through G.711 and a jitter buffer is above 0.95, other speech of the same voice below 0.6.
const Alike = 0.9

const (
	window = 0.25 // seconds compared at a time
	slack  = 0.1  // seconds by which a jitter buffer may shift a part against the rest
)

// Similarity says how much of the speech in played is found in heard, from 0 (nothing) to 1
// (all of it, at any loudness and however late). Silence in played does not count.
func Similarity(played, heard Clip) float64 {
	if len(heard.Samples) == 0 || len(played.Samples) == 0 {
		return 0
	}
	heard = heard.At(played.Rate)
	x, y := floats(played.Samples), floats(heard.Samples)
	lag := bestLag(x, y)
	size, room := int(window*float64(played.Rate)), int(slack*float64(played.Rate))
	loud := loudest(x, size) / 20

	sum, parts := 0.0, 0
	for at := 0; at+size <= len(x); at += size {
		part := x[at : at+size]
		if energy(part) < loud {
			continue
		}
		sum += bestMatch(part, y, at+lag-room, at+lag+room)
		parts++
	}
	if parts == 0 {
		return 0
	}
	return sum / float64(parts)
}

func floats(in []int16) []float64 {
	out := make([]float64, len(in))
	for i, s := range in {
		out[i] = float64(s)
	}
	return out
}

func energy(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return sum
}

func loudest(x []float64, size int) float64 {
	most := 1.0
	for at := 0; at+size <= len(x); at += size {
		most = max(most, energy(x[at:at+size]))
	}
	return most
}

// bestMatch is the highest normalised correlation of part with y at the offsets from..to.
func bestMatch(part, y []float64, from, to int) float64 {
	own, best := energy(part), 0.0
	for at := max(from, 0); at <= to && at+len(part) <= len(y); at++ {
		other := y[at : at+len(part)]
		dot := 0.0
		for i, v := range part {
			dot += v * other[i]
		}
		if dot <= 0 {
			continue
		}
		if e := energy(other); e > 0 {
			best = max(best, dot/math.Sqrt(own*e))
		}
	}
	return best
}

// bestLag is how many samples later x is found in y: where their cross-correlation is highest.
func bestLag(x, y []float64) int {
	n := 1
	for n < len(x)+len(y) {
		n *= 2
	}
	a, b := make([]complex128, n), make([]complex128, n)
	for i, v := range x {
		a[i] = complex(v, 0)
	}
	for i, v := range y {
		b[i] = complex(v, 0)
	}
	fft(a, false)
	fft(b, false)
	for i := range a {
		a[i] = b[i] * complex(real(a[i]), -imag(a[i]))
	}
	fft(a, true)
	best := 0
	for i := range a {
		if real(a[i]) > real(a[best]) {
			best = i
		}
	}
	if best >= len(y) { // x began before y
		return best - n
	}
	return best
}

// fft is the transform of Cooley and Tukey in place; len(a) is a power of two. The inverse
// is not scaled.
func fft(a []complex128, inverse bool) {
	n := len(a)
	for i, j := 1, 0; i < n; i++ {
		bit := n >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		j ^= bit
		if i < j {
			a[i], a[j] = a[j], a[i]
		}
	}
	turn := -2 * math.Pi
	if inverse {
		turn = -turn
	}
	for size := 2; size <= n; size *= 2 {
		sin, cos := math.Sincos(turn / float64(size))
		step := complex(cos, sin)
		for at := 0; at < n; at += size {
			w := complex(1, 0)
			for i := at; i < at+size/2; i++ {
				even, odd := a[i], a[i+size/2]*w
				a[i], a[i+size/2] = even+odd, even-odd
				w *= step
			}
		}
	}
}
