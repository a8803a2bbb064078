package interop

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"parley/test/harness"
	"parley/test/harness/audio"
)

// Plain is the server's own page in Chromium, used as a person does: browser/plain.mjs.
type Plain struct {
	account Account
	server  *harness.Server
	process *harness.Process
	seen    int // of its log
}

// NewPlain opens the page, where nobody is signed in yet.
func NewPlain(t testing.TB, s *harness.Server, a Account, speech string) *Plain {
	t.Helper()
	dir, err := filepath.Abs("browser")
	if err != nil {
		t.Fatal(err)
	}
	p := &Plain{account: a, server: s}
	p.process = harness.Start(t, harness.Command{
		Name: a.User + "'s page", Args: []string{"node", "plain.mjs", speech}, Dir: dir, Env: []string{"HOME=" + t.TempDir()},
	})
	p.await(t, "ready")
	p.Do(t, "open", "url", fmt.Sprintf("https://%s/", s.HTTPS))
	return p
}

// Do has the person do something, with arguments by name, and gives what came of it.
func (p *Plain) Do(t testing.TB, what string, args ...string) string {
	t.Helper()
	line := map[string]string{"do": what}
	for i := 0; i < len(args); i += 2 {
		line[args[i]] = args[i+1]
	}
	j, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(p.process.Stdin, "%s\n", j); err != nil {
		t.Fatalf("%s: %v", p.process.Name, err)
	}
	event, detail := p.await(t, what+" done", what+" refused", "forbidden", "fault")
	if event != what+" done" {
		t.Fatalf("%s: %s: %s: %s", p.process.Name, j, event, detail)
	}
	return detail
}

func (p *Plain) await(t testing.TB, events ...string) (event, detail string) {
	t.Helper()
	b := Browser{process: p.process, seen: p.seen}
	event, detail = b.await(t, events...)
	p.seen = b.seen
	return event, detail
}

// Click presses a button of that name.
func (p *Plain) Click(t testing.TB, name string) { t.Helper(); p.Do(t, "click", "name", name) }

// See waits until a text is shown in a part of the page, a CSS selector.
func (p *Plain) See(t testing.TB, within, text string) {
	t.Helper()
	p.Do(t, "see", "within", within, "text", text)
}

// Gone waits until it is shown no more.
func (p *Plain) Gone(t testing.TB, within, text string) {
	t.Helper()
	p.Do(t, "gone", "within", within, "text", text)
}

// Enter fills the field of a label.
func (p *Plain) Enter(t testing.TB, label, text string) {
	t.Helper()
	p.Do(t, "fill", "label", label, "text", text)
}

// Address enters an address over the list of people.
func (p *Plain) Address(t testing.TB, address string) {
	t.Helper()
	p.Enter(t, "Find a contact, or enter an address", address)
}

// Write says something in the conversation that is open.
func (p *Plain) Write(t testing.TB, text string) {
	t.Helper()
	p.Enter(t, "Message", text)
	p.Click(t, "Send")
}

// Name is the page's libraries and the browser's.
func (p *Plain) Name() string { return "the page in chromium" }

// Register signs in, for both protocols.
func (p *Plain) Register(t testing.TB) {
	t.Helper()
	p.Enter(t, "Address", p.server.Address(p.account.User))
	p.Enter(t, "Password", p.account.Password)
	p.Click(t, "Sign in")
	p.Connected(t)
}

// Connected waits until both connections are there.
func (p *Plain) Connected(t testing.TB) {
	t.Helper()
	p.See(t, "#me", "Available")
	p.Do(t, "ready")
}

// Dial calls an address, or a SIP URI.
func (p *Plain) Dial(t testing.TB, address string) {
	t.Helper()
	p.Do(t, "forget")
	p.Address(t, address)
	p.Do(t, "click", "name", "Call", "within", "#found")
}

// AwaitRinging waits for an incoming call.
func (p *Plain) AwaitRinging(t testing.TB) {
	t.Helper()
	p.See(t, "#calls [data-state=ringing][data-incoming=true] .words", "Calls you")
}

// Answer accepts the call, with sound alone.
func (p *Plain) Answer(t testing.TB) { t.Helper(); p.Do(t, "forget"); p.Click(t, "Answer") }

// AwaitTalking waits until the call is answered.
func (p *Plain) AwaitTalking(t testing.TB) { t.Helper(); p.See(t, "#calls .words", "Talking") }

// HangUp ends the call.
func (p *Plain) HangUp(t testing.TB) { t.Helper(); p.Click(t, "Hang up") }

// Ended waits until the page says why the call is over.
func (p *Plain) Ended(t testing.TB, why string) {
	t.Helper()
	p.Do(t, "close", "why", why)
}

// AwaitIdle waits until the call is over.
func (p *Plain) AwaitIdle(t testing.TB) { t.Helper(); p.Do(t, "idle") }

// Hold puts the call on hold.
func (p *Plain) Hold(t testing.TB) {
	t.Helper()
	p.Click(t, "Hold")
	p.See(t, "#calls .words", "On hold")
}

// Resume takes it up again.
func (p *Plain) Resume(t testing.TB) { t.Helper(); p.Click(t, "Hold"); p.AwaitTalking(t) }

// Heard gives the recording.
func (p *Plain) Heard(t testing.TB) audio.Clip {
	t.Helper()
	samples, err := base64.StdEncoding.DecodeString(p.Do(t, "recording"))
	if err != nil {
		t.Fatal(err)
	}
	return clip(samples)
}
