package webrtc

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// request is a check as a full agent sends it.
func request(t testing.TB, user, password string, more ...stun.Setter) []byte {
	t.Helper()
	setters := append([]stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(user)}, more...)
	setters = append(setters, stun.NewShortTermIntegrity(password), stun.Fingerprint)
	m, err := stun.Build(setters...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

func attribute(kind stun.AttrType, value ...byte) stun.RawAttribute {
	return stun.RawAttribute{Type: kind, Length: uint16(len(value)), Value: value}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	var a ice
	a.renew()
	ufrag, password := a.credentials()
	from := netip.MustParseAddrPort("192.0.2.7:4000")
	indication, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassIndication), stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(ufrag+":x"), stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		b      []byte
		answer stun.MessageType
		code   stun.ErrorCode
	}{
		{"garbage", []byte{0, 1, 0, 0}, stun.MessageType{}, 0},
		{"another's ufrag", request(t, "other:x", password), stun.MessageType{}, 0},
		{"a ufrag alone", request(t, ufrag, password), stun.MessageType{}, 0},
		{"another's password", request(t, ufrag+":x", "guessed"), stun.MessageType{}, 0},
		{"no integrity", unsigned.Raw, stun.MessageType{}, 0},
		{"keep-alive", indication.Raw, stun.MessageType{}, 0},
		{"both are led", request(t, ufrag+":x", password, attribute(stun.AttrICEControlled, 0, 0, 0, 0, 0, 0, 0, 1)),
			stun.BindingError, stun.CodeRoleConflict},
		{"a check", request(t, ufrag+":x", password), stun.BindingSuccess, 0},
	} {
		got := a.check(test.b, from, time.Now())
		if test.answer == (stun.MessageType{}) {
			if got != nil || a.knows(from) {
				t.Errorf("%s: it was answered", test.name)
			}
			continue
		}
		m := &stun.Message{Raw: got}
		if err := m.Decode(); err != nil || m.Type != test.answer {
			t.Errorf("%s: got %v, %v", test.name, m, err)
			continue
		}
		if err := stun.NewShortTermIntegrity(password).Check(m); err != nil {
			t.Errorf("%s: answer: %v", test.name, err)
		}
		var code stun.ErrorCodeAttribute
		if test.code != 0 && (code.GetFrom(m) != nil || code.Code != test.code) {
			t.Errorf("%s: got code %v", test.name, code)
		}
		var mapped stun.XORMappedAddress
		if test.code == 0 && (mapped.GetFrom(m) != nil || mapped.String() != from.String()) {
			t.Errorf("%s: it was seen at %v", test.name, mapped)
		}
	}
	if !a.knows(from) {
		t.Error("after a check its address isn't known")
	}
	if _, ok := a.selected(); ok {
		t.Error("a path was chosen that nobody nominated")
	}
}

// TestPaths follows which path is chosen as checks come.
func TestPaths(t *testing.T) {
	t.Parallel()
	var a ice
	a.renew()
	wifi, mobile := netip.MustParseAddrPort("192.0.2.7:1"), netip.MustParseAddrPort("198.51.100.7:2")
	now := time.Now()
	nominate := func(from netip.AddrPort, priority byte, after time.Duration) {
		ufrag, password := a.credentials()
		a.check(request(t, ufrag+":x", password, attribute(stun.AttrPriority, priority, 0, 0, 0), attribute(stun.AttrUseCandidate)),
			from, now.Add(after))
	}
	chosen := func(want netip.AddrPort, why string) {
		t.Helper()
		if got, _ := a.selected(); got != want {
			t.Errorf("%s: %v is chosen, want %v", why, got, want)
		}
	}
	nominate(mobile, 1, 0)
	chosen(mobile, "the first")
	nominate(wifi, 2, 0)
	chosen(wifi, "a better one")
	nominate(mobile, 1, time.Second)
	chosen(wifi, "a worse one")
	nominate(mobile, 1, time.Minute)
	chosen(mobile, "a worse one that is left over")
	a.renew()
	nominate(wifi, 0, time.Minute)
	chosen(wifi, "after a restart")
	for port := range uint16(100) {
		nominate(netip.AddrPortFrom(mobile.Addr(), 1000+port), 0, time.Minute+time.Duration(port))
	}
	if len(a.paths) > maxPaths || !a.knows(wifi) {
		t.Errorf("%d paths are kept; the chosen one among them: %v", len(a.paths), a.knows(wifi))
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	i, err := NewIdentity(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	der := i.certificate.Certificate
	for name, test := range map[string]struct {
		fingerprints []string
		want         error
	}{
		"sha-256":       {[]string{i.Fingerprint()}, nil},
		"one of two":    {[]string{"sha-256 00:11", "SHA-512 " + fingerprint(sum512(der[0]))}, nil},
		"sha-384":       {[]string{"sha-384 " + fingerprint(sum384(der[0]))}, nil},
		"another's":     {[]string{"sha-256 " + fingerprint(sum256([]byte("x")))}, errFingerprint},
		"a weak hash":   {[]string{"sha-1 " + fingerprint(sum256(der[0]))}, errFingerprint},
		"none":          {nil, errFingerprint},
		"without value": {[]string{"sha-256"}, errFingerprint},
	} {
		if err := verify(der, test.fingerprints); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := verify(nil, []string{i.Fingerprint()}); err == nil {
		t.Error("no certificate was taken for the right one")
	}
}

// transport makes one on a socket, and a stop for it.
func transport(t testing.TB, lost func(error)) (*Transport, func()) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	i, err := NewIdentity(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	tr := New(Config{Conn: conn, Identity: i, OnRTP: func([]byte) {}, OnRTCP: func([]byte) {}, OnLost: lost})
	return tr, func() {
		tr.Stop()
		_ = conn.Close()
		tr.Wait()
	}
}

// TestStopsAtAnyTime ends transports in each of their states; the leak check at the end counts what is left.
func TestStopsAtAnyTime(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(*Transport){
		"at once":     func(*Transport) {},
		"as a server": func(tr *Transport) { tr.Expect(Remote{"x", []string{"sha-256 00"}, true}) },
		"as a client": func(tr *Transport) { tr.Expect(Remote{"x", []string{"sha-256 00"}, false}) },
		"a new peer": func(tr *Transport) {
			tr.Expect(Remote{"x", []string{"a"}, true})
			tr.Expect(Remote{"y", []string{"b"}, true})
		},
		"after stop":   func(tr *Transport) { tr.Stop(); tr.Expect(Remote{"x", []string{"a"}, true}) },
		"with packets": func(tr *Transport) { tr.SendRTP(make([]byte, 20)); tr.SendRTCP(make([]byte, 20)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr, stop := transport(t, func(err error) { t.Errorf("lost: %v", err) })
			f(tr)
			stop()
		})
	}
}

// TestStrangersAreNotHeard floods a transport with what nobody has allowed.
func TestStrangersAreNotHeard(t *testing.T) {
	t.Parallel()
	tr, stop := transport(t, func(err error) { t.Errorf("lost: %v", err) })
	defer stop()
	tr.Expect(Remote{"x", []string{"sha-256 00"}, true})
	eve := netip.MustParseAddrPort("127.0.0.1:9")
	for range 1000 {
		tr.take(append([]byte{0x80, 8}, make([]byte, 200)...), nil, eve)
		tr.take(append([]byte{22, 254, 253}, make([]byte, 200)...), nil, eve)
	}
	if len(tr.early) != 0 || tr.dtls.in.Count() != 0 {
		t.Errorf("%d packets and %d records of a stranger are kept", len(tr.early), tr.dtls.in.Count())
	}
	ufrag, password := tr.Credentials()
	tr.take(request(t, ufrag+":x", password), nil, eve)
	for range 1000 {
		tr.take(append([]byte{0x80, 8}, make([]byte, 200)...), nil, eve)
		tr.take(append([]byte{22, 254, 253}, make([]byte, 200)...), nil, eve)
	}
	if len(tr.early) > maxEarly || tr.dtls.in.Count() > maxRecords {
		t.Errorf("%d packets and %d records wait", len(tr.early), tr.dtls.in.Count())
	}
}

func FuzzTake(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0})
	f.Add([]byte{0x80, 200, 0, 1, 0, 0, 0, 1})
	f.Add(request(f, "u:v", "password"))
	tr, stop := transport(f, func(error) {})
	f.Cleanup(stop)
	peer := netip.MustParseAddrPort("127.0.0.1:9")
	ufrag, password := tr.Credentials()
	tr.take(request(f, ufrag+":x", password), nil, peer)
	tr.Expect(Remote{"x", []string{"sha-256 00"}, true})
	f.Fuzz(func(_ *testing.T, b []byte) {
		if len(b) > 0 {
			tr.take(b, make([]byte, 0, 2048), peer)
		}
	})
}
