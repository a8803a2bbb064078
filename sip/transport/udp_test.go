package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/sip"
)

func TestUDPRequestAndResponse(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, Config{})
			addr := n.udp(host + ":0")
			peer := peerUDP(t, host+":0")
			source := addrPort(peer.LocalAddr())

			sendUDP(t, peer, addr, request("UDP", "phone.invalid;rport", "one"))
			a := n.next()
			if a.flow.Remote() != source || a.flow.Local() != addr || a.flow.Network() != sip.UDP {
				t.Errorf("flow is %s %s to %s", a.flow.Network(), a.flow.Local(), a.flow.Remote())
			}
			if a.flow.Reliable() || a.flow.Secure() || a.flow.Done() != nil {
				t.Error("a UDP flow is neither reliable nor secure, and never gone")
			}
			if a.flow.Advertised() != addr.String() {
				t.Errorf("advertised is %s, want %s", a.flow.Advertised(), addr)
			}
			via, _ := a.m.Via()
			if port, _ := via.Params.Get("rport"); port != fmt.Sprint(source.Port()) {
				t.Errorf("rport is %s, want %d", port, source.Port())
			}
			if r, _ := via.Params.Get("received"); r != source.Addr().String() {
				t.Errorf("received is %s, want %s", r, source.Addr())
			}

			respond(t, a)
			text, from := readUDP(t, peer)
			if from != addr || !strings.HasPrefix(text, "SIP/2.0 200 OK\r\n") {
				t.Errorf("from %s came %q", from, text)
			}
		})
	}
}

// An agent that does not ask for rport is answered at its sent-by port.
func TestUDPResponseGoesToSentBy(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	addr := n.udp("127.0.0.1:0")
	listening, sending := peerUDP(t, "127.0.0.1:0"), peerUDP(t, "127.0.0.1:0")
	sendUDP(t, sending, addr, request("UDP", listening.LocalAddr().String(), "one"))
	a := n.next()
	if a.flow.Remote() != addrPort(listening.LocalAddr()) {
		t.Errorf("flow leads to %s", a.flow.Remote())
	}
	respond(t, a)
	if text, _ := readUDP(t, listening); !strings.HasPrefix(text, "SIP/2.0 200") {
		t.Errorf("came %q", text)
	}
}

func TestUDPBadInput(t *testing.T) {
	t.Parallel()
	good := request("UDP", "127.0.0.1:5;rport", "bad")
	for _, test := range []struct {
		name, text string
		answer     string // start of the response; "" for none
	}{
		{"other version", strings.Replace(good, "SIP/2.0\r\n", "SIP/7.0\r\n", 1), "SIP/2.0 505 "},
		{"unknown scheme", strings.Replace(good, "sip:bob@example.org SIP", "nobody:x SIP", 1), "SIP/2.0 416 "},
		{"CSeq of another method", strings.Replace(good, "1 OPTIONS", "1 INVITE", 1), "SIP/2.0 400 "},
		{"cut off in the body", strings.Replace(good, "Length: 0", "Length: 10", 1), "SIP/2.0 400 "},
		{"no To", strings.Replace(good, "To: ", "X: ", 1), ""},
		{"no Via", strings.Replace(good, "Via: ", "X: ", 1), ""},
		{"cut off in the head", good[:len(good)/2], ""},
		{"ACK", strings.Replace(strings.ReplaceAll(good, "OPTIONS", "ACK"), "SIP/2.0\r\n", "SIP/7.0\r\n", 1), ""},
		{"response", strings.Replace(good, "OPTIONS sip:bob@example.org SIP/2.0", "SIP/7.0 200 OK", 1), ""},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
		{"noise", strings.Repeat("\x80\xff\x01 \r\n", 50), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, Config{})
			addr := n.udp("127.0.0.1:0")
			peer := peerUDP(t, "127.0.0.1:0")
			sendUDP(t, peer, addr, test.text)
			sendUDP(t, peer, addr, request("UDP", "h;rport", "after"))
			a := n.next()
			if a.m.CallID() != "after" {
				t.Fatalf("the Handler got\n%s", a.m.Text())
			}
			s := n.Stats()
			if s.Malformed+s.Violations != 1 {
				t.Errorf("malformed %d, violations %d: want one in all", s.Malformed, s.Violations)
			}
			respond(t, a)
			got, _ := readUDP(t, peer)
			if test.answer == "" {
				test.answer = "SIP/2.0 200 "
			}
			if !strings.HasPrefix(got, test.answer) {
				t.Errorf("answer is %q, want %s", got, test.answer)
			}
			if m := must[*sip.Message](t)(sip.Parse(got)); m.Validate() != nil || m.ToTag() == "" {
				t.Errorf("the answer is no valid response: %v\n%s", m.Validate(), got)
			}
		})
	}
}

// Retransmissions of a bad request get the same To tag (rfc3261#8.2.7).
func TestUDPRefusalIsStateless(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	addr := n.udp("127.0.0.1:0")
	peer := peerUDP(t, "127.0.0.1:0")
	bad := strings.Replace(request("UDP", "h;rport", "bad"), "SIP/2.0\r\n", "SIP/7.0\r\n", 1)
	sendUDP(t, peer, addr, bad)
	sendUDP(t, peer, addr, bad)
	first, _ := readUDP(t, peer)
	if second, _ := readUDP(t, peer); first != second {
		t.Errorf("two answers to one request:\n%s\n%s", first, second)
	}
}

// Garbage must not make us a reflector.
func TestUDPRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{Limits: Limits{Refusals: 3}})
	addr := n.udp("127.0.0.1:0")
	peer := peerUDP(t, "127.0.0.1:0")
	bad := strings.Replace(request("UDP", "h;rport", "bad"), "SIP/2.0\r\n", "SIP/7.0\r\n", 1)
	const sent = 200
	began := time.Now()
	for i := range sent {
		sendUDP(t, peer, addr, bad)
		n.until("violation counted", func(s Stats) bool { return s.Violations == uint64(i+1) })
	}
	n.until("three answers", func(s Stats) bool { return s.Answered >= 3 })
	allowed := 4 + uint64(3*time.Since(began).Seconds())
	if got := n.Stats().Answered; got > allowed {
		t.Errorf("%d bad requests got %d answers, want at most %d", sent, got, allowed)
	}
}

func TestUDPKeepAlives(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	addr := n.udp("127.0.0.1:0")
	peer := peerUDP(t, "127.0.0.1:0")
	alive := []string{"", "\r\n", "\r\n\r\n", "\x00", "\x00\x00\x00\x00", "jaK", "jaK\x00", "\r\n\r\n\r\n\r\n"}
	for _, text := range alive {
		sendUDP(t, peer, addr, text)
	}
	sendUDP(t, peer, addr, "\r\n\r\n"+request("UDP", "h;rport", "after"))
	respond(t, n.next())
	if s := n.Stats(); s.KeepAlives != uint64(len(alive)) || s.Malformed != 0 {
		t.Errorf("keep-alives %d, malformed %d; want %d and none", s.KeepAlives, s.Malformed, len(alive))
	}
	if text, _ := readUDP(t, peer); !strings.HasPrefix(text, "SIP/2.0 200") {
		t.Errorf("a keep-alive was answered: %q", text)
	}
}

func binding(kind uint16, attributes string) string {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(attributes)))
	b = binary.BigEndian.AppendUint32(b, stunCookie)
	return string(b) + "transaction." + attributes
}

func TestSTUN(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, Config{})
			addr := n.udp(host + ":0")
			peer := peerUDP(t, host+":0")
			sendUDP(t, peer, addr, binding(stunBinding, "\x80\x22\x00\x04test"))
			text, from := readUDP(t, peer)
			if from != addr {
				t.Errorf("answer from %s", from)
			}
			if got := mapped(t, text); got != addrPort(peer.LocalAddr()) {
				t.Errorf("mapped address is %s, want %s", got, peer.LocalAddr())
			}
		})
	}
}

// mapped reads the answer to binding.
func mapped(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	b := []byte(text)
	if len(b) < 28 || binary.BigEndian.Uint16(b) != 0x0101 || text[8:20] != "transaction." ||
		int(binary.BigEndian.Uint16(b[2:])) != len(b)-20 || binary.BigEndian.Uint16(b[20:]) != 0x0020 {
		t.Fatalf("no binding response: %x", b)
	}
	ip := b[28:]
	if size := map[byte]int{1: 4, 2: 16}[b[25]]; size != len(ip) || int(binary.BigEndian.Uint16(b[22:])) != 4+size {
		t.Fatalf("bad attribute: %x", b[20:])
	}
	for i := range ip {
		ip[i] ^= b[4+i]
	}
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[26:])^0x2112)
}

func TestSTUNThatIsNotAnswered(t *testing.T) {
	t.Parallel()
	source := netip.MustParseAddrPort("192.0.2.1:1")
	for name, text := range map[string]string{
		"response":    binding(stunSuccess, ""),
		"indication":  binding(0x0011, ""),
		"cut off":     binding(stunBinding, "\x80\x22\x00\x04test")[:22],
		"trailing":    binding(stunBinding, "") + "1234",
		"odd length":  binding(stunBinding, "123"),
		"other class": binding(0x0111, ""),
	} {
		if resp := bindingResponse([]byte(text), source); resp != nil {
			t.Errorf("%s: answered %x", name, resp)
		}
	}
	if isSTUN([]byte(request("UDP", "h", "x"))) || isSTUN([]byte(binding(stunBinding, "")[:19])) {
		t.Error("taken for STUN")
	}
}

func FuzzBindingResponse(f *testing.F) {
	f.Add([]byte(binding(stunBinding, "")), false)
	f.Add([]byte(binding(stunBinding, "\x80\x22\x00\x04test")), true)
	f.Add([]byte(binding(0x0111, "x")), true)
	f.Add([]byte("\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		source := netip.MustParseAddrPort("192.0.2.1:4711")
		if six {
			source = netip.MustParseAddrPort("[2001:db8::1]:4711")
		}
		if !isSTUN(b) {
			return
		}
		if resp := bindingResponse(b, source); resp != nil && (len(resp) > 44 || string(resp[4:20]) != string(b[4:20])) {
			t.Fatalf("%x answered by %x", b, resp)
		}
	})
}

func TestSTUNIsBounded(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{Limits: Limits{Bindings: 1}})
	addr := n.udp("127.0.0.1:0")
	peer := peerUDP(t, "127.0.0.1:0")
	began := time.Now()
	for range 50 {
		sendUDP(t, peer, addr, binding(stunBinding, ""))
	}
	n.until("50 bindings", func(s Stats) bool { return s.KeepAlives == 50 })
	allowed := 2 + int(time.Since(began).Seconds())
	got := 0
	for peer.SetReadDeadline(time.Now().Add(100*time.Millisecond)) == nil {
		if _, _, err := peer.ReadFromUDPAddrPort(make([]byte, 100)); err != nil {
			break
		}
		got++
	}
	if got < 1 || got > allowed {
		t.Errorf("50 bindings got %d answers, want 1 to %d", got, allowed)
	}
}

// A wildcard socket answers from the address it was spoken to, and says that one is its own.
func TestUDPWildcard(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ listen, to string }{
		{"0.0.0.0:0", "127.0.0.1"}, {"0.0.0.0:0", "127.0.0.2"},
		{":0", "127.0.0.3"}, {":0", "::1"}, {"[::]:0", "::1"},
	} {
		t.Run(test.listen+" "+test.to, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, Config{})
			to := netip.AddrPortFrom(netip.MustParseAddr(test.to), n.udp(test.listen).Port())
			peer := peerUDP(t, ":0")
			sendUDP(t, peer, to, request("UDP", "h;rport", "one"))
			a := n.next()
			if a.flow.Local() != to || a.flow.Advertised() != to.String() {
				t.Errorf("local %s, advertised %s; want %s", a.flow.Local(), a.flow.Advertised(), to)
			}
			respond(t, a)
			if _, from := readUDP(t, peer); from != to {
				t.Errorf("answer from %s, want %s", from, to)
			}
			if _, found := n.Flow(a.flow.ID()); !found {
				t.Errorf("flow %s not found again", a.flow.ID())
			}
		})
	}
}

func TestPublicAddress(t *testing.T) {
	t.Parallel()
	l := New(Config{PublicAddress: "203.0.113.9", LocalNetworks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	local := netip.MustParseAddrPort("10.1.1.1:5060")
	for remote, want := range map[string]string{
		"198.51.100.1:5060": "203.0.113.9:5060",
		"10.2.2.2:5060":     "10.1.1.1:5060",
		"127.0.0.1:5060":    "10.1.1.1:5060",
		"[2001:db8::1]:1":   "203.0.113.9:5060",
	} {
		if got := l.advertise(local, netip.MustParseAddrPort(remote)); got != want {
			t.Errorf("advertised to %s is %s, want %s", remote, got, want)
		}
	}
	six := New(Config{PublicAddress: "2001:db8::9"})
	if got := six.advertise(local, netip.MustParseAddrPort("198.51.100.1:1")); got != "[2001:db8::9]:5060" {
		t.Errorf("advertised is %s", got)
	}
	linkLocal := netip.MustParseAddrPort("[fe80::1%lo]:5060")
	if got := New(Config{}).advertise(linkLocal, linkLocal); got != "[fe80::1]:5060" {
		t.Errorf("advertised is %s: a zone is of no use to the peer", got)
	}
}

// A UDP flow outlives the process: a new layer on the same address finds it by its ID.
func TestUDPFlowAfterRestart(t *testing.T) {
	t.Parallel()
	first := newNode(t, Config{})
	addr := first.udp("127.0.0.1:0")
	peer := peerUDP(t, "127.0.0.1:0")
	sendUDP(t, peer, addr, request("UDP", "h;rport", "one"))
	id := first.next().flow.ID()
	first.Close()
	if _, ok := first.Flow(id); ok {
		t.Error("a closed layer still has the flow")
	}

	second := newNode(t, Config{})
	if _, ok := second.Flow(id); ok {
		t.Error("flow without its socket")
	}
	second.udp(addr.String())
	f, ok := second.Flow(id)
	if !ok || f.ID() != id {
		t.Fatalf("flow %s not found again", id)
	}
	if err := f.Send(message(t, "two", "")); err != nil {
		t.Fatal(err)
	}
	if text, from := readUDP(t, peer); from != addr || !strings.Contains(text, "Call-ID: two") {
		t.Errorf("from %s came %q", from, text)
	}
}

func TestUDPFlowIDs(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	port := n.udp("127.0.0.1:0").Port()
	local := fmt.Sprintf("127.0.0.1:%d", port)
	if _, ok := n.Flow("udp:" + local + "/192.0.2.1:5060"); !ok {
		t.Error("good ID not found")
	}
	for _, id := range []string{
		"", "udp:", "udp:/", "udp:" + local, "udp:" + local + "/", "udp:x/192.0.2.1:5060",
		"udp:" + local + "/192.0.2.1", "udp:" + local + "/0.0.0.0:5060", "udp:" + local + "/192.0.2.1:0",
		"udp:127.0.0.1:1/192.0.2.1:5060", fmt.Sprintf("udp:127.0.0.2:%d/192.0.2.1:5060", port),
		fmt.Sprintf("udp:0.0.0.0:%d/192.0.2.1:5060", port), "tcp:ABC",
	} {
		if f, ok := n.Flow(id); ok {
			t.Errorf("%q gives %s", id, f.ID())
		}
	}
}

func TestDialUDP(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", ":0"} {
		t.Run(listen, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, Config{})
			port := n.udp(listen).Port()
			peer := peerUDP(t, "127.0.0.1:0")
			f, err := n.Dial(t.Context(), sip.UDP, addrPort(peer.LocalAddr()), "")
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Send(message(t, "out", "")); err != nil {
				t.Fatal(err)
			}
			want := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
			if text, from := readUDP(t, peer); from != want || !strings.Contains(text, "Call-ID: out") || f.Local() != want {
				t.Errorf("from %s (flow %s) came %q", from, f.Local(), text)
			}
		})
	}
	t.Run("other family", func(t *testing.T) {
		t.Parallel()
		n := newNode(t, Config{})
		n.udp("127.0.0.1:0")
		if _, err := n.Dial(t.Context(), sip.UDP, netip.MustParseAddrPort("[::1]:5060"), ""); !errors.Is(err, ErrNoListener) {
			t.Errorf("error is %v", err)
		}
	})
}

// A message too long for one packet still goes.
func TestUDPLongMessages(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	addr := n.udp("127.0.0.1:0")
	peer := peerUDP(t, "127.0.0.1:0")
	body := strings.Repeat("v=0\r\n", 8000)
	sendUDP(t, peer, addr, requestWithBody("UDP", "h;rport", "long", body))
	a := n.next()
	if a.m.Body() != body {
		t.Errorf("body of %d bytes, want %d", len(a.m.Body()), len(body))
	}
	if err := a.flow.Send(message(t, "long", body)); err != nil {
		t.Fatal(err)
	}
	if text, _ := readUDP(t, peer); !strings.HasSuffix(text, body) {
		t.Errorf("came %d bytes", len(text))
	}
	if err := a.flow.Send(message(t, "huge", strings.Repeat("x", 70_000))); err == nil {
		t.Error("a message longer than any datagram was taken")
	}
}

func TestUDPOversize(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{Limits: Limits{MaxDatagram: 1000}})
	addr := n.udp("127.0.0.1:0")
	peer := peerUDP(t, "127.0.0.1:0")
	sendUDP(t, peer, addr, requestWithBody("UDP", "h;rport", "long", strings.Repeat("x", 1000)))
	sendUDP(t, peer, addr, request("UDP", "h;rport", "after"))
	if id := n.next().m.CallID(); id != "after" {
		t.Errorf("%q got through", id)
	}
	if n.Stats().Malformed != 1 {
		t.Errorf("malformed %d", n.Stats().Malformed)
	}
}

// What one peer sends stays in order, whatever the number of sockets.
func TestUDPOrder(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{Sockets: 4})
	addr := n.udp("127.0.0.1:0")
	const each = 50
	var sources []netip.AddrPort
	for range 8 {
		peer := peerUDP(t, "127.0.0.1:0")
		sources = append(sources, addrPort(peer.LocalAddr()))
		for i := range each {
			sendUDP(t, peer, addr, request("UDP", "h;rport", fmt.Sprint(i)))
		}
	}
	next := map[netip.AddrPort]int{}
	for range each * len(sources) {
		a := n.next()
		if want := fmt.Sprint(next[a.flow.Remote()]); a.m.CallID() != want {
			t.Fatalf("from %s came %s, want %s", a.flow.Remote(), a.m.CallID(), want)
		}
		next[a.flow.Remote()]++
	}
}

func TestUDPAddressInUse(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	addr := n.udp("127.0.0.1:0")
	if _, err := newNode(t, Config{}).ListenUDP(t.Context(), addr.String()); err == nil {
		t.Error("two listeners share an address")
	}
	for _, bad := range []string{"", "nonsense", "127.0.0.1", "127.0.0.1:99999", "192.0.2.200:0"} {
		if _, err := n.ListenUDP(t.Context(), bad); err == nil {
			t.Errorf("listening on %q", bad)
		}
		if _, err := n.ListenTCP(t.Context(), bad); err == nil {
			t.Errorf("listening on TCP %q", bad)
		}
	}
}

// A fault in the program costs one message.
func TestHandlerFault(t *testing.T) {
	t.Parallel()
	came := make(chan arrival, 10)
	n := newNode(t, Config{Handler: func(f sip.Flow, m *sip.Message) {
		if m.CallID() == "fault" {
			panic("a fault")
		}
		came <- arrival{f, m}
	}})
	n.came = came
	addr, stream := n.udp("127.0.0.1:0"), n.tcp("127.0.0.1:0")
	peer := peerUDP(t, "127.0.0.1:0")
	sendUDP(t, peer, addr, request("UDP", "h;rport", "fault"))
	sendUDP(t, peer, addr, request("UDP", "h;rport", "after"))
	n.next()
	c := connect(t, sip.TCP, stream)
	c.write(request("TCP", "h", "fault") + request("TCP", "h", "after"))
	n.next()
	if got := n.Stats().Panics; got != 2 {
		t.Errorf("%d faults counted, want 2", got)
	}
}

// The source of a datagram leaves nothing behind.
func TestUDPRemembersNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	addr := n.udp("127.0.0.1:0")
	for i := range 50 {
		conn := must[net.Conn](t)(net.Dial("udp", addr.String()))
		if _, err := conn.Write([]byte(request("UDP", "h;rport", fmt.Sprint(i)))); err != nil {
			t.Fatal(err)
		}
		n.next()
		_ = conn.Close()
	}
	n.empty()
}
