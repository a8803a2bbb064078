// Package delay implements XEP-0203: Delayed Delivery, and the times of XEP-0082.
package delay

import (
	"errors"
	"time"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// NS is the namespace of delay elements.
const NS = "urn:xmpp:delay"

// ErrTime is what a text that is no time is refused with.
var ErrTime = errors.New("delay: not a time of XEP-0082")

// Format writes a time, to the millisecond, in UTC (xep0082#3.2).
func Format(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Parse reads a time.
func Parse(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, ErrTime
	}
	return t, nil
}

// Name is the element's name.
func Name() xmpp.Name { return xmpp.Name{Space: NS, Local: "delay"} }

// Write adds a delay element that says when a stanza came, and, unless that is zero, who has held it.
func Write(b *xmpp.Builder, from jid.JID, at time.Time) {
	b.Open("delay", NS)
	if !from.IsZero() {
		b.Attr("from", from.String())
	}
	b.Attr("stamp", Format(at)).Close()
}

// From is who a delay element says has held the stanza; ok is false if it is none, or says nobody.
func From(st *xmpp.Stanza, p xmpp.Part) (from jid.JID, ok bool) {
	if p.Space != NS || p.Local != "delay" {
		return from, false
	}
	from, err := jid.Parse(st.Element(p).Attr("from"))
	return from, err == nil
}
