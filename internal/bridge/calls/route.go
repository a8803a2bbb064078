package calls

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"parley/internal/address"
	"parley/internal/core"
	"parley/sip"
	"parley/xmpp/jid"
)

// Agent is the name of the apps' user agent in a plan.
const Agent = "jingle"

// Router adds the callee's apps to a call, beside his most preferred devices. A device with two sides rings once: a call
// of SIP rings its SIP side, a call of an app its app, which has been proposed the call already.
type Router struct {
	Apps *Apps
	Ring time.Duration // how long apps ring alone
}

// Route implements core.Router.
func (r *Router) Route(_ context.Context, c *core.Call, p *core.Plan) error {
	if c.Method != string(sip.INVITE) {
		return nil
	}
	callee := address.JID(c.To)
	if c.From.Agent == Agent { // never back to where it comes from
		r.leaveOut(callee, p)
		return nil
	}
	if toService(p) {
		return nil
	}
	apps, open := r.Apps.That(callee, devices(p))
	if len(apps)+len(open) == 0 {
		return nil
	}
	p.Note("calls: %d app(s) of %s take calls, %d may", len(apps), c.To, len(open))
	if p.Empty() {
		p.Steps = []core.Step{{Ring: r.Ring}}
	}
	first := &p.Steps[0]
	first.Targets = append(first.Targets, target(c, apps, open))
	return nil
}

// target is all apps of the callee.
func target(c *core.Call, apps []App, open []*question) core.Target {
	var names []string
	t := core.Target{Agent: Agent, Form: core.WebRTC}
	add := func(resource string) { names = append(names, resource) }
	for _, a := range apps {
		add(a.JID().Resource)
		if !t.Binding.Source.IsValid() {
			t.Binding.Source = a.Info().Source
		}
	}
	for _, q := range open {
		add(q.session.JID().Resource)
		if !t.Binding.Source.IsValid() {
			t.Binding.Source = q.session.Info().Source
		}
	}
	t.Name = "xmpp:" + c.To.Local + "/" + strings.Join(names, "+")
	t.Binding.Contact = contact(c.To, c.From.Address)
	return t
}

// contact is a URI that tells the agent who calls whom: From may have been written in another way than the account's.
func contact(to, from core.Address) string {
	return uri(to) + ";caller=" + hex.EncodeToString([]byte(from.Local)) + "-" + hex.EncodeToString([]byte(from.Domain))
}

func uri(a core.Address) string { return "sip:" + address.ToSIPUser(a.Local) + "@" + a.Domain }

// parties reads a contact.
func parties(target string) (to, from core.Address, ok bool) {
	u, err := sip.ParseURI(target)
	if err != nil {
		return to, from, false
	}
	if to, err = address.FromSIP(u.User, u.Host); err != nil {
		return to, from, false
	}
	caller, _ := u.Params.Get("caller")
	local, domain, told := strings.Cut(caller, "-")
	if !told {
		return to, from, false
	}
	l, err := hex.DecodeString(local)
	if err != nil {
		return to, from, false
	}
	d, err := hex.DecodeString(domain)
	return to, core.Address{Local: string(l), Domain: string(d)}, err == nil
}

// strangeJID is the address of a caller who has no account here. One whose address can be no JID has that of nobody
// (RFC 3323).
func strangeJID(a core.Address) jid.JID {
	j, err := jid.New(a.Local, a.Domain, "")
	if err != nil || j.Local == "" {
		return jid.JID{Local: "anonymous", Domain: "anonymous.invalid"}
	}
	return j
}

// leaveOut takes those devices away whose app takes calls.
func (r *Router) leaveOut(callee jid.JID, p *core.Plan) {
	apps, _ := r.Apps.That(callee, nil)
	var ringing []string
	for _, a := range apps {
		if d := a.Info().Device; d != "" {
			ringing = append(ringing, d)
		}
	}
	for i := range p.Steps {
		p.Steps[i].Targets = slices.DeleteFunc(p.Steps[i].Targets, func(t core.Target) bool {
			return t.Binding.Device != "" && slices.Contains(ringing, t.Binding.Device)
		})
	}
	p.Steps = slices.DeleteFunc(p.Steps, func(s core.Step) bool { return len(s.Targets) == 0 })
}

func toService(p *core.Plan) bool {
	for _, s := range p.Steps {
		if slices.ContainsFunc(s.Targets, func(t core.Target) bool { return t.Agent != "" }) {
			return true
		}
	}
	return false
}

// devices are those that ring by SIP.
func devices(p *core.Plan) (ids []string) {
	for _, s := range p.Steps {
		for _, t := range s.Targets {
			if t.Binding.Device != "" {
				ids = append(ids, t.Binding.Device)
			}
		}
	}
	return ids
}
