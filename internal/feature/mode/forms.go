package mode

import "parley/internal/core"

// Encryption says what becomes of media that one end wants encrypted and the other doesn't.
type Encryption int

// The policies; the anchor of media holds the calls to them.
const (
	// AsOffered: who offers RTP/SAVP gets no other leg in plain RTP.
	AsOffered Encryption = iota
	// Opportunistic: each leg is encrypted if its end can do it.
	Opportunistic
	// Required: no leg is in plain RTP.
	Required
)

// forms is what the forms of media of a call's ends have to do with each other.
type forms struct {
	caller string // its form
	other  string // the first target that doesn't understand the caller, or shall not get what it offers
	form   string // that target's
	alike  int    // targets that do
}

func (f forms) needed() bool { return f.other != "" }

func (f forms) why() string {
	return "the caller speaks " + spoken(f.caller) + " and " + f.other + " " + spoken(f.form) + ", which has to be bridged"
}

// spoken is a form in words.
func spoken(form string) string {
	switch form {
	case core.WebRTC:
		return "WebRTC"
	case core.SDES, core.SDESFeedback:
		return "SDES"
	case core.OpportunisticSRTP:
		return "SDES or plain RTP"
	}
	return "plain RTP"
}

// choose writes into the plan which form each target gets offered, and which the caller is taken to understand.
func (r *Router) choose(c *core.Call, p *core.Plan) forms {
	f := forms{caller: r.caller(c)}
	p.Form = f.caller
	for i := range p.Steps {
		for j := range p.Steps[i].Targets {
			t := &p.Steps[i].Targets[j]
			t.Form = r.target(c, f.caller, t)
			if t.Form == "" || t.Form == f.caller || !clash(f.caller, t.Form) {
				f.alike++
			}
			if t.Form != "" && t.Form != f.caller && f.other == "" {
				f.other, f.form = t.Name, t.Form
			}
		}
	}
	return f
}

// clash says that a target can make nothing of the caller's offer as it is.
func clash(caller, target string) bool {
	return (caller == core.WebRTC) != (target == core.WebRTC) || caller == core.SDES && target == core.PlainRTP
}

// caller is the form of the caller: that of its offer or, without one, what it can be expected to understand.
func (r *Router) caller(c *core.Call) string {
	switch {
	case c.Media.Form != "":
		return c.Media.Form
	case c.From.Browser():
		return core.WebRTC
	case r.Encryption == Required:
		return core.SDES
	}
	return core.PlainRTP
}

// target is the form that a target gets offered; "" for the caller's offer as it is. What registers over a WebSocket is a
// browser, and speaks WebRTC. Of any other device is known what it has offered in calls of its own, else only that it
// understands plain RTP, and that over TLS keys are safe in its descriptions. Another phone's offer stays as it is, unless
// it is known to be of no use or the policy asks for more.
func (r *Router) target(c *core.Call, caller string, t *core.Target) string {
	b := &t.Binding
	switch {
	case t.Form != "": // its router knows
		return t.Form
	case t.Agent != "":
		return core.PlainRTP
	case core.Browser(b.Network):
		return core.WebRTC
	}
	seen, sdes := r.seen(b), core.SDES
	if seen == core.SDESFeedback {
		seen, sdes = core.SDES, core.SDESFeedback
	}
	able := seen == core.SDES || seen == core.OpportunisticSRTP || seen == "" && b.Network == "TLS"
	switch {
	case caller == core.WebRTC && !c.From.Browser():
		return "" // a phone that speaks it itself, to another that may
	case caller == core.WebRTC && r.Encryption == Required, caller != core.SDES && seen == core.SDES:
		return sdes
	case r.Encryption == Required && caller != core.SDES:
		return sdes
	case caller == core.WebRTC && able:
		return core.OpportunisticSRTP
	case caller == core.WebRTC:
		return core.PlainRTP
	case r.Encryption == Opportunistic && caller == core.SDES && seen == core.PlainRTP:
		return core.PlainRTP
	case r.Encryption == Opportunistic && caller == core.PlainRTP && able,
		r.Encryption == Opportunistic && caller == core.SDES && seen != core.SDES:
		return core.OpportunisticSRTP
	}
	return ""
}

func (r *Router) seen(b *core.Binding) string {
	if r.Seen == nil {
		return ""
	}
	return r.Seen.form(b.Account, b.Source)
}
