package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
)

// jingleServer is a server with pages for apps that call.
func jingleServer(t *testing.T, pages int) (*harness.Server, []BrowserPage) {
	t.Helper()
	var all []BrowserPage
	var origins []string
	for range pages {
		p := NewBrowserPage(t)
		all, origins = append(all, p), append(origins, fmt.Sprintf("%q", p.Origin()))
	}
	return start(t, map[string]string{"web.origins": "[" + strings.Join(origins, ", ") + "]"}), all
}

// pair is alice's and bob's apps, signed in, and what they say.
type pair struct {
	server             *harness.Server
	alice, bob         *Stanza
	aliceSays, bobSays Speech
}

func newPair(t *testing.T, prepare func(*Stanza)) pair {
	t.Helper()
	s, pages := jingleServer(t, 2)
	p := pair{server: s, aliceSays: SpeakAfter(t, 4, aliceSays), bobSays: SpeakAfter(t, 4, bobSays)}
	p.alice = NewStanza(t, s, pages[0], alice, p.aliceSays.File)
	p.bob = NewStanza(t, s, pages[1], bob, p.bobSays.File)
	for _, a := range []*Stanza{p.alice, p.bob} {
		prepare(a)
		a.Register(t)
	}
	return p
}

// talk waits until a call is answered and both have spoken.
func (p pair) talk(t *testing.T) {
	t.Helper()
	p.bob.AwaitTalking(t)
	p.alice.AwaitTalking(t)
	time.Sleep(max(p.aliceSays.Length(), p.bobSays.Length()))
}

// heard compares what was said with what was heard; the call is over.
func (p pair) heard(t *testing.T) {
	t.Helper()
	p.alice.AwaitIdle(t)
	p.bob.AwaitIdle(t)
	hears(t, "bob", p.aliceSays.Said, p.bob.Heard(t), voiceOfOpus)
	hears(t, "alice", p.bobSays.Said, p.alice.Heard(t), voiceOfOpus)
}

// TestJingle has two apps that are strangers to one another call by each of the ways there are, with candidates sent
// after the descriptions or in them.
func TestJingle(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*Stanza){
		"trickled": func(*Stanza) {},
		"batched":  func(a *Stanza) { a.Batched() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			matrix(t, "stanza calls stanza, candidates "+name)
			p := newPair(t, prepare)

			p.alice.Dial(t, p.server.Address(bob))
			p.bob.AwaitRinging(t)
			p.alice.AwaitRingback(t)
			p.bob.Answer(t)
			p.talk(t)
			p.alice.HangUp(t)
			p.heard(t)

			p.bob.Initiate(t, p.alice.JID())
			p.alice.AwaitRinging(t)
			p.bob.AwaitRingback(t)
			p.alice.Answer(t)
			p.talk(t)
			p.alice.HangUp(t) // who was called
			p.heard(t)
		})
	}
}

// over fails the test unless a call is over, ended by someone for a reason.
func (a *Stanza) over(t *testing.T, by, reason string) {
	t.Helper()
	if gotBy, got := a.AwaitOver(t); gotBy != by || got != reason {
		t.Errorf("%s: the call is over by %s, %q; want by %s, %q", a.process.Name, gotBy, got, by, reason)
	}
}

// TestJingleUnanswered has calls be declined and given up.
func TestJingleUnanswered(t *testing.T) {
	t.Parallel()
	matrix(t, "stanza declines a call of stanza's, stanza gives one up")
	p := newPair(t, func(*Stanza) {})
	dial := func() { p.alice.Dial(t, p.server.Address(bob)) }
	initiate := func() { p.alice.Initiate(t, p.bob.JID()) }
	p.bob.do(t, "presence", happening{"to": p.server.Address(alice)}) // that it may be asked
	for _, c := range []struct {
		call        func()
		who, other  *Stanza // who ends it
		say, reason string
	}{
		{dial, p.bob, p.alice, "", "busy"},
		{dial, p.bob, p.alice, "decline", "decline"},
		{dial, p.alice, p.bob, "", "cancel"},
		{dial, p.alice, p.bob, "timeout", "timeout"},
		{initiate, p.bob, p.alice, "", "decline"},
		{initiate, p.bob, p.alice, "busy", "busy"},
		{initiate, p.alice, p.bob, "", "cancel"},
	} {
		c.call()
		p.bob.AwaitRinging(t)
		p.alice.AwaitRingback(t)
		c.who.HangUpFor(t, c.say)
		c.who.over(t, "me", c.reason)
		c.other.over(t, "them", c.reason)
	}
}

// TestJingleInfo has a call be held and muted.
func TestJingleInfo(t *testing.T) {
	t.Parallel()
	matrix(t, "stanza holds and mutes, stanza is told")
	p := newPair(t, func(*Stanza) {})
	p.alice.Dial(t, p.server.Address(bob))
	p.bob.AwaitRinging(t)
	p.bob.Answer(t)
	p.bob.AwaitTalking(t)
	p.alice.AwaitTalking(t)
	for _, c := range []struct {
		does func(testing.TB)
		told string
	}{{p.alice.Hold, "hold"}, {p.alice.Resume, "resumed"}, {p.alice.Mute, "mute"}, {p.alice.Unmute, "unmute"}} {
		c.does(t)
		p.bob.AwaitInfo(t, c.told)
	}
	if got := p.bob.State(t); got != "active" {
		t.Errorf("the call is %s, want active", got)
	}
	p.bob.HangUpFor(t, "timeout")
	p.alice.over(t, "them", "timeout")
}

// TestJingleCallsAllApps has two apps of one account ring; what one does the other is told by a copy (XEP-0280).
func TestJingleCallsAllApps(t *testing.T) {
	t.Parallel()
	matrix(t, "two stanzas of one account ring, one answers or declines, the other stops")
	s, pages := jingleServer(t, 3)
	as, bs := SpeakAfter(t, 4, aliceSays), SpeakAfter(t, 4, bobSays)
	a := NewStanza(t, s, pages[0], alice, as.File)
	desk := NewStanza(t, s, pages[1], bob, bs.File).Named("desk")
	pocket := NewStanza(t, s, pages[2], bob, bs.File).Named("pocket")
	for _, app := range []*Stanza{a, desk, pocket} {
		app.Register(t)
	}
	ring := func() {
		a.Dial(t, s.Address(bob))
		desk.AwaitRinging(t)
		pocket.AwaitRinging(t)
		a.AwaitRingback(t)
		a.AwaitRingback(t)
	}

	ring()
	desk.HangUp(t)
	a.over(t, "them", "busy")
	pocket.over(t, "elsewhere", "reject")
	desk.AwaitIdle(t)

	ring()
	a.HangUp(t)
	desk.over(t, "them", "cancel")
	pocket.over(t, "them", "cancel")
	a.AwaitIdle(t)

	ring()
	pocket.Answer(t)
	desk.over(t, "elsewhere", "proceed")
	p := pair{server: s, alice: a, bob: pocket, aliceSays: as, bobSays: bs}
	p.talk(t)
	a.HangUp(t)
	p.heard(t)
}

// TestJingleOfContacts has an app find out by the presence of a contact that it can be called.
func TestJingleOfContacts(t *testing.T) {
	t.Parallel()
	matrix(t, "stanza sees that a contact's stanza takes calls, and calls it")
	p := newPair(t, func(*Stanza) {})
	a, b := p.server.Address(alice), p.server.Address(bob)
	p.alice.Ask(t, b)
	p.bob.AwaitAsked(t, a)
	p.bob.Agree(t, a)
	p.alice.AwaitContact(t, b, "to")
	p.alice.await(t, happening{"event": "presence", "type": "available", "from": p.bob.JID(), "caps": anything})
	features := p.alice.Features(t, p.bob.JID())
	for _, want := range []string{"urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:rtp:audio", "urn:xmpp:jingle-message:0"} {
		if !slices.Contains(features, want) {
			t.Errorf("bob's app has the features %q, want %s", features, want)
		}
	}
	p.alice.Initiate(t, p.bob.JID())
	p.bob.AwaitRinging(t)
	p.bob.Answer(t)
	p.bob.AwaitTalking(t)
	p.alice.AwaitTalking(t)
	p.alice.HangUp(t)
	p.bob.over(t, "them", "success")
}

// TestJingleMissed has somebody be called who is not there: the steps wait, and an app that comes in time can answer.
func TestJingleMissed(t *testing.T) {
	t.Parallel()
	matrix(t, "stanza comes while it is called and answers; it comes too late and sees that")
	s, pages := jingleServer(t, 2)
	as, bs := SpeakAfter(t, 4, aliceSays), SpeakAfter(t, 4, bobSays)
	a := NewStanza(t, s, pages[0], alice, as.File)
	b := NewStanza(t, s, pages[1], bob, bs.File)
	a.Register(t)
	a.Dial(t, s.Address(bob))
	a.HangUp(t)
	a.Dial(t, s.Address(bob))
	b.Register(t)
	b.AwaitProposed(t)
	b.over(t, "them", "cancel")
	b.AwaitRinging(t)
	b.Answer(t)
	b.AwaitTalking(t)
	a.AwaitTalking(t)
	a.HangUp(t)
	b.over(t, "them", "success")
}
