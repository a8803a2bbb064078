package digest

import (
	"cmp"
	"math"
	"strconv"
	"sync"
	"time"
)

// window is how far behind the highest count of a nonce a request may come: requests over UDP overtake
// each other.
const window = 64

// uses remembers how nonces were used, so that credentials that somebody has overheard are of no use to him
// (rfc7616#5.5). It holds so many at most: when the oldest has to go, all that were made before it count as
// used, which costs their owners one more challenge.
type uses struct {
	mu      sync.Mutex
	begun   bool
	horizon time.Time  // nonces made before it are not known any more
	ring    []use      // in the order of their first use
	next    int        // in ring, once it is full
	at      map[id]int // in ring
}

// use is what came with one nonce.
type use struct {
	nonce   id
	highest uint32 // count
	seen    uint64 // bit i: highest-i came
}

// Use notes that credentials were verified, and says Stale if they, or later ones of the same nonce, were before:
// nc has to count up (rfc7616#3.4). Without a qop there is no count, and a nonce is good for one use.
//
// What was used before the first call, by an earlier process, is not known, so nonces from then are stale.
func (n *Nonces) Use(c Credentials, now time.Time) Freshness {
	i, ok := n.read(c.Nonce)
	if !ok {
		return Bad
	}
	count := uint32(math.MaxUint32)
	if c.Qop != "" {
		nc, err := strconv.ParseUint(c.NC, 16, 32)
		if err != nil {
			return Bad
		}
		count = uint32(nc)
	}
	if !n.used.take(i, count, now, cmp.Or(n.Kept, 1<<16)) {
		return Stale
	}
	return Fresh
}

// begin fixes the time before which nothing is known.
func (u *uses) begin(now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.begun {
		u.begun, u.horizon = true, now.Truncate(time.Millisecond)
	}
}

func (u *uses) take(i id, count uint32, now time.Time, most int) bool {
	u.begin(now)
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, known := u.at[i]; known {
		return u.ring[at].take(count)
	}
	// A horizon ahead of us means that the clock was set back: it tells nothing then, and
	// must not keep everybody out.
	if i.made().Before(u.horizon) && !u.horizon.After(now) {
		return false
	}
	u.add(use{nonce: i, highest: count, seen: 1}, most)
	return true
}

// add remembers a use, in the place of the oldest if there is no other.
func (u *uses) add(x use, most int) {
	if u.at == nil {
		u.at = map[id]int{}
	}
	if len(u.ring) < most {
		u.at[x.nonce] = len(u.ring)
		u.ring = append(u.ring, x)
		return
	}
	oldest := u.ring[u.next].nonce
	delete(u.at, oldest)
	if after := oldest.made().Add(time.Millisecond); after.After(u.horizon) {
		u.horizon = after
	}
	u.ring[u.next] = x
	u.at[x.nonce] = u.next
	u.next = (u.next + 1) % len(u.ring)
}

// take counts a request in, unless it came before or may have.
func (x *use) take(count uint32) bool {
	if count > x.highest {
		x.seen = x.seen<<min(count-x.highest, window) | 1
		x.highest = count
		return true
	}
	behind := x.highest - count
	if behind >= window || x.seen&(1<<behind) != 0 {
		return false
	}
	x.seen |= 1 << behind
	return true
}
