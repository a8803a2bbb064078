package interop

import (
	"testing"
	"time"

	"parley/test/harness"
)

// watcher is a phone that shows whom it watches.
type watcher interface {
	AwaitSeen(t testing.TB, who, how string)
}

// pace is how often a phone is told of another state at most.
const pace = 5 * time.Second

// mutual has an app of alice and one of bob see each other; alice's is gone again then, and her phone is all that she has.
func mutual(t *testing.T, s *harness.Server, b *Scripted) {
	t.Helper()
	a := NewSlixmpp(t, s, alice)
	a.SignIn(t, over(alice, "starttls", "desk"))
	a.Ask(t, s.Address(bob))
	b.AwaitAsked(t, s.Address(alice))
	b.Agree(t, s.Address(alice))
	b.Ask(t, s.Address(alice))
	a.AwaitAsked(t, s.Address(bob))
	a.Agree(t, s.Address(bob))
	b.AwaitShown(t, s.Address(alice), "online", "")
	a.SignOut(t)
	b.AwaitGone(t, s.Address(alice))
}

// sees has a phone of alice follow what bob's app and bob's calls show of him. how says what the phone calls that.
func sees(t *testing.T, s *harness.Server, phone watcher, b *Scripted, how map[string]string) {
	t.Helper()
	next := func(want string) {
		t.Helper()
		phone.AwaitSeen(t, s.Address(bob), how[want])
		time.Sleep(pace)
	}
	time.Sleep(pace)
	b.Show(t, "dnd", "thinking")
	next("busy")
	b.Show(t, "online", "")
	next("online")
	b.do(t, "block", happening{"jid": s.Address(alice)})
	next("offline")
	b.do(t, "unblock", happening{"jid": s.Address(alice)})
	next("online")

	// A call of bob's.
	says := Speak(t, bobSays)
	desk := NewBaresip(t, s, user(bob, "tcp"), says.File)
	desk.Register(t)
	desk.Dial(t, uri(s, "echo"))
	desk.AwaitTalking(t)
	next("talking")
	desk.HangUp(t)
	desk.AwaitIdle(t)
	next("online")

	b.SignOut(t)
	next("offline")
}

// TestBaresipAndAppSeeEachOther has a phone and an app watch each other.
func TestBaresipAndAppSeeEachOther(t *testing.T) {
	t.Parallel()
	matrix(t, "baresip and slixmpp see each other come, change, talk, block and go")
	s := start(t, nil)
	b := NewSlixmpp(t, s, bob)
	b.SignIn(t, over(bob, "starttls", "laptop"))
	mutual(t, s, b)
	says := Speak(t, aliceSays)
	a := NewBaresip(t, s, user(alice, "udp"), says.File, s.Address(bob))
	a.Register(t)
	b.AwaitShown(t, s.Address(alice), "online", "") // what it publishes
	a.Traced(t, 0, "<basic>open</basic><|<status><basic>open")
	a.Appears(t, false)
	b.AwaitGone(t, s.Address(alice))
	a.Appears(t, true)
	b.AwaitShown(t, s.Address(alice), "online", "")

	a.Dial(t, uri(s, "echo"))
	a.AwaitTalking(t)
	b.AwaitShown(t, s.Address(alice), "dnd", "On the phone")
	a.HangUp(t)
	a.AwaitIdle(t)
	b.AwaitShown(t, s.Address(alice), "online", "")
	sees(t, s, a, b, map[string]string{"online": "Online", "busy": "Busy", "talking": "Busy", "offline": "Offline"})
}

// TestLinphoneAndAppSeeEachOther has another phone and an app watch each other.
func TestLinphoneAndAppSeeEachOther(t *testing.T) {
	t.Parallel()
	matrix(t, "linphone and slixmpp see each other come, change, talk, block and go")
	s := start(t, nil)
	b := NewSlixmpp(t, s, bob)
	b.SignIn(t, over(bob, "starttls", "laptop"))
	mutual(t, s, b)
	a := NewLinphonec(t, s, user(alice, "tcp"), s.Address(bob))
	b.AwaitShown(t, s.Address(alice), "online", "")
	a.AwaitSeen(t, s.Address(bob), "Online")
	sees(t, s, a, b, map[string]string{"online": "Online", "busy": "Busy", "talking": "On the phone", "offline": "Offline"})
	b.SignIn(t, over(bob, "starttls", "laptop"))
	b.AwaitShown(t, s.Address(alice), "online", "")
	a.Quit(t)
	b.AwaitGone(t, s.Address(alice))
}

// TestPhonesAskToSee has phones ask, whom an app answers.
func TestPhonesAskToSee(t *testing.T) {
	t.Parallel()
	matrix(t, "baresip and linphone ask slixmpp to see it: it is asked, agrees with one and refuses the other")
	s, _ := host(t, alice, bob, carol)
	b := NewSlixmpp(t, s, bob)
	b.SignIn(t, over(bob, "starttls", "laptop"))
	says := Speak(t, aliceSays)
	a := NewBaresip(t, s, user(alice, "tls"), says.File, s.Address(bob))
	a.Register(t)
	b.AwaitAsked(t, s.Address(alice))
	a.Traced(t, 0, "Subscription-State: pending")
	b.do(t, "presence", happening{"to": s.Address(alice), "type": "unsubscribed"})
	a.Traced(t, 0, "Subscription-State: terminated;reason=rejected")

	c := NewLinphonec(t, s, user(carol, "udp"), s.Address(bob))
	b.AwaitAsked(t, s.Address(carol))
	b.Agree(t, s.Address(carol))
	c.AwaitSeen(t, s.Address(bob), "Online")
}
