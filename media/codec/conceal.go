package codec

import "math"

// Concealer makes up for packets that were lost, by going on with the last period of the voice, as Appendix I of ITU-T
// G.711 does: at its own level for ten milliseconds, then fading, silent after sixty. Unlike there nothing is
// delayed for it: what comes after the loss is blended in instead.
type Concealer struct {
	rate    int
	history []int16 // the last that was played
	filled  int
	period  []int16 // what is repeated
	at      int     // in it
	lost    int     // samples in this loss so far
	noise   uint32
}

const (
	pitchLongest  = 15   // milliseconds: 66 Hz
	pitchShortest = 2.5  // 400 Hz
	concealKept   = 48   // milliseconds of history
	concealFull   = 10   // at full level
	concealEnd    = 60   // silent from here on
	concealBlend  = 5    // of blending back
	concealMatch  = 20   // that are compared in the search for the pitch
	unvoiced      = 0.45 // correlation below which the sound has no pitch
)

// NewConcealer makes one for a sample rate.
func NewConcealer(rate int) *Concealer {
	return &Concealer{rate: rate, history: make([]int16, concealKept*rate/1000), noise: 1}
}

func (c *Concealer) ms(n float64) int { return int(n * float64(c.rate) / 1000) }

// Heard takes samples that came. The first after a loss are changed, so that they begin without a click.
func (c *Concealer) Heard(samples []int16) {
	if c.lost > 0 {
		c.blend(samples)
		c.lost, c.period = 0, c.period[:0]
	}
	c.keep(samples)
}

func (c *Concealer) keep(samples []int16) {
	n := len(c.history)
	if len(samples) >= n {
		copy(c.history, samples[len(samples)-n:])
	} else {
		copy(c.history, c.history[len(samples):])
		copy(c.history[n-len(samples):], samples)
	}
	c.filled = min(c.filled+len(samples), n)
}

// Conceal appends n samples in the place of lost ones.
func (c *Concealer) Conceal(dst []int16, n int) []int16 {
	if c.lost == 0 {
		c.begin()
	}
	from := len(dst)
	for range n {
		dst = append(dst, c.next())
	}
	c.keep(dst[from:])
	return dst
}

// next is the next made-up sample.
func (c *Concealer) next() int16 {
	if len(c.period) == 0 {
		c.lost++
		return 0
	}
	s := float64(c.period[c.at]) * c.level()
	c.lost++
	if c.at++; c.at == len(c.period) {
		c.at = 0
	}
	return int16(s)
}

func (c *Concealer) level() float64 {
	full, end := c.ms(concealFull), c.ms(concealEnd)
	switch {
	case c.lost < full:
		return 1
	case c.lost >= end:
		return 0
	}
	return 1 - float64(c.lost-full)/float64(end-full)
}

// begin takes the last period of what was heard. Its end is blended into what came before the period, so that the
// repetition has no seam.
func (c *Concealer) begin() {
	c.period, c.at = c.period[:0], 0
	if c.filled < len(c.history) {
		return // too little to go on with
	}
	pitch, voiced := c.pitch()
	if !voiced {
		c.rustle()
		return
	}
	n := len(c.history)
	c.period = append(c.period, c.history[n-pitch:]...)
	seam := pitch / 4
	for i := range seam {
		w := float64(i+1) / float64(seam+1)
		before := float64(c.history[n-pitch-seam+i])
		own := float64(c.period[pitch-seam+i])
		c.period[pitch-seam+i] = int16(own*(1-w) + before*w)
	}
	// The last samples before the loss have been played unblended: what follows them is the period's beginning.
}

// rustle stands for a sound without pitch: the last milliseconds, their order mixed so that no tone arises.
func (c *Concealer) rustle() {
	last := c.history[len(c.history)-c.ms(concealMatch):]
	for range 2 * len(last) {
		c.noise = c.noise*1664525 + 1013904223
		c.period = append(c.period, last[int(c.noise>>8)%len(last)]/2)
	}
}

// pitch finds the period by which the last milliseconds are most like those before them: at every second sample first,
// then around the best.
func (c *Concealer) pitch() (period int, voiced bool) {
	shortest, longest := c.ms(pitchShortest), c.ms(pitchLongest)
	step := max(c.rate/4000, 1)
	best, at := -1.0, longest
	for p := shortest; p <= longest; p += step {
		if r := c.alike(p, step); r > best {
			best, at = r, p
		}
	}
	for p, last := max(at-step+1, shortest), min(at+step-1, longest); p <= last; p++ {
		if r := c.alike(p, 1); r > best {
			best, at = r, p
		}
	}
	return at, best >= unvoiced
}

// alike is the correlation of the last milliseconds with those one period earlier.
func (c *Concealer) alike(period, step int) float64 {
	n, length := len(c.history), c.ms(concealMatch)
	now, then := c.history[n-length:], c.history[n-length-period:n-period]
	var dot, a, b float64
	for i := 0; i < length; i += step {
		x, y := float64(now[i]), float64(then[i])
		dot += x * y
		a += x * x
		b += y * y
	}
	if a == 0 || b == 0 {
		return 0
	}
	return dot / math.Sqrt(a*b)
}

// blend fades from what would have been made up next into what came.
func (c *Concealer) blend(samples []int16) {
	n := min(c.ms(concealBlend), len(samples))
	for i := range n {
		w := float64(i+1) / float64(n+1)
		samples[i] = int16(float64(samples[i])*w + float64(c.next())*(1-w))
	}
}
