package im

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// Outbox is where the stanzas for a session go: a connection, or whatever else can receive them.
type Outbox interface {
	// Send queues a stanza and never blocks. If done is not nil, it is called once, after Send has returned and on any
	// goroutine: with true when the peer has the stanza (it acknowledged it by XEP-0198, or, where that is not
	// spoken, its connection took it), with false when it never will. done must not block.
	Send(st *xmpp.Stanza, done func(ok bool))
	// End closes the session: with a stream error, or without one if it is nil.
	End(e *xmpp.StreamError)
}

// Waiter is an Outbox that can be without a connection for a while, waiting to be resumed (xep0198#5).
type Waiter interface {
	Waiting() bool
}

// Info is what is known of a session's connection, for operators and the account's owner.
type Info struct {
	Network   string // "TCP", "TLS" or "WebSocket"
	Encrypted bool
	Source    netip.AddrPort
	Mechanism string // by which it signed in
	Device    string // whose token it signed in with, by its id; "" if it was no token
	Since     time.Time
	Phone     bool // it stands for a phone of another protocol, and is no app's
}

// Flag is something a session has asked for.
type Flag uint32

// The flags of sessions.
const (
	Interested Flag = 1 << iota // it asked for the roster, and hears of changes (rfc6121#2.1.6)
	Carbons                     // it hears of its account's other conversations (XEP-0280)
	Blocklist                   // it asked for the block list, and hears of changes (XEP-0191)
	NoReturn                    // what it writes to its own account does not go to itself
)

// Session is a connected resource: what it has said of itself, and where its stanzas go. Any goroutine may use it.
type Session struct {
	jid  jid.JID
	out  Outbox
	done chan struct{}
	once sync.Once

	flags    atomic.Uint32
	presence atomic.Pointer[Availability]

	mu       sync.Mutex
	info     Info
	directed map[jid.JID]struct{}
	talkers  []jid.JID // bare, the latest at the end
}

// Availability is what an available resource last said of itself (rfc6121#4.2).
type Availability struct {
	Stanza   *xmpp.Stanza // its presence, without an address
	Priority int8
	Since    time.Time // when it became available
}

// NewSession makes a session of a full address.
func NewSession(j jid.JID, out Outbox, info Info) *Session {
	return &Session{jid: j, out: out, info: info, done: make(chan struct{})}
}

// JID is the session's full address.
func (s *Session) JID() jid.JID { return s.jid }

// Info is what is known of its connection now.
func (s *Session) Info() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info
}

// Moved says that the session goes on over another connection (xep0198#5).
func (s *Session) Moved(info Info) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info.Since = s.info.Since
	s.info = info
}

// Waiting says that the session has no connection now, and waits for its peer to come back (xep0198#5).
func (s *Session) Waiting() bool {
	w, ok := s.out.(Waiter)
	return ok && w.Waiting()
}

// Send queues a stanza for the session's peer.
func (s *Session) Send(st *xmpp.Stanza) { s.out.Send(st, nil) }

// Deliver is Send that tells what became of it (Outbox.Send).
func (s *Session) Deliver(st *xmpp.Stanza, done func(ok bool)) { s.out.Send(st, done) }

// End closes the session: with a stream error, or without one if it is nil. Finished tells when it is gone.
func (s *Session) End(e *xmpp.StreamError) { s.out.End(e) }

// Finish is called by the session's owner, after everyone has been told that it is gone.
func (s *Session) Finish() { s.once.Do(func() { close(s.done) }) }

// Finished is closed when the session is gone and everyone was told.
func (s *Session) Finished() <-chan struct{} { return s.done }

// Has says whether the session has asked for something.
func (s *Session) Has(f Flag) bool { return s.flags.Load()&uint32(f) != 0 }

// Set notes whether the session asks for something.
func (s *Session) Set(f Flag, on bool) {
	if on {
		s.flags.Or(uint32(f))
	} else {
		s.flags.And(^uint32(f))
	}
}

// Availability is nil while the session is not available.
func (s *Session) Availability() *Availability { return s.presence.Load() }

// SetAvailability notes what the session says of itself; nil: it is not available.
func (s *Session) SetAvailability(a *Availability) { s.presence.Store(a) }

// Priority says whether messages to the account may go to the session, and which go first (rfc6121#8.5.2.1).
func (s *Session) Priority() (p int8, available bool) {
	a := s.presence.Load()
	if a == nil {
		return 0, false
	}
	return a.Priority, true
}

// Direct notes that the session has told somebody of its presence outside its roster (rfc6121#4.6), at most limit of
// them; it is false past it.
func (s *Session) Direct(to jid.JID, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, has := s.directed[to]; !has && len(s.directed) >= limit {
		return false
	}
	if s.directed == nil {
		s.directed = map[jid.JID]struct{}{}
	}
	s.directed[to] = struct{}{}
	return true
}

// Undirect forgets one, and says whether it was noted.
func (s *Session) Undirect(to jid.JID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, has := s.directed[to]
	delete(s.directed, to)
	return has
}

// TakeDirected gives all that are noted, and forgets them.
func (s *Session) TakeDirected() []jid.JID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []jid.JID
	for j := range s.directed {
		all = append(all, j)
	}
	s.directed = nil
	return all
}

// IsDirected says whether somebody is noted: by the address itself, or its bare one.
func (s *Session) IsDirected(to jid.JID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, full := s.directed[to]
	_, bare := s.directed[to.Bare()]
	return full || bare
}

// maxTalkers is more than anybody calls at once.
const maxTalkers = 16

// Talk notes whom the session tells of a call, as one who knows by that that it is there; the last few are kept.
func (s *Session) Talk(to jid.JID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to = to.Bare()
	if slices.Contains(s.talkers, to) {
		return
	}
	if len(s.talkers) == maxTalkers {
		s.talkers = slices.Delete(s.talkers, 0, 1)
	}
	s.talkers = append(s.talkers, to)
}

// Talks says whether somebody is noted.
func (s *Session) Talks(to jid.JID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.talkers, to.Bare())
}
