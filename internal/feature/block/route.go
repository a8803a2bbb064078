package block

import (
	"context"

	"parley/internal/address"
	"parley/internal/core"
)

// Router refuses the calls of those whom the callee has blocked. They hear what they would hear if
// he had no device: that he blocks them is not told (xep0191#3.3).
type Router struct {
	Lists *Lists
}

// Route implements core.Router.
func (r *Router) Route(ctx context.Context, c *core.Call, p *core.Plan) error {
	if c.From.Address.IsZero() {
		return nil
	}
	blocked, err := r.Lists.Blocks(ctx, address.JID(c.To), address.JID(c.From.Address))
	if err != nil {
		return err
	}
	if blocked {
		p.Note("block: %s has blocked %s", c.To, c.From.Address)
		return core.Unreachable()
	}
	return nil
}
