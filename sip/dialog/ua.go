package dialog

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"parley/sip"
	"parley/sip/transaction"
)

// Why a session was not begun.
var (
	ErrLimit    = errors.New("dialog: too many sessions")
	ErrMerged   = errors.New("dialog: the same request came on another path")
	ErrRequires = errors.New("dialog: the request requires an extension we lack")
)

// Config of a UA. Layer is needed; every other zero value takes its default.
type Config struct {
	Layer *transaction.Layer
	// T1 and T2 pace the retransmission of a 2xx; default 500ms and 4s.
	T1, T2 time.Duration
	// Limit is how many sessions may be at once; default 100000.
	Limit int
	// Supported lists the option tags that a Require may hold; others get 420.
	Supported []string
	// Allow is the Allow header field of our answers; default DefaultAllow.
	Allow string
	// Server is the Server header field of our answers; none if empty.
	Server string
	// Rand gives a number from 0 to n-1; default math/rand/v2.
	Rand func(n int) int
	Log  *slog.Logger
}

// DefaultAllow lists what a Session can be asked.
const DefaultAllow = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, MESSAGE"

// UA is a user agent: the sessions it has, found by Call-ID and our tag.
type UA struct {
	cfg Config

	mu       sync.Mutex
	sessions map[key]*Session
	merged   map[merge]struct{}
}

// key finds a session: all forks of one INVITE share it.
type key struct{ callID, tag string }

// merge finds an INVITE that came before on another path (rfc3261#8.2.2.2).
type merge struct {
	callID, from string
	seq          uint32
}

// NewUA makes a user agent without sessions.
func NewUA(c Config) *UA {
	if c.T1 == 0 {
		c.T1 = 500 * time.Millisecond
	}
	if c.T2 == 0 {
		c.T2 = 4 * time.Second
	}
	if c.Limit == 0 {
		c.Limit = 100000
	}
	if c.Allow == "" {
		c.Allow = DefaultAllow
	}
	if c.Rand == nil {
		c.Rand = rand.IntN
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &UA{cfg: c, sessions: map[key]*Session{}, merged: map[merge]struct{}{}}
}

// Len is how many sessions live now.
func (u *UA) Len() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.sessions)
}

// Accept takes an INVITE that begins a dialog; contact is our Contact value. The caller answers
// it by the Incoming. With an error the request is answered already and h hears nothing.
func (u *UA) Accept(srv *transaction.Server, contact string, h Handler) (*Incoming, error) {
	req := srv.Request()
	if tags := u.missing(req); len(tags) > 0 {
		u.Reply(srv, req.Response(420, "").Set(sip.HeaderUnsupported, strings.Join(tags, ", ")))
		return nil, ErrRequires
	}
	d, err := NewUAS(req, srv.Flow(), transaction.NewTag(), contact)
	if err != nil {
		u.Reply(srv, req.Response(400, "Bad Contact or Record-Route"))
		return nil, err
	}
	s := newSession(u, d.id.CallID, d.id.Local, h)
	s.dialog = d
	s.from = &merge{callID: req.CallID(), from: req.FromTag(), seq: d.remoteSeq}
	if err := u.add(s); err != nil {
		if errors.Is(err, ErrMerged) {
			u.Reply(srv, req.Response(482, ""))
		} else {
			u.Reply(srv, req.Response(503, "Too Many Calls").Set(sip.HeaderRetryAfter, "10"))
		}
		return nil, err
	}
	in := &Incoming{session: s, server: srv, initial: true}
	s.post(func() {
		s.invite = in
		srv.Handle(in)
	})
	return in, nil
}

// Invite calls somebody: it sends the INVITE that b builds, a whole one but for its Via, over f.
func (u *UA) Invite(f sip.Flow, b *sip.Builder, h Handler) (*Session, error) {
	req, err := b.Prepend(sip.HeaderVia, Via(f)).Message()
	if err != nil {
		return nil, fmt.Errorf("dialog: write INVITE: %w", err)
	}
	s := newSession(u, req.CallID(), req.FromTag(), h)
	s.call = &outgoingCall{session: s, req: req, forks: map[string]*fork{}}
	if err := u.add(s); err != nil {
		return nil, err
	}
	s.post(func() {
		if s.over {
			return // ended before it began
		}
		s.call.client = u.cfg.Layer.Request(f, req, s.call)
	})
	return s, nil
}

func (u *UA) add(s *Session) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.sessions) >= u.cfg.Limit {
		return ErrLimit
	}
	if s.from != nil {
		if _, ok := u.merged[*s.from]; ok {
			return ErrMerged
		}
		u.merged[*s.from] = struct{}{}
	}
	u.sessions[s.key] = s
	return nil
}

func (u *UA) drop(s *Session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.sessions, s.key)
	if s.from != nil {
		delete(u.merged, *s.from)
	}
}

func (u *UA) find(m *sip.Message) *Session {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sessions[key{m.CallID(), m.ToTag()}]
}

// Serve takes a request within a dialog of ours; it is false for one that is not.
func (u *UA) Serve(srv *transaction.Server) bool {
	req := srv.Request()
	s := u.find(req)
	if s == nil || req.ToTag() == "" {
		return false
	}
	s.post(func() { s.serve(srv) })
	return true
}

// ACK takes an ACK for a 2xx; it is false for one of another's dialog.
func (u *UA) ACK(ack *sip.Message) bool {
	s := u.find(ack)
	if s == nil {
		return false
	}
	s.post(func() { s.acknowledged(ack) })
	return true
}

// missing gives the option tags that req requires and we lack (rfc3261#8.2.2.3).
func (u *UA) missing(req *sip.Message) []string {
	var tags []string
next:
	for tag := range req.Values(sip.HeaderRequire) {
		for _, have := range u.cfg.Supported {
			if strings.EqualFold(have, tag) {
				continue next
			}
		}
		tags = append(tags, tag)
	}
	return tags
}

func (u *UA) respond(srv *transaction.Server, b *sip.Builder) {
	if u.cfg.Server != "" {
		b.Set(sip.HeaderServer, u.cfg.Server)
	}
	resp, err := b.Message()
	if err != nil {
		u.cfg.Log.Error("response could not be written", "call", srv.Request().CallID(), "err", err)
		return
	}
	srv.Respond(resp)
}
