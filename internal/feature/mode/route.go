// Package mode chooses in which of the two ways a call runs, as the last in the order:
// proxied, or back-to-back with its media through this server.
package mode

import (
	"context"
	"errors"

	"parley/internal/core"
)

// Anchor says when media passes through the server.
type Anchor int

const (
	// Never: the phones always send media to each other.
	Never Anchor = iota
	// BehindNAT: when a side is behind a NAT and the offer has no ICE to get through it.
	BehindNAT
	// Always: every call.
	Always
)

// Router chooses the mode.
type Router struct {
	Anchor Anchor
	// Transcode: media may pass through the server for its codecs to be changed.
	Transcode bool
	// Force, if set, is the mode of every call between devices.
	Force *core.Mode
	// Encryption is the policy for legs of different forms.
	Encryption Encryption
	// Seen, if not nil, remembers what phones offer.
	Seen *Seen
}

// Route sets the plan's mode, and the form of media that each target gets offered. A service inside the process answers
// for itself, with media of its own: a call to it is proxied if it understands the offer.
func (r *Router) Route(_ context.Context, c *core.Call, p *core.Plan) error {
	p.Mode, p.Why = core.Proxied, "both ends can talk directly"
	if r.Seen != nil && c.From.Known && c.Method == "INVITE" && c.Media.Form != "" {
		form := c.Media.Form
		if form == core.SDES && c.Media.Profile == core.SDESFeedback {
			form = core.SDESFeedback
		}
		r.Seen.note(c.From.Address, c.From.Source, form)
	}
	bridge := r.choose(c, p)
	switch {
	case c.Method != "INVITE":
		p.Why = "only calls have media"
	case r.Encryption == Required && bridge.caller == core.PlainRTP:
		return core.Fail(core.NotAcceptable, "media has to be encrypted", errors.New(
			`mode: the caller speaks plain RTP, but calls.encryption is "required"`))
	case c.From.Anchored && (r.Anchor == Never || r.proxiedOnly()):
		return core.Fail(core.NotAcceptable, "no form of media in common", errors.New(
			`mode: the media of a call that an app proposes passes through the server, but calls.anchor is "never"`))
	case bridge.needed() && (!r.proxiedOnly() || r.Encryption == Required):
		if err := r.bridge(bridge, p); err != nil {
			return err
		}
	case c.From.Anchored:
		p.Mode, p.Why = core.BackToBack, "the caller's own offer is still to come"
	case toAgent(p):
		p.Why = "a service answers with media of its own"
	case r.Force != nil:
		p.Mode, p.Why = *r.Force, "the configuration says so"
	case r.Anchor == Always:
		p.Mode, p.Why = core.BackToBack, "all media is anchored"
	case r.Anchor == BehindNAT && !c.Media.ICE && nated(c, p):
		p.Mode, p.Why = core.BackToBack, "a side is behind a NAT and the offer has no ICE"
	case r.Anchor == BehindNAT && r.Transcode && c.Media.Rare:
		p.Mode, p.Why = core.BackToBack, "the offer lacks the codec that every telephone has"
	}
	p.Note("mode: %s: %s", p.Mode, p.Why)
	return nil
}

func (r *Router) proxiedOnly() bool { return r.Force != nil && *r.Force == core.Proxied }

// bridge has media pass through the server so that ends of different forms hear each other, unless it never may.
func (r *Router) bridge(f forms, p *core.Plan) error {
	if r.Anchor != Never && !r.proxiedOnly() {
		p.Mode, p.Why = core.BackToBack, f.why()
		return nil
	}
	if f.alike == 0 || r.Encryption == Required {
		return core.Fail(core.NotAcceptable, "no form of media in common", errors.New(
			"mode: "+f.why()+`, but calls.anchor is "never"; with "nat" such a call is bridged`))
	}
	p.Why = f.why() + `, but calls.anchor is "never": those of the caller's form alone can answer`
	return nil
}

// toAgent says that a service is called. An agent that speaks WebRTC is none: it stands for an app.
func toAgent(p *core.Plan) bool {
	for _, s := range p.Steps {
		for _, t := range s.Targets {
			if t.Agent != "" && t.Form != core.WebRTC {
				return true
			}
		}
	}
	return false
}

func nated(c *core.Call, p *core.Plan) bool {
	if c.From.NATed {
		return true
	}
	for _, s := range p.Steps {
		for _, t := range s.Targets {
			if t.Binding.NATed {
				return true
			}
		}
	}
	return false
}
