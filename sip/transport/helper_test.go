package transport

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/sip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// arrival is one call of a Handler.
type arrival struct {
	flow sip.Flow
	m    *sip.Message
}

// node is a Layer and what its Handler got.
type node struct {
	*Layer
	t    *testing.T
	came chan arrival
}

func newNode(t *testing.T, c Config) *node {
	t.Helper()
	n := &node{t: t, came: make(chan arrival, 4096)}
	if c.Handler == nil {
		c.Handler = func(f sip.Flow, m *sip.Message) { n.came <- arrival{f, m} }
	}
	if c.Sockets == 0 {
		c.Sockets = 2
	}
	n.Layer = New(c)
	t.Cleanup(n.Close)
	return n
}

func (n *node) udp(addr string) netip.AddrPort {
	n.t.Helper()
	return must[netip.AddrPort](n.t)(n.ListenUDP(n.t.Context(), addr))
}

func (n *node) tcp(addr string) netip.AddrPort {
	n.t.Helper()
	return must[netip.AddrPort](n.t)(n.ListenTCP(n.t.Context(), addr))
}

func (n *node) tls(addr string) netip.AddrPort {
	n.t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{certificate(n.t, "localhost")}, MinVersion: tls.VersionTLS12}
	return must[netip.AddrPort](n.t)(n.ListenTLS(n.t.Context(), addr, config))
}

// next is the next message that the Handler got.
func (n *node) next() arrival {
	n.t.Helper()
	select {
	case a := <-n.came:
		return a
	case <-time.After(patience):
		n.t.Fatalf("no message came; stats %+v", n.Stats())
		return arrival{}
	}
}

// silent checks that the Handler got nothing more.
func (n *node) silent() {
	n.t.Helper()
	select {
	case a := <-n.came:
		n.t.Fatalf("unexpected message:\n%s", a.m.Text())
	default:
	}
}

// until waits for a state of the statistics.
func (n *node) until(what string, ok func(Stats) bool) {
	n.t.Helper()
	for end := time.Now().Add(patience); !ok(n.Stats()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			n.t.Fatalf("not seen: %s; stats %+v", what, n.Stats())
		}
	}
}

// empty checks that the tables hold nothing of connections.
func (n *node) empty() {
	n.t.Helper()
	n.mu.RLock()
	defer n.mu.RUnlock()
	if len(n.conns)+len(n.peers)+len(n.dials)+len(n.groups)+n.accepted+n.dialled != 0 {
		n.t.Errorf("left are %d connections, %d peers, %d attempts, %d groups; counts %d and %d",
			len(n.conns), len(n.peers), len(n.dials), len(n.groups), n.accepted, n.dialled)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// request is an OPTIONS whose topmost Via has the given sent-by and parameters.
func request(network, sentBy, id string) string {
	return requestWithBody(network, sentBy, id, "")
}

func requestWithBody(network, sentBy, id, body string) string {
	return "OPTIONS sip:bob@example.org SIP/2.0\r\n" +
		"Via: SIP/2.0/" + network + " " + sentBy + ";branch=z9hG4bK" + id + "\r\n" +
		"Max-Forwards: 70\r\n" +
		"From: <sip:alice@example.org>;tag=a\r\n" +
		"To: <sip:bob@example.org>\r\n" +
		"Call-ID: " + id + "\r\n" +
		"CSeq: 1 OPTIONS\r\n" +
		fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
}

// message is request, parsed.
func message(t *testing.T, id, body string) *sip.Message {
	t.Helper()
	return must[*sip.Message](t)(sip.Parse(requestWithBody("TCP", "192.0.2.1;rport", id, body)))
}

// respond answers a request with 200 on the flow it came by.
func respond(t *testing.T, a arrival) {
	t.Helper()
	resp := must[*sip.Message](t)(a.m.Response(200, "").ToTag("b").Message())
	if err := a.flow.Send(resp); err != nil {
		t.Fatal(err)
	}
}

// certificate signs itself, for localhost's names and one more.
func certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		DNSNames:              []string{name},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	leaf := must[*x509.Certificate](t)(x509.ParseCertificate(der))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// client is the other end of a connection, read by hand.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

// connect dials addr over TCP or TLS.
func connect(t *testing.T, network string, addr netip.AddrPort) *client {
	t.Helper()
	raw := must[net.Conn](t)(net.Dial("tcp", addr.String()))
	if network == sip.TLS {
		raw = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	}
	return newClient(t, raw)
}

func newClient(t *testing.T, conn net.Conn) *client {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{Conn: conn, t: t, r: bufio.NewReader(conn)}
}

func (c *client) write(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// message reads one message by its Content-Length.
func (c *client) message() *sip.Message {
	c.t.Helper()
	var text strings.Builder
	length := 0
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("no message: %v after %q", err, text.String())
		}
		text.WriteString(line)
		if _, err := fmt.Sscanf(line, "Content-Length: %d", &length); err == nil {
			continue
		}
		if line == "\r\n" {
			break
		}
	}
	if _, err := io.CopyN(&text, c.r, int64(length)); err != nil {
		c.t.Fatalf("no body: %v", err)
	}
	return must[*sip.Message](c.t)(sip.Parse(text.String()))
}

// closed checks that the server closes, and sends nothing before.
func (c *client) closed() {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("the connection stays open")
	}
	if len(rest) > 0 {
		c.t.Fatalf("unexpected bytes before the end: %q", rest)
	}
}

// peerUDP is a datagram socket of a test.
func peerUDP(t *testing.T, addr string) *net.UDPConn {
	t.Helper()
	a := must[*net.UDPAddr](t)(net.ResolveUDPAddr("udp", addr))
	conn := must[*net.UDPConn](t)(net.ListenUDP("udp", a))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func sendUDP(t *testing.T, conn *net.UDPConn, to netip.AddrPort, text string) {
	t.Helper()
	if _, err := conn.WriteToUDPAddrPort([]byte(text), to); err != nil {
		t.Fatal(err)
	}
}

// readUDP reads one datagram and where it came from.
func readUDP(t *testing.T, conn *net.UDPConn) (string, netip.AddrPort) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<16)
	n, from, err := conn.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatalf("no datagram: %v", err)
	}
	return string(b[:n]), unmap(from)
}
