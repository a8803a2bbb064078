package codec

import "math"

// A voice is made longer or shorter by one of its periods, where two of them are blended into each other: it keeps its pitch,
// and is not heard to change.

const (
	stretchShortest = 2.5 // milliseconds
	stretchLongest  = 10
	stretchAlike    = 0.7 // correlation of two periods from which they may be blended
)

// Shrink leaves out a period, if there is one, and gives the number of samples that are left.
func Shrink(samples []int16, rate int) int {
	p, ok := periodOf(samples, rate)
	if !ok {
		return len(samples)
	}
	// The first period fades out while the second fades in.
	for i := range p {
		samples[i] = mix(samples[i], samples[i+p], i, p)
	}
	return p + copy(samples[p:], samples[2*p:])
}

// Stretch repeats a period of the samples behind from, if there is one.
func Stretch(samples []int16, from, rate int) []int16 {
	p, ok := periodOf(samples[from:], rate)
	if !ok {
		return samples
	}
	n := len(samples)
	samples = append(samples, samples[n-p:]...)
	frame := samples[from:]
	// After the first period comes one that fades from the second back to the first, then the rest.
	copy(frame[2*p:], frame[p:len(frame)-p])
	for i := range p {
		frame[p+i] = mix(frame[2*p+i], frame[i], i, p)
	}
	return samples
}

func mix(a, b int16, i, n int) int16 { return int16((int(a)*(n-i) + int(b)*i) / n) }

// periodOf finds by how many samples the beginning of a frame repeats itself.
func periodOf(samples []int16, rate int) (period int, ok bool) {
	shortest, longest := int(stretchShortest*float64(rate)/1000), min(stretchLongest*rate/1000, len(samples)/2)
	best := stretchAlike
	step := max(rate/8000, 1)
	for p := shortest; p <= longest; p += step {
		var dot, a, b float64
		for i := 0; i < p; i += step {
			x, y := float64(samples[i]), float64(samples[i+p])
			dot += x * y
			a += x * x
			b += y * y
		}
		if a*b == 0 {
			continue
		}
		if r := dot / math.Sqrt(a*b); r > best {
			best, period, ok = r, p, true
		}
	}
	return period, ok
}
