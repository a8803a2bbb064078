package delivery_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"parley/internal/feature/offline"
)

// acknowledge has a session acknowledge the first n of what it was given, and tells which those are.
func (c *client) acknowledge(n int) (had []string) {
	c.mu.Lock()
	n = min(n, len(c.held))
	done := c.held[:n:n]
	c.held = c.held[n:]
	for _, st := range c.got[:n] {
		had = append(had, st.Body())
	}
	c.got = c.got[n:]
	c.mu.Unlock()
	for _, f := range done {
		f(true)
	}
	return had
}

// Whatever sessions do, what nobody has acknowledged comes to the next one, once, in order, and nothing else does.
func TestWhatNobodyHasComesToTheNext(t *testing.T) {
	t.Parallel()
	s := set(t, setting{offline: offline.Config{Window: 3}})
	alice := s.connect("alice@example.org/a", 0)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		owner := fmt.Sprintf("user%d@example.org", run)
		var sessions []*client
		had := map[string]bool{}
		said, made := 0, 0
		pick := func() *client { return rapid.SampledFrom(sessions).Draw(rt, "session") }
		for range rapid.IntRange(1, 15).Draw(rt, "steps") {
			what := rapid.SampledFrom([]string{"say", "say", "come", "acknowledge", "leave", "hide", "show"}).Draw(rt, "step")
			switch {
			case what == "say":
				for range rapid.IntRange(1, 6).Draw(rt, "messages") {
					alice.says(`<message to='%s' type='chat'><body>%d</body></message>`, owner, said)
					said++
				}
			case what == "come":
				made++
				sessions = append(sessions, s.silent(fmt.Sprintf("%s/%d", owner, made)))
			case len(sessions) == 0:
			case what == "acknowledge":
				for _, body := range pick().acknowledge(rapid.IntRange(1, 5).Draw(rt, "of them")) {
					had[body] = true
				}
			case what == "leave":
				c := pick()
				c.leave()
				sessions = slices.DeleteFunc(sessions, func(x *client) bool { return x == c })
			case what == "hide":
				pick().SetAvailability(nil)
			case what == "show":
				pick().available(0)
			}
		}
		for _, c := range sessions {
			c.leave()
		}
		var want []string
		for _, body := range numbers(0, said) {
			if !had[body] {
				want = append(want, body)
			}
		}
		last := s.connect(owner+"/last", 0)
		got := last.take(len(want))
		s.settled(address(owner), 0)
		if got := bodies(append(got, last.take(0)...)); !slices.Equal(got, want) {
			rt.Fatalf("the last session has %q, want %q", got, want)
		}
		last.leave()
	})
}
