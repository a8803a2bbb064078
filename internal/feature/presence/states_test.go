package presence_test

import (
	"strings"
	"testing"
)

// reach says how the states of alice towards bob are reached.
var reach = []struct {
	state string
	steps []string // "alice subscribe"
}{
	{"None", nil},
	{"None + Pending Out", []string{"alice subscribe"}},
	{"None + Pending In", []string{"bob subscribe"}},
	{"None + Pending Out+In", []string{"alice subscribe", "bob subscribe"}},
	{"To", []string{"alice subscribe", "bob subscribed"}},
	{"To + Pending In", []string{"alice subscribe", "bob subscribed", "bob subscribe"}},
	{"From", []string{"bob subscribe", "alice subscribed"}},
	{"From + Pending Out", []string{"bob subscribe", "alice subscribed", "alice subscribe"}},
	{"Both", []string{"alice subscribe", "bob subscribed", "bob subscribe", "alice subscribed"}},
}

func (w *world) reach(steps []string) {
	w.t.Helper()
	a, b := w.connect("alice/reach"), w.connect("bob/reach")
	for _, s := range steps {
		name, kind, _ := strings.Cut(s, " ")
		if name == "alice" {
			a.tell(kind, "bob")
		} else {
			b.tell(kind, "alice")
		}
	}
	a.leave()
	b.leave()
}

// What alice says to bob in each state, both of this server, and what the clients of the two get: the tables of
// rfc6121#A.2, and of rfc6121#A.3 with bob's states, which are hers seen from the other side.
var exchanges = []struct{ kind, state, next, alice, bob string }{
	{"subscribe", "None", "None + Pending Out", "set bob none ask", "subscribe alice"},
	{"subscribe", "None + Pending Out", "None + Pending Out", "", ""},
	{"subscribe", "None + Pending In", "None + Pending Out+In", "set bob none ask", "subscribe alice"},
	{"subscribe", "None + Pending Out+In", "None + Pending Out+In", "", ""},
	{"subscribe", "To", "To", "available bob/b", ""},
	{"subscribe", "To + Pending In", "To + Pending In", "available bob/b", ""},
	{"subscribe", "From", "From + Pending Out", "set bob from ask", "subscribe alice"},
	{"subscribe", "From + Pending Out", "From + Pending Out", "", ""},
	{"subscribe", "Both", "Both", "available bob/b", ""},
	{"subscribed", "None", "None approved", "set bob none approved", ""},
	{"subscribed", "None + Pending Out", "None + Pending Out approved", "set bob none ask approved", ""},
	{"subscribed", "None + Pending In", "From", "set bob from", "subscribed alice, set alice to, available alice/a"},
	{"subscribed", "None + Pending Out+In", "From + Pending Out", "set bob from ask", "subscribed alice, set alice to, available alice/a"},
	{"subscribed", "To", "To approved", "set bob to approved", ""},
	{"subscribed", "To + Pending In", "Both", "set bob both", "subscribed alice, set alice both, available alice/a"},
	{"subscribed", "From", "From", "", ""},
	{"subscribed", "From + Pending Out", "From + Pending Out", "", ""},
	{"subscribed", "Both", "Both", "", ""},
	{"unsubscribe", "None", "None", "", ""},
	{"unsubscribe", "None + Pending Out", "None", "set bob none", "unsubscribe alice"},
	{"unsubscribe", "None + Pending In", "None + Pending In", "", ""},
	{"unsubscribe", "None + Pending Out+In", "None + Pending In", "set bob none", "unsubscribe alice"},
	{"unsubscribe", "To", "None", "set bob none, unavailable bob/b", "unsubscribe alice, set alice none"},
	{"unsubscribe", "To + Pending In", "None + Pending In", "set bob none, unavailable bob/b", "unsubscribe alice, set alice none ask"},
	{"unsubscribe", "From", "From", "", ""},
	{"unsubscribe", "From + Pending Out", "From", "set bob from", "unsubscribe alice"},
	{"unsubscribe", "Both", "From", "set bob from, unavailable bob/b", "unsubscribe alice, set alice to"},
	{"unsubscribed", "None", "None", "", ""},
	{"unsubscribed", "None + Pending Out", "None + Pending Out", "", ""},
	{"unsubscribed", "None + Pending In", "None", "", "unsubscribed alice, set alice none"},
	{"unsubscribed", "None + Pending Out+In", "None + Pending Out", "", "unsubscribed alice, set alice none"},
	{"unsubscribed", "To", "To", "", ""},
	{"unsubscribed", "To + Pending In", "To", "", "unsubscribed alice, set alice from"},
	{"unsubscribed", "From", "None", "set bob none", "unavailable alice/a, unsubscribed alice, set alice none"},
	{"unsubscribed", "From + Pending Out", "None + Pending Out", "set bob none ask", "unavailable alice/a, unsubscribed alice, set alice none"},
	{"unsubscribed", "Both", "To", "set bob to", "unavailable alice/a, unsubscribed alice, set alice from"},
}

func TestStatesOfTwoAccountsHere(t *testing.T) {
	t.Parallel()
	if len(exchanges) != 4*len(reach) {
		t.Fatalf("%d rows for %d states", len(exchanges), len(reach))
	}
	for _, e := range exchanges {
		t.Run(e.kind+" in "+e.state, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.reachState(e.state)
			alice, bob := w.login("alice/a"), w.login("bob/b")
			alice.take()
			alice.tell(e.kind, "bob/any")
			if got := w.standing("alice", "bob"); got != e.next {
				t.Errorf("the state is %s, want %s", got, e.next)
			}
			alice.want(split(e.alice)...)
			bob.want(split(e.bob)...)
			restarted := newWorldOn(t, w.db)
			for _, who := range [][2]string{{"alice", "bob"}, {"bob", "alice"}} {
				if got, want := restarted.standing(who[0], who[1]), w.standing(who[0], who[1]); got != want {
					t.Errorf("after a restart %s stands to %s as %s, want %s", who[0], who[1], got, want)
				}
			}
		})
	}
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ", ")
}

func (w *world) reachState(state string) {
	w.t.Helper()
	for _, r := range reach {
		if r.state == state {
			w.reach(r.steps)
		}
	}
	if got := w.standing("alice", "bob"); got != state {
		w.t.Fatalf("alice stands to bob as %s, want %s", got, state)
	}
}
