package turn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

// The draft's name and password, as other servers with a shared secret make them.
func TestCredentialsAreThoseOfTheDraft(t *testing.T) {
	t.Parallel()
	c := Credentials{Realm: "example.org", Key: []byte("north"), Lifetime: time.Hour, Now: func() time.Time { return time.Unix(1433895918-3600, 0) }}
	// printf 1433895918:ninefingers | openssl dgst -sha1 -hmac north -binary | base64
	if got := c.New("ninefingers"); got.Name != "1433895918:ninefingers" || got.Password != "jy8hTxmOO7UtEKXqSkSlvakPVYA=" {
		t.Errorf("they are %+v", got)
	}
}

func TestPeersThatAreRefused(t *testing.T) {
	t.Parallel()
	public, inside := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("10.0.0.5")
	p := newPeers(Peers{
		Allow: []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24"), netip.MustParsePrefix("203.0.113.9/32")},
		Deny:  []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
		Own: func() []netip.Addr {
			return []netip.Addr{inside, loopback(), netip.MustParseAddr("203.0.113.8"), netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("192.168.7.1"), netip.MustParseAddr("2001:470::1")}
		},
		Media: func(a netip.AddrPort) (netip.AddrPort, bool) {
			return netip.AddrPortFrom(inside, a.Port()), a.Addr() == public && a.Port() >= 30000 && a.Port() < 40000
		},
	}, []Address{{Bind: inside, Public: public}}, func(port uint16) bool { return port == 50000 })
	for peer, want := range map[string]string{
		"8.8.8.8:53":               "8.8.8.8:53",
		"[2001:4860::1]:53":        "[2001:4860::1]:53",
		"203.0.113.7:30000":        "10.0.0.5:30000", // our media
		"203.0.113.7:39999":        "10.0.0.5:39999",
		"203.0.113.7:50000":        "10.0.0.5:50000", // another's relayed address
		"203.0.113.7:50001":        "",
		"203.0.113.7:5060":         "",
		"203.0.113.7:40000":        "",
		"10.0.0.5:30000":           "", // not as we tell peers
		"203.0.113.8:30000":        "",
		"203.0.113.9:53":           "203.0.113.9:53", // ours, but named
		"192.168.7.9:53":           "192.168.7.9:53",
		"192.168.7.1:53":           "", // ours, and only its network is named
		"192.168.8.9:53":           "",
		"198.51.100.3:53":          "",
		"127.0.0.1:53":             "",
		"0.0.0.0:53":               "",
		"169.254.169.254:80":       "",
		"224.0.0.251:5353":         "",
		"255.255.255.255:9":        "",
		"100.64.0.1:9":             "",
		"8.8.8.8:0":                "",
		"[::1]:53":                 "",
		"[::]:53":                  "",
		"[::ffff:127.0.0.1]:53":    "",
		"[::ffff:10.0.0.9]:53":     "",
		"[fe80::1]:53":             "",
		"[fd00::1]:53":             "",
		"[ff02::1]:53":             "",
		"[64:ff9b::7f00:1]:53":     "",
		"[2002:7f00:1::1]:53":      "",
		"[2001:470::1]:53":         "",
		"[2001:0:4136::1]:53":      "",
		"[2001:470::2]:53":         "[2001:470::2]:53",
		"[::127.0.0.1]:53":         "",
		"[fec0::1]:53":             "",
		"[64:ff9b:1::a00:1]:53":    "",
		"172.31.255.255:1":         "",
		"172.32.0.1:1":             "172.32.0.1:1",
		"[::ffff:203.0.113.7]:443": "",
	} {
		got, ok := p.target(netip.MustParseAddrPort(peer))
		switch {
		case want == "" && ok:
			t.Errorf("%s may be talked to, at %v", peer, got)
		case want != "" && (!ok || got.String() != want):
			t.Errorf("%s is at %v, %v; want %s", peer, got, ok, want)
		}
	}
	for from, want := range map[string]string{"10.0.0.5:30000": "203.0.113.7:30000", "8.8.8.8:53": "8.8.8.8:53"} {
		if got := p.shown(netip.MustParseAddrPort(from)); got.String() != want {
			t.Errorf("%s is shown as %v", from, got)
		}
	}
}

// However many requests bear somebody's address, he gets no more than they have brought and a little.
func TestASourceIsNotFlooded(t *testing.T) {
	t.Parallel()
	k := newClock()
	s, victim := newShield(k.now), netip.MustParseAddr("192.0.2.1")
	in, out := 0, 0
	for range 10000 {
		in += 28
		if s.allow(victim, 28, 120) {
			out += 120
		}
	}
	if out > in+shieldBurst {
		t.Errorf("for %d bytes he is sent %d", in, out)
	}
	if out < in {
		t.Errorf("of %d bytes only %d come back", in, out)
	}
	if !s.allow(netip.MustParseAddr("192.0.2.2"), 28, 120) {
		t.Error("another source gets nothing")
	}
	k.advance(time.Minute)
	if n := answered(s, victim); n < shieldBurst/92-1 {
		t.Errorf("a minute later he is answered %d times", n)
	}
	six := netip.MustParseAddr("2001:db8::1")
	n := answered(s, six)
	if m := answered(s, six.Next()); m > n/10 {
		t.Errorf("another address of the same /64 is answered %d times more", m)
	}
}

func answered(s *shield, from netip.Addr) (n int) {
	for s.allow(from, 28, 120) {
		n++
	}
	return n
}

func TestStrangersCostNothing(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	c := s.client("alice")
	b := c.build(stun.MethodAllocate, newID(), false, udp())
	for range 2000 {
		c.write(b)
	}
	got := 0
	for m := c.read(patience); m != nil; m = c.read(300 * time.Millisecond) {
		got += len(m)
	}
	if limit := 2000*len(b) + shieldBurst; got == 0 || got > limit {
		t.Errorf("for 2000 requests without proof %d bytes come, want at most %d", got, limit)
	}
	if x := s.Stats(); x.Allocations != 0 || len(x.Accounts) != 0 {
		t.Errorf("it keeps %+v", x)
	}
}

// A range that is full gives an error, not another's port.
func TestPortsThatAreUsedUp(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *Config) { c.Low, c.High = 28000, 28003 })
	given := map[netip.AddrPort]bool{}
	for range 4 {
		given[s.client("alice").allocate()] = true
	}
	if len(given) != 4 {
		t.Errorf("4 clients have %d addresses", len(given))
	}
	for what, attrs := range map[string][]attr{"a port": {udp()}, "an even one": {udp(), {stun.AttrEvenPort, []byte{0}}}} {
		if got := errorOf(s.client("alice").ask(stun.MethodAllocate, some(attrs...))); got != 508 {
			t.Errorf("%s of none: %d, want 508", what, got)
		}
	}
	if n := s.Stats().Accounts["alice"]; n != 4 {
		t.Errorf("she counts %d", n)
	}
}

// Two clients of this server reach each other by their relayed addresses, and nothing else here.
func TestRelayedAddressesReachEachOther(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *Config) { c.Peers = Peers{} })
	one, two := s.client("alice"), s.client("bob")
	a, b := one.allocate(), two.allocate()
	if code := one.bindChannel(0x4000, b); code != 0 {
		t.Fatalf("the other's relayed address is refused with %d", code)
	}
	if code := two.bindChannel(0x4000, a); code != 0 {
		t.Fatalf("the other's relayed address is refused with %d", code)
	}
	if code := one.bindChannel(0x4001, s.other().at()); code != 403 {
		t.Errorf("another port of this machine: %d, want 403", code)
	}
	one.write([]byte{0x40, 0, 0, 2, 'h', 'i'})
	if got := two.read(patience); string(got) != "\x40\x00\x00\x02hi" {
		t.Errorf("the other hears %q", got)
	}
}

func FuzzMessage(f *testing.F) {
	k := newClock()
	s, err := New(Config{
		Credentials: &Credentials{Realm: "r", Key: []byte("k"), Lifetime: time.Hour, Now: k.now},
		Relays:      []Address{{Bind: loopback()}}, Now: k.now,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	r, err := newRelays(s, func(*allocation, []byte) {}, func() {})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(r.close)
	for _, m := range []stun.Method{stun.MethodBinding, stun.MethodAllocate, stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind} {
		c := &client{credential: s.cfg.Credentials.New("a")}
		f.Add(c.build(m, [12]byte{1}, false, udp(), peer(netip.MustParseAddrPort("8.8.8.8:9"), [12]byte{1})))
	}
	f.Add([]byte{0x40, 0, 0, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := frame(b); err == nil && n != 0 && n < 4 {
			t.Errorf("a frame has %d bytes", n)
		}
		l := &fuzzLink{reader: r}
		s.message(l, b)
		proved(s, l, b)
		if l.a != nil {
			s.fromChannel(l.a, append([]byte{0x40, 0, 0, 0}, b...), k.now())
			s.end(l.a, "done")
		}
	})
}

// proved handles the attributes of a message as those of one who has proved himself.
func proved(s *Server, l *fuzzLink, b []byte) {
	m := new(stun.Message)
	if decode(b, m) != nil {
		return
	}
	one, _ := integrities()
	for _, method := range []stun.Method{stun.MethodAllocate, stun.MethodCreatePermission, stun.MethodChannelBind, stun.MethodRefresh} {
		m.Type = stun.NewType(method, stun.ClassRequest)
		q := &request{Server: s, Message: m, link: l, now: s.cfg.Now(), proof: &proof{name: "1:a", account: "a", integrity: one, key: []byte("k")}}
		switch method {
		case stun.MethodAllocate:
			if w, code := q.wish(); code == 0 && l.a == nil {
				q.give(w)
			}
		case stun.MethodCreatePermission:
			q.createPermission()
		case stun.MethodChannelBind:
			q.channelBind()
		default:
			q.refresh()
		}
	}
	if l.a != nil {
		s.sendIndication(l.a, m, s.cfg.Now())
	}
}

type fuzzLink struct {
	a      *allocation
	reader *relays
}

func (l *fuzzLink) remote() netip.AddrPort  { return netip.MustParseAddrPort("192.0.2.1:9") }
func (l *fuzzLink) reply([]byte)            {}
func (l *fuzzLink) stream() bool            { return false }
func (l *fuzzLink) padded() bool            { return false }
func (l *fuzzLink) allocation() *allocation { return l.a }
func (l *fuzzLink) bind(a *allocation) bool { l.a = a; return true }
func (l *fuzzLink) unbind(*allocation)      { l.a = nil }
func (l *fuzzLink) relays() *relays         { return l.reader }

// What a client's path costs here, the system calls included.
func BenchmarkChannelData(b *testing.B) {
	a := &allocation{relay: &relay{}}
	p := &paths{[]permission{{loopback(), 1 << 62}}, []channel{{number: 0x4000, peer: netip.AddrPortFrom(loopback(), 9), expires: 1 << 62}}}
	a.path.Store(p)
	a.client = &fuzzLink{}
	s, err := New(Config{Credentials: &Credentials{}, Limits: Limits{Bandwidth: 1 << 40}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	slot, now := make([]byte, slotSize), time.Now()
	for b.Loop() {
		if s.down(a, slot, 172, netip.AddrPortFrom(loopback(), 9), now) == nil {
			b.Fatal("nothing goes")
		}
	}
}
