package talk

import (
	"strings"

	"parley/sip"
	"parley/sip/im"
	"parley/sip/siptest"
	"parley/xmpp/xmpptest"
)

// telling has a phone's sentences about typing, and about what became of messages.
func telling() []sentence {
	return []sentence{
		said(`(types|stops typing) to (.+)`, func(p *play, f *phone, m []string) {
			f.sendBody(p.account(m[2]), im.Composing, im.IsComposing(m[1] == "types"))
			f.last = f.Expect("200 MESSAGE")
		}),
		said(`sees that (.+) (types|types no more)`, func(p *play, f *phone, m []string) {
			f.answerNext("MESSAGE")
			t, err := im.ParseComposing(f.last.Body())
			if err != nil || t.Active != (m[2] == "types") || !strings.Contains(f.last.Get(sip.HeaderFrom), p.account(m[1])) {
				p.Fatalf("it sees\n%s", f.last.Text())
			}
		}),
		said(`writes "(.*)" to (.+) and wants to hear of it`, func(p *play, f *phone, m []string) {
			f.named = "m" + siptest.Tag()
			w := im.Wrapped{ID: f.named, Wants: []string{im.PositiveDelivery, im.Processing, im.Display}, Type: im.Text, Body: m[1]}
			f.sendBody(p.account(m[2]), im.CPIM, w.String())
		}),
		said(`hears that its message (has arrived|was seen|was taken|waits)`, func(p *play, f *phone, m []string) {
			f.answerNext("MESSAGE")
			w, err := im.ParseCPIM(f.last.Body())
			if err != nil {
				p.Fatalf("it hears\n%s", f.last.Text())
			}
			n, err := im.ParseNotice(w.Body)
			want := map[string]string{"has arrived": "delivered", "was seen": "displayed", "was taken": "processed", "waits": "stored"}[m[1]]
			if err != nil || n.ID != f.named || n.Status != want {
				p.Fatalf("it hears\n%s", f.last.Text())
			}
		}),
		said(`reads "(.*)", of which others want to hear`, func(p *play, f *phone, m []string) {
			f.answerNext("MESSAGE")
			if f.read = f.last.CallID(); f.last.Body() == m[1] {
				return
			}
			w, err := im.ParseCPIM(f.last.Body())
			if err != nil || w.Body != m[1] || !w.Asks(im.PositiveDelivery) {
				p.Fatalf("it reads\n%s", f.last.Text())
			}
			f.read = w.ID
		}),
		said(`tells (.+) that the message (has arrived|was seen)`, func(p *play, f *phone, m []string) {
			n := im.Notice{ID: f.read, Kind: im.OfDelivery, Status: "delivered"}
			if m[2] == "was seen" {
				n.Kind, n.Status = im.OfDisplay, "displayed"
			}
			f.sendBody(p.account(m[1]), im.IMDN, n.String())
			f.last = f.Expect("200 MESSAGE")
		}),
	}
}

// sendBody sends a MESSAGE, and proves who it is.
func (f *phone) sendBody(to, contentType, body string) {
	f.request = f.Request(sip.MESSAGE, to, siptest.WithBody(contentType, body))
	f.request = f.Authorize(f.request, f.Expect("407 MESSAGE", "401 MESSAGE"), f.password)
}

const (
	nsStates   = "http://jabber.org/protocol/chatstates"
	nsReceipts = "urn:xmpp:receipts"
	nsMarkers  = "urn:xmpp:chat-markers:0"
)

// hearingBack has an app's sentences about the same (XEP-0085, XEP-0184, XEP-0333).
func hearingBack() []sentence {
	send := func(a *app, to, inner string) { a.Send(stanza("message", to, "chat").Raw(inner).Close().String()) }
	hears := func(p *play, a *app, from, inner string) *xmpptest.Received {
		return a.Await("<message" + attrs("type", "chat", "from", p.exactly(from)) + ">" + inner + "</message>")
	}
	state := map[string]string{"types": "composing", "stops typing": "paused", "types no more": "paused"}
	return []sentence{
		does(`(types|stops typing) to (.+)`, func(p *play, a *app, m []string) {
			send(a, p.account(m[2]), "<"+state[m[1]]+attrs("xmlns", nsStates)+"/>")
		}),
		does(`sees that (.+) (types|types no more)`, func(p *play, a *app, m []string) {
			hears(p, a, m[1], "<"+state[m[2]]+attrs("xmlns", nsStates)+"/>")
		}),
		does(`writes "(.*)" to (.+) and wants to hear of it`, func(p *play, a *app, m []string) {
			a.named = "m" + siptest.Tag()
			a.Send(stanza("message", p.account(m[2]), "chat").Attr("id", a.named).Raw(child("body", m[1]) +
				"<request" + attrs("xmlns", nsReceipts) + "/><markable" + attrs("xmlns", nsMarkers) + "/>").Close().String())
		}),
		does(`hears from (.+) that its message (has arrived|was seen)`, func(p *play, a *app, m []string) {
			hears(p, a, m[1], word(m[2], a.named))
		}),
		does(`reads "(.*)" from (.+), who wants to hear of it`, func(p *play, a *app, m []string) {
			r := hears(p, a, m[2], child("body", m[1])+"<request"+attrs("xmlns", nsReceipts)+"/><markable"+attrs("xmlns", nsMarkers)+"/>")
			a.read, a.writer = r.Attr("id"), r.Attr("from")
		}),
		does(`tells (?:.+) that the message (has arrived|was seen)`, func(_ *play, a *app, m []string) { send(a, a.writer, word(m[1], a.read)) }),
	}
}

// word is what tells of a message.
func word(what, id string) string {
	if what == "was seen" {
		return "<displayed" + attrs("xmlns", nsMarkers, "id", id) + "/>"
	}
	return "<received" + attrs("xmlns", nsReceipts, "id", id) + "/>"
}
