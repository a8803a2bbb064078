package relay

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	pionrtp "github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"parley/media/codec"
	"parley/media/rtp"
	"parley/test/harness/audio"
)

// quiet is the payload of 20 ms of silence in PCMA (8) or PCMU (0).
func quiet(payload uint8) string {
	if payload == 8 {
		return strings.Repeat("\xd5", 160)
	}
	return strings.Repeat("\xff", 160)
}

// silence says that a packet is 20 ms of silence under that payload type.
func silence(p rtp.Packet, payload uint8) bool {
	const loud = 40
	if p.Type != payload || len(p.Payload) != 160 {
		return false
	}
	var c codec.Codec
	for _, k := range codec.All() {
		if k.Payload == int(payload) {
			c = k
		}
	}
	d, err := c.Decoder(8000)
	if err != nil {
		return false
	}
	samples, err := d.Decode(nil, p.Payload)
	if err != nil {
		return false
	}
	for _, s := range samples {
		if s > loud || s < -loud {
			return false
		}
	}
	return true
}

// next is the packet that a plain phone hears next.
func (p *phone) next(within time.Duration) (rtp.Packet, bool) {
	_ = p.rtp.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, 2000)
	n, err := p.rtp.Read(buf)
	if err != nil {
		return rtp.Packet{}, false
	}
	return rtp.Read(buf[:n])
}

// TestPlainAndSDESOfOtherCodecs has a plain phone that knows PCMU alone call one that encrypts by SDES and knows PCMA alone.
func TestPlainAndSDESOfOtherCodecs(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{Transcode: true}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newSpeaker(t, "PCMU", ""), newSafe(t, "AEAD_AES_128_GCM")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, formSDES)
	bob.told(a.Offer(ctx, 0, 1, alice.describe()))
	alice.told(a.Answer(ctx, 1, 0, bob.describe("RTP/SAVP")))
	if got := names(alice.far); got != "0:PCMU/8000" {
		t.Fatalf("alice is answered %s", got)
	}
	deadline := time.Now().Add(10 * time.Second)
	there, back := 0, 0
	for seq := uint16(1); there < 5 || back < 5; seq++ {
		if time.Now().After(deadline) {
			t.Fatalf("in PCMA and encrypted came %d, in PCMU and plain %d", there, back)
		}
		p := rtp.Packet{SSRC: 7, Sequence: seq, Timestamp: 160 * uint32(seq), Payload: []byte(quiet(0))}
		alice.send(alice.rtp, alice.far.Media[0].Address(), p.Append(nil))
		bob.say(quiet(8))
		if got, ok := bob.next(20 * time.Millisecond); ok && silence(rtp.Packet{Type: 8, Payload: []byte(got)}, 8) {
			there++
		}
		if p, ok := alice.next(20 * time.Millisecond); ok && silence(p, 0) {
			back++
		}
	}
}

// TestTwoSDESOfOtherCodecs has two phones that encrypt by SDES, of which the caller knows G.722 alone.
func TestTwoSDESOfOtherCodecs(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{Transcode: true}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newSafe(t, "AES_CM_128_HMAC_SHA1_80"), newSafe(t, "AEAD_AES_128_GCM")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, "")
	bob.told(a.Offer(ctx, 0, 1, strings.Replace(alice.describe("RTP/SAVP"), "RTP/SAVP 8", "RTP/SAVP 9", 1)))
	if p := bob.far.Media[0].Proto; p != "RTP/SAVP" {
		t.Errorf("bob is offered %s", p)
	}
	alice.told(a.Answer(ctx, 1, 0, bob.describe("RTP/SAVP")))
	if got := names(alice.far); got != "9:G722/8000" {
		t.Fatalf("alice is answered %s", got)
	}
	deadline := time.Now().Add(10 * time.Second)
	there, back := 0, 0
	for seq := uint16(1); there < 5 || back < 5; seq++ {
		if time.Now().After(deadline) {
			t.Fatalf("in PCMA came %d, in G.722 %d", there, back)
		}
		p := rtp.Packet{Type: 9, SSRC: 7, Sequence: seq, Timestamp: 160 * uint32(seq), Payload: make([]byte, 160)}
		if err := alice.out.RTP(p.Append(nil), func(b []byte) { alice.send(alice.rtp, alice.far.Media[0].Address(), b) }); err != nil {
			t.Fatal(err)
		}
		bob.say(quiet(8))
		if got, ok := bob.next(20 * time.Millisecond); ok && len(got) == 160 {
			there++
		}
		if got, ok := alice.next(20 * time.Millisecond); ok && len(got) == 160 && got != quiet(8) {
			back++
		}
	}
}

// TestPicturesBesideTranscodedSound has a browser with PCMA and pictures on one transport call a phone with PCMU and pictures:
// the sound is transcoded, the pictures pass as without that.
func TestPicturesBesideTranscodedSound(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{Transcode: true}).Anchor()
	defer a.Close()
	v, p := newViewer(t), newVideophone(t, "")
	a.Leg(0, "caller", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	a.Leg(1, "bob", p.peer, formPlain)
	ctx := context.Background()
	p.told(a.Offer(ctx, 0, 1, v.local(v.pc.CreateOffer(nil))))
	offered := p.far.Media[1].Codecs()
	for _, c := range offered {
		if c.Name != "VP8" && c.Name != "H264" {
			t.Errorf("to the pictures was added %s", c.Name)
		}
	}
	answer, err := a.Answer(ctx, 1, 0, strings.Replace(p.describe(), "RTP/AVP 8", "RTP/AVP 0", 1))
	v.take(pion.SDPTypeAnswer, answer, err)
	if atPhone, atBrowser := watch(t, v, p, 99); atPhone.Type != 99 || atBrowser.PayloadType != 96 {
		t.Errorf("the phone saw type %d, the browser %d", atPhone.Type, atBrowser.PayloadType)
	}
	for medium, want := range []bool{true, false} {
		for k, e := range a.streams[medium].ends {
			if w := e.way.Load(); (w.cross != nil) != want {
				t.Errorf("medium %d, caller %v: transcoded: %v", medium, k.caller, w.cross != nil)
			}
		}
	}
	said := pionrtp.Packet{Header: pionrtp.Header{Version: 2, PayloadType: 8}, Payload: []byte(quiet(8))}
	for seq, heard := uint16(1), 0; heard < 5; seq++ {
		if seq > 500 {
			t.Fatalf("the phone heard %d packets in PCMU", heard)
		}
		phones := rtp.Packet{SSRC: 7, Sequence: seq, Timestamp: 160 * uint32(seq), Payload: []byte(quiet(0))}
		p.send(p.rtp, p.far.Media[0].Address(), phones.Append(nil)) // from where it is found
		said.SequenceNumber, said.Timestamp = seq, 160*uint32(seq)
		if err := v.voice.WriteRTP(&said); err != nil {
			t.Fatal(err)
		}
		if got, ok := p.next(20 * time.Millisecond); ok && silence(got, 0) {
			heard++
		}
	}
}

// TestAnotherOfTheAnswer has bob send the second of the codecs that he has answered with, none of which alice has.
func TestAnotherOfTheAnswer(t *testing.T) {
	t.Parallel()
	alice, bob := newSpeaker(t, "PCMA", ""), newSpeaker(t, "G722", "")
	cross(t, alice, bob, nil, []int{0})
	if got := names(alice.far); got != "8:PCMA/8000" {
		t.Errorf("alice is answered %s", got)
	}
	bob.codec, _ = codec.Find("PCMU", 8000, 1)
	bob.payload = 0
	clip := audio.Sweep(1)
	done := make(chan struct{})
	go func() { alice.listens(); close(done) }()
	bob.speaks(clip)
	<-done
	alice.hearsSweep(clip)
}

// TestComfortNoiseIsNoCodec has two phones that have nothing but CN in common.
func TestComfortNoiseIsNoCodec(t *testing.T) {
	t.Parallel()
	alice, bob := newSpeaker(t, "PCMA", ""), newSpeaker(t, "PCMU", "")
	a := cross(t, alice, bob, []int{13}, []int{13})
	if got := names(alice.far); got != "8:PCMA/8000" {
		t.Errorf("alice is answered %s", got)
	}
	for _, e := range a.streams[0].ends {
		if e.way.Load().cross == nil {
			t.Error("the sound is not transcoded")
		}
	}
}

// TestNumbersOfACrossing has bob answer with payload types of his own: what he sends is under those of the offer.
func TestNumbersOfACrossing(t *testing.T) {
	t.Parallel()
	alice := newSpeaker(t, "PCMA", "a=rtpmap:97 telephone-event/8000\r\n")
	bob := newSpeaker(t, "PCMU", "a=rtpmap:110 telephone-event/8000\r\n")
	a := cross(t, alice, bob, []int{97}, []int{110})
	if got := names(alice.far); got != "8:PCMA/8000 97:telephone-event/8000" {
		t.Fatalf("alice is answered %s", got)
	}
	var to *way
	for k, e := range a.streams[0].ends {
		if !k.caller {
			to = e.way.Load()
		}
	}
	for payload, want := range map[uint8]int{0: 0, 97: 110, 110: 110, 8: -1, 18: -1} {
		_, got, ok := to.side([]byte{0x80, payload})
		if ok != (want >= 0) || ok && int(got) != want {
			t.Errorf("%d of bob's is taken as %d, %v; want %d", payload, got, ok, want)
		}
	}
	if !to.types.has(8) {
		t.Error("what alice has offered herself does not pass as it is")
	}
}

// TestSealedReportsAreNotRead has two phones keep their keys to themselves: their RTCP says nothing to us.
func TestSealedReportsAreNotRead(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{Transcode: true}).Anchor()
	ctx := context.Background()
	alice, bob := newSafe(t, "AES_CM_128_HMAC_SHA1_80"), newSafe(t, "AES_CM_128_HMAC_SHA1_80")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, "")
	bob.told(a.Offer(ctx, 0, 1, alice.describe("RTP/SAVP")))
	if got := names(bob.far); got != "8:PCMA/8000" {
		t.Errorf("bob is offered %s", got)
	}
	alice.told(a.Answer(ctx, 1, 0, bob.describe("RTP/SAVP")))
	alice.say("hello") // from where she is found
	time.Sleep(50 * time.Millisecond)
	bob.say("hello")
	bob.send(bob.rtp, bob.far.Media[0].Address(), append([]byte{0x81, 201, 0, 7, 0, 0, 0, 9}, strings.Repeat("x", 34)...))
	deadline := time.Now().Add(5 * time.Second)
	for n := 0; n < 2; n++ {
		_ = alice.rtp.SetReadDeadline(deadline)
		if _, err := alice.rtp.Read(make([]byte, 2000)); err != nil {
			t.Fatal(err)
		}
	}
	a.Close()
	for _, m := range a.Measures() {
		if m.Figures.Told {
			t.Errorf("of %s was read what is encrypted: %+v", m.Leg, m.Figures)
		}
	}
}

// TestOfferIsWidenedOnce offers a leg the same numbers again.
func TestOfferIsWidenedOnce(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{Transcode: true}).Anchor()
	defer a.Close()
	alice, bob := newSpeaker(t, "PCMA", ""), newSpeaker(t, "PCMU", "")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, "")
	var said [2]string
	for i := range said {
		body, err := a.Offer(context.Background(), 0, 1, alice.describe())
		bob.told(body, err)
		said[i] = names(bob.far)
	}
	if said[0] != said[1] || !strings.Contains(said[0], "0:PCMU/8000") {
		t.Errorf("bob is offered %s, then %s", said[0], said[1])
	}
}
