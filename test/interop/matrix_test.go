package interop

import (
	"fmt"
	"testing"
	"time"

	"parley/test/harness"
	"parley/test/harness/audio"
)

const (
	alice = "alice"
	bob   = "bob"

	aliceSays = "Hello Bob, this is Alice. The weather on this side of the mountains is fine."
	bobSays   = "Good evening Alice, what a pleasure it is to hear your voice after so long."
)

// start runs a server with the accounts alice and bob.
func start(t *testing.T, set map[string]string) *harness.Server {
	t.Helper()
	var users []harness.User
	for _, name := range []string{alice, bob} {
		users = append(users, harness.User{Name: name, Password: user(name, "").Password})
	}
	return harness.StartServer(t, harness.Options{Users: users, Set: set})
}

// matrix prints a line of the interop matrix when the test ends.
func matrix(t *testing.T, what string) {
	t.Helper()
	t.Cleanup(func() {
		result := "yes"
		switch {
		case t.Failed():
			result = "NO"
		case t.Skipped():
			result = "-"
		}
		fmt.Printf("interop  %-3s  %s\n", result, what)
	})
}

// hears fails the test unless what was said is in what was heard.
func hears(t *testing.T, who string, said, heard audio.Clip, atLeast float64) {
	t.Helper()
	if got := audio.Similarity(said, heard); got < atLeast {
		t.Errorf("%s heard %.1f s that are %.2f like what was said, want %.2f", who, heard.Seconds(), got, atLeast)
	}
}

// alike is the similarity asked of a phone's recording.
func alike(phone string) float64 {
	switch phone {
	case "linphone":
		return linphoneAlike
	case "stanza", "dino":
		return voiceOfOpus
	}
	return audio.Alike
}

// talk is a call from the first phone to the second, in which both speak and the caller hangs up; what
// each heard is compared with what the other said.
func talk(t *testing.T, caller, callee Phone, to string, callerSays, calleeSays Speech) {
	t.Helper()
	caller.Dial(t, to)
	callee.AwaitRinging(t)
	callee.Answer(t)
	callee.AwaitTalking(t)
	caller.AwaitTalking(t)
	time.Sleep(max(callerSays.Length(), calleeSays.Length()))
	caller.HangUp(t)
	caller.AwaitIdle(t)
	callee.AwaitIdle(t)
	hears(t, "the callee, a "+callee.Name()+",", callerSays.Said, callee.Heard(t), alike(callee.Name()))
	hears(t, "the caller, a "+caller.Name()+",", calleeSays.Said, caller.Heard(t), alike(caller.Name()))
}
