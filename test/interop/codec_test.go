package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
	"parley/test/harness/audio"
)

// with is an account of a phone that has one codec alone.
func with(a Account, codec string) Account {
	a.Codec = codec
	return a
}

// transcoded has two phones talk, and looks into the log for what each of them spoke.
func transcoded(t *testing.T, s *harness.Server, caller, callee Phone, to string, says, answers Speech, spoken ...string) {
	t.Helper()
	from := s.Log.Len()
	caller.Dial(t, to)
	callee.AwaitRinging(t)
	callee.Answer(t)
	callee.AwaitTalking(t)
	caller.AwaitTalking(t)
	time.Sleep(max(says.Length(), answers.Length()))
	caller.HangUp(t)
	caller.AwaitIdle(t)
	callee.AwaitIdle(t)
	hears(t, "the callee, a "+callee.Name()+",", says.Said, callee.Heard(t), voiceTranscoded(caller, callee))
	hears(t, "the caller, a "+caller.Name()+",", answers.Said, caller.Heard(t), voiceTranscoded(callee, caller))
	s.WaitFrom(t, from, `msg="call media".*caller.codec=`+spoken[0]+` .*caller.mos=[34].*callee.codec=`+spoken[1]+` .*callee.mos=[34]`)
}

// voiceTranscoded is the similarity asked of a voice that a browser took part in carrying, or not.
func voiceTranscoded(from, to Phone) float64 {
	if strings.HasPrefix(from.Name(), "jssip") || strings.HasPrefix(to.Name(), "jssip") {
		return voiceOfBrowser
	}
	return min(alike(from.Name()), alike(to.Name()), audio.Alike)
}

// TestG722AndPCMU has a phone that knows G.722 alone and one that knows PCMU alone call each other. The server chooses by
// itself to take part where the offer lacks G.711.
func TestG722AndPCMU(t *testing.T) {
	t.Parallel()
	matrix(t, "baresip with G.722 alone calls baresip with PCMU alone, and back with all sound anchored: the sound is transcoded")
	w := backToBack()
	delete(w.set, "calls.mode")
	delete(w.set, "calls.anchor")
	for _, anchor := range []string{"nat", "always"} {
		w.set["calls.anchor"] = fmt.Sprintf("%q", anchor)
		s := w.start(t)
		as, bs := Speak(t, aliceSays), Speak(t, bobSays)
		a := NewBaresip(t, s, with(user(alice, "udp"), "G722"), as.File)
		b := NewBaresip(t, s, user(bob, "tcp"), bs.File)
		a.Register(t)
		b.Register(t)
		transcoded(t, s, a, b, uri(s, bob), as, bs, "G722", "PCMU")
		if anchor == "always" {
			transcoded(t, s, b, a, uri(s, alice), bs, as, "PCMU", "G722")
		}
	}
}

func TestLinphoneAndBaresipWithoutACommonCodec(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"PCMA", "G722", "opus"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			matrix(t, "linphone with "+codec+" alone and baresip with PCMU alone call each other: the sound is transcoded")
			s := backToBack().start(t)
			as, bs := Speak(t, aliceSays), Speak(t, bobSays)
			a := NewLinphone(t, s, with(user(alice, "tcp"), codec), as.File)
			b := NewBaresip(t, s, user(bob, "udp"), bs.File)
			a.Register(t)
			b.Register(t)
			transcoded(t, s, a, b, uri(s, bob), as, bs, codec, "PCMU")
			transcoded(t, s, b, a, uri(s, alice), bs, as, "PCMU", codec)
		})
	}
}

// TestOpusAndPCMA has a browser that knows Opus alone.
func TestOpusAndPCMA(t *testing.T) {
	t.Parallel()
	matrix(t, "jssip in chromium with Opus alone and baresip with PCMA alone call each other: the sound is transcoded, keys cross both ways that a browser has")
	s, page := startBridge(t)
	as, bs := SpeakAfter(t, browserLead, aliceSays), SpeakAfter(t, browserLead, bobSays)
	a := NewBrowser(t, s, page, user(alice, "wss"), as.File)
	b := NewBaresip(t, s, with(user(bob, "udp"), "PCMA"), bs.File)
	a.Register(t)
	a.Speak(t, "opus")
	b.Register(t)
	transcoded(t, s, a, b, uri(s, bob), as, bs, "opus", "PCMA")
	transcoded(t, s, b, a, uri(s, alice), bs, as, "PCMA", "opus")
	establish(t, a, b, uri(s, bob))
	for _, key := range []string{"5", "#"} {
		a.Press(t, key)
		if got := b.AwaitTone(t); got != key {
			t.Errorf("of a telephone-event baresip was told %q, want %q", got, key)
		}
		a.PressINFO(t, key)
		if got := b.AwaitTone(t); got != key {
			t.Errorf("of an INFO baresip was told %q, want %q", got, key)
		}
	}
	a.HangUp(t)
	a.AwaitIdle(t)
	b.AwaitIdle(t)
}
