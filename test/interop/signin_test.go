package interop

import (
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
	"parley/test/harness/audio"
)

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
