// Package rsm implements XEP-0059: Result Set Management.
package rsm

import (
	"errors"
	"strconv"
	"strings"

	"parley/xmpp"
)

// NS is the namespace, and the feature of service discovery.
const NS = "http://jabber.org/protocol/rsm"

// ErrRequest is what a set that asks for nothing sensible is refused with.
var ErrRequest = errors.New("rsm: not a request for a page")

// Request is which page is asked for.
type Request struct {
	Max    int    // items at most; -1 if that is not said
	After  string // "" if that is not said
	Before string
	Last   bool // the last page (xep0059#2.5), or with Before: the page that ends before it
	Index  int  // -1 if that is not said
}

// Parse reads the set within an element that asks; without one it is a request for all.
func Parse(e *xmpp.Element) (Request, error) {
	r := Request{Max: -1, Index: -1}
	set := e.Child(NS, "set")
	if set == nil {
		return r, nil
	}
	number := func(name string, to *int) error {
		c := set.Child(NS, name)
		if c == nil {
			return nil
		}
		n, err := strconv.ParseUint(strings.TrimSpace(c.Text), 10, 31)
		if err != nil {
			return ErrRequest
		}
		*to = int(n)
		return nil
	}
	if err := errors.Join(number("max", &r.Max), number("index", &r.Index)); err != nil {
		return r, ErrRequest
	}
	r.After = set.ChildText(NS, "after")
	if before := set.Child(NS, "before"); before != nil {
		r.Before, r.Last = before.Text, true
	}
	return r, nil
}

// Page is what is said of a page of results.
type Page struct {
	First, Last string // "" if the page is empty
	Index       int    // of the first; -1 if that is not known
	Count       int    // of all; -1 if that is not known
}

// Write adds the set.
func (p Page) Write(b *xmpp.Builder) {
	b.Open("set", NS)
	if p.First != "" {
		b.Open("first", "")
		if p.Index >= 0 {
			b.Attr("index", strconv.Itoa(p.Index))
		}
		b.Text(p.First).Close()
		b.Element("last", "", p.Last)
	}
	if p.Count >= 0 {
		b.Element("count", "", strconv.Itoa(p.Count))
	}
	b.Close()
}
