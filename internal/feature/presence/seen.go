package presence

import (
	"slices"
	"sync"

	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// resource is what is shown of an account: a session, or what a device has published that has none.
type resource interface {
	JID() jid.JID
	Availability() *im.Availability
}

// seen are the resources that have said they are available and not yet that they left, by account. One that has
// ended is out of the server's table a moment before its leaving is told; in that moment it is still here. The zero value
// is ready. An account's sessions change with the account locked.
type seen struct {
	mu       sync.Mutex
	sessions map[jid.JID][]resource // a list is never changed in place
}

// of are an account's, in the order in which they became available.
func (s *seen) of(bare jid.JID) []resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[bare]
}

func (s *seen) add(x resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions == nil {
		s.sessions = map[jid.JID][]resource{}
	}
	bare := x.JID().Bare()
	s.sessions[bare] = append(slices.Clip(s.sessions[bare]), x)
}

// remove takes one out, and says whether it was in.
func (s *seen) remove(x resource) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	bare := x.JID().Bare()
	list := s.sessions[bare]
	at := slices.Index(list, x)
	switch {
	case at < 0:
		return false
	case len(list) == 1:
		delete(s.sessions, bare)
	default:
		s.sessions[bare] = slices.Delete(slices.Clone(list), at, at+1)
	}
	return true
}
