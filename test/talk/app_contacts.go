package talk

import (
	"fmt"

	"parley/xmpp"
	"parley/xmpp/xmpptest"
)

const nsRoster = "jabber:iq:roster"

// subscription is how a sentence describes a contact's state (rfc6121#2.1.2).
const subscription = `with subscription (none|to|from|both)(, asked)?(, agreed in advance)?`

func befriending() []sentence {
	return []sentence{
		does(`asks (.+) to be a contact`, func(p *play, a *app, m []string) { a.say("subscribe", p.account(m[1])) }),
		does(`is asked by (.+)`, func(p *play, a *app, m []string) {
			a.asker = p.account(m[1])
			a.hears("subscribe", a.asker)
		}),
		does(`agrees`, func(_ *play, a *app, _ []string) { a.say("subscribed", a.asker) }),
		does(`refuses`, func(_ *play, a *app, _ []string) { a.say("unsubscribed", a.asker) }),
		does(`agrees in advance to (.+)`, func(p *play, a *app, m []string) { a.say("subscribed", p.account(m[1])) }),
		does(`lets (.+) see it no longer`, func(p *play, a *app, m []string) { a.say("unsubscribed", p.account(m[1])) }),
		does(`looks at (.+) no longer`, func(p *play, a *app, m []string) { a.say("unsubscribe", p.account(m[1])) }),
		does(`is told that (.+) (agrees|refuses|looks no longer)`, func(p *play, a *app, m []string) {
			a.hears(map[string]string{"agrees": "subscribed", "refuses": "unsubscribed", "looks no longer": "unsubscribe"}[m[2]], p.account(m[1]))
		}),
		does(`adds (.+?)(?: as "(.*)")? to its contacts`, func(p *play, a *app, m []string) {
			a.Set("", contact(attrs("jid", p.account(m[1]), "name", m[2])))
		}),
		does(`removes (.+) from its contacts`, func(p *play, a *app, m []string) {
			a.Set("", contact(attrs("jid", p.account(m[1]), "subscription", "remove")))
		}),
		does(`learns that (.+) is a contact `+subscription, func(p *play, a *app, m []string) {
			a.pushed(contact(state(p.account(m[1]), m[2:])))
		}),
		does(`learns that (.+) is named "(.*)"`, func(p *play, a *app, m []string) {
			a.pushed(contact(attrs("jid", p.account(m[1]), "name", m[2])))
		}),
		does(`learns that (.+) is no contact any more`, func(p *play, a *app, m []string) {
			a.pushed(contact(attrs("jid", p.account(m[1]), "subscription", "remove")))
		}),
		does(`asks for its contacts`, func(_ *play, a *app, _ []string) {
			a.listed = a.list("<query xmlns='" + nsRoster + "'/>")
		}),
		does(`finds (.+) among them `+subscription, func(p *play, a *app, m []string) {
			a.finds(p, "<item"+state(p.account(m[1]), m[2:])+"/>")
		}),
		does(`finds (.+) among them`, func(p *play, a *app, m []string) { a.finds(p, "<item"+attrs("jid", p.account(m[1]))+"/>") }),
		does(`finds nobody`, func(p *play, a *app, _ []string) {
			if len(a.listed) > 0 {
				p.Fatalf("it finds %d: %v", len(a.listed), a.listed[0].Attrs)
			}
		}),
	}
}

func contact(attributes string) string {
	return fmt.Sprintf("<query xmlns='%s'><item%s/></query>", nsRoster, attributes)
}

// state is the attributes of a contact in the state that a sentence describes; ! stands for none.
func state(address string, m []string) string {
	ask, approved := "!", "!"
	if m[1] != "" {
		ask = "subscribe"
	}
	if m[2] != "" {
		approved = "true"
	}
	return attrs("jid", address, "subscription", m[0], "ask", ask, "approved", approved)
}

// say sends a presence of a type.
func (a *app) say(kind, to string) { a.Send(stanza("presence", to, kind).Close().String()) }

// hears waits for a presence of a type.
func (a *app) hears(kind, from string) {
	a.Await("<presence" + attrs("type", kind, "from", from) + "/>")
}

// pushed waits for a change that the server tells of, and confirms it (rfc6121#2.1.6).
func (a *app) pushed(payload string) {
	push := a.Await("<iq type='set'>" + payload + "</iq>")
	a.Send(xmpp.NewBuilder(nil).Open("iq", xmpp.NSClient).Attr("type", "result").Attr("id", push.Attr("id")).Close().String())
}

func (a *app) finds(p *play, pattern string) {
	want, err := xmpp.ParseElement(pattern)
	if err != nil {
		p.Fatalf("%s: %v", pattern, err)
	}
	for _, e := range a.listed {
		if xmpptest.Fits(e, want) {
			return
		}
	}
	p.Fatalf("among %d there is none", len(a.listed))
}
