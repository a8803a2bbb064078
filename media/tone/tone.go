// Package tone makes the tones that callers know: dial tone, ringback, busy, congestion and call waiting as a country's network
// has them (ITU-T E.180), and the beep of a recording.
package tone

import (
	"math"
	"time"
)

// Player makes the samples of a cadence, again and again.
type Player struct {
	cadence Cadence
	rate    int
	part    int
	left    int // samples of the part; negative for one without an end
	phases  []float64
}

const (
	amplitude = 4600 // of all frequencies together: 20 dB below full scale, as E.180 has it about
	edge      = 4    // milliseconds of a tone's rise, against a click
)

// NewPlayer begins a cadence at a sample rate.
func NewPlayer(c Cadence, rate int) *Player {
	p := &Player{cadence: c, rate: rate, part: -1}
	p.step()
	return p
}

func (p *Player) step() {
	if len(p.cadence) == 0 {
		return
	}
	p.part = (p.part + 1) % len(p.cadence)
	now := p.cadence[p.part]
	p.left = int(now.Length * time.Duration(p.rate) / time.Second)
	if now.Length == 0 {
		p.left = -1
	}
	p.phases = append(p.phases[:0], make([]float64, len(now.Frequencies))...)
}

// Append appends the next n samples.
func (p *Player) Append(dst []int16, n int) []int16 {
	for range n {
		dst = append(dst, p.next())
	}
	return dst
}

func (p *Player) next() int16 {
	if len(p.cadence) == 0 {
		return 0
	}
	for tries := 0; p.left == 0 && tries < len(p.cadence); tries++ {
		p.step()
	}
	now := p.cadence[p.part]
	sum := 0.0
	for i, f := range now.Frequencies {
		sum += math.Sin(p.phases[i])
		p.phases[i] = math.Mod(p.phases[i]+2*math.Pi*f/float64(p.rate), 2*math.Pi)
	}
	sum *= amplitude / float64(max(len(now.Frequencies), 1)) * p.envelope(now)
	if p.left > 0 {
		p.left--
	}
	return int16(sum)
}

// envelope is how far a tone has risen, or fallen.
func (p *Player) envelope(now Part) float64 {
	if p.left < 0 {
		return 1
	}
	rise := float64(edge * p.rate / 1000)
	begun := float64(int(now.Length*time.Duration(p.rate)/time.Second) - p.left)
	return min(1, begun/rise, float64(p.left)/rise)
}

// Recording is the beep that tells both ends of a call that it is recorded: 1400 Hz for half a second every fifteen.
func Recording() Cadence { return repeat(hz(1400), 500, 14500) }

// Beep is one beep, as before a message is left.
func Beep() Cadence { return Cadence{{time.Second / 2, hz(1000)}, {}} }
