package app

import (
	"context"

	"parley/internal/bridge/calls"
	"parley/sip"
	"parley/xmpp"
	"parley/xmpp/im"
)

// newCalls joins apps and everybody whom SIP reaches.
func (a *App) newCalls() *calls.Calls {
	return calls.New(calls.Config{
		T1: a.cfg.SIP.T1, T2: a.cfg.SIP.T2, Server: "parley", Log: a.log,
	}, calls.Ports{
		Apps: a.apps, Layer: a.sip.Layer(), Sessions: a.sessions, Plan: a.planner.Plan, Bindings: a.location.Bindings,
		Flow: func() sip.Flow { return a.sip.AgentFlow(calls.Agent) }, Serves: a.serves,
		Submit: func(ctx context.Context, s *im.Session, st *xmpp.Stanza) (im.Fate, error) {
			return a.chat.Submit(ctx, s, st)
		},
	})
}
