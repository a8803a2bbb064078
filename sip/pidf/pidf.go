// Package pidf is the grammar of presence documents (RFC 3863, PIDF) with the activities of RPID (RFC 4480). It reads
// what a server makes use of and leaves out the rest.
package pidf

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// MIME is the type of a presence document.
const MIME = "application/pidf+xml"

// The namespaces of presence documents.
const (
	NS       = "urn:ietf:params:xml:ns:pidf"
	NSModel  = "urn:ietf:params:xml:ns:pidf:data-model" // rfc4479
	NSRPID   = "urn:ietf:params:xml:ns:pidf:rpid"       // rfc4480
	nsClient = "jabber:client"                          // rfc8048#5.2
	nsXML    = "http://www.w3.org/XML/1998/namespace"
)

// Limits of a document: what is larger is refused.
const (
	MaxLength = 64 << 10
	MaxDepth  = 16
	MaxTuples = 64
	MaxList   = 32 // notes, activities
)

// Why a document is refused.
var (
	ErrSyntax = errors.New("pidf: malformed document")
	ErrLimit  = errors.New("pidf: document is too large")
)

// Presence is a document: how a presentity can be reached, and what it does.
type Presence struct {
	Entity     string // its URI
	Tuples     []Tuple
	Activities []string // of RPID, such as away, of the person; the local names
	Notes      []Note   // of the person, or of the document
}

// Tuple is one way to reach the presentity.
type Tuple struct {
	ID         string
	Basic      string   // open, closed, or "" if it is not told
	Show       string   // XMPP's show, which its gateways put into the status (rfc8048#5.2)
	Activities []string // of the tuple alone, as phones made them before rfc4479
	Contact    string   // a URI; "" if there is none
	Priority   string   // from 0 to 1, with at most three decimals (rfc3863#4.1.5); "" if it is not told
	Notes      []Note
	Timestamp  string // as it is written (rfc3339)
}

// Note is text for people.
type Note struct{ Lang, Text string }

// Parse reads a document.
func Parse(text string) (*Presence, error) {
	if len(text) > MaxLength {
		return nil, ErrLimit
	}
	d := xml.NewDecoder(strings.NewReader(text))
	root, err := tree(d)
	if err != nil {
		return nil, err
	}
	if root.name.Local != "presence" || root.name.Space != NS {
		return nil, fmt.Errorf("%w: it is no presence", ErrSyntax)
	}
	p := &Presence{Entity: root.attr("", "entity")}
	if p.Entity == "" { // rfc3863#4.1.1
		return nil, fmt.Errorf("%w: there is no entity", ErrSyntax)
	}
	for _, c := range root.children {
		if err := p.take(c); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// node is an element.
type node struct {
	name     xml.Name
	attrs    []xml.Attr
	children []*node
	text     string
}

func (n *node) attr(space, local string) string {
	for _, a := range n.attrs {
		if a.Name.Space == space && a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

func (n *node) child(space, local string) *node {
	for _, c := range n.children {
		if c.name.Space == space && c.name.Local == local {
			return c
		}
	}
	return &node{}
}

// tree reads the one element of a document. A document type, and so entities of its own, is refused.
func tree(d *xml.Decoder) (root *node, err error) {
	open := []*node{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root != nil && len(open) == 0 {
			return root, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			n := &node{name: token.Name, attrs: token.Attr}
			switch {
			case len(open) == MaxDepth:
				return nil, ErrLimit
			case len(open) > 0:
				top := open[len(open)-1]
				top.children = append(top.children, n)
			case root != nil:
				return nil, fmt.Errorf("%w: there are two elements", ErrSyntax)
			default:
				root = n
			}
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(token)
			}
		case xml.Directive:
			return nil, fmt.Errorf("%w: it has a document type", ErrSyntax)
		}
	}
}

func (p *Presence) take(n *node) error {
	switch n.name {
	case xml.Name{Space: NS, Local: "tuple"}:
		if len(p.Tuples) == MaxTuples {
			return ErrLimit
		}
		t, err := tuple(n)
		p.Tuples = append(p.Tuples, t)
		return err
	case xml.Name{Space: NSModel, Local: "person"}:
		p.Activities = append(p.Activities, activities(n)...)
		p.Notes = append(p.Notes, notes(n, NSModel)...)
	case xml.Name{Space: NS, Local: "note"}:
		p.Notes = append(p.Notes, note(n))
	}
	if len(p.Activities) > MaxList || len(p.Notes) > MaxList {
		return ErrLimit
	}
	return nil
}

func tuple(n *node) (Tuple, error) {
	status := n.child(NS, "status")
	t := Tuple{
		ID:        n.attr("", "id"),
		Basic:     strings.TrimSpace(status.child(NS, "basic").text),
		Show:      strings.TrimSpace(status.child(nsClient, "show").text),
		Timestamp: strings.TrimSpace(n.child(NS, "timestamp").text),
		Notes:     notes(n, NS),
	}
	contact := n.child(NS, "contact")
	t.Contact, t.Priority = strings.TrimSpace(contact.text), contact.attr("", "priority")
	t.Activities = append(activities(n), activities(status)...)
	switch {
	case t.ID == "": // rfc3863#4.1.2
		return t, fmt.Errorf("%w: a tuple has no id", ErrSyntax)
	case t.Basic != "" && t.Basic != "open" && t.Basic != "closed": // rfc3863#4.1.4
		return t, fmt.Errorf("%w: a basic status is neither open nor closed", ErrSyntax)
	case !isPriority(t.Priority):
		return t, fmt.Errorf("%w: a priority is none", ErrSyntax)
	case len(t.Activities) > MaxList || len(t.Notes) > MaxList:
		return t, ErrLimit
	}
	return t, nil
}

func isPriority(s string) bool {
	if s == "" {
		return true
	}
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && f >= 0 && f <= 1 && strings.Trim(s, "0123456789.") == ""
}

// activities are the names of what is in an activities element (rfc4480#3.2), as far as they are spelled as those that
// are registered.
func activities(n *node) (all []string) {
	for _, c := range n.child(NSRPID, "activities").children {
		if c.name.Space == NSRPID && c.name.Local != "note" && isName(c.name.Local) && !slices.Contains(all, c.name.Local) {
			all = append(all, c.name.Local)
		}
	}
	return all
}

func notes(n *node, space string) (all []Note) {
	for _, c := range n.children {
		if c.name.Space == space && c.name.Local == "note" {
			all = append(all, note(c))
		}
	}
	return all
}

func note(n *node) Note { return Note{n.attr(nsXML, "lang"), n.text} }
