// Package admission decides who may reach whom: the callee has to have an account here,
// and a stranger (someone without an account here) reaches only accounts that take strangers.
package admission

import (
	"context"
	"errors"

	"parley/internal/core"
)

// Router is the first in the order: without a callee there is nothing to plan.
type Router struct {
	Accounts core.Accounts
	// Services are local parts that belong to services of this server, not to accounts. They take
	// whoever has an account.
	Services []string
}

// Route refuses a call that may not be. A stranger hears the same of an account that takes no
// strangers as of one that does not exist.
func (r *Router) Route(ctx context.Context, c *core.Call, p *core.Plan) error {
	if r.isService(c.To) {
		return r.service(c, p)
	}
	account, err := r.Accounts.Account(ctx, c.To)
	switch {
	case errors.Is(err, core.ErrNoAccount) && c.From.Known:
		return core.Fail(core.NotFound, "nobody has this address", nil)
	case errors.Is(err, core.ErrNoAccount):
		return closed()
	case err != nil:
		return err
	case !c.From.Known && !account.Strangers:
		return closed()
	}
	if c.From.Known {
		p.Note("admission: %s has an account here", c.From.Address)
	} else {
		p.Note("admission: %s takes strangers", c.To)
	}
	return nil
}

func (r *Router) isService(a core.Address) bool {
	for _, s := range r.Services {
		if a.Local == s {
			return true
		}
	}
	return false
}

func (r *Router) service(c *core.Call, p *core.Plan) error {
	if !c.From.Known {
		return closed()
	}
	p.Note("admission: %s is a service", c.To)
	return nil
}

func closed() error {
	return core.Fail(core.Forbidden, "this address takes no calls from strangers", nil)
}
