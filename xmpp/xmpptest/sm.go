package xmpptest

import (
	"fmt"
	"strconv"

	"parley/xmpp"
)

// NSSM is the namespace of stream management.
const NSSM = "urn:xmpp:sm:3"

// counts are those of stream management (xep0198#4).
type counts struct {
	on       bool
	received uint32
	sent     uint32
	id       string // by which it can be resumed
}

// counted sees what arrives; true: it was no matter of the test's.
func (c *Client) counted(e *xmpp.Element) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case e.Space != NSSM:
		if c.sm.on && isStanza(e.Local) {
			c.sm.received++
		}
		return false
	case e.Local == "enabled":
		c.sm.on, c.sm.received, c.sm.id = true, 0, e.Attr("id")
	case e.Local == "resumed":
		c.sm.on = true
	case e.Local == "r" && !c.Manual:
		c.acks <- c.sm.received
		return true
	}
	return false
}

// answer writes what <r/> asks for: not the reader, since the server may not read before its own writing is taken.
func (c *Client) answer() {
	for h := range c.acks {
		c.note("-> " + ack(h))
		_ = c.wire.write(ack(h))
	}
}

func isStanza(name string) bool { return name == "message" || name == "presence" || name == "iq" }

// stanzas counts the stanzas in a text that is sent.
func stanzas(text string) (n uint32) {
	var s xmpp.Scanner
	s.Limits = generous()
	s.Feed([]byte("<stream:stream xmlns='" + xmpp.NSClient + "' xmlns:stream='" + xmpp.NSStream + "'>" + text))
	for {
		event, raw, err := s.Next()
		if err != nil || event == xmpp.More || event == xmpp.Closed {
			return n
		}
		if event == xmpp.Whole && isStanza(raw.Name().Local) {
			n++
		}
	}
}

func ack(h uint32) string { return fmt.Sprintf("<a xmlns='%s' h='%d'/>", NSSM, h) }

// Enable turns stream management on, resumable or not (xep0198#3).
func (c *Client) Enable(resumable bool) *Received {
	c.t.Helper()
	b := xmpp.NewBuilder(nil).Open("enable", NSSM)
	if resumable {
		b.Attr("resume", "true")
	}
	c.Send(b.Close().String())
	c.mu.Lock()
	c.sm.sent = 0
	c.mu.Unlock()
	r := c.Await("enabled", "failed")
	switch {
	case r.Local != "enabled":
		c.Fail("could not enable stream management: %s", r.Raw)
	case resumable && (r.Attr("id") == "" || r.Attr("resume") != "true" && r.Attr("resume") != "1"):
		c.Fail("may not resume: %s", r.Raw)
	}
	return r
}

// Resume goes on with the session of another client, whose connection is gone, once this one has signed in
// (xep0198#5). It gives how many of the stanzas that were sent the server had.
func (c *Client) Resume(old *Client) (h uint32) {
	c.t.Helper()
	r := c.TryResume(old)
	if r.Local != "resumed" {
		c.Fail("could not resume: %s", r.Raw)
	}
	n, err := strconv.ParseUint(r.Attr("h"), 10, 32)
	if err != nil {
		c.Fail("resumed without a count: %s", r.Raw)
	}
	return uint32(n)
}

// TryResume is Resume that may fail, and gives the answer.
func (c *Client) TryResume(old *Client) *Received {
	c.t.Helper()
	old.mu.Lock()
	c.mu.Lock()
	c.sm = old.sm
	c.sm.on = false // until it is resumed
	c.mu.Unlock()
	old.mu.Unlock()
	c.JID = old.JID
	c.Send(xmpp.NewBuilder(nil).Open("resume", NSSM).Attr("h", fmt.Sprint(c.Received())).Attr("previd", old.sm.id).
		Close().String())
	return c.Await("resumed", "failed")
}

// RequestAck asks how many of the stanzas that were sent the server has.
func (c *Client) RequestAck() (h uint32) {
	c.t.Helper()
	c.Send("<r xmlns='" + NSSM + "'/>")
	r := c.Await("<a xmlns='" + NSSM + "'/>")
	n, err := strconv.ParseUint(r.Attr("h"), 10, 32)
	if err != nil {
		c.Fail("acknowledged without a count: %s", r.Raw)
	}
	return uint32(n)
}

// Ack acknowledges h stanzas, which need not be true.
func (c *Client) Ack(h uint32) {
	c.t.Helper()
	c.Send(ack(h))
}

// Sent is how many stanzas were sent since stream management was enabled, Received how many came.
func (c *Client) Sent() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sm.sent
}

// Received is how many stanzas have come since stream management was enabled.
func (c *Client) Received() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sm.received
}
