package echo

import (
	"context"

	"parley/internal/core"
)

// Agent is the name under which the service is known to the plan.
const Agent = "echo"

// Router sends calls to the service's address to the service, at each of our domains.
type Router struct {
	// Name is the local part of the address; empty turns it off.
	Name string
}

// Route adds the service as the only target.
func (r *Router) Route(_ context.Context, c *core.Call, p *core.Plan) error {
	if r.Name == "" || c.To.Local != r.Name || !p.Empty() {
		return nil
	}
	p.Steps = []core.Step{{Targets: []core.Target{{Name: "agent:" + Agent, Agent: Agent}}}}
	p.Note("echo: %s is the echo service", c.To)
	return nil
}
