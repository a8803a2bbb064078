package interop

import (
	"testing"

	"parley/test/harness"
)

// TestSilentPhone has a phone vanish in a call, without a word: the other one is hung up on.
func TestSilentPhone(t *testing.T) {
	t.Parallel()
	matrix(t, "baresip vanishes in a call, and with media.silence the other one is hung up on")
	w := backToBack()
	w.set["media.silence"] = `"3s"`
	s := w.start(t)
	says := Speak(t, aliceSays)
	a := NewBaresip(t, s, user(alice, "udp"), says.File)
	b := NewBaresip(t, s, user(bob, "udp"), says.File)
	a.Register(t)
	b.Register(t)
	establish(t, a, b, uri(s, bob))
	a.Kill(t)
	b.AwaitClosed(t)
	b.Traced(t, 0, `Reason: SIP;cause=500;text="Media can't get through"`)
	s.Wait(t, `msg="call ended".*sent nothing for too long`)
	harness.Eventually(t, "status shows no call", func() bool { return status(t, s).Calls == 0 })
}
