package talk

import "parley/xmpp"

// showing is how somebody shows oneself, and the text with it.
const showing = `(away|chat|dnd|xa)(?: saying "(.*)")?`

func beingThere() []sentence {
	return []sentence{
		does(`becomes available(?: with priority (-?[0-9]+))?`, func(_ *play, a *app, m []string) { a.become(child("priority", m[1])) }),
		does(`shows itself `+showing, func(_ *play, a *app, m []string) { a.become(child("show", m[1]) + child("status", m[2])) }),
		does(`becomes unavailable`, func(_ *play, a *app, _ []string) { a.say("unavailable", "") }),
		does(`shows itself to (.+)`, func(p *play, a *app, m []string) { a.say("", p.exactly(m[1])) }),
		does(`hides itself from (.+)`, func(p *play, a *app, m []string) { a.say("unavailable", p.exactly(m[1])) }),
		does(`sees (.+) available`, func(p *play, a *app, m []string) { a.sees(p.exactly(m[1]), "") }),
		does(`sees (.+?) `+showing, func(p *play, a *app, m []string) {
			a.sees(p.exactly(m[1]), child("show", m[2])+child("status", m[3]))
		}),
		does(`sees (.+) gone`, func(p *play, a *app, m []string) { a.hears("unavailable", p.exactly(m[1])) }),
	}
}

// child is an element with a text, nothing if that is empty.
func child(name, text string) string {
	if text == "" {
		return ""
	}
	return xmpp.NewBuilder(nil).Element(name, "", text).String()
}

// become makes the app available, which it is told itself as well (rfc6121#4.2.2).
func (a *app) become(how string) {
	a.Send(stanza("presence", "", "").Raw(how).Close().String())
	a.sees(a.full(), how)
}

func (a *app) sees(from, how string) {
	a.Await("<presence" + attrs("from", from, "type", "!") + ">" + how + "</presence>")
}
