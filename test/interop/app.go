package interop

import (
	"net/netip"
	"testing"

	"parley/test/harness"
)

// Login is an account, and how an app signs in with it; what is left out, the app chooses.
type Login struct {
	Account          // its Transport is starttls, tls, wss or plain
	Resource  string // rfc6120#7
	Mechanism string // SASL
	Via       *Line  // to the server
}

// App is a real XMPP app under a test's control. All methods fail the test where the app doesn't do what it
// is told.
type App interface {
	// Name says which app it is: "slixmpp".
	Name() string
	// JID is its full address, once it has signed in.
	JID() string
	// SignIn signs in, and makes itself available.
	SignIn(t testing.TB, l Login)
	// SignInRefused tries to sign in and gives what it is told.
	SignInRefused(t testing.TB, l Login) string
	// Write sends a chat message to an address, bare or full.
	Write(t testing.TB, to, text string)
	// AwaitText waits for a chat message from somebody's bare address.
	AwaitText(t testing.TB, from, text string)
}

// Friend is an app that shows who is there.
type Friend interface {
	App
	// Ask asks somebody to show when they are there, and AwaitAsked waits for that.
	Ask(t testing.TB, who string)
	AwaitAsked(t testing.TB, who string)
	// Agree lets somebody see when this one is there.
	Agree(t testing.TB, who string)
	// AwaitContact waits until the contact list has somebody with a subscription: "both", "to", "none" (rfc6121#2.1.2.5).
	AwaitContact(t testing.TB, who, subscription string)
	// Remove takes somebody off the contact list.
	Remove(t testing.TB, who string)
	// Show says of oneself: "away", "dnd"... and a text. AwaitShown waits for what another one says; a show of
	// "online" is none.
	Show(t testing.TB, show, text string)
	AwaitShown(t testing.TB, who, show, text string)
	// AwaitGone waits until somebody is not there any more.
	AwaitGone(t testing.TB, who string)
	// SignOut ends it in order.
	SignOut(t testing.TB)
}

// at is where a login's connection goes.
func (l Login) at(s *harness.Server) netip.AddrPort {
	if l.Via != nil {
		return l.Via.At()
	}
	switch l.Transport {
	case "tls":
		return s.XMPPTLS
	case "wss":
		return s.HTTPS
	}
	return s.XMPP
}

// user is an account whose password is made of its name.
func user(name, transport string) Account {
	return Account{User: name, Password: "secret-of-" + name, Transport: transport}
}

// over is a login with a resource of its own.
func over(name, transport, resource string) Login {
	return Login{Account: user(name, transport), Resource: resource}
}
