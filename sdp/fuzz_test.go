package sdp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	pion "github.com/pion/sdp/v3"
	"pgregory.net/rapid"
)

func FuzzParse(f *testing.F) {
	f.Add(phone)
	f.Add(browser)
	f.Add("v=0\no=- 1 1 IN IP6 ::1\nm=audio 1/2 RTP/AVP 0 8\nc=IN IP4 0.0.0.0\na=rtcp:2 IN IP6 ::2\n")
	f.Add("v=0\no=- 1 1 IN IP4 h\nm=audio 1 RTP/SAVP 127\na=rtpmap:127 x/1/2\na=fmtp:127 \na=crypto\n")
	f.Add("v=0\no=0 0 0 0 0 0\no=\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		written := d.String()
		again, err := Parse(written)
		if err != nil || again.String() != written {
			t.Fatalf("%v: wrote\n%q\nof\n%q", err, written, text)
		}
		d.Form()
		d.HasICE()
		for _, m := range d.Media {
			m.Codecs()
			m.RTCP()
		}
		l := Local{Host: netip.MustParseAddr("192.0.2.9"), RTP: 4000, RTCP: 4001}
		if answer, a, err := l.Answer(d, ourCodecs()); err == nil {
			checkAnswer(t, d, answer, a)
		}
		for i, m := range d.Media {
			m.Transport()
			if i == 0 {
				d.DropTransport()
			}
		}
		d.DropICE()
		d.DropBundle()
		d.Redirect(l.Host, func(i int, _ *Media) (uint16, uint16) { return uint16(4000 + 2*i), 0 })
		for _, m := range d.Media {
			m.Secure(Transport{Ufrag: "u", Password: "p", Fingerprints: []string{"sha-256 00"}, Setup: "actpass"}, "0", l.Host)
		}
		d.Bundle([]string{"0"})
		turned, err := Parse(d.String())
		if err != nil {
			t.Fatalf("%v: redirected\n%q", err, d.String())
		}
		for _, m := range turned.Media {
			if m.Port != 0 && m.host() != l.Host {
				t.Fatalf("medium still at %v in\n%q", m.host(), d.String())
			}
		}
	})
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// checkAnswer holds an answer against the rules of rfc3264#6.
func checkAnswer(t fataler, offer, answer *Description, a Agreement) {
	t.Helper()
	if len(answer.Media) != len(offer.Media) {
		t.Fatalf("%d media answered with %d", len(offer.Media), len(answer.Media))
	}
	for i, m := range answer.Media {
		o := offer.Media[i]
		if m.Kind != o.Kind || m.Proto != o.Proto {
			t.Fatalf("m=%s %s answered with %s %s", o.Kind, o.Proto, m.Kind, m.Proto)
		}
		if (m.Port != 0) != (i == a.Index) {
			t.Fatalf("medium %d of %d got port %d", i, a.Index, m.Port)
		}
		if m.Port != 0 && o.Port == 0 {
			t.Fatalf("a refused medium was taken")
		}
	}
	theirs := offer.Media[a.Index].Direction()
	if a.Direction.Sends() && !theirs.Receives() || a.Direction.Receives() && !theirs.Sends() {
		t.Fatalf("%v answered with %v", theirs, a.Direction)
	}
	if _, err := Parse(answer.String()); err != nil {
		t.Fatalf("answer: %v", err)
	}
}

// TestAnswerHoldsTheRules answers offers of all kinds.
func TestAnswerHoldsTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n")
		for range rapid.IntRange(0, 4).Draw(t, "media") {
			proto := rapid.SampledFrom([]string{"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "UDP/TLS/RTP/SAVPF"}).Draw(t, "proto")
			kind := rapid.SampledFrom([]string{"audio", "video"}).Draw(t, "kind")
			port := rapid.SampledFrom([]int{0, 9, 4000}).Draw(t, "port")
			formats := rapid.SliceOfNDistinct(rapid.SampledFrom([]int{0, 8, 9, 18, 96, 97, 101}), 1, 6, rapid.ID).Draw(t, "formats")
			fmt.Fprintf(&b, "m=%s %d %s", kind, port, proto)
			for _, f := range formats {
				fmt.Fprintf(&b, " %d", f)
			}
			b.WriteString("\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n")
			fmt.Fprintf(&b, "a=%v\r\n", rapid.SampledFrom([]Direction{SendRecv, SendOnly, RecvOnly, Inactive}).Draw(t, "direction"))
		}
		offer, err := Parse(b.String())
		if err != nil {
			t.Fatal(err)
		}
		l := Local{Host: netip.MustParseAddr("2001:db8::9"), RTP: 4000, RTCP: 4001, Version: 3}
		answer, a, err := l.Answer(offer, ourCodecs())
		if err != nil {
			return
		}
		checkAnswer(t, offer, answer, a)
		if err := new(pion.SessionDescription).UnmarshalString(answer.String()); err != nil {
			t.Fatalf("another parser: %v\n%s", err, answer)
		}
	})
}
