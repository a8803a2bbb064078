package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/feature/offline"
	"parley/xmpp"
	"parley/xmpp/jid"
	"parley/xmpp/sid"
)

var bob = address("bob@example.org")

// numbered says n messages to bob, whose bodies are numbers.
func (c *client) numbered(from, to int) {
	for i := from; i < to; i++ {
		c.says(`<message to='bob@example.org' type='chat' id='m%d'><body>%d</body></message>`, i, i)
	}
}

func numbers(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

// settled waits until n messages wait for an account.
func (s *stage) settled(owner jid.JID, n int) {
	s.tb.Helper()
	for end := time.Now().Add(5 * time.Second); s.offline.Waiting(owner) != n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.tb.Fatalf("%d messages wait for %s, want %d", s.offline.Waiting(owner), owner, n)
		}
	}
}

func (s *stage) onDisk() (n int) {
	s.tb.Helper()
	if err := s.db.Read().QueryRowContext(context.Background(), `SELECT count(*) FROM waiting`).Scan(&n); err != nil {
		s.tb.Fatal(err)
	}
	return n
}

func wantBodies(t *testing.T, c *client, want ...string) []*xmpp.Stanza {
	t.Helper()
	got := c.take(len(want))
	if !slices.Equal(bodies(got), want) {
		t.Fatalf("%s has %q, want %q", c.JID(), bodies(got), want)
	}
	return got
}

func TestWhatWaitsComesInOrderWithItsTimeAndID(t *testing.T) {
	t.Parallel()
	s := set(t, setting{offline: offline.Config{Window: 7}}) // less than what waits
	alice := s.connect("alice@example.org/a", 0)
	alice.numbered(0, 30)
	s.settled(bob, 30)
	desk := s.connect("bob@example.org/desk", 0)
	last := ""
	for _, st := range wantBodies(t, desk, numbers(0, 30)...) {
		d := st.Find("urn:xmpp:delay", "delay")
		stamp, err := time.Parse(time.RFC3339Nano, d.Attr("stamp"))
		if err != nil || d.Attr("from") != "example.org" || time.Since(stamp).Abs() > time.Minute {
			t.Errorf("the delay of %s", st.Text())
		}
		id := sid.ID(st, bob)
		if id <= last {
			t.Errorf("stanza-id %q comes after %q", id, last)
		}
		last = id
	}
	s.settled(bob, 0)
	if n := s.onDisk(); n != 0 {
		t.Errorf("%d messages that were received are still stored", n)
	}
}

func TestWhatWaitsNeverFillsASession(t *testing.T) {
	t.Parallel()
	s := set(t, setting{offline: offline.Config{WindowBytes: 2500}})
	alice := s.connect("alice@example.org/a", 0)
	long := strings.Repeat("x", 1000)
	for range 8 {
		alice.says(`<message to='bob@example.org' type='chat'><body>%s</body></message>`, long)
	}
	s.settled(bob, 8)
	slow := s.silent("bob@example.org/slow")
	wantBodies(t, slow, long, long, long) // those that begin within the window
	slow.leave()
	all := slices.Repeat([]string{long}, 8)
	wantBodies(t, s.connect("bob@example.org/desk", 0), all...) // by and by, as it acknowledges them
	s.settled(bob, 0)
}

func TestWhatIsLiveIsStoredUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	alice := s.connect("alice@example.org/a", 0)
	desk := s.silent("bob@example.org/desk")
	alice.numbered(0, 3)
	live := wantBodies(t, desk, numbers(0, 3)...)
	if live[0].Find("urn:xmpp:delay", "delay") != nil {
		t.Errorf("what is live has a delay: %s", live[0].Text())
	}
	s.settled(bob, 3)
	other := s.connect("bob@example.org/other", 0)
	alice.says(`<message to='bob@example.org' type='chat'><body>new</body></message>`)
	wantBodies(t, other, "new") // and not those that are with the desk
	wantBodies(t, desk, "new")
	desk.leave()
	again := wantBodies(t, other, numbers(0, 3)...)
	for i := range again {
		if sid.ID(again[i], bob) != sid.ID(live[i], bob) || sid.ID(live[i], bob) == "" {
			t.Errorf("the second time it has another stanza-id:\n%s\n%s", live[i].Text(), again[i].Text())
		}
	}
	s.settled(bob, 0)
}

func TestWhatASessionLeavesWaitsForTheNext(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	alice := s.connect("alice@example.org/a", 0)
	for i := range 3 { // each session is given all and acknowledges nothing
		c := s.silent(fmt.Sprintf("bob@example.org/%d", i))
		alice.numbered(i, i+1)
		wantBodies(t, c, numbers(0, i+1)...)
		c.leave()
	}
	s.settled(bob, 3)
	wantBodies(t, s.connect("bob@example.org/last", 0), numbers(0, 3)...)
	s.settled(bob, 0)
}

func TestNewMessagesComeAfterThoseThatWaited(t *testing.T) {
	t.Parallel()
	s := set(t, setting{offline: offline.Config{Window: 3}})
	alice := s.connect("alice@example.org/a", 0)
	alice.numbered(0, 20)
	desk := s.connect("bob@example.org/desk", 0)
	alice.numbered(20, 60)
	wantBodies(t, desk, numbers(0, 60)...)
	s.settled(bob, 0)
}

func TestANegativePriorityGetsNothingThatWaits(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	s.connect("alice@example.org/a", 0).numbered(0, 2)
	desk := s.connect("bob@example.org/desk", -1)
	if got := desk.take(0); len(got) != 0 {
		t.Errorf("it has %s", texts(got))
	}
	desk.available(0)
	wantBodies(t, desk, "0", "1")
}

func TestTooManyWait(t *testing.T) {
	t.Parallel()
	s := set(t, setting{offline: offline.Config{PerAccount: 3}})
	alice := s.connect("alice@example.org/a", 0)
	alice.numbered(0, 5)
	got := alice.take(2)
	for i, st := range got {
		e := st.Find(xmpp.NSClient, "error")
		if failure(st) != "service-unavailable" || e.Attr("type") != "wait" || st.ID() != fmt.Sprint("m", i+3) || !strings.Contains(st.Text(), "too many") {
			t.Errorf("the sender hears %s", st.Text())
		}
	}
	desk := s.connect("bob@example.org/desk", 0)
	wantBodies(t, desk, "0", "1", "2")
	s.settled(bob, 0)
	alice.numbered(7, 8)
	wantBodies(t, desk, "7")
}

func TestTooMuchWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	t.Run("before a restart", func(t *testing.T) {
		s := set(t, setting{dir: dir, offline: offline.Config{Bytes: 3000}})
		alice := s.connect("alice@example.org/a", 0)
		for range 4 { // the third goes over it
			alice.says(`<message to='bob@example.org' type='chat'><body>%s</body></message>`, strings.Repeat("x", 1200))
		}
		if got := alice.only(); failure(got) != "service-unavailable" {
			t.Errorf("the sender hears %s", got.Text())
		}
	})
	s := set(t, setting{dir: dir, offline: offline.Config{Bytes: 3000}})
	alice := s.connect("alice@example.org/a", 0)
	alice.numbered(0, 1)
	if got := alice.only(); failure(got) != "service-unavailable" {
		t.Errorf("after a restart the sender hears %s", got.Text())
	}
	desk := s.connect("bob@example.org/desk", 0)
	desk.take(3)
	s.settled(bob, 0)
	desk.leave()
	alice.numbered(1, 3)
	if got := alice.take(0); len(got) != 0 {
		t.Errorf("with room again the sender hears %s", texts(got))
	}
}

func TestOldMessagesGo(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := set(t, setting{offline: offline.Config{Keep: time.Hour}, now: func() time.Time { return now }})
	alice := s.connect("alice@example.org/a", 0)
	alice.numbered(0, 2)
	now = now.Add(50 * time.Minute)
	alice.numbered(2, 3)
	now = now.Add(20 * time.Minute)
	if err := s.offline.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.settled(bob, 1)
	wantBodies(t, s.connect("bob@example.org/desk", 0), "2")
}

func TestAForgottenAccountHasNothing(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	s.connect("alice@example.org/a", 0).numbered(0, 3)
	if err := s.offline.Forget(t.Context(), bob); err != nil || s.onDisk() != 0 {
		t.Errorf("%v; %d are left", err, s.onDisk())
	}
	if got := s.connect("bob@example.org/desk", 0).take(0); len(got) != 0 {
		t.Errorf("somebody has %s", texts(got))
	}
}

// A server that died knows nothing of what was with sessions.
func TestAfterARestartWhatNobodyAcknowledgedComesAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var live []*xmpp.Stanza
	t.Run("before", func(t *testing.T) {
		s := set(t, setting{dir: dir})
		desk := s.silent("bob@example.org/desk")
		s.connect("alice@example.org/a", 0).numbered(0, 3)
		live = wantBodies(t, desk, "0", "1", "2")
	})
	s := set(t, setting{dir: dir})
	for i, st := range wantBodies(t, s.connect("bob@example.org/desk", 0), "0", "1", "2") {
		if sid.ID(st, bob) != sid.ID(live[i], bob) {
			t.Errorf("it has another stanza-id: %s, %s", live[i].Text(), st.Text())
		}
	}
}

// Whatever sessions do, nothing is lost, and what is acknowledged is not given again.
func TestSessionsComeAndGoWhileMessagesFlow(t *testing.T) {
	t.Parallel()
	s := set(t, setting{offline: offline.Config{Window: 5}})
	alice := s.connect("alice@example.org/a", 0)
	done := make(chan struct{})
	const n = 300
	go func() { defer close(done); alice.numbered(0, n) }()
	had := map[string]bool{}
	for i := 0; len(had) < n; i++ {
		name := fmt.Sprintf("bob@example.org/%d", i)
		var c *client
		if i%2 == 0 {
			c = s.connect(name, 0)
		} else {
			c = s.silent(name)
		}
		time.Sleep(20 * time.Millisecond)
		if i%2 == 0 {
			c.settle()
		}
		c.leave()
		for _, st := range c.take(0) {
			if i%2 == 0 {
				had[st.Body()] = true
			}
		}
		if i > 400 {
			t.Fatalf("%d of %d messages came in 400 sessions", len(had), n)
		}
	}
	<-done
	s.settled(bob, 0)
}

// settle lets the acknowledgements that are on their way arrive.
func (c *client) settle() { time.Sleep(5 * time.Millisecond) }
