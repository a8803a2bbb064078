package talk

import (
	"slices"
	"strings"

	"parley/sip"
	"parley/sip/pidf"
	"parley/sip/siptest"
)

// watch is a subscription of a phone to somebody's presence.
type watch struct {
	dialog *siptest.Dialog
}

func ofPresence(b *sip.Builder) { b.Set(sip.HeaderEvent, "presence") }

func watching() []sentence {
	return []sentence{
		said(`tries to watch (.+?)(?: with (Event|Expires|Accept) (\S+))?`, func(p *play, f *phone, m []string) { f.subscribe(p, m[1], m[2], m[3]) }),
		said(`watches (.+?) no longer`, func(p *play, f *phone, m []string) {
			f.request = f.watch(p, m[1]).dialog.Request(sip.SUBSCRIBE, ofPresence, siptest.With(sip.HeaderExpires, "0"))
			f.Expect("200 SUBSCRIBE")
			f.notified(p, "terminated;reason=timeout")
		}),
		said(`watches (.+?)(?: for ([0-9]+) seconds)?`, func(p *play, f *phone, m []string) {
			f.subscribe(p, m[1], "Expires", m[2])
			f.last = f.Expect("200 SUBSCRIBE")
			f.watches[p.account(m[1])] = &watch{f.Dialog(f.request, f.last)}
		}),
		said(`looks at (.+?) once`, func(p *play, f *phone, m []string) {
			f.subscribe(p, m[1], "Expires", "0")
			f.last = f.Expect("200 SUBSCRIBE")
		}),
		said(`renews its watch of (.+)`, func(p *play, f *phone, m []string) {
			f.request = f.watch(p, m[1]).dialog.Request(sip.SUBSCRIBE, ofPresence)
		}),
		said(`is told that (.+?) has not agreed yet`, func(p *play, f *phone, _ []string) { f.notified(p, "pending") }),
		said(`is told that (.+?) does not agree`, func(p *play, f *phone, _ []string) { f.notified(p, "terminated;reason=rejected") }),
		said(`is told to come back`, func(p *play, f *phone, _ []string) { f.notified(p, "terminated;reason=probation;retry-after=5") }),
		said(`sees (.+?) (available|away|chat|dnd|xa|gone|on the phone)(?: saying "(.*)")?(, for the last time)?`, func(p *play, f *phone, m []string) {
			state := "active"
			if m[4] != "" {
				state = "terminated"
			}
			f.notified(p, state)
			f.shows(p, p.account(m[1]), m[2], m[3])
		}),
	}
}

func (f *phone) watch(p *play, whom string) *watch {
	w := f.watches[p.account(whom)]
	if w == nil {
		p.Fatalf("%s does not watch %s", f.name, whom)
	}
	return w
}

// subscribe sends a SUBSCRIBE, and proves who it is when asked.
func (f *phone) subscribe(p *play, whom, header, value string) {
	edits := []siptest.Edit{ofPresence}
	if value != "" {
		edits = append(edits, siptest.WithName(header, value))
	}
	f.request = f.Request(sip.SUBSCRIBE, p.account(whom), edits...)
	if f.password != "" {
		f.request = f.Authorize(f.request, f.Expect("407 SUBSCRIBE", "401 SUBSCRIBE"), f.password)
	}
}

// notified takes a NOTIFY, whose subscription has to be in that state.
func (f *phone) notified(p *play, state string) {
	f.last = f.Expect("NOTIFY")
	f.Respond(f.last, 200)
	if got := f.last.Get(sip.HeaderSubscriptionState); got != state && !strings.HasPrefix(got, state+";") {
		p.Fatalf("its subscription is %s:\n%s", got, f.last.Text())
	}
}

// shows checks what the document of the last NOTIFY says: what comes first in it counts.
func (f *phone) shows(p *play, whom, how, status string) {
	d, err := pidf.Parse(f.last.Body())
	if err != nil || len(d.Tuples) == 0 || d.Entity != "sip:"+whom {
		p.Fatalf("it can't be read as a document of %s (%v):\n%s", whom, err, f.last.Text())
	}
	t := d.Tuples[0]
	got := "available"
	switch {
	case t.Basic != "open":
		got = "gone"
	case slices.Contains(d.Activities, "on-the-phone"):
		got = "on the phone"
	case t.Show != "":
		got = t.Show
	}
	said := ""
	if len(t.Notes) > 0 {
		said = t.Notes[0].Text
	}
	if got != how || status != "" && said != status {
		p.Fatalf("it shows %s saying %q:\n%s", got, said, f.last.Body())
	}
}

func publishing() []sentence {
	return []sentence{
		said(`publishes itself (available|away|busy|on vacation|gone)(?: saying "(.*)")?(?: for ([0-9]+) seconds)?`, func(_ *play, f *phone, m []string) {
			f.publish(f.address, f.expires(m[3], "3600"), siptest.WithBody(pidf.MIME, f.document(m[1], m[2])))
		}),
		said(`tries to publish for (.+)`, func(p *play, f *phone, m []string) {
			f.request = f.Request(sip.PUBLISH, p.account(m[1]), ofPresence, siptest.WithBody(pidf.MIME, f.document("available", "")))
			f.request = f.Authorize(f.request, f.Expect("407 PUBLISH"), f.password)
		}),
		said(`renews what it publishes`, func(_ *play, f *phone, _ []string) { f.publish(f.address) }),
		said(`publishes itself no longer`, func(_ *play, f *phone, _ []string) {
			f.publish(f.address, siptest.With(sip.HeaderExpires, "0"))
			f.tag = ""
		}),
	}
}

// document is what a phone says of itself, in SIP's words.
func (f *phone) document(how, status string) string {
	t := pidf.Tuple{ID: "t1", Basic: "open"}
	switch how {
	case "gone":
		t.Basic = "closed"
	case "on vacation":
		t.Activities = []string{"vacation"}
	case "away", "busy":
		t.Activities = []string{how}
	}
	if status != "" {
		t.Notes = []pidf.Note{{Text: status}}
	}
	return (&pidf.Presence{Entity: "sip:" + f.address, Tuples: []pidf.Tuple{t}}).String()
}

// publish sends a PUBLISH that has to be taken.
func (f *phone) publish(whom string, edits ...siptest.Edit) {
	edits = append([]siptest.Edit{ofPresence}, edits...)
	if f.tag != "" {
		edits = append(edits, siptest.With(sip.HeaderSIPIfMatch, f.tag))
	}
	f.request = f.Request(sip.PUBLISH, whom, edits...)
	f.request = f.Authorize(f.request, f.Expect("407 PUBLISH"), f.password)
	f.last = f.Expect("200 PUBLISH")
	f.tag = f.last.Get(sip.HeaderSIPETag)
}
