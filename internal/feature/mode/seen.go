package mode

import (
	"net/netip"
	"strings"
	"sync"

	"parley/internal/core"
)

// maxSeen is how many phones are remembered, in two halves: when the newer one is full, the older one is forgotten.
const maxSeen = 20000

// Seen remembers which form of media phones have offered in calls of their own. The zero value is ready.
type Seen struct {
	mu     sync.Mutex
	newer  map[phone]string
	before map[phone]string
}

// phone is one of an account's phones, by where it registers and calls from.
type phone struct {
	account core.Address
	source  netip.AddrPort
}

// note remembers what a phone offers. Texts that are parts of a message would keep all of it.
func (s *Seen) note(a core.Address, source netip.AddrPort, form string) {
	a.Local, a.Domain, form = strings.Clone(a.Local), strings.Clone(a.Domain), strings.Clone(form)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newer == nil || len(s.newer) >= maxSeen/2 {
		s.before, s.newer = s.newer, map[phone]string{}
	}
	s.newer[phone{a, source}] = form
}

// form is what a phone has offered last; "" if that is not known.
func (s *Seen) form(a core.Address, source netip.AddrPort) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if form, ok := s.newer[phone{a, source}]; ok {
		return form
	}
	return s.before[phone{a, source}]
}
