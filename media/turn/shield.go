package turn

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// shield keeps the server from being made to flood somebody whose address a stranger writes on his datagrams: what a
// source has been sent more than it sent may not pass shieldBurst, which grows back slowly. It takes the same memory
// whoever asks: sources share a table by a hash that nobody outside knows.
type shield struct {
	now  func() time.Time
	seed maphash.Seed
	mu   [shieldLocks]sync.Mutex
	debt [shieldSlots]debt
}

type debt struct {
	bytes int32
	since uint32 // second
}

const (
	shieldSlots  = 1 << 15
	shieldLocks  = 64
	shieldBurst  = 16 << 10 // bytes: some hundred clients behind one NAT may begin at once
	shieldRefill = 1 << 10  // bytes a second
)

func newShield(now func() time.Time) *shield {
	return &shield{now: now, seed: maphash.MakeSeed()}
}

// allow says whether a source that sent in bytes may be sent out bytes, headers of IP and UDP aside.
func (s *shield) allow(from netip.Addr, in, out int) bool {
	key := from.As16()
	if !from.Is4() && !from.Is4In6() {
		clear(key[8:]) // whoever has one address of a /64 has all of it
	}
	i := maphash.Bytes(s.seed, key[:]) % shieldSlots
	m := &s.mu[i%shieldLocks]
	m.Lock()
	defer m.Unlock()
	d, now := &s.debt[i], uint32(s.now().Unix())
	left := int64(d.bytes) - int64(in) - int64(now-d.since)*shieldRefill
	d.since = now
	left = max(left, 0)
	if ok := left+int64(out) <= shieldBurst; !ok {
		d.bytes = int32(left)
		return false
	}
	d.bytes = int32(max(left+int64(out), 0))
	return true
}
