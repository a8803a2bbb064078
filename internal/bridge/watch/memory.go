package watch

import (
	"time"

	"parley/xmpp/jid"
)

// pair is who asked whom.
type pair struct{ from, to jid.JID }

// memory holds who has asked whom lately.
type memory struct {
	keep  time.Duration
	times map[pair]time.Time
}

// maxAsked is how many are remembered: past it one who asks again is not told from one who asks.
const maxAsked = 10_000

// first notes that somebody asks, and is false if he has done so lately.
func (m *memory) first(p pair, now time.Time) bool {
	if at, ok := m.times[p]; ok && now.Sub(at) < m.keep {
		return false
	}
	if m.times == nil {
		m.times = map[pair]time.Time{}
	}
	if len(m.times) >= maxAsked {
		for old, at := range m.times {
			if now.Sub(at) >= m.keep {
				delete(m.times, old)
			}
		}
	}
	if len(m.times) < maxAsked {
		m.times[p] = now
	}
	return true
}
