package xmpptest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"
	"go.uber.org/goleak"

	"parley/xmpp"
	"parley/xmpp/sasl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFits(t *testing.T) {
	t.Parallel()
	const heard = `<message xmlns='jabber:client' from='bob@example.org/x' id='' type='chat' xml:lang='en'>` +
		`<body>Hi &amp; bye</body><a xmlns='urn:a' n='1'/><a xmlns='urn:a' n='2'/></message>`
	for pattern, want := range map[string]bool{
		"message":                               true,
		"any":                                   true,
		"message chat":                          true,
		"message groupchat":                     false,
		"presence":                              false,
		"<message/>":                            true,
		"<iq/>":                                 false,
		"<message type='*'/>":                   true,
		"<message id='*'/>":                     false,
		"<message id=''/>":                      true,
		"<message id='!'/>":                     false,
		"<message to='!'/>":                     true,
		"<message to='*'/>":                     false,
		"<message from='bob@example.org/*'/>":   true,
		"<message from='alice@example.org/*'/>": false,
		"<message to=''/>":                      false,
		"<message xml:lang='en'/>":              true,
		"<message lang='en'/>":                  false,
		"<message xmlns='jabber:client'/>":      true,
		"<message xmlns='jabber:server'/>":      false,
		"<message><body>Hi &amp; bye</body></message>": true,
		"<message><body>Hi</body></message>":           false,
		"<message><body>*</body></message>":            true,
		"<message><subject/></message>":                false,
		"<message><a n='2'/><a n='1'/></message>":      true,
		"<message><a n='2'/><a n='2'/></message>":      false,
		"<message><a/><a/><a/></message>":              false,
		"<message><a xmlns='urn:a'/></message>":        true,
		"<message><a xmlns='urn:b'/></message>":        false,
	} {
		e, err := xmpp.ParseElement(heard)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&Client{}).fits(e, pattern); got != want {
			t.Errorf("%s fits: %v, want %v", pattern, got, want)
		}
	}
}

func TestStanzasAreCounted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint32{
		"<message/>": 1, "<message/><iq id='1'><query/></iq> <presence/>": 3, "<r xmlns='urn:xmpp:sm:3'/>": 0,
		"<message><message/></message>": 1, "<message": 0, "<!-- -->": 0, "</stream:stream>": 0, "": 0,
		"<stream:stream>": 0,
	} {
		if got := stanzas(text); got != want {
			t.Errorf("%q has %d stanzas, want %d", text, got, want)
		}
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{
		"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "",
	} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			c := Over(t, "alice@example.org", serve(t), nil)
			c.Prepare()
			if got := c.TrySignIn(mechanism, "wrong"); got != "not-authorized" {
				t.Errorf("a wrong password: %q", got)
			}
			c.SignIn(mechanism, "pencil")
			if j := c.Bind("phone"); j.String() != "alice@example.org/phone" {
				t.Errorf("bound as %s", j)
			}
			c.Close()
		})
	}
}

func TestBindingToTheCertificate(t *testing.T) {
	t.Parallel()
	c := Over(t, "alice@example.org", serve(t), nil)
	c.Binding = "tls-server-end-point"
	c.Login("pencil", "phone")
	c.Close()
}

func TestConversation(t *testing.T) {
	t.Parallel()
	c := Over(t, "alice@example.org", serve(t), nil)
	c.Login("pencil", "")
	c.Enable(true)
	c.Ignore("presence")
	c.Send("<message id='1' to='alice@example.org'><body>one</body></message><presence/>")
	c.Send("<message id='2' to='alice@example.org'><body>two</body></message>")
	c.Await("<message id='2'/>")
	if r := c.Expect("<message id='1'/>", "<message id='2'/>"); r.Attr("id") != "1" || r.Stanza().Body() != "one" {
		t.Errorf("the one that came before is %s", r.Raw)
	}
	if h := c.RequestAck(); h != 3 || c.Sent() != 3 || c.Received() != 3 {
		t.Errorf("acknowledged are %d, sent %d, received %d; want 3", h, c.Sent(), c.Received())
	}
	if got := c.Ask("get", "", "<nothing xmlns='urn:none'/>").Condition(); got != "service-unavailable" {
		t.Errorf("asked for nothing and got %q", got)
	}
	c.HearsNothing(20 * time.Millisecond)
	c.Send("<r xmlns='urn:ask'/>") // the server asks back twice
	c.Await("<a xmlns='urn:got' h='4'/>")
	c.Await("<a xmlns='urn:got' h='4'/>")
	c.Send("<end xmlns='urn:ask'/>")
	c.ExpectEnd("conflict")
}

func TestWhatIsExpectedAndDoesNotComeFailsWithTheWire(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(c *Client){
		"expected message, but nothing came":        func(c *Client) { c.Expect("message") },
		"expected <message x='1'/>, got <message/>": func(c *Client) { c.Send("<message/>"); c.Expect("<message x='1'/>") },
		"waited for message in vain":                func(c *Client) { c.Await("message") },
		"expected nothing, got <presence":           func(c *Client) { c.Send("<presence/>"); c.HearsNothing(time.Second) },
		"expected the stream to end, but":           func(c *Client) { c.ExpectEnd("") },
		`end with "reset", got "conflict"`:          func(c *Client) { c.Send("<end xmlns='urn:ask'/>"); c.ExpectEnd("reset") },
		"could not sign in by PLAIN: not-author":    func(c *Client) { c.SignIn("PLAIN", "wrong") },
		"in vain: xmpptest: the stream ended":       func(c *Client) { c.Send("<end xmlns='urn:ask'/>"); c.Await("message") },
		"could not resume: <failed":                 func(c *Client) { c.Resume(&Client{JID: c.JID}) },
		"knows none of the mechanisms [\"OTHER\"": func(c *Client) {
			c.Features = &xmpp.Element{Name: xmpp.Name{Local: "features"}, Children: []*xmpp.Element{{Name: xmpp.Name{Space: xmpp.NSSASL, Local: "mechanisms"}, Children: []*xmpp.Element{{Text: "OTHER"}}}}}
			c.best()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := &failing{TB: t}
			c := Over(said, "alice@example.org", serve(t), nil)
			c.Prepare()
			c.Timeout = 50 * time.Millisecond
			done := make(chan struct{})
			go func() { // which Fatalf ends
				defer close(done)
				f(c)
			}()
			<-done
			if !strings.Contains(said.text, name) || !strings.Contains(said.text, "-> <?xml") {
				t.Errorf("want a failure with %q and the wire, got %q", name, said.text)
			}
		})
	}
}

// failing is a test that keeps how it failed.
type failing struct {
	testing.TB
	text string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// server is the least of a server: one account that knows itself alone.
type server struct {
	conn   net.Conn
	cert   tls.Certificate
	scan   xmpp.Scanner
	tls    bool
	authed bool
	login  *sasl.Login
	count  uint32
}

// serve gives the other end of a connection to a server.
func serve(t *testing.T) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	s := &server{conn: near, cert: certificate(t)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer near.Close()
		s.run(t.Context())
	}()
	t.Cleanup(func() {
		far.Close()
		<-done
	})
	return far
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (s *server) run(ctx context.Context) {
	buf := make([]byte, 4096)
	for {
		event, raw, err := s.scan.Next()
		switch {
		case err != nil:
			return
		case event == xmpp.Closed:
			s.say("</stream:stream>")
			return
		case event == xmpp.Opened:
			s.say("<stream:stream xmlns='jabber:client' xmlns:stream='" + xmpp.NSStream + "' from='example.org' version='1.0'>" +
				"<stream:features>" + s.features() + "</stream:features>")
		case event == xmpp.Whole:
			if !s.answer(ctx, raw.Element(), raw.Text()) {
				return
			}
		default:
			n, err := s.conn.Read(buf)
			if err != nil {
				return
			}
			s.scan.Feed(buf[:n])
		}
	}
}

func (s *server) say(text string) { _, _ = s.conn.Write([]byte(text)) }

func (s *server) features() string {
	switch {
	case !s.tls:
		return "<starttls xmlns='" + xmpp.NSTLS + "'/>"
	case s.authed:
		return "<bind xmlns='" + xmpp.NSBind + "'/>"
	}
	b := xmpp.NewBuilder(nil).Open("mechanisms", xmpp.NSSASL)
	for _, name := range sasl.Names(s.mechanisms()) {
		b.Element("mechanism", "", name)
	}
	return b.Close().String()
}

func (s *server) mechanisms() []sasl.Mechanism {
	state := s.conn.(*tls.Conn).ConnectionState()
	bindings := sasl.Bindings(&state, s.cert.Leaf)
	var all []sasl.Mechanism
	for _, hash := range []string{"SHA-256", "SHA-1"} {
		for _, plus := range []bool{true, false} {
			all = append(all, sasl.SCRAM{Users: alice{}, Hash: hash, Plus: plus, Bindings: bindings})
		}
	}
	return append(all, sasl.Plain{Users: alice{}})
}

// answer is false at the end.
func (s *server) answer(ctx context.Context, e *xmpp.Element, text string) bool {
	switch e.Space + " " + e.Local {
	case xmpp.NSTLS + " starttls":
		s.say("<proceed xmlns='" + xmpp.NSTLS + "'/>")
		s.conn = tls.Server(s.conn, &tls.Config{Certificates: []tls.Certificate{s.cert}})
		s.scan = xmpp.Scanner{}
		s.tls = true
	case xmpp.NSSASL + " auth", xmpp.NSSASL + " response":
		s.step(ctx, e)
	case NSSM + " enable":
		s.count = 0
		s.say("<enabled xmlns='" + NSSM + "' id='some' resume='true'/>")
	case NSSM + " resume":
		s.say("<failed xmlns='" + NSSM + "'/>")
	case NSSM + " r":
		s.say(ack(s.count))
	case NSSM + " a":
		s.say("<a xmlns='urn:got' h='" + e.Attr("h") + "'/>")
	case "urn:ask r":
		s.say("<r xmlns='" + NSSM + "'/><r xmlns='" + NSSM + "'/>")
	case "urn:ask end":
		s.say((&xmpp.StreamError{Condition: xmpp.StreamConflict}).XML("stream:") + "</stream:stream>")
		return false
	case xmpp.NSClient + " iq":
		s.count++
		s.say("<iq id='" + e.Attr("id") + "' " + result(e) + "</iq>")
	case xmpp.NSClient + " message", xmpp.NSClient + " presence":
		s.count++
		s.say(text)
	}
	return true
}

func result(iq *xmpp.Element) string {
	if bind := iq.Child(xmpp.NSBind, "bind"); bind != nil {
		resource := bind.ChildText("", "resource")
		if resource == "" {
			resource = "some"
		}
		return "type='result'><bind xmlns='" + xmpp.NSBind + "'><jid>alice@example.org/" + resource + "</jid></bind>"
	}
	return "type='error'>" + (&xmpp.StanzaError{Condition: xmpp.ServiceUnavailable}).XML()
}

func (s *server) step(ctx context.Context, e *xmpp.Element) {
	data, err := sasl.Decode(e.Text)
	if e.Local == "auth" && err == nil {
		s.login, err = sasl.Begin(s.mechanisms(), e.Attr("mechanism"))
	}
	var reply []byte
	done := false
	if err == nil {
		reply, done, err = s.login.Step(ctx, data)
	}
	if failure, ok := errors.AsType[*sasl.Error](err); ok {
		s.say(failure.XML())
		return
	}
	name := "challenge"
	if done {
		name, s.authed = "success", true
		s.scan.Restart()
	}
	s.say(xmpp.NewBuilder(nil).Element(name, xmpp.NSSASL, sasl.Encode(reply)).String())
}

// alice is the one user there is.
type alice struct{}

func (alice) Keys(_ context.Context, user, hash string) (sasl.Keys, error) {
	generator := scram.SHA256
	if hash == "SHA-1" {
		generator = scram.SHA1
	}
	c, err := generator.NewClient(user, "pencil", "")
	if err != nil {
		return sasl.Keys{}, err
	}
	k, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789", Iters: 4096})
	return sasl.Keys{Iterations: 4096, Salt: []byte("0123456789"), Stored: k.StoredKey, Server: k.ServerKey}, err
}

func (alice) Password(_ context.Context, user, password string) error {
	if user != "alice" || password != "pencil" {
		return sasl.Fail(sasl.NotAuthorized, "", nil)
	}
	return nil
}

func (alice) Allows(context.Context, string, string) (bool, error) { return false, nil }
