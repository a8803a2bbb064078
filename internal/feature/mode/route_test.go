package mode

import (
	"net/netip"
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
	apps := []core.Step{{Targets: []core.Target{{Name: "apps", Agent: "jingle", Form: core.WebRTC}}}}
	fromApp := core.Call{Method: "INVITE", From: core.Caller{Agent: "jingle"}, Media: core.Media{Offered: true, Form: core.WebRTC, ICE: true}}
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
	later := fromApp
	later.From.Anchored = true
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
		{"a phone calls an app", Router{Anchor: BehindNAT}, from("UDP", core.PlainRTP), apps, core.BackToBack},
		{"a browser calls an app", Router{Anchor: BehindNAT}, from("WSS", core.WebRTC), apps, core.Proxied},
		{"a browser calls an app and everything is anchored", Router{Anchor: Always}, from("WSS", core.WebRTC), apps, core.BackToBack},
		{"an app calls a phone", Router{Anchor: BehindNAT}, fromApp, on("UDP"), core.BackToBack},
		{"an app calls a browser", Router{Anchor: BehindNAT}, fromApp, on("WSS"), core.Proxied},
		{"an app calls a browser, and will make its offer later", Router{Anchor: BehindNAT}, later, on("WSS"), core.BackToBack},
		{"an app calls echo", Router{Anchor: BehindNAT}, fromApp, echo, core.BackToBack},
		{"a browser calls echo", Router{Anchor: BehindNAT}, from("WSS", core.WebRTC), echo, core.BackToBack},
		{"a browser calls a phone and nothing but a proxy is wanted", Router{Force: &proxied}, from("WSS", core.WebRTC), on("UDP"), core.Proxied},
		{"a phone that encrypts calls another", Router{Anchor: BehindNAT}, from("TLS", core.SDES), on("UDP"), core.Proxied},
		{"a phone that encrypts calls echo", Router{Anchor: BehindNAT}, from("TLS", core.SDES), echo, core.BackToBack},
		{"a phone that may encrypt calls echo and nothing is anchored", Router{}, from("TLS", core.OpportunisticSRTP), echo, core.Proxied},
		{"a phone calls one over TLS", Router{Anchor: BehindNAT}, from("UDP", core.PlainRTP), on("TLS"), core.Proxied},
		{"a phone calls one over TLS, encrypted where it may be", Router{Anchor: BehindNAT, Encryption: Opportunistic},
			from("UDP", core.PlainRTP), on("TLS"), core.BackToBack},
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

func TestAnAppsOfferIsToCome(t *testing.T) {
	t.Parallel()
	plan := &core.Plan{Steps: []core.Step{{Targets: []core.Target{{Name: "browser", Binding: core.Binding{Network: "WSS"}}}}}}
	call := core.Call{Method: "INVITE", From: core.Caller{Agent: "jingle", Anchored: true}, Media: core.Media{Form: core.WebRTC}}
	err := (&Router{Anchor: Never}).Route(t.Context(), &call, plan)
	if e := core.AsError(err); err == nil || e.Reason != core.NotAcceptable || !strings.Contains(err.Error(), "calls.anchor") {
		t.Errorf("refused with %v, want what the operator can do", err)
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

func TestEncryption(t *testing.T) {
	t.Parallel()
	alice := core.Address{Local: "alice", Domain: "example.com"}
	at := func(last string) netip.AddrPort { return netip.MustParseAddrPort("192.0.2." + last + ":5060") }
	seen := &Seen{}
	for last, form := range map[string]string{"1": core.SDES, "2": core.OpportunisticSRTP, "3": core.PlainRTP} {
		call := core.Call{Method: "INVITE", From: core.Caller{Known: true, Address: alice, Source: at(last)}, Media: core.Media{Form: form}}
		if err := (&Router{Seen: seen}).Route(t.Context(), &call, &core.Plan{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		policy                    Encryption
		network, caller           string
		mandatory, can, not, over string // what phones get that have offered SDES, either, plain; and one unknown over TLS
	}{
		{AsOffered, "UDP", core.PlainRTP, core.SDES, "", "", ""},
		{AsOffered, "TLS", core.SDES, "", "", "", ""},
		{AsOffered, "TLS", core.OpportunisticSRTP, core.SDES, "", "", ""},
		{AsOffered, "WSS", core.WebRTC, core.SDES, core.OpportunisticSRTP, core.PlainRTP, core.OpportunisticSRTP},
		{Opportunistic, "UDP", core.PlainRTP, core.SDES, core.OpportunisticSRTP, "", core.OpportunisticSRTP},
		{Opportunistic, "TLS", core.SDES, "", core.OpportunisticSRTP, core.PlainRTP, core.OpportunisticSRTP},
		{Required, "TLS", core.OpportunisticSRTP, core.SDES, core.SDES, core.SDES, core.SDES},
		{Required, "TLS", core.SDES, "", "", "", ""},
		{Required, "WSS", core.WebRTC, core.SDES, core.SDES, core.SDES, core.SDES},
	} {
		var targets []core.Target
		for _, last := range []string{"1", "2", "3"} {
			targets = append(targets, core.Target{Name: last, Binding: core.Binding{Account: alice, Source: at(last), Network: "UDP"}})
		}
		targets = append(targets, core.Target{Name: "over TLS", Binding: core.Binding{Account: alice, Source: at("4"), Network: "TLS"}})
		plan := &core.Plan{Steps: []core.Step{{Targets: targets}}}
		call := core.Call{Method: "INVITE", From: core.Caller{Network: c.network}, Media: core.Media{Form: c.caller}}
		if err := (&Router{Anchor: BehindNAT, Encryption: c.policy, Seen: seen}).Route(t.Context(), &call, plan); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{c.mandatory, c.can, c.not, c.over} {
			if got := plan.Steps[0].Targets[i].Form; got != want {
				t.Errorf("policy %d, caller %q: phone %s gets %q, want %q", c.policy, c.caller, targets[i].Name, got, want)
			}
		}
	}
}

// TestFeedbackProfile offers a phone that has only ever offered RTP/SAVPF that profile.
func TestFeedbackProfile(t *testing.T) {
	t.Parallel()
	r := &Router{Anchor: BehindNAT, Seen: &Seen{}}
	alice, source := core.Address{Local: "alice", Domain: "example.com"}, netip.MustParseAddrPort("192.0.2.1:5060")
	call := core.Call{Method: "INVITE", From: core.Caller{Known: true, Address: alice, Source: source},
		Media: core.Media{Form: core.SDES, Profile: "RTP/SAVPF"}}
	if err := r.Route(t.Context(), &call, &core.Plan{}); err != nil {
		t.Fatal(err)
	}
	plan := &core.Plan{Steps: []core.Step{{Targets: []core.Target{{Binding: core.Binding{Account: alice, Source: source}}}}}}
	if err := r.Route(t.Context(), &core.Call{Method: "INVITE", Media: core.Media{Form: core.PlainRTP}}, plan); err != nil {
		t.Fatal(err)
	}
	if got := plan.Steps[0].Targets[0].Form; got != core.SDESFeedback {
		t.Errorf("it gets %q", got)
	}
}

func TestPlainIsRefused(t *testing.T) {
	t.Parallel()
	for form, router := range map[string]*Router{
		core.PlainRTP: {Anchor: BehindNAT, Encryption: Required}, core.OpportunisticSRTP: {Encryption: Required},
	} {
		plan := &core.Plan{Steps: []core.Step{{Targets: []core.Target{{Name: "phone", Binding: core.Binding{Network: "UDP"}}}}}}
		call := core.Call{Method: "INVITE", From: core.Caller{Network: "UDP"}, Media: core.Media{Form: form}}
		if err := router.Route(t.Context(), &call, plan); err == nil || core.AsError(err).Reason != core.NotAcceptable {
			t.Errorf("%s: %v", form, err)
		}
	}
}

func TestSeenIsBounded(t *testing.T) {
	t.Parallel()
	seen := &Seen{}
	for i := range 3 * maxSeen {
		seen.note(core.Address{}, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 16), 1}), uint16(i)), core.SDES)
	}
	if n := len(seen.newer) + len(seen.before); n > maxSeen {
		t.Errorf("%d phones are remembered", n)
	}
	if form := seen.form(core.Address{}, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte((3*maxSeen - 1) >> 16), 1}), uint16((3*maxSeen-1)&0xffff))); form != core.SDES {
		t.Errorf("the last is remembered as %q", form)
	}
}

func TestRareCodecs(t *testing.T) {
	t.Parallel()
	phone := []core.Step{{Targets: []core.Target{{Name: "phone", Binding: core.Binding{Network: "UDP"}}}}}
	for _, test := range []struct {
		router Router
		rare   bool
		want   core.Mode
	}{
		{Router{Anchor: BehindNAT, Transcode: true}, true, core.BackToBack},
		{Router{Anchor: BehindNAT, Transcode: true}, false, core.Proxied},
		{Router{Anchor: BehindNAT}, true, core.Proxied},
		{Router{Anchor: Never, Transcode: true}, true, core.Proxied},
	} {
		plan := &core.Plan{Steps: phone}
		call := core.Call{Method: "INVITE", Media: core.Media{Form: core.PlainRTP, Rare: test.rare}}
		if err := test.router.Route(t.Context(), &call, plan); err != nil || plan.Mode != test.want {
			t.Errorf("%+v, without G.711 %v: %s, %v; want %s", test.router, test.rare, plan.Mode, err, test.want)
		}
	}
}
