package roster

import (
	"testing"

	"pgregory.net/rapid"
)

// bits are a state's parts, from which the tests work out what the tables say.
type bits struct{ to, from, out, in bool }

func bitsOf(s State) bits { return bits{s.SeesContact(), s.IsSeen(), s.IsAsking(), s.IsAsked()} }

func (b bits) subscription() string {
	switch {
	case b.to && b.from:
		return "both"
	case b.to:
		return "to"
	case b.from:
		return "from"
	}
	return "none"
}

func (b bits) state(t *testing.T) State {
	t.Helper()
	s, ok := Join(b.subscription(), b.out, b.in)
	if !ok {
		t.Fatalf("no state is %+v", b)
	}
	return s
}

func TestStatesAreMadeOfTheirParts(t *testing.T) {
	t.Parallel()
	seen := map[bits]bool{}
	for s := range states {
		b := bitsOf(s)
		if seen[b] || b.state(t) != s || b.to && b.out || b.from && b.in {
			t.Errorf("%s is %+v", s, b)
		}
		seen[b] = true
	}
	if len(seen) != 9 {
		t.Errorf("there are %d states", len(seen))
	}
	for _, b := range []bits{{to: true, out: true}, {from: true, in: true}, {to: true, from: true, in: true}} {
		if s, ok := Join(b.subscription(), b.out, b.in); ok {
			t.Errorf("%+v is %s", b, s)
		}
	}
}

// The tables of rfc6121#A.2 and rfc6121#A.3, said in sentences.
func TestTables(t *testing.T) {
	t.Parallel()
	type outcome struct {
		next bits
		pass bool
	}
	for s := range states {
		b := bitsOf(s)
		rows := map[string]struct{ got, want outcome }{}
		add := func(name string, e Effect, pass bool, change func(*bits)) {
			want := b
			change(&want)
			rows[name] = struct{ got, want outcome }{outcome{bitsOf(e.Next.State), e.Pass}, outcome{want, pass}}
		}
		plain := Standing{State: s}
		add("say subscribe", Say(plain, Subscribe), true, func(x *bits) { x.out = !x.to })
		add("say unsubscribe", Say(plain, Unsubscribe), true, func(x *bits) { x.to, x.out = false, false })
		add("say subscribed", Say(plain, Subscribed), b.in, func(x *bits) { x.from, x.in = x.from || x.in, false })
		add("say unsubscribed", Say(plain, Unsubscribed), b.in || b.from, func(x *bits) { x.from, x.in = false, false })
		add("hear subscribe", Hear(plain, Subscribe), !b.in && !b.from, func(x *bits) { x.in = !x.from })
		add("hear unsubscribe", Hear(plain, Unsubscribe), b.in || b.from, func(x *bits) { x.from, x.in = false, false })
		add("hear subscribed", Hear(plain, Subscribed), b.out, func(x *bits) { x.to, x.out = x.to || x.out, false })
		add("hear unsubscribed", Hear(plain, Unsubscribed), b.out || b.to, func(x *bits) { x.to, x.out = false, false })
		for name, row := range rows {
			if row.got != row.want {
				t.Errorf("%s in %s: %+v, want %+v", name, s, row.got, row.want)
			}
		}
	}
}

func TestARequestOfWhoIsSeenAlreadyIsAnswered(t *testing.T) {
	t.Parallel()
	for s := range states {
		e := Hear(Standing{State: s}, Subscribe)
		if want := s.IsSeen(); (e.Reply == Subscribed) != want || want && (e.Pass || e.Next.State != s) {
			t.Errorf("%s: %+v", s, e)
		}
	}
}

func TestPreApproval(t *testing.T) {
	t.Parallel()
	for s := range states {
		said := Say(Standing{State: s}, Subscribed)
		if want := !s.IsAsked() && !s.IsSeen(); said.Next.Approved != want || want && (said.Pass || said.Next.State != s) {
			t.Errorf("approving in %s: %+v", s, said)
		}
		if said.Next.Approved {
			e := Hear(said.Next, Subscribe)
			if e.Pass || e.Reply != Subscribed || !e.Next.State.IsSeen() || e.Next.State.SeesContact() != s.SeesContact() ||
				e.Next.State.IsAsking() != s.IsAsking() || !e.Next.Approved {
				t.Errorf("the approved request in %s: %+v", s, e)
			}
		}
		if e := Say(Standing{State: s, Approved: true}, Unsubscribed); e.Next.Approved {
			t.Errorf("denying in %s leaves it approved", s)
		}
	}
}

func TestKindsAreTypesOfPresence(t *testing.T) {
	t.Parallel()
	for k := Subscribe; k < kinds; k++ {
		if got, ok := KindOf(k.String()); !ok || got != k {
			t.Errorf("%s is %v", k, got)
		}
	}
	for _, typ := range []string{"", "probe", "unavailable", "error", "Subscribe"} {
		if k, ok := KindOf(typ); ok {
			t.Errorf("%q is %s", typ, k)
		}
	}
}

// Two rosters of one server agree, whatever the two say and in whichever order: who sees whom is the same on both
// sides, and so is who has asked.
func TestTwoSidesAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var a, b Standing
		for range rapid.IntRange(1, 40).Draw(t, "stanzas") {
			k := Kind(rapid.IntRange(int(Subscribe), int(Unsubscribed)).Draw(t, "kind"))
			speaker, hearer := &a, &b
			if rapid.Bool().Draw(t, "other side") {
				speaker, hearer = &b, &a
			}
			before := [2]Standing{*speaker, *hearer}
			steps := Exchange(k, speaker, hearer)
			checkSteps(t, steps, before, [2]Standing{*speaker, *hearer})
			x, y := bitsOf(a.State), bitsOf(b.State)
			if x.to != y.from || x.from != y.to || x.out != y.in || x.in != y.out {
				t.Fatalf("after %s: one is in %s, the other in %s", k, a.State, b.State)
			}
		}
	})
}

func checkSteps(t *rapid.T, steps []Step, before, after [2]Standing) {
	now := before
	for i, s := range steps {
		side := 0
		if s.Second {
			side = 1
		}
		if s.Before != now[side] {
			t.Fatalf("step %d begins at %+v, the side is at %+v", i, s.Before, now[side])
		}
		if !s.After.State.IsSeen() && s.Before.State.IsSeen() && s.Kind != Unsubscribe && s.Kind != Unsubscribed {
			t.Fatalf("%s takes a subscription", s.Kind)
		}
		if s.After.State.IsSeen() && !s.Before.State.IsSeen() && (s.Out && s.Kind != Subscribed || !s.Out && !s.Before.Approved) {
			t.Fatalf("%s gives a subscription that nobody approved", s.Kind)
		}
		now[side] = s.After
	}
	if now != after {
		t.Fatalf("the steps end in %+v, the sides are at %+v", now, after)
	}
}

func TestAnExchangeWithAnUnknownSide(t *testing.T) {
	t.Parallel()
	a := Standing{State: From}
	steps := Exchange(Subscribe, nil, &a)
	if len(steps) != 2 || steps[0].Pass || !steps[1].Out || !steps[1].Auto || !steps[1].Pass || steps[1].Kind != Subscribed {
		t.Errorf("another server's request of one who is seen: %+v", steps)
	}
	b := Standing{}
	steps = Exchange(Subscribe, &b, nil)
	if len(steps) != 1 || !steps[0].Pass || b.State != NonePendingOut {
		t.Errorf("a request to another server: %+v, %s", steps, b.State)
	}
}
