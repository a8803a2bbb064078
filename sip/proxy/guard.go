package proxy

import (
	"fmt"
	"runtime/debug"

	"parley/sip"
)

// guard stands between us and a function that was handed in: a panic in it ends what it was
// called for, and not the call, whose transactions would wait for ever. With err not
// nil it becomes an error.
func (c *Context) guard(what string, err *error) {
	r := recover() //nolint:revive // guard is what is deferred
	if r == nil {
		return
	}
	c.proxy.log.Error("handler panicked", "in", what, "call", c.callID, "panic", r, "stack", string(debug.Stack()))
	if err != nil {
		*err = fmt.Errorf("proxy: panic in %s: %v", what, r)
	}
}

// guarded is an Observer, or none, whose panics are caught.
type guarded struct {
	to  Observer
	ctx *Context
}

func (g guarded) Provisional(t *Target, resp *sip.Message) {
	defer g.ctx.guard("Provisional", nil)
	if g.to != nil {
		g.to.Provisional(t, resp)
	}
}

func (g guarded) Branch(t *Target, status int, err error) {
	defer g.ctx.guard("Branch", nil)
	if g.to != nil {
		g.to.Branch(t, status, err)
	}
}

func (g guarded) Final(t *Target, resp *sip.Message) {
	defer g.ctx.guard("Final", nil)
	if g.to != nil {
		g.to.Final(t, resp)
	}
}

func (g guarded) Ended() {
	defer g.ctx.guard("Ended", nil)
	if g.to != nil {
		g.to.Ended()
	}
}
