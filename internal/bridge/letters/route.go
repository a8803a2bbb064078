package letters

import (
	"context"

	"parley/internal/core"
	"parley/sip"
)

// Router has a MESSAGE that may be sent go to the store, whatever devices its recipient has.
type Router struct{}

// Agent is the name of the store in a plan.
const Agent = "messages"

// Route implements core.Router.
func (Router) Route(_ context.Context, c *core.Call, p *core.Plan) error {
	if c.Method == string(sip.MESSAGE) && p.Empty() {
		p.Steps = []core.Step{{Targets: []core.Target{{Name: "agent:" + Agent, Agent: Agent}}}}
	}
	return nil
}
