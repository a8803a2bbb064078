package delivery_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"parley/xmpp/sid"
)

// pages bounds how large the database may grow.
func (s *stage) pages(n int) {
	s.tb.Helper()
	err := s.db.Write(s.tb.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
		return err
	})
	if err != nil {
		s.tb.Fatal(err)
	}
}

func TestAFullDiskIsToldAndPasses(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := set(t, setting{log: slog.New(slog.NewTextHandler(&log, nil))})
	alice, desk := s.connect("alice@example.org/a", 0), s.connect("bob@example.org/desk", 0)
	mobile := s.connect("alice@example.org/m", 0)
	mobile.says(`<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>`)
	mobile.take(1)
	s.pages(1) // as many as there are already
	long := strings.Repeat("x", 100<<10)
	for range 2 {
		alice.says(`<message to='bob@example.org' type='chat' id='1'><body>%s</body></message>`, long)
		st := alice.only()
		if failure(st) != "resource-constraint" || st.ID() != "1" {
			t.Errorf("the sender hears %s", st.Text())
		}
	}
	if n := strings.Count(log.String(), "no space"); n != 1 || strings.Contains(log.String(), long) {
		t.Errorf("the log has heard of it %d times: %.1000s", n, log.String())
	}
	if got := append(desk.take(0), mobile.take(0)...); len(got) != 0 {
		t.Errorf("what was refused is delivered %d times", len(got))
	}
	if got := alice.ask(""); len(got.bodies) != 0 {
		t.Errorf("what was refused is archived: %d", len(got.bodies))
	}
	alice.says(`<message to='bob@example.org' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`)
	desk.only() // what needs no disk goes on
	mobile.only()
	s.pages(100000)
	alice.says(`<message to='bob@example.org' type='chat'><body>%s</body></message>`, long)
	wantBodies(t, desk, long)
	mobile.only()
	s.settled(bob, 0)
}

// Many write to one account at once: it has their messages in the order of its archive, and each sender's in the
// order in which they were said.
func TestSessionsHaveMessagesInTheOrderOfTheArchive(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	desk := s.connect("bob@example.org/desk", 0)
	const senders, each = 20, 20
	var wg sync.WaitGroup
	for i := range senders {
		c := s.connect(fmt.Sprintf("user%d@example.org/a", i), 0)
		wg.Go(func() {
			for n := range each {
				c.says(`<message to='bob@example.org' type='chat'><body>%d %d</body></message>`, i, n)
			}
		})
	}
	wg.Wait()
	got := desk.take(senders * each)
	var ids []string
	last := map[string]int{}
	for _, st := range got {
		ids = append(ids, sid.ID(st, bob))
		var who string
		var n int
		if _, err := fmt.Sscan(st.Body(), &who, &n); err != nil || n != last[who] {
			t.Errorf("of %s comes %q as number %d", who, st.Body(), last[who])
		}
		last[who]++
	}
	if !slices.IsSorted(ids) || len(slices.Compact(ids)) != senders*each {
		t.Error("the order of the session is not that of the archive")
	}
}
