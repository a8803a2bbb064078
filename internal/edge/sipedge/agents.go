package sipedge

import (
	"parley/sip"
	"parley/sip/transport"
)

// agents are the user agents inside the process, each behind a pair of memory flows. They are
// added before the edge listens and don't change afterwards.
type agents struct {
	byEnd  map[string]Agent    // by the ID of the agent's end
	byName map[string]sip.Flow // our end, by name
	byID   map[string]sip.Flow // our end, by its ID
}

// AddAgent makes an agent reachable as a plan's Target.Agent. Call it before listening.
func (e *Edge) AddAgent(name string, a Agent) {
	g := &e.agents
	if g.byEnd == nil {
		g.byEnd, g.byName, g.byID = map[string]Agent{}, map[string]sip.Flow{}, map[string]sip.Flow{}
	}
	ours, theirs := transport.Pipe("to-"+name, name, e.layer.Receive, e.layer.Receive)
	g.byEnd[theirs.ID()] = a
	g.byName[name], g.byID[ours.ID()] = ours, ours
}

// at gives the agent whose end f is.
func (g *agents) at(f sip.Flow) (Agent, bool) {
	if f.Network() != sip.Memory {
		return nil, false
	}
	a, ok := g.byEnd[f.ID()]
	return a, ok
}

func (g *agents) flow(id string) (sip.Flow, bool) {
	f, ok := g.byID[id]
	return f, ok
}
