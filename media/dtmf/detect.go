package dtmf

import "math"

// Detector finds keys in samples, by Goertzel's filter for each of the eight frequencies over blocks of 12.75 ms. A key has to
// be there for two blocks, with both tones near each other in strength and little else in the sound (ITU-T Q.24).
type Detector struct {
	block  int
	turns  [8]float64 // 2 cos of each frequency's angle
	last   [8]float64
	before [8]float64
	energy float64
	n      int

	candidate byte // of the block before; 0: none
	held      byte // the key that is down
	misses    int  // blocks without it
}

const (
	blockRate  = 8000
	blockSize  = 102
	quietest   = 300  // root mean square of a block below which nothing is looked for
	twistHigh  = 2.5  // by how much the column may be stronger, as power: 4 dB
	twistLow   = 6.3  // and the row: 8 dB
	standsOut  = 6.3  // a tone over the others of its group
	share      = 0.82 // of the block's energy that the two tones have
	letGo      = 3    // blocks without the key until it is up
	halfBlocks = 2    // a pure tone's power is energy times half the block
)

// NewDetector makes one for a sample rate.
func NewDetector(rate int) *Detector {
	d := &Detector{block: blockSize * rate / blockRate}
	for i := range 4 {
		d.turns[i] = 2 * math.Cos(2*math.Pi*rows[i]/float64(rate))
		d.turns[4+i] = 2 * math.Cos(2*math.Pi*columns[i]/float64(rate))
	}
	return d
}

// Hear takes samples, and calls press for each key that goes down, and with false when it is up again.
func (d *Detector) Hear(samples []int16, press func(key byte, down bool)) {
	for _, s := range samples {
		x := float64(s)
		d.energy += x * x
		for i, turn := range &d.turns {
			v := x + turn*d.last[i] - d.before[i]
			d.before[i], d.last[i] = d.last[i], v
		}
		if d.n++; d.n == d.block {
			d.judge(press)
		}
	}
}

// judge ends a block.
func (d *Detector) judge(press func(byte, bool)) {
	key := d.key()
	d.last, d.before, d.energy, d.n = [8]float64{}, [8]float64{}, 0, 0
	was := d.candidate
	d.candidate = key
	if d.held != 0 {
		if key == d.held {
			d.misses = 0
			return
		}
		if d.misses++; d.misses < letGo && (key == 0 || key != was) {
			return
		}
		press(d.held, false)
		d.held = 0
	}
	if key != 0 && key == was {
		d.held, d.misses = key, 0
		press(key, true)
	}
}

// key is the one that the block has, 0 for none.
func (d *Detector) key() byte {
	n := float64(d.block)
	if d.energy < n*quietest*quietest {
		return 0
	}
	var power [8]float64
	for i := range power {
		power[i] = d.last[i]*d.last[i] + d.before[i]*d.before[i] - d.turns[i]*d.last[i]*d.before[i]
	}
	row, column := strongest(power[:4]), strongest(power[4:])
	low, high := power[row], power[4+column]
	switch {
	case high > low*twistHigh || low > high*twistLow,
		!outstanding(power[:4], row) || !outstanding(power[4:], column),
		(low+high)*halfBlocks < share*n*d.energy:
		return 0
	}
	return pad[4*row+column]
}

func strongest(power []float64) (at int) {
	for i, p := range power {
		if p > power[at] {
			at = i
		}
	}
	return at
}

func outstanding(power []float64, at int) bool {
	for i, p := range power {
		if i != at && p*standsOut > power[at] {
			return false
		}
	}
	return true
}
