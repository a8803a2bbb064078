package talk

import "strings"

// operating has the sentences of whoever runs the server.
func operating() []sentence {
	return []sentence{
		{whole(`the operator deletes (.+)`), func(p *play, _ Actor, m []string) {
			p.server.MustRun(p, "user", "delete", p.account(m[1]))
		}},
		{whole(`the operator makes (.+) an account with password (\S+)`), func(p *play, _ Actor, m []string) {
			p.server.MustRun(p, "user", "add", p.account(m[1]), "--password", m[2])
		}},
		{whole(`the operator signs (.+) out`), func(p *play, _ Actor, m []string) {
			b, ok := p.actors[m[1]].(*browser)
			if !ok {
				p.Fatalf("%s is no browser", m[1])
			}
			p.server.MustRun(p, "device", "revoke", p.account(m[1]), b.id)
		}},
		{whole(`the operator looks at the devices of (.+)`), func(p *play, _ Actor, m []string) {
			p.shown = p.server.MustRun(p, "device", "list", p.account(m[1]))
		}},
		{whole(`the operator looks at (.+)`), func(p *play, _ Actor, m []string) {
			p.shown = p.server.MustRun(p, "user", "show", p.account(m[1]))
		}},
		{whole(`the operator asks how (.+) would call (.+)`), func(p *play, _ Actor, m []string) {
			p.shown = p.server.MustRun(p, "route", "explain", p.account(m[1]), p.account(m[2]))
		}},
		{whole(`the operator is shown: (.+)`), func(p *play, _ Actor, m []string) {
			for line := range strings.Lines(p.shown) {
				if like(m[1], strings.Join(strings.Fields(line), " ")) {
					return
				}
			}
			p.Fatalf("he is shown:\n%s", p.shown)
		}},
	}
}
