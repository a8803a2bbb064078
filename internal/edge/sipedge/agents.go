package sipedge

import (
	"parley/internal/core"
	"parley/sip"
	"parley/sip/transport"
)

// agents are the user agents inside the process, each behind a pair of memory flows. They are
// added before the edge listens and don't change afterwards.
type agents struct {
	byEnd  map[string]Agent    // by the ID of the agent's end
	byName map[string]sip.Flow // our end, by name
	byID   map[string]sip.Flow // our end, by its ID
	ends   map[string]sip.Flow // the agent's end, by name
	behind map[string]Agent    // by the ID of our end
}

// AddAgent makes an agent reachable as a plan's Target.Agent. Call it before listening.
func (e *Edge) AddAgent(name string, a Agent) {
	g := &e.agents
	if g.byEnd == nil {
		g.byEnd, g.byName, g.byID = map[string]Agent{}, map[string]sip.Flow{}, map[string]sip.Flow{}
		g.ends, g.behind = map[string]sip.Flow{}, map[string]Agent{}
	}
	ours, theirs := transport.Pipe("to-"+name, name, e.layer.Receive, e.layer.Receive)
	g.byEnd[theirs.ID()] = a
	g.byName[name], g.byID[ours.ID()] = ours, ours
	g.ends[name], g.behind[ours.ID()] = theirs, a
}

// AgentFlow is the flow by which an agent that was added sends requests of its own.
func (e *Edge) AgentFlow(name string) sip.Flow { return e.agents.ends[name] }

// caller asks the agent that a request came from who it is from; ok is false for one that came from elsewhere. Nothing that
// came by a socket has a flow of an agent.
func (g *agents) caller(f sip.Flow, req *sip.Message) (c core.Caller, ok bool, err error) {
	if f.Network() != sip.Memory {
		return c, false, nil
	}
	a, ok := g.behind[f.ID()].(Caller)
	if !ok {
		return c, false, nil
	}
	c, err = a.Caller(req)
	return c, true, err
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
