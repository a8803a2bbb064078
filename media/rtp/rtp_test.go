package rtp

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	pion "github.com/pion/rtp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// datagram writes RTP by another's hand.
func datagram(t testing.TB, ssrc uint32, seq uint16, ts uint32, payload string) []byte {
	t.Helper()
	p := pion.Packet{
		Header:  pion.Header{Version: 2, SSRC: ssrc, SequenceNumber: seq, Timestamp: ts, PayloadType: 8},
		Payload: []byte(payload),
	}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRead(t *testing.T) {
	t.Parallel()
	p := pion.Packet{
		Header: pion.Header{
			Version: 2, Marker: true, PayloadType: 111, SequenceNumber: 65535, Timestamp: 1 << 31,
			SSRC: 0xdeadbeef, CSRC: []uint32{1, 2, 3}, Padding: true, PaddingSize: 5,
		},
		Payload: []byte("opus"),
	}
	if err := p.SetExtension(1, []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, ok := Read(b)
	if !ok || !got.Marker || got.Type != 111 || got.Sequence != 65535 || got.Timestamp != 1<<31 ||
		got.SSRC != 0xdeadbeef || string(got.Payload) != "opus" {
		t.Fatalf("read %+v, %v", got, ok)
	}
	var again pion.Packet
	if err := again.Unmarshal(got.Append(nil)); err != nil {
		t.Fatal(err)
	}
	if again.SSRC != got.SSRC || !again.Marker || again.Extension || len(again.CSRC) != 0 ||
		!bytes.Equal(again.Payload, got.Payload) {
		t.Errorf("wrote %+v", again)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	good := datagram(t, 1, 2, 3, "x")
	changed := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	for name, b := range map[string][]byte{
		"empty":     nil,
		"short":     good[:11],
		"version":   changed(func(b []byte) { b[0] = 1 << 6 }),
		"STUN":      changed(func(b []byte) { b[0] = 0 }),
		"RTCP":      changed(func(b []byte) { b[1] = 200 }),
		"sources":   changed(func(b []byte) { b[0] |= 15 }),
		"extension": changed(func(b []byte) { b[0] |= 0x10 }),
		"padding":   changed(func(b []byte) { b[0] |= 0x20; b[12] = 0 }),
		"padding 2": changed(func(b []byte) { b[0] |= 0x20; b[12] = 2 }),
	} {
		if p, ok := Read(b); ok {
			t.Errorf("%s: read %+v", name, p)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(datagram(f, 1, 2, 3, "payload"))
	f.Add([]byte{0xbf, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xbe, 0xde, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := Read(b)
		if !ok {
			return
		}
		again, ok := Read(p.Append(nil))
		if !ok || again.SSRC != p.SSRC || again.Sequence != p.Sequence || !bytes.Equal(again.Payload, p.Payload) {
			t.Fatalf("%+v became %+v", p, again)
		}
	})
}

func loopback(t testing.TB, c PortsConfig) *Ports {
	t.Helper()
	if c.Addresses == nil {
		c.Addresses = []Address{{Bind: netip.MustParseAddr("127.0.0.1")}}
	}
	p, err := NewPorts(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPorts(t *testing.T) {
	t.Parallel()
	p := loopback(t, PortsConfig{})
	var pairs []*Pair
	for range 20 {
		pair, err := p.Open(netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		if pair.RTPPort()%2 != 0 || pair.RTCPPort() != pair.RTPPort()+1 {
			t.Errorf("ports %d and %d", pair.RTPPort(), pair.RTCPPort())
		}
		pairs = append(pairs, pair)
	}
	if p.InUse() != 20 {
		t.Errorf("%d in use", p.InUse())
	}
	for _, pair := range pairs {
		pair.Close()
		pair.Close()
	}
	if p.InUse() != 0 {
		t.Errorf("%d in use after all were closed", p.InUse())
	}
}

func TestPortRange(t *testing.T) {
	t.Parallel()
	// The system names a place that is likely free; another test may take some of it.
	free, err := loopback(t, PortsConfig{}).Open(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	low := free.RTPPort()
	free.Close()
	if low > 65000 {
		low -= 100
	}
	p := loopback(t, PortsConfig{Low: low - 1, High: low + 4}) // two whole pairs
	var pairs []*Pair
	for {
		pair, err := p.Open(netip.Addr{})
		if errors.Is(err, ErrPorts) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if pair.RTPPort() < low || pair.RTPPort() > low+2 {
			t.Fatalf("port %d is outside", pair.RTPPort())
		}
		pairs = append(pairs, pair)
	}
	if len(pairs) > 2 {
		t.Errorf("%d pairs of a range of two", len(pairs))
	}
	for _, pair := range pairs {
		pair.Close()
	}
	again, err := p.Open(netip.Addr{})
	if err != nil {
		t.Fatalf("after all were closed: %v", err)
	}
	again.Close()
}

func TestPortsByFamily(t *testing.T) {
	t.Parallel()
	p := loopback(t, PortsConfig{Addresses: []Address{
		{Bind: netip.MustParseAddr("127.0.0.1"), Public: netip.MustParseAddr("192.0.2.9")},
		{Bind: netip.MustParseAddr("::1")},
	}})
	for peer, want := range map[string]string{
		"198.51.100.1": "192.0.2.9", "::ffff:198.51.100.1": "192.0.2.9", "2001:db8::1": "::1", "": "192.0.2.9",
	} {
		var a netip.Addr
		if peer != "" {
			a = netip.MustParseAddr(peer)
		}
		pair, err := p.Open(a)
		if err != nil {
			t.Fatal(err)
		}
		if pair.Host.String() != want || p.Host(a) != pair.Host {
			t.Errorf("for %q: %v, want %s", peer, pair.Host, want)
		}
		pair.Close()
	}
}

func TestPortsFromInside(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddr
	p := loopback(t, PortsConfig{Addresses: []Address{
		{Bind: netip.IPv4Unspecified(), Public: at("192.0.2.9")}, {Bind: at("fd00::9"), Public: at("2001:db8::9")},
	}})
	for public, want := range map[string]string{
		"192.0.2.9": "127.0.0.1", "2001:db8::9": "fd00::9", "198.51.100.1": "198.51.100.1",
	} {
		if got := p.Inside(at(public)); got != at(want) {
			t.Errorf("%s is reached from inside at %v, want %s", public, got, want)
		}
	}
}

func TestPortsRefuses(t *testing.T) {
	t.Parallel()
	v4 := netip.MustParseAddr("127.0.0.1")
	for name, c := range map[string]PortsConfig{
		"nothing":     {},
		"zero":        {Addresses: []Address{{}}},
		"unspecified": {Addresses: []Address{{Bind: netip.IPv4Unspecified()}}},
		"families":    {Addresses: []Address{{Bind: v4, Public: netip.MustParseAddr("::1")}}},
		"one port":    {Addresses: []Address{{Bind: v4}}, Low: 5000, High: 5000},
		"odd pair":    {Addresses: []Address{{Bind: v4}}, Low: 5001, High: 5002},
		"backwards":   {Addresses: []Address{{Bind: v4}}, Low: 5002, High: 5000},
	} {
		if _, err := NewPorts(c); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
}

// TestLatch checks who is heard, step by step.
func TestLatch(t *testing.T) {
	t.Parallel()
	type packet struct {
		after time.Duration // since the description
		from  string
		want  bool
	}
	const public, private = "198.51.100.7:4000", "192.168.1.20:4000"
	for name, test := range map[string]struct {
		want, peer string
		strict     bool
		packets    []packet
		target     string
	}{
		"described":         {public, "203.0.113.1", false, []packet{{0, public, true}}, public},
		"once":              {public, "203.0.113.1", false, []packet{{0, public, true}, {time.Minute, "198.51.100.7:4444", false}}, public},
		"other port":        {public, "", false, []packet{{0, "198.51.100.7:4444", true}}, "198.51.100.7:4444"},
		"as signalling":     {private, "203.0.113.1", false, []packet{{0, "203.0.113.1:9", true}}, "203.0.113.1:9"},
		"stranger":          {public, "203.0.113.1", false, []packet{{0, "203.0.113.66:9", false}, {time.Minute, "203.0.113.66:9", false}}, public},
		"early stranger":    {private, "203.0.113.1", false, []packet{{0, "203.0.113.66:9", false}}, ""},
		"other way out":     {private, "203.0.113.1", false, []packet{{2 * time.Second, "203.0.113.66:9", true}}, "203.0.113.66:9"},
		"strict":            {private, "203.0.113.1", true, []packet{{2 * time.Second, "203.0.113.66:9", false}}, ""},
		"nothing known":     {private, "", false, []packet{{0, "203.0.113.66:9", true}}, "203.0.113.66:9"},
		"mapped":            {public, "203.0.113.1", false, []packet{{0, "[::ffff:198.51.100.7]:4000", true}}, public},
		"before any packet": {public, "203.0.113.1", false, nil, public},
		"same LAN":          {private, "192.168.1.20", false, nil, private},
		"hold":              {"0.0.0.0:4000", "203.0.113.1", false, nil, ""},
		"multicast":         {"224.0.0.1:4000", "203.0.113.1", false, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, start := Latch{Strict: test.strict}, time.Now()
			var peer netip.Addr
			if test.peer != "" {
				peer = netip.MustParseAddr(test.peer)
			}
			if l.Take(netip.MustParseAddrPort(test.want), start) {
				t.Error("heard before any description")
			}
			l.Expect(netip.MustParseAddrPort(test.want), peer, start)
			for _, p := range test.packets {
				if got := l.Take(netip.MustParseAddrPort(p.from), start.Add(p.after)); got != p.want {
					t.Errorf("%s after %v: heard %v", p.from, p.after, got)
				}
			}
			to, ok := l.Target()
			if ok != (test.target != "") || ok && to.String() != test.target {
				t.Errorf("sends to %v, %v", to, ok)
			}
		})
	}
}

func TestLatchMovesAfterNewDescription(t *testing.T) {
	t.Parallel()
	var l Latch
	at := netip.MustParseAddrPort
	now, peer := time.Now(), netip.MustParseAddr("198.51.100.7")
	l.Expect(at("192.168.1.20:4000"), peer, now)
	if !l.Take(at("198.51.100.7:1"), now) || l.Take(at("198.51.100.7:2"), now.Add(moving+1)) {
		t.Fatal("did not latch")
	}
	now = now.Add(time.Minute)
	l.Expect(at("192.168.1.20:4000"), peer, now)
	if to, _ := l.Target(); to != at("198.51.100.7:1") {
		t.Errorf("before a packet it sends to %v", to)
	}
	if !l.Take(at("198.51.100.7:1"), now) {
		t.Error("the old source was cut off at once")
	}
	if !l.Take(at("198.51.100.7:2"), now) || l.Take(at("198.51.100.7:3"), now) || l.Take(at("198.51.100.7:1"), now) {
		t.Error("it moves once, and not back")
	}
	now = now.Add(time.Minute)
	l.Expect(at("192.168.1.20:4000"), peer, now)
	if l.Take(at("198.51.100.7:3"), now.Add(moving+1)) {
		t.Error("it moved long after the description")
	}
	l.Forget()
	if _, ok := l.Target(); ok || l.Take(at("198.51.100.7:2"), now) {
		t.Error("it did not forget")
	}
}
