// Package durable kills the real server while messages flow: what it has acknowledged must not be lost.
package durable

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"parley/test/harness"
	"parley/xmpp"
)

// client is a connection that may be lost at any moment: everything it does can end with an error.
type client struct {
	conn    net.Conn
	scan    xmpp.Scanner
	counted uint32 // stanzas that have come
}

const (
	nsSM    = "urn:xmpp:sm:3"
	deadend = 10 * time.Second // for one thing to happen
)

// connect signs in, with stream management, and is available if it is told so.
func connect(s *harness.Server, user harness.User, resource string) (c *client, err error) {
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"xmpp-client"}}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: deadend}, "tcp", s.XMPPTLS.String(), config)
	if err != nil {
		return nil, err
	}
	c = &client{conn: conn}
	if err := c.signIn(s.Domain, user, resource); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) signIn(domain string, user harness.User, resource string) error {
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + user.Name + "\x00" + user.Password))
	header := fmt.Sprintf("<stream:stream to='%s' version='1.0' xmlns='jabber:client' xmlns:stream='%s'>", domain, xmpp.NSStream)
	steps := []struct{ say, want string }{
		{header, "features"},
		{"<auth xmlns='" + xmpp.NSSASL + "' mechanism='PLAIN'>" + secret + "</auth>", "success"},
		{header, "features"},
		{"<iq type='set' id='bind'><bind xmlns='" + xmpp.NSBind + "'><resource>" + resource + "</resource></bind></iq>", "iq"},
		{"<enable xmlns='" + nsSM + "'/>", "enabled"},
	}
	for _, step := range steps {
		if step.say == header {
			c.scan = xmpp.Scanner{}
		}
		if err := c.say(step.say); err != nil {
			return err
		}
		e, err := c.next(deadend)
		if err != nil {
			return err
		}
		if e.Local != step.want {
			return fmt.Errorf("durable: %s is answered with %s", step.say, e.Local)
		}
	}
	c.counted = 0
	return nil
}

func (c *client) say(text string) error {
	_, err := c.conn.Write([]byte(text))
	return err
}

// next is the next element. It answers what stream management asks, and gives what that answers.
func (c *client) next(wait time.Duration) (*xmpp.Element, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	buf := make([]byte, 16<<10)
	for {
		event, raw, err := c.scan.Next()
		switch {
		case err != nil:
			return nil, err
		case event == xmpp.Closed:
			return nil, errors.New("durable: the stream has ended")
		case event == xmpp.Whole:
			e := raw.Element()
			if e.Space == nsSM && e.Local == "r" {
				if err := c.acknowledge(); err != nil {
					return nil, err
				}
				continue
			}
			if e.Space == xmpp.NSClient {
				c.counted++
			}
			return e, nil
		case event == xmpp.More:
			n, err := c.conn.Read(buf)
			if err != nil {
				return nil, err
			}
			c.scan.Feed(buf[:n])
		}
	}
}

func (c *client) acknowledge() error {
	return c.say("<a xmlns='" + nsSM + "' h='" + strconv.FormatUint(uint64(c.counted), 10) + "'/>")
}

// taken is how many stanzas the server says it has, if e says so.
func taken(e *xmpp.Element) (n int, ok bool) {
	if e.Space != nsSM || e.Local != "a" {
		return 0, false
	}
	n, err := strconv.Atoi(e.Attr("h"))
	return n, err == nil
}

// isTimeout says that nothing came in time.
func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// message is one that a sender says: its number is in its body and in its origin-id.
func message(to, from string, n int) string {
	return fmt.Sprintf("<message to='%s' type='chat' id='%s-%d'><body>%s %d %s</body><origin-id xmlns='urn:xmpp:sid:0' id='%s-%d'/></message>",
		to, from, n, from, n, strings.Repeat("x", n%300), from, n)
}
