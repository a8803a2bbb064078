package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/media/rtp"
	"parley/media/srtp"
	"parley/sdp"
)

const formSDES, formOpportunistic = "RTP/SAVP", "RTP/AVP a=crypto"

// safe is a phone that encrypts by SDES.
type safe struct {
	*phone
	suite string
	tag   int
	key   []byte
	out   *srtp.Sealer
	in    *srtp.Opener
	seq   uint16
}

func newSafe(t testing.TB, suite string) *safe {
	t.Helper()
	s := &safe{phone: newPhone(t, "127.0.0.1", "10.0.0.9"), suite: suite, tag: 1, seq: 1}
	s.rekey()
	return s
}

// rekey makes a new key of its own.
func (s *safe) rekey() {
	s.Helper()
	kind, ok := suiteOf(s.suite)
	if !ok {
		s.Fatalf("no suite %s", s.suite)
	}
	s.key = srtp.RandomKey(kind)
	k, err := srtp.NewKey(kind, s.key)
	if err != nil {
		s.Fatal(err)
	}
	if s.out, err = srtp.NewSealer(kind, k); err != nil {
		s.Fatal(err)
	}
}

// says describes the phone under a profile, with its key.
func (s *safe) describe(profile string) string {
	d, err := sdp.Parse(strings.Replace(s.phone.describe(), "RTP/AVP", profile, 1))
	if err != nil {
		s.Fatal(err)
	}
	d.Media[0].SetCryptos(sdp.Crypto{Tag: s.tag, Suite: s.suite, Key: s.key})
	return d.String()
}

// told takes a description, and the key in it: that of the phone's suite.
func (s *safe) told(body string, err error) {
	s.Helper()
	s.phone.told(body, err)
	for _, c := range s.far.Media[0].Cryptos() {
		if c.Suite != s.suite {
			continue
		}
		kind, _ := suiteOf(c.Suite)
		k, err := srtp.NewKey(kind, c.Key)
		if err != nil {
			s.Fatal(err)
		}
		if s.in, err = srtp.NewOpener(kind, k, nil); err != nil {
			s.Fatal(err)
		}
		s.tag = c.Tag
		return
	}
	s.Fatalf("%s is told of no key for %s\n%s", s.rtp.LocalAddr(), s.suite, body)
}

func (s *safe) say(what string) {
	s.Helper()
	s.seq++
	if err := s.out.RTP(voiced(9, s.seq, what), func(b []byte) {
		s.send(s.rtp, s.far.Media[0].Address(), b)
	}); err != nil {
		s.Fatal(err)
	}
}

// hears decrypts what comes next; what can't be is an error.
func (s *safe) next(within time.Duration) (string, bool) {
	s.Helper()
	_ = s.rtp.SetReadDeadline(time.Now().Add(within))
	b := make([]byte, 2000)
	n, err := s.rtp.Read(b)
	if err != nil {
		return "", false
	}
	out, ok := s.in.RTP(nil, b[:n])
	if !ok {
		s.Fatalf("heard %q, which is not encrypted for it", b[:n])
	}
	p, _ := rtp.Read(out)
	return string(p.Payload), true
}

// plainly has a plain phone and an encrypting one hear each other.
func plainly(t *testing.T, p *phone, s *safe) {
	t.Helper()
	p.Helper()
	deadline, buf := time.Now().Add(5*time.Second), make([]byte, 2000)
	there, back := false, false
	for seq := s.seq; !there || !back; seq++ {
		if time.Now().After(deadline) {
			t.Fatalf("plain heard: %v, encrypted heard: %v", back, there)
		}
		p.send(p.rtp, p.far.Media[0].Address(), voiced(7, seq, "in plain"))
		s.say("in secret")
		if got, ok := s.next(20 * time.Millisecond); ok && got == "in plain" {
			there = true
		}
		_ = p.rtp.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := p.rtp.Read(buf); err == nil {
			if !bytes.HasSuffix(buf[:n], []byte("in secret")) {
				t.Fatalf("the plain phone heard %q", buf[:n])
			}
			back = true
		}
	}
}

// pairing is a call of a phone with an encrypting one.
func pairing(t *testing.T, c Config, form string) (*Anchor, *phone, *safe) {
	t.Helper()
	a := relay(t, c).Anchor()
	t.Cleanup(a.Close)
	alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newSafe(t, "AES_CM_128_HMAC_SHA1_80")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, form)
	return a, alice, bob
}

func TestPlainCallsSDES(t *testing.T) {
	t.Parallel()
	for _, suite := range suites() {
		for _, form := range []string{formSDES, formOpportunistic} {
			t.Run(suite.name+" "+form, func(t *testing.T) {
				t.Parallel()
				a, alice, bob := pairing(t, Config{}, form)
				bob.suite = suite.name
				bob.rekey()
				ctx := context.Background()
				body, err := a.Offer(ctx, 0, 1, alice.describe())
				bob.told(body, err)
				profile := sdp.FormOf(form).Profile()
				if m := bob.far.Media[0]; m.Proto != profile || len(m.Cryptos()) != len(suites()) {
					t.Errorf("offered\n%s", body)
				}
				told, err := a.Answer(ctx, 1, 0, bob.describe(profile))
				alice.told(told, err)
				plain(t, told)
				if strings.Contains(told, "crypto") {
					t.Errorf("a plain phone is told of a key\n%s", told)
				}
				plainly(t, alice, bob)
			})
		}
	}
}

// TestOpportunisticAnsweredInPlain has one offer suit a phone that knows nothing of encryption.
func TestOpportunisticAnsweredInPlain(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "10.0.0.7")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, formOpportunistic)
	bob.told(a.Offer(ctx, 0, 1, alice.describe()))
	alice.told(a.Answer(ctx, 1, 0, bob.describe()))
	hello2(alice, bob)
}

// hello2 is hello for a bridge, which takes a number once.
func hello2(alice, bob *phone) {
	alice.Helper()
	deadline, buf := time.Now().Add(5*time.Second), make([]byte, 2000)
	heard := map[*phone]bool{}
	for seq := uint16(1); len(heard) < 2; seq++ {
		if time.Now().After(deadline) {
			alice.Fatalf("they don't hear each other: %d of 2", len(heard))
		}
		for _, p := range []*phone{alice, bob} {
			p.send(p.rtp, p.far.Media[0].Address(), voiced(7, seq, "hello"))
			_ = p.rtp.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			if n, err := p.rtp.Read(buf); err == nil && bytes.HasSuffix(buf[:n], []byte("hello")) {
				heard[p] = true
			}
		}
	}
}

// TestSDESAndBrowser bridges keys in the description and keys by DTLS, each calling the other.
func TestSDESAndBrowser(t *testing.T) {
	t.Parallel()
	for _, phoneCalls := range []bool{true, false} {
		t.Run(fmt.Sprint("phone calls: ", phoneCalls), func(t *testing.T) {
			t.Parallel()
			a := bridge(t, Config{}).Anchor()
			defer a.Close()
			ctx := context.Background()
			web, bob := newBrowser(t), newSafe(t, "AEAD_AES_128_GCM")
			local := netip.MustParseAddr("127.0.0.1")
			if phoneCalls {
				a.Leg(0, "caller", bob.peer, "")
				a.Leg(1, "web", local, formWebRTC)
				body, err := a.Offer(ctx, 0, 1, bob.describe("RTP/SAVP"))
				answer := web.answer(body, err)
				bob.told(a.Answer(ctx, 1, 0, answer))
				if p := bob.far.Media[0].Proto; p != "RTP/SAVP" {
					t.Errorf("answered with %s", p)
				}
			} else {
				a.Leg(0, "caller", local, formWebRTC)
				a.Leg(1, "bob", bob.peer, formSDES)
				bob.told(a.Offer(ctx, 0, 1, web.offer()))
				web.answered(a.Answer(ctx, 1, 0, bob.describe("RTP/SAVP")))
			}
			deadline := time.Now().Add(10 * time.Second)
			there, back := false, false
			for seq := uint16(1); !there || !back; seq++ {
				if time.Now().After(deadline) {
					t.Fatalf("the phone heard: %v, the browser heard: %v", there, back)
				}
				web.say(seq, "from the browser")
				bob.say("from the phone")
				if got, ok := bob.next(20 * time.Millisecond); ok {
					there = got == "from the browser"
				}
				select {
				case p := <-web.heard:
					back = string(p.Payload) == "from the phone"
				default:
				}
			}
		})
	}
}

// TestSDESStaysEndToEnd has two phones that both have it keep their keys to themselves.
func TestSDESStaysEndToEnd(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newSafe(t, "AES_CM_128_HMAC_SHA1_80"), newSafe(t, "AES_CM_128_HMAC_SHA1_80")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, "")
	bob.told(a.Offer(ctx, 0, 1, alice.describe("RTP/SAVP")))
	alice.told(a.Answer(ctx, 1, 0, bob.describe("RTP/SAVP")))
	if got := bob.far.Media[0].Cryptos()[0].Key; !bytes.Equal(got, alice.key) {
		t.Error("the key was changed")
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		alice.say("in secret")
		bob.say("too")
		if got, ok := bob.next(20 * time.Millisecond); ok && got == "in secret" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("bob hears nothing")
		}
	}
}

// TestRekey has each side change its key or keep it in a later description.
func TestRekey(t *testing.T) {
	t.Parallel()
	a, alice, bob := pairing(t, Config{}, formSDES)
	ctx := context.Background()
	bob.told(a.Offer(ctx, 0, 1, alice.describe()))
	alice.told(a.Answer(ctx, 1, 0, bob.describe("RTP/SAVP")))
	plainly(t, alice, bob)
	ours := func() []byte {
		for _, c := range bob.far.Media[0].Cryptos() {
			if c.Suite == bob.suite {
				return c.Key
			}
		}
		return nil
	}

	first, counted := ours(), bob.in
	// The plain phone offers anew, as for a hold: keys stay, and so does what is counted under them.
	bob.told(a.Offer(ctx, 0, 1, alice.describe()))
	alice.told(a.Answer(ctx, 1, 0, bob.describe("RTP/SAVP")))
	if !bytes.Equal(ours(), first) {
		t.Error("our key has changed without need")
	}
	bob.in = counted
	plainly(t, alice, bob)

	// The encrypting one offers anew, with the key it has.
	alice.told(a.Offer(ctx, 1, 0, bob.describe("RTP/SAVP")))
	bob.told(a.Answer(ctx, 0, 1, alice.describe()))
	if !bytes.Equal(ours(), first) {
		t.Error("our key has changed although the peer's has not")
	}
	bob.in = counted
	plainly(t, alice, bob)

	// And with a new one: what is under the old one is still understood for a moment.
	old := bob.out
	bob.rekey()
	alice.told(a.Offer(ctx, 1, 0, bob.describe("RTP/SAVP")))
	bob.told(a.Answer(ctx, 0, 1, alice.describe()))
	if bytes.Equal(ours(), first) {
		t.Error("the peer has a new key, we go on with the old one")
	}
	bob.out, old = old, bob.out
	bob.say("late")
	alice.hears(alice.rtp, "late")
	bob.out = old
	plainly(t, alice, bob)
}

// TestEncryptionPolicy says which descriptions each policy refuses.
func TestEncryptionPolicy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name          string
		policy        Encryption
		callee        string // its form, as the plan knows it
		offers        string // the caller's profile
		gets, answers string // the callee's
		refused       string // "", "offer" or "answer"
	}{
		{"plain", AsOffered, "", "RTP/AVP", "RTP/AVP", "RTP/AVP", ""},
		{"encrypted to plain is raised", AsOffered, formPlain, "RTP/SAVP", "RTP/SAVP", "RTP/SAVP", ""},
		{"encrypted, answered in plain", AsOffered, formOpportunistic, "RTP/SAVP", "RTP/SAVP", "plain", "answer"},
		{"lowered by policy", Opportunistically, formPlain, "RTP/SAVP", "RTP/AVP", "plain", ""},
		{"as it may be", Opportunistically, formOpportunistic, "RTP/SAVP", "RTP/AVP", "RTP/AVP", ""},
		{"required of the caller", Required, formPlain, "plain", "", "", "offer"},
		{"required of the callee", Required, formPlain, "RTP/AVP", "RTP/SAVP", "RTP/SAVP", ""},
		{"required and not answered", Required, formPlain, "RTP/SAVP", "RTP/SAVP", "plain", "answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := relay(t, Config{Encryption: test.policy}).Anchor()
			defer a.Close()
			ctx := context.Background()
			alice, bob := newSafe(t, "AES_CM_128_HMAC_SHA1_80"), newSafe(t, "AES_CM_128_HMAC_SHA1_80")
			a.Leg(0, "caller", alice.peer, "")
			a.Leg(1, "bob", bob.peer, test.callee)
			says := func(s *safe, profile string) string {
				if profile == "plain" {
					return s.phone.describe()
				}
				return s.describe(profile)
			}
			body, err := a.Offer(ctx, 0, 1, says(alice, test.offers))
			if test.refused == "offer" {
				if !errors.Is(err, ErrForm) {
					t.Errorf("offer: %v", err)
				}
				return
			}
			bob.phone.told(body, err)
			if got := bob.far.Media[0].Proto; got != test.gets {
				t.Errorf("offered %s, want %s", got, test.gets)
			}
			if test.answers != "plain" {
				bob.told(body, nil)
			}
			body, err = a.Answer(ctx, 1, 0, says(bob, test.answers))
			if test.refused == "answer" {
				if err == nil {
					t.Errorf("answered\n%s", body)
				}
				return
			}
			alice.told(body, err)
		})
	}
}

// TestForgedIsNotLearned has an attacker be where the peer may be, without its key: the latch is not taken.
func TestForgedIsNotLearned(t *testing.T) {
	t.Parallel()
	a, alice, bob := pairing(t, Config{}, formSDES)
	ctx := context.Background()
	bob.told(a.Offer(ctx, 0, 1, alice.describe()))
	alice.told(a.Answer(ctx, 1, 0, bob.describe("RTP/SAVP")))
	eve := socket(t, "127.0.0.1")
	for seq := range uint16(100) {
		bob.send(eve, bob.far.Media[0].Address(), voiced(9, seq, "forged, and long enough for a tag"))
	}
	plainly(t, alice, bob)
	_ = eve.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := eve.Read(make([]byte, 100)); err == nil {
		t.Errorf("the attacker was sent %d bytes", n)
	}
}

// TestBadKeys has an answer that fits nothing that was offered.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*safe) string{
		"other tag":   func(s *safe) string { s.tag = 77; return s.describe("RTP/SAVP") },
		"other suite": func(s *safe) string { s.tag = 1; return s.describe("RTP/SAVP") }, // 1 is another
		"no key":      func(s *safe) string { return strings.Replace(s.phone.describe(), "RTP/AVP", "RTP/SAVP", 1) },
		"short key":   func(s *safe) string { s.key = s.key[1:]; return s.describe("RTP/SAVP") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, alice, bob := pairing(t, Config{}, formSDES)
			bob.told(a.Offer(context.Background(), 0, 1, alice.describe()))
			if got, err := a.Answer(context.Background(), 1, 0, change(bob)); err == nil {
				t.Errorf("it became\n%s", got)
			}
		})
	}
}

// TestNumbers checks over any pair of numberings that each side is sent the payload types it asked for.
func TestNumbers(t *testing.T) {
	t.Parallel()
	known := []sdp.Codec{
		{Name: "PCMA", Rate: 8000}, {Name: "opus", Rate: 48000, Channels: 2}, {Name: "VP8", Rate: 90000},
		{Name: "H264", Rate: 90000, Fmtp: "packetization-mode=1;profile-level-id=42e01f"},
		{Name: "H264", Rate: 90000, Fmtp: "packetization-mode=0;profile-level-id=42e01f"},
	}
	describe := func(t *rapid.T, label string, codecs []sdp.Codec) *sdp.Media {
		d := sdp.New(sdp.Origin{Host: netip.MustParseAddr("192.0.2.1")})
		m, _ := d.AddMedia("video", 9, "RTP/AVP", nil)
		used := map[int]bool{}
		for _, c := range codecs {
			c.Payload = rapid.IntRange(96, 127).Filter(func(n int) bool { return !used[n] }).Draw(t, label)
			used[c.Payload] = true
			m.Formats = append(m.Formats, fmt.Sprint(c.Payload))
			m.AddCodec(c)
		}
		return m
	}
	rapid.Check(t, func(t *rapid.T) {
		callee := &leg{}
		for medium := range rapid.IntRange(0, 2).Draw(t, "media before") {
			callee.offer(medium, describe(t, "before", known))
		}
		offer := describe(t, "offered", known)
		came := offer.Codecs()
		offered := callee.offer(5, offer)
		seen := map[int]bool{}
		for _, n := range callee.numbers {
			for payload := range n {
				if seen[payload] {
					t.Fatalf("payload type %d is used by two media", payload)
				}
				seen[payload] = true
			}
		}
		kept := rapid.SliceOfNDistinct(rapid.IntRange(0, len(known)-1), 1, len(known), rapid.ID[int]).Draw(t, "kept")
		var taken []sdp.Codec
		for _, i := range kept {
			taken = append(taken, known[i])
		}
		answer := describe(t, "answered", taken)
		if rapid.Bool().Draw(t, "with the numbers of the offer") {
			numbers := map[int]int{}
			for _, c := range answer.Codecs() {
				for _, o := range offered {
					if o.codec.Matches(c) {
						numbers[c.Payload] = o.put
					}
				}
			}
			answer.Renumber(numbers)
		}
		wants := answer.Codecs()
		forth, reverse := back(offered, answer)
		for i, c := range answer.Codecs() {
			if !came[kept[i]].Matches(c) || came[kept[i]].Payload != c.Payload {
				t.Fatalf("%v was offered, the answer tells of %v", came[kept[i]], c)
			}
			if got, ok := forth.becomes([]byte{0x80, byte(c.Payload)}); !ok || int(got) != wants[i].Payload {
				t.Fatalf("%v goes as %d, want %d", c, got, wants[i].Payload)
			}
			for _, o := range offered {
				if !o.codec.Matches(c) {
					continue
				}
				if got, ok := reverse.becomes([]byte{0x80, byte(o.put)}); !ok || int(got) != c.Payload {
					t.Fatalf("%d comes back as %d, want %d", o.put, got, c.Payload)
				}
			}
		}
	})
}

// TestAnotherProfile has a phone answer under the number of another profile, and send under that of a third one.
func TestAnotherProfile(t *testing.T) {
	t.Parallel()
	h264 := func(payload int, profile string) sdp.Codec {
		return sdp.Codec{Name: "H264", Rate: 90000, Payload: payload, Fmtp: "packetization-mode=0;profile-level-id=" + profile}
	}
	offered := []match{{h264(107, "42001f"), 107, 107}, {h264(115, "42e01f"), 115, 115}, {h264(39, "4d001f"), 39, 39}}
	m, _ := sdp.New(sdp.Origin{Host: netip.MustParseAddr("192.0.2.1")}).AddMedia("video", 9, "RTP/AVP", []string{"39"})
	m.AddCodec(h264(39, "42e01f"))
	forth, reverse := back(offered, m)
	if got := m.Codecs(); len(got) != 1 || got[0].Payload != 115 {
		t.Errorf("it was taken as %v", got)
	}
	if got, ok := forth.becomes([]byte{0x80, 115}); !ok || got != 39 {
		t.Errorf("the phone gets %d, want 39", got)
	}
	for _, sent := range []byte{39, 107, 115} {
		if got, ok := reverse.becomes([]byte{0x80, sent}); !ok || got != 115 {
			t.Errorf("%d became %d, %v", sent, got, ok)
		}
	}
}

func BenchmarkBridge(b *testing.B) {
	for _, s := range suites()[:3] {
		for _, size := range []int{160, 1100} {
			b.Run(fmt.Sprintf("%s/%d", s.name, size), func(b *testing.B) { benchmarkBridge(b, s.name, size) })
		}
	}
}

// benchmarkBridge has packets of plain RTP leave encrypted, through sockets.
func benchmarkBridge(b *testing.B, suite string, size int) {
	b.Helper()
	ports, err := rtp.NewPorts(rtp.PortsConfig{Addresses: []rtp.Address{{Bind: netip.MustParseAddr("127.0.0.1")}}})
	if err != nil {
		b.Fatal(err)
	}
	a := New(Config{Ports: ports, SoundRate: 1 << 40}).Anchor()
	defer a.Close()
	alice, bob := newPhone(b, "127.0.0.1", "127.0.0.1"), newSafe(b, suite)
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, formSDES)
	ctx := context.Background()
	bob.told(a.Offer(ctx, 0, 1, alice.describe()))
	port := bob.rtp.LocalAddr().(*net.UDPAddr).Port
	bob.says = bob.peer
	alice.told(a.Answer(ctx, 1, 0, strings.Replace(bob.describe("RTP/SAVP"), "audio 4000", fmt.Sprintf("audio %d", port), 1)))
	p, packet, buf := rtp.Packet{Type: 8, SSRC: 7, Payload: make([]byte, size)}, []byte(nil), make([]byte, 2000)
	to := alice.far.Media[0].Address()
	if err := bob.rtp.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Sequence++
		packet = p.Append(packet[:0])
		if _, err := alice.rtp.WriteToUDPAddrPort(packet, to); err != nil {
			b.Fatal(err)
		}
		if _, err := bob.rtp.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}
