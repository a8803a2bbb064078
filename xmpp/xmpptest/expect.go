package xmpptest

import (
	"slices"
	"strings"
	"time"

	"parley/xmpp"
)

// Expect is the next element, which has to fit one of the patterns.
//
// A pattern is the XML that matters: attributes, text and children that it has must be there, others may be. A name without
// a namespace of its own fits one of any namespace. The value * stands for any that is not empty, and a/* for a with any resource; of an attribute,
// ! stands for none at all. Instead of XML, words do: "message", "iq result" (name and type), "any".
func (c *Client) Expect(patterns ...string) *Received {
	c.t.Helper()
	r := c.next(c.Timeout, func(*Received) bool { return true })
	want := strings.Join(patterns, " or ")
	if r == nil {
		c.Fail("expected %s, but nothing came%s", want, c.whyEnded())
	}
	if !c.fitsAny(r, patterns) {
		c.Fail("expected %s, got %s", want, r.Raw)
	}
	return r
}

// Await is the first element that fits one of the patterns, those included that came before. What else came stays for
// Expect.
func (c *Client) Await(patterns ...string) *Received {
	c.t.Helper()
	r := c.next(c.Timeout, func(r *Received) bool { return c.fitsAny(r, patterns) })
	if r == nil {
		c.Fail("waited for %s in vain%s", strings.Join(patterns, " or "), c.whyEnded())
	}
	return r
}

// Ask sends an iq ("get" or "set") and gives the answer. What else comes meanwhile stays for Expect.
func (c *Client) Ask(kind, to, payload string) *Received {
	c.t.Helper()
	id := c.id()
	c.Send(xmpp.NewBuilder(nil).Open("iq", c.space()).Maybe("to", to).Attr("id", id).Attr("type", kind).
		Raw(payload).Close().String())
	r := c.next(c.Timeout, func(r *Received) bool {
		answer := r.Attr("type") == "result" || r.Attr("type") == "error"
		return r.Local == "iq" && answer && r.Attr("id") == id
	})
	if r == nil {
		c.Fail("got no answer to %s %s%s", kind, payload, c.whyEnded())
	}
	return r
}

// Get is Ask for what has to succeed; it gives the result's payload, nil if that is empty.
func (c *Client) Get(to, payload string) *xmpp.Element {
	c.t.Helper()
	return c.succeed("get", to, payload)
}

// Set is Get for a request of type set.
func (c *Client) Set(to, payload string) *xmpp.Element {
	c.t.Helper()
	return c.succeed("set", to, payload)
}

func (c *Client) succeed(kind, to, payload string) *xmpp.Element {
	c.t.Helper()
	r := c.Ask(kind, to, payload)
	switch {
	case r.Attr("type") != "result":
		c.Fail("asked %s %s and got %s", kind, payload, r.Raw)
	case len(r.Children) > 0:
		return r.Children[0]
	}
	return nil
}

// space is what a stanza has to declare: in a WebSocket's messages there is nothing around it.
func (c *Client) space() string {
	if _, framed := c.wire.(*frames); framed {
		return xmpp.NSClient
	}
	return ""
}

// HearsNothing checks that nothing comes for d, and that nothing has come that was not asked for.
func (c *Client) HearsNothing(d time.Duration) {
	c.t.Helper()
	if r := c.next(d, func(*Received) bool { return true }); r != nil {
		c.Fail("expected nothing, got %s", r.Raw)
	}
}

// Ignore passes over what fits one of the patterns from now on.
func (c *Client) Ignore(patterns ...string) { c.ignore = append(c.ignore, patterns...) }

// Forget drops what has come so far and was not asked for.
func (c *Client) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inbox = nil
}

// ExpectEnd waits for the end of the stream or connection, with a stream error of that condition, or, if it is "",
// without any. What else came before is passed over.
func (c *Client) ExpectEnd(condition string) {
	c.t.Helper()
	got := ""
	for {
		r := c.next(c.Timeout, func(*Received) bool { return true })
		if r == nil {
			break
		}
		if r.Space == xmpp.NSStream && r.Local == "error" {
			got = errorCondition(r.Element)
		}
	}
	switch {
	case !c.Ended():
		c.Fail("expected the stream to end, but it goes on")
	case got != condition:
		c.Fail("expected the stream to end with %q, got %q", condition, got)
	}
}

// Ended says whether the server has ended the stream or the connection.
func (c *Client) Ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended != nil
}

func (c *Client) whyEnded() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		return ""
	}
	return ": " + c.ended.Error()
}

// errorCondition is the condition of a stream's or stanza's error.
func errorCondition(e *xmpp.Element) string {
	for _, child := range e.Children {
		if child.Local != "text" && (child.Space == xmpp.NSStreams || child.Space == xmpp.NSStanzas) {
			return child.Local
		}
	}
	return ""
}

// Condition is the condition of a stanza's error, "" if it is none.
func (r *Received) Condition() string {
	for _, e := range r.Children {
		if e.Local == "error" {
			return errorCondition(e)
		}
	}
	return ""
}

// next takes the first element out of the inbox that is wanted; nil if none comes in time, or none can come any more.
func (c *Client) next(wait time.Duration, wanted func(*Received) bool) *Received {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		r, ended := c.pop(wanted)
		if r != nil || ended {
			return r
		}
		select {
		case <-c.news:
		case <-timer.C:
			return nil
		}
	}
}

func (c *Client) pop(wanted func(*Received) bool) (r *Received, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inbox = slices.DeleteFunc(c.inbox, func(r *Received) bool { return c.fitsAny(r, c.ignore) })
	at := slices.IndexFunc(c.inbox, wanted)
	if at < 0 {
		return nil, c.ended != nil
	}
	r = c.inbox[at]
	c.inbox = slices.Delete(c.inbox, at, at+1)
	return r, false
}

func (c *Client) fitsAny(r *Received, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(s string) bool { return c.fits(r.Element, s) })
}

func (c *Client) fits(e *xmpp.Element, pattern string) bool {
	if strings.HasPrefix(pattern, "<") {
		want, err := xmpp.ParseElement(pattern)
		if err != nil {
			panic("xmpptest: " + pattern + ": " + err.Error())
		}
		return Fits(e, want)
	}
	name, kind, both := strings.Cut(pattern, " ")
	return name == "any" || e.Local == name && (!both || e.Attr("type") == kind)
}

// Fits says whether an element has all that a pattern has (see Expect).
func Fits(e, pattern *xmpp.Element) bool {
	if e.Local != pattern.Local || pattern.Space != "" && pattern.Space != e.Space {
		return false
	}
	for _, want := range pattern.Attrs {
		got, has := attr(e, want.Name)
		if !fitsValue(got, has, want.Value) {
			return false
		}
	}
	if text := strings.TrimSpace(pattern.Text); text != "" && !fitsValue(e.Text, true, text) {
		return false
	}
	// Each child of the pattern needs one of its own.
	left := slices.Clone(e.Children)
	for _, want := range pattern.Children {
		at := slices.IndexFunc(left, func(c *xmpp.Element) bool { return Fits(c, want) })
		if at < 0 {
			return false
		}
		left = slices.Delete(left, at, at+1)
	}
	return true
}

func attr(e *xmpp.Element, name xmpp.Name) (string, bool) {
	for _, a := range e.Attrs {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

func fitsValue(got string, has bool, want string) bool {
	switch want {
	case "*":
		return got != ""
	case "!":
		return !has
	}
	if address, every := strings.CutSuffix(want, "/*"); every {
		return strings.HasPrefix(got, address+"/")
	}
	return has && got == want
}
