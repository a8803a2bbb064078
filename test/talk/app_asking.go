package talk

// asking has the sentences about what an app asks the server, an account or another app.
func asking() []sentence {
	return []sentence{
		does(`asks (.+) what it can`, func(p *play, a *app, m []string) { a.asks(p, m[1], "<query xmlns='"+nsInfo+"'/>") }),
		does(`asks (.+) for a (\S+) of (\S+)`, func(p *play, a *app, m []string) {
			a.asks(p, m[1], "<"+m[2]+attrs("xmlns", m[3])+"/>")
		}),
		does(`asks for the relay`, func(p *play, a *app, _ []string) { a.asks(p, "the server", "<services"+attrs("xmlns", nsRelay)+"/>") }),
		does(`learns of (stun|turn|turns) over (udp|tcp)`, func(p *play, a *app, m []string) {
			a.finds(p, "<service"+attrs("type", m[1], "transport", m[2])+"/>")
		}),
		does(`sends (.+) a question`, func(p *play, a *app, m []string) {
			a.Send(stanza("iq", p.exactly(m[1]), "get").Attr("id", "question").Raw(ping).Close().String())
		}),
		does(`is sent a question by (.+) and answers`, func(p *play, a *app, m []string) {
			r := a.Await("<iq" + attrs("type", "get", "from", p.exactly(m[1])) + "><ping/></iq>")
			a.Send(stanza("iq", r.Attr("from"), "result").Attr("id", r.Attr("id")).Close().String())
		}),
		does(`is answered by (.+)`, func(p *play, a *app, m []string) {
			a.Await("<iq" + attrs("type", "result", "id", "question", "from", p.exactly(m[1])) + "/>")
		}),
		does(`is told (\S+) in answer`, func(p *play, a *app, m []string) {
			a.Await("<iq type='error'><error><" + m[1] + "/></error></iq>")
		}),
		does(`learns that it is an? (\S+)/(\S+)`, func(p *play, a *app, m []string) {
			a.finds(p, "<identity"+attrs("category", m[1], "type", m[2])+"/>")
		}),
		does(`learns that it can (\S+)`, func(p *play, a *app, m []string) { a.finds(p, "<feature"+attrs("var", m[1])+"/>") }),
	}
}

const nsRelay = "urn:xmpp:extdisco:2"

const nsInfo = "http://jabber.org/protocol/disco#info"

// asks asks the server, or an account; what it is told is looked at next.
func (a *app) asks(p *play, whom, payload string) {
	to := "example.org"
	if whom != "the server" {
		to = p.account(whom)
	}
	a.Send(stanza("iq", to, "get").Attr("id", "asked").Raw(payload).Close().String())
	a.listed = nil
	r := a.Await("<iq" + attrs("id", "asked", "from", to) + "/>")
	if a.refused = r.Condition(); a.refused == "" && len(r.Children) > 0 {
		a.listed = r.Children[0].Children
	}
}
