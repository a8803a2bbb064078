package rtp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	pion "github.com/pion/rtp"
)

// phone is a peer with sockets of its own.
type phone struct {
	t         *testing.T
	rtp, rtcp *net.UDPConn
	echo      *Echo
	ports     *Ports
}

func newPhone(t *testing.T, c EchoConfig) *phone {
	t.Helper()
	p := &phone{t: t, ports: loopback(t, PortsConfig{})}
	p.rtp, p.rtcp = socket(t), socket(t)
	pair, err := p.ports.Open(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	c.Pair = pair
	p.echo = NewEcho(c)
	t.Cleanup(func() {
		p.echo.Close()
		p.echo.Close()
		if n := p.ports.InUse(); n != 0 {
			t.Errorf("%d pairs are still open", n)
		}
	})
	return p
}

func socket(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func address(c *net.UDPConn) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port(c))
}

// talk is the media of a call that goes both ways.
func (p *phone) talk() EchoMedia {
	return EchoMedia{
		Payloads: []uint8{8}, Rate: 8000, Send: true, Receive: true,
		RTP: address(p.rtp), RTCP: address(p.rtcp),
	}
}

func (p *phone) send(from *net.UDPConn, b []byte) {
	p.t.Helper()
	if _, err := from.WriteToUDPAddrPort(b, address(p.echo.c.Pair.RTP)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *phone) hear(c *net.UDPConn) []byte {
	p.t.Helper()
	b := make([]byte, 2000)
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	n, err := c.Read(b)
	if err != nil {
		p.t.Fatal(err)
	}
	return b[:n]
}

func (p *phone) hearRTP() pion.Packet {
	p.t.Helper()
	var got pion.Packet
	if err := got.Unmarshal(p.hear(p.rtp)); err != nil {
		p.t.Fatal(err)
	}
	return got
}

// dropped waits until that many packets were not taken.
func (p *phone) dropped(n uint64) {
	p.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); p.echo.Stats().Dropped < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("counted %+v, want %d dropped", p.echo.Stats(), n)
		}
	}
}

func TestEcho(t *testing.T) {
	t.Parallel()
	p := newPhone(t, EchoConfig{})
	p.echo.Set(p.talk())
	var first pion.Packet
	for i, seq := range []uint16{65534, 65535, 1, 0} { // one out of order, over the wrap
		p.send(p.rtp, datagram(t, 77, seq, 1000+160*uint32(seq), "voice"))
		got := p.hearRTP()
		if i == 0 {
			first = got
			if got.SSRC == 77 {
				t.Error("our stream has the peer's SSRC")
			}
		}
		if got.SSRC != first.SSRC || got.PayloadType != 8 || string(got.Payload) != "voice" {
			t.Errorf("came back as %+v", got)
		}
		if d := got.SequenceNumber - first.SequenceNumber; d != seq-65534 {
			t.Errorf("packet %d came back %d after the first", seq, d)
		}
		if d := got.Timestamp - first.Timestamp; d != 160*(uint32(seq)-65534) {
			t.Errorf("packet %d has a timestamp %d after the first", seq, d)
		}
	}
}

func TestEchoNewSource(t *testing.T) {
	t.Parallel()
	p := newPhone(t, EchoConfig{})
	p.echo.Set(p.talk())
	p.send(p.rtp, datagram(t, 1, 100, 5000, "a"))
	first := p.hearRTP()
	p.send(p.rtp, datagram(t, 2, 40000, 99, "b"))
	second := p.hearRTP()
	if second.SSRC != first.SSRC || second.SequenceNumber != first.SequenceNumber+1 || !second.Marker {
		t.Errorf("after %+v came %+v", first.Header, second.Header)
	}
	if d := second.Timestamp - first.Timestamp; d > 5*8000 {
		t.Errorf("the timestamp jumped by %d", d)
	}
}

func TestEchoDrops(t *testing.T) {
	t.Parallel()
	p := newPhone(t, EchoConfig{})
	p.send(p.rtp, datagram(t, 1, 1, 1, "before anything is agreed"))
	p.dropped(1)
	p.echo.Set(p.talk())
	p.send(p.rtp, []byte("garbage"))
	p.dropped(2)
	other := datagram(t, 1, 1, 1, "another codec")
	other[1] = 9
	p.send(p.rtp, other)
	p.dropped(3)
	p.send(p.rtp, datagram(t, 1, 1, 1, "x"))
	p.hearRTP()
	p.send(socket(t), datagram(t, 1, 2, 2, "from another port after the latch"))
	// Within moments of a description the peer may move, once: that was it.
	p.send(socket(t), datagram(t, 1, 3, 3, "and another"))
	p.dropped(4)
}

func TestEchoHold(t *testing.T) {
	t.Parallel()
	dead := make(chan struct{})
	p := newPhone(t, EchoConfig{Dead: 20 * time.Millisecond, OnDead: func() { close(dead) }})
	m := p.talk()
	m.Send, m.Receive = false, false
	p.echo.Set(m)
	p.send(p.rtp, datagram(t, 1, 1, 1, "held"))
	p.dropped(1)
	select {
	case <-dead:
		t.Error("a held peer counts as dead")
	case <-time.After(100 * time.Millisecond):
	}
	m.Receive = true // music on hold: taken, not sent back
	p.echo.Set(m)
	p.send(p.rtp, datagram(t, 1, 2, 2, "music"))
	<-dead
	if s := p.echo.Stats(); s.Received != 1 || s.Sent != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestEchoDelay(t *testing.T) {
	t.Parallel()
	p := newPhone(t, EchoConfig{Delay: 50 * time.Millisecond})
	p.echo.Set(p.talk())
	start := time.Now()
	for seq := range uint16(3) {
		p.send(p.rtp, datagram(t, 1, seq, 0, string(rune('a'+seq))))
	}
	for seq := range uint16(3) {
		if got := p.hearRTP(); string(got.Payload) != string(rune('a'+seq)) {
			t.Errorf("heard %q", got.Payload)
		}
	}
	if d := time.Since(start); d < 50*time.Millisecond {
		t.Errorf("came back after %v", d)
	}
}

func TestEchoReports(t *testing.T) {
	t.Parallel()
	p := newPhone(t, EchoConfig{})
	p.echo.Set(p.talk())
	p.send(p.rtp, datagram(t, 1, 1, 1, "voice"))
	ssrc := p.hearRTP().SSRC
	p.echo.Close()
	b := p.hear(p.rtcp)
	var types []byte
	for rest := b; len(rest) > 0; {
		if !IsRTCP(rest) {
			t.Fatalf("not RTCP: %x", rest)
		}
		types = append(types, rest[1])
		rest = rest[4*(int(binary.BigEndian.Uint16(rest[2:]))+1):]
	}
	if string(types) != string([]byte{typeSR, typeSDES, typeBye}) {
		t.Errorf("packet types %v", types)
	}
	if binary.BigEndian.Uint32(b[4:]) != ssrc || binary.BigEndian.Uint32(b[20:]) != 1 || binary.BigEndian.Uint32(b[24:]) != 5 {
		t.Errorf("reported %x", b[:28])
	}
	if seconds := int64(binary.BigEndian.Uint32(b[8:])) - 2208988800; seconds-time.Now().Unix() > 1 {
		t.Errorf("NTP time is %d", seconds)
	}
}

func BenchmarkEcho(b *testing.B) {
	s := stream{sequence: 1}
	packet, now := datagram(b, 1, 2, 3, string(make([]byte, 160))), time.Now()
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		p, _ := Read(packet)
		s.carry(&p, now, 8000)
		out = p.Append(out[:0])
	}
}
