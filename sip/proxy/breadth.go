package proxy

import "parley/sip"

// sends says that a target may lead to a request being sent.
func (t *Target) sends() bool {
	return t.Fail == 0 || t.Next != nil
}

// sending is how many of a wave's targets need a part of the Max-Breadth.
func (w *Wave) sending() uint32 {
	var n uint32
	for i := range w.Targets {
		if w.Targets[i].sends() {
			n++
		}
	}
	return n
}

// incomingBreadth is how many branches the request may have at a time, never more than
// we allow (rfc5393#5.3.3).
func (c *Context) incomingBreadth() uint32 {
	n, ok := c.req.Number(sip.HeaderMaxBreadth)
	if !ok {
		return c.proxy.breadth
	}
	return min(n, c.proxy.breadth)
}

// broadEnough says that each wave can be sent to at once.
func (c *Context) broadEnough() bool {
	for i := range c.f.Waves {
		if c.f.Waves[i].sending() > c.total {
			return false
		}
	}
	return true
}

// share is what the branches of one wave get: each part, and the first rest ones one more.
type share struct{ part, rest uint32 }

func (s *share) take() uint32 {
	if s.rest > 0 {
		s.rest--
		return s.part + 1
	}
	return s.part
}

// share deals the free Max-Breadth to a wave. One that may ring out leaves, if it can, a
// branch for each later target, as its own branches can take long to give theirs back.
func (c *Context) share(w *Wave) (share, bool) {
	n := w.sending()
	if n == 0 {
		return share{}, true
	}
	if n > c.breadth {
		return share{}, false
	}
	free := c.breadth
	if w.Timeout > 0 {
		var later uint32
		for i := c.next + 1; i < len(c.f.Waves); i++ {
			later += c.f.Waves[i].sending()
		}
		free -= min(later, free-n)
	}
	return share{free / n, free % n}, true
}
