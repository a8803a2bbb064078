package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/test/harness"
	"parley/test/harness/audio"
)

// Stanza is an app that calls by Jingle, made of stanza in a page of Chromium: apps/stanza.mjs. It speaks XMPP over
// WebSocket, and agrees on calls by messages (XEP-0353) or begins them at once. It is a phone too: an address may be
// one of SIP.
type Stanza struct {
	*Scripted
	resource   string
	candidates string
}

// NewStanza opens the page; speech is what it says in calls, from when its microphone is opened: when it accepts a
// call, or the other one does.
func NewStanza(t testing.TB, s *harness.Server, p BrowserPage, user, speech string) *Stanza {
	t.Helper()
	a := &Stanza{Scripted: &Scripted{name: "stanza", user: user, server: s}}
	a.process = harness.Start(t, harness.Command{
		Name: user + "'s stanza", Args: []string{"node", "apps/stanza.mjs", fmt.Sprint(p.port), speech},
		Env: []string{"HOME=" + t.TempDir()},
	})
	a.connected = func(l Login) happening {
		return happening{
			"service": fmt.Sprintf("wss://%v/xmpp", l.at(s)), "jid": s.Address(l.User), "resource": l.Resource,
			"password": l.Password, "candidates": a.candidates,
		}
	}
	a.await(t, happening{"event": "ready"})
	return a
}

// Named has Register sign in with a resource of its own.
func (a *Stanza) Named(resource string) *Stanza { a.resource = resource; return a }

// Batched has its descriptions come with all candidates, and none after them. It has to be said before it signs in.
func (a *Stanza) Batched() *Stanza { a.candidates = "batched"; return a }

// Register signs in as the account of its user.
func (a *Stanza) Register(t testing.TB) {
	t.Helper()
	a.SignIn(t, over(a.user, "wss", a.resource))
}

// Dial proposes a call to a bare address, and has it begin with whoever proceeds.
func (a *Stanza) Dial(t testing.TB, address string) {
	t.Helper()
	a.do(t, "propose", happening{"to": strings.TrimPrefix(address, "sip:")})
}

// Initiate begins a call with a full address, unasked.
func (a *Stanza) Initiate(t testing.TB, to string) {
	t.Helper()
	a.do(t, "initiate", happening{"to": to})
}

// AwaitProposed waits for a call, and gives who calls.
func (a *Stanza) AwaitProposed(t testing.TB) (from string) {
	t.Helper()
	return a.await(t, happening{"event": "propose"}, happening{"event": "initiate"})["from"]
}

// Ring tells the caller that it rings.
func (a *Stanza) Ring(t testing.TB) { t.Helper(); a.do(t, "ring", nil) }

// AwaitRinging waits for a call, and rings.
func (a *Stanza) AwaitRinging(t testing.TB) {
	t.Helper()
	a.AwaitProposed(t)
	a.Ring(t)
}

// AwaitRingback waits until the callee rings.
func (a *Stanza) AwaitRingback(t testing.TB) {
	t.Helper()
	a.await(t, happening{"event": "ringing"}, happening{"event": "info", "info": "ringing"})
}

// Answer takes the call.
func (a *Stanza) Answer(t testing.TB) { t.Helper(); a.do(t, "answer", nil) }

// AwaitTalking waits until the call is accepted and its media is connected.
func (a *Stanza) AwaitTalking(t testing.TB) { t.Helper(); a.await(t, happening{"event": "talking"}) }

// HangUp ends, retracts or rejects the call, for the usual reason.
func (a *Stanza) HangUp(t testing.TB) { t.Helper(); a.HangUpFor(t, "") }

// HangUpFor ends, retracts or rejects the call for a reason (xep0166#7.4).
func (a *Stanza) HangUpFor(t testing.TB, reason string) {
	t.Helper()
	a.do(t, "hangup", happening{"reason": reason})
}

// AwaitIdle waits until the call is over.
func (a *Stanza) AwaitIdle(t testing.TB) { t.Helper(); a.AwaitOver(t) }

// AwaitOver waits until the call is over, and gives who ended it, and why: "me" or "them" for a reason, or "elsewhere",
// where another app of this account took a step.
func (a *Stanza) AwaitOver(t testing.TB) (by, reason string) {
	t.Helper()
	e := a.await(t, happening{"event": "over"})
	return e["by"], e["reason"]
}

// Hold puts the call on hold.
func (a *Stanza) Hold(t testing.TB) { t.Helper(); a.do(t, "hold", nil) }

// Resume takes the call off hold.
func (a *Stanza) Resume(t testing.TB) { t.Helper(); a.do(t, "resume", nil) }

// Mute says nothing any more, and tells the other one.
func (a *Stanza) Mute(t testing.TB) { t.Helper(); a.do(t, "mute", nil) }

// Unmute speaks again.
func (a *Stanza) Unmute(t testing.TB) { t.Helper(); a.do(t, "unmute", nil) }

// AwaitInfo waits for what the other one tells of the call: ringing, hold, resumed, mute or unmute.
func (a *Stanza) AwaitInfo(t testing.TB, info string) {
	t.Helper()
	a.await(t, happening{"event": "info", "info": info})
}

// Features asks somebody's app, by its full address, what it can do (xep0030#3).
func (a *Stanza) Features(t testing.TB, full string) []string {
	t.Helper()
	return strings.Fields(a.do(t, "features", happening{"to": full})["features"])
}

// State is that of its call: none, proposed, or the session's: starting, pending, active.
func (a *Stanza) State(t testing.TB) string { t.Helper(); return a.do(t, "state", nil)["state"] }

// Heard asks for the recording of the last call.
func (a *Stanza) Heard(t testing.TB) audio.Clip {
	t.Helper()
	file := filepath.Join(t.TempDir(), "heard")
	a.do(t, "recording", happening{"file": file})
	samples, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return clip(samples)
}
