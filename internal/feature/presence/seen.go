package presence

import (
	"slices"
	"sync"

	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// seen are the sessions that have said they are available and not yet that they left, by account. One that has
// ended is out of the server's table a moment before its leaving is told; in that moment it is still here. The zero value
// is ready. An account's sessions change with the account locked.
type seen struct {
	mu       sync.Mutex
	sessions map[jid.JID][]*im.Session // a list is never changed in place
}

// of are an account's, in the order in which they became available.
func (s *seen) of(bare jid.JID) []*im.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[bare]
}

func (s *seen) add(x *im.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions == nil {
		s.sessions = map[jid.JID][]*im.Session{}
	}
	bare := x.JID().Bare()
	s.sessions[bare] = append(slices.Clip(s.sessions[bare]), x)
}

// remove takes one out, and says whether it was in.
func (s *seen) remove(x *im.Session) bool {
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
