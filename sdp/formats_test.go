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
