package turn

import (
	"sync/atomic"
	"time"
)

// pace bounds bytes a second without a lock: it is the time at which all that has passed would have been sent at
// the allowed rate.
type pace struct{ at atomic.Int64 }

// paceBurst is how far ahead of the rate one may be: a key frame comes at once.
const paceBurst = time.Second

func (p *pace) allow(now time.Time, n, perSecond int) bool {
	cost := int64(n) * int64(time.Second) / int64(perSecond)
	t := now.UnixNano()
	for {
		at := p.at.Load()
		next := max(at, t) + cost
		if next-t > int64(paceBurst) {
			return false
		}
		if p.at.CompareAndSwap(at, next) {
			return true
		}
	}
}
