package turn

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// clock is the tests' time.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

func loopback() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }

// scene is a server that listens on loopback.
type scene struct {
	*testing.T
	*Server
	clock *clock
	at    netip.AddrPort
}

// open starts a server whose relayed addresses may talk to loopback.
func open(t *testing.T, adapt func(*Config)) *scene {
	t.Helper()
	k := newClock()
	c := Config{
		Credentials: &Credentials{Realm: "example.org", Key: []byte("key"), Lifetime: time.Hour, Now: k.now},
		Relays:      []Address{{Bind: loopback()}}, Sockets: 2, Now: k.now,
		Peers: Peers{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
	}
	if adapt != nil {
		adapt(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	at, err := s.ListenUDP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &scene{T: t, Server: s, clock: k, at: at}
}

// client is one with a socket of its own, or a connection.
type client struct {
	*scene
	conn       net.Conn
	credential Credential
	nonce      []byte
	sha        bool // negotiates SHA-256
	rest       []byte
}

func (s *scene) client(account string) *client {
	s.Helper()
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(s.at))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { c.Close() })
	return &client{scene: s, conn: c, credential: s.cfg.Credentials.New(account)}
}

// overStream is a client with a connection to a listener of its own.
func (s *scene) overStream(account string, secure *tls.Config) *client {
	s.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	if err := s.ServeStream(l, secure); err != nil {
		s.Fatal(err)
	}
	var conn net.Conn
	if conn, err = net.Dial("tcp4", l.Addr().String()); err != nil {
		s.Fatal(err)
	}
	if secure != nil {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	s.Cleanup(func() { conn.Close() })
	return &client{scene: s, conn: conn, credential: s.cfg.Credentials.New(account)}
}

type attr struct {
	t stun.AttrType
	v []byte
}

func udp() attr { return attr{stun.AttrRequestedTransport, []byte{17, 0, 0, 0}} }

func peer(a netip.AddrPort, id [12]byte) attr {
	return attr{stun.AttrXORPeerAddress, appendXORAddress(nil, a, id)}
}

// build makes a message; prove adds what proves it.
func (c *client) build(method stun.Method, id [12]byte, prove bool, attrs ...attr) []byte {
	m := stun.New()
	m.TransactionID, m.Type = id, stun.NewType(method, stun.ClassRequest)
	m.WriteHeader()
	for _, a := range attrs {
		m.Add(a.t, a.v)
	}
	if prove {
		c.prove(m)
	}
	return m.Raw
}

func (c *client) prove(m *stun.Message) {
	m.Add(stun.AttrUsername, []byte(c.credential.Name))
	m.Add(stun.AttrRealm, []byte("example.org"))
	m.Add(stun.AttrNonce, c.nonce)
	text := c.credential.Name + ":example.org:" + c.credential.Password
	if !c.sha {
		// The library's, not ours.
		if err := stun.NewLongTermIntegrity(c.credential.Name, "example.org", c.credential.Password).AddTo(m); err != nil {
			c.Fatal(err)
		}
		return
	}
	m.Add(stun.AttrPasswordAlgorithms, algorithms())
	m.Add(stun.AttrPasswordAlgorithm, []byte{0, 2, 0, 0})
	key := sha256.Sum256([]byte(text))
	_, two := integrities()
	two.add(m, key[:])
}

func newID() (id [12]byte) {
	rand.Read(id[:])
	return id
}

func (c *client) write(b []byte) {
	c.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.Fatal(err)
	}
}

// read gives the next message; nil if none comes.
func (c *client) read(wait time.Duration) []byte {
	c.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		c.Fatal(err)
	}
	if _, isUDP := c.conn.(*net.UDPConn); isUDP {
		b := make([]byte, 70000)
		n, err := c.conn.Read(b)
		if err != nil {
			return nil
		}
		return b[:n]
	}
	for {
		if n, err := frame(c.rest); err != nil {
			c.Fatalf("the server sends no frame: %v", err)
		} else if n > 0 && len(c.rest) >= n {
			b := c.rest[:n]
			c.rest = c.rest[n:]
			return b
		}
		b := make([]byte, 70000)
		n, err := c.conn.Read(b)
		if err != nil {
			return nil
		}
		c.rest = append(c.rest, b[:n]...)
	}
}

const patience = 5 * time.Second

func (c *client) answer() *stun.Message {
	c.Helper()
	m := &stun.Message{Raw: c.read(patience)}
	if err := m.Decode(); err != nil {
		c.Fatalf("no answer: %v", err)
	}
	return m
}

// ask sends a request, with proof once there is a nonce, and answers the first challenge.
func (c *client) ask(method stun.Method, attrs func(id [12]byte) []attr) *stun.Message {
	c.Helper()
	for try := 0; ; try++ {
		id := newID()
		var list []attr
		if attrs != nil {
			list = attrs(id)
		}
		c.write(c.build(method, id, c.nonce != nil, list...))
		m := c.answer()
		if code := errorOf(m); try == 0 && (code == 438 || code == 401 && c.nonce == nil) {
			c.nonce, _ = m.Get(stun.AttrNonce)
			continue
		}
		return m
	}
}

func some(list ...attr) func([12]byte) []attr { return func([12]byte) []attr { return list } }

func errorOf(m *stun.Message) int {
	v, err := m.Get(stun.AttrErrorCode)
	if err != nil || len(v) < 4 {
		return 0
	}
	return int(v[2])*100 + int(v[3])
}

// allocate makes an allocation and gives the relayed address.
func (c *client) allocate(more ...attr) netip.AddrPort {
	c.Helper()
	m := c.ask(stun.MethodAllocate, some(append(more, udp())...))
	if code := errorOf(m); code != 0 {
		c.Fatalf("an allocation is refused with %d", code)
	}
	return c.relayed(m)
}

func (c *client) relayed(m *stun.Message) netip.AddrPort {
	c.Helper()
	v, _ := m.Get(stun.AttrXORRelayedAddress)
	a, ok := xorAddress(v, m.TransactionID)
	if !ok {
		c.Fatal("there is no relayed address")
	}
	return a
}

func (c *client) permit(p netip.AddrPort) int {
	c.Helper()
	return errorOf(c.ask(stun.MethodCreatePermission, func(id [12]byte) []attr { return []attr{peer(p, id)} }))
}

func (c *client) bindChannel(n uint16, p netip.AddrPort) int {
	c.Helper()
	return errorOf(c.ask(stun.MethodChannelBind, func(id [12]byte) []attr {
		return []attr{{stun.AttrChannelNumber, append(binary.BigEndian.AppendUint16(nil, n), 0, 0)}, peer(p, id)}
	}))
}

// other is somebody on the internet.
type other struct {
	*testing.T
	*net.UDPConn
}

func (s *scene) other() other {
	s.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { c.Close() })
	return other{s.T, c}
}

func (o other) at() netip.AddrPort { return unmap(o.LocalAddr().(*net.UDPAddr).AddrPort()) }

func (o other) hear(wait time.Duration) (string, netip.AddrPort) {
	o.Helper()
	if err := o.SetReadDeadline(time.Now().Add(wait)); err != nil {
		o.Fatal(err)
	}
	b := make([]byte, 70000)
	n, from, err := o.ReadFromUDPAddrPort(b)
	if err != nil {
		return "", from
	}
	return string(b[:n]), unmap(from)
}

func (o other) say(text string, to netip.AddrPort) {
	o.Helper()
	if _, err := o.WriteToUDPAddrPort([]byte(text), to); err != nil {
		o.Fatal(err)
	}
}
