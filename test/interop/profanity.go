package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
)

// Profanity is an app for a terminal. It is driven like a person would: by what is typed, and by what is on its
// screen.
type Profanity struct {
	user    string
	server  *harness.Server
	process *harness.Process
	screen  *screen
	read    int // of its log
	jid     string
}

const (
	profanityRows = 60
	profanityCols = 180
)

// What would take the eye off what a test looks for is off.
const profanityConfig = `[ui]
splash=false
titlebar=true
roster=false
beep=false
history=false
statuses.console=all
statuses.chat=none
[chatstates]
enabled=false
[logging]
chlog=false
[connection]
reconnect=0
`

// NewProfanity starts one in a terminal of its own, which script(1) makes.
func NewProfanity(t testing.TB, s *harness.Server, user string) *Profanity {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "profanity")
	if err := os.MkdirAll(config, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(config, "profrc"), []byte(profanityConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &Profanity{user: user, server: s, screen: newScreen(profanityRows, profanityCols)}
	p.process = harness.Start(t, harness.Command{
		Name: user + "'s profanity",
		Args: []string{"script", "-qefc",
			fmt.Sprintf("stty rows %d cols %d && exec profanity -l DEBUG -f %s/log", profanityRows, profanityCols, dir), "/dev/null"},
		Env: []string{"HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir, "TERM=vt52", "LANG=C.UTF-8"},
	})
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log")) // what it got so far
			t.Logf("---- %s shows:\n%s---- and logged:\n%s", p.process.Name, p.screen, harness.Tail(notColour.ReplaceAllString(string(log), ""), 20000))
		}
	})
	p.sees(t, `Type /help for help`)
	return p
}

// It complains of the colours that a VT52 doesn't have.
var notColour = regexp.MustCompile(`(?m)^.*colou?r .*\n`)

// types a line.
func (p *Profanity) types(t testing.TB, line string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(p.process.Stdin, line+"\r", args...); err != nil {
		t.Fatalf("%s: %v", p.process.Name, err)
	}
}

var something = regexp.MustCompile(`(?s).`)

// sees waits until the screen has something on it.
func (p *Profanity) sees(t testing.TB, pattern string) []string {
	t.Helper()
	m, ok := p.look(regexp.MustCompile(pattern), harness.Patience)
	if !ok {
		t.Fatalf("%s does not show %s", p.process.Name, pattern)
	}
	return m
}

// look waits some time for the screen to have something on it.
func (p *Profanity) look(pattern *regexp.Regexp, limit time.Duration) ([]string, bool) {
	for deadline := time.Now().Add(limit); ; {
		text := p.process.Log.String()
		p.screen.print(text[p.read:])
		p.read = len(text)
		if m := pattern.FindStringSubmatch(p.screen.String()); m != nil {
			return m, true
		}
		if _, err := p.process.Log.WaitFor(p.read, something, time.Until(deadline)); err != nil {
			return nil, false
		}
	}
}

// Name is profanity.
func (p *Profanity) Name() string { return "profanity" }

// JID is its full address.
func (p *Profanity) JID() string { return p.jid }

func (p *Profanity) connect(t testing.TB, l Login) {
	t.Helper()
	policy := map[string]string{"starttls": "trust", "tls": "legacy", "plain": "disable"}[l.Transport]
	at := l.at(p.server)
	p.types(t, "/connect %s%s server %s port %d tls %s", p.server.Address(l.User), resource(l), at.Addr(), at.Port(), policy)
	p.sees(t, `Enter password:`)
	p.types(t, "%s", l.Password)
}

// SignIn signs in; it asks for the contacts and is available by itself.
func (p *Profanity) SignIn(t testing.TB, l Login) {
	t.Helper()
	p.connect(t, l)
	m := p.sees(t, `(\S+) logged in successfully|Login failed|(?s:Certificate.*/tls deny)`)
	if m[1] == "" && l.Transport == "tls" {
		p.types(t, "/tls allow")
		m = p.sees(t, `(\S+) logged in successfully|Login failed`)
	}
	if p.jid = m[1]; p.jid == "" {
		t.Fatalf("%s: login failed", p.process.Name)
	}
	// It believes that the server can do nothing until it has been told.
	p.insists(t, "/ping", `Ping response from server`)
}

// insists types a line again and again until the screen has something on it.
func (p *Profanity) insists(t testing.TB, line, pattern string) {
	t.Helper()
	for deadline := time.Now().Add(harness.Patience); time.Now().Before(deadline); {
		p.types(t, "%s", line)
		if _, ok := p.look(regexp.MustCompile(pattern), time.Second/5); ok {
			return
		}
	}
	t.Fatalf("%s does not show %s", p.process.Name, pattern)
}

// SignInRefused tries to sign in.
func (p *Profanity) SignInRefused(t testing.TB, l Login) string {
	t.Helper()
	p.connect(t, l)
	return p.sees(t, `Login failed|Connection to server lost|Unable to connect`)[0]
}

// SignOut ends the stream.
func (p *Profanity) SignOut(t testing.TB) {
	t.Helper()
	p.types(t, "/disconnect")
	p.sees(t, `logged out successfully`)
}

// Write sends a chat message.
func (p *Profanity) Write(t testing.TB, to, text string) {
	t.Helper()
	p.types(t, "/msg %s %s", to, text)
	p.sees(t, `me: `+regexp.QuoteMeta(text))
}

// AwaitText opens the window of somebody and waits for the text in it.
func (p *Profanity) AwaitText(t testing.TB, from, text string) {
	t.Helper()
	p.types(t, "/msg %s", from)
	p.sees(t, `(?m)\A `+regexp.QuoteMeta(from)+`[^\n]*(?s:.*)[^\n]+ - [^\n]*: `+regexp.QuoteMeta(text)+`$`)
}

// console goes to the window where profanity says what happens.
func (p *Profanity) console(t testing.TB) {
	t.Helper()
	p.types(t, "/win 1")
	p.sees(t, `Profanity. Type /help`)
}

// Ask asks somebody for their presence.
func (p *Profanity) Ask(t testing.TB, who string) {
	t.Helper()
	p.types(t, "/sub request %s", who)
	p.sees(t, `Sent subscription request to `+regexp.QuoteMeta(who))
}

// AwaitAsked waits to be asked.
func (p *Profanity) AwaitAsked(t testing.TB, who string) {
	t.Helper()
	p.console(t)
	p.sees(t, `Received authorization request from `+regexp.QuoteMeta(who))
}

// Agree grants what was asked.
func (p *Profanity) Agree(t testing.TB, who string) {
	t.Helper()
	p.types(t, "/sub allow %s", who)
	p.sees(t, `Accepted subscription for `+regexp.QuoteMeta(who))
}

// AwaitContact asks for the list until it says so.
func (p *Profanity) AwaitContact(t testing.TB, who, subscription string) {
	t.Helper()
	p.console(t)
	listed := regexp.MustCompile(`(?s)Roster: .* - subscription - groups(.*)`)
	for deadline := time.Now().Add(harness.Patience); time.Now().Before(deadline); {
		p.types(t, "/clear")
		p.types(t, "/roster")
		m, ok := p.look(listed, time.Second/4)
		if ok && (subscription == "remove" && !strings.Contains(m[1], who) || strings.Contains(m[1], who+" - "+subscription)) {
			return
		}
	}
	t.Fatalf("%s: %s is not in the contact list with %s", p.process.Name, who, subscription)
}

// Remove takes somebody off the roster.
func (p *Profanity) Remove(t testing.TB, who string) {
	t.Helper()
	p.console(t)
	p.types(t, "/roster remove %s", who)
	p.sees(t, `Roster item removed: `+regexp.QuoteMeta(who))
}

// Show says of oneself.
func (p *Profanity) Show(t testing.TB, show, text string) {
	t.Helper()
	p.types(t, "/status set %s %q", show, text)
	p.sees(t, `(?i)status set to `+show)
}

// AwaitShown waits for what another one says of oneself.
func (p *Profanity) AwaitShown(t testing.TB, who, show, text string) {
	t.Helper()
	p.console(t)
	says := regexp.QuoteMeta(who) + `[^\n]* is ` + show
	if text != "" {
		says += `[^\n]*"` + regexp.QuoteMeta(text) + `"`
	}
	p.sees(t, says)
}

// AwaitGone waits for somebody to be unavailable.
func (p *Profanity) AwaitGone(t testing.TB, who string) {
	t.Helper()
	p.console(t)
	p.sees(t, regexp.QuoteMeta(who)+`[^\n]* is offline`)
	p.types(t, "/clear") // so that it is not taken for another time
}

// Persist has it connect again a second after it has lost its connection.
func (p *Profanity) Persist(t testing.TB) {
	t.Helper()
	p.types(t, "/reconnect 1")
	p.sees(t, `Reconnect interval set`)
}

// Carbons follows the account's other apps.
func (p *Profanity) Carbons(t testing.TB) {
	t.Helper()
	p.types(t, "/carbons on")
	p.sees(t, `(?i)carbons.* enabled`)
}

// Archive has a window filled from the archive when it is opened.
func (p *Profanity) Archive(t testing.TB) {
	t.Helper()
	p.types(t, "/mam on")
	p.sees(t, `(?i)MAM .*enabled|Message Archive Management.*enabled`)
}

// Shows opens the window of somebody and waits for something in it.
func (p *Profanity) Shows(t testing.TB, who, text string) {
	t.Helper()
	p.types(t, "/msg %s", who)
	p.sees(t, regexp.QuoteMeta(text))
}
