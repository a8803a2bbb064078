package mode

import "parley/internal/core"

// forms is what the forms of media of a call's ends have to do with each other.
type forms struct {
	browser bool   // the caller speaks WebRTC
	other   string // the first target that doesn't understand the caller
	alike   int    // targets that do
}

func (f forms) needed() bool { return f.other != "" }

func (f forms) why() string {
	if f.browser {
		return "the caller speaks WebRTC and " + f.other + " plain RTP, which has to be bridged"
	}
	return "the caller speaks plain RTP and " + f.other + " WebRTC, which has to be bridged"
}

// choose writes into the plan which form each target gets offered, if it does not say so already. What registers over a
// WebSocket is a browser, and speaks WebRTC. Of any other device it is known only that it understands plain RTP: that is what it
// gets from a browser, while another phone's offer stays as it is, encrypted or not.
func choose(c *core.Call, p *core.Plan) forms {
	f := forms{browser: c.Media.Form == core.WebRTC || c.Media.Form == "" && c.From.Browser()}
	for i := range p.Steps {
		for j := range p.Steps[i].Targets {
			t := &p.Steps[i].Targets[j]
			switch {
			case t.Form != "":
			case t.Agent == "" && core.Browser(t.Binding.Network):
				t.Form = core.WebRTC
			case t.Agent != "", f.browser && c.From.Browser():
				t.Form = core.PlainRTP
			}
			if t.Form == "" || (t.Form == core.WebRTC) == f.browser {
				f.alike++
			} else if f.other == "" {
				f.other = t.Name
			}
		}
	}
	return f
}
