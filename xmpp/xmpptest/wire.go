package xmpptest

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"parley/xmpp"
)

// Received is an element that has arrived.
type Received struct {
	*xmpp.Element
	Raw string // as it came
}

// Stanza is the element as a stanza; nil if it is none.
func (r *Received) Stanza() *xmpp.Stanza {
	st, err := xmpp.Parse(r.Raw)
	if err != nil {
		return nil
	}
	return st
}

// errSwapped says that the connection is about to become another one: TLS begins.
var errSwapped = errors.New("xmpptest: TLS begins")

// errClosed says that the server has ended its stream.
var errClosed = errors.New("xmpptest: the stream ended")

// run reads until the end.
func (c *Client) run() {
	err := c.wire.read(c)
	if errors.Is(err, errSwapped) {
		return // StartTLS begins anew
	}
	close(c.acks)
	c.note("<- " + err.Error())
	c.mu.Lock()
	c.ended = err
	c.mu.Unlock()
	c.wake()
}

func (c *Client) wake() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// take is called with each element that arrives.
func (c *Client) take(raw string, e *xmpp.Element) {
	c.note("<- " + raw)
	if c.counted(e) {
		return
	}
	c.mu.Lock()
	c.inbox = append(c.inbox, &Received{e, raw})
	c.mu.Unlock()
	c.wake()
}

// stream is XML on a TCP or TLS connection.
type stream struct {
	writing sync.Mutex
	conn    net.Conn
	scan    xmpp.Scanner
}

// generous are limits for what a test may want to see.
func generous() xmpp.Limits {
	return xmpp.Limits{Bytes: 16 << 20, Depth: 1000, Children: 1 << 20, Attributes: 1000}
}

func (s *stream) write(text string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.conn.Write([]byte(text))
	return err
}

func (s *stream) close() { _ = s.conn.Close() }

func (s *stream) open(to string) string {
	return "<?xml version='1.0'?><stream:stream xmlns='" + xmpp.NSClient + "' xmlns:stream='" + xmpp.NSStream +
		"' to='" + xmpp.Escape(to) + "' version='1.0' xml:lang='en'>"
}

func (s *stream) closing() string { return "</stream:stream>" }

func (s *stream) read(c *Client) error {
	s.scan.Limits = generous()
	buf := make([]byte, 16<<10)
	for {
		n, err := s.conn.Read(buf)
		s.scan.Feed(buf[:n])
		if err := s.elements(c); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
}

// elements takes what is whole.
func (s *stream) elements(c *Client) error {
	for {
		event, raw, err := s.scan.Next()
		switch {
		case err != nil:
			return err
		case event == xmpp.More:
			return nil
		case event == xmpp.Closed:
			return errClosed
		}
		// A header has no end of its own.
		e := header(raw)
		text := raw.Text()
		if event == xmpp.Whole {
			e = raw.Element()
		}
		success := raw.Is(xmpp.NSSASL, "success")
		proceed := raw.Is(xmpp.NSTLS, "proceed")
		c.take(text, e)
		switch {
		case success: // the server says nothing before our new header: rfc6120#6.4.6
			s.scan.Restart()
		case proceed:
			return errSwapped
		}
	}
}

func header(raw *xmpp.Raw) *xmpp.Element {
	e := &xmpp.Element{Name: raw.Name()}
	for _, name := range []string{"from", "to", "id", "version", "xml:lang"} {
		if raw.Has(name) {
			e.Attrs = append(e.Attrs, xmpp.Attr{Name: xmpp.Name{Local: name}, Value: raw.Attr(name)})
		}
	}
	return e
}

// secure goes on by TLS.
func (s *stream) secure(c *Client) error {
	conn := tls.Client(s.conn, c.config)
	ctx, cancel := c.patience()
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	s.conn = conn
	s.scan = xmpp.Scanner{}
	go c.run()
	return nil
}
