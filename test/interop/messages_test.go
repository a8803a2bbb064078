package interop

import (
	"testing"

	"parley/test/harness"
)

// writer starts a linphone of an account that is registered.
func writer(t *testing.T, s *harness.Server, name, transport string) *Linphone {
	t.Helper()
	l := NewLinphone(t, s, user(name, transport), "")
	l.Register(t)
	return l
}

func TestPhoneAndAppWriteToEachOther(t *testing.T) {
	t.Parallel()
	matrix(t, "linphone and slixmpp of two accounts write to each other; the archive has both")
	s := start(t, nil)
	app := NewSlixmpp(t, s, alice)
	app.SignIn(t, Login{Account: user(alice, "starttls")})
	phone := writer(t, s, bob, "tcp")
	app.Write(t, s.Address(bob), "Are you on the phone?")
	phone.AwaitText(t, s.Address(alice), "Are you on the phone?")
	phone.Write(t, "sip:"+s.Address(alice), "Yes, still.")
	app.AwaitText(t, s.Address(bob), "Yes, still.")
	app.Write(t, s.Address(bob), "Then later.")
	phone.AwaitText(t, s.Address(alice), "Then later.")
	app.do(t, "archive", happening{"of": s.Address(bob), "max": "10"})
	for _, body := range []string{"Are you on the phone?", "Yes, still.", "Then later."} {
		app.await(t, happening{"event": "archived", "body": body})
	}
}

func TestPhoneAndAppOfOneAccountShareMessages(t *testing.T) {
	t.Parallel()
	matrix(t, "linphone and slixmpp of one account write to each other, both get what another writes, and the app sees what the phone writes")
	s := start(t, nil)
	app, other := NewSlixmpp(t, s, alice), NewSlixmpp(t, s, bob)
	app.SignIn(t, Login{Account: user(alice, "starttls")})
	app.do(t, "carbons", nil)
	other.SignIn(t, Login{Account: user(bob, "starttls")})
	phone := writer(t, s, alice, "udp")
	other.Write(t, s.Address(alice), "For phone and app.")
	app.AwaitText(t, s.Address(bob), "For phone and app.")
	phone.AwaitText(t, s.Address(bob), "For phone and app.")
	phone.Write(t, "sip:"+s.Address(bob), "From the phone.")
	other.AwaitText(t, s.Address(alice), "From the phone.")
	app.await(t, happening{"event": "sent elsewhere", "body": "From the phone."})
	app.Write(t, s.Address(alice), "Note to the phone.")
	phone.AwaitText(t, s.Address(alice), "Note to the phone.")
	phone.Write(t, "sip:"+s.Address(alice), "Note to the app.")
	app.AwaitText(t, s.Address(alice), "Note to the app.")
}

func TestMessageWaitsForAPhone(t *testing.T) {
	t.Parallel()
	matrix(t, "what slixmpp writes while linphone is away waits for it")
	s := start(t, nil)
	app := NewSlixmpp(t, s, alice)
	app.SignIn(t, Login{Account: user(alice, "starttls")})
	app.Write(t, s.Address(bob), "When you are back.")
	app.Synced(t)
	writer(t, s, bob, "tls").AwaitText(t, s.Address(alice), "When you are back.")
}
