package im

import (
	"fmt"
	"sync"
	"testing"

	"parley/xmpp/jid"
)

// Many who need several accounts at once, named in any order and twice, never wait for each other for good, and
// never hold one together.
func TestLocks(t *testing.T) {
	t.Parallel()
	var l Locks
	var accounts []jid.JID
	for i := range 5 {
		accounts = append(accounts, jid.JID{Local: fmt.Sprint("user", i), Domain: "example.org"})
	}
	counts := make([]int, len(accounts)) // the race detector sees who is in together
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				a, b := (g+i)%len(accounts), (g*i)%len(accounts)
				unlock := l.Lock(accounts[a], accounts[b], accounts[a])
				counts[a]++
				counts[b]++
				unlock()
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	if total != 2*8*200 || len(l.held) != 0 {
		t.Errorf("counted %d, and %d locks are left", total, len(l.held))
	}
}
