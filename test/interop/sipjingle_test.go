package interop

import (
	"fmt"
	"testing"
)

// phoneAndStanza has alice at baresip and bob at stanza.
func phoneAndStanza(t *testing.T, transport string) (a *Baresip, b *Stanza, aliceSaid, bobSaid Speech) {
	t.Helper()
	s, pages := jingleServer(t, 1)
	aliceSaid, bobSaid = SpeakAfter(t, 3, aliceSays), SpeakAfter(t, 4, bobSays)
	a = NewBaresip(t, s, user(alice, transport), aliceSaid.File)
	b = NewStanza(t, s, pages[0], bob, bobSaid.File)
	a.Register(t)
	b.Register(t)
	return a, b, aliceSaid, bobSaid
}

// TestPhoneAndStanza has a SIP phone and a Jingle app call each other through the bridge, each hanging up what the other
// began.
func TestPhoneAndStanza(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			matrix(t, fmt.Sprintf("baresip over %s and stanza call each other", transport))
			a, b, as, bs := phoneAndStanza(t, transport)
			talk(t, a, b, uri(b.server, bob), as, bs)
			talk(t, b, a, b.server.Address(alice), bs, as)
		})
	}
}

// TestPhoneAndStanzaUnanswered has calls through the bridge be declined and given up, and each end be told why.
func TestPhoneAndStanzaUnanswered(t *testing.T) {
	t.Parallel()
	matrix(t, "baresip and stanza decline and give up calls of each other")
	a, b, _, _ := phoneAndStanza(t, "tcp")
	toApp, toPhone := uri(b.server, bob), b.server.Address(alice)

	for reason, status := range map[string]string{"busy": "486", "decline": "603"} {
		a.Dial(t, toApp)
		b.AwaitRinging(t)
		a.AwaitRingback(t)
		b.HangUpFor(t, reason)
		b.over(t, "me", reason)
		toldWith(t, a, status)
	}

	a.Dial(t, toApp)
	b.AwaitRinging(t)
	a.AwaitRingback(t)
	a.HangUp(t)
	a.AwaitIdle(t)
	b.over(t, "them", "cancel")

	b.Dial(t, toPhone)
	a.AwaitRinging(t)
	b.AwaitRingback(t)
	a.HangUp(t) // says 486
	a.AwaitIdle(t)
	b.over(t, "them", "busy")

	b.Dial(t, toPhone)
	a.AwaitRinging(t)
	b.AwaitRingback(t)
	b.HangUp(t)
	a.AwaitIdle(t)
	b.over(t, "me", "cancel")
}

// TestPhoneAndStanzaHold has both ends of a call through the bridge hold it.
func TestPhoneAndStanzaHold(t *testing.T) {
	t.Parallel()
	matrix(t, "baresip holds stanza, stanza holds baresip, and the talk goes on")
	a, b, _, _ := phoneAndStanza(t, "udp")
	a.Dial(t, uri(b.server, bob))
	b.AwaitRinging(t)
	b.Answer(t)
	b.AwaitTalking(t)
	a.AwaitTalking(t)
	a.Hold(t)
	b.AwaitInfo(t, "hold")
	a.Resume(t)
	b.AwaitInfo(t, "resumed")
	b.Hold(t)
	b.Resume(t)
	b.Mute(t)
	b.Unmute(t)
	if got := b.State(t); got != "active" {
		t.Errorf("the call is %s, want active", got)
	}
	b.HangUp(t)
	b.over(t, "me", "success")
	a.AwaitIdle(t)
}

// TestPhoneAndDino has Dino answer a phone, and call one.
func TestPhoneAndDino(t *testing.T) {
	t.Parallel()
	for _, dinoCalls := range []bool{false, true} {
		t.Run(fmt.Sprint(dinoCalls), func(t *testing.T) {
			t.Parallel()
			matrix(t, map[bool]string{false: "baresip calls dino", true: "dino calls baresip"}[dinoCalls])
			s := start(t, nil)
			as, bs := SpeakAfter(t, 3, aliceSays), Speak(t, bobSays)
			a := NewBaresip(t, s, user(alice, "udp"), as.File)
			b := NewDino(t, s, bob, bs.File)
			a.Register(t)
			b.Register(t)
			if dinoCalls {
				talk(t, b, a, s.Address(alice), bs, as)
			} else {
				talk(t, a, b, uri(s, bob), as, bs)
			}
		})
	}
}
