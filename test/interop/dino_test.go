package interop

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"parley/sip/siptest"
	"parley/test/harness"
)

// withDino has alice at stanza and bob at Dino, and gives what they say.
func withDino(t *testing.T) (a *Stanza, b *Dino, aliceSaid, bobSaid Speech) {
	t.Helper()
	s, pages := jingleServer(t, 1)
	aliceSaid, bobSaid = SpeakAfter(t, 4, aliceSays), Speak(t, bobSays)
	a = NewStanza(t, s, pages[0], alice, aliceSaid.File)
	b = NewDino(t, s, bob, bobSaid.File)
	a.Register(t)
	b.Register(t)
	return a, b, aliceSaid, bobSaid
}

func TestDinoChats(t *testing.T) {
	t.Parallel()
	matrix(t, "stanza and dino write to each other")
	a, b, _, _ := withDino(t)
	toDino, toStanza := a.server.Address(bob), a.server.Address(alice)
	a.Write(t, toDino, "hello Dino")
	b.AwaitText(t, toStanza, "hello Dino")
	b.Write(t, toStanza, "hello Stanza")
	a.AwaitText(t, toDino, "hello Stanza")
}

func TestDinoDeclines(t *testing.T) {
	t.Parallel()
	matrix(t, "stanza calls dino, which rings and declines")
	a, b, _, _ := withDino(t)
	a.Dial(t, a.server.Address(bob))
	b.AwaitRinging(t)
	b.Decline(t)
	a.AwaitIdle(t)
}

// quiet leaves a test of Dino's sound to soak runs: on a busy machine it breaks up, or its microphone does not open.
func quiet(t *testing.T) {
	t.Helper()
	if siptest.Soak(0, 1) == 0 {
		t.Skip("Dino's sound needs a machine with nothing else to do: make soak")
	}
}

func TestSoakDinoIsCalled(t *testing.T) {
	t.Parallel()
	matrix(t, "stanza calls dino, which answers")
	quiet(t)
	a, b, as, bs := withDino(t)
	talk(t, a, b, a.server.Address(bob), as, bs)
}

func TestSoakDinoCalls(t *testing.T) {
	t.Parallel()
	matrix(t, "dino calls stanza, and hangs up")
	quiet(t)
	a, b, as, bs := withDino(t)
	a.Write(t, a.server.Address(bob), "call me") // that shows nothing of what stanza can do; its presence does
	a.do(t, "presence", happening{"to": a.server.Address(bob)})
	b.AwaitText(t, a.server.Address(alice), "call me")
	talk(t, b, a, a.server.Address(alice), bs, as)
}

// TestSoakDinoIsCalledByAPhone has Dino answer a SIP phone.
func TestSoakDinoIsCalledByAPhone(t *testing.T) {
	t.Parallel()
	matrix(t, "baresip calls dino, which hangs up; the sound is bridged")
	quiet(t)
	s := start(t, map[string]string{"media.address": fmt.Sprintf("%q", outward(t))})
	as, bs := SpeakAfter(t, 3, aliceSays), Speak(t, bobSays)
	a := NewBaresip(t, s, user(alice, "udp"), as.File)
	b := NewDino(t, s, bob, bs.File)
	a.Register(t)
	b.Register(t)
	harness.Eventually(t, "the server knows what Dino can", func() bool {
		return strings.Contains(s.MustRun(t, "route", "explain", s.Address(alice), s.Address(bob)), "1 app(s)")
	})
	talksTo(t, s, a, b, b, a, uri(s, bob), as, bs)
}

// outward is an address of this machine by which others reach it. Dino gathers no other.
func outward(t *testing.T) netip.Addr {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if p, err := netip.ParsePrefix(one.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			return p.Addr()
		}
	}
	t.Fatal("this machine has loopback alone")
	return netip.Addr{}
}
