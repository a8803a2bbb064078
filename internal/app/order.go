package app

import (
	"context"
	"sync/atomic"

	"parley/internal/address"
	"parley/internal/bridge/calls"
	"parley/internal/bridge/letters"
	"parley/internal/config"
	"parley/internal/core"
	"parley/internal/feature/admission"
	"parley/internal/feature/block"
	"parley/internal/feature/echo"
	"parley/internal/feature/location"
	"parley/internal/feature/mode"
	"parley/xmpp/jid"
)

// planner asks the routers that are in force.
type planner struct{ routers atomic.Pointer[core.Routers] }

func (p *planner) Plan(ctx context.Context, c *core.Call) (*core.Plan, error) {
	return p.routers.Load().Plan(ctx, c)
}

// order is THE list of features that take part in a call's plan, in the order they decide.
func order(
	cfg config.Config, accounts core.Accounts, blocks *block.Lists, loc core.Location, apps *calls.Apps,
	seen *mode.Seen,
) core.Routers {
	return core.Routers{
		// May the caller reach the callee at all?
		{Name: "admission", Router: &admission.Router{Accounts: accounts, Services: services(cfg)}},
		// Does the callee want to hear of the caller?
		{Name: "block", Router: &block.Router{Lists: blocks}},
		// Is it a message, which the store takes?
		{Name: "messages", Router: letters.Router{}},
		// Is it a service of this server?
		{Name: "echo", Router: &echo.Router{Name: echoName(cfg)}},
		// Where are the callee's devices?
		{Name: "location", Router: &location.Router{Location: loc, Ring: cfg.Calls.Ring}},
		// Which of the callee's apps take calls?
		{Name: "calls", Router: &calls.Router{Apps: apps, Ring: cfg.Calls.Ring}},
		// How shall it run?
		{Name: "mode", Router: modeRouter(cfg, seen)},
	}
}

// keeper is a feature that keeps something of accounts.
type keeper struct {
	name   string
	forget func(context.Context, core.Address) error
}

// keepers is THE list of features that keep something of an account, to be forgotten with it.
func (a *App) keepers() []keeper {
	return []keeper{
		{"device", a.devices.Forget},
		{"turn", a.turn.forget},
		{"location", a.location.Forget},
		{"watch", a.forgetWatch},
		{"roster", a.presence.Forget},
		{"block", a.block.Forget},
		{"vcard", a.cards.Forget},
		{"archive", byJID(a.archive.Forget)},
		{"offline", byJID(a.offline.Forget)},
	}
}

// byJID is for features that know accounts by their JIDs.
func byJID(f func(context.Context, jid.JID) error) func(context.Context, core.Address) error {
	return func(ctx context.Context, a core.Address) error { return f(ctx, address.JID(a)) }
}

// services are the addresses that belong to the server.
func services(cfg config.Config) []string {
	if name := echoName(cfg); name != "" {
		return []string{name}
	}
	return nil
}

func modeRouter(cfg config.Config, seen *mode.Seen) *mode.Router {
	r := &mode.Router{Seen: seen, Transcode: cfg.Calls.Transcode}
	switch cfg.Calls.Anchor {
	case config.AnchorNAT:
		r.Anchor = mode.BehindNAT
	case config.AnchorAlways:
		r.Anchor = mode.Always
	case config.AnchorNever:
		r.Anchor = mode.Never
	}
	switch cfg.Calls.Encryption {
	case config.EncryptionOpportunistic:
		r.Encryption = mode.Opportunistic
	case config.EncryptionRequired:
		r.Encryption = mode.Required
	case config.EncryptionAsOffered:
	}
	switch cfg.Calls.Mode {
	case config.ModeProxied:
		r.Force = new(core.Proxied)
	case config.ModeBackToBack:
		r.Force = new(core.BackToBack)
	case config.ModeAuto:
	}
	return r
}
