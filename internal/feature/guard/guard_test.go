package guard

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/internal/core"
)

var (
	alice = core.Address{Local: "alice", Domain: "example.org"}
	bob   = core.Address{Local: "bob", Domain: "example.org"}
)

type bench struct {
	*Guard
	now time.Time
}

func newBench(size int) *bench {
	b := &bench{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	b.Guard = New(Config{Now: func() time.Time { return b.now }, Size: size})
	return b
}

func (b *bench) fail(n int, source string, a core.Address) {
	for range n {
		b.Failed(source, a)
	}
}

func (b *bench) wants(t *testing.T, what, source string, a core.Address, want time.Duration) {
	t.Helper()
	if got := b.Check(source, a); got != want {
		t.Errorf("%s: wait is %v, want %v", what, got, want)
	}
}

func TestWrongPasswordsAreSlowed(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	b.fail(4, "192.0.2.1", alice)
	b.wants(t, "four wrong ones", "192.0.2.1", alice, 0)
	b.fail(1, "192.0.2.1", alice)
	b.wants(t, "five", "192.0.2.1", alice, time.Second)
	b.fail(2, "192.0.2.1", alice)
	b.wants(t, "seven", "192.0.2.1", alice, 4*time.Second)
	b.fail(50, "192.0.2.1", alice)
	b.wants(t, "very many", "192.0.2.1", alice, time.Minute)
	b.wants(t, "another account from there", "192.0.2.1", bob, 0)
	b.now = b.now.Add(16 * time.Minute)
	b.wants(t, "a quarter of an hour later", "192.0.2.1", alice, 0)
	b.fail(1, "192.0.2.1", alice)
	b.wants(t, "and one more", "192.0.2.1", alice, 0)
}

func TestTheRightPasswordEndsTheWait(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	b.fail(9, "192.0.2.1", alice)
	b.Succeeded("192.0.2.1", alice)
	b.wants(t, "after the right password", "192.0.2.1", alice, 0)
}

func TestAnAttackerFromManyAddressesDoesNotLockTheOwnerOut(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	b.Succeeded("198.51.100.7", alice)
	for i := range 1000 {
		b.fail(1, fmt.Sprintf("203.0.%d.%d", i/250, i%250), alice)
	}
	b.wants(t, "the owner at home", "198.51.100.7", alice, 0)
	if got := b.Check("203.0.113.99", alice); got == 0 {
		t.Error("a new address of the attacker does not wait")
	}
	b.wants(t, "the owner's friend", "203.0.113.99", bob, 0)
}

func TestGuessingManyAccountsFromOneSourceIsSlowed(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	for i := range 200 {
		b.fail(1, "192.0.2.1", core.Address{Local: fmt.Sprint("user", i), Domain: "example.org"})
	}
	if b.Check("192.0.2.1", bob) == 0 {
		t.Error("two hundred accounts tried, and the next one at once")
	}
	b.wants(t, "another source", "192.0.2.2", bob, 0)
}

func TestOwnSuccessBuysNoFreshTries(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	for i := range 200 {
		b.fail(1, "192.0.2.1", core.Address{Local: fmt.Sprint("user", i), Domain: "example.org"})
		b.Succeeded("192.0.2.1", alice)
	}
	if b.Check("192.0.2.1", bob) == 0 {
		t.Error("the right password of an account of his own made a guesser's count go away")
	}
}

func TestAnIPv6NetworkIsOneSource(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	for i := range 6 {
		b.fail(1, fmt.Sprintf("2001:db8:1:2::%x", i), alice)
	}
	if b.Check("2001:db8:1:2:ffff::1", alice) == 0 {
		t.Error("another address of the same /64 does not wait")
	}
	b.wants(t, "another /64", "2001:db8:1:3::1", alice, 0)
	b.fail(6, "::ffff:192.0.2.1", bob)
	if b.Check("192.0.2.1", bob) == 0 {
		t.Error("an IPv4 address in IPv6 form is another source")
	}
}

func TestTheTablesAreBounded(t *testing.T) {
	t.Parallel()
	b := newBench(100)
	for i := range 10000 {
		b.Failed(fmt.Sprintf("10.0.%d.%d", i/250, i%250), core.Address{Local: fmt.Sprint("u", i), Domain: "example.org"})
	}
	for name, c := range map[string]*counts{"pairs": b.pairs, "sources": b.sources, "whole": b.whole} {
		if n := len(c.few.entries) + len(c.waiting.entries); n > 100 || c.few.order.Len()+c.waiting.order.Len() != n {
			t.Errorf("of %s a table of 100 holds %d", name, n)
		}
	}
	for i := range 10000 {
		b.Succeeded("192.0.2.1", core.Address{Local: fmt.Sprint("u", i), Domain: "example.org"})
	}
	if n := len(b.known.accounts.entries); n > 100 {
		t.Errorf("the places of %d accounts are remembered, want 100", n)
	}
}

func TestAFloodOfMadeUpNamesDoesNotWipeAGuessersRecord(t *testing.T) {
	t.Parallel()
	b := newBench(100)
	b.fail(60, "192.0.2.1", alice)
	for i := range 5000 {
		b.fail(1, fmt.Sprintf("2001:db8:1:%x::1", i), core.Address{Local: fmt.Sprint("made-up", i), Domain: "example.org"})
	}
	b.wants(t, "the guesser", "192.0.2.1", alice, time.Minute)
	if b.Check("192.0.2.99", alice) == 0 {
		t.Error("the guesser's next address does not wait")
	}
}

func TestProvingOnesOwnAccountFromEverywhereDoesNotHideWhereOthersLive(t *testing.T) {
	t.Parallel()
	b := newBench(100)
	b.Succeeded("198.51.100.7", alice)
	for i := range 5000 {
		b.Succeeded(fmt.Sprintf("2001:db8:1:%x::1", i), bob)
	}
	for i := range 1000 {
		b.fail(1, fmt.Sprintf("203.0.%d.%d", i/250, i%250), alice)
	}
	b.wants(t, "alice at home", "198.51.100.7", alice, 0)
	if n := len(*b.known.accounts.get(bob)); n != maxPlaces {
		t.Errorf("%d places of bob are remembered, want %d", n, maxPlaces)
	}
}

func TestAPlaceIsKnownForAMonth(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	b.Succeeded("198.51.100.7", alice)
	attack := func() {
		for i := range 100 {
			b.fail(1, fmt.Sprintf("203.0.113.%d", i), alice)
		}
	}
	b.now = b.now.Add(29 * 24 * time.Hour)
	attack()
	b.wants(t, "after 29 days", "198.51.100.7", alice, 0)
	b.now = b.now.Add(2 * 24 * time.Hour)
	attack()
	if b.Check("198.51.100.7", alice) == 0 {
		t.Error("a place not seen for a month is still the owner's")
	}
}

func TestNamesThatNobodyHasAreCountedLikeOthers(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	nobody := core.Address{Local: "nobody", Domain: "example.org"}
	for i := range 12 {
		b.fail(1, "192.0.2.1", alice)
		b.fail(1, "192.0.2.2", nobody)
		if x, y := b.Check("192.0.2.1", alice), b.Check("192.0.2.2", nobody); x != y {
			t.Errorf("after %d tries alice's guesser waits %v, nobody's %v", i+1, x, y)
		}
	}
}

// Whatever others do, who knows his password and is where he always is never waits; and nobody waits too long.
func TestTheOwnerAtHomeNeverWaits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(rapid.IntRange(2, 50).Draw(rt, "size"))
		b.Succeeded("198.51.100.7", alice)
		for range rapid.IntRange(0, 200).Draw(rt, "steps") {
			source := fmt.Sprintf("203.0.113.%d", rapid.IntRange(0, 20).Draw(rt, "source"))
			account := rapid.SampledFrom([]core.Address{alice, alice, bob}).Draw(rt, "account")
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				b.Succeeded(source, bob)
			case 1:
				b.now = b.now.Add(time.Duration(rapid.IntRange(0, 1200).Draw(rt, "seconds")) * time.Second)
			case 2:
				b.Succeeded("198.51.100.7", alice)
			default:
				b.fail(rapid.IntRange(1, 60).Draw(rt, "tries"), source, account)
			}
			if wait := b.Check("198.51.100.7", alice); wait != 0 {
				rt.Fatalf("the owner waits %v", wait)
			}
			if wait := b.Check(source, account); wait < 0 || wait > time.Minute {
				rt.Fatalf("a wait of %v", wait)
			}
		}
	})
}

func TestSourcesThatAreNoAddressesCountTogether(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	b.fail(6, "memory", alice)
	if b.Check("", alice) == 0 {
		t.Error("what is no address is not counted")
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	g := New(Config{Size: 10})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				source := fmt.Sprintf("192.0.%d.%d", i, j)
				g.Failed(source, alice)
				g.Check(source, alice)
				g.Succeeded(source, bob)
			}
		})
	}
	wg.Wait()
	if g.Check("198.51.100.1", alice) == 0 {
		t.Error("1600 wrong passwords, and a stranger need not wait")
	}
}

func BenchmarkCheckAndFail(b *testing.B) {
	g := New(Config{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		source := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()
		if g.Check(source, alice) == 0 {
			g.Failed(source, alice)
		}
	}
}
