package talk

import (
	"crypto/rand"
	"net/netip"
	"slices"
	"strings"

	"parley/internal/bridge"
	"parley/sdp"
	"parley/test/harness/audio"
	"parley/xmpp"
	"parley/xmpp/disco"
	"parley/xmpp/jingle"
	"parley/xmpp/xmpptest"
)

// jingleCall is the call that an app is in. Its sound is a browser's.
type jingleCall struct {
	id, peer     string
	media        *phone // what speaks and hears
	mine, theirs bridge.Media
}

func (a *app) asPhone() *phone {
	if a.call.media == nil {
		a.call.media = &phone{name: a.name}
	}
	return a.call.media
}

// calling by Jingle: XEP-0353 and XEP-0166.
func jingling() []sentence {
	return slices.Concat(takingCalls(), agreeing(), meeting(), parting())
}

func takingCalls() []sentence {
	return []sentence{
		does(`signs in and takes calls(, but knows no proposals)?`, func(p *play, a *app, m []string) {
			a.enter(p)
			a.takesCalls(m[1] == "")
		}),
	}
}

// takesCalls becomes available as an app that takes calls, and says so when it is asked.
func (a *app) takesCalls(intents bool) {
	info := disco.Info{
		Identities: []disco.Identity{{Category: "client", Type: "phone", Name: a.name + " " + rand.Text()}}, // which nobody has asked yet
		Features:   []string{jingle.NS, jingle.NSRTP, "urn:xmpp:jingle:apps:rtp:audio", jingle.NSICE, jingle.NSDTLS},
	}
	if intents {
		info.Features = append(info.Features, jingle.NSMessage)
	}
	node := "urn:talk"
	a.Send(stanza("presence", "", "").Raw(info.Caps(node)).Close().String())
	node += "#" + info.Ver()
	a.Await("<presence from='" + a.full() + "'/>")
	ask := a.Await("<iq type='get'><query xmlns='" + disco.NSInfo + "' node='" + xmpp.Escape(node) + "'/></iq>")
	a.Send(stanza("iq", ask.Attr("from"), "result").Attr("id", ask.Attr("id")).Raw(info.XML(node)).Close().String())
	a.synced() // the server has the answer
}

// says sends a step of message initiation.
func (a *app) says(to string, i *jingle.Intent) {
	a.Send(stanza("message", to, "chat").Raw(i.XML() + "<store xmlns='urn:xmpp:hints'/>").Close().String())
}

// hearsStep waits for a step.
func (a *app) hearsStep(step, from, id, inner string) *xmpptest.Received {
	return a.Await("<message type='chat'" + attrs("from", from) + "><" + step + attrs("id", id) + ">" + inner + "</" + step + "></message>")
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return "<reason><" + reason + "/></reason>"
}

func reasonFor(name string) *jingle.Reason {
	if name == "" {
		return nil
	}
	return &jingle.Reason{Condition: jingle.Condition(name)}
}

// theirs is any resource of whom a sentence names: a call's other side has one of its own.
func (p *play) theirs(name string) string { return p.account(name) + "/*" }

func agreeing() []sentence {
	return []sentence{
		does(`proposes a call to (.+)`, func(p *play, a *app, m []string) {
			a.call = jingleCall{id: rand.Text(), peer: p.account(m[1])}
			a.says(a.call.peer, &jingle.Intent{Step: jingle.Propose, ID: a.call.id, Media: []string{"audio"}})
		}),
		does(`is proposed a call by (.+)`, func(p *play, a *app, m []string) {
			r := a.hearsStep("propose", p.theirs(m[1]), "*", "<description media='audio'/>")
			a.call = jingleCall{id: r.Child(jingle.NSMessage, "propose").Attr("id"), peer: r.Attr("from")}
		}),
		does(`says that it rings`, func(_ *play, a *app, _ []string) {
			a.says(a.call.peer, &jingle.Intent{Step: jingle.Ring, ID: a.call.id})
		}),
		does(`says that it proceeds`, func(_ *play, a *app, _ []string) {
			a.says(a.call.peer, &jingle.Intent{Step: jingle.Proceed, ID: a.call.id})
		}),
		does(`rejects the call(?:, for (\S+))?`, func(_ *play, a *app, m []string) {
			a.says(a.call.peer, &jingle.Intent{Step: jingle.Reject, ID: a.call.id, Reason: reasonFor(m[1])})
		}),
		does(`retracts the call`, func(_ *play, a *app, _ []string) {
			a.says(a.call.peer, &jingle.Intent{Step: jingle.Retract, ID: a.call.id, Reason: reasonFor("cancel")})
		}),
		does(`hears that (.+) rings`, func(p *play, a *app, m []string) { a.hearsStep("ringing", p.theirs(m[1]), a.call.id, "") }),
		does(`hears that (.+) proceeds`, func(p *play, a *app, m []string) {
			a.call.peer = a.hearsStep("proceed", p.theirs(m[1]), a.call.id, "").Attr("from")
		}),
		does(`hears that (.+) rejects, for (\S+)`, func(p *play, a *app, m []string) { a.hearsStep("reject", p.theirs(m[1]), a.call.id, because(m[2])) }),
		does(`hears that (.+) retracts, for (\S+)`, func(p *play, a *app, m []string) { a.hearsStep("retract", p.theirs(m[1]), a.call.id, because(m[2])) }),
		does(`hears that the call is over, for (\S+)`, func(_ *play, a *app, m []string) {
			a.hearsStep("finish", a.call.peer, a.call.id, because(m[1]))
		}),
		does(`hears that another device has taken the call`, func(_ *play, a *app, _ []string) {
			copied := "<message><sent><forwarded><message><proceed id='" + a.call.id + "'/></message></forwarded></sent></message>"
			a.Await(copied, "<message type='chat'"+attrs("from", a.address+"/*")+"><accept"+attrs("id", a.call.id)+"/></message>")
		}),
		does(`hears that another device has rejected the call`, func(_ *play, a *app, _ []string) {
			copied := "<message><sent><forwarded><message><reject id='" + a.call.id + "'/></message></forwarded></sent></message>"
			a.Await(copied, "<message type='chat'"+attrs("from", a.address+"/*")+"><reject"+attrs("id", a.call.id)+"/></message>")
		}),
	}
}

func meeting() []sentence {
	return []sentence{
		does(`begins a session(?: with (.+))?`, func(p *play, a *app, m []string) {
			if m[1] != "" {
				a.call = jingleCall{id: rand.Text(), peer: p.account(m[1])}
			}
			a.beginSession(p)
		}),
		does(`gets a session from (.+)`, func(p *play, a *app, m []string) { a.getSession(p, p.theirs(m[1])) }),
		does(`rings in the session`, func(_ *play, a *app, _ []string) {
			a.tells(&jingle.Jingle{Action: jingle.SessionInfo, Infos: []jingle.Info{{Kind: jingle.Ringing}}})
		}),
		does(`hears ringing in the session`, func(_ *play, a *app, _ []string) { a.isTold("session-info", "<ringing/>") }),
		does(`accepts the session`, func(p *play, a *app, _ []string) { a.acceptSession(p) }),
		does(`has its session accepted`, func(p *play, a *app, _ []string) { a.sessionAccepted(p) }),
		does(`tells a candidate`, func(_ *play, a *app, _ []string) {
			c := a.call.mine.Contents()[0]
			t := *c.Transport
			t.Candidates = []jingle.Candidate{{
				Component: 1, Foundation: "9", ID: "late", IP: "127.0.0.1", Port: 9, Priority: 1, Protocol: "udp", Type: "host",
			}}
			a.tells(&jingle.Jingle{Action: jingle.TransportInfo, Contents: []jingle.Content{{Creator: c.Creator, Name: c.Name, Transport: &t}}})
		}),
	}
}

func parting() []sentence {
	return []sentence{
		does(`ends the session, for (\S+)`, func(_ *play, a *app, m []string) {
			a.tells(&jingle.Jingle{Action: jingle.SessionTerminate, Reason: reasonFor(m[1])})
		}),
		does(`has its session ended, for (\S+)`, func(_ *play, a *app, m []string) { a.isTold("session-terminate", because(m[1])) }),
		does(`holds the session`, func(_ *play, a *app, _ []string) { a.informs(jingle.Hold) }),
		does(`holds the session no longer`, func(_ *play, a *app, _ []string) { a.informs(jingle.Unhold) }),
		does(`has its session held`, func(_ *play, a *app, _ []string) {
			a.isTold("content-modify", "<content senders='*'/>")
			a.isTold("session-info", "<hold/>")
		}),
		does(`has its session held no longer`, func(_ *play, a *app, _ []string) {
			a.isTold("content-modify", "<content senders='!'/>")
			a.isTold("session-info", "<unhold/>")
		}),
		does(`is told in the session that it is (.+)`, func(p *play, a *app, m []string) {
			r := a.requests(&jingle.Jingle{Action: jingle.SessionInfo})
			if r.Condition() == "" || r.Child(xmpp.NSClient, "error").Child(jingle.NSErrors, strings.ReplaceAll(m[1], " ", "-")) == nil {
				p.Fatalf("it is told %s", r.Raw)
			}
		}),
	}
}

func (a *app) informs(kind jingle.InfoKind) {
	a.tells(&jingle.Jingle{Action: jingle.SessionInfo, Infos: []jingle.Info{{Kind: kind}}})
}

// requests sends a request of the session.
func (a *app) requests(j *jingle.Jingle) *xmpptest.Received {
	j.SID = a.call.id
	return a.Ask("set", a.call.peer, j.XML())
}

// tells is requests for what has to be taken. Another app of the play has not come to its answer yet.
func (a *app) tells(j *jingle.Jingle) {
	if _, resource, _ := strings.Cut(a.call.peer, "/"); resource != "" && !strings.HasPrefix(resource, "call-") {
		j.SID = a.call.id
		a.Send(stanza("iq", a.call.peer, "set").Attr("id", rand.Text()).Raw(j.XML()).Close().String())
		return
	}
	if r := a.requests(j); r.Attr("type") != "result" {
		a.Fail("%s is answered with %s", j.Action, r.Raw)
	}
}

// isTold waits for a request of the session, and takes it.
func (a *app) isTold(action, inner string) *xmpptest.Received {
	r := a.Await("<iq type='set'" + attrs("from", a.call.peer) + "><jingle" + attrs("action", action, "sid", a.call.id) + ">" + inner + "</jingle></iq>")
	a.take(r)
	return r
}

func (a *app) take(r *xmpptest.Received) {
	a.Send(stanza("iq", r.Attr("from"), "result").Attr("id", r.Attr("id")).Close().String())
}

// newEngine makes what the app's sound needs.
func (a *app) newEngine(p *play) *audio.Browser {
	e, err := audio.NewBrowser()
	if err != nil {
		p.Fatalf("%v", err)
	}
	p.Cleanup(func() { _ = e.Close() })
	a.asPhone().web = e
	return e
}

// read makes what a request says a description, and media what a description says.
func read(p *play, description string, by jingle.Party, known ...bridge.Media) bridge.Media {
	d, err := sdp.Parse(description)
	if err != nil {
		p.Fatalf("%v", err)
	}
	m, err := bridge.Read(d, by, known...)
	if err != nil {
		p.Fatalf("%v", err)
	}
	return m
}

func describe(p *play, m bridge.Media, answer bool) string {
	d, err := m.Describe(sdp.Origin{Host: netip.MustParseAddr("127.0.0.1"), ID: 1, Version: 1}, answer)
	if err != nil {
		p.Fatalf("%v", err)
	}
	return strings.Replace(d.String(), "t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n", 1) // what the server is, and Jingle has no word for
}

func (a *app) beginSession(p *play) {
	offer, err := a.newEngine(p).Offer()
	if err != nil {
		p.Fatalf("%v", err)
	}
	a.call.mine = read(p, offer, jingle.Initiator)
	j, err := a.call.mine.Initiate(a.call.id)
	if err != nil {
		p.Fatalf("%v", err)
	}
	j.Initiator = a.JID
	a.tells(j)
}

func (a *app) getSession(p *play, from string) {
	r := a.Await("<iq type='set'" + attrs("from", from) + "><jingle" + attrs("action", "session-initiate", "initiator", from) + "><content><description media='audio'/></content></jingle></iq>")
	j := parsed(p, r)
	if a.call.id != j.SID {
		a.call = jingleCall{id: j.SID, peer: r.Attr("from")}
	}
	a.take(r)
	m, err := bridge.Take(j, jingle.Initiator)
	if err != nil {
		p.Fatalf("%v", err)
	}
	a.call.theirs = m
}

func parsed(p *play, r *xmpptest.Received) *jingle.Jingle {
	j, err := jingle.Parse(r.Child(jingle.NS, "jingle"))
	if err != nil {
		p.Fatalf("%v: %s", err, r.Raw)
	}
	return j
}

func (a *app) acceptSession(p *play) {
	answer, err := a.newEngine(p).Answer(describe(p, a.call.theirs, false))
	if err != nil {
		p.Fatalf("%v", err)
	}
	a.call.mine = read(p, answer, jingle.Responder, a.call.theirs)
	all, err := a.call.mine.Accept(a.call.id)
	if err != nil {
		p.Fatalf("%v", err)
	}
	for _, j := range all {
		a.tells(j)
	}
}

func (a *app) sessionAccepted(p *play) {
	r := a.isTold("session-accept", "<content><description media='audio'/></content>")
	m, err := bridge.Take(parsed(p, r), jingle.Responder, a.call.mine)
	if err != nil {
		p.Fatalf("%v", err)
	}
	a.call.theirs = m
	if err := a.asPhone().web.Answered(describe(p, m, true)); err != nil {
		p.Fatalf("%v", err)
	}
}
