package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/test/harness/audio"
)

var transports = []string{"udp", "tcp", "tls"}

func TestBaresipCallsBaresip(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			inBothWays(t, "baresip calls baresip over "+transport, func(t *testing.T, w way) {
				s := w.start(t)
				as, bs := Speak(t, aliceSays), Speak(t, bobSays)
				a := NewBaresip(t, s, user(alice, transport), as.File)
				b := NewBaresip(t, s, user(bob, transport), bs.File)
				a.Register(t)
				b.Register(t)
				talk(t, a, b, uri(s, bob), as, bs)
				w.soundWent(t, a, b)
			})
		})
	}
}

func TestLinphoneAndBaresip(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			inBothWays(t, "baresip calls linphone, linphone calls baresip over "+transport, func(t *testing.T, w way) {
				s := w.start(t)
				as, bs := Speak(t, aliceSays), Speak(t, bobSays)
				a := NewBaresip(t, s, user(alice, transport), as.File)
				b := NewLinphone(t, s, user(bob, transport), bs.File)
				a.Register(t)
				b.Register(t)
				talk(t, a, b, uri(s, bob), as, bs)
				talk(t, b, a, uri(s, alice), bs, as)
				w.soundWent(t, a, b)
			})
		})
	}
}

// TestAcrossTransports has the two ends of a call on different transports, and the callee hang up.
func TestAcrossTransports(t *testing.T) {
	t.Parallel()
	inBothWays(t, "baresip over udp calls linphone over tls, which hangs up", func(t *testing.T, w way) {
		s := w.start(t)
		as, bs := Speak(t, aliceSays), Speak(t, bobSays)
		a := NewBaresip(t, s, user(alice, "udp"), as.File)
		b := NewLinphone(t, s, user(bob, "tls"), bs.File)
		a.Register(t)
		b.Register(t)
		a.Dial(t, uri(s, bob))
		b.AwaitRinging(t)
		b.Answer(t)
		a.AwaitTalking(t)
		b.AwaitTalking(t)
		time.Sleep(max(as.Length(), bs.Length()))
		b.HangUp(t)
		a.AwaitIdle(t)
		hears(t, "linphone", as.Said, b.Heard(t), alike("linphone"))
		hears(t, "baresip", bs.Said, a.Heard(t), audio.Alike)
		w.soundWent(t, a, b)
		w.nobodyCalls(t, s)
	})
}

// TestBehindNAT has the server choose the way by itself: a phone behind a NAT gets the relay. baresip is not
// the one: it describes its sound by an address that a NAT on loopback would not have it come from.
func TestBehindNAT(t *testing.T) {
	t.Parallel()
	matrix(t, "linphone behind a NAT and baresip call each other through the relay")
	w := backToBack()
	delete(w.set, "calls.mode")
	delete(w.set, "calls.anchor")
	s := w.start(t)
	as, bs := Speak(t, aliceSays), Speak(t, bobSays)
	a := NewBaresip(t, s, user(alice, "udp"), as.File)
	b := NewLinphone(t, BehindNAT(t, s), user(bob, "tcp"), bs.File)
	a.Register(t)
	b.Register(t)
	talk(t, a, b, uri(s, bob), as, bs)
	talk(t, b, a, uri(s, alice), bs, as)
	w.soundWent(t, a, b)
	w.nobodyCalls(t, s)
}

// TestEcho has each phone call the echo service and hear itself.
func TestEcho(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run("baresip over "+transport, func(t *testing.T) {
			t.Parallel()
			matrix(t, "baresip hears itself from echo over "+transport)
			s := start(t, nil)
			said := Speak(t, aliceSays)
			hearsItself(t, NewBaresip(t, s, user(alice, transport), said.File), uri(s, "echo"), said)
		})
		t.Run("linphone over "+transport, func(t *testing.T) {
			t.Parallel()
			matrix(t, "linphone hears itself from echo over "+transport)
			s := start(t, nil)
			said := Speak(t, aliceSays)
			hearsItself(t, NewLinphone(t, s, user(alice, transport), said.File), uri(s, "echo"), said)
		})
	}
	for _, transport := range []string{"udp", "tcp"} { // all that SIPp has
		t.Run("sipp over "+transport, func(t *testing.T) {
			t.Parallel()
			matrix(t, "sipp hears itself from echo over "+transport)
			s := start(t, nil)
			said := Speak(t, aliceSays)
			p := NewSIPp(t, s, user(alice, transport))
			call := p.Begin(t, "call", said.Length()+time.Second, map[string]string{"callee": "echo"})
			p.Voice.Play(call.Media(t), said.Said.Padded(usualLead, 0.5))
			call.Succeeded(t)
			hears(t, "sipp", said.Said, p.Voice.Heard(), audio.Alike)
		})
	}
}

func hearsItself(t *testing.T, p Phone, echo string, said Speech) {
	t.Helper()
	p.Register(t)
	p.Dial(t, echo)
	p.AwaitTalking(t)
	time.Sleep(said.Length() + time.Second/2)
	p.HangUp(t)
	p.AwaitIdle(t)
	hears(t, p.Name(), said.Said, p.Heard(t), audio.Alike)
}

// TestAllPhonesRing has three phones of one account ring together; one answers, the others stop.
func TestAllPhonesRing(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"baresip", "linphone", "sipp"} {
		t.Run(who+" answers", func(t *testing.T) {
			t.Parallel()
			inBothWays(t, "baresip, linphone and sipp of one account ring, "+who+" answers, the others stop", func(t *testing.T, w way) {
				ringTogether(t, w, who)
			})
		})
	}
}

func ringTogether(t *testing.T, w way, who string) {
	t.Helper()
	s := w.start(t)
	as, bs := Speak(t, aliceSays), Speak(t, bobSays)
	a := NewBaresip(t, s, user(alice, "udp"), as.File)
	a.Register(t)
	bare := NewBaresip(t, s, user(bob, "tcp"), bs.File)
	bare.Register(t)
	lin := NewLinphone(t, s, user(bob, "udp"), bs.File)
	lin.Register(t)
	third := NewSIPp(t, s, user(bob, "udp"))
	third.Register(t)
	scenario := "cancelled"
	if who == "sipp" {
		scenario = "answer"
	}
	sipp := third.Begin(t, scenario, 2*time.Second, nil)
	third.AwaitListening(t)

	a.Dial(t, uri(s, bob))
	bare.AwaitRinging(t)
	lin.AwaitRinging(t)
	var heard func() audio.Clip
	switch who {
	case "baresip":
		sipp.Logged(t, "ringing")
		bare.Answer(t)
		bare.AwaitTalking(t)
		lin.AwaitIdle(t)
		sipp.Succeeded(t)
		heard = func() audio.Clip { bare.AwaitIdle(t); return bare.Heard(t) }
	case "linphone":
		sipp.Logged(t, "ringing")
		lin.Answer(t)
		lin.AwaitTalking(t)
		bare.AwaitIdle(t)
		sipp.Succeeded(t)
		heard = func() audio.Clip { lin.AwaitIdle(t); return lin.Heard(t) }
	case "sipp":
		third.Voice.Play(sipp.Media(t), bs.Said.Padded(2.5, 0.5)) // it answers after 2 s
		bare.AwaitIdle(t)
		lin.AwaitIdle(t)
		heard = func() audio.Clip { sipp.Succeeded(t); return third.Voice.Heard() }
	}
	a.AwaitTalking(t)
	time.Sleep(max(as.Length(), bs.Length()) + time.Second)
	a.HangUp(t)
	a.AwaitIdle(t)
	hears(t, who, as.Said, heard(), alike(who))
	hears(t, "the caller", bs.Said, a.Heard(t), audio.Alike)
}

func TestCallerCancels(t *testing.T) {
	t.Parallel()
	inBothWays(t, "the caller gives up, baresip, linphone and sipp stop ringing", callerCancels)
}

func callerCancels(t *testing.T, w way) {
	t.Helper()
	s := w.start(t)
	says := Speak(t, aliceSays)
	a := NewBaresip(t, s, user(alice, "udp"), says.File)
	bare := NewBaresip(t, s, user(bob, "tls"), says.File)
	lin := NewLinphone(t, s, user(bob, "tcp"), says.File)
	third := NewSIPp(t, s, user(bob, "udp"))
	for _, p := range []interface{ Register(testing.TB) }{a, bare, lin, third} {
		p.Register(t)
	}
	sipp := third.Begin(t, "cancelled", 0, nil)
	third.AwaitListening(t)
	a.Dial(t, uri(s, bob))
	bare.AwaitRinging(t)
	lin.AwaitRinging(t)
	sipp.Logged(t, "ringing")
	a.AwaitRingback(t)
	a.HangUp(t)
	a.AwaitIdle(t)
	bare.AwaitIdle(t)
	lin.AwaitIdle(t)
	sipp.Succeeded(t)
	w.nobodyCalls(t, s)
}

// TestCallerIsGone has the caller's phone lose its power, as far as a server can tell.
func TestCallerIsGone(t *testing.T) {
	t.Parallel()
	inBothWays(t, "the caller's phone is gone, baresip and linphone stop ringing", func(t *testing.T, w way) {
		s := w.start(t)
		says := Speak(t, aliceSays)
		a := NewBaresip(t, s, user(alice, "tls"), says.File)
		bare := NewBaresip(t, s, user(bob, "udp"), says.File)
		lin := NewLinphone(t, s, user(bob, "tcp"), says.File)
		for _, p := range []Phone{a, bare, lin} {
			p.Register(t)
		}
		a.Dial(t, uri(s, bob))
		bare.AwaitRinging(t)
		lin.AwaitRinging(t)
		a.AwaitRingback(t)
		a.Kill(t)
		bare.AwaitIdle(t)
		lin.AwaitIdle(t)
	})
}

func TestCalleeDeclines(t *testing.T) {
	t.Parallel()
	inBothWays(t, "baresip declines with 486, linphone with 603, sipp with 480: the caller is told", calleeDeclines)
}

func calleeDeclines(t *testing.T, w way) {
	t.Helper()
	s := w.start(t)
	says := Speak(t, aliceSays)
	a := NewBaresip(t, s, user(alice, "udp"), says.File)
	a.Register(t)

	bare := NewBaresip(t, s, user(bob, "tcp"), says.File)
	bare.Register(t)
	a.Dial(t, uri(s, bob))
	bare.AwaitRinging(t)
	bare.HangUp(t)
	toldWith(t, a, "486")
	bare.AwaitIdle(t)
	bare.Unregister(t)

	lin := NewLinphone(t, s, user(bob, "udp"), says.File)
	lin.Register(t)
	a.Dial(t, uri(s, bob))
	lin.AwaitRinging(t)
	lin.HangUp(t)
	toldWith(t, a, "603")
	lin.AwaitIdle(t)
	lin.Unregister(t)

	third := NewSIPp(t, s, user(bob, "udp"))
	third.Register(t)
	sipp := third.Begin(t, "unavailable", 0, nil)
	third.AwaitListening(t)
	a.Dial(t, uri(s, bob))
	toldWith(t, a, "480")
	sipp.Succeeded(t)
	w.nobodyCalls(t, s)
}

func toldWith(t *testing.T, b *Baresip, status string) {
	t.Helper()
	if got := b.AwaitClosed(t); !strings.HasPrefix(got, status) {
		t.Errorf("the caller is told %q, want %s", got, status)
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	inBothWays(t, "baresip and linphone hold and take up again, linphone hears on; baresip holds baresip", hold)
}

func hold(t *testing.T, w way) {
	t.Helper()
	s := w.start(t)
	// The sentence comes after the holding. Only Linphone is asked what it heard: baresip's recorder
	// stops at the first hold and does not begin again.
	as, bs := SpeakAfter(t, 6, aliceSays), Speak(t, bobSays)
	a := NewBaresip(t, s, user(alice, "tcp"), as.File)
	a.Register(t)

	lin := NewLinphone(t, s, user(bob, "udp"), bs.File)
	lin.Register(t)
	establish(t, a, lin, uri(s, bob))
	holdAndResume(t, lin, a)
	holdAndResume(t, a, a)
	time.Sleep(as.Length())
	a.HangUp(t)
	a.AwaitIdle(t)
	lin.AwaitIdle(t)
	hears(t, "linphone", as.Said, lin.Heard(t), linphoneAlike)
	w.soundWent(t, a, lin)
	lin.Unregister(t)

	b := NewBaresip(t, s, user(bob, "udp"), bs.File)
	b.Register(t)
	establish(t, a, b, uri(s, bob))
	holdAndResume(t, a, b)
	holdAndResume(t, b, a)
	b.HangUp(t)
	a.AwaitIdle(t)
	b.AwaitIdle(t)
}

func establish(t *testing.T, caller, callee Phone, to string) {
	t.Helper()
	caller.Dial(t, to)
	callee.AwaitRinging(t)
	callee.Answer(t)
	caller.AwaitTalking(t)
	callee.AwaitTalking(t)
	time.Sleep(time.Second)
}

// holdAndResume waits for what passes, in a baresip's trace: a sound that goes one way, or none, and then
// both ways again (rfc3264#8.4).
func holdAndResume(t *testing.T, holder Holder, seen *Baresip) {
	t.Helper()
	from := seen.Trace()
	holder.Hold(t)
	seen.Traced(t, from, `a=(sendonly|inactive)`)
	seen.Traced(t, from, `a=(recvonly|inactive)`)
	time.Sleep(300 * time.Millisecond)
	from = seen.Trace()
	holder.Resume(t)
	seen.Traced(t, from, `(?is)INVITE .*SIP/2.0 200 OK`)
	time.Sleep(300 * time.Millisecond)
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	matrix(t, "a wrong password is refused: baresip, linphone, sipp")
	s := start(t, nil)
	says := Speak(t, aliceSays)
	wrong := Account{User: alice, Password: "guessed", Transport: "udp"}
	// It tries again by itself, until it is told to wait.
	if got := NewBaresip(t, s, wrong, says.File).RegisterRefused(t); !strings.Contains(got, "401") && !strings.Contains(got, "503") {
		t.Errorf("baresip is told %q, want 401 or 503", got)
	}
	wrong.User = bob // failures are counted by account
	NewLinphone(t, s, wrong, says.File).RegisterRefused(t)
	wrong.User = "nobody"
	NewSIPp(t, s, wrong).Run(t, "refused", nil)
	if !s.IsStandIn() {
		if got := status(t, s).Devices; got != 0 {
			t.Errorf("%d devices are registered, want none", got)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	matrix(t, "sipsak asks the server what it can (OPTIONS)")
	s := start(t, nil)
	out := run(t, "sipsak", "-vv", "-s", fmt.Sprintf("sip:%s", s.UDP))
	if !strings.Contains(out, "SIP/2.0 200") {
		t.Errorf("sipsak was told:\n%s", out)
	}
}

// TestStranger has somebody without an account use the server as a relay, and call one who wants no
// strangers.
func TestStranger(t *testing.T) {
	t.Parallel()
	matrix(t, "a stranger can't relay, nor call whom they may not (sipp)")
	s := start(t, nil)
	for _, transport := range []string{"udp", "tcp"} {
		p := NewSIPp(t, s, Account{User: "stranger", Transport: transport})
		for _, to := range []string{"sip:victim@elsewhere.example.net", fmt.Sprintf("sip:someone@%s", p.Elsewhere()), uri(s, bob)} {
			p.Run(t, "stranger", map[string]string{"target": to, "claim": "sip:stranger@elsewhere.example.net"})
		}
	}
}
