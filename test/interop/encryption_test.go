package interop

import (
	"fmt"
	"strings"
	"testing"

	"parley/test/harness"
)

// encrypting is an account over TLS whose media is encrypted.
func encrypting(name, how string) Account {
	a := user(name, "tls")
	a.Encryption = how
	return a
}

// eachCalls has two phones call each other, one after the other.
func eachCalls(t *testing.T, s *harness.Server, a, b Phone, as, bs Speech) {
	t.Helper()
	talksTo(t, s, a, b, a, b, uri(s, bob), as, bs)
	talksTo(t, s, b, a, a, b, uri(s, alice), bs, as)
}

// secret checks that a phone was in a call with keys in the descriptions, its own and the server's.
func secret(t *testing.T, p describer) {
	t.Helper()
	if n := strings.Count(p.Messages(t), "a=crypto:"); n < 2 {
		t.Errorf("%s has seen %d lines with keys, want those of both ends", p.Name(), n)
	}
}

// encrypted is a phone whose messages can be looked at for keys.
type encrypted interface {
	Phone
	describer
}

// meetsPlain has a phone that encrypts and a baresip that doesn't call each other.
func meetsPlain(t *testing.T, how string, phone func(s *harness.Server, u Account, says string) encrypted) {
	t.Helper()
	s := start(t, map[string]string{
		"calls.encryption": `"opportunistic"`, "media.ports": fmt.Sprintf(`"%d-%d"`, relayLow, relayHigh),
	})
	as, bs := Speak(t, aliceSays), Speak(t, bobSays)
	a := phone(s, encrypting(alice, how), as.File)
	b := NewBaresip(t, s, user(bob, "udp"), bs.File)
	a.Register(t)
	b.Register(t)
	eachCalls(t, s, a, b, as, bs)
	secret(t, a)
}

// TestSDESAndPlain bridges each way in which baresip encrypts to another that doesn't.
func TestSDESAndPlain(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"srtp", "srtp-mand", "srtp-mandf"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			matrix(t, "baresip with mediaenc="+how+" over TLS and a plain baresip call each other")
			meetsPlain(t, how, func(s *harness.Server, u Account, file string) encrypted { return NewBaresip(t, s, u, file) })
		})
	}
}

// TestSDESIsNotLowered has the default policy connect no phone that insists on encryption to one that has none.
func TestSDESIsNotLowered(t *testing.T) {
	t.Parallel()
	matrix(t, "baresip with mediaenc=srtp-mand is not connected to a phone in plain RTP, but to echo")
	s := start(t, map[string]string{"media.ports": fmt.Sprintf(`"%d-%d"`, relayLow, relayHigh)})
	as := Speak(t, aliceSays)
	a := NewBaresip(t, s, encrypting(alice, "srtp-mand"), as.File)
	b := NewBaresip(t, s, user(bob, "udp"), as.File)
	a.Register(t)
	b.Register(t)
	a.Dial(t, uri(s, bob))
	toldWith(t, a, "488") // bob's phone can make nothing of RTP/SAVP
	a.Dial(t, uri(s, "echo"))
	a.AwaitTalking(t)
	harness.Eventually(t, "alice hears herself", func() bool { return len(a.Heard(t).Samples) > 16000 })
	a.HangUp(t)
	a.AwaitIdle(t)
	secret(t, a)
}

// TestLinphoneSDES bridges linphone's encryption.
func TestLinphoneSDES(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"srtp", "srtp-mand"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			matrix(t, "linphone with "+how+" over TLS and a plain baresip call each other")
			meetsPlain(t, how, func(s *harness.Server, u Account, file string) encrypted { return NewLinphone(t, s, u, file) })
		})
	}
}

// TestSDESAndBrowser bridges SDES and DTLS.
func TestSDESAndBrowser(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"srtp", "srtp-mand"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			matrix(t, "jssip in chromium and baresip with mediaenc="+how+" over TLS call each other")
			s, page := startBridge(t)
			as, bs := SpeakAfter(t, browserLead, aliceSays), SpeakAfter(t, browserLead, bobSays)
			a := NewBrowser(t, s, page, user(alice, "wss"), as.File)
			b := NewBaresip(t, s, encrypting(bob, how), bs.File)
			a.Register(t)
			b.Register(t)
			talksTo(t, s, b, a, a, b, uri(s, alice), bs, as)
			talksTo(t, s, a, b, a, b, uri(s, bob), as, bs)
			secret(t, b)
		})
	}
}

// TestLinphoneSDESAndBrowser bridges linphone's encryption and a browser's.
func TestLinphoneSDESAndBrowser(t *testing.T) {
	t.Parallel()
	matrix(t, "jssip in chromium and linphone with srtp-mand over TLS call each other")
	s, page := startBridge(t)
	as, bs := SpeakAfter(t, browserLead, aliceSays), SpeakAfter(t, browserLead, bobSays)
	a := NewBrowser(t, s, page, user(alice, "wss"), as.File)
	b := NewLinphone(t, s, encrypting(bob, "srtp-mand"), bs.File)
	a.Register(t)
	b.Register(t)
	talksTo(t, s, b, a, a, b, uri(s, alice), bs, as)
	talksTo(t, s, a, b, a, b, uri(s, bob), as, bs)
	secret(t, b)
}

// TestZRTP has two phones agree on keys in their media, which the server doesn't touch.
func TestZRTP(t *testing.T) {
	t.Parallel()
	inBothWays(t, "two linphones agree on keys by ZRTP", func(t *testing.T, w way) {
		s := w.start(t)
		as, bs := Speak(t, aliceSays), Speak(t, bobSays)
		a := NewLinphone(t, s, encrypting(alice, "zrtp"), as.File)
		b := NewLinphone(t, s, encrypting(bob, "zrtp"), bs.File)
		a.Register(t)
		b.Register(t)
		talksTo(t, s, a, b, a, b, uri(s, bob), as, bs)
		for _, p := range []describer{a, b} {
			if !strings.Contains(p.Messages(t), "ZRTP secrets on") && !strings.Contains(p.Messages(t), "ZRTP: SAS") {
				t.Errorf("%s has agreed on no keys", p.Name())
			}
		}
	})
}
