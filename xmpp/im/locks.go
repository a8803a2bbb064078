package im

import (
	"cmp"
	"slices"
	"sync"

	"parley/xmpp/jid"
)

// Locks has what concerns an account happen one after the other. The zero value is ready.
type Locks struct {
	mu   sync.Mutex
	held map[jid.JID]*accountLock
}

type accountLock struct {
	mu    sync.Mutex
	users int // who hold it or wait for it
}

// Lock takes the locks of accounts, by their bare addresses, and gives what releases them. Whoever needs several takes
// them in one call: so two that need the same ones can't wait for each other.
func (l *Locks) Lock(accounts ...jid.JID) (unlock func()) {
	accounts = slices.Clone(accounts)
	slices.SortFunc(accounts, compare)
	accounts = slices.Compact(accounts)
	for _, a := range accounts {
		l.take(a).mu.Lock()
	}
	return func() {
		for _, a := range accounts {
			l.release(a)
		}
	}
}

func compare(a, b jid.JID) int {
	return cmp.Or(cmp.Compare(a.Local, b.Local), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Resource, b.Resource))
}

func (l *Locks) take(a jid.JID) *accountLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[jid.JID]*accountLock{}
	}
	k := l.held[a]
	if k == nil {
		k = &accountLock{}
		l.held[a] = k
	}
	k.users++
	return k
}

func (l *Locks) release(a jid.JID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.held[a]
	k.users--
	if k.users == 0 {
		delete(l.held, a)
	}
	k.mu.Unlock()
}
