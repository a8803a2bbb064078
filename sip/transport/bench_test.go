package transport

import (
	"net"
	"testing"

	"parley/sip"
)

// BenchmarkUDP brings a request in and a response out over loopback.
func BenchmarkUDP(b *testing.B) {
	done := make(chan struct{}, 1)
	var resp *sip.Message
	l := New(Config{Sockets: 1, Handler: func(f sip.Flow, m *sip.Message) {
		if resp == nil {
			resp, _ = m.Response(200, "").ToTag("b").Message()
		}
		if err := f.Send(resp); err != nil {
			b.Error(err)
		}
		done <- struct{}{}
	}})
	defer l.Close()
	addr, err := l.ListenUDP(b.Context(), "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	peer, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	text := []byte(request("UDP", "192.0.2.1;rport", "bench"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := peer.Write(text); err != nil {
			b.Fatal(err)
		}
		<-done
	}
}

// BenchmarkReceive is a request from bytes to the Handler, with its Via stamped.
func BenchmarkReceive(b *testing.B) {
	l := New(Config{})
	u := &udpListener{layer: l}
	source := addrPort(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000})
	u.bound = source
	text := []byte(request("UDP", "192.0.2.1;rport", "bench"))
	b.ReportAllocs()
	for b.Loop() {
		u.message(udpFlow{listener: u, local: source, remote: source}, string(text), source)
	}
}

// BenchmarkFramer cuts two pipelined messages.
func BenchmarkFramer(b *testing.B) {
	stream := []byte(request("TCP", "h", "a") + requestWithBody("TCP", "h", "b", "body"))
	f := framer{max: 64 << 10}
	b.ReportAllocs()
	for b.Loop() {
		f.wrote(copy(f.space(), stream))
		for {
			if t, _, err := f.next(); t == tokenNone || err != nil {
				break
			}
		}
	}
}
