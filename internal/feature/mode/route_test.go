package mode

import (
	"testing"

	"parley/internal/core"
)

func TestModeOfACall(t *testing.T) {
	t.Parallel()
	forced := core.BackToBack
	device := func(nated bool) []core.Step {
		return []core.Step{{Targets: []core.Target{{Name: "sip:bob", Binding: core.Binding{NATed: nated}}}}}
	}
	echo := []core.Step{{Targets: []core.Target{{Name: "echo", Agent: "echo"}}}}
	for _, c := range []struct {
		name   string
		router Router
		call   core.Call
		steps  []core.Step
		want   core.Mode
	}{
		{"two phones on one network", Router{Anchor: BehindNAT}, core.Call{Method: "INVITE"}, device(false), core.Proxied},
		{"the callee is behind a NAT", Router{Anchor: BehindNAT}, core.Call{Method: "INVITE"}, device(true), core.BackToBack},
		{"the caller is behind a NAT", Router{Anchor: BehindNAT},
			core.Call{Method: "INVITE", From: core.Caller{NATed: true}}, device(false), core.BackToBack},
		{"ICE finds its way", Router{Anchor: BehindNAT},
			core.Call{Method: "INVITE", Media: core.Media{ICE: true}}, device(true), core.Proxied},
		{"a message has no media", Router{Anchor: Always}, core.Call{Method: "MESSAGE"}, device(true), core.Proxied},
		{"everything is anchored", Router{Anchor: Always}, core.Call{Method: "INVITE"}, device(false), core.BackToBack},
		{"nothing is anchored", Router{}, core.Call{Method: "INVITE"}, device(true), core.Proxied},
		{"the configuration says so", Router{Force: &forced}, core.Call{Method: "INVITE"}, device(false), core.BackToBack},
		{"echo answers for itself", Router{Force: &forced, Anchor: Always}, core.Call{Method: "INVITE"}, echo, core.Proxied},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			plan := &core.Plan{Steps: c.steps}
			if err := c.router.Route(t.Context(), &c.call, plan); err != nil || plan.Mode != c.want || plan.Why == "" {
				t.Errorf("got %s (%q), %v; want %s", plan.Mode, plan.Why, err, c.want)
			}
		})
	}
}
