package sdp

import (
	"strings"
	"testing"
)

func TestOfferAndDrop(t *testing.T) {
	t.Parallel()
	d, err := Parse("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 111\r\n" +
		"a=rtpmap:111 telephone-event/8000\r\na=fmtp:111 0-15\r\na=ptime:20\r\n")
	if err != nil {
		t.Fatal(err)
	}
	m := d.Media[0]
	for _, test := range []struct {
		codec Codec
		want  int
	}{{Codec{Payload: 0, Name: "PCMU", Rate: 8000}, 0}, {Codec{Payload: 111, Name: "opus", Rate: 48000, Channels: 2, Fmtp: "useinbandfec=1"}, 96}} {
		if got, ok := m.Offer(test.codec); !ok || got != test.want {
			t.Errorf("%s has payload type %d, want %d", test.codec.Name, got, test.want)
		}
	}
	if s := d.String(); !strings.Contains(s, "m=audio 4000 RTP/AVP 8 111 0 96\r\n") || !strings.Contains(s, "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n") {
		t.Errorf("offered\n%s", s)
	}
	m.Drop(func(c Codec) bool { return c.IsEvents() || c.Name == "opus" })
	if s := d.String(); !strings.Contains(s, "m=audio 4000 RTP/AVP 8 0\r\n") || strings.Contains(s, "opus") || strings.Contains(s, "0-15") || !strings.Contains(s, "a=ptime:20") {
		t.Errorf("left is\n%s", s)
	}
	for i := range 200 {
		m.Offer(Codec{Payload: 96, Name: "x", Rate: 8000 + i})
	}
	if len(m.Formats) > MaxFormats {
		t.Errorf("there are %d formats", len(m.Formats))
	}
}

func TestRare(t *testing.T) {
	t.Parallel()
	for media, want := range map[string]bool{
		"m=audio 4 RTP/AVP 9":                                   true,
		"m=audio 4 RTP/AVP 9 8":                                 false,
		"m=audio 4 RTP/SAVP 9":                                  true,
		"m=audio 0 RTP/AVP 9":                                   false,
		"m=audio 4 UDP/TLS/RTP/SAVPF 9":                         false,
		"m=video 4 RTP/AVP 99":                                  false,
		"m=audio 4 RTP/AVP 9\r\nm=audio 6 RTP/AVP 0":            false,
		"m=audio 4 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2":      true,
		"m=audio 4 RTP/AVP 9 96\r\na=rtpmap:96 pcma/8000/1\r\n": false,
	} {
		d, err := Parse("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" + strings.TrimSpace(media) + "\r\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Rare(); got != want {
			t.Errorf("%q: %v, want %v", media, got, want)
		}
	}
}
