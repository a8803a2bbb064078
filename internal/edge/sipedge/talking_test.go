package sipedge

import (
	"slices"
	"testing"
	"time"

	"parley/internal/core"
)

func TestWhoIsOnThePhone(t *testing.T) {
	t.Parallel()
	var told []string
	c := &calls{}
	c.talk.tell = func(a core.Address, on bool) {
		what := " is not"
		if on {
			what = " is"
		}
		told = append(told, a.Local+what)
	}
	check := func(want ...string) {
		t.Helper()
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		told = nil
	}
	person := func(name string) core.Address { return core.Address{Local: name, Domain: "example.org"} }
	call := func(id, from, to string, known bool) {
		c.begin(&core.Call{ID: id, From: core.Caller{Address: person(from), Known: known}, To: person(to)}, time.Unix(1, 0))
	}
	now := time.Unix(2, 0)
	call("1", "alice", "bob", true)
	check()
	c.answered("1", "sip:bob-desk", now)
	c.answered("1", "sip:bob-desk", now)
	check("alice is", "bob is")
	call("2", "carol", "bob", true)
	c.answered("2", "sip:bob-desk", now)
	check("carol is")
	c.end("1", "hung up")
	c.end("1", "hung up")
	check("alice is not")
	c.forget(time.Unix(3, 0))
	check("carol is not", "bob is not")

	call("3", "stranger", "bob", false)
	c.endUnanswered("3")
	check()
	call("4", "stranger", "bob", false)
	c.answered("4", "sip:bob-desk", now)
	check("bob is")
	c.endUnanswered("4")
	c.end("4", "hung up")
	check("bob is not")

	// A machine that answers in somebody's place is not he; who speaks to it is on the phone.
	call("5", "alice", "bob", true)
	c.answered("5", "agent:voicemail", now)
	check("alice is")
	c.end("5", "hung up")
	check("alice is not")
	if len(c.talk.calls) != 0 {
		t.Errorf("%v is left", c.talk.calls)
	}
}
