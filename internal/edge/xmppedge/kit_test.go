package xmppedge

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xdg-go/scram"
	"go.uber.org/goleak"

	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/im"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is longer than anything here takes.
const patience = 20 * time.Second

// accounts are alice and bob, whose passwords are their names and "-pw".
type accounts struct{}

func keysOf(user, password, hash string) core.SCRAM {
	g := scram.SHA256
	if hash == "SHA-1" {
		g = scram.SHA1
	}
	c, err := g.NewClientUnprepped(user, password, "")
	if err != nil {
		panic(err)
	}
	k, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: 4096})
	if err != nil {
		panic(err)
	}
	return core.SCRAM{Iterations: 4096, Salt: []byte("0123456789abcdef"), Stored: k.StoredKey, Server: k.ServerKey}
}

func (accounts) SCRAM(_ context.Context, a core.Address, hash string) (core.SCRAM, error) {
	if a.Local != "alice" && a.Local != "bob" {
		return keysOf(a.Local, "nobody knows", hash), core.ErrNoAccount
	}
	return keysOf(a.Local, a.Local+"-pw", hash), nil
}

func (accounts) Password(_ context.Context, a core.Address, password string) error {
	if (a.Local == "alice" || a.Local == "bob") && password == a.Local+"-pw" {
		return nil
	}
	return core.ErrNoAccount
}

// guard counts.
type guard struct {
	mu                sync.Mutex
	wait              time.Duration
	failed, succeeded []string
}

func (g *guard) Check(string, core.Address) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wait
}

func (g *guard) Failed(_ string, a core.Address) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed = append(g.failed, a.String())
}

func (g *guard) Succeeded(_ string, a core.Address) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.succeeded = append(g.succeeded, a.String())
}

// chat notes what it is told, and sends messages on to sessions that are there.
type chat struct {
	sessions *im.Table
	got      chan *xmpp.Stanza
	ended    chan string
	hold     chan struct{} // if it is not nil, handling waits for it
}

func (c *chat) Handle(_ context.Context, _ *im.Session, st *xmpp.Stanza) {
	if c.hold != nil {
		<-c.hold
	}
	if strings.Contains(st.Text(), "panic!") {
		panic("as was asked for")
	}
	if to := c.sessions.Get(st.To()); to != nil {
		to.Send(st)
	}
	select {
	case c.got <- st:
	default:
	}
}

func (c *chat) Ended(_ context.Context, s *im.Session) { c.ended <- s.JID().String() }

// world is an edge with accounts and a chat.
type world struct {
	*Edge
	t     *testing.T
	guard *guard
	chat  *chat
	table *im.Table
	tcp   string // where it listens
	tls   string
}

func newWorld(t *testing.T, c Config) *world {
	t.Helper()
	table := im.NewTable(5)
	w := &world{
		t: t, guard: &guard{}, table: table,
		chat: &chat{sessions: table, got: make(chan *xmpp.Stanza, 10000), ended: make(chan string, 1000)},
	}
	if c.Domains == nil {
		c.Domains = []string{"example.org", "xn--bcher-kva.example"}
	}
	w.Edge = New(c, Ports{
		Credentials: accounts{}, Guard: w.guard, Sessions: table, Chat: w.chat,
		Addresses: func(local, domain string) (core.Address, error) {
			if local == "" || strings.ContainsAny(local, "@/ ") {
				return core.Address{}, errors.New("no address")
			}
			return core.Address{Local: strings.ToLower(local), Domain: domain}, nil
		},
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := w.Close(ctx); err != nil {
			t.Errorf("the edge does not close: %v", err)
		}
	})
	return w
}

// listening is a world that is reached over TCP.
func listening(t *testing.T, c Config) *world {
	t.Helper()
	if c.TLS == nil {
		c.TLS = certificate(t)
	}
	w := newWorld(t, c)
	plain, err := w.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	direct, err := w.ListenTLS(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.tcp, w.tls = plain.String(), direct.String()
	return w
}

func certificate(t testing.TB) *tls.Config {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS() // which makes one
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS12}
}

// client is the other end of a connection.
type client struct {
	t    testing.TB
	conn net.Conn
	scan *xmpp.Scanner
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return over(t, c)
}

func dialTLS(t testing.TB, addr string) *client {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"xmpp-client"}})
	if err != nil {
		t.Fatal(err)
	}
	return over(t, c)
}

func over(t testing.TB, c net.Conn) *client {
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, conn: c, scan: new(xmpp.Scanner)}
}

func (c *client) say(texts ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, strings.Join(texts, "")); err != nil {
		c.t.Fatalf("can't say %.100q: %v", strings.Join(texts, ""), err)
	}
}

// next gives what the server says next: the stream's header, an element, or nil at the stream's end. "" is the end of the
// connection.
func (c *client) next() (xmpp.Event, *xmpp.Element, error) {
	b := make([]byte, 4096)
	for {
		event, raw, err := c.scan.Next()
		switch {
		case err != nil:
			return event, nil, err
		case event == xmpp.Whole:
			return event, raw.Element(), nil
		case event == xmpp.Opened:
			return event, &xmpp.Element{Name: raw.Name(), Attrs: []xmpp.Attr{
				{Name: xmpp.Name{Local: "from"}, Value: raw.Attr("from")}, {Name: xmpp.Name{Local: "id"}, Value: raw.Attr("id")},
				{Name: xmpp.Name{Local: "to"}, Value: raw.Attr("to")},
			}}, nil
		case event == xmpp.Closed:
			return event, nil, nil
		}
		n, err := c.conn.Read(b)
		if n == 0 && err != nil {
			return xmpp.More, nil, err
		}
		c.scan.Feed(b[:n])
	}
}

// hear gives the next element.
func (c *client) hear() *xmpp.Element {
	c.t.Helper()
	event, e, err := c.next()
	if err != nil || event != xmpp.Whole {
		c.t.Fatalf("an element is expected, not event %d, %v", event, err)
	}
	return e
}

// want is hear for an element of a name.
func (c *client) want(space, local string) *xmpp.Element {
	c.t.Helper()
	e := c.hear()
	if e.Space != space || e.Local != local {
		c.t.Fatalf("heard %s, want %s of %s", text(e), local, space)
	}
	return e
}

func text(e *xmpp.Element) string {
	b := xmpp.NewBuilder(nil)
	e.Append(b)
	return b.String()
}

const header = "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' " +
	"xmlns:stream='http://etherx.jabber.org/streams'>"

// open opens a stream and gives its features.
func (c *client) open() *xmpp.Element {
	c.t.Helper()
	c.scan = new(xmpp.Scanner)
	c.say(header)
	if event, _, err := c.next(); err != nil || event != xmpp.Opened {
		c.t.Fatalf("a stream's header is expected: %d, %v", event, err)
	}
	return c.want(xmpp.NSStream, "features")
}

// startTLS goes on under TLS.
func (c *client) startTLS() {
	c.t.Helper()
	c.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	c.want(xmpp.NSTLS, "proceed")
	c.conn = tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
}

func (c *client) plain(user, password string) {
	c.t.Helper()
	c.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
		base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)) + "</auth>")
}

// scram signs in by SCRAM-SHA-1.
func (c *client) scram(user string) {
	c.t.Helper()
	library, err := scram.SHA1.NewClient(user, user+"-pw", "")
	if err != nil {
		c.t.Fatal(err)
	}
	x := library.NewConversation()
	first, _ := x.Step("")
	const ns = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
	c.say("<auth " + ns + " mechanism='SCRAM-SHA-1'>" + base64.StdEncoding.EncodeToString([]byte(first)) + "</auth>")
	challenge, err := base64.StdEncoding.DecodeString(c.want(xmpp.NSSASL, "challenge").Text)
	if err != nil {
		c.t.Fatal(err)
	}
	final, err := x.Step(string(challenge))
	if err != nil {
		c.t.Fatal(err)
	}
	c.say("<response " + ns + ">" + base64.StdEncoding.EncodeToString([]byte(final)) + "</response>")
	c.want(xmpp.NSSASL, "success")
}

// signIn does so by PLAIN, on a stream that is open, and opens the next.
func (c *client) signIn(user string) {
	c.t.Helper()
	c.plain(user, user+"-pw")
	c.want(xmpp.NSSASL, "success")
	c.open()
}

// bind asks for a resource and gives the address.
func (c *client) bind(resource string) string {
	c.t.Helper()
	c.say("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource + "</resource></bind></iq>")
	iq := c.want(xmpp.NSClient, "iq")
	if iq.Attr("type") != "result" {
		c.t.Fatalf("no resource: %s", text(iq))
	}
	return iq.Child(xmpp.NSBind, "bind").ChildText("", "jid")
}

// session is a client with one, over direct TLS.
func (w *world) session(user, resource string) *client {
	w.t.Helper()
	c := dialTLS(w.t, w.tls)
	c.open()
	c.signIn(user)
	if got, want := c.bind(resource), user+"@example.org/"+resource; got != want {
		w.t.Fatalf("bound %s, want %s", got, want)
	}
	return c
}

// ends waits for a stream error, and the ends of the stream and the connection.
func (c *client) ends(condition xmpp.StreamCondition) {
	c.t.Helper()
	e := c.want(xmpp.NSStream, "error")
	if e.Child(xmpp.NSStreams, string(condition)) == nil {
		c.t.Errorf("the stream ends with %s, want %s", text(e), condition)
	}
	c.closed()
}

// closed waits for the ends of the stream and the connection.
func (c *client) closed() {
	c.t.Helper()
	if event, e, err := c.next(); err != nil || event != xmpp.Closed {
		c.t.Errorf("the stream does not end, but with event %d, %v, %v", event, e, err)
	}
	c.gone()
}

// gone waits for the end of the connection.
func (c *client) gone() {
	c.t.Helper()
	_, err := io.Copy(io.Discard, c.conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // a net.Conn gives it as it is
		c.t.Error("the connection is kept")
	}
}
