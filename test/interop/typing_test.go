package interop

import (
	"path/filepath"
	"testing"

	"parley/test/harness"
)

// typist starts a phone made of liblinphone, whose user types and reads: apps/linphone.py. It is signed in. cpim has it write as
// its newer apps do, each message wrapped (RFC 3862).
func typist(t *testing.T, s *harness.Server, name, transport string, cpim bool) *Scripted {
	t.Helper()
	l := &Linphone{account: user(name, transport), server: s, dir: t.TempDir()}
	l.home(t)
	program, err := filepath.Abs("apps/linphone.py")
	if err != nil {
		t.Fatal(err)
	}
	a := &Scripted{name: "liblinphone", user: name, server: s}
	a.process = harness.Start(t, harness.Command{Name: name + "'s liblinphone", Args: []string{"/usr/bin/python3", program}, Dir: l.dir, Env: l.env()})
	how := happening{"config": "linphonerc", "log": "linphone.log", "cpim": "no"}
	if cpim {
		how["cpim"] = "yes"
	}
	a.do(t, "connect", how)
	return a
}

func TestAPhoneAndAnAppSeeEachOtherTypeAndRead(t *testing.T) {
	t.Parallel()
	matrix(t, "linphone and slixmpp see each other type, and are told that what they wrote has arrived and was read; in CPIM and without")
	for name, cpim := range map[string]bool{"as it comes": false, "in CPIM": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil)
			alices, bobs := s.Address(alice), s.Address(bob)
			app := NewSlixmpp(t, s, alice)
			app.SignIn(t, Login{Account: user(alice, "starttls")})
			phone := typist(t, s, bob, "tcp", cpim)
			phone.do(t, "room", happening{"with": alices})

			// The app writes first: the phone says at once that it has it, and later that it was read.
			app.do(t, "write", happening{"to": bobs, "body": "Are you there?", "id": "m1", "wants": "yes"})
			phone.AwaitText(t, alices, "Are you there?")
			app.await(t, happening{"event": "message", "bare": bobs, "arrived": "m1"})
			phone.do(t, "read", happening{"from": alices})
			app.await(t, happening{"event": "message", "bare": bobs, "seen": "m1"})

			// The phone answers.
			phone.do(t, "type", happening{"to": alices})
			app.await(t, happening{"event": "message", "bare": bobs, "typing": "composing"})
			phone.do(t, "write", happening{"to": alices, "body": "I am.", "id": "p1"})
			got := app.awaitMessage(t, bobs, "I am.")
			phone.await(t, happening{"event": "state", "id": "p1", "state": "delivered to user"})
			app.do(t, "seen", happening{"to": got["from"], "id": got["id"]})
			phone.await(t, happening{"event": "state", "id": "p1", "state": "displayed"})

			// It has shown that it knows what typing is.
			app.do(t, "type", happening{"to": bobs, "state": "composing"})
			phone.await(t, happening{"event": "typing", "from": alices, "active": "yes"})
			app.do(t, "type", happening{"to": bobs, "state": "paused"})
			phone.await(t, happening{"event": "typing", "from": alices, "active": "no"})
			phone.do(t, "type", happening{"to": alices})
			app.await(t, happening{"event": "message", "bare": bobs, "typing": "composing"})
			app.await(t, happening{"event": "message", "bare": bobs, "typing": "paused"})

			app.Synced(t)
			for _, again := range []happening{{"arrived": "m1"}, {"seen": "m1"}} {
				app.never(t, again) // it was told once
			}
		})
	}
}

func TestTwoPhonesSeeEachOtherTypeAndRead(t *testing.T) {
	t.Parallel()
	matrix(t, "linphone in CPIM and linphone without see each other type, and are told that what they wrote has arrived and was read")
	s := start(t, nil)
	wraps, plain := typist(t, s, alice, "tls", true), typist(t, s, bob, "udp", false)
	alices, bobs := s.Address(alice), s.Address(bob)
	wraps.do(t, "room", happening{"with": bobs})
	plain.do(t, "room", happening{"with": alices})
	wraps.do(t, "write", happening{"to": bobs, "body": "Are you there?", "id": "1"})
	plain.AwaitText(t, alices, "Are you there?")
	wraps.await(t, happening{"event": "state", "id": "1", "state": "delivered to user"})
	plain.do(t, "read", happening{"from": alices})
	wraps.await(t, happening{"event": "state", "id": "1", "state": "displayed"})

	plain.do(t, "write", happening{"to": alices, "body": "I am.", "id": "2"})
	wraps.AwaitText(t, bobs, "I am.")
	plain.await(t, happening{"event": "state", "id": "2", "state": "delivered to user"})
	wraps.do(t, "read", happening{"from": bobs})
	plain.await(t, happening{"event": "state", "id": "2", "state": "displayed"})

	wraps.do(t, "type", happening{"to": bobs}) // by which it shows that it knows what that is
	wraps.do(t, "write", happening{"to": bobs, "body": "Wait.", "id": "3"})
	plain.AwaitText(t, alices, "Wait.")
	plain.do(t, "type", happening{"to": alices})
	wraps.await(t, happening{"event": "typing", "from": bobs, "active": "yes"})
	wraps.await(t, happening{"event": "typing", "from": bobs, "active": "no"})
	wraps.do(t, "type", happening{"to": bobs})
	plain.await(t, happening{"event": "typing", "from": alices, "active": "yes"})
}
