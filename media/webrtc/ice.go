package webrtc

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pion/stun/v3"
)

const (
	// maxPaths is how many addresses of the peer are remembered.
	maxPaths = 16
	// patience is how long the selected path may go without a check before one of lower priority takes its place: a
	// peer that nominates each path as it checks it (rfc5245#8.1.1.2) goes on checking the best.
	patience = 5 * time.Second
)

// credential is a ufrag and its password.
type credential struct{ ufrag, password string }

// path is an address that a check with our password came from.
type path struct {
	priority uint32
	checked  time.Time
}

// ice is a lite agent with one host candidate (rfc8445#2.5).
type ice struct {
	mu     sync.Mutex
	ours   []credential // the newest first; the one before still holds until a restart is through
	paths  map[netip.AddrPort]path
	chosen netip.AddrPort
	by     string // the ufrag that it was chosen with
	last   time.Time
}

// renew makes a new credential (rfc8839#5.4: at least 24 and 128 bits).
func (a *ice) renew() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ours = append([]credential{{rand.Text()[:8], rand.Text()}}, a.ours...)
	a.ours = a.ours[:min(len(a.ours), 2)]
}

func (a *ice) credentials() (ufrag, password string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ours[0].ufrag, a.ours[0].password
}

// knows says whether a check came from an address.
func (a *ice) knows(from netip.AddrPort) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.paths[from]
	return ok
}

// selected is the path that the peer has nominated.
func (a *ice) selected() (netip.AddrPort, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.chosen, a.chosen.IsValid()
}

// checked is when the peer last asked.
func (a *ice) checked() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// check takes a connectivity check and gives the answer (rfc8445#7.3); nil if it deserves none. Who doesn't know our
// password gets none, so that nobody is sent anything at another's wish.
func (a *ice) check(b []byte, from netip.AddrPort, now time.Time) []byte {
	m := &stun.Message{Raw: append([]byte(nil), b...)}
	if err := m.Decode(); err != nil || m.Type != stun.BindingRequest {
		return nil
	}
	c, ok := a.meant(m)
	if !ok || stun.NewShortTermIntegrity(c.password).Check(m) != nil || stun.Fingerprint.Check(m) != nil {
		return nil
	}
	if m.Contains(stun.AttrICEControlled) { // rfc8445#7.3.1.1: the peer has to lead, a lite agent never does
		return answer(m, c, stun.BindingError, stun.CodeRoleConflict)
	}
	a.came(m, c, from, now)
	return answer(m, c, stun.BindingSuccess, &stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())})
}

// meant is the credential that a check names: ours comes first in its USERNAME (rfc8445#7.2.2).
func (a *ice) meant(m *stun.Message) (credential, bool) {
	var name stun.Username
	if name.GetFrom(m) != nil {
		return credential{}, false
	}
	ufrag, _, ok := strings.Cut(name.String(), ":")
	if !ok {
		return credential{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.ours {
		if subtle.ConstantTimeCompare([]byte(c.ufrag), []byte(ufrag)) == 1 {
			return c, true
		}
	}
	return credential{}, false
}

// answer builds a response to a check; nil if that is not possible.
func answer(m *stun.Message, c credential, kind stun.MessageType, what stun.Setter) []byte {
	out, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), kind, what,
		stun.NewShortTermIntegrity(c.password), stun.Fingerprint)
	if err != nil {
		return nil
	}
	return out.Raw
}

// came notes a check, and which path it nominates.
func (a *ice) came(m *stun.Message, c credential, from netip.AddrPort, now time.Time) {
	var priority uint32
	if v, err := m.Get(stun.AttrPriority); err == nil && len(v) == 4 {
		priority = binary.BigEndian.Uint32(v)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.paths == nil {
		a.paths = map[netip.AddrPort]path{}
	}
	if _, known := a.paths[from]; !known && len(a.paths) >= maxPaths {
		a.forgetOldest()
	}
	a.paths[from] = path{priority, now}
	a.last = now
	if !m.Contains(stun.AttrUseCandidate) || from == a.chosen {
		return
	}
	current := a.paths[a.chosen]
	if !a.chosen.IsValid() || a.by != c.ufrag || priority > current.priority || now.Sub(current.checked) > patience {
		a.chosen, a.by = from, c.ufrag
	}
}

func (a *ice) forgetOldest() {
	var oldest netip.AddrPort
	for p, at := range a.paths {
		if p != a.chosen && (!oldest.IsValid() || at.checked.Before(a.paths[oldest].checked)) {
			oldest = p
		}
	}
	delete(a.paths, oldest)
}
