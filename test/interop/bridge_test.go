package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
)

// A browser's microphone opens when the call begins, some time before it is connected.
const browserLead = 4

// startBridge runs a server with a page for a browser.
func startBridge(t *testing.T) (*harness.Server, BrowserPage) {
	t.Helper()
	page := NewBrowserPage(t)
	return start(t, map[string]string{
		"web.origins": fmt.Sprintf("[%q]", page.Origin()),
		"media.ports": fmt.Sprintf(`"%d-%d"`, relayLow, relayHigh),
	}), page
}

// talksTo has two phones, of which one is a browser, in a call that the first begins and the one of them hangs up that
// is told to.
func talksTo(t *testing.T, s *harness.Server, caller, callee, hangsUp, other Phone, to string, says, answers Speech) {
	t.Helper()
	caller.Dial(t, to)
	callee.AwaitRinging(t)
	callee.Answer(t)
	callee.AwaitTalking(t)
	caller.AwaitTalking(t)
	time.Sleep(max(says.Length(), answers.Length()))
	hangsUp.HangUp(t)
	hangsUp.AwaitIdle(t)
	other.AwaitIdle(t)
	hears(t, "the callee, a "+callee.Name()+",", says.Said, callee.Heard(t), voiceOfBrowser)
	hears(t, "the caller, a "+caller.Name()+",", answers.Said, caller.Heard(t), voiceOfBrowser)
	harness.Eventually(t, "status shows no call", func() bool { return status(t, s).Calls == 0 })
}

// voiceOfBrowser is the similarity asked of a voice that went through a browser's jitter buffer on one side.
const voiceOfBrowser = voiceOfOpus

// TestBrowserAndPhone bridges WebRTC and plain RTP.
func TestBrowserAndPhone(t *testing.T) {
	t.Parallel()
	matrix(t, "jssip in chromium calls baresip, baresip calls jssip in chromium: the sound is bridged, each hangs up")
	s, page := startBridge(t)
	as, bs := SpeakAfter(t, browserLead, aliceSays), SpeakAfter(t, browserLead, bobSays)
	a := NewBrowser(t, s, page, user(alice, "wss"), as.File)
	b := NewBaresip(t, s, user(bob, "udp"), bs.File)
	a.Register(t)
	b.Register(t)
	if got := s.MustRun(t, "route", "explain", s.Address(alice), s.Address(bob)); !strings.Contains(got, "back-to-back") ||
		!strings.Contains(got, "the caller speaks WebRTC") {
		t.Errorf("the plan is explained as\n%s", got)
	}
	talksTo(t, s, a, b, a, b, uri(s, bob), as, bs)
	talksTo(t, s, b, a, a, b, uri(s, alice), bs, as)
}

// TestBrowserEcho has a browser call a service that speaks plain RTP.
func TestBrowserEcho(t *testing.T) {
	t.Parallel()
	matrix(t, "jssip in chromium hears itself from echo")
	s, page := startBridge(t)
	says := SpeakAfter(t, browserLead, aliceSays)
	a := NewBrowser(t, s, page, user(alice, "wss"), says.File)
	a.Register(t)
	a.Dial(t, uri(s, "echo"))
	a.AwaitTalking(t)
	time.Sleep(says.Length() + time.Second/2)
	a.HangUp(t)
	a.AwaitIdle(t)
	hears(t, a.Name(), says.Said, a.Heard(t), voiceOfBrowser)
	harness.Eventually(t, "status shows no call", func() bool { return status(t, s).Calls == 0 })
}

// oneAnswers calls bob, two of whose devices ring: one answers and the other stops; then both ends of the call talk.
func oneAnswers(t *testing.T, s *harness.Server, a, answers, stops Phone, as, bs Speech) {
	t.Helper()
	a.Dial(t, uri(s, bob))
	answers.AwaitRinging(t)
	stops.AwaitRinging(t)
	answers.Answer(t)
	stops.AwaitIdle(t)
	answers.AwaitTalking(t)
	a.AwaitTalking(t)
	time.Sleep(max(as.Length(), bs.Length()))
	a.HangUp(t)
	a.AwaitIdle(t)
	answers.AwaitIdle(t)
	hears(t, answers.Name(), as.Said, answers.Heard(t), voiceOfBrowser)
	hears(t, a.Name(), bs.Said, a.Heard(t), voiceOfBrowser)
	harness.Eventually(t, "status shows no call", func() bool { return status(t, s).Calls == 0 })
}

// TestBrowserAndPhoneRing has a browser and a phone of one account ring together.
func TestBrowserAndPhoneRing(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"baresip", "the browser"} {
		t.Run(who+" answers", func(t *testing.T) {
			t.Parallel()
			matrix(t, "jssip in chromium and baresip of one account ring, "+who+" answers, the other stops")
			s, page := startBridge(t)
			as, bs := SpeakAfter(t, browserLead, aliceSays), SpeakAfter(t, browserLead, bobSays)
			a := NewBaresip(t, s, user(alice, "udp"), as.File)
			phone := NewBaresip(t, s, user(bob, "tcp"), bs.File)
			browser := NewBrowser(t, s, page, user(bob, "wss"), bs.File)
			for _, p := range []Phone{a, phone, browser} {
				p.Register(t)
			}
			var answers, stops Phone = phone, browser
			if who != "baresip" {
				answers, stops = browser, phone
			}
			oneAnswers(t, s, a, answers, stops, as, bs)
		})
	}
}

// TestBrowsersThroughUs has all sound pass through the server by the operator's wish, also that of two browsers.
func TestBrowsersThroughUs(t *testing.T) {
	t.Parallel()
	matrix(t, `with calls.anchor = "always", two jssip in chromium talk through the server`)
	ap, bp := NewBrowserPage(t), NewBrowserPage(t)
	s := start(t, map[string]string{
		"web.origins": fmt.Sprintf("[%q, %q]", ap.Origin(), bp.Origin()), "calls.anchor": `"always"`,
	})
	as, bs := SpeakAfter(t, browserLead, aliceSays), SpeakAfter(t, browserLead, bobSays)
	a := NewBrowser(t, s, ap, user(alice, "wss"), as.File)
	b := NewBrowser(t, s, bp, user(bob, "wss"), bs.File)
	a.Register(t)
	b.Register(t)
	talksTo(t, s, a, b, b, a, uri(s, bob), as, bs)
}

// TestBrowserHolds has each end hold and take up again; the sentence that the browser hears comes after it.
func TestBrowserHolds(t *testing.T) {
	t.Parallel()
	matrix(t, "jssip in chromium and baresip hold and take up again, the browser hears on")
	s, page := startBridge(t)
	as, bs := SpeakAfter(t, browserLead, aliceSays), SpeakAfter(t, 8, bobSays)
	a := NewBrowser(t, s, page, user(alice, "wss"), as.File)
	b := NewBaresip(t, s, user(bob, "udp"), bs.File)
	a.Register(t)
	b.Register(t)
	establish(t, a, b, uri(s, bob))
	holdAndResume(t, a, b)
	holdAndResume(t, b, b)
	time.Sleep(bs.Length())
	b.HangUp(t)
	b.AwaitIdle(t)
	a.AwaitIdle(t)
	hears(t, a.Name(), bs.Said, a.Heard(t), voiceOfBrowser)
}

// TestBrowserPressesKeys has tones (RFC 4733) cross the bridge.
func TestBrowserPressesKeys(t *testing.T) {
	t.Parallel()
	matrix(t, "jssip in chromium presses keys, baresip is told which")
	s, page := startBridge(t)
	says := Speak(t, aliceSays)
	a := NewBrowser(t, s, page, user(alice, "wss"), says.File)
	b := NewBaresip(t, s, user(bob, "udp"), says.File)
	a.Register(t)
	b.Register(t)
	establish(t, a, b, uri(s, bob))
	for _, key := range []string{"5", "#"} {
		a.Press(t, key)
		if got := b.AwaitTone(t); got != key {
			t.Errorf("baresip was told %q, want %q", got, key)
		}
	}
	a.HangUp(t)
	a.AwaitIdle(t)
	b.AwaitIdle(t)
}

// TestBrowserIsNotBridged has the operator forbid that media passes through the server.
func TestBrowserIsNotBridged(t *testing.T) {
	t.Parallel()
	matrix(t, `with calls.anchor = "never", jssip in chromium can't call baresip, and the log says why`)
	page := NewBrowserPage(t)
	s := start(t, map[string]string{"web.origins": fmt.Sprintf("[%q]", page.Origin()), "calls.anchor": `"never"`})
	says := Speak(t, aliceSays)
	a := NewBrowser(t, s, page, user(alice, "wss"), says.File)
	b := NewBaresip(t, s, user(bob, "udp"), says.File)
	a.Register(t)
	b.Register(t)
	a.Dial(t, uri(s, bob))
	if got := a.AwaitFailed(t); got != "Incompatible SDP" { // JsSIP's word for 488
		t.Errorf("the browser is told %q", got)
	}
	s.Wait(t, `msg="call refused".*calls.anchor is \\"never\\"`)
}
