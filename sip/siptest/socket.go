package siptest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"testing"

	"parley/sip"
)

// longest is the largest message that a peer reads from a stream.
const longest = 1 << 20

// UDP makes a peer with a socket on loopback that talks to server ("127.0.0.1:5060").
func UDP(t testing.TB, name, server string) *Peer {
	t.Helper()
	addr, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		t.Fatalf("siptest: %v", err)
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: loopback(addr.IP)})
	if err != nil {
		t.Fatalf("siptest: %v", err)
	}
	p := newPeer(t, name)
	p.wire = udpWire{conn, addr}
	go p.readPackets(conn)
	return p
}

func loopback(ip net.IP) net.IP {
	if ip.To4() == nil {
		return net.IPv6loopback
	}
	return net.IPv4(127, 0, 0, 1)
}

type udpWire struct {
	conn   *net.UDPConn
	server *net.UDPAddr
}

func (w udpWire) network() string { return sip.UDP }
func (w udpWire) host() string    { return w.conn.LocalAddr().String() }
func (w udpWire) close()          { _ = w.conn.Close() }
func (w udpWire) write(text string) error {
	_, err := w.conn.WriteToUDP([]byte(text), w.server)
	return err
}

func (p *Peer) readPackets(conn *net.UDPConn) {
	buf := make([]byte, 1<<16)
	for {
		n, _, err := conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		p.parse(string(buf[:n]))
	}
}

// parse takes one message's text; CRLF alone is a keep-alive.
func (p *Peer) parse(text string) {
	if len(bytes.Trim([]byte(text), "\r\n\x00")) == 0 {
		return
	}
	m, err := sip.Parse(text)
	if err != nil {
		p.say("<- not SIP: " + err.Error())
		return
	}
	p.take(m)
}

// TCP makes a peer with a connection to server.
func TCP(t testing.TB, name, server string) *Peer {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", server)
	if err != nil {
		t.Fatalf("siptest: %v", err)
	}
	return stream(t, name, sip.TCP, conn)
}

// TLS makes a peer with a TLS connection to server.
func TLS(t testing.TB, name, server string, config *tls.Config) *Peer {
	t.Helper()
	d := tls.Dialer{Config: config}
	conn, err := d.DialContext(t.Context(), "tcp", server)
	if err != nil {
		t.Fatalf("siptest: %v", err)
	}
	return stream(t, name, sip.TLS, conn)
}

func stream(t testing.TB, name, network string, conn net.Conn) *Peer {
	p := newPeer(t, name)
	p.wire = streamWire{conn, network}
	go p.readStream(conn)
	return p
}

type streamWire struct {
	conn net.Conn
	name string
}

func (w streamWire) network() string { return w.name }
func (w streamWire) host() string    { return w.conn.LocalAddr().String() }
func (w streamWire) close()          { _ = w.conn.Close() }
func (w streamWire) write(text string) error {
	_, err := w.conn.Write([]byte(text))
	return err
}

func (p *Peer) readStream(conn net.Conn) {
	var have []byte
	buf := make([]byte, 1<<16)
	for {
		n, err := conn.Read(buf)
		have = append(have, buf[:n]...)
		rest, bad := p.frames(have)
		if err = errors.Join(err, bad); err != nil {
			p.say("<- the connection ended: " + err.Error())
			return
		}
		have = rest
	}
}

// frames takes the whole messages off the start of b.
func (p *Peer) frames(b []byte) (rest []byte, err error) {
	for {
		b = bytes.TrimLeft(b, "\r\n")
		n, err := sip.FrameLength(b, longest)
		if err != nil || n == 0 {
			return b, err
		}
		p.parse(string(b[:n]))
		b = b[n:]
	}
}
