package relay

import (
	"log/slog"
	"slices"
	"strconv"

	"parley/media/quality"
)

// Measure is how one medium of a leg went.
type Measure struct {
	Leg     string
	Medium  int
	Figures quality.Figures
}

// measure keeps how an end's medium went, if there was any.
func (a *Anchor) measure(medium int, e *end) {
	f := e.meter.Figures()
	if f.Received == 0 && f.Sent == 0 {
		return
	}
	if e.picture.Load() != nil { // the ratings are of speech
		f.MOS, f.SentMOS, f.FarMOS = 0, 0, 0
	}
	name := "callee"
	for leg := range e.users {
		if l := a.legs[leg]; l != nil {
			name = l.name
		}
	}
	if len(a.measured) < maxMeasured {
		a.measured = append(a.measured, Measure{Leg: name, Medium: medium, Figures: f})
	}
}

const maxMeasured = 16

// Measured are the Measures as a log has them: by side, with the index of each medium after the first.
func (a *Anchor) Measured() (all []slog.Attr) {
	for _, m := range a.Measures() {
		name := "callee"
		if m.Leg == callerName {
			name = callerName
		}
		if m.Medium > 0 {
			name += strconv.Itoa(m.Medium)
		}
		all = append(all, slog.Any(name, m.Figures))
	}
	return all
}

const callerName = "caller" // of leg 0, as a back-to-back user agent announces it

// Measures are those of the call's media, when it is over: the caller's first.
func (a *Anchor) Measures() []Measure {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.SortStableFunc(a.measured, func(x, y Measure) int {
		if (x.Leg == callerName) != (y.Leg == callerName) {
			if x.Leg == callerName {
				return -1
			}
			return 1
		}
		return x.Medium - y.Medium
	})
	return a.measured
}
