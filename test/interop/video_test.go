package interop

import (
	"fmt"
	"testing"
	"time"

	"parley/test/harness"
)

// seeEachOther counts pictures at both ends of a call that is up: a browser's since it began, a phone's each second.
func seeEachOther(t *testing.T, browser *Browser, phone *Baresip) {
	t.Helper()
	before := browser.Frames(t)
	harness.Eventually(t, "the phone shows pictures", func() bool { return phone.Pictures(t) >= 5 })
	seen := 0
	harness.Eventually(t, "the browser shows pictures", func() bool {
		seen = browser.Frames(t) - before
		return seen >= 30
	})
	t.Logf("the phone shows %.1f pictures a second, the browser has shown %d", phone.Pictures(t), seen)
}

// TestVideo bridges pictures, each calling the other.
func TestVideo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ codec, encryption string }{{"VP8", ""}, {"H264", ""}, {"VP8", "srtp-mand"}} {
		name := test.codec
		if test.encryption != "" {
			name += " with " + test.encryption
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			matrix(t, fmt.Sprintf("jssip in chromium and baresip call and see each other: %s", name))
			s, page := startBridge(t)
			says := SpeakAfter(t, browserLead, aliceSays)
			a, b := user(alice, "wss"), user(bob, "udp")
			if test.encryption != "" {
				b = encrypting(bob, test.encryption)
			}
			a.Video, b.Video = "all", test.codec
			browser, phone := NewBrowser(t, s, page, a, says.File), NewBaresip(t, s, b, says.File)
			browser.Register(t)
			phone.Register(t)
			for i, caller := range []Phone{phone, browser} {
				callee := []Phone{browser, phone}[i]
				establish(t, caller, callee, uri(s, []string{alice, bob}[i]))
				seeEachOther(t, browser, phone)
				time.Sleep(says.Length())
				caller.HangUp(t)
				caller.AwaitIdle(t)
				callee.AwaitIdle(t)
				hears(t, "the browser", says.Said, browser.Heard(t), voiceOfBrowser)
			}
			harness.Eventually(t, "status shows no call", func() bool { return status(t, s).Calls == 0 })
		})
	}
}

// TestVideoHeld has each end hold sound and pictures, and take them up again.
func TestVideoHeld(t *testing.T) {
	t.Parallel()
	matrix(t, "jssip in chromium and baresip hold sound and pictures and take them up again")
	s, page := startBridge(t)
	says := SpeakAfter(t, browserLead, aliceSays)
	a, b := user(alice, "wss"), user(bob, "udp")
	a.Video, b.Video = "all", "VP8"
	browser, phone := NewBrowser(t, s, page, a, says.File), NewBaresip(t, s, b, says.File)
	browser.Register(t)
	phone.Register(t)
	establish(t, browser, phone, uri(s, bob))
	seeEachOther(t, browser, phone)
	holdAndResume(t, browser, phone)
	holdAndResume(t, phone, phone)
	time.Sleep(6 * time.Second) // the phone counts over five
	seeEachOther(t, browser, phone)
	browser.HangUp(t)
	browser.AwaitIdle(t)
	phone.AwaitIdle(t)
}
