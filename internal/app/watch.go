package app

import (
	"context"

	"parley/internal/bridge/watch"
	"parley/internal/core"
	"parley/sip/transaction"
	"parley/xmpp/jid"
)

// newWatch joins phones and presence.
func (a *App) newWatch() *watch.Watch {
	return watch.New(watch.Config{Server: "parley", Log: a.log}, watch.Ports{
		Layer: a.sip.Layer(), Location: a.location, Reach: a.sip.Reach, Ask: a.presence.Ask,
		Look: func(ctx context.Context, owner, by jid.JID) (watch.View, error) {
			v, err := a.presence.Look(ctx, owner, by)
			return watch.View(v), err
		},
		Exists: func(ctx context.Context, bare jid.JID) (bool, error) {
			if _, is := chatEntity(a.cfg)(bare); is {
				return true, nil
			}
			return a.hasAccount(ctx, bare)
		},
	})
}

// presenceChanged has phones told that see another presence now. Without a server there are none.
func (a *App) presenceChanged(accounts ...jid.JID) {
	if a.watch != nil {
		a.watch.Changed(accounts...)
	}
}

// events are what phones can subscribe to. The edge is made before them.
type events struct{ app *App }

// Allow, Serve and Subscribe implement sipedge.Events.
func (e events) Allow() string                    { return e.app.watch.Allow() }
func (e events) Serve(s *transaction.Server) bool { return e.app.watch.Serve(s) }
func (e events) Subscribe(ctx context.Context, c *core.Call, device string, s *transaction.Server) {
	e.app.watch.Subscribe(ctx, c, device, s)
}

// forgetWatch ends what phones of an account see, and what is seen of it. Without a server there is nothing.
func (a *App) forgetWatch(ctx context.Context, of core.Address) error {
	if a.watch == nil {
		return nil
	}
	return a.watch.Forget(ctx, of)
}
