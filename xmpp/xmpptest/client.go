package xmpptest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// Patience is how long a client waits for what should come at once: long, for machines under load.
const Patience = 10 * time.Second

// Client is an XMPP client. Its methods are for the test's goroutine.
type Client struct {
	// Timeout is how long Expect and its like wait; Patience from the start.
	Timeout time.Duration
	// JID is who it is: the account, and the full address once it is bound.
	JID jid.JID
	// Features is what the server last offered, Header the header of its stream.
	Features, Header *xmpp.Element
	// Binding is the type of channel binding that -PLUS mechanisms use; by default what the version of TLS suggests.
	Binding string
	// Manual leaves the answers to <r/> of stream management to the test, which then sees them.
	Manual bool

	t      testing.TB
	config *tls.Config
	wire   wire
	ignore []string
	ids    int
	acks   chan uint32 // to be sent, in their order

	mu    sync.Mutex // of all below
	inbox []*Received
	news  chan struct{}
	ended error // why nothing more comes
	log   []string
	sm    counts
}

// wire is how a client's XML travels.
type wire interface {
	write(text string) error
	// read blocks; it calls c.take with what arrives, and returns when it has to be called again (swapped), or at the end.
	read(c *Client) error
	open(to string) string // the stream's header
	closing() string       // the stream's end
	close()
}

func newClient(t testing.TB, address string, config *tls.Config) *Client {
	t.Helper()
	j, err := jid.Parse(address)
	if err != nil {
		t.Fatalf("xmpptest: %s: %v", address, err)
	}
	if config == nil {
		config = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // servers of tests have certificates of their own
	}
	config = config.Clone()
	if config.ServerName == "" {
		config.ServerName = j.Domain
	}
	return &Client{Timeout: Patience, JID: j, t: t, config: config, news: make(chan struct{}, 1), acks: make(chan uint32, 1024)}
}

// start begins to read.
func (c *Client) start(w wire) *Client {
	c.wire = w
	c.t.Cleanup(c.Cut)
	go c.run()
	go c.answer()
	return c
}

// TCP connects to server ("127.0.0.1:5222") for the account of an address. A nil config takes any certificate.
func TCP(t testing.TB, address, server string, config *tls.Config) *Client {
	t.Helper()
	return Over(t, address, dial(t, server), config)
}

// Over is a client on a connection that is there already, such as one end of net.Pipe.
func Over(t testing.TB, address string, conn net.Conn, config *tls.Config) *Client {
	t.Helper()
	return newClient(t, address, config).start(&stream{conn: conn})
}

// TLS connects by TLS from the start (XEP-0368).
func TLS(t testing.TB, address, server string, config *tls.Config) *Client {
	t.Helper()
	c := newClient(t, address, config)
	if len(c.config.NextProtos) == 0 {
		c.config.NextProtos = []string{"xmpp-client"}
	}
	conn := tls.Client(dial(t, server), c.config)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		t.Fatalf("xmpptest: TLS with %s: %v", server, err)
	}
	return c.start(&stream{conn: conn})
}

func dial(t testing.TB, server string) net.Conn {
	t.Helper()
	d := net.Dialer{Timeout: Patience}
	conn, err := d.DialContext(t.Context(), "tcp", server)
	if err != nil {
		t.Fatalf("xmpptest: %v", err)
	}
	return conn
}

// Send sends text as it stands: stanzas, or whatever else.
func (c *Client) Send(text string) {
	c.t.Helper()
	c.note("-> " + text)
	c.mu.Lock()
	c.sm.sent += stanzas(text)
	c.mu.Unlock()
	if err := c.wire.write(text); err != nil {
		c.Fail("could not send %s: %v", text, err)
	}
}

// Cut ends the connection without a word.
func (c *Client) Cut() {
	c.note("-- cut")
	c.wire.close()
}

// Close ends the stream, and waits until the server has done so too.
func (c *Client) Close() {
	c.t.Helper()
	c.Send(c.wire.closing())
	c.ExpectEnd("")
}

// Fail ends the test with everything that was on the wire.
func (c *Client) Fail(format string, args ...any) {
	c.t.Helper()
	c.mu.Lock()
	log := strings.Join(c.log, "\n  ")
	c.mu.Unlock()
	c.t.Fatalf("%s %s\non its wire:\n  %s", c.JID, fmt.Sprintf(format, args...), log)
}

// Log is what was on the wire, a line each: "-> " before what was sent.
func (c *Client) Log() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.log...)
}

// longestLine is how much of one stanza a failure shows.
const longestLine = 2000

func (c *Client) note(line string) {
	if len(line) > longestLine {
		line = fmt.Sprintf("%s ... (%d bytes)", line[:longestLine], len(line))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, line)
}

// id is a fresh id for a request.
func (c *Client) id() string {
	c.ids++
	return fmt.Sprintf("ask-%d", c.ids)
}
