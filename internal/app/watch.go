package app

import (
	"context"

	"parley/internal/bridge/letters"
	"parley/internal/bridge/watch"
	"parley/internal/core"
	"parley/internal/feature/presence"
	"parley/sip"
	"parley/sip/transaction"
	"parley/xmpp/jid"
)

// newWatch joins phones and presence.
func (a *App) newWatch() *watch.Watch {
	p := a.cfg.Presence
	c := watch.Config{
		Least: p.MinExpires, Default: p.MaxExpires, Longest: p.MaxExpires, PerAccount: p.Subscriptions, Server: "parley", Log: a.log,
	}
	return watch.New(c, watch.Ports{
		Layer: a.sip.Layer(), Location: a.location, Reach: a.sip.Reach, Presence: watched{a.presence}, Sessions: a.sessions,
		Resource: letters.Resource,
		Exists: func(ctx context.Context, bare jid.JID) (bool, error) {
			if _, is := chatEntity(a.cfg)(bare); is {
				return true, nil
			}
			return a.hasAccount(ctx, bare)
		},
	})
}

// watched is presence as phones see it.
type watched struct{ *presence.Presence }

// Look implements watch.Presence.
func (w watched) Look(ctx context.Context, owner, by jid.JID) (watch.View, error) {
	v, err := w.Presence.Look(ctx, owner, by)
	return watch.View(v), err
}

// talking has others see that somebody is on the phone, unless nobody is to.
func (a *App) talking(of core.Address, on bool) {
	if !on || a.current.Load().Presence.OnThePhone {
		a.watch.Talking(of, on)
	}
}

// presenceChanged has phones told that see another presence now. Without a server there are none.
func (a *App) presenceChanged(accounts ...jid.JID) {
	if a.watch != nil {
		a.watch.Changed(accounts...)
	}
}

// events are what phones can subscribe to. The edge is made before them.
type events struct{ app *App }

// Allow, Serve, Subscribe and Publish implement sipedge.Events.
func (e events) Allow() string                    { return e.app.watch.Allow() }
func (e events) Serve(s *transaction.Server) bool { return e.app.watch.Serve(s) }
func (e events) Subscribe(ctx context.Context, c *core.Call, device string, s *transaction.Server) {
	e.app.watch.Subscribe(ctx, c, device, s)
}
func (e events) Publish(ctx context.Context, c *core.Call, device string, f sip.Flow, req *sip.Message) *sip.Builder {
	return e.app.watch.Publish(ctx, c, device, f, req)
}

// forgetWatch ends what phones of an account see, and what is seen of it. Without a server there is nothing.
func (a *App) forgetWatch(ctx context.Context, of core.Address) error {
	if a.watch == nil {
		return nil
	}
	return a.watch.Forget(ctx, of)
}
