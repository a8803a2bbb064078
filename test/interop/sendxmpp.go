package interop

import (
	"fmt"
	"regexp"
	"testing"

	"parley/test/harness"
)

// SendXMPP is go-sendxmpp: run once for each message that it sends, and another one of it listens.
type SendXMPP struct {
	user     string
	server   *harness.Server
	login    Login
	listener *harness.Process
	jid      string
}

// NewSendXMPP makes one; nothing runs before it signs in.
func NewSendXMPP(s *harness.Server, user string) *SendXMPP { return &SendXMPP{user: user, server: s} }

func (a *SendXMPP) start(t testing.TB, l Login, args ...string) *harness.Process {
	t.Helper()
	command := []string{"go-sendxmpp", "-u", a.server.Address(l.User), "-p", l.Password, "-j", l.at(a.server).String(), "-n"}
	if l.Transport == "tls" {
		command = append(command, "-t")
	}
	return harness.Start(t, harness.Command{
		Name: l.User + "'s go-sendxmpp", Args: append(command, args...), Env: []string{"HOME=" + t.TempDir()},
	})
}

// Name is go-sendxmpp.
func (a *SendXMPP) Name() string { return "go-sendxmpp" }

// JID is the listener's full address.
func (a *SendXMPP) JID() string { return a.jid }

// SignIn has one listen. Its presence, which comes back to it, says that it is available.
func (a *SendXMPP) SignIn(t testing.TB, l Login) {
	t.Helper()
	a.login = l
	a.listener = a.start(t, l, "-d", "-l")
	a.jid = a.listener.Wait(t, `<jid>([^<]+)</jid>`)[1]
	a.listener.Wait(t, `<presence `)
}

// SignInRefused tries to send.
func (a *SendXMPP) SignInRefused(t testing.TB, l Login) string {
	t.Helper()
	p := a.start(t, l, a.server.Address(l.User))
	fmt.Fprintln(p.Stdin, "let me in")
	p.Stdin.Close()
	if code, err := p.Ended(harness.Patience); err != nil || code == 0 {
		t.Fatalf("%s ends with %d, %v", p.Name, code, err)
	}
	return p.Log.String()
}

// Write sends a chat message.
func (a *SendXMPP) Write(t testing.TB, to, text string) {
	t.Helper()
	p := a.start(t, a.login, to)
	fmt.Fprintln(p.Stdin, text)
	p.Stdin.Close()
	if code, err := p.Ended(harness.Patience); err != nil || code != 0 {
		t.Fatalf("%s ends with %d, %v:\n%s", p.Name, code, err, p.Log)
	}
}

// AwaitText waits for the listener to print a message.
func (a *SendXMPP) AwaitText(t testing.TB, from, text string) {
	t.Helper()
	a.listener.Wait(t, `(?m)Z `+regexp.QuoteMeta(from)+`: `+regexp.QuoteMeta(text)+`$`)
}
