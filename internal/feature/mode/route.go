// Package mode chooses in which of the two ways a call runs, as the last in the order:
// proxied, or back-to-back with its media through this server.
package mode

import (
	"context"

	"parley/internal/core"
)

// Anchor says when media passes through the server.
type Anchor int

const (
	// Never: the phones always send media to each other.
	Never Anchor = iota
	// BehindNAT: when a side is behind a NAT and the offer has no ICE to get through it.
	BehindNAT
	// Always: every call.
	Always
)

// Router chooses the mode.
type Router struct {
	Anchor Anchor
	// Force, if set, is the mode of every call between devices.
	Force *core.Mode
}

// Route sets the plan's mode. A service inside the process answers for itself, with media of its own:
// a call to it is proxied.
func (r *Router) Route(_ context.Context, c *core.Call, p *core.Plan) error {
	p.Mode, p.Why = core.Proxied, "both ends can talk directly"
	switch {
	case c.Method != "INVITE":
		p.Why = "only calls have media"
	case toAgent(p):
		p.Why = "a service answers with media of its own"
	case r.Force != nil:
		p.Mode, p.Why = *r.Force, "the configuration says so"
	case r.Anchor == Always:
		p.Mode, p.Why = core.BackToBack, "all media is anchored"
	case r.Anchor == BehindNAT && !c.Media.ICE && nated(c, p):
		p.Mode, p.Why = core.BackToBack, "a side is behind a NAT and the offer has no ICE"
	}
	p.Note("mode: %s: %s", p.Mode, p.Why)
	return nil
}

func toAgent(p *core.Plan) bool {
	for _, s := range p.Steps {
		for _, t := range s.Targets {
			if t.Agent != "" {
				return true
			}
		}
	}
	return false
}

func nated(c *core.Call, p *core.Plan) bool {
	if c.From.NATed {
		return true
	}
	for _, s := range p.Steps {
		for _, t := range s.Targets {
			if t.Binding.NATed {
				return true
			}
		}
	}
	return false
}
