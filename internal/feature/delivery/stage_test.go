package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/core"
	"parley/internal/db"
	"parley/internal/db/dbtest"
	"parley/internal/feature/archive"
	"parley/internal/feature/carbons"
	"parley/internal/feature/delivery"
	"parley/internal/feature/offline"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a server without connections: what features there are for messages, and sessions that tests play.
type stage struct {
	tb       testing.TB
	db       *db.DB
	sessions *im.Table
	offline  *offline.Store
	archive  *archive.Archive
	presence *presences
	blocked  map[string]bool // "owner other"
	entities map[string]func(*xmpp.Stanza) []*xmpp.Stanza
	ports    delivery.Ports
	*delivery.Delivery
}

// setting is what differs between stages.
type setting struct {
	dir      string
	now      func() time.Time
	offline  offline.Config
	archive  archive.Config
	services []im.Service
	log      *slog.Logger
	sees     func(ctx context.Context, owner, other jid.JID) (bool, error)
	calls    delivery.Calls
}

// people are the accounts there are, each at example.org.
var people = map[string]bool{"alice": true, "bob": true, "carol": true}

type accounts struct{}

func (accounts) Account(_ context.Context, a core.Address) (core.Account, error) {
	if a.Domain != "example.org" || !people[a.Local] && !strings.HasPrefix(a.Local, "user") {
		return core.Account{}, core.ErrNoAccount
	}
	return core.Account{Address: a, Strangers: a.Local == "carol"}, nil
}

type presences struct {
	mu  sync.Mutex
	got []string
}

func (p *presences) note(how string, st *xmpp.Stanza) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, how+" "+st.From().String()+" "+st.To().String())
}
func (p *presences) Handle(_ context.Context, _ *im.Session, st *xmpp.Stanza) { p.note("handle", st) }
func (p *presences) Inbound(_ context.Context, st *xmpp.Stanza)               { p.note("inbound", st) }
func (p *presences) Ended(context.Context, *im.Session)                       {}

func set(tb testing.TB, c setting) *stage {
	tb.Helper()
	if c.dir == "" {
		c.dir = tb.TempDir()
	}
	s := &stage{
		tb: tb, db: dbtest.OpenDir(tb, c.dir), sessions: im.NewTable(50), presence: &presences{},
		blocked: map[string]bool{}, entities: map[string]func(*xmpp.Stanza) []*xmpp.Stanza{},
	}
	var err error
	c.offline.Now, c.archive.Now = c.now, c.now
	if c.offline.Delete == 0 {
		c.offline.Delete = 5 * time.Millisecond
	}
	if s.offline, err = offline.Open(tb.Context(), s.db, c.offline, s.sessions); err != nil {
		tb.Fatal(err)
	}
	if s.archive, err = archive.Open(tb.Context(), s.db, c.archive, nil); err != nil {
		tb.Fatal(err)
	}
	copier := &carbons.Copier{Sessions: s.sessions}
	services := append(append(c.services, s.archive.Services()...), copier.Services()...)
	s.ports = delivery.Ports{
		Accounts: accounts{}, Sessions: s.sessions, Presence: s.presence, Archive: s.archive, Offline: s.offline, Carbons: copier,
		Sees: c.sees, Calls: c.calls,
		Blocks: func(_ context.Context, owner, other jid.JID) (bool, error) {
			return s.blocked[owner.String()+" "+other.Bare().String()], nil
		},
		Entity: func(bare jid.JID) (func(*xmpp.Stanza) []*xmpp.Stanza, bool) {
			f, ok := s.entities[bare.String()]
			return f, ok
		},
	}
	s.Delivery, err = delivery.New(tb.Context(), s.db, delivery.Config{
		Serves: func(domain string) bool { return domain == "example.org" }, Now: c.now, Log: c.log,
	}, s.ports, services)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.offline.Run(ctx); close(done) }()
	tb.Cleanup(func() { cancel(); <-done })
	return s
}

// twice tries to make a Delivery with further services.
func (s *stage) twice(services ...im.Service) error {
	_, err := delivery.New(s.tb.Context(), s.db, delivery.Config{}, s.ports, services)
	return err
}

// client is a session that a test plays.
type client struct {
	stage *stage
	*im.Session
	acknowledges bool

	mu   sync.Mutex
	got  []*xmpp.Stanza
	held []func(bool)
	dead bool
	more chan struct{}
}

// connect makes a session that acknowledges what it gets at once; available if a priority is given.
func (s *stage) connect(full string, priority ...int8) *client {
	s.tb.Helper()
	c := &client{stage: s, acknowledges: true, more: make(chan struct{}, 1)}
	c.Session = im.NewSession(address(full), c, im.Info{})
	if _, err := s.sessions.Add(c.Session); err != nil {
		s.tb.Fatal(err)
	}
	if len(priority) > 0 {
		c.available(priority[0])
	}
	return c
}

// silent is an available session that acknowledges nothing.
func (s *stage) silent(full string) *client {
	s.tb.Helper()
	c := s.connect(full)
	c.acknowledges = false
	c.available(0)
	return c
}

func address(text string) jid.JID {
	j, err := jid.Parse(text)
	if err != nil {
		panic(err)
	}
	return j
}

func (c *client) available(priority int8) {
	c.SetAvailability(&im.Availability{Priority: priority})
	c.stage.offline.Available(c.stage.tb.Context(), c.Session)
}

// Send implements im.Outbox.
func (c *client) Send(st *xmpp.Stanza, done func(bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dead {
		c.got = append(c.got, st)
	}
	switch {
	case done == nil:
	case c.dead:
		go done(false)
	case c.acknowledges:
		go done(true)
	default:
		c.held = append(c.held, done)
	}
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// End implements im.Outbox.
func (c *client) End(*xmpp.StreamError) {}

// leave ends the session in good order; what it did not acknowledge it will never have.
func (c *client) leave() {
	c.mu.Lock()
	c.dead = true
	held := c.held
	c.held = nil
	c.mu.Unlock()
	for _, done := range held {
		done(false)
	}
	c.stage.Ended(c.stage.tb.Context(), c.Session)
	c.stage.sessions.Remove(c.Session)
	c.Finish()
}

// says sends a stanza, as XML without its from.
func (c *client) says(xml string, args ...any) {
	c.stage.tb.Helper()
	st, err := xmpp.Parse(fmt.Sprintf(xml, args...))
	if err != nil {
		c.stage.tb.Fatalf("%s: %v", xml, err)
	}
	from := c.JID()
	c.stage.Handle(c.stage.tb.Context(), c.Session, st.Edit(xmpp.Edit{From: &from}))
}

// take waits until n stanzas are there, and a little longer if it is to be none.
func (c *client) take(n int) []*xmpp.Stanza {
	c.stage.tb.Helper()
	deadline := time.After(5 * time.Second)
	for {
		c.mu.Lock()
		if len(c.got) >= n {
			got := c.got
			c.got = nil
			c.mu.Unlock()
			return got
		}
		have := len(c.got)
		c.mu.Unlock()
		select {
		case <-c.more:
		case <-deadline:
			c.stage.tb.Fatalf("%s has %d stanzas, want %d", c.JID(), have, n)
		}
	}
}

// only waits for one stanza.
func (c *client) only() *xmpp.Stanza {
	c.stage.tb.Helper()
	got := c.take(1)
	if len(got) != 1 {
		c.stage.tb.Fatalf("%s has %d stanzas, want one: %s", c.JID(), len(got), texts(got))
	}
	return got[0]
}

func texts(list []*xmpp.Stanza) (out []string) {
	for _, st := range list {
		out = append(out, st.Text())
	}
	return out
}

// bodies are the bodies of messages, and the conditions of errors.
func bodies(list []*xmpp.Stanza) (out []string) {
	for _, st := range list {
		out = append(out, summary(st))
	}
	return out
}

func summary(st *xmpp.Stanza) string {
	if st.Type() == "error" {
		return "error " + failure(st)
	}
	return st.Body()
}

// failure is the condition of an error.
func failure(st *xmpp.Stanza) string {
	e := st.Find(xmpp.NSClient, "error")
	if e == nil {
		return ""
	}
	for _, c := range e.Children {
		if c.Space == xmpp.NSStanzas && c.Local != "text" {
			return c.Local
		}
	}
	return ""
}
