package interop

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
)

// Scripted is an app made of a library and a small program that a test steers by lines of JSON (apps/lines.mjs).
type Scripted struct {
	name    string
	user    string
	server  *harness.Server
	process *harness.Process
	jid     string

	connected func(l Login) happening // what its command to connect says beyond the account

	read   int // of its log
	events []happening
	sent   int
}

// happening is something that an app tells, or is told.
type happening map[string]string

// anything stands for whatever is said, if something is.
const anything = "*"

func (h happening) like(want happening) bool {
	for name, value := range want {
		if got := h[name]; got != value && (value != anything || got == "") {
			return false
		}
	}
	return true
}

var happened = regexp.MustCompile(`(?m)^(\{"event".*\})\n`)

// await waits for something like this, and takes it; what else happens meanwhile remains to be waited for.
func (a *Scripted) await(t testing.TB, wanted ...happening) happening {
	t.Helper()
	for deadline := time.Now().Add(harness.Patience); ; {
		for i, e := range a.events {
			for _, want := range wanted {
				if e.like(want) {
					a.events = append(a.events[:i:i], a.events[i+1:]...)
					return e
				}
			}
		}
		m, err := a.process.Log.WaitFor(a.read, happened, time.Until(deadline))
		if err != nil {
			t.Fatalf("%s: no %v; what happened is %v", a.process.Name, wanted, a.events)
		}
		a.read += strings.Index(a.process.Log.String()[a.read:], m[0]) + len(m[0])
		var e happening
		if err := json.Unmarshal([]byte(m[1]), &e); err != nil {
			t.Fatalf("%s: %s: %v", a.process.Name, m[1], err)
		}
		a.events = append(a.events, e)
	}
}

// never fails the test if something like this has happened, as far as await has looked.
func (a *Scripted) never(t testing.TB, what happening) {
	t.Helper()
	for _, e := range a.events {
		if e.like(what) {
			t.Errorf("%s: %v", a.process.Name, e)
		}
	}
}

// tell gives a command.
func (a *Scripted) tell(t testing.TB, do string, args happening) {
	t.Helper()
	line := happening{"do": do}
	for k, v := range args {
		if v != "" {
			line[k] = v
		}
	}
	j, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(a.process.Stdin, "%s\n", j); err != nil {
		t.Fatalf("%s: %v", a.process.Name, err)
	}
}

// do gives a command that has to be obeyed.
func (a *Scripted) do(t testing.TB, command string, args happening) happening {
	t.Helper()
	a.tell(t, command, args)
	e := a.await(t, happening{"event": command + " done"}, happening{"event": command + " refused"})
	if e["event"] != command+" done" {
		t.Fatalf("%s: %s %v: %s", a.process.Name, command, args, e["why"])
	}
	return e
}

// refused gives a command that has to be refused, and what for.
func (a *Scripted) refused(t testing.TB, command string, args happening) string {
	t.Helper()
	a.tell(t, command, args)
	e := a.await(t, happening{"event": command + " done"}, happening{"event": command + " refused"})
	if e["event"] != command+" refused" {
		t.Fatalf("%s: %s %v is not refused: %v", a.process.Name, command, args, e)
	}
	return e["why"]
}

// Name is the library's.
func (a *Scripted) Name() string { return a.name }

// JID is its full address.
func (a *Scripted) JID() string { return a.jid }

// Connect signs in, and gives what the app knows of that.
func (a *Scripted) Connect(t testing.TB, l Login) happening {
	t.Helper()
	e := a.do(t, "connect", a.connected(l))
	a.jid = e["jid"]
	return e
}

// SignIn signs in, asks for the contacts and is available.
func (a *Scripted) SignIn(t testing.TB, l Login) {
	t.Helper()
	a.Connect(t, l)
	a.do(t, "roster", nil)
	a.do(t, "presence", nil)
}

// SignInRefused tries to sign in.
func (a *Scripted) SignInRefused(t testing.TB, l Login) string {
	t.Helper()
	return a.refused(t, "connect", a.connected(l))
}

// SignOut ends the stream.
func (a *Scripted) SignOut(t testing.TB) {
	t.Helper()
	a.do(t, "disconnect", nil)
	a.await(t, happening{"event": "disconnected"})
}

// Synced waits until the server has answered all that was asked of it so far.
func (a *Scripted) Synced(t testing.TB) { t.Helper(); a.do(t, "ping", nil) }

// Write sends a chat message.
func (a *Scripted) Write(t testing.TB, to, text string) {
	t.Helper()
	a.sent++
	a.do(t, "write", happening{"to": to, "body": text, "id": fmt.Sprintf("m%d", a.sent)})
}

// AwaitText waits for a chat message.
func (a *Scripted) AwaitText(t testing.TB, from, text string) {
	t.Helper()
	a.awaitMessage(t, from, text)
}

func (a *Scripted) awaitMessage(t testing.TB, from, text string) happening {
	t.Helper()
	return a.await(t, happening{"event": "message", "type": "chat", "bare": from, "body": text})
}

// AwaitError waits for the condition with which a message came back.
func (a *Scripted) AwaitError(t testing.TB, from string) string {
	t.Helper()
	return a.await(t, happening{"event": "message", "type": "error", "bare": from})["condition"]
}

// Ask asks somebody for their presence.
func (a *Scripted) Ask(t testing.TB, who string) {
	t.Helper()
	a.do(t, "presence", happening{"to": who, "type": "subscribe"})
}

// AwaitAsked waits to be asked.
func (a *Scripted) AwaitAsked(t testing.TB, who string) {
	t.Helper()
	a.await(t, happening{"event": "presence", "type": "subscribe", "from": who})
}

// Agree grants what was asked.
func (a *Scripted) Agree(t testing.TB, who string) {
	t.Helper()
	a.do(t, "presence", happening{"to": who, "type": "subscribed"})
}

// AwaitContact waits for a roster push.
func (a *Scripted) AwaitContact(t testing.TB, who, subscription string) {
	t.Helper()
	a.await(t, happening{"event": "contact", "push": "yes", "jid": who, "subscription": subscription})
}

// Remove takes somebody off the roster.
func (a *Scripted) Remove(t testing.TB, who string) {
	t.Helper()
	a.do(t, "contact", happening{"jid": who, "subscription": "remove"})
}

// Show says of oneself.
func (a *Scripted) Show(t testing.TB, show, text string) {
	t.Helper()
	if show == "online" {
		show = ""
	}
	a.do(t, "presence", happening{"show": show, "status": text})
}

// AwaitShown waits for what another one says of oneself.
func (a *Scripted) AwaitShown(t testing.TB, who, show, text string) {
	t.Helper()
	if show == "online" {
		show = ""
	}
	a.await(t, happening{"event": "presence", "type": "available", "bare": who, "show": show, "status": text})
}

// AwaitGone waits for somebody to be unavailable.
func (a *Scripted) AwaitGone(t testing.TB, who string) {
	t.Helper()
	a.await(t, happening{"event": "presence", "type": "unavailable", "bare": who})
}
