package sipedge

import (
	"errors"
	"testing"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/siptest"
	"parley/sip/transaction"
)

// operator is an agent that calls for alice by one Call-ID.
type operator struct {
	hello
	callID string
}

func (o operator) Caller(invite *sip.Message) (core.Caller, error) {
	if invite.CallID() != o.callID {
		return core.Caller{}, core.Fail(core.Forbidden, "nobody calls by this", errors.New("another call"))
	}
	return core.Caller{Address: core.Address{Local: "alice", Domain: "example.org"}, Known: true, Agent: "operator"}, nil
}

// statuses notes the final status of each request.
type statuses chan int

func (s statuses) Response(_ *transaction.Client, resp *sip.Message) {
	if resp.Status() >= 200 {
		s <- resp.Status()
	}
}
func (statuses) Ended(*transaction.Client, error) {}

// TestAnAgentCallsForOthers has an agent call in the name of somebody whom it has proved, and nobody else do so.
func TestAnAgentCallsForOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edge.AddAgent("operator", operator{callID: "good"})
	bob := w.phone("bob")
	got := make(statuses, 4)
	call := func(agent, callID string) {
		f := w.edge.AgentFlow(agent)
		invite := siptest.Invite("alice@example.org", "bob@example.org", siptest.With(sip.HeaderCallID, callID),
			siptest.With(sip.HeaderVia, dialog.Via(f)))
		w.edge.Layer().Request(f, invite, got)
	}
	call("operator", "good")
	invite := bob.Expect("INVITE")
	if from, err := invite.From(); err != nil || from.URI.User != "alice" {
		t.Errorf("it is from %v, %v", from, err)
	}
	bob.Respond(invite, 486)
	bob.Expect("ACK")
	if status := <-got; status != 486 {
		t.Errorf("the agent is told %d", status)
	}
	call("operator", "bad")
	if status := <-got; status != 403 {
		t.Errorf("a call of nobody's gets %d", status)
	}
	call("echo", "good") // which proves nobody
	if status := <-got; status != 407 {
		t.Errorf("a call of an agent that proves nobody gets %d", status)
	}
	stranger := siptest.UDP(t, "alice@example.org", w.addr)
	stranger.Invite("bob@example.org", siptest.With(sip.HeaderCallID, "good"))
	stranger.Expect("407")
	if w.edge.AgentFlow("nobody") != nil {
		t.Error("an agent that there is not has a flow")
	}
}
