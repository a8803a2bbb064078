package location

import (
	"context"
	"strings"
	"time"

	"parley/internal/core"
)

// Router adds the callee's registered devices to the plan, the most preferred first: those of one q
// ring together (rfc3261#16.6).
type Router struct {
	Location core.Location
	// Ring is how long each step rings; 0 leaves it to the proxy's Timer C.
	Ring time.Duration
}

// Route adds a step for each q.
func (r *Router) Route(ctx context.Context, c *core.Call, p *core.Plan) error {
	if !p.Empty() {
		return nil
	}
	bindings, err := r.Location.Bindings(ctx, c.To)
	if err != nil {
		return err
	}
	p.Note("location: %d device(s) of %s", len(bindings), c.To)
	last := -1
	for _, b := range bindings {
		if b.Q != last {
			p.Steps = append(p.Steps, core.Step{Ring: r.Ring})
			last = b.Q
		}
		step := &p.Steps[len(p.Steps)-1]
		step.Targets = append(step.Targets, core.Target{Name: targetName(b), Binding: b})
	}
	return nil
}

// targetName is how a plan's line calls a device.
func targetName(b core.Binding) string {
	return "sip:" + b.Account.Local + "-" + strings.ToLower(b.Network) + "-" + b.Source.String()
}
