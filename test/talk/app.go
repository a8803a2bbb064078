package talk

import (
	"fmt"
	"slices"
	"strings"

	"parley/test/harness"
	"parley/xmpp"
	"parley/xmpp/xmpptest"
)

// app is a scripted XMPP app on a real socket. It has a connection while it is signed in.
type app struct {
	name, address, password, transport, resource string
	mechanism                                    string // by which it signs in; the best there is if empty
	*xmpptest.Client

	lost    *xmpptest.Client // the connection that it lost
	refused string           // why it could not do what it tried
	listed  []*xmpp.Element  // what it asked for last: contacts, whom it blocks
	asker   string           // who asked to see it
	page    page             // of its archive
	call    jingleCall       // that it is in

	named, read, writer string // the message of its own, and of another, of which there is to be heard
}

func (a *app) Name() string { return a.name }

func (a *app) asApp() *app { return a }

// apps is the kind of actor that an XMPP app is.
func apps() kind {
	return kind{
		introduced: whole(`(.+) is an XMPP app at (\S+?)@(\S+) with (password|the wrong password) (\S+?)(?: over (TCP|TLS|WebSocket))?`),
		account: func(m []string) (harness.User, bool) {
			return harness.User{Name: m[2], Password: m[5]}, m[4] == "password"
		},
		make:      newApp,
		sentences: appSentences(),
	}
}

func newApp(_ *play, m []string) Actor {
	words := strings.Fields(m[1])
	return &app{name: m[1], address: m[2] + "@" + m[3], password: m[5], transport: m[6], resource: words[len(words)-1]}
}

// does makes a sentence of an app.
func does(pattern string, do func(p *play, a *app, m []string)) sentence {
	return sentence{whole(pattern), func(p *play, actor Actor, m []string) { do(p, actor.(interface{ asApp() *app }).asApp(), m) }}
}

func appSentences() []sentence {
	return slices.Concat(signingIn(), befriending(), beingThere(), hearingBack(), chatting(), remembering(), blocking(), asking(), jingling(), speaking())
}

// full is the app's full address.
func (a *app) full() string { return a.address + "/" + a.resource }

// account is the bare address of whom a sentence names: an actor, or an address.
func (p *play) account(name string) string {
	switch f := p.actors[name].(type) {
	case *app:
		return f.address
	case *phone:
		return f.address
	case *browser:
		return f.chat.address
	}
	if !strings.Contains(name, "@") {
		p.Fatalf("%s is neither an actor nor an address", name)
	}
	return name
}

// exactly is the full address of an app that a sentence names, or an address. A phone has a resource that the server made up.
func (p *play) exactly(name string) string {
	switch f := p.actors[name].(type) {
	case *app:
		return f.full()
	case *phone:
		return f.address + "/*"
	case *browser:
		return f.chat.full()
	}
	return p.account(name)
}

func (a *app) connect(p *play) {
	switch a.transport {
	case "TLS":
		a.Client = xmpptest.TLS(p, a.address, p.server.XMPPTLS.String(), nil)
	case "WebSocket":
		a.Client = xmpptest.WebSocket(p, a.address, "wss://"+p.server.HTTPS.String()+"/xmpp", nil)
	default:
		a.Client = xmpptest.TCP(p, a.address, p.server.XMPP.String(), nil)
	}
	a.Timeout = harness.Patience
}

func signingIn() []sentence {
	return []sentence{
		does(`signs in`, func(p *play, a *app, _ []string) {
			a.enter(p)
			a.become("")
		}),
		does(`signs in unseen`, func(p *play, a *app, _ []string) { a.enter(p) }),
		does(`signs in by (\S+?)(?: bound by (\S+))?`, func(p *play, a *app, m []string) {
			a.connect(p)
			a.Binding = m[2]
			a.Prepare()
			a.Client.SignIn(m[1], a.password)
			a.Bind(a.resource)
		}),
		does(`tries to sign in(?: by (\S+))?`, func(p *play, a *app, m []string) {
			a.connect(p)
			a.Prepare()
			a.refused = a.TrySignIn(m[1], a.password)
		}),
		does(`is refused with (\S+)`, func(p *play, a *app, m []string) {
			if a.refused != m[1] {
				p.Fatalf("it is refused with %q", a.refused)
			}
		}),
		does(`signs out`, func(_ *play, a *app, _ []string) { a.Close() }),
		does(`is thrown out with (\S+)`, func(_ *play, a *app, m []string) { a.ExpectEnd(m[1]) }),
		does(`loses its connection`, func(_ *play, a *app, _ []string) {
			a.Cut()
			a.lost = a.Client
		}),
		does(`may resume(, but acknowledges nothing)?`, func(_ *play, a *app, m []string) {
			if a.Manual = m[1] != ""; a.Manual {
				a.Ignore("r") // it is asked again and again
			}
			a.Enable(true)
		}),
		does(`has all that it wrote acknowledged`, func(p *play, a *app, _ []string) {
			if has := a.RequestAck(); has != a.Sent() {
				p.Fatalf("the server has %d of the %d stanzas that were sent", has, a.Sent())
			}
		}),
		does(`resumes`, func(p *play, a *app, _ []string) { a.resume(p) }),
		does(`tries to resume`, func(p *play, a *app, _ []string) {
			a.connect(p)
			a.Prepare()
			a.SignIn("", a.password)
			a.refused = condition(a.TryResume(a.lost))
		}),
		does(`hears nothing else`, func(p *play, a *app, _ []string) { a.nothingElse(p) }),
	}
}

// enter signs in, and asks for the contacts.
func (a *app) enter(p *play) {
	a.connect(p)
	a.Prepare()
	a.SignIn(a.mechanism, a.password)
	a.Bind(a.resource)
	a.listed = a.list("<query xmlns='" + nsRoster + "'/>")
}

// list asks for a list.
func (a *app) list(payload string) []*xmpp.Element {
	if e := a.Get("", payload); e != nil {
		return e.Children
	}
	return nil
}

// resume goes on with the session whose connection is lost.
func (a *app) resume(p *play) {
	a.connect(p)
	a.Prepare()
	a.SignIn("", a.password)
	if has := a.Resume(a.lost); has != a.Sent() {
		p.Fatalf("the server has %d of the %d stanzas that were sent", has, a.Sent())
	}
}

// condition is the first word of a failure.
func condition(r *xmpptest.Received) string {
	if r.Local == "resumed" || len(r.Children) == 0 {
		return r.Local
	}
	return r.Children[0].Local
}

// nothingElse lets the server finish what everybody has asked of it, and fails if this one has got anything that
// no sentence was about.
func (a *app) nothingElse(p *play) {
	for _, other := range p.actors {
		o, ok := other.(*app)
		if b, is := other.(*browser); is {
			o, ok = b.chat, true
		}
		if ok && o != a && o.Client != nil && !o.Ended() && o.Client != o.lost {
			o.synced()
		}
	}
	a.synced()
	a.HearsNothing(0)
}

// synced waits until the server has answered all that was asked of it before.
func (a *app) synced() { a.Ask("get", "", ping) }

const ping = "<ping xmlns='urn:xmpp:ping'/>"

// stanza begins to write a stanza.
func stanza(name, to, kind string) *xmpp.Builder {
	return xmpp.NewBuilder(nil).Open(name, xmpp.NSClient).Maybe("to", to).Maybe("type", kind)
}

// attrs are attributes as a pattern has them: names and values in turn, those left out that are empty.
func attrs(pairs ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(&b, " %s='%s'", pairs[i], xmpp.Escape(pairs[i+1]))
		}
	}
	return b.String()
}
