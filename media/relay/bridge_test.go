package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	pionrtcp "github.com/pion/rtcp"
	pionrtp "github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"parley/media/rtp"
	"parley/media/webrtc"
	"parley/sdp"
)

const formWebRTC, formPlain = "UDP/TLS/RTP/SAVPF", "RTP/AVP"

func bridge(t *testing.T, c Config) *Relay {
	t.Helper()
	identity, err := webrtc.NewIdentity(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c.Identity = identity
	return relay(t, c)
}

// browser is another's WebRTC.
type browser struct {
	testing.TB
	pc    *pion.PeerConnection
	track *pion.TrackLocalStaticRTP
	heard chan *pionrtp.Packet
	told  chan []pionrtcp.Packet
}

func newBrowser(t testing.TB) *browser {
	t.Helper()
	var media pion.MediaEngine
	for payload, codec := range map[pion.PayloadType]pion.RTPCodecCapability{
		8:   {MimeType: pion.MimeTypePCMA, ClockRate: 8000},
		111: {MimeType: pion.MimeTypeOpus, ClockRate: 48000, Channels: 2},
		126: {MimeType: "audio/telephone-event", ClockRate: 8000, SDPFmtpLine: "0-15"},
	} {
		if err := media.RegisterCodec(pion.RTPCodecParameters{RTPCodecCapability: codec, PayloadType: payload}, pion.RTPCodecTypeAudio); err != nil {
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
	b := &browser{TB: t, pc: pc, heard: make(chan *pionrtp.Packet, 1000), told: make(chan []pionrtcp.Packet, 100)}
	t.Cleanup(func() { _ = pc.Close() })
	if b.track, err = pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: pion.MimeTypePCMA, ClockRate: 8000}, "voice", "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := pc.AddTrack(b.track); err != nil {
		t.Fatal(err)
	}
	pc.OnTrack(func(track *pion.TrackRemote, r *pion.RTPReceiver) {
		go func() {
			for {
				p, _, err := r.ReadRTCP()
				if err != nil {
					return
				}
				b.told <- p
			}
		}()
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			select {
			case b.heard <- p:
			default:
			}
		}
	})
	return b
}

func (b *browser) local(d pion.SessionDescription, err error) string {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	gathered := pion.GatheringCompletePromise(b.pc)
	if err := b.pc.SetLocalDescription(d); err != nil {
		b.Fatal(err)
	}
	<-gathered
	return b.pc.LocalDescription().SDP
}

func (b *browser) offer() string { b.Helper(); return b.local(b.pc.CreateOffer(nil)) }

func (b *browser) take(kind pion.SDPType, body string, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	if err := b.pc.SetRemoteDescription(pion.SessionDescription{Type: kind, SDP: body}); err != nil {
		b.Fatalf("%v\n%s", err, body)
	}
}

func (b *browser) answer(body string, err error) string {
	b.Helper()
	b.take(pion.SDPTypeOffer, body, err)
	return b.local(b.pc.CreateAnswer(nil))
}

func (b *browser) answered(body string, err error) { b.Helper(); b.take(pion.SDPTypeAnswer, body, err) }

func (b *browser) say(seq uint16, what string) {
	b.Helper()
	p := pionrtp.Packet{
		Header:  pionrtp.Header{Version: 2, PayloadType: 8, SequenceNumber: seq, Timestamp: 160 * uint32(seq)},
		Payload: []byte(what),
	}
	if err := b.track.WriteRTP(&p); err != nil {
		b.Fatal(err)
	}
}

// voiced is a packet as a phone sends it.
func voiced(ssrc uint32, seq uint16, what string) []byte {
	v := rtp.Packet{Type: 8, SSRC: ssrc, Sequence: seq, Timestamp: 160 * uint32(seq), Payload: []byte(what)}
	return v.Append(nil)
}

// converse has a phone and a browser hear each other, and gives a packet of each.
func converse(t *testing.T, b *browser, p *phone) (atPhone, atBrowser *pionrtp.Packet) {
	t.Helper()
	deadline, buf := time.Now().Add(10*time.Second), make([]byte, 2000)
	for seq := uint16(1); atPhone == nil || atBrowser == nil; seq++ {
		if time.Now().After(deadline) {
			t.Fatalf("phone heard: %v, browser heard: %v, ICE is %s", atPhone != nil, atBrowser != nil, b.pc.ICEConnectionState())
		}
		b.say(seq, "from the browser")
		p.send(p.rtp, p.far.Media[0].Address(), voiced(7, seq, "from the phone"))
		_ = p.rtp.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := p.rtp.Read(buf); err == nil {
			atPhone = &pionrtp.Packet{}
			if err := atPhone.Unmarshal(append([]byte(nil), buf[:n]...)); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case atBrowser = <-b.heard:
		default:
		}
	}
	if string(atPhone.Payload) != "from the browser" || string(atBrowser.Payload) != "from the phone" {
		t.Errorf("the phone heard %q, the browser %q", atPhone.Payload, atBrowser.Payload)
	}
	return atPhone, atBrowser
}

// plain checks that a description is one that a desk phone understands.
func plain(t *testing.T, body string) {
	t.Helper()
	for _, foreign := range []string{"ice-", "candidate", "fingerprint", "setup", "rtcp-mux", "mid:", "BUNDLE", "extmap", "SAVP", "rtcp-fb", "ssrc", "msid"} {
		if strings.Contains(body, foreign) {
			t.Errorf("a desk phone is told of %q in\n%s", foreign, body)
		}
	}
}

func TestBrowserCallsPhone(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newBrowser(t), newPhone(t, "127.0.0.1", "10.0.0.7")
	a.Leg(0, "caller", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	a.Leg(1, "bob", bob.peer, formPlain)
	offer, err := a.Offer(ctx, 0, 1, alice.offer())
	bob.told(offer, err)
	plain(t, offer)
	if m := bob.far.Media[0]; m.Proto != formPlain || len(m.Codecs()) != 3 {
		t.Errorf("offered\n%s", offer)
	}
	alice.answered(a.Answer(ctx, 1, 0, bob.describe()))
	converse(t, alice, bob)
}

func TestPhoneCallsBrowser(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newPhone(t, "127.0.0.1", "10.0.0.7"), newBrowser(t)
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	body, err := a.Offer(ctx, 0, 1, alice.describe())
	answer := bob.answer(body, err)
	told, err := a.Answer(ctx, 1, 0, answer)
	alice.told(told, err)
	plain(t, told)
	converse(t, bob, alice)
}

// TestOfferInTheAnswer has a phone call without an offer; the browser makes one.
func TestOfferInTheAnswer(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newPhone(t, "127.0.0.1", "10.0.0.7"), newBrowser(t)
	a.Leg(0, "caller", alice.peer, formPlain)
	a.Leg(1, "bob", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	told, err := a.Offer(ctx, 1, 0, bob.offer())
	alice.told(told, err)
	plain(t, told)
	bob.answered(a.Answer(ctx, 0, 1, alice.describe()))
	converse(t, bob, alice)
}

// TestStreamGoesOn has a phone change its source, as one with music on hold does, and send what one peer must
// not be able to fill another's memory with.
func TestStreamGoesOn(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newBrowser(t), newPhone(t, "127.0.0.1", "10.0.0.7")
	a.Leg(0, "caller", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	a.Leg(1, "bob", bob.peer, formPlain)
	bob.told(a.Offer(ctx, 0, 1, alice.offer()))
	alice.answered(a.Answer(ctx, 1, 0, bob.describe()))
	_, first := converse(t, alice, bob)
	last := first.SequenceNumber
	for source := uint32(100); source < 140; source++ { // more than one peer may have
		bob.send(bob.rtp, bob.far.Media[0].Address(), voiced(source, 40000, "music"))
	}
	for n := 0; n < 15; {
		select {
		case p := <-alice.heard:
			if p.SSRC != first.SSRC {
				t.Fatalf("SSRC %d became %d", first.SSRC, p.SSRC)
			}
			if string(p.Payload) != "music" {
				last = p.SequenceNumber
				continue
			}
			if n++; p.SequenceNumber != last+uint16(n) {
				t.Fatalf("packet %d after %d has number %d", n, last, p.SequenceNumber)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("heard %d packets of 15", n)
		}
	}
}

func TestReportsAreTranslated(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newBrowser(t), newPhone(t, "127.0.0.1", "10.0.0.7")
	a.Leg(0, "caller", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	a.Leg(1, "bob", bob.peer, formPlain)
	bob.told(a.Offer(ctx, 0, 1, alice.offer()))
	alice.answered(a.Answer(ctx, 1, 0, bob.describe()))
	atPhone, atBrowser := converse(t, alice, bob)
	report, err := pionrtcp.Marshal([]pionrtcp.Packet{
		&pionrtcp.SenderReport{SSRC: 7, NTPTime: 1 << 40, RTPTime: 160, PacketCount: 5, Reports: []pionrtcp.ReceptionReport{
			{SSRC: atPhone.SSRC, FractionLost: 9, LastSequenceNumber: uint32(atPhone.SequenceNumber)}, {SSRC: 4711},
		}},
		&pionrtcp.PictureLossIndication{SenderSSRC: 7, MediaSSRC: 8},
	})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(10 * time.Second)
	for {
		bob.send(bob.rtcp, bob.far.Media[0].RTCP(), report)
		select {
		case packets := <-alice.told:
			sr, ok := packets[0].(*pionrtcp.SenderReport)
			if !ok || sr.SSRC != atBrowser.SSRC || sr.NTPTime != 1<<40 || sr.PacketCount != 5 || len(sr.Reports) != 1 ||
				sr.Reports[0].FractionLost != 9 || sr.Reports[0].SSRC == atPhone.SSRC {
				t.Errorf("the browser got %v", packets)
			}
			for _, p := range packets {
				if _, ok := p.(*pionrtcp.PictureLossIndication); ok {
					t.Error("feedback passed to the other side")
				}
			}
			return
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatal("the browser gets no report")
		}
	}
}

func TestHoldAcrossForms(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newBrowser(t), newPhone(t, "127.0.0.1", "10.0.0.7")
	a.Leg(0, "caller", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	a.Leg(1, "bob", bob.peer, formPlain)
	bob.told(a.Offer(ctx, 0, 1, alice.offer()))
	alice.answered(a.Answer(ctx, 1, 0, bob.describe()))
	converse(t, alice, bob)
	port := bob.far.Media[0].Port
	// The browser holds.
	held := strings.ReplaceAll(alice.offer(), "a=sendrecv", "a=sendonly")
	offer, err := a.Offer(ctx, 0, 1, held)
	bob.told(offer, err)
	if m := bob.far.Media[0]; m.Direction() != sdp.SendOnly || m.Port != port {
		t.Errorf("hold became\n%s", offer)
	}
	alice.answered(a.Answer(ctx, 1, 0, bob.describe()+"a=recvonly\r\n"))
	// The phone offers anew: the browser's transport stays as it was.
	before, err := sdp.Parse(alice.pc.RemoteDescription().SDP)
	if err != nil {
		t.Fatal(err)
	}
	body, err := a.Offer(ctx, 1, 0, bob.describe())
	if err != nil {
		t.Fatal(err)
	}
	after, err := sdp.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	was, is := before.Media[0].Transport(), after.Media[0].Transport()
	if was.Ufrag != is.Ufrag || is.Setup != "actpass" || fmt.Sprint(was.Fingerprints) != fmt.Sprint(is.Fingerprints) {
		t.Errorf("%+v became %+v", was, is)
	}
	bob.told(a.Answer(ctx, 0, 1, alice.answer(body, nil)))
	converse(t, alice, bob)
}

// TestICERestart has a browser come back from another network.
func TestICERestart(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newBrowser(t), newPhone(t, "127.0.0.1", "10.0.0.7")
	a.Leg(0, "caller", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	a.Leg(1, "bob", bob.peer, formPlain)
	bob.told(a.Offer(ctx, 0, 1, alice.offer()))
	first, err := a.Answer(ctx, 1, 0, bob.describe())
	alice.answered(first, err)
	converse(t, alice, bob)
	bob.told(a.Offer(ctx, 0, 1, alice.local(alice.pc.CreateOffer(&pion.OfferOptions{ICERestart: true}))))
	second, err := a.Answer(ctx, 1, 0, bob.describe())
	alice.answered(second, err)
	if ufrag(t, first) == ufrag(t, second) {
		t.Error("ICE was restarted with the credentials it had")
	}
	converse(t, alice, bob)
}

func ufrag(t *testing.T, body string) string {
	t.Helper()
	d, err := sdp.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return d.Media[0].Transport().Ufrag
}

// TestForkOfForms has a browser call a browser and a phone, which gets the call.
func TestForkOfForms(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, carol := newBrowser(t), newPhone(t, "127.0.0.1", "10.0.0.7")
	a.Leg(0, "caller", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	a.Leg(1, "bob", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	a.Leg(2, "carol", carol.peer, formPlain)
	offer := alice.offer()
	if direct, err := a.Offer(ctx, 0, 1, offer); err != nil || direct != offer {
		t.Errorf("a browser's offer to a browser was changed: %v", err)
	}
	carol.told(a.Offer(ctx, 0, 2, offer))
	a.Drop(1)
	alice.answered(a.Answer(ctx, 2, 0, carol.describe()))
	converse(t, alice, carol)
}

// TestForkToBoth has a phone call a browser and a phone; the browser gets the call.
func TestForkToBoth(t *testing.T) {
	t.Parallel()
	r := bridge(t, Config{})
	a := r.Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob, carol := newPhone(t, "127.0.0.1", "10.0.0.6"), newBrowser(t), newPhone(t, "127.0.0.1", "10.0.0.7")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	a.Leg(2, "carol", carol.peer, "")
	body, err := a.Offer(ctx, 0, 1, alice.describe())
	answer := bob.answer(body, err)
	carol.told(a.Offer(ctx, 0, 2, alice.describe()))
	alice.told(a.Answer(ctx, 1, 0, answer))
	a.Drop(2)
	converse(t, bob, alice)
	if n := r.c.Ports.InUse(); n != 2 {
		t.Errorf("%d pairs of ports are open, want 2", n)
	}
}

// TestBothThroughUs has two browsers talk through the relay, by policy.
func TestBothThroughUs(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{Hide: true}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newBrowser(t), newBrowser(t)
	for leg := range 2 {
		a.Leg(leg, "browser", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	}
	body, err := a.Offer(ctx, 0, 1, alice.offer())
	alice.answered(a.Answer(ctx, 1, 0, bob.answer(body, err)))
	for seq := uint16(1); ; seq++ {
		alice.say(seq, "hello")
		select {
		case p := <-bob.heard:
			if string(p.Payload) != "hello" {
				t.Errorf("bob heard %q", p.Payload)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
		if seq == 500 {
			t.Fatal("bob hears nothing")
		}
	}
}

func TestBrowserIsGone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		c    Config
		up   bool
		want error
	}{
		"never came": {Config{SetUp: 300 * time.Millisecond}, false, webrtc.ErrSetUp},
		"left":       {Config{Consent: 3 * time.Second}, true, webrtc.ErrConsent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := bridge(t, test.c).Anchor()
			defer a.Close()
			ctx := context.Background()
			alice, bob := newBrowser(t), newPhone(t, "127.0.0.1", "10.0.0.7")
			a.Leg(0, "caller", netip.MustParseAddr("127.0.0.1"), formWebRTC)
			a.Leg(1, "bob", bob.peer, formPlain)
			bob.told(a.Offer(ctx, 0, 1, alice.offer()))
			answer, err := a.Answer(ctx, 1, 0, bob.describe())
			if test.up {
				alice.answered(answer, err)
				converse(t, alice, bob)
			}
			if err := alice.pc.Close(); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-a.Lost():
				if !errors.Is(err, test.want) {
					t.Errorf("lost for %v, want %v", err, test.want)
				}
			case <-time.After(10 * time.Second):
				t.Error("nobody was told")
			}
		})
	}
}

// TestForgedCertificate has signalling tell of another certificate than the peer shows.
func TestForgedCertificate(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob, eve := newBrowser(t), newPhone(t, "127.0.0.1", "10.0.0.7"), newBrowser(t)
	d, err := sdp.Parse(eve.offer())
	if err != nil {
		t.Fatal(err)
	}
	mine, err := sdp.Parse(alice.offer())
	if err != nil {
		t.Fatal(err)
	}
	forged := strings.ReplaceAll(alice.pc.LocalDescription().SDP,
		mine.Media[0].Transport().Fingerprints[0], d.Media[0].Transport().Fingerprints[0])
	a.Leg(0, "caller", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	a.Leg(1, "bob", bob.peer, formPlain)
	bob.told(a.Offer(ctx, 0, 1, forged))
	alice.answered(a.Answer(ctx, 1, 0, bob.describe()))
	select {
	case err := <-a.Lost():
		if !errors.Is(err, webrtc.ErrDTLS) {
			t.Errorf("lost for %v, want %v", err, webrtc.ErrDTLS)
		}
	case <-time.After(10 * time.Second):
		t.Error("a certificate that signalling knows nothing of was taken")
	}
}

// TestAgentInside has a browser talk to what is in the process, and known by a public address.
func TestAgentInside(t *testing.T) {
	t.Parallel()
	public := netip.MustParseAddr("192.0.2.9")
	ports, err := rtp.NewPorts(rtp.PortsConfig{Addresses: []rtp.Address{{Bind: netip.MustParseAddr("127.0.0.1"), Public: public}}})
	if err != nil {
		t.Fatal(err)
	}
	a := New(Config{Ports: ports}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, agent := newPhone(t, "127.0.0.1", "127.0.0.1"), newPhone(t, "127.0.0.1", "192.0.2.9")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "agent", netip.Addr{}, formPlain)
	agent.told(a.Offer(ctx, 0, 1, alice.describe()))
	if got := agent.far.Media[0].Address().Addr(); got == public {
		t.Errorf("an agent inside is told %v, which its packets may not come from", got)
	}
	port := agent.rtp.LocalAddr().(*net.UDPAddr).Port
	alice.told(a.Answer(ctx, 1, 0, strings.Replace(agent.describe(), "audio 4000", fmt.Sprintf("audio %d", port), 1)))
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(alice.far.Media[0].Port))
	alice.send(alice.rtp, to, voice("to the agent"))
	agent.hears(agent.rtp, "to the agent")
}
