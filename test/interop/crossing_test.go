package interop

import (
	"strings"
	"testing"
	"time"

	"parley/test/harness"
)

// crossing is an app that calls by Jingle and a SIP phone, of alice and bob.
type crossing struct {
	server             *harness.Server
	app                *Stanza
	phone              *Baresip
	appSays, phoneSays Speech
}

// newCrossing has both speak some seconds after their microphones are opened.
func newCrossing(t *testing.T, lead float64) crossing {
	t.Helper()
	s, pages := jingleServer(t, 1)
	c := crossing{server: s, appSays: SpeakAfter(t, lead, aliceSays), phoneSays: SpeakAfter(t, lead, bobSays)}
	c.app = NewStanza(t, s, pages[0], alice, c.appSays.File)
	c.phone = NewBaresip(t, s, user(bob, "udp"), c.phoneSays.File)
	c.app.Register(t)
	c.phone.Register(t)
	harness.Eventually(t, "the server knows what the app can", func() bool {
		return strings.Contains(s.MustRun(t, "route", "explain", s.Address(bob), s.Address(alice)), "1 app(s)")
	})
	return c
}

// TestAppAndPhone has an app that calls by Jingle and a SIP phone talk, whoever calls.
func TestAppAndPhone(t *testing.T) {
	t.Parallel()
	matrix(t, "baresip calls stanza, stanza calls baresip: the sound is bridged, each hangs up")
	c := newCrossing(t, browserLead)
	talksTo(t, c.server, c.phone, c.app, c.phone, c.app, uri(c.server, alice), c.phoneSays, c.appSays)
	talksTo(t, c.server, c.app, c.phone, c.phone, c.app, c.server.Address(bob), c.appSays, c.phoneSays)
	talksTo(t, c.server, c.phone, c.app, c.app, c.phone, uri(c.server, alice), c.phoneSays, c.appSays)
	talksTo(t, c.server, c.app, c.phone, c.app, c.phone, c.server.Address(bob), c.appSays, c.phoneSays)
}

// TestAppAndPhoneInVain has calls between an app and a phone be declined and given up.
func TestAppAndPhoneInVain(t *testing.T) {
	t.Parallel()
	matrix(t, "stanza declines a call of baresip's and gives one up, and the other way round")
	c := newCrossing(t, browserLead)
	toPhone := func() {
		c.app.Dial(t, c.server.Address(bob))
		c.phone.AwaitRinging(t)
		c.app.AwaitRingback(t)
	}
	toApp := func() {
		c.phone.Dial(t, uri(c.server, alice))
		c.app.AwaitRinging(t)
	}
	toApp()
	c.app.HangUpFor(t, "decline")
	c.phone.AwaitIdle(t)
	c.app.AwaitIdle(t)
	toApp()
	c.phone.HangUp(t)
	c.app.over(t, "them", "cancel")
	c.phone.AwaitIdle(t)
	toPhone()
	c.app.HangUp(t)
	c.phone.AwaitIdle(t)
	c.app.AwaitIdle(t)
	toPhone()
	c.phone.HangUp(t)
	c.app.over(t, "them", "busy")
	c.phone.AwaitIdle(t)
}

// TestAppHolds has each end of a call between an app and a phone hold it.
func TestAppHolds(t *testing.T) {
	t.Parallel()
	matrix(t, "stanza and baresip hold and take up again, stanza hears on")
	c := newCrossing(t, 8)
	c.phone.Dial(t, uri(c.server, alice))
	c.app.AwaitRinging(t)
	c.app.Answer(t)
	c.app.AwaitTalking(t)
	c.phone.AwaitTalking(t)
	c.phone.Hold(t)
	c.app.AwaitInfo(t, "hold")
	c.phone.Resume(t)
	c.app.AwaitInfo(t, "resumed")
	c.app.Hold(t)
	c.app.Resume(t)
	time.Sleep(max(c.appSays.Length(), c.phoneSays.Length()))
	c.app.HangUp(t)
	c.app.AwaitIdle(t)
	c.phone.AwaitIdle(t)
	hears(t, "stanza", c.phoneSays.Said, c.app.Heard(t), voiceOfBrowser)
}

// TestAppEcho has an app hear itself.
func TestAppEcho(t *testing.T) {
	t.Parallel()
	matrix(t, "stanza hears itself from echo")
	s, pages := jingleServer(t, 1)
	says := SpeakAfter(t, browserLead, aliceSays)
	a := NewStanza(t, s, pages[0], alice, says.File)
	a.Register(t)
	a.Dial(t, s.Address("echo"))
	a.AwaitTalking(t)
	time.Sleep(says.Length() + time.Second/2)
	a.HangUp(t)
	a.AwaitIdle(t)
	hears(t, a.Name(), says.Said, a.Heard(t), voiceOfBrowser)
	harness.Eventually(t, "status shows no call", func() bool { return status(t, s).Calls == 0 })
}

// TestAppAndPhoneRing has an app and a phone of one account ring together.
func TestAppAndPhoneRing(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"baresip", "stanza"} {
		t.Run(who+" answers", func(t *testing.T) {
			t.Parallel()
			matrix(t, "stanza and baresip of one account ring, "+who+" answers, the other stops")
			s, pages := jingleServer(t, 1)
			as, bs := SpeakAfter(t, browserLead, aliceSays), SpeakAfter(t, browserLead, bobSays)
			a := NewBaresip(t, s, user(alice, "udp"), as.File)
			phone := NewBaresip(t, s, user(bob, "tcp"), bs.File)
			app := NewStanza(t, s, pages[0], bob, bs.File)
			for _, p := range []Phone{a, phone, app} {
				p.Register(t)
			}
			harness.Eventually(t, "the server knows what the app can", func() bool {
				return strings.Contains(s.MustRun(t, "route", "explain", s.Address(alice), s.Address(bob)), "1 app(s)")
			})
			var answers, stops Phone = phone, app
			if who != "baresip" {
				answers, stops = app, phone
			}
			oneAnswers(t, s, a, answers, stops, as, bs)
		})
	}
}

// TestAppAndBrowser has an app that calls by Jingle and a browser that calls by SIP talk, whoever calls. Both speak WebRTC: what the
// browser begins finds a path of its own, what the app proposes goes through the server.
func TestAppAndBrowser(t *testing.T) {
	t.Parallel()
	matrix(t, "jssip in chromium calls stanza, stanza calls jssip in chromium: each hears the other")
	s, pages := jingleServer(t, 2)
	as, bs := SpeakAfter(t, browserLead, aliceSays), SpeakAfter(t, browserLead, bobSays)
	app := NewStanza(t, s, pages[0], alice, as.File)
	browser := NewBrowser(t, s, pages[1], user(bob, "wss"), bs.File)
	app.Register(t)
	browser.Register(t)
	harness.Eventually(t, "the server knows what the app can", func() bool {
		return strings.Contains(s.MustRun(t, "route", "explain", s.Address(bob), s.Address(alice)), "1 app(s)")
	})
	talksTo(t, s, browser, app, browser, app, uri(s, alice), bs, as)
	talksTo(t, s, app, browser, app, browser, s.Address(bob), as, bs)
}
