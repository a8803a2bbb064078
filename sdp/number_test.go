package sdp

import (
	"strings"
	"testing"
)

func TestRenumber(t *testing.T) {
	t.Parallel()
	d := parsed(t, "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=video 9 RTP/AVP 96 97 98 0\r\na=rtpmap:96 VP8/90000\r\n"+
		"a=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=1\r\na=rtcp-fb:* nack\r\na=rtcp-fb:97 nack pli\r\n"+
		"a=rtpmap:98 AV1/90000\r\na=rtcp-fb:98 nack\r\na=framerate:30\r\n")
	d.Media[0].Renumber(map[int]int{96: 97, 97: 100, 0: 0})
	want := "m=video 9 RTP/AVP 97 100 0\r\na=rtpmap:97 VP8/90000\r\na=rtpmap:100 H264/90000\r\na=fmtp:100 packetization-mode=1\r\n" +
		"a=rtcp-fb:* nack\r\na=rtcp-fb:100 nack pli\r\na=framerate:30\r\n"
	if got := d.String(); !strings.HasSuffix(got, want) {
		t.Errorf("became\n%s", got)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	h264 := func(fmtp string) Codec { return Codec{Name: "H264", Rate: 90000, Fmtp: fmtp} }
	for _, test := range []struct {
		a, b Codec
		want bool
	}{
		{Codec{Name: "opus", Rate: 48000, Channels: 2}, Codec{Name: "OPUS", Rate: 48000, Channels: 2, Fmtp: "useinbandfec=1"}, true},
		{Codec{Name: "opus", Rate: 48000, Channels: 2}, Codec{Name: "opus", Rate: 48000}, false},
		{h264("packetization-mode=1;profile-level-id=42e01f"), h264("profile-level-id=42E01F; packetization-mode=1"), true},
		{h264("packetization-mode=1;profile-level-id=42e01f"), h264("packetization-mode=1;profile-level-id=42e028"), true},
		{h264("packetization-mode=1;profile-level-id=42e01f"), h264("profile-level-id=42e01f"), false},
		{h264("packetization-mode=0;profile-level-id=42001f"), h264("profile-level-id=42001f"), true},
		{h264("profile-level-id=42001f"), h264("profile-level-id=42e01f"), false},
		{h264("profile-level-id=42e01f"), h264("profile-level-id=4d801f"), true},
		{h264("profile-level-id=64001f"), h264("profile-level-id=4d001f"), false},
		{h264("profile-level-id=42zz1f"), h264("profile-level-id=42001f"), false},
		{h264(""), h264("profile-level-id=42000a"), true},
		{Codec{Name: "VP9", Rate: 90000}, Codec{Name: "VP9", Rate: 90000, Fmtp: "profile-id=0"}, true},
		{Codec{Name: "VP9", Rate: 90000}, Codec{Name: "VP9", Rate: 90000, Fmtp: "profile-id=2"}, false},
	} {
		if got := test.a.Matches(test.b); got != test.want || test.b.Matches(test.a) != got {
			t.Errorf("%+v matches %+v: %v", test.a, test.b, got)
		}
		if test.want && !test.a.Resembles(test.b) {
			t.Errorf("%+v matches %+v and doesn't resemble it", test.a, test.b)
		}
	}
}

func TestResembles(t *testing.T) {
	t.Parallel()
	c := Codec{Name: "H264", Rate: 90000, Fmtp: "packetization-mode=1;profile-level-id=42001f"}
	for fmtp, want := range map[string]bool{"packetization-mode=1;profile-level-id=64001f": true, "profile-level-id=42001f": false} {
		if got := c.Resembles(Codec{Name: "h264", Rate: 90000, Fmtp: fmtp}); got != want {
			t.Errorf("it resembles %s: %v", fmtp, got)
		}
	}
}
