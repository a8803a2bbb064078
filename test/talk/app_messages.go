package talk

import (
	"strconv"

	"parley/xmpp"
	"parley/xmpp/xmpptest"
)

const (
	nsCarbons = "urn:xmpp:carbons:2"
	nsDelay   = "urn:xmpp:delay"
	nsArchive = "urn:xmpp:mam:2"
	nsBlock   = "urn:xmpp:blocking"
)

func chatting() []sentence {
	return []sentence{
		does(`writes "(.*)" to (.+?)( alone)?`, func(p *play, a *app, m []string) {
			to := p.account(m[2])
			if m[3] != "" {
				to = p.exactly(m[2])
			}
			a.Send(stanza("message", to, "chat").Raw(child("body", m[1])).Close().String())
		}),
		does(`reads "(.*)" from (.+?)(, written earlier)?`, func(p *play, a *app, m []string) {
			delay := ""
			if m[3] != "" {
				delay = "<delay xmlns='" + nsDelay + "' stamp='*'/>"
			}
			r := a.Await("<message" + attrs("type", "chat", "from", p.exactly(m[2])) + ">" + child("body", m[1]) + delay + "</message>")
			if delay == "" && r.Child(nsDelay, "delay") != nil {
				p.Fatalf("it was written earlier: %s", r.Raw)
			}
		}),
		does(`is told (\S+) by (.+)`, func(p *play, a *app, m []string) {
			a.Await("<message"+attrs("type", "error", "from", p.account(m[2]))+"><error><"+m[1]+"/></error></message>",
				"<presence"+attrs("type", "error", "from", p.account(m[2]))+"><error><"+m[1]+"/></error></presence>")
		}),
		does(`enables carbons`, func(_ *play, a *app, _ []string) { a.Set("", "<enable xmlns='"+nsCarbons+"'/>") }),
		does(`sees "(.*)" to (.+) written elsewhere`, func(p *play, a *app, m []string) {
			a.Await(carbon("sent", attrs("to", p.account(m[2])), m[1]))
		}),
		does(`sees "(.*)" from (.+) read elsewhere`, func(p *play, a *app, m []string) {
			a.Await(carbon("received", attrs("from", p.exactly(m[2])), m[1]))
		}),
	}
}

func carbon(direction, attributes, text string) string {
	return "<message><" + direction + " xmlns='" + nsCarbons + "'>" + forwarded(attributes, text) + "</" + direction + "></message>"
}

func forwarded(attributes, text string) string {
	return "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='" + xmpp.NSClient + "'" + attributes + ">" + child("body", text) +
		"</message></forwarded>"
}

// page is what an app knows of the part of its archive that it got last.
type page struct {
	with, size, last string
	all              bool
}

func remembering() []sentence {
	return []sentence{
		does(`asks its archive(?: about (.+?))?(?:, ([0-9]+) at a time)?`, func(p *play, a *app, m []string) {
			a.page = page{size: m[2]}
			if m[1] != "" {
				a.page.with = p.account(m[1])
			}
			a.turn(p)
		}),
		does(`asks for the next page`, func(p *play, a *app, _ []string) { a.turn(p) }),
		does(`finds "(.*)" from (.+) in it`, func(p *play, a *app, m []string) { a.archived(attrs("from", p.exactly(m[2])), m[1]) }),
		does(`finds "(.*)" to (.+) in it`, func(p *play, a *app, m []string) { a.archived(attrs("to", p.account(m[2])), m[1]) }),
		does(`is told that this is (all|not all)`, func(p *play, a *app, m []string) {
			if a.page.all != (m[1] == "all") {
				p.Fatalf("it is told the opposite")
			}
		}),
	}
}

// turn gets the next page of the archive (xep0313#query-paging).
func (a *app) turn(p *play) {
	b := xmpp.NewBuilder(nil).Open("query", nsArchive)
	if a.page.with != "" {
		b.Open("x", "jabber:x:data").Attr("type", "submit")
		for _, field := range [][2]string{{"FORM_TYPE", nsArchive}, {"with", a.page.with}} {
			b.Open("field", "").Attr("var", field[0]).Element("value", "", field[1]).Close()
		}
		b.Close()
	}
	b.Open("set", nsRSM)
	if a.page.size != "" {
		b.Element("max", "", a.page.size)
	}
	if a.page.last != "" {
		b.Element("after", "", a.page.last)
	}
	fin := a.Set("", b.Close().Close().String())
	if fin == nil || fin.Local != "fin" {
		p.Fatalf("the archive does not say that it has answered")
	}
	a.page.all, _ = strconv.ParseBool(fin.Attr("complete")) // what is not there is false
	if set := fin.Child(nsRSM, "set"); set != nil {
		a.page.last = set.ChildText(nsRSM, "last")
	}
}

const nsRSM = "http://jabber.org/protocol/rsm"

// archived takes the next message of the archive: they come in their order.
func (a *app) archived(attributes, text string) *xmpptest.Received {
	return a.Expect("<message><result xmlns='" + nsArchive + "' id='*'>" + forwarded(attributes, text) + "</result></message>")
}

func blocking() []sentence {
	item := func(p *play, name string) string { return "<item" + attrs("jid", p.account(name)) + "/>" }
	return []sentence{
		does(`blocks (.+)`, func(p *play, a *app, m []string) {
			a.Set("", "<block xmlns='"+nsBlock+"'>"+item(p, m[1])+"</block>")
		}),
		does(`unblocks (.+)`, func(p *play, a *app, m []string) {
			a.Set("", "<unblock xmlns='"+nsBlock+"'>"+item(p, m[1])+"</unblock>")
		}),
		does(`asks whom it blocks`, func(_ *play, a *app, _ []string) { a.listed = a.list("<blocklist xmlns='" + nsBlock + "'/>") }),
		does(`learns that (.+) is (blocked|free again)`, func(p *play, a *app, m []string) {
			name := map[string]string{"blocked": "block", "free again": "unblock"}[m[2]]
			a.pushed("<" + name + " xmlns='" + nsBlock + "'>" + item(p, m[1]) + "</" + name + ">")
		}),
	}
}
