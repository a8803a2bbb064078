package interop

import (
	"fmt"
	"testing"

	"parley/test/harness"
)

// TestAppsResume cuts an app's connection, and has it take up its session again.
func TestAppsResume(t *testing.T) {
	t.Parallel()
	for _, who := range []struct {
		kind, transport string
		resends         bool // what it wrote into the dead connection
	}{
		// This slixmpp forgets what it wrote when it asks to resume.
		{"slixmpp", "starttls", false}, {"@xmpp/client", "starttls", true}, {"@xmpp/client", "wss", true}, {"strophe.js", "wss", true},
	} {
		t.Run(who.kind+" over "+who.transport, func(t *testing.T) {
			t.Parallel()
			matrix(t, fmt.Sprintf("%s over %s resumes after its connection is cut: nothing is lost, nothing comes twice", who.kind, who.transport))
			s, page := host(t, alice, bob)
			b := NewSlixmpp(t, s, bob)
			b.SignIn(t, over(bob, "starttls", "b"))
			var a *Scripted
			switch who.kind {
			case "slixmpp":
				a = NewSlixmpp(t, s, alice)
			case "@xmpp/client":
				a = NewXMPPJS(t, s, alice)
			default:
				a = NewStrophe(t, s, page, alice)
			}
			resume(t, s, a, b, who.transport, who.resends)
		})
	}
}

// TestAppsComeBack cuts profanity's connection, and has it connect again.
func TestAppsComeBack(t *testing.T) {
	t.Parallel()
	matrix(t, "profanity connects again after its connection is cut: nothing is lost")
	s, _ := host(t, alice, bob)
	b := NewSlixmpp(t, s, bob)
	b.SignIn(t, over(bob, "starttls", "b"))
	p := NewProfanity(t, s, alice)
	l := over(alice, "starttls", "p")
	l.Via = NewLine(t, l.at(s))
	p.SignIn(t, l)
	p.Persist(t)
	l.Via.Die()
	b.Write(t, s.Address(alice), "lost on the way")
	b.Synced(t)
	l.Via.Cut()
	b.Write(t, s.Address(alice), "while away")
	p.sees(t, `Connection re-established`)
	p.AwaitText(t, s.Address(bob), "lost on the way")
	p.AwaitText(t, s.Address(bob), "while away")
	p.Write(t, s.Address(bob), "back again")
	b.AwaitText(t, s.Address(alice), "back again")
}

func resume(t *testing.T, s *harness.Server, a, b *Scripted, transport string, resends bool) {
	t.Helper()
	l := over(alice, transport, "a")
	l.Via = NewLine(t, l.at(s))
	a.Connect(t, l)
	a.await(t, happening{"event": "resumable"})
	// No contacts, no ping: this @xmpp/client forgets to count the answers that it gets, and would have the server
	// send again what it has.
	a.do(t, "presence", nil)
	b.Write(t, s.Address(alice), "before")
	a.AwaitText(t, s.Address(bob), "before")

	l.Via.Die()
	if resends {
		a.Write(t, s.Address(bob), "lost on the way there")
	}
	b.Write(t, s.Address(alice), "lost on the way here")
	b.Synced(t)
	l.Via.Cut()
	a.await(t, happening{"event": "disconnected"})
	b.Write(t, s.Address(alice), "while away")
	b.Synced(t)
	if got := a.do(t, "reconnect", nil); got["resumed"] != "yes" {
		t.Fatalf("%s has not resumed: %v", a.Name(), got)
	}
	a.AwaitText(t, s.Address(bob), "lost on the way here")
	a.AwaitText(t, s.Address(bob), "while away")
	if resends {
		b.AwaitText(t, s.Address(alice), "lost on the way there")
	}

	a.Write(t, s.Address(bob), "after")
	b.AwaitText(t, s.Address(alice), "after")
	b.Write(t, s.Address(alice), "the end")
	a.AwaitText(t, s.Address(bob), "the end")
	a.never(t, happening{"event": "message"})
	b.never(t, happening{"event": "message"})
}
