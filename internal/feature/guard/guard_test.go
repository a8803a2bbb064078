package guard

import (
	"fmt"
	"testing"
	"time"

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
	for _, table := range []*table{&b.pairs, &b.sources, &b.whole} {
		if len(table.entries) > 100 || table.order.Len() > 100 {
			t.Errorf("a table of 100 holds %d", len(table.entries))
		}
	}
}
