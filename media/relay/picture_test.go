package relay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	pionrtcp "github.com/pion/rtcp"
	pionrtp "github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"parley/media/rtp"
	"parley/sdp"
)

// viewer is another's WebRTC with sound and pictures, on one transport.
type viewer struct {
	testing.TB
	pc    *pion.PeerConnection
	track *pion.TrackLocalStaticRTP
	voice *pion.TrackLocalStaticRTP
	seen  chan *pionrtp.Packet
	told  chan pionrtcp.Packet // what its encoder is told
	ssrc  uint32               // that it sends pictures by
}

func newViewer(t testing.TB) *viewer {
	t.Helper()
	var media pion.MediaEngine
	fb := []pion.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}, {Type: "goog-remb"}}
	for _, c := range []struct {
		payload pion.PayloadType
		codec   pion.RTPCodecCapability
		kind    pion.RTPCodecType
	}{
		{8, pion.RTPCodecCapability{MimeType: pion.MimeTypePCMA, ClockRate: 8000}, pion.RTPCodecTypeAudio},
		{96, pion.RTPCodecCapability{MimeType: pion.MimeTypeVP8, ClockRate: 90000, RTCPFeedback: fb}, pion.RTPCodecTypeVideo},
		{102, pion.RTPCodecCapability{MimeType: pion.MimeTypeH264, ClockRate: 90000, RTCPFeedback: fb,
			SDPFmtpLine: "packetization-mode=1;profile-level-id=42e01f"}, pion.RTPCodecTypeVideo},
	} {
		if err := media.RegisterCodec(pion.RTPCodecParameters{RTPCodecCapability: c.codec, PayloadType: c.payload}, c.kind); err != nil {
			t.Fatal(err)
		}
	}
	var settings pion.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]pion.NetworkType{pion.NetworkTypeUDP4})
	settings.SetIPFilter(net.IP.IsLoopback)
	pc, err := pion.NewAPI(pion.WithMediaEngine(&media), pion.WithSettingEngine(settings)).NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	v := &viewer{TB: t, pc: pc, seen: make(chan *pionrtp.Packet, 1000), told: make(chan pionrtcp.Packet, 100)}
	t.Cleanup(func() { _ = pc.Close() })
	voice, err := pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: pion.MimeTypePCMA, ClockRate: 8000}, "voice", "alice")
	if err != nil {
		t.Fatal(err)
	}
	v.voice = voice
	if _, err := pc.AddTrack(voice); err != nil {
		t.Fatal(err)
	}
	if v.track, err = pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: pion.MimeTypeVP8, ClockRate: 90000}, "face", "alice"); err != nil {
		t.Fatal(err)
	}
	sender, err := pc.AddTrack(v.track)
	if err != nil {
		t.Fatal(err)
	}
	v.ssrc = uint32(sender.GetParameters().Encodings[0].SSRC)
	go func() {
		for {
			all, _, err := sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range all {
				select {
				case v.told <- p:
				default:
				}
			}
		}
	}()
	pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			if track.Kind() == pion.RTPCodecTypeVideo {
				select {
				case v.seen <- p:
				default:
				}
			}
		}
	})
	return v
}

func (v *viewer) local(d pion.SessionDescription, err error) string {
	v.Helper()
	b := &browser{TB: v.TB, pc: v.pc}
	return b.local(d, err)
}

func (v *viewer) take(kind pion.SDPType, body string, err error) {
	v.Helper()
	b := &browser{TB: v.TB, pc: v.pc}
	b.take(kind, body, err)
}

func (v *viewer) show(seq uint16, what string) {
	v.Helper()
	p := pionrtp.Packet{Header: pionrtp.Header{Version: 2, PayloadType: 96, SequenceNumber: seq, Timestamp: 3000 * uint32(seq)}, Payload: []byte(what)}
	if err := v.track.WriteRTP(&p); err != nil {
		v.Fatal(err)
	}
}

// videophone is a phone with sound and pictures, on a port each.
type videophone struct {
	*phone
	video *phone
	fb    string // what it says of feedback
}

func newVideophone(t testing.TB, fb string) *videophone {
	t.Helper()
	return &videophone{newPhone(t, "127.0.0.1", "10.0.0.7"), newPhone(t, "127.0.0.1", "10.0.0.7"), fb}
}

func (p *videophone) describe() string {
	return p.phone.describe() + "m=video 4002 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\n" + p.fb
}

func picture1(seq uint16, what string) []byte {
	v := rtp.Packet{Type: 99, SSRC: 77, Sequence: seq, Timestamp: 3000 * uint32(seq), Payload: []byte(what)}
	return v.Append(nil)
}

// watch has both see each other, and gives what each saw.
func watch(t *testing.T, v *viewer, p *videophone, payload uint8) (atPhone rtp.Packet, atBrowser *pionrtp.Packet) {
	t.Helper()
	deadline, buf := time.Now().Add(10*time.Second), make([]byte, 2000)
	to := p.far.Media[1].Address()
	for seq := uint16(1); atPhone.Payload == nil || atBrowser == nil; seq++ {
		if time.Now().After(deadline) {
			t.Fatalf("the phone saw: %v, the browser saw: %v", atPhone.Payload != nil, atBrowser != nil)
		}
		v.show(seq, "a face")
		b := picture1(seq, "another face")
		b[1] = b[1]&0x80 | payload
		p.send(p.video.rtp, to, b)
		_ = p.video.rtp.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := p.video.rtp.Read(buf); err == nil {
			atPhone, _ = rtp.Read(slices.Clone(buf[:n]))
		}
		select {
		case atBrowser = <-v.seen:
		default:
		}
	}
	return atPhone, atBrowser
}

// videoCall is a call between a browser and a phone, both with pictures.
func videoCall(t *testing.T, fb string) (*Anchor, *viewer, *videophone) {
	t.Helper()
	a := bridge(t, Config{LookEvery: 50 * time.Millisecond}).Anchor()
	t.Cleanup(a.Close)
	v, p := newViewer(t), newVideophone(t, fb)
	a.Leg(0, "caller", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	a.Leg(1, "bob", p.peer, formPlain)
	ctx := context.Background()
	p.told(a.Offer(ctx, 0, 1, v.local(v.pc.CreateOffer(nil))))
	answer, err := a.Answer(ctx, 1, 0, p.describe())
	v.take(pion.SDPTypeAnswer, answer, err)
	return a, v, p
}

// TestPictures bridges sound and pictures: one transport and two ports, each side with its own payload types.
func TestPictures(t *testing.T) {
	t.Parallel()
	a, v, p := videoCall(t, "")
	if m := p.far.Media[1]; m.Port == p.far.Media[0].Port || len(m.Codecs()) != 2 {
		t.Errorf("the phone is offered\n%s", p.far)
	}
	told, err := sdp.Parse(v.pc.RemoteDescription().SDP)
	if err != nil {
		t.Fatal(err)
	}
	if len(told.Bundled()) != 2 || told.Media[0].Port != told.Media[1].Port || told.Media[1].Codecs()[0].Payload != 96 {
		t.Errorf("the browser is told\n%s", told)
	}
	atPhone, atBrowser := watch(t, v, p, 96) // as it was offered
	if atPhone.Type != 99 || string(atPhone.Payload) != "a face" {
		t.Errorf("the phone saw %q of type %d, want 99 as it answered", atPhone.Payload, atPhone.Type)
	}
	if atBrowser.PayloadType != 96 || string(atBrowser.Payload) != "another face" {
		t.Errorf("the browser saw %q of type %d", atBrowser.Payload, atBrowser.PayloadType)
	}
	watch(t, v, p, 99) // as it answered
	if n := a.r.c.Ports.InUse(); n != 3 {
		t.Errorf("%d pairs of ports are open, want one for the browser and two for the phone", n)
	}
}

// TestPhoneOffersPictures has a phone call a browser, with a payload type that the browser has for another codec.
func TestPhoneOffersPictures(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{}).Anchor()
	defer a.Close()
	p, v := newVideophone(t, "a=rtcp-fb:* nack pli\r\n"), newViewer(t)
	a.Leg(0, "caller", p.peer, "")
	a.Leg(1, "web", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	ctx := context.Background()
	offer, err := a.Offer(ctx, 0, 1, strings.ReplaceAll(p.describe(), "99", "8"))
	v.take(pion.SDPTypeOffer, offer, err)
	d, err := sdp.Parse(offer)
	if err != nil {
		t.Fatal(err)
	}
	if d.Media[0].Port == d.Media[1].Port || d.Media[1].Codecs()[0].Payload == 8 {
		t.Errorf("two media share a payload type or, before that is agreed on, a port\n%s", offer)
	}
	told, err := a.Answer(ctx, 1, 0, v.local(v.pc.CreateAnswer(nil)))
	p.told(told, err)
	plain(t, strings.ReplaceAll(told, "a=rtcp-fb:* nack pli\r\n", ""))
	watch(t, v, p, 8)
	if n := a.r.c.Ports.InUse(); n != 3 {
		t.Errorf("%d pairs of ports are open: the second one towards the browser is not given back", n)
	}
}

// TestFeedback has each side ask for pictures, and be asked, in its own terms.
func TestFeedback(t *testing.T) {
	t.Parallel()
	for name, fb := range map[string]string{
		"PLI": "a=rtcp-fb:99 nack pli\r\na=rtcp-fb:99 ccm fir\r\n", "FIR": "a=rtcp-fb:* ccm fir\r\n", "INFO": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, v, p := videoCall(t, fb)
			atPhone, atBrowser := watch(t, v, p, 99)
			// The phone has lost a picture.
			to := p.far.Media[1].RTCP()
			ask := &pionrtcp.PictureLossIndication{SenderSSRC: 77, MediaSSRC: atPhone.SSRC}
			b, err := ask.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			var remb, pli bool
			for deadline := time.Now().Add(5 * time.Second); !remb || !pli; {
				p.send(p.video.rtcp, to, b)
				if name == "INFO" {
					a.Refresh(1)
				}
				select {
				case got := <-v.told:
					switch x := got.(type) {
					case *pionrtcp.PictureLossIndication:
						pli = pli || x.MediaSSRC == v.ssrc
					case *pionrtcp.ReceiverEstimatedMaximumBitrate:
						remb = remb || slices.Equal(x.SSRCs, []uint32{v.ssrc}) && x.Bitrate > 1_900_000
					}
				case <-time.After(20 * time.Millisecond):
				}
				if time.Now().After(deadline) {
					t.Fatalf("the browser is asked for a picture: %v, told what it may send: %v", pli, remb)
				}
			}
			// So has the browser.
			loss := []pionrtcp.Packet{&pionrtcp.PictureLossIndication{MediaSSRC: atBrowser.SSRC}}
			if got := p.asked(t, a, func() {
				if err := v.pc.WriteRTCP(loss); err != nil {
					t.Fatal(err)
				}
			}); got != name {
				t.Errorf("the phone is asked by %s, want %s", got, name)
			}
		})
	}
}

// asked repeats until the phone is asked for a full picture, and says how.
func (p *videophone) asked(t *testing.T, a *Anchor, again func()) string {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		again()
		select {
		case leg := <-a.Asked():
			return map[int]string{1: "INFO"}[leg]
		default:
		}
		_ = p.video.rtcp.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
		b := make([]byte, 1500)
		n, err := p.video.rtcp.Read(b)
		if err != nil {
			continue
		}
		all, err := pionrtcp.Unmarshal(b[:n])
		if err != nil {
			t.Fatal(err)
		}
		for _, packet := range all {
			switch x := packet.(type) {
			case *pionrtcp.PictureLossIndication:
				if x.MediaSSRC == 77 {
					return "PLI"
				}
			case *pionrtcp.FullIntraRequest:
				if len(x.FIR) == 1 && x.FIR[0].SSRC == 77 {
					return "FIR"
				}
			}
		}
	}
	return "nothing"
}

// TestLostPictures has a phone that says it asks again get what it has lost; who sent it knows nothing of that.
func TestLostPictures(t *testing.T) {
	t.Parallel()
	_, v, p := videoCall(t, "a=rtcp-fb:* nack\r\n")
	lost, _ := watch(t, v, p, 99)
	nack := &pionrtcp.TransportLayerNack{MediaSSRC: lost.SSRC, Nacks: []pionrtcp.NackPair{{PacketID: lost.Sequence}}}
	b, err := nack.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		p.send(p.video.rtcp, p.far.Media[1].RTCP(), b)
		_ = p.video.rtp.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := p.video.rtp.Read(buf)
		if err != nil {
			continue
		}
		if got, _ := rtp.Read(buf[:n]); got.Sequence == lost.Sequence && string(got.Payload) == "a face" && got.Type == 99 {
			return
		}
	}
	t.Error("what was lost does not come again")
}

// TestMissingPictures asks a phone again for what has not come from it.
func TestMissingPictures(t *testing.T) {
	t.Parallel()
	_, v, p := videoCall(t, "a=rtcp-fb:* nack\r\n")
	watch(t, v, p, 99)
	to, seq, b := p.far.Media[1].Address(), uint16(1000), make([]byte, 1500)
	p.send(p.video.rtcp, p.far.Media[1].RTCP(), []byte{0x80, 201, 0, 1, 0, 0, 0, 77}) // to be found at
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); seq += 5 {
		p.send(p.video.rtp, to, picture1(seq, "a face"))
		p.send(p.video.rtp, to, picture1(seq+3, "two are missing"))
		_ = p.video.rtcp.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
		n, err := p.video.rtcp.Read(b)
		if err != nil {
			continue
		}
		for kind, packet := range rtp.Compound(b[:n]) {
			if kind != rtp.TypeTransport {
				continue
			}
			lost := slices.Collect(rtp.Lost(packet))
			if rtp.About(packet) != 77 || !slices.Equal(lost, []uint16{seq + 1, seq + 2}) && !slices.Equal(lost, []uint16{seq - 1}) {
				t.Errorf("asked for %v of %d, want %d and %d of 77", lost, rtp.About(packet), seq+1, seq+2)
			}
			return
		}
	}
	t.Error("nobody asks for what is missing")
}

// TestPicturesComeLater has a phone add pictures to a call with sound, hold both, and take them away.
func TestPicturesComeLater(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	v, p := newViewer(t), newVideophone(t, "")
	a.Leg(0, "caller", p.peer, "")
	a.Leg(1, "web", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	talk := func(body string, instead ...string) {
		t.Helper()
		offer, err := a.Offer(ctx, 0, 1, body)
		v.take(pion.SDPTypeOffer, offer, err)
		p.told(a.Answer(ctx, 1, 0, strings.NewReplacer(instead...).Replace(v.local(v.pc.CreateAnswer(nil)))))
	}
	talk(p.phone.describe())
	if len(p.far.Media) != 1 {
		t.Fatalf("answered\n%s", p.far)
	}
	talk(p.describe())
	watch(t, v, p, 99)
	if n := a.r.c.Ports.InUse(); n != 3 {
		t.Errorf("%d pairs of ports are open, want 3", n)
	}
	talk(strings.ReplaceAll(p.describe()+"a=sendonly\r\n", "m=video", "a=sendonly\r\nm=video"),
		"a=sendrecv", "a=recvonly", "a=sendonly", "a=recvonly") // Pion's own answer goes on sending
	for i, m := range p.far.Media {
		if m.Direction().Sends() {
			t.Errorf("medium %d goes on although it is held\n%s", i, p.far)
		}
	}
	talk(p.describe())
	watch(t, v, p, 99)
	talk(strings.ReplaceAll(p.describe(), "m=video 4002", "m=video 0"))
	if len(p.far.Media) != 2 || p.far.Media[0].Port == 0 || p.far.Media[1].Port != 0 || p.far.Media[1].Kind != "video" {
		t.Errorf("lines out of order or still there\n%s", p.far)
	}
}

// TestOtherDatagrams passes a fax and the messages of who may speak between two plain ends.
func TestOtherDatagrams(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"fax": "m=image 4000 udptl t38", "BFCP": "m=application 4000 UDP/BFCP *", "H.224": "m=application 4000 RTP/AVP 100\r\na=rtpmap:100 H224/4800",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := relay(t, Config{}).Anchor()
			defer a.Close()
			alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "10.0.0.7")
			ctx := context.Background()
			a.Leg(0, "caller", alice.peer, "")
			a.Leg(1, "bob", bob.peer, "")
			says := func(p *phone) string { return strings.Replace(p.describe(), "m=audio 4000 RTP/AVP 8", line, 1) }
			bob.told(a.Offer(ctx, 0, 1, says(alice)))
			alice.told(a.Answer(ctx, 1, 0, says(bob)))
			what := []byte("\x00\x01 no RTP")
			if name == "H.224" {
				what = voice("H.224")
			}
			for range 20 { // until each has learned where the other is
				for _, p := range []*phone{alice, bob} {
					p.send(p.rtp, p.far.Media[0].Address(), what)
				}
				time.Sleep(time.Millisecond)
			}
			bob.hears(bob.rtp, string(what))
			alice.hears(alice.rtp, string(what))
		})
	}
}

// TestSilence ends a call whose phone sends nothing any more, unless it is on hold.
func TestSilence(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]bool{"talking": false, "on hold": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := relay(t, Config{Silence: 300 * time.Millisecond, LookEvery: 20 * time.Millisecond}).Anchor()
			defer a.Close()
			alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "10.0.0.7")
			meet(a, alice, bob)
			if held {
				ctx := context.Background()
				bob.told(a.Offer(ctx, 0, 1, alice.describe()+"a=sendonly\r\n"))
				alice.told(a.Answer(ctx, 1, 0, bob.describe()+"a=recvonly\r\n"))
			}
			time.Sleep(400 * time.Millisecond) // it rings: nobody has to be heard
			a.Established()
			begun := time.Now()
			for {
				alice.say("I am here")
				select {
				case err := <-a.Lost():
					if held || !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), "bob") || time.Since(begun) < 300*time.Millisecond {
						t.Errorf("lost after %v: %v", time.Since(begun), err)
					}
					return
				case <-time.After(20 * time.Millisecond):
				}
				if time.Since(begun) > time.Second && held {
					return
				}
				if time.Since(begun) > 5*time.Second {
					t.Fatal("nobody misses bob")
				}
			}
		})
	}
}
