package mode

import (
	"strings"
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
	on := func(networks ...string) []core.Step {
		var targets []core.Target
		for _, n := range networks {
			targets = append(targets, core.Target{Name: "sip:bob over " + n, Binding: core.Binding{Network: n}})
		}
		return []core.Step{{Targets: targets}}
	}
	from := func(network, form string) core.Call {
		return core.Call{Method: "INVITE", From: core.Caller{Network: network},
			Media: core.Media{Offered: form != "", Form: form, ICE: form == core.WebRTC}}
	}
	proxied := core.Proxied
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
		{"a browser calls a browser", Router{Anchor: BehindNAT}, from("WSS", core.WebRTC), on("WSS"), core.Proxied},
		{"a browser calls a phone", Router{Anchor: BehindNAT}, from("WSS", core.WebRTC), on("UDP"), core.BackToBack},
		{"a browser calls a phone and a browser", Router{Anchor: BehindNAT}, from("WSS", core.WebRTC), on("WSS", "UDP"), core.BackToBack},
		{"a browser calls a phone without an offer", Router{Anchor: BehindNAT}, from("WSS", ""), on("UDP"), core.BackToBack},
		{"a phone calls a browser", Router{Anchor: BehindNAT}, from("UDP", core.PlainRTP), on("WSS"), core.BackToBack},
		{"a phone that speaks WebRTC calls a browser", Router{Anchor: BehindNAT}, from("TLS", core.WebRTC), on("WSS"), core.Proxied},
		{"a phone that speaks WebRTC calls another phone", Router{Anchor: BehindNAT}, from("TLS", core.WebRTC), on("TLS"), core.Proxied},
		{"a browser calls echo", Router{Anchor: BehindNAT}, from("WSS", core.WebRTC), echo, core.BackToBack},
		{"a browser calls a phone and nothing but a proxy is wanted", Router{Force: &proxied}, from("WSS", core.WebRTC), on("UDP"), core.Proxied},
		{"one of two understands the caller and nothing is anchored", Router{}, from("WSS", core.WebRTC), on("WSS", "UDP"), core.Proxied},
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

func TestForms(t *testing.T) {
	t.Parallel()
	plan := &core.Plan{Steps: []core.Step{{Targets: []core.Target{
		{Name: "phone", Binding: core.Binding{Network: "UDP"}}, {Name: "browser", Binding: core.Binding{Network: "WSS"}},
	}}}}
	call := core.Call{Method: "INVITE", From: core.Caller{Network: "WSS"}, Media: core.Media{Form: core.WebRTC}}
	if err := (&Router{Anchor: BehindNAT}).Route(t.Context(), &call, plan); err != nil {
		t.Fatal(err)
	}
	targets := plan.Steps[0].Targets
	if targets[0].Form != core.PlainRTP || targets[1].Form != core.WebRTC {
		t.Errorf("the phone gets %q and the browser %q", targets[0].Form, targets[1].Form)
	}
	if want := "the caller speaks WebRTC and phone plain RTP, which has to be bridged"; plan.Why != want {
		t.Errorf("the plan says %q, want %q", plan.Why, want)
	}
}

func TestNothingInCommon(t *testing.T) {
	t.Parallel()
	plan := &core.Plan{Steps: []core.Step{{Targets: []core.Target{{Name: "phone", Binding: core.Binding{Network: "UDP"}}}}}}
	call := core.Call{Method: "INVITE", From: core.Caller{Network: "WSS"}, Media: core.Media{Form: core.WebRTC}}
	err := (&Router{Anchor: Never}).Route(t.Context(), &call, plan)
	if e := core.AsError(err); err == nil || e.Reason != core.NotAcceptable || !strings.Contains(err.Error(), "calls.anchor") {
		t.Errorf("refused with %v, want what the operator can do", err)
	}
}
