package watch

import (
	"time"

	"parley/xmpp/jid"
)

// pair is who asked whom.
type pair struct{ from, to jid.JID }

// memory holds who has asked whom lately, in two halves, of which the older one goes when the younger one is full or old.
type memory struct {
	keep       time.Duration
	young, old map[pair]time.Time
	begun      time.Time // of young
}

// maxAsked is how many are remembered at most in each half: past it those that asked first are forgotten.
const maxAsked = 10_000

// first notes that somebody asks, and is false if he has done so lately.
func (m *memory) first(p pair, now time.Time) bool {
	for _, half := range []map[pair]time.Time{m.young, m.old} {
		if at, ok := half[p]; ok && now.Sub(at) < m.keep {
			return false
		}
	}
	if m.young == nil || len(m.young) >= maxAsked || now.Sub(m.begun) >= m.keep {
		m.young, m.old, m.begun = map[pair]time.Time{}, m.young, now
	}
	m.young[p] = now
	return true
}
