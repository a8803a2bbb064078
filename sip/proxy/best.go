package proxy

import (
	"parley/sip"
	"parley/sip/transaction"
)

// answer is how a branch ended, or what stands for that.
type answer struct {
	status int
	resp   *sip.Message // nil: nothing was received, the status is ours
	target *Target
	// fault says that the status is a 503 for what could not be sent, which speaks of the target
	// and not of us (rfc3261#16.9).
	fault bool
}

// class puts answers into the order of rfc3261#16.7: 6xx first, then the lowest class.
func (a answer) class() int {
	if a.status >= 600 {
		return 0
	}
	return a.status / 100
}

// tells says, smaller for more, how much an answer tells the caller among those of its
// class (rfc3261#16.7 step 6).
func (a answer) tells() int {
	switch a.status {
	case 401, 407: // with credentials it would work
		return 0
	case 415, 420, 484: // with another request it would work
		return 1
	case 486: // a person is there
		return 2
	case 408, 430, 487, 503: // a device or a way to it was missing
		return 4
	}
	if a.resp == nil {
		return 4
	}
	return 3
}

// better says that a is to be preferred to b; among equals the earlier one stays.
func (a answer) better(b answer) bool {
	if b.status == 0 {
		return true
	}
	if a.class() != b.class() {
		return a.class() < b.class()
	}
	return a.tells() < b.tells()
}

// consider takes a branch's answer into the choice.
func (c *Context) consider(a answer) {
	if a.resp != nil && (a.status == 401 || a.status == 407) {
		c.challenges = append(c.challenges, a.resp)
	}
	if a.better(c.best) {
		c.best = a
	}
	if a.resp != nil && a.status == c.cancelled && c.terminated.resp == nil {
		c.terminated = a
	}
}

// chosen is the best answer there is when all branches are done (rfc3261#16.7 step 6).
func (c *Context) chosen() answer {
	switch {
	case c.cancelled != 0 && c.best.status < 600:
		if c.terminated.resp != nil {
			return c.terminated
		}
		return answer{status: c.cancelled}
	case c.best.status == 0:
		return answer{status: 480} // no target at all: rfc3261#16.5
	}
	return c.best
}

// final makes the response for an answer that is not a 2xx.
func (c *Context) final(a answer) (*sip.Message, error) {
	status := a.status
	if a.fault {
		status = 500 // rfc3261#16.7 step 6
	}
	if a.resp == nil {
		return c.server.Request().Response(status, "").ToTag(transaction.NewTag()).Message()
	}
	b := a.resp.Edit().Pop(sip.HeaderVia)
	switch status {
	case 503: // the target is out of service, not we
		b.SetStatus(500, "Server Internal Error")
	case 401, 407: // all challenges together: rfc3261#16.7 step 7
		for _, other := range c.challenges {
			if other != a.resp {
				b.Copy(other, sip.HeaderWWWAuthenticate).Copy(other, sip.HeaderProxyAuthenticate)
			}
		}
	}
	return b.Message()
}
