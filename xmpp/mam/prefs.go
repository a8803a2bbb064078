package mam

import (
	"slices"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// Default is what becomes of messages with somebody who is in no list (xep0441#2.1.1).
type Default string

// The defaults.
const (
	Always Default = "always"
	Never  Default = "never"
	Roster Default = "roster"
)

// Prefs are what an account wants archived.
type Prefs struct {
	Default       Default
	Always, Never []jid.JID
}

// ParsePrefs reads a prefs element; at most limit addresses may be in each list. The error is a *xmpp.StanzaError.
func ParsePrefs(e *xmpp.Element, limit int) (p Prefs, err error) {
	p.Default = Default(e.Attr("default"))
	switch p.Default {
	case Always, Never, Roster:
	default:
		return p, bad("the default")
	}
	if p.Always, err = jids(e.Child(NS, "always"), limit); err != nil {
		return p, err
	}
	p.Never, err = jids(e.Child(NS, "never"), limit)
	return p, err
}

func jids(e *xmpp.Element, limit int) (list []jid.JID, err error) {
	if e == nil {
		return nil, nil
	}
	if len(e.Children) > limit {
		return nil, &xmpp.StanzaError{Condition: xmpp.ResourceConstraint, Text: "too many addresses"}
	}
	for _, c := range e.Children {
		if c.Space != NS || c.Local != "jid" {
			continue
		}
		j, err := jid.Parse(c.Text)
		if err != nil {
			return nil, &xmpp.StanzaError{Condition: xmpp.JIDMalformed}
		}
		if !slices.Contains(list, j) {
			list = append(list, j)
		}
	}
	return list, nil
}

// XML is the prefs element.
func (p Prefs) XML() string {
	b := xmpp.NewBuilder(nil).Open("prefs", NS).Attr("default", string(p.Default))
	for _, l := range []struct {
		name string
		jids []jid.JID
	}{{"always", p.Always}, {"never", p.Never}} {
		b.Open(l.name, "")
		for _, j := range l.jids {
			b.Element("jid", "", j.String())
		}
		b.Close()
	}
	return b.Close().String()
}

// Says tells what the lists say of somebody: an exact address comes before a bare one, and never before always
// (xep0441#2.3). ok is false if they say nothing.
func (p Prefs) Says(with jid.JID) (keep, ok bool) {
	for _, j := range []jid.JID{with, with.Bare()} {
		switch {
		case slices.Contains(p.Never, j):
			return false, true
		case slices.Contains(p.Always, j):
			return true, true
		}
	}
	return false, false
}
