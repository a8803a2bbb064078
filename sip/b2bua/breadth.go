package b2bua

import "parley/sip"

// A call that comes back here is a new one to us: other Call-ID, none of our Vias. What ends
// such a loop is Max-Forwards, and what keeps it from growing by each of its forks is
// Max-Breadth, which we deal out as a proxy does (rfc5393#5.3.3).

// breadth is how many targets may ring at once.
func (c *Call) breadth() uint32 {
	most := c.b.c.MaxBreadth
	if n, ok := c.req.Number(sip.HeaderMaxBreadth); ok {
		return min(n, most)
	}
	return most
}

// broadEnough says that each wave may ring together.
func (c *Call) broadEnough() bool {
	for i := range c.inv.Waves {
		if c.inv.Waves[i].calls() > c.breadth() {
			return false
		}
	}
	return true
}

// calls is how many of a wave's targets are called.
func (w *Wave) calls() uint32 {
	var n uint32
	for i := range w.Targets {
		if w.Targets[i].called() {
			n++
		}
	}
	return n
}

func (t *Target) called() bool { return t.Fail == 0 || t.Next != nil }

// deal gives each target of a wave its part of the breadth, and the first ones what is over.
func (w *Wave) deal(breadth uint32) (part func(*Target) uint32) {
	n := max(w.calls(), 1)
	over := breadth % n
	return func(t *Target) uint32 {
		if t.called() && over > 0 {
			over--
			return breadth/n + 1
		}
		return breadth / n
	}
}
