package quality

import (
	"math"
	"strings"
	"time"
)

// Listening is what the E-model is told; the zero value is of perfect G.711.
type Listening struct {
	Codec string
	Loss  float64       // share of packets, from 0 to 1
	Burst float64       // by how much losses come together, 1 for by chance; 0 is 1
	Delay time.Duration // from mouth to ear
}

// impairment of a codec: Ie, and Bpl with a receiver that conceals losses (ITU-T G.113, Appendix I). Codecs that carry more
// than a telephone's band are at its upper end here: the model's scale ends there. Opus is not in the table; it counts as
// G.711 does.
func impairment(codec string) (ie, bpl float64) {
	switch strings.ToUpper(codec) {
	case "G729":
		return 11, 19
	case "G723":
		return 15, 16.1
	case "GSM":
		return 20, 43
	}
	return 0, 25.1
}

const noImpairment = 93.2 // R with all of ITU-T G.107's defaults

// R is the rating of the E-model, from 0 to 93.
func (l Listening) R() float64 {
	ie, bpl := impairment(l.Codec)
	burst := max(l.Burst, 1)
	percent := 100 * min(max(l.Loss, 0), 1)
	ie += (95 - ie) * percent / (percent/burst + bpl)
	ms := l.Delay.Seconds() * 1000
	delay := 0.024 * ms
	if ms > 177.3 {
		delay += 0.11 * (ms - 177.3)
	}
	return min(max(noImpairment-delay-ie, 0), 100)
}

// MOS is the mean opinion score, from 1 (bad) to 4.4 (ITU-T G.107, Annex B).
func (l Listening) MOS() float64 {
	r := l.R()
	mos := 1 + 0.035*r + r*(r-60)*(100-r)*7e-6
	return math.Round(100*min(max(mos, 1), 4.5)) / 100
}
