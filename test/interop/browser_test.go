package interop

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"parley/test/harness"
)

// serverStatus is the part of `parley status --json` that these tests look at.
type serverStatus struct {
	Devices     int            `json:"devices"`
	Calls       int            `json:"calls"`
	Connections map[string]int `json:"connections"`
}

func status(t *testing.T, s *harness.Server) serverStatus {
	t.Helper()
	var got serverStatus
	if err := json.Unmarshal([]byte(s.MustRun(t, "status", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// voiceOfOpus is the similarity asked of a voice that went through Opus and a browser's jitter buffer, which
// stretches it; another sentence is below 0.3.
const voiceOfOpus = 0.6

// TestBrowsers signs two browsers in over secure WebSockets and has them talk, media going directly
// between them.
func TestBrowsers(t *testing.T) {
	t.Parallel()
	matrix(t, "jssip in chromium signs in over wss, and calls another one")
	ap, bp := NewBrowserPage(t), NewBrowserPage(t)
	s := start(t, map[string]string{"web.origins": fmt.Sprintf("[%q, %q]", ap.Origin(), bp.Origin())})
	// A browser's microphone opens when the call begins, some time before it is connected.
	as, bs := SpeakAfter(t, 4, aliceSays), SpeakAfter(t, 4, bobSays)
	a := NewBrowser(t, s, ap, user(alice, "wss"), as.File)
	b := NewBrowser(t, s, bp, user(bob, "wss"), bs.File)
	a.Register(t)
	b.Register(t)
	if !s.IsStandIn() {
		if got := status(t, s); got.Devices != 2 || got.Connections["WSS"] != 2 {
			t.Errorf("status shows %d devices and connections %v, want 2 devices and 2 WSS", got.Devices, got.Connections)
		}
	}
	a.Dial(t, uri(s, bob))
	b.AwaitRinging(t)
	b.Answer(t)
	b.AwaitTalking(t)
	a.AwaitTalking(t)
	time.Sleep(max(as.Length(), bs.Length()))
	b.HangUp(t)
	b.AwaitIdle(t)
	a.AwaitIdle(t)
	hears(t, "bob's browser", as.Said, b.Heard(t), voiceOfOpus)
	hears(t, "alice's browser", bs.Said, a.Heard(t), voiceOfOpus)

	b.Unregister(t)
	if !s.IsStandIn() {
		harness.Eventually(t, "status shows one device", func() bool { return status(t, s).Devices == 1 })
	}
}

func TestBrowserWrongPassword(t *testing.T) {
	t.Parallel()
	matrix(t, "jssip in chromium with a wrong password is refused")
	page := NewBrowserPage(t)
	s := start(t, map[string]string{"web.origins": fmt.Sprintf("[%q]", page.Origin())})
	says := Speak(t, aliceSays)
	b := NewBrowser(t, s, page, Account{User: alice, Password: "guessed"}, says.File)
	if got := b.RegisterRefused(t); got[:3] != "401" {
		t.Errorf("jssip is told %q, want 401", got)
	}
}
