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

	"go.uber.org/goleak"

	"parley/media/rtp"
	"parley/sdp"
	"parley/sip"
	"parley/sip/b2bua"
	"parley/sip/siptest"
	"parley/sip/transaction"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ b2bua.Media = (*Anchor)(nil)

func relay(t *testing.T, c Config) *Relay {
	t.Helper()
	ports, err := rtp.NewPorts(rtp.PortsConfig{Addresses: []rtp.Address{
		{Bind: netip.MustParseAddr("127.0.0.1")}, {Bind: netip.MustParseAddr("::1")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.Ports = ports
	t.Cleanup(func() {
		if n := ports.InUse(); n != 0 {
			t.Errorf("%d pairs of ports are still open", n)
		}
	})
	return New(c)
}

// phone has sockets on loopback and says that it is elsewhere, as one behind a NAT does.
type phone struct {
	testing.TB
	rtp, rtcp *net.UDPConn
	says      netip.Addr
	peer      netip.Addr // where its signalling comes from
	far       *sdp.Description
}

func newPhone(t testing.TB, ip, says string) *phone {
	t.Helper()
	p := &phone{TB: t, says: netip.MustParseAddr(says), peer: netip.MustParseAddr(ip)}
	p.rtp, p.rtcp = socket(t, ip), socket(t, ip)
	return p
}

func socket(t testing.TB, ip string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (p *phone) describe() string {
	ip := "IP4"
	if p.says.Is6() {
		ip = "IP6"
	}
	return fmt.Sprintf("v=0\r\no=- 1 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\na=ptime:20\r\n",
		ip, p.says, ip, p.says)
}

// told takes a description for this phone.
func (p *phone) told(body string, err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
	p.far, err = sdp.Parse(body)
	if err != nil {
		p.Fatal(err)
	}
}

func (p *phone) send(from *net.UDPConn, to netip.AddrPort, b []byte) {
	p.Helper()
	if _, err := from.WriteToUDPAddrPort(b, to); err != nil {
		p.Fatal(err)
	}
}

func (p *phone) say(what string) {
	p.Helper()
	p.send(p.rtp, p.far.Media[0].Address(), voice(what))
}

func (p *phone) report(what string) {
	p.Helper()
	p.send(p.rtcp, p.far.Media[0].RTCP(), append([]byte{0x80, 200, 0, 1, 0, 0, 0, 1}, what...))
}

func voice(what string) []byte {
	v := rtp.Packet{Type: 8, SSRC: 1, Payload: []byte(what)}
	return v.Append(nil)
}

func (p *phone) hears(c *net.UDPConn, want string) {
	p.Helper()
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		p.Fatal(err)
	}
	b := make([]byte, 2000)
	n, err := c.Read(b)
	if err != nil {
		p.Fatalf("waiting for %q: %v", want, err)
	}
	if got := string(b[:n]); !strings.HasSuffix(got, want) {
		p.Fatalf("heard %q, want %q", got, want)
	}
}

func (p *phone) silent() {
	p.Helper()
	if err := p.rtp.SetReadDeadline(time.Now().Add(30 * time.Millisecond)); err != nil {
		p.Fatal(err)
	}
	b := make([]byte, 2000)
	if n, err := p.rtp.Read(b); err == nil {
		p.Fatalf("heard %q", b[:n])
	}
}

// meet has alice call bob, and gets media to flow.
func meet(a *Anchor, alice, bob *phone) {
	ctx := context.Background()
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, "")
	bob.told(a.Offer(ctx, 0, 1, alice.describe()))
	alice.told(a.Answer(ctx, 1, 0, bob.describe()))
}

// hello has both hear each other. What is said before the other side is known is lost.
func hello(alice, bob *phone) {
	alice.Helper()
	for i, p := range []*phone{alice, bob} {
		other := []*phone{bob, alice}[i]
		deadline := time.Now().Add(5 * time.Second)
		for {
			p.say("hello")
			other.say("hello")
			_ = other.rtp.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := other.rtp.Read(make([]byte, 2000)); err == nil {
				break
			}
			if time.Now().After(deadline) {
				p.Fatal("they don't hear each other")
			}
		}
	}
	for _, p := range []*phone{alice, bob} { // what is left of it
		for {
			_ = p.rtp.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := p.rtp.Read(make([]byte, 2000)); err != nil {
				break
			}
		}
	}
}

func TestTwoPhonesBehindNATs(t *testing.T) {
	t.Parallel()
	for name, ips := range map[string][4]string{
		"IPv4":        {"127.0.0.1", "192.168.1.20", "127.0.0.1", "10.0.0.7"},
		"IPv6":        {"::1", "fd00::1", "::1", "fd00::2"},
		"4 to 6":      {"127.0.0.1", "192.168.1.20", "::1", "fd00::2"},
		"without NAT": {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := relay(t, Config{}).Anchor()
			defer a.Close()
			alice, bob := newPhone(t, ips[0], ips[1]), newPhone(t, ips[2], ips[3])
			meet(a, alice, bob)
			for _, p := range []*phone{alice, bob} {
				m := p.far.Media[0]
				if m.Address().Addr() != p.peer || m.Address().Port()%2 != 0 {
					t.Errorf("told %v", m.Address())
				}
				if v, _ := m.Attribute("ptime"); v != "20" {
					t.Error("ptime got lost")
				}
			}
			hello(alice, bob)
			alice.say("to bob")
			bob.hears(bob.rtp, "to bob")
			bob.say("to alice")
			alice.hears(alice.rtp, "to alice")
			bob.report("-")
			time.Sleep(10 * time.Millisecond) // alice's side has to know bob's before it can answer
			alice.report("to bob")
			bob.hears(bob.rtcp, "to bob")
			bob.report("to alice")
			for range 2 {
				_ = alice.rtcp.SetReadDeadline(time.Now().Add(time.Second))
				b := make([]byte, 100)
				n, err := alice.rtcp.Read(b)
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(string(b[:n]), "to alice") {
					return
				}
			}
			t.Error("the report did not come")
		})
	}
}

func TestStrangerIsNotHeard(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{}).Anchor()
	defer a.Close()
	alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "10.0.0.7")
	meet(a, alice, bob)
	hello(alice, bob)
	// The latch may move once within moments of a description: let it be used up.
	moved := socket(t, "127.0.0.1")
	alice.send(moved, alice.far.Media[0].Address(), voice("moved"))
	bob.hears(bob.rtp, "moved")
	eve := socket(t, "127.0.0.1")
	alice.send(eve, alice.far.Media[0].Address(), voice("eve"))
	alice.send(eve, alice.far.Media[0].Address(), []byte("no RTP"))
	alice.say("not from there any more")
	bob.silent()
}

// TestFlood has a peer send more than a call needs, and by more sources; the other side gets what fits.
func TestFlood(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{SoundRate: 20_000}).Anchor()
	defer a.Close()
	alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "10.0.0.7")
	meet(a, alice, bob)
	hello(alice, bob)
	time.Sleep(1100 * time.Millisecond) // what the greeting took of the rate is over
	_ = bob.rtp.SetReadBuffer(1 << 20)
	for seq := range uint16(300) {
		alice.send(alice.rtp, alice.far.Media[0].Address(), voiced(uint32(seq%40), seq, strings.Repeat("x", 160)))
		time.Sleep(100 * time.Microsecond)
	}
	alice.send(alice.rtp, alice.far.Media[0].Address(), voiced(1, 1, strings.Repeat("y", rtp.MaxPacket)))
	got, ssrcs, buf := 0, map[string]bool{}, make([]byte, 3000)
	for {
		_ = bob.rtp.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := bob.rtp.Read(buf)
		if err != nil {
			break
		}
		if n > 172 {
			t.Errorf("a packet of %d bytes was passed", n)
		}
		got++
		ssrcs[string(buf[8:12])] = true
	}
	if got == 0 || got > 130 {
		t.Errorf("%d packets of 300 were passed, want some and no more than 20,000 bytes", got)
	}
	if len(ssrcs) > 16 {
		t.Errorf("%d sources were passed", len(ssrcs))
	}
}

func TestNothingFlowsBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{}).Anchor()
	defer a.Close()
	alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "127.0.0.1")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, "")
	bob.told(a.Offer(context.Background(), 0, 1, alice.describe()))
	bob.say("early")
	alice.silent()
}

func TestFork(t *testing.T) {
	t.Parallel()
	r := relay(t, Config{})
	a := r.Anchor()
	defer a.Close()
	ctx := context.Background()
	alice := newPhone(t, "127.0.0.1", "192.168.1.20")
	bob, carol := newPhone(t, "127.0.0.1", "10.0.0.7"), newPhone(t, "::1", "fd00::2")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, "")
	a.Leg(2, "carol", carol.peer, "")
	bob.told(a.Offer(ctx, 0, 1, alice.describe()))
	carol.told(a.Offer(ctx, 0, 2, alice.describe()))
	alice.told(a.Answer(ctx, 1, 0, bob.describe())) // early
	hello(alice, bob)
	alice.told(a.Answer(ctx, 2, 0, carol.describe()))
	a.Drop(1)
	hello(alice, carol)
	if n := r.c.Ports.InUse(); n != 2 {
		t.Errorf("%d pairs are open, want 2", n)
	}
}

func TestSameFamilyForkForgetsTheLoser(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice := newPhone(t, "127.0.0.1", "192.168.1.20")
	bob, carol := newPhone(t, "127.0.0.1", "10.0.0.7"), newPhone(t, "127.0.0.1", "10.0.0.8")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, "")
	a.Leg(2, "carol", carol.peer, "")
	bob.told(a.Offer(ctx, 0, 1, alice.describe()))
	carol.told(a.Offer(ctx, 0, 2, alice.describe()))
	if bob.far.Media[0].Port != carol.far.Media[0].Port {
		t.Error("they got ports of their own")
	}
	alice.told(a.Answer(ctx, 1, 0, bob.describe()))
	hello(alice, bob)
	first := alice.far.Media[0].Port
	alice.told(a.Answer(ctx, 2, 0, carol.describe()))
	a.Drop(1)
	if alice.far.Media[0].Port != first {
		t.Error("the caller's answer changed")
	}
	alice.say("to nobody yet")
	bob.silent()
	hello(alice, carol)
}

func TestHoldAndMove(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "10.0.0.7")
	meet(a, alice, bob)
	hello(alice, bob)
	port := bob.far.Media[0].Port
	held, err := a.Offer(ctx, 0, 1, strings.Replace(alice.describe(), "c=IN IP4 192.168.1.20", "c=IN IP4 0.0.0.0", 1))
	bob.told(held, err)
	if bob.far.Media[0].Direction() != sdp.SendOnly || bob.far.Media[0].Port != port {
		t.Errorf("hold became\n%s", held)
	}
	alice.told(a.Answer(ctx, 1, 0, bob.describe()))
	// Bob comes back from another socket, and says so.
	moved := newPhone(t, "127.0.0.1", "10.0.0.7")
	alice.told(a.Offer(ctx, 1, 0, moved.describe()))
	moved.told(a.Answer(ctx, 0, 1, alice.describe()))
	hello(alice, moved)
}

func TestOfferOfTheCalled(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "10.0.0.7")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, "")
	alice.told(a.Offer(ctx, 1, 0, bob.describe()))
	bob.told(a.Answer(ctx, 0, 1, alice.describe()))
	hello(alice, bob)
}

func TestMux(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{}).Anchor()
	defer a.Close()
	ctx := context.Background()
	alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "10.0.0.7")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", bob.peer, "")
	bob.told(a.Offer(ctx, 0, 1, alice.describe()+"a=rtcp-mux\r\n"))
	alice.told(a.Answer(ctx, 1, 0, bob.describe()+"a=rtcp-mux\r\n"))
	hello(alice, bob)
	alice.rtcp = alice.rtp
	alice.report("on one port")
	bob.hears(bob.rtp, "on one port")
}

// TestZRTP has what agrees on keys pass between two phones.
func TestZRTP(t *testing.T) {
	t.Parallel()
	a := relay(t, Config{}).Anchor()
	defer a.Close()
	alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "10.0.0.7")
	meet(a, alice, bob)
	hello(alice, bob)
	alice.send(alice.rtp, alice.far.Media[0].Address(), []byte("\x10\x00\x00\x01ZRTP____Hello"))
	bob.hears(bob.rtp, "ZRTP____Hello")
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	head := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
	for name, test := range map[string]struct {
		body string
		want error
	}{
		"DTLS without ICE": {head + "m=audio 9 UDP/TLS/RTP/SAVPF 8\r\n", ErrForm},
		"BFCP over TCP":    {head + "m=application 4000 TCP/BFCP *\r\n", ErrMedia},
		"refused":          {head + "m=audio 0 RTP/AVP 8\r\n", ErrMedia},
		"garbage":          {"hello", sdp.ErrSyntax},
	} {
		a := relay(t, Config{Hide: true}).Anchor()
		a.Leg(0, "caller", netip.Addr{}, "")
		a.Leg(1, "bob", netip.Addr{}, "")
		if _, err := a.Offer(context.Background(), 0, 1, test.body); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if _, err := a.Answer(context.Background(), 1, 0, test.body); err == nil && name != "BFCP over TCP" && name != "refused" {
			t.Errorf("%s was taken as an answer", name)
		}
		a.Close()
		if _, err := a.Offer(context.Background(), 0, 1, head); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestMediaOfOtherKinds(t *testing.T) {
	t.Parallel()
	r := relay(t, Config{MaxMedia: 2})
	a := r.Anchor()
	defer a.Close()
	ctx := context.Background()
	a.Leg(0, "caller", netip.MustParseAddr("127.0.0.1"), "")
	a.Leg(1, "bob", netip.MustParseAddr("127.0.0.1"), "")
	head := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-ufrag:x\r\n"
	body, err := a.Offer(ctx, 0, 1, head+"m=audio 1000 RTP/SAVP 8\r\na=crypto:1 AES inline:key\r\nm=video 2000 RTP/AVP 99\r\n"+
		"m=application 3000 TCP/BFCP *\r\nm=video 4000 RTP/AVP 99\r\n")
	if err != nil {
		t.Fatal(err)
	}
	d, err := sdp.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	for i, wanted := range []bool{true, true, false, false} {
		if (d.Media[i].Port != 0) != wanted {
			t.Errorf("medium %d got port %d", i, d.Media[i].Port)
		}
	}
	if strings.Contains(body, "BUNDLE") || strings.Contains(body, "ice-") || !strings.Contains(body, "a=crypto:1 AES inline:key") {
		t.Errorf("offered\n%s", body)
	}
	answer, err := a.Answer(ctx, 1, 0, strings.Replace(head, "o=-", "o=bob", 1)+"m=audio 5000 RTP/SAVP 8\r\nm=video 0 RTP/AVP 99\r\n"+
		"m=application 0 TCP/BFCP *\r\nm=video 7000 RTP/AVP 99\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if d, err = sdp.Parse(answer); err != nil || d.Media[0].Port == 0 || d.Media[1].Port != 0 || d.Media[3].Port != 0 {
		t.Errorf("answered %v\n%s", err, answer)
	}
}

func TestNoPortIsLeft(t *testing.T) {
	t.Parallel()
	ports, err := rtp.NewPorts(rtp.PortsConfig{Addresses: []rtp.Address{{Bind: netip.MustParseAddr("127.0.0.1")}}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ports.Open(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	full, err := rtp.NewPorts(rtp.PortsConfig{
		Addresses: []rtp.Address{{Bind: netip.MustParseAddr("127.0.0.1")}}, Low: pair.RTPPort(), High: pair.RTCPPort(),
	})
	if err != nil {
		t.Fatal(err)
	}
	a := New(Config{Ports: full}).Anchor()
	defer a.Close()
	alice := newPhone(t, "127.0.0.1", "192.168.1.20")
	a.Leg(0, "caller", alice.peer, "")
	a.Leg(1, "bob", netip.Addr{}, "")
	if _, err := a.Offer(context.Background(), 0, 1, alice.describe()); !errors.Is(err, rtp.ErrPorts) {
		t.Errorf("error is %v", err)
	}
}

// TestCallThroughServer puts the relay under a back-to-back user agent and has two phones talk.
func TestCallThroughServer(t *testing.T) {
	t.Parallel()
	r := relay(t, Config{})
	clock := siptest.NewClock()
	var b2b *b2bua.B2BUA
	var start func(*transaction.Server)
	layer := transaction.New(transaction.Config{
		Clock: clock,
		OnRequest: func(s *transaction.Server) {
			if !b2b.Serve(s) {
				start(s)
			}
		},
		OnACK: func(_ sip.Flow, ack *sip.Message) { b2b.ACK(ack) },
	})
	b2b = b2bua.New(b2bua.Config{Layer: layer, Clock: clock})
	alice := siptest.Join(t, clock, "alice@example.com", sip.UDP, layer.Receive)
	bob := siptest.Join(t, clock, "bob@example.com", sip.UDP, layer.Receive)
	start = func(s *transaction.Server) {
		_, err := b2b.Start(s, b2bua.Invite{
			Media: r.Anchor(),
			Waves: []b2bua.Wave{{Targets: []b2bua.Target{{Name: "bob", URI: "sip:bob@" + bob.Addr(), Flow: bob.Flow()}}}},
		})
		if err != nil {
			t.Error(err)
		}
	}
	// The flows of the test say 192.0.2.77: so media that comes from loopback is taken by the
	// rule for those who are behind a NAT, after a moment.
	a, b := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "10.0.0.7")
	for range 3 {
		invite := alice.Invite("bob@example.com", siptest.WithSDP(a.describe()))
		in := bob.Expect("INVITE")
		b.told(in.Body(), nil)
		bob.Respond(in, 180)
		alice.Expect("180")
		bob.Respond(in, 200, siptest.WithSDP(b.describe()))
		bob.Expect("ACK")
		ok := alice.Expect("200")
		a.told(ok.Body(), nil)
		d := alice.Dialog(invite, ok)
		d.Ack()
		hello(a, b)
		d.Bye()
		alice.Expect("200")
		bob.Respond(bob.Expect("BYE"), 200)
	}
	// And one that is given up.
	invite := alice.Invite("bob@example.com", siptest.WithSDP(a.describe()))
	in := bob.Expect("INVITE")
	bob.Respond(in, 180)
	alice.Cancel(invite)
	bob.Expect("CANCEL")
	bob.Respond(in, 487)
	clock.Settle()
	if err := b2b.Close(context.Background(), ""); err != nil {
		t.Error(err)
	}
	layer.Close()
}

// TestSocketsComeBack makes and drops many anchors.
func TestSocketsComeBack(t *testing.T) {
	t.Parallel()
	r := relay(t, Config{})
	alice, bob := newPhone(t, "127.0.0.1", "192.168.1.20"), newPhone(t, "127.0.0.1", "10.0.0.7")
	for i := range 200 {
		a := r.Anchor()
		a.Leg(0, "caller", alice.peer, "")
		a.Leg(1, "bob", bob.peer, "")
		if i%4 > 0 {
			bob.told(a.Offer(context.Background(), 0, 1, alice.describe()))
		}
		if i%4 > 1 {
			alice.told(a.Answer(context.Background(), 1, 0, bob.describe()))
		}
		if i%4 > 2 {
			a.Drop(1)
			a.Drop(0)
		}
		a.Close()
		a.Close()
		if n := r.c.Ports.InUse(); n != 0 {
			t.Fatalf("%d pairs are open after %d calls", n, i)
		}
	}
}

func BenchmarkRelay(b *testing.B) {
	ports, err := rtp.NewPorts(rtp.PortsConfig{Addresses: []rtp.Address{{Bind: netip.MustParseAddr("127.0.0.1")}}})
	if err != nil {
		b.Fatal(err)
	}
	a := New(Config{Ports: ports, SoundRate: 1 << 40}).Anchor()
	defer a.Close()
	alice, bob := newPhone(b, "127.0.0.1", "127.0.0.1"), newPhone(b, "127.0.0.1", "127.0.0.1")
	meet(a, alice, bob)
	hello(alice, bob)
	packet, to, buf := voice(strings.Repeat("x", 160)), alice.far.Media[0].Address(), make([]byte, 2000)
	if err := bob.rtp.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := alice.rtp.WriteToUDPAddrPort(packet, to); err != nil {
			b.Fatal(err)
		}
		if _, err := bob.rtp.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}
