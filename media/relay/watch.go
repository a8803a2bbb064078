package relay

import (
	"fmt"
	"time"

	"parley/sdp"
)

// Established says that the call was answered: from now on each end that is to send has to be heard.
func (a *Anchor) Established() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.since = time.Now()
}

// watch looks until the anchor is closed; a.mu is held.
func (a *Anchor) watch() {
	if a.watched {
		return
	}
	a.watched = true
	a.running.Go(func() {
		tick := time.NewTicker(a.r.c.LookEvery)
		defer tick.Stop()
		for {
			select {
			case <-a.done:
				return
			case now := <-tick.C:
				a.look(now)
			}
		}
	})
}

func (a *Anchor) look(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.streams {
		for _, e := range s.ends {
			e.estimate()
		}
	}
	if a.r.c.Silence == 0 || a.since.IsZero() {
		return
	}
	for index, l := range a.legs {
		if heard, expected := a.heard(index, l); expected && now.Sub(heard) >= a.r.c.Silence {
			a.lose(fmt.Errorf("%w: %s", ErrSilent, l.name))
		}
	}
}

// heard is when a leg was heard last, by RTP or RTCP of any of its media. Nothing is expected of one that is on hold or only
// listens, nor of what is inside the process; of WebRTC the checks of ICE tell.
func (a *Anchor) heard(index int, l *leg) (last time.Time, expected bool) {
	last = a.since
	if l.said == nil || !l.outside() {
		return last, false
	}
	for i, s := range a.streams {
		e := s.heldBy(index)
		if e == nil || e.way.Load() == nil || i >= len(l.said.Media) {
			continue
		}
		p := e.port.Load()
		if p.rtc != nil || p.leg != index || p.raw.Load() {
			return last, false
		}
		if sends(l.said.Media[i]) {
			expected = true
		}
		if at := time.Unix(0, p.heard.Load()); at.After(last) {
			last = at
		}
		if p.expected.After(last) { // since its last description, as one that is taken off hold
			last = p.expected
		}
	}
	return last, expected
}

func sends(m *sdp.Media) bool { return m.Port != 0 && m.Direction().Sends() }
