package tone

import (
	"strings"
	"time"
)

// Tones of one country's network.
type Tones struct{ Dial, Ringback, Busy, Congestion, Waiting Cadence }

// Cadence is a tone with its pauses, which repeats.
type Cadence []Part

// Part of a cadence: frequencies together, none of them for a pause.
type Part struct {
	Length      time.Duration // 0: for ever
	Frequencies []float64
}

// The table follows the list of tones in national networks that the ITU keeps by its Recommendation E.180 (annex to
// Operational Bulletin 781, 2003); of the United States ATIS T1.401, of Australia ACIF S002.

func hz(f ...float64) []float64 { return f }

// repeat is a tone on and off, by turns, in milliseconds.
func repeat(f []float64, ms ...int) (c Cadence) {
	for i, m := range ms {
		p := Part{Length: time.Duration(m) * time.Millisecond}
		if i%2 == 0 {
			p.Frequencies = f
		}
		c = append(c, p)
	}
	return c
}

func steady(f ...float64) Cadence { return Cadence{{Frequencies: f}} }

// even is the most usual: one frequency, busy and congestion with pauses as long as the tone.
func even(f float64, ringing, pause, busy, congestion int, waiting ...int) Tones {
	return Tones{
		Dial: steady(f), Ringback: repeat(hz(f), ringing, pause), Busy: repeat(hz(f), busy, busy),
		Congestion: repeat(hz(f), congestion, congestion), Waiting: repeat(hz(f), waiting...),
	}
}

// Of is the tones of a country by its code (ISO 3166-1); those of Germany, which most of Europe is like, where there is none.
func Of(country string) (tones Tones, known bool) {
	if t, ok := national[strings.ToLower(country)]; ok {
		return t, true
	}
	return national["de"], false
}

var national = func() map[string]Tones {
	america := Tones{
		Dial: steady(350, 440), Ringback: repeat(hz(440, 480), 2000, 4000), Busy: repeat(hz(480, 620), 500, 500),
		Congestion: repeat(hz(480, 620), 250, 250), Waiting: repeat(hz(440), 300, 9700),
	}
	britain := Tones{
		Dial: steady(350, 440), Ringback: repeat(hz(400, 450), 400, 200, 400, 2000), Busy: repeat(hz(400), 375, 375),
		Congestion: repeat(hz(400), 400, 350, 225, 525), Waiting: repeat(hz(400), 100, 2000),
	}
	australia := Tones{
		Dial: steady(413, 438), Ringback: repeat(hz(413, 438), 400, 200, 400, 2000), Busy: repeat(hz(425), 375, 375),
		Congestion: repeat(hz(425), 375, 375), Waiting: repeat(hz(425), 200, 200, 200, 4400),
	}
	spain := even(425, 1500, 3000, 200, 200, 175, 175, 175, 3500)
	spain.Congestion = repeat(hz(425), 200, 200, 200, 200, 200, 600)
	italy := even(425, 1000, 4000, 500, 200, 400, 100, 250, 100, 150, 14000)
	italy.Dial = repeat(hz(425), 200, 200, 600, 1000)
	czechia := even(425, 1000, 4000, 330, 165, 330, 9000)
	czechia.Dial = repeat(hz(425), 330, 330, 660, 660)
	belgium := even(425, 1000, 3000, 500, 167)
	belgium.Waiting = repeat(hz(1400), 175, 175, 175, 3500)
	return map[string]Tones{
		"us": america, "ca": america, "gb": britain, "ie": britain, "au": australia, "es": spain, "it": italy, "cz": czechia, "be": belgium,
		"de": even(425, 1000, 4000, 480, 240, 200, 200, 200, 5000),
		"at": even(420, 1000, 5000, 400, 200, 40, 1960),
		"ch": even(425, 1000, 4000, 500, 200, 200, 200, 200, 4000),
		"fr": even(440, 1500, 3500, 500, 250, 300, 10000),
		"nl": even(425, 1000, 4000, 500, 250, 500, 9500),
		"dk": even(425, 1000, 4000, 500, 200, 200, 600, 200, 3000),
		"no": even(425, 1000, 4000, 500, 200, 200, 600, 200, 10000),
		"fi": even(425, 1000, 4000, 300, 200, 150, 150, 150, 8000),
		"hu": even(425, 1250, 3750, 300, 300, 40, 1960),
		"il": even(414, 1000, 3000, 500, 250, 100, 100, 100, 100, 600, 3000),
		"cn": even(450, 1000, 4000, 350, 700, 400, 4000),
	}
}()
