package interop

import (
	"encoding/base64"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
	"parley/test/harness/audio"
)

const (
	carol = "carol"
	dave  = "dave"
	erin  = "erin"
)

// host runs a server with accounts for people with apps, and a browser's page that it allows.
func host(t *testing.T, names ...string) (*harness.Server, BrowserPage) {
	t.Helper()
	page := NewBrowserPage(t)
	var users []harness.User
	for _, name := range names {
		users = append(users, harness.User{Name: name, Password: user(name, "").Password})
	}
	return harness.StartServer(t, harness.Options{
		Users: users, Set: map[string]string{
			"web.origins":     fmt.Sprintf("[%q]", page.Origin()),
			"auth.free_tries": "100", // more than a person has
		},
	}), page
}

// over is a login with a resource of its own.
func over(name, transport, resource string) Login {
	return Login{Account: user(name, transport), Resource: resource}
}

// mechanismsOf are those that an app can be made to use. None of them has a channel binding that goes with TLS 1.3.
func mechanismsOf(a App) []string {
	all := []string{"PLAIN", "SCRAM-SHA-1"}
	if a.Name() == "@xmpp/client" {
		return all
	}
	return append(all, "SCRAM-SHA-256")
}

// TestAppsSignIn has each app sign in by each mechanism that it can be made to use, over each kind of connection,
// and guess a password by each.
func TestAppsSignIn(t *testing.T) {
	t.Parallel()
	s, page := host(t, alice)
	for _, app := range []*Scripted{NewSlixmpp(t, s, alice), NewXMPPJS(t, s, alice), NewStrophe(t, s, page, alice)} {
		transports := map[string][]string{
			"slixmpp": {"starttls", "tls"}, "@xmpp/client": {"starttls", "tls", "wss"}, "strophe.js": {"wss"},
		}[app.Name()]
		for _, transport := range transports {
			t.Run(app.Name()+" over "+transport, func(t *testing.T) {
				matrix(t, fmt.Sprintf("%s signs in over %s by %v", app.Name(), transport, mechanismsOf(app)))
				for _, m := range mechanismsOf(app) {
					l := Login{Account: user(alice, transport), Mechanism: m, Resource: "here"}
					got := app.Connect(t, l)
					if want := s.Address(alice) + "/here"; got["jid"] != want || got["mechanism"] != m {
						t.Errorf("%s over %s by %s is %s by %s", app.Name(), transport, m, got["jid"], got["mechanism"])
					}
					app.SignOut(t)
				}
			})
		}
	}
}

// TestAppsChoose has apps sign in as they do by themselves.
func TestAppsChoose(t *testing.T) {
	t.Parallel()
	s, _ := host(t, alice)
	for _, transport := range []string{"starttls", "tls"} {
		t.Run("over "+transport, func(t *testing.T) {
			matrix(t, "profanity and go-sendxmpp sign in over "+transport)
			p := NewProfanity(t, s, alice)
			p.SignIn(t, over(alice, transport, "there"))
			if want := s.Address(alice) + "/there"; p.JID() != want {
				t.Errorf("profanity is %s, want %s", p.JID(), want)
			}
			p.SignOut(t)
			NewSendXMPP(s, alice).SignIn(t, over(alice, transport, ""))
		})
	}
}

// TestAppsWrongPassword has each app guess.
func TestAppsWrongPassword(t *testing.T) {
	t.Parallel()
	matrix(t, "a wrong password is refused by each mechanism: slixmpp, @xmpp/client, strophe.js, profanity, go-sendxmpp")
	s, page := host(t, alice)
	wrong := func(transport, mechanism string) Login {
		return Login{Account: Account{User: alice, Password: "guessed", Transport: transport}, Mechanism: mechanism}
	}
	for _, app := range []*Scripted{NewSlixmpp(t, s, alice), NewXMPPJS(t, s, alice), NewStrophe(t, s, page, alice)} {
		transport := map[string]string{"slixmpp": "starttls", "@xmpp/client": "tls", "strophe.js": "wss"}[app.Name()]
		for _, m := range mechanismsOf(app) {
			got := app.SignInRefused(t, wrong(transport, m))
			if !strings.Contains(got, "not-authorized") {
				t.Errorf("%s over %s by %s is told %q, want not-authorized", app.Name(), transport, m, got)
			}
		}
	}
	for _, app := range []App{NewProfanity(t, s, alice), NewSendXMPP(s, alice)} {
		app.SignInRefused(t, wrong("starttls", ""))
	}
}

// TestAppsPlainWithoutTLS sends a password in the clear, though nobody offered that.
func TestAppsPlainWithoutTLS(t *testing.T) {
	t.Parallel()
	matrix(t, "PLAIN without TLS is not offered (slixmpp), and refused")
	s, _ := host(t, alice)
	if got := NewSlixmpp(t, s, alice).SignInRefused(t, Login{Account: user(alice, "plain"), Mechanism: "PLAIN"}); got != "not offered" {
		t.Errorf("slixmpp is told %q, want not to be offered it", got)
	}
	c, err := net.Dial("tcp", s.XMPP.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "<stream:stream to='%s' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"+
		"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>",
		s.Domain, base64.StdEncoding.EncodeToString([]byte("\x00alice\x00"+user(alice, "").Password)))
	if err := c.SetReadDeadline(time.Now().Add(harness.Patience)); err != nil {
		t.Fatal(err)
	}
	heard := harness.NewLog()
	for b := make([]byte, 4096); ; {
		n, err := c.Read(b)
		_, _ = heard.Write(b[:n]) // it never fails
		if text := heard.String(); strings.Contains(text, "<failure") || strings.Contains(text, "<stream:error") {
			return
		} else if err != nil || strings.Contains(text, "<success") {
			t.Fatalf("it is told %q, want a failure", text)
		}
	}
}

// TestAppsAsTheyCome has a slixmpp sign in as it does by itself. It takes the binding that it knows for one that the server
// must know, is refused each mechanism of SCRAM, with it and without it, since that looks like somebody between who
// struck it from the list (rfc5802#6), and is left with PLAIN.
func TestAppsAsTheyCome(t *testing.T) {
	t.Parallel()
	s, _ := host(t, alice)
	app := NewSlixmpp(t, s, alice)
	connected := app.connected
	trying := func(tries string) {
		app.connected = func(l Login) happening {
			h := connected(l)
			h["binding"], h["tries"] = "yes", tries
			return h
		}
	}
	t.Run("downgrade", func(t *testing.T) {
		matrix(t, "SCRAM without channel binding is refused to a slixmpp that could bind and was kept from it")
		trying("one")
		app.SignInRefused(t, Login{Account: user(alice, "starttls"), Mechanism: "SCRAM-SHA-256"})
	})
	t.Run("in the end", func(t *testing.T) {
		matrix(t, "slixmpp as it comes, whose channel binding nobody can have, gets in by PLAIN over TLS")
		trying("all")
		if got := app.Connect(t, Login{Account: user(alice, "starttls")}); got["mechanism"] != "PLAIN" {
			t.Errorf("slixmpp signs in by %s, want PLAIN", got["mechanism"])
		}
	})
}

// cast is the apps of people, each of another kind.
func cast(t *testing.T, s *harness.Server, page BrowserPage, names ...string) map[string]App {
	t.Helper()
	kinds := map[string]func() App{
		alice: func() App { return NewSlixmpp(t, s, alice) },
		bob:   func() App { return NewXMPPJS(t, s, bob) },
		carol: func() App { return NewStrophe(t, s, page, carol) },
		dave:  func() App { return NewProfanity(t, s, dave) },
		erin:  func() App { return NewSendXMPP(s, erin) },
	}
	apps := map[string]App{}
	for _, name := range names {
		apps[name] = kinds[name]()
	}
	return apps
}

var transportOf = map[string]string{alice: "starttls", bob: "tls", carol: "wss", dave: "starttls", erin: "tls"}

var everybody = []string{alice, bob, carol, dave, erin}

// TestAppsChat has each kind of app write to each other kind.
func TestAppsChat(t *testing.T) {
	t.Parallel()
	s, page := host(t, everybody...)
	apps := cast(t, s, page, everybody...)
	for _, name := range everybody {
		apps[name].SignIn(t, over(name, transportOf[name], ""))
	}
	for _, from := range everybody {
		for _, to := range everybody {
			if from == to {
				continue
			}
			a, b := apps[from], apps[to]
			t.Run(a.Name()+" to "+b.Name(), func(t *testing.T) {
				matrix(t, fmt.Sprintf("%s writes to %s: bare and full address", a.Name(), b.Name()))
				for what, address := range map[string]string{"bare": s.Address(to), "full": b.JID()} {
					text := fmt.Sprintf(`%s for %s, %s: Grüße, 5 < 6 & "so" it's`, from, to, what)
					a.Write(t, address, text)
					b.AwaitText(t, s.Address(from), text)
				}
			})
		}
	}
}

// TestAppsOffline writes to those who are not there. They read it when they come.
func TestAppsOffline(t *testing.T) {
	t.Parallel()
	s, page := host(t, append(everybody, "frank")...)
	apps := cast(t, s, page, everybody...)
	frank := NewSlixmpp(t, s, "frank")
	frank.SignIn(t, over("frank", "starttls", ""))
	for _, name := range everybody {
		frank.Write(t, s.Address(name), "first for "+name)
		frank.Write(t, s.Address(name), "second for "+name)
	}
	frank.Synced(t)
	wrote := time.Now()
	for _, name := range everybody {
		app := apps[name]
		t.Run(app.Name(), func(t *testing.T) {
			matrix(t, fmt.Sprintf("what was written while %s was away is read later", app.Name()))
			app.SignIn(t, over(name, transportOf[name], ""))
			for _, text := range []string{"first for " + name, "second for " + name} {
				scripted, ok := app.(*Scripted)
				if !ok {
					app.AwaitText(t, s.Address("frank"), text)
					continue
				}
				stamp := scripted.awaitMessage(t, s.Address("frank"), text)["delay"]
				at, err := time.Parse(time.RFC3339, stamp)
				if err != nil || at.After(wrote.Add(time.Second)) || at.Before(wrote.Add(-time.Minute)) {
					t.Errorf("%s is told that it was written at %q, want before %v", app.Name(), stamp, wrote.UTC())
				}
			}
		})
	}
}

// TestAppsToNobody writes to an account that nobody has.
func TestAppsToNobody(t *testing.T) {
	t.Parallel()
	matrix(t, "a message to nobody comes back: slixmpp, @xmpp/client, strophe.js")
	s, page := host(t, alice, bob, carol)
	apps := cast(t, s, page, alice, bob, carol)
	for _, name := range []string{alice, bob, carol} {
		app := apps[name].(*Scripted)
		app.SignIn(t, over(name, transportOf[name], ""))
		for _, to := range []string{"nobody@" + s.Domain, "nobody@" + s.Domain + "/nowhere"} {
			app.Write(t, to, "Is anybody there?")
			if got := app.AwaitError(t, "nobody@"+s.Domain); got != "service-unavailable" { // rfc6121#8.5.1
				t.Errorf("%s is told %q, want service-unavailable", app.Name(), got)
			}
		}
	}
}

// TestAppsContacts has two people become each other's contacts, see what they do, and part.
func TestAppsContacts(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{alice, dave}, {dave, bob}, {carol, alice}, {bob, carol}} {
		t.Run(strings.Join(pair[:], " and "), func(t *testing.T) {
			t.Parallel()
			s, page := host(t, pair[:]...)
			apps := cast(t, s, page, pair[:]...)
			a, b := apps[pair[0]].(Friend), apps[pair[1]].(Friend)
			matrix(t, fmt.Sprintf("%s and %s become contacts, see each other come, change, go, and part", a.Name(), b.Name()))
			befriend(t, s, pair, a, b)
		})
	}
}

func befriend(t *testing.T, s *harness.Server, pair [2]string, a, b Friend) {
	t.Helper()
	anne, ben := s.Address(pair[0]), s.Address(pair[1])
	a.SignIn(t, over(pair[0], transportOf[pair[0]], "one"))
	b.SignIn(t, over(pair[1], transportOf[pair[1]], "two"))
	a.Ask(t, ben)
	b.AwaitAsked(t, anne)
	b.Agree(t, anne)
	a.AwaitShown(t, ben, "online", "")
	b.Ask(t, anne)
	a.AwaitAsked(t, ben)
	a.Agree(t, ben)
	b.AwaitShown(t, anne, "online", "")
	a.AwaitContact(t, ben, "both")
	b.AwaitContact(t, anne, "both")

	a.Show(t, "away", "at lunch")
	b.AwaitShown(t, anne, "away", "at lunch")
	b.Show(t, "dnd", "thinking")
	a.AwaitShown(t, ben, "dnd", "thinking")

	b.SignOut(t)
	a.AwaitGone(t, ben)
	b.SignIn(t, over(pair[1], transportOf[pair[1]], "two"))
	b.AwaitShown(t, anne, "away", "at lunch")

	b.Remove(t, anne)
	b.AwaitContact(t, anne, "remove")
	a.AwaitGone(t, ben)
	a.AwaitContact(t, ben, "none")
}

// TestAppsRosterVersion has a roster fetched again only when it has changed.
func TestAppsRosterVersion(t *testing.T) {
	t.Parallel()
	matrix(t, "a roster is sent again only when it has changed (slixmpp)")
	s, _ := host(t, alice, bob)
	desk, mobile := NewSlixmpp(t, s, alice), NewSlixmpp(t, s, alice)
	desk.SignIn(t, over(alice, "starttls", "desk"))
	mobile.SignIn(t, over(alice, "starttls", "mobile"))
	desk.do(t, "contact", happening{"jid": s.Address(bob), "name": "Bob"})
	for _, a := range []*Scripted{desk, mobile} {
		a.await(t, happening{"event": "contact", "push": "yes", "jid": s.Address(bob), "name": "Bob"})
	}
	mobile.SignOut(t)
	mobile.do(t, "reconnect", nil)
	if got := mobile.do(t, "roster", nil); got["changed"] != "no" {
		t.Errorf("slixmpp is sent a roster that it has: %v", got)
	}
	mobile.SignOut(t)
	desk.do(t, "contact", happening{"jid": s.Address(bob), "name": "Robert"})
	mobile.do(t, "reconnect", nil)
	mobile.do(t, "roster", nil)
	mobile.await(t, happening{"event": "contact", "jid": s.Address(bob), "name": "Robert"})
}

// TestAppsCarbons has three apps of one account follow each other's conversations.
func TestAppsCarbons(t *testing.T) {
	t.Parallel()
	matrix(t, "slixmpp, strophe.js and profanity of one account follow each other's chats")
	s, page := host(t, alice, bob)
	slix, strophe, prof := NewSlixmpp(t, s, alice), NewStrophe(t, s, page, alice), NewProfanity(t, s, alice)
	slix.SignIn(t, over(alice, "starttls", "slix"))
	strophe.SignIn(t, over(alice, "wss", "strophe"))
	prof.SignIn(t, over(alice, "tls", "prof"))
	slix.do(t, "carbons", nil)
	strophe.do(t, "carbons", nil)
	prof.Carbons(t)
	friend := NewXMPPJS(t, s, bob)
	friend.SignIn(t, over(bob, "starttls", "friend"))

	friend.Write(t, slix.JID(), "for one of you")
	slix.AwaitText(t, s.Address(bob), "for one of you")
	strophe.await(t, happening{"event": "received elsewhere", "bare": s.Address(bob), "to": slix.JID(), "body": "for one of you"})
	prof.AwaitText(t, s.Address(bob), "for one of you")

	prof.Write(t, s.Address(bob), "from one of us")
	friend.AwaitText(t, s.Address(alice), "from one of us")
	for _, other := range []*Scripted{slix, strophe} {
		other.await(t, happening{"event": "sent elsewhere", "from": prof.JID(), "body": "from one of us"})
	}
	slix.Write(t, s.Address(bob), "and another")
	friend.AwaitText(t, s.Address(alice), "and another")
	prof.Shows(t, s.Address(bob), "me: and another")

	// What one gets itself, one is not told of again.
	friend.Write(t, s.Address(alice), "for all of you")
	for _, one := range []*Scripted{slix, strophe} {
		one.AwaitText(t, s.Address(bob), "for all of you")
		one.Synced(t)
		one.never(t, happening{"event": "received elsewhere", "body": "for all of you"})
	}
}

// TestAppsArchive reads what was said, page by page.
func TestAppsArchive(t *testing.T) {
	t.Parallel()
	matrix(t, "slixmpp and profanity read what was said from the archive, page by page")
	s, _ := host(t, alice, bob)
	a, b := NewSlixmpp(t, s, alice), NewSlixmpp(t, s, bob)
	a.SignIn(t, over(alice, "starttls", "a"))
	b.SignIn(t, over(bob, "starttls", "b"))
	var said []string
	for i := range 7 {
		from, to, name := a, b, bob
		if i%2 == 1 {
			from, to, name = b, a, alice
		}
		text := fmt.Sprintf("line %d", i)
		from.Write(t, s.Address(name), text)
		to.await(t, happening{"event": "message", "body": text})
		said = append(said, text)
	}
	if got := a.do(t, "archive", happening{"of": s.Address(bob), "max": "3"}); got["pages"] != "3" {
		t.Errorf("slixmpp gets %s pages, want 3", got["pages"])
	}
	var read, ids []string
	for range said {
		e := a.await(t, happening{"event": "archived", "delay": anything, "archive": anything})
		read, ids = append(read, e["body"]), append(ids, e["archive"])
	}
	a.never(t, happening{"event": "archived"})
	slices.Sort(ids)
	if !slices.Equal(read, said) || len(slices.Compact(ids)) != len(said) {
		t.Errorf("slixmpp reads %q with ids %v, want %q", read, ids, said)
	}
	a.SignOut(t)

	p := NewProfanity(t, s, alice)
	p.SignIn(t, over(alice, "starttls", "p"))
	p.Archive(t)
	p.types(t, "/msg %s", s.Address(bob))
	p.sees(t, `(?s)`+strings.Join(said, `\n.*`))
}

// TestAppsResume cuts an app's connection, and has it take up its session again.
func TestAppsResume(t *testing.T) {
	t.Parallel()
	for _, who := range []struct {
		kind, transport string
		resends         bool // what it wrote into the dead connection
	}{
		// This slixmpp forgets what it wrote when it asks to resume.
		{"slixmpp", "starttls", false}, {"@xmpp/client", "starttls", true}, {"@xmpp/client", "wss", true}, {"strophe.js", "wss", true},
	} {
		t.Run(who.kind+" over "+who.transport, func(t *testing.T) {
			t.Parallel()
			matrix(t, fmt.Sprintf("%s over %s resumes after its connection is cut: nothing is lost, nothing comes twice", who.kind, who.transport))
			s, page := host(t, alice, bob)
			b := NewSlixmpp(t, s, bob)
			b.SignIn(t, over(bob, "starttls", "b"))
			var a *Scripted
			switch who.kind {
			case "slixmpp":
				a = NewSlixmpp(t, s, alice)
			case "@xmpp/client":
				a = NewXMPPJS(t, s, alice)
			default:
				a = NewStrophe(t, s, page, alice)
			}
			resume(t, s, a, b, who.transport, who.resends)
		})
	}
}

// TestAppsComeBack cuts profanity's connection, and has it connect again.
func TestAppsComeBack(t *testing.T) {
	t.Parallel()
	matrix(t, "profanity connects again after its connection is cut: nothing is lost")
	s, _ := host(t, alice, bob)
	b := NewSlixmpp(t, s, bob)
	b.SignIn(t, over(bob, "starttls", "b"))
	p := NewProfanity(t, s, alice)
	l := over(alice, "starttls", "p")
	l.Via = NewLine(t, l.at(s))
	p.SignIn(t, l)
	p.Persist(t)
	l.Via.Die()
	b.Write(t, s.Address(alice), "lost on the way")
	b.Synced(t)
	l.Via.Cut()
	b.Write(t, s.Address(alice), "while away")
	p.sees(t, `Connection re-established`)
	p.AwaitText(t, s.Address(bob), "lost on the way")
	p.AwaitText(t, s.Address(bob), "while away")
	p.Write(t, s.Address(bob), "back again")
	b.AwaitText(t, s.Address(alice), "back again")
}

func resume(t *testing.T, s *harness.Server, a, b *Scripted, transport string, resends bool) {
	t.Helper()
	l := over(alice, transport, "a")
	l.Via = NewLine(t, l.at(s))
	a.Connect(t, l)
	a.await(t, happening{"event": "resumable"})
	// No contacts, no ping: this @xmpp/client forgets to count the answers that it gets, and would have the server
	// send again what it has.
	a.do(t, "presence", nil)
	b.Write(t, s.Address(alice), "before")
	a.AwaitText(t, s.Address(bob), "before")

	l.Via.Die()
	if resends {
		a.Write(t, s.Address(bob), "lost on the way there")
	}
	b.Write(t, s.Address(alice), "lost on the way here")
	b.Synced(t)
	l.Via.Cut()
	a.await(t, happening{"event": "disconnected"})
	b.Write(t, s.Address(alice), "while away")
	b.Synced(t)
	if got := a.do(t, "reconnect", nil); got["resumed"] != "yes" {
		t.Fatalf("%s has not resumed: %v", a.Name(), got)
	}
	a.AwaitText(t, s.Address(bob), "lost on the way here")
	a.AwaitText(t, s.Address(bob), "while away")
	if resends {
		b.AwaitText(t, s.Address(alice), "lost on the way there")
	}

	a.Write(t, s.Address(bob), "after")
	b.AwaitText(t, s.Address(alice), "after")
	b.Write(t, s.Address(alice), "the end")
	a.AwaitText(t, s.Address(bob), "the end")
	a.never(t, happening{"event": "message"})
	b.never(t, happening{"event": "message"})
}

// TestAppsBlock keeps somebody away.
func TestAppsBlock(t *testing.T) {
	t.Parallel()
	matrix(t, "slixmpp blocks somebody, who can't write or see, and lets them again; profanity shows the list")
	s, _ := host(t, alice, bob)
	a, b := NewSlixmpp(t, s, alice), NewXMPPJS(t, s, bob)
	a.SignIn(t, over(alice, "starttls", "a"))
	b.SignIn(t, over(bob, "starttls", "b"))
	a.do(t, "block", happening{"jid": s.Address(bob)})
	if got := a.do(t, "blocked", nil)["list"]; got != s.Address(bob) {
		t.Errorf("slixmpp is told that %q is blocked", got)
	}
	b.Write(t, s.Address(alice), "Can you read this?")
	if got := b.AwaitError(t, s.Address(alice)); got != "service-unavailable" { // xep0191#comm
		t.Errorf("who is blocked is told %q, want service-unavailable", got)
	}
	a.Write(t, s.Address(bob), "I do not want to.")
	if got := a.AwaitError(t, s.Address(bob)); got != "not-acceptable" {
		t.Errorf("who blocks is told %q, want not-acceptable", got)
	}
	p := NewProfanity(t, s, alice)
	p.SignIn(t, over(alice, "tls", "p"))
	p.types(t, "/blocked")
	p.sees(t, `(?s)Blocked users:.*`+regexp.QuoteMeta(s.Address(bob)))

	a.do(t, "unblock", happening{"jid": s.Address(bob)})
	b.Write(t, s.Address(alice), "And now?")
	a.AwaitText(t, s.Address(bob), "And now?")
	a.never(t, happening{"event": "message", "body": "Can you read this?"})
}

// TestAppsAsk asks the server, and an account, what can be asked.
func TestAppsAsk(t *testing.T) {
	t.Parallel()
	matrix(t, "slixmpp asks for ping, version, time, features, and vCards")
	s, _ := host(t, alice, bob)
	a, b := NewSlixmpp(t, s, alice), NewSlixmpp(t, s, bob)
	a.SignIn(t, over(alice, "starttls", "a"))
	b.SignIn(t, over(bob, "starttls", "b"))
	a.do(t, "ping", happening{"to": s.Domain})
	if got := a.do(t, "version", happening{"of": s.Domain}); got["name"] == "" {
		t.Errorf("the server's software is %v", got)
	}
	utc := a.do(t, "time", happening{"of": s.Domain})["utc"]
	if at, err := time.Parse(time.RFC3339, utc); err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("the server's time is %s: %v", utc, err)
	}
	server := a.do(t, "disco", happening{"of": s.Domain})
	if !strings.Contains(server["identities"], "server/im") {
		t.Errorf("the server is %q, want server/im", server["identities"])
	}
	own := a.do(t, "disco", happening{"of": s.Address(alice)})
	if !strings.Contains(own["identities"], "account/registered") {
		t.Errorf("the account is %q, want account/registered", own["identities"])
	}
	for where, features := range map[string]string{
		server["features"]: "http://jabber.org/protocol/disco#info urn:xmpp:ping jabber:iq:version urn:xmpp:time urn:xmpp:blocking " +
			"urn:xmpp:carbons:2 urn:xmpp:mam:2",
		own["features"]: "http://jabber.org/protocol/disco#info urn:xmpp:mam:2",
	} {
		for _, feature := range strings.Fields(features) {
			if !slices.Contains(strings.Fields(where), feature) {
				t.Errorf("%s is not among the features %s", feature, where)
			}
		}
	}
	b.do(t, "vcard", happening{"name": "Robert the Builder"})
	if got := a.do(t, "vcard", happening{"of": s.Address(bob)})["name"]; got != "Robert the Builder" {
		t.Errorf("bob's vCard names %q", got)
	}
}

// TestAppsEcho writes to the echo service.
func TestAppsEcho(t *testing.T) {
	t.Parallel()
	matrix(t, "echo answers a chat of slixmpp, @xmpp/client, strophe.js and profanity")
	talkers := []string{alice, bob, carol, dave}
	s, page := host(t, talkers...)
	apps := cast(t, s, page, talkers...)
	for _, name := range talkers {
		apps[name].SignIn(t, over(name, transportOf[name], ""))
		apps[name].Write(t, s.Address("echo"), "Hello, wall of "+name)
		apps[name].AwaitText(t, s.Address("echo"), "Hello, wall of "+name)
	}
}

// TestAppsAndPhones has a phone and an app of one account, with one password, at the same time.
func TestAppsAndPhones(t *testing.T) {
	t.Parallel()
	matrix(t, "baresip and slixmpp of one account, one password: a call and a chat at the same time")
	s, _ := host(t, alice, bob)
	as, bs := Speak(t, aliceSays), Speak(t, bobSays)
	phones := []*Baresip{NewBaresip(t, s, user(alice, "udp"), as.File), NewBaresip(t, s, user(bob, "tls"), bs.File)}
	apps := []*Scripted{NewSlixmpp(t, s, alice), NewSlixmpp(t, s, bob)}
	for i, name := range []string{alice, bob} {
		phones[i].Register(t)
		apps[i].SignIn(t, over(name, "starttls", ""))
	}
	phones[0].Dial(t, uri(s, bob))
	phones[1].AwaitRinging(t)
	phones[1].Answer(t)
	phones[0].AwaitTalking(t)
	apps[0].Write(t, s.Address(bob), "Can you hear me?")
	apps[1].AwaitText(t, s.Address(alice), "Can you hear me?")
	time.Sleep(as.Length())
	phones[0].HangUp(t)
	phones[1].AwaitIdle(t)
	hears(t, "bob's baresip", as.Said, phones[1].Heard(t), audio.Alike)
	apps[1].Write(t, s.Address(alice), "Yes, I could.")
	apps[0].AwaitText(t, s.Address(bob), "Yes, I could.")
}
