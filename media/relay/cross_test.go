package relay

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/media/codec"
	"parley/media/dtmf"
	"parley/media/rtp"
	"parley/media/transcode"
	"parley/sdp"
	"parley/test/harness/audio"
)

// speaker is a phone of one codec.
type speaker struct {
	*phone
	codec   codec.Codec
	payload uint8
	lines   string
	heard   []int16
	events  []rtp.Packet
	reports int
}

func newSpeaker(t *testing.T, name, extra string) *speaker {
	t.Helper()
	for _, c := range codec.All() {
		if c.Name == name {
			return &speaker{phone: newPhone(t, "127.0.0.1", "127.0.0.1"), codec: c, payload: uint8(c.Payload), lines: extra}
		}
	}
	t.Fatalf("there is no %s", name)
	return nil
}

func (s *speaker) describe(payloads ...int) string {
	formats := strconv.Itoa(int(s.payload))
	for _, p := range payloads {
		formats += " " + strconv.Itoa(p)
	}
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP %s\r\na=rtpmap:%d %s/%d/%d\r\n%s",
		s.rtp.LocalAddr().(*net.UDPAddr).Port, formats, s.payload, s.codec.Name, s.codec.Clock, s.codec.Channels, s.lines)
}

// listens takes what comes until nothing does for a moment.
func (s *speaker) listens() {
	s.Helper()
	d, err := s.codec.Decoder(s.codec.Rates[0])
	if err != nil {
		s.Fatal(err)
	}
	buf, wait := make([]byte, 2000), 10*time.Second
	for {
		_ = s.rtp.SetReadDeadline(time.Now().Add(wait))
		n, err := s.rtp.Read(buf)
		if err != nil {
			return
		}
		wait = time.Second
		p, ok := rtp.Read(append([]byte(nil), buf[:n]...))
		switch {
		case !ok:
			s.reports++
		case p.Type == s.payload:
			if s.heard, err = d.Decode(s.heard, p.Payload); err != nil {
				s.Error(err)
			}
		default:
			s.events = append(s.events, p)
		}
	}
}

// speaks sends a sweep in packets of 20 ms.
func (s *speaker) speaks(clip audio.Clip) {
	s.Helper()
	rate := s.codec.Rates[0]
	samples := codec.NewResampler(clip.Rate, rate).Convert(nil, clip.Padded(0, 0.1).Samples)
	e, err := s.codec.Encoder(rate, codec.Options{})
	if err != nil {
		s.Fatal(err)
	}
	for i, frame := 0, rate/50; (i+1)*frame <= len(samples); i++ {
		payload, err := e.Encode(nil, samples[i*frame:(i+1)*frame])
		if err != nil {
			s.Fatal(err)
		}
		p := rtp.Packet{Type: s.payload, SSRC: 9, Sequence: uint16(i), Timestamp: uint32(i * s.codec.Clock / 50), Payload: payload}
		s.send(s.rtp, s.far.Media[0].Address(), p.Append(nil))
		time.Sleep(time.Millisecond)
	}
}

func (s *speaker) hearsSweep(clip audio.Clip) {
	s.Helper()
	heard := audio.Clip{Rate: 8000, Samples: codec.NewResampler(s.codec.Rates[0], 8000).Convert(nil, s.heard)}
	if got := audio.Similarity(clip, heard); got < audio.Alike {
		s.Errorf("%s heard the sweep with a similarity of %.3f", s.codec.Name, got)
	}
}

// offers that an answer's codecs are.
func names(d *sdp.Description) string {
	var all []string
	for _, c := range d.Media[0].Codecs() {
		all = append(all, fmt.Sprintf("%d:%s/%d", c.Payload, c.Name, c.Rate))
	}
	return strings.Join(all, " ")
}

func cross(t *testing.T, alice, bob *speaker, offered, answered []int) *Anchor {
	t.Helper()
	a := relay(t, Config{Transcode: true}).Anchor()
	t.Cleanup(a.Close)
	ctx := context.Background()
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, "")
	bob.told(a.Offer(ctx, 0, 1, alice.describe(offered...)))
	alice.told(a.Answer(ctx, 1, 0, bob.describe(answered...)))
	return a
}

func TestPhonesWithoutACommonCodec(t *testing.T) {
	t.Parallel()
	all := codec.All()
	for i := range all {
		from, to := all[i].Name, all[(i+1)%len(all)].Name
		t.Run(from+" and "+to, func(t *testing.T) {
			t.Parallel()
			alice, bob := newSpeaker(t, from, ""), newSpeaker(t, to, "")
			a := cross(t, alice, bob, nil, nil)
			if got := names(bob.far); !strings.Contains(got, from) || !strings.Contains(got, to) {
				t.Errorf("bob is offered %s", got)
			}
			if got := names(alice.far); got != fmt.Sprintf("%d:%s/%d", alice.payload, from, alice.codec.Clock) {
				t.Errorf("alice is answered %s", got)
			}
			clip := audio.Sweep(1.5)
			done := make(chan struct{})
			go func() { bob.listens(); close(done) }()
			alice.speaks(clip)
			<-done
			bob.hearsSweep(clip)
			done = make(chan struct{})
			go func() { alice.listens(); close(done) }()
			bob.speaks(clip)
			<-done
			alice.hearsSweep(clip)
			a.Close()
			if m := a.Measures(); len(m) != 2 || m[0].Figures.Received != 80 || m[0].Figures.MOS < 4 {
				t.Errorf("measured %+v", m)
			}
		})
	}
}

// TestCommonCodecStays offers more than alice has, and bob, who has hers, chooses that.
func TestCommonCodecStays(t *testing.T) {
	t.Parallel()
	alice, bob := newSpeaker(t, "PCMA", "a=rtpmap:101 telephone-event/8000\r\n"), newSpeaker(t, "PCMA", "a=rtpmap:101 telephone-event/8000\r\n")
	a := cross(t, alice, bob, []int{101}, []int{101, 0})
	if got := names(alice.far); got != "8:PCMA/8000 101:telephone-event/8000" {
		t.Errorf("alice is answered %s", got)
	}
	for _, e := range a.streams[0].ends {
		if w := e.way.Load(); w.cross != nil || w.types != nil {
			t.Error("what both understand is transcoded")
		}
	}
}

// TestAnotherIsPreferred has bob answer with a codec of ours before the one that alice has.
func TestAnotherIsPreferred(t *testing.T) {
	t.Parallel()
	alice, bob := newSpeaker(t, "PCMA", ""), newSpeaker(t, "PCMU", "")
	a := cross(t, alice, bob, nil, []int{8})
	if got := names(alice.far); got != "8:PCMA/8000" {
		t.Errorf("alice is answered %s", got)
	}
	clip := audio.Sweep(1)
	done := make(chan struct{})
	go func() { alice.listens(); close(done) }()
	bob.speaks(clip)
	<-done
	alice.hearsSweep(clip)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.streams[0].ends {
		if e.way.Load().cross == nil {
			t.Error("what bob may send is not understood")
		}
	}
}

func TestNothingIsAddedWhereItIsKnown(t *testing.T) {
	t.Parallel()
	alice, bob := newSpeaker(t, "PCMA", ""), newSpeaker(t, "PCMA", "")
	a := cross(t, alice, bob, nil, nil)
	bob.told(a.Offer(context.Background(), 0, 1, alice.describe()))
	if got := names(bob.far); got != "8:PCMA/8000" {
		t.Errorf("bob, who has answered with it, is offered %s", got)
	}
}

func TestKeysBetweenCodecs(t *testing.T) {
	t.Parallel()
	alice := newSpeaker(t, "PCMA", "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n")
	bob := newSpeaker(t, "G722", "a=rtpmap:96 telephone-event/8000\r\n")
	bob.codec.Rates = []int{16000}
	a := cross(t, alice, bob, []int{101}, []int{96})
	if got := names(alice.far); got != "8:PCMA/8000 101:telephone-event/8000" {
		t.Errorf("alice is answered %s", got)
	}
	done := make(chan struct{})
	go func() { bob.listens(); close(done) }()
	alice.speaks(audio.Sweep(0.1))
	press, _ := dtmf.NewPress('9', 8000, 800, 100*time.Millisecond)
	for i := uint16(5); ; i++ {
		x, ok := press.Next()
		if !ok {
			break
		}
		p := rtp.Packet{Marker: x.Marker, Type: 101, SSRC: 9, Sequence: i, Timestamp: x.Timestamp, Payload: x.Event.Append(nil)}
		alice.send(alice.rtp, alice.far.Media[0].Address(), p.Append(nil))
		time.Sleep(time.Millisecond)
	}
	<-done
	if got := told(bob.events); got != "9" {
		t.Errorf("bob hears of the keys %q", got)
	}
	bob.events = nil
	if !a.Key(0, 1, "application/dtmf-relay", "Signal=3\r\nDuration=100\r\n") {
		t.Fatal("a key of an INFO is not taken")
	}
	if a.Key(0, 1, "application/dtmf-relay", "hello") || a.Key(0, 5, dtmf.PlainType, "3") {
		t.Error("what is no key, or for nobody, is taken")
	}
	done = make(chan struct{})
	go func() { bob.listens(); close(done) }()
	alice.speaks(audio.Sweep(0.4))
	<-done
	if got := told(bob.events); got != "3" {
		t.Errorf("bob hears of the keys %q of an INFO", got)
	}
}

func told(events []rtp.Packet) (keys string) {
	r := dtmf.Receiver{Clock: 8000}
	for _, p := range events {
		e, _ := dtmf.Read(p.Payload)
		if begins, _ := r.Take(p.Timestamp, e); begins {
			key, _ := dtmf.Key(e.Code)
			keys += string(key)
		}
	}
	return keys
}

func BenchmarkCrossing(b *testing.B) {
	a := New(Config{}).Anchor()
	own, theirs := codec.All()[0], codec.All()[len(codec.All())-1]
	offer, _ := sdp.Parse("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n")
	from := sideOf(spoken{theirs, sdp.Codec{Payload: 0}}, offer.Media[0])
	to := sideOf(spoken{own, sdp.Codec{Payload: own.Payload}}, offer.Media[0])
	e := &end{out: rtp.NewCarrier(a.r.c.Rand, "us")}
	x, err := a.crossing([]transcode.Side{from}, to, e)
	if err != nil {
		b.Fatal(err)
	}
	p := rtp.Packet{Type: 0, SSRC: 1, Payload: make([]byte, 160)}
	now := time.Now()
	n := 0
	w := &way{to: e, types: &types{}, takes: []types{takes(from, nil)}, cross: x}
	x.emit = func(*rtp.Packet) { n++ }
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		p.Sequence++
		p.Timestamp += 160
		buf = p.Append(buf[:0])
		x.rtp(w, buf, now)
	}
	if n == 0 {
		b.Error("nothing comes out")
	}
}

// TestBrowserOfAnotherCodec has a phone call a browser that answers with a codec of ours.
func TestBrowserOfAnotherCodec(t *testing.T) {
	t.Parallel()
	a := bridge(t, Config{Transcode: true}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newSpeaker(t, "PCMU", ""), newBrowser(t) // which has PCMA, but not PCMU
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", netip.MustParseAddr("127.0.0.1"), formWebRTC)
	body, err := a.Offer(ctx, 0, 1, alice.describe())
	answer := bob.answer(body, err)
	alice.told(a.Answer(ctx, 1, 0, answer))
	if got := names(alice.far); got != "0:PCMU/8000" {
		t.Errorf("alice is answered %s", got)
	}
	buf, heard := make([]byte, 2000), 0
	deadline := time.Now().Add(15 * time.Second)
	for seq := uint16(1); heard < 25 && time.Now().Before(deadline); seq++ {
		bob.say(seq, strings.Repeat("\xd5", 160))
		_ = alice.rtp.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := alice.rtp.Read(buf)
		if err != nil {
			continue
		}
		if p, ok := rtp.Read(buf[:n]); ok && p.Type == 0 && len(p.Payload) == 160 && codec.FromMuLaw(p.Payload[0]) < 32 {
			heard++
		}
	}
	if heard < 25 {
		t.Errorf("alice heard %d packets", heard)
	}
}
