package interop

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"parley/test/harness"
	"parley/test/harness/audio"
)

// Account is whom a phone stands for and how it reaches the server.
type Account struct {
	User, Password string
	Transport      string // udp, tcp or tls
	// Encryption is how media is encrypted: "" or, of SDES, "srtp" where that is offered and "srtp-mand" or
	// "srtp-mandf" where it is insisted on; or "zrtp".
	Encryption string
	// Video is the codec of its pictures, "VP8" or "H264"; a browser has all. "" stands for sound alone.
	Video string
	// Codec is the only one that the phone has, as an rtpmap names it: "G722"; "" is the phone's usual.
	Codec string
}

// Phone is a real phone under a test's control. All methods fail the test where the phone doesn't
// do what it is told.
type Phone interface {
	// Name says which phone it is: "baresip".
	Name() string
	// Register signs in and waits until the server has agreed.
	Register(t testing.TB)
	// Dial begins a call to an address.
	Dial(t testing.TB, address string)
	// AwaitRinging waits for an incoming call.
	AwaitRinging(t testing.TB)
	Answer(t testing.TB)
	// AwaitTalking waits until the call is answered.
	AwaitTalking(t testing.TB)
	HangUp(t testing.TB)
	// AwaitIdle waits until the call is over, answered or not.
	AwaitIdle(t testing.TB)
	// Heard is what the last call let this phone hear; the call is over.
	Heard(t testing.TB) audio.Clip
}

// Holder is a phone that can put a call on hold.
type Holder interface {
	Hold(t testing.TB)
	Resume(t testing.TB)
}

// Speech is a sentence that a phone can speak.
type Speech struct {
	File string     // with silence before and after it
	Said audio.Clip // the sentence alone, to compare with
	lead float64    // seconds of silence before it
}

const (
	// usualLead is silence enough that no word is spoken before both ends are ready to hear it.
	usualLead = 0.5
	// trailing silence keeps a phone from hanging up when its file ends.
	trailing = 120
)

// Speak makes a sentence with the usual silence before it.
func Speak(t testing.TB, sentence string) Speech {
	t.Helper()
	return SpeakAfter(t, usualLead, sentence)
}

// SpeakAfter makes a sentence with some seconds of silence before it.
func SpeakAfter(t testing.TB, lead float64, sentence string) Speech {
	t.Helper()
	dir := t.TempDir()
	raw, eight := filepath.Join(dir, "espeak.wav"), filepath.Join(dir, "said.wav")
	run(t, "espeak-ng", "-s", "150", "-w", raw, sentence)
	run(t, "sox", raw, "-r", "8000", "-c", "1", "-b", "16", eight, "gain", "-n", "-6")
	said, err := audio.ReadWAV(eight)
	if err != nil {
		t.Fatal(err)
	}
	s := Speech{File: filepath.Join(dir, "speech.wav"), Said: said, lead: lead}
	if err := said.Padded(lead, trailing).WriteWAV(s.File); err != nil {
		t.Fatal(err)
	}
	return s
}

// Length is how long it takes to speak it and to hear it.
func (s Speech) Length() time.Duration {
	return time.Duration((s.lead + s.Said.Seconds() + 0.7) * float64(time.Second))
}

func run(t testing.TB, command string, args ...string) string {
	t.Helper()
	out, err := exec.Command(command, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// uri is the SIP URI of a user of the server.
func uri(s *harness.Server, user string) string { return "sip:" + s.Address(user) }
