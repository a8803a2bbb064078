package turn

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAClientIsToldItsAddress(t *testing.T) {
	t.Parallel()
	c := open(t, nil).client("alice")
	m := c.ask(stun.MethodBinding, nil)
	var got stun.XORMappedAddress
	if err := got.GetFrom(m); err != nil || got.String() != c.conn.LocalAddr().String() {
		t.Errorf("its address is %v, %v; want %v", got, err, c.conn.LocalAddr())
	}
	for _, unwanted := range []stun.AttrType{stun.AttrSoftware, stun.AttrMappedAddress} {
		if m.Contains(unwanted) {
			t.Errorf("the answer has %v", unwanted)
		}
	}
}

// talks has data pass both ways, by indications and then by a channel.
func talks(t *testing.T, c *client) {
	t.Helper()
	relayed, o := c.allocate(), c.other()
	o.say("too soon", relayed)
	if b := c.read(100 * time.Millisecond); b != nil {
		t.Fatalf("without a permission the client hears %q", b)
	}
	if code := c.permit(o.at()); code != 0 {
		t.Fatalf("a permission is refused with %d", code)
	}
	id := newID()
	m := stun.New()
	m.TransactionID, m.Type = id, stun.NewType(stun.MethodSend, stun.ClassIndication)
	m.WriteHeader()
	p := peer(o.at(), id)
	m.Add(p.t, p.v)
	m.Add(stun.AttrData, []byte("hello"))
	c.write(m.Raw)
	if text, from := o.hear(patience); text != "hello" || from != relayed {
		t.Fatalf("the peer hears %q from %v, want hello from %v", text, from, relayed)
	}
	o.say("world", relayed)
	data := c.answer()
	v, _ := data.Get(stun.AttrXORPeerAddress)
	text, _ := data.Get(stun.AttrData)
	if from, ok := xorAddress(v, data.TransactionID); !ok || from != o.at() || string(text) != "world" || data.Type.Method != stun.MethodData {
		t.Fatalf("the client hears %q from %v", text, from)
	}
	if code := c.bindChannel(0x4001, o.at()); code != 0 {
		t.Fatalf("a channel is refused with %d", code)
	}
	c.write([]byte{0x40, 1, 0, 3, 'a', 'b', 'c', 0})
	if text, _ := o.hear(patience); text != "abc" {
		t.Fatalf("over the channel the peer hears %q", text)
	}
	for _, text := range []string{"x", "", strings.Repeat("long", 3000)} {
		o.say(text, relayed)
		b := c.read(patience)
		want := append(binary.BigEndian.AppendUint16([]byte{0x40, 1}, uint16(len(text))), text...)
		if len(b) < len(want) || string(b[:len(want)]) != string(want) {
			t.Fatalf("over the channel the client hears %d bytes, want %d", len(b), len(want))
		}
	}
}

func TestDataPassesBothWays(t *testing.T) {
	t.Parallel()
	for name, sha := range map[string]bool{"MD5": false, "SHA-256": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t, nil).client("alice")
			c.sha = sha
			talks(t, c)
		})
	}
}

func TestDataPassesOverConnections(t *testing.T) {
	t.Parallel()
	talks(t, open(t, nil).overStream("alice", nil))
	talks(t, open(t, nil).overStream("alice", certificate(t)))
}

func TestAnswersArePutToProof(t *testing.T) {
	t.Parallel()
	for _, sha := range []bool{false, true} {
		c := open(t, nil).client("alice")
		c.sha = sha
		m := c.ask(stun.MethodAllocate, some(udp()))
		one, two := integrities()
		which := one
		if sha {
			which = two
		}
		if key := c.cfg.Credentials.key(c.credential.Name, sha); !which.proves(m, key) {
			t.Errorf("with SHA-256 %v the answer is not proved", sha)
		}
	}
}

func TestNobodyWithoutGoodCredentialsGetsARelay(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *Config) {
		c.Exists = func(_ context.Context, account string) (bool, error) { return account != "gone", nil }
	})
	for what, x := range map[string]struct {
		change func(*client)
		code   int
	}{
		"a wrong password":          {func(c *client) { c.credential.Password = "x" }, 401},
		"a name of another's":       {func(c *client) { c.credential.Name = strings.Replace(c.credential.Name, "alice", "bob", 1) }, 401},
		"a longer time":             {func(c *client) { c.credential.Name = "9" + c.credential.Name }, 401},
		"no time":                   {func(c *client) { c.credential.Name = "alice" }, 401},
		"an account that is gone":   {func(c *client) { c.credential = c.cfg.Credentials.New("gone") }, 403},
		"credentials of last night": {func(c *client) { c.credential = old(c) }, 401},
		"another's nonce":           {func(c *client) { c.nonce = []byte(c.nonces.make(netip.MustParseAddrPort("192.0.2.1:1"))) }, 438},
		"an old nonce":              {func(c *client) { c.nonce = []byte(c.nonces.at(uint32(c.clock.now().Unix())-3600, c.local())) }, 438},
		"a nonce of nobody":         {func(c *client) { c.nonce = []byte("x") }, 438},
	} {
		c := s.client("alice")
		c.ask(stun.MethodBinding, nil)
		c.nonce = []byte(c.nonces.make(c.local()))
		x.change(c)
		id := newID()
		c.write(c.build(stun.MethodAllocate, id, true, udp()))
		m := c.answer()
		if got := errorOf(m); got != x.code {
			t.Errorf("%s: %d, want %d", what, got, x.code)
		}
		if nonce, err := m.Get(stun.AttrNonce); x.code != 403 && (err != nil || !c.nonces.good(string(nonce), c.local())) {
			t.Errorf("%s: no good nonce comes with it", what)
		}
	}
	if n := s.Stats().Allocations; n != 0 {
		t.Errorf("%d relays are given", n)
	}
}

func old(c *client) Credential {
	past := *c.cfg.Credentials
	past.Now = func() time.Time { return c.clock.now().Add(-2 * time.Hour) }
	return past.New("alice")
}

func (c *client) local() netip.AddrPort { return netip.MustParseAddrPort(c.conn.LocalAddr().String()) }

// Somebody between the two may not make them take MD5 (rfc8489#9.2.1).
func TestAlgorithmsAreNotBiddenDown(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for what, attrs := range map[string][]attr{
		"a shorter list":     {{stun.AttrPasswordAlgorithms, []byte{0, 1, 0, 0}}, {stun.AttrPasswordAlgorithm, []byte{0, 1, 0, 0}}},
		"no list":            {{stun.AttrPasswordAlgorithm, []byte{0, 2, 0, 0}}},
		"no choice":          {{stun.AttrPasswordAlgorithms, algorithms()}},
		"one that is unused": {{stun.AttrPasswordAlgorithms, algorithms()}, {stun.AttrPasswordAlgorithm, []byte{0, 9, 0, 0}}},
	} {
		c := s.client("alice")
		c.nonce = []byte(c.nonces.make(c.local()))
		c.write(c.build(stun.MethodAllocate, newID(), true, append(attrs, udp())...))
		if got := errorOf(c.answer()); got != 400 {
			t.Errorf("%s: %d, want 400", what, got)
		}
	}
}

func TestWhatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	family := func(f byte) attr { return attr{stun.AttrRequestedAddressFamily, []byte{f, 0, 0, 0}} }
	for what, x := range map[string]struct {
		attrs []attr
		code  int
	}{
		"no transport":              {nil, 400},
		"TCP":                       {[]attr{{stun.AttrRequestedTransport, []byte{6, 0, 0, 0}}}, 442},
		"IPv6, which is not given":  {[]attr{udp(), family(2)}, 440},
		"an unknown family":         {[]attr{udp(), family(3)}, 440},
		"what is not known":         {[]attr{udp(), {0x7777, []byte("x")}}, 420},
		"a token and an even port":  {[]attr{udp(), {stun.AttrReservationToken, make([]byte, 8)}, {stun.AttrEvenPort, []byte{0}}}, 400},
		"a token and a family":      {[]attr{udp(), {stun.AttrReservationToken, make([]byte, 8)}, family(1)}, 400},
		"a token of nobody":         {[]attr{udp(), {stun.AttrReservationToken, make([]byte, 8)}}, 508},
		"a lifetime that is none":   {[]attr{udp(), {stun.AttrLifetime, []byte{1}}}, 400},
		"an additional IPv4":        {[]attr{udp(), {attrAdditionalAddressFamily, []byte{1, 0, 0, 0}}}, 400},
		"two ways to name a family": {[]attr{udp(), family(1), {attrAdditionalAddressFamily, []byte{2, 0, 0, 0}}}, 400},
	} {
		if got := errorOf(s.client("alice").ask(stun.MethodAllocate, some(x.attrs...))); got != x.code {
			t.Errorf("%s: %d, want %d", what, got, x.code)
		}
	}
	c := s.client("alice")
	if got := errorOf(c.ask(stun.MethodRefresh, nil)); got != 437 {
		t.Errorf("a refresh of nothing: %d, want 437", got)
	}
	m := c.ask(stun.MethodAllocate, some(udp(), attr{attrAdditionalAddressFamily, []byte{2, 0, 0, 0}}))
	if v, err := m.Get(attrAddressErrorCode); err != nil || string(v) != "\x02\x00\x04\x28" {
		t.Errorf("an additional IPv6 address is refused with %x, %v", v, err)
	}
	if got := errorOf(c.ask(stun.MethodAllocate, some(udp()))); got != 437 {
		t.Errorf("a second allocation: %d, want 437", got)
	}
	c.credential = c.cfg.Credentials.New("mallory")
	if got := errorOf(c.ask(stun.MethodRefresh, nil)); got != 441 {
		t.Errorf("another's credentials: %d, want 441", got)
	}
}

func TestARetransmissionGetsTheSame(t *testing.T) {
	t.Parallel()
	c := open(t, nil).client("alice")
	c.nonce = []byte(c.nonces.make(c.local()))
	b := c.build(stun.MethodAllocate, newID(), true, udp())
	c.write(b)
	first := c.read(patience)
	c.write(b)
	if again := c.read(patience); string(again) != string(first) || errorOf(&stun.Message{Raw: again}) != 0 {
		t.Error("a retransmission gets another answer")
	}
	if n := c.Stats().Allocations; n != 1 {
		t.Errorf("there are %d allocations, want 1", n)
	}
}

func TestLifetimes(t *testing.T) {
	t.Parallel()
	c := open(t, nil).client("alice")
	lifetime := func(n uint32) attr { return attr{stun.AttrLifetime, binary.BigEndian.AppendUint32(nil, n)} }
	c.allocate()
	for _, x := range []struct{ asked, given uint32 }{{1, 600}, {900, 900}, {1 << 30, 3600}} {
		m := c.ask(stun.MethodRefresh, some(lifetime(x.asked)))
		if v, err := m.Get(stun.AttrLifetime); err != nil || binary.BigEndian.Uint32(v) != x.given {
			t.Errorf("of %d seconds %x are given, %v; want %d", x.asked, v, err, x.given)
		}
	}
	o := c.other()
	if code := c.bindChannel(0x4000, o.at()); code != 0 {
		t.Fatal(code)
	}
	c.clock.advance(permissionTime + time.Second)
	c.sweep()
	if n := len(c.list()[0].paths().permissions); n != 0 {
		t.Errorf("%d permissions outlive their time", n)
	}
	c.clock.advance(channelTime)
	c.sweep()
	if n := len(c.list()[0].paths().channels); n != 0 {
		t.Errorf("%d channels outlive their time", n)
	}
	c.ask(stun.MethodRefresh, some(lifetime(700)))
	c.clock.advance(701 * time.Second)
	c.sweep()
	if n := c.Stats().Allocations; n != 0 {
		t.Errorf("%d allocations outlive their time", n)
	}
	c.allocate()
	c.ask(stun.MethodRefresh, some(lifetime(0)))
	if x := c.Stats(); x.Allocations != 0 || len(x.Accounts) != 0 {
		t.Errorf("what the client ended stays: %+v", x)
	}
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *Config) { c.Limits = Limits{Allocations: 3, PerAccount: 2} })
	ask := func(account string) int { return errorOf(s.client(account).ask(stun.MethodAllocate, some(udp()))) }
	for _, x := range []struct {
		account string
		code    int
	}{{"alice", 0}, {"alice", 0}, {"alice", 486}, {"bob", 0}, {"bob", 508}} {
		if got := ask(x.account); got != x.code {
			t.Errorf("%s gets %d, want %d", x.account, got, x.code)
		}
	}
	s.Forget("alice")
	if got := s.Stats(); got.Allocations != 1 || got.Accounts["alice"] != 0 || got.Allocated != 3 || got.Refused != 2 {
		t.Errorf("after she is forgotten: %+v", got)
	}
}

func TestPortsInPairs(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	c := s.client("alice")
	m := c.ask(stun.MethodAllocate, some(udp(), attr{stun.AttrEvenPort, []byte{0x80}}))
	first := c.relayed(m)
	token, err := m.Get(stun.AttrReservationToken)
	if err != nil || first.Port()%2 != 0 {
		t.Fatalf("an even port with the next is %v, %v", first, err)
	}
	if got := s.Stats().Accounts["alice"]; got != 2 {
		t.Errorf("the pair counts %d, want 2", got)
	}
	if got := errorOf(s.client("mallory").ask(stun.MethodAllocate, some(udp(), attr{stun.AttrReservationToken, token}))); got != 508 {
		t.Errorf("another's token gives %d, want 508", got)
	}
	if second := s.client("alice").allocate(attr{stun.AttrReservationToken, token}); second.Port() != first.Port()+1 {
		t.Errorf("the second of %v is %v", first, second)
	}
	s.client("alice").allocate(attr{stun.AttrEvenPort, []byte{0x80}})
	s.clock.advance(reservationTime + time.Second)
	s.sweep()
	if got := s.Stats().Accounts["alice"]; got != 3 {
		t.Errorf("with a reservation that is over, %d count, want 3", got)
	}
}

func TestChannelsKeepTheirPeers(t *testing.T) {
	t.Parallel()
	c := open(t, nil).client("alice")
	c.allocate()
	one, two := c.other().at(), c.other().at()
	for _, x := range []struct {
		what   string
		number uint16
		peer   netip.AddrPort
		code   int
	}{
		{"a channel", 0x4000, one, 0}, {"the same again", 0x4000, one, 0}, {"another peer", 0x4000, two, 400},
		{"another number", 0x4001, one, 400}, {"a second one", 0x4FFF, two, 0},
		{"a number below", 0x3FFF, two, 400}, {"a number above", 0x8000, two, 400},
		{"port 0", 0x4002, netip.AddrPortFrom(loopback(), 0), 403},
		{"an IPv6 peer", 0x4002, netip.MustParseAddrPort("[2001:db8::1]:9"), 443},
	} {
		if got := c.bindChannel(x.number, x.peer); got != x.code {
			t.Errorf("%s: %d, want %d", x.what, got, x.code)
		}
	}
}

func TestPathsAreBounded(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	c := s.client("alice")
	c.allocate()
	a, now := s.list()[0], s.clock.now()
	for i := range 2 * maxPermissions {
		a.permit(now, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		a.bind(now, 0x4000+uint16(i), netip.AddrPortFrom(loopback(), uint16(1+i)), netip.AddrPort{})
	}
	if p := a.paths(); len(p.permissions) > maxPermissions || len(p.channels) > maxChannels {
		t.Errorf("it has %d permissions, %d channels", len(p.permissions), len(p.channels))
	}
}

func TestBandwidth(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *Config) { c.Limits.Bandwidth = 1000 })
	c := s.client("alice")
	c.allocate()
	o := c.other()
	c.bindChannel(0x4000, o.at())
	for range 10 {
		c.write(append([]byte{0x40, 0, 1, 44}, make([]byte, 300)...))
	}
	got := 0
	for text, _ := o.hear(patience); text != ""; text, _ = o.hear(300 * time.Millisecond) {
		got += len(text)
	}
	if got != 900 {
		t.Errorf("in the first second %d bytes pass, want 900", got)
	}
	s.clock.advance(time.Second)
	c.write(append([]byte{0x40, 0, 1, 44}, make([]byte, 300)...))
	if text, _ := o.hear(patience); len(text) != 300 {
		t.Error("a second later nothing passes")
	}
	x := s.Stats()
	for end := time.Now().Add(patience); x.Packets != 4 && time.Now().Before(end); x = s.Stats() {
		time.Sleep(time.Millisecond) // it counts what it has sent
	}
	if x.Dropped != 7 || x.Packets != 4 || x.Bytes != 1200 {
		t.Errorf("it counts %+v", x)
	}
}

// A client on IPv4 reaches peers on IPv6 (rfc8656#7.2).
func TestAnIPv6Relay(t *testing.T) {
	t.Parallel()
	six := netip.IPv6Loopback()
	o, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(six, 0)))
	if err != nil {
		t.Skipf("there is no IPv6 here: %v", err)
	}
	defer o.Close()
	s := open(t, func(c *Config) {
		c.Relays = append(c.Relays, Address{Bind: six})
		c.Peers.Allow = append(c.Peers.Allow, netip.PrefixFrom(six, 128))
	})
	c, them := s.client("alice"), other{t, o}
	relayed := c.allocate(attr{stun.AttrRequestedAddressFamily, []byte{2, 0, 0, 0}})
	if relayed.Addr() != six {
		t.Fatalf("the relayed address is %v", relayed)
	}
	if code := c.permit(s.other().at()); code != 443 {
		t.Errorf("a peer on IPv4: %d, want 443", code)
	}
	if code := c.permit(them.at()); code != 0 {
		t.Fatalf("a peer on IPv6: %d", code)
	}
	them.say("six", relayed)
	data := c.answer()
	v, _ := data.Get(stun.AttrXORPeerAddress)
	if from, ok := xorAddress(v, data.TransactionID); !ok || from != them.at() {
		t.Errorf("the client hears of %v, want %v", from, them.at())
	}
	if code := c.bindChannel(0x4000, them.at()); code != 0 {
		t.Fatal(code)
	}
	c.write([]byte{0x40, 0, 0, 4, 'b', 'a', 'c', 'k'})
	if text, from := them.hear(patience); text != "back" || from != relayed {
		t.Errorf("the peer hears %q from %v", text, from)
	}
	if code := errorOf(c.ask(stun.MethodRefresh, some(attr{stun.AttrRequestedAddressFamily, []byte{1, 0, 0, 0}}))); code != 443 {
		t.Errorf("a refresh of another family: %d, want 443", code)
	}
}

// However often it is asked meanwhile, a client gets one relay.
func TestRetransmissionsWhileTheAccountIsLookedUp(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	s := open(t, func(c *Config) {
		c.Exists = func(context.Context, string) (bool, error) { <-hold; return true, nil }
	})
	c, quick := s.client("alice"), s.client("bob")
	c.nonce = []byte(c.nonces.make(c.local()))
	b := c.build(stun.MethodAllocate, newID(), true, udp())
	for range 3 {
		c.write(b)
	}
	for len(s.looking) < 3 {
		time.Sleep(time.Millisecond)
	}
	if m := quick.ask(stun.MethodBinding, nil); errorOf(m) != 0 {
		t.Error("others have to wait")
	}
	close(hold)
	if c.read(patience) == nil {
		t.Fatal("there is no answer")
	}
	for len(s.looking) > 0 {
		time.Sleep(time.Millisecond)
	}
	s.ports.mu.Lock()
	ports := len(s.ports.used)
	s.ports.mu.Unlock()
	if x := s.Stats(); x.Allocations != 1 || x.Accounts["alice"] != 1 || ports != 1 {
		t.Errorf("there are %+v, and %d ports", x, ports)
	}
}

func TestAConnectionEndsItsAllocation(t *testing.T) {
	t.Parallel()
	c := open(t, nil).overStream("alice", nil)
	c.allocate()
	c.conn.Close()
	for range 500 {
		if c.Stats().Allocations == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("its allocation stays")
}

func TestStrangersMayNotStay(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	many := []byte{}
	for range unprovedFrames + 8 {
		many = append(many, s.client("").build(stun.MethodBinding, newID(), false)...)
	}
	for what, b := range map[string][]byte{
		"another protocol":          []byte("GET / HTTP/1.1\r\n\r\n"),
		"a message without end":     append([]byte{0, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 4<<10)...),
		"channel data without end":  append([]byte{0x40, 0, 0xff, 0xff}, make([]byte, 4<<10)...),
		"requests without any want": append(many, many...),
	} {
		c := s.overStream("alice", nil)
		c.write(b)
		if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		for buf := make([]byte, 70000); ; {
			_, err := c.conn.Read(buf)
			if t, ok := err.(interface{ Timeout() bool }); ok && t.Timeout() {
				s.Errorf("who brings %s may stay", what)
			}
			if err != nil {
				break
			}
			c.write(many[:20])
		}
	}
}

func TestTheServerNeedsWhatItNeeds(t *testing.T) {
	t.Parallel()
	credentials := &Credentials{Realm: "x", Key: []byte("k"), Lifetime: time.Hour}
	for what, c := range map[string]Config{
		"no credentials":    {},
		"ports backwards":   {Credentials: credentials, Low: 3, High: 2},
		"two families":      {Credentials: credentials, Relays: []Address{{Bind: loopback(), Public: netip.IPv6Loopback()}}},
		"an address of all": {Credentials: credentials, Relays: []Address{{Bind: netip.IPv4Unspecified()}}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: it is made", what)
		}
	}
}

// Another process's address, or a second server's, is not shared.
func TestAnAddressIsListenedOnOnce(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	if _, err := open(t, nil).ListenUDP(t.Context(), s.at.String()); err == nil {
		t.Error("two servers share an address")
	}
}
