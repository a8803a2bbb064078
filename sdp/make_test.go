package sdp

import (
	"net/netip"
	"slices"
	"strconv"
	"testing"
)

func TestMakeADescription(t *testing.T) {
	t.Parallel()
	d := New(Origin{Host: netip.MustParseAddr("192.0.2.9"), ID: 7, Version: 2})
	d.Add("group", "BUNDLE a")
	m, ok := d.AddMedia("audio", 4000, "RTP/AVP", []string{"9", "96"})
	if !ok {
		t.Fatal("no medium can be added")
	}
	m.SetBandwidths([]Bandwidth{{"AS", "64"}, {"TIAS", "64000"}})
	m.SetAddress(netip.MustParseAddr("2001:db8::1"))
	m.AddCodec(Static(9))
	m.AddCodec(Codec{Payload: 96, Name: "opus", Rate: 48000, Channels: 2, Fmtp: "useinbandfec=1"})
	if !d.RefuseAs("video", "RTP/AVP", nil) {
		t.Fatal("no medium can be refused")
	}
	want := lines("v=0", "o=- 7 2 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0", "a=group:BUNDLE a",
		"m=audio 4000 RTP/AVP 9 96", "c=IN IP6 2001:db8::1", "b=AS:64", "b=TIAS:64000", "a=rtpmap:9 G722/8000",
		"a=rtpmap:96 opus/48000/2", "a=fmtp:96 useinbandfec=1", "m=video 0 RTP/AVP 0")
	if d.String() != want {
		t.Errorf("made\n%s", d)
	}
	if got := m.Bandwidths(); !slices.Equal(got, []Bandwidth{{"AS", "64"}, {"TIAS", "64000"}}) {
		t.Errorf("bandwidths are %v", got)
	}
	if got := slices.Collect(d.Values("group")); !slices.Equal(got, []string{"BUNDLE a"}) {
		t.Errorf("groups are %v", got)
	}
	if c, ok := m.Codec("96"); !ok || c.Name != "opus" {
		t.Errorf("96 is %+v", c)
	}
	if _, ok := m.Codec("97"); ok {
		t.Error("97 is a codec")
	}
	for len(d.Media) < MaxMedia {
		d.RefuseAs("video", "RTP/AVP", nil)
	}
	if _, ok := d.AddMedia("audio", 1, "RTP/AVP", nil); ok || d.RefuseAs("audio", "RTP/AVP", nil) {
		t.Error("there is no end of media")
	}
}

func TestPayloadTypes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 96, 127} {
		if got, ok := PayloadType(strconv.Itoa(n)); !ok || got != n {
			t.Errorf("%d is %d, %v", n, got, ok)
		}
	}
	for _, s := range []string{"", "x", "-1", "+1", "007", "128"} {
		if _, ok := PayloadType(s); ok {
			t.Errorf("%q is a payload type", s)
		}
	}
}

// TestNoAddressYet tells media that wait for candidates from media on hold.
func TestNoAddressYet(t *testing.T) {
	t.Parallel()
	d := parsed(t, lines("v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 0.0.0.0", "t=0 0",
		"m=audio 9 RTP/AVP 0", "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "m=audio 4000 RTP/AVP 0"))
	if got := d.Media[0].Direction(); got != SendRecv {
		t.Errorf("with ICE it is %v", got)
	}
	if got := d.Media[1].Direction(); got != SendOnly {
		t.Errorf("without ICE it is %v", got)
	}
}
