// Package sid implements XEP-0359: Unique and Stable Stanza IDs.
package sid

import (
	"parley/xmpp"
	"parley/xmpp/jid"
)

// NS is the namespace of stanza-id and origin-id elements.
const NS = "urn:xmpp:sid:0"

// Origin is the ID that a message's sender has given it, "" if there is none.
func Origin(st *xmpp.Stanza) string {
	p, ok := st.Part(NS, "origin-id")
	if !ok {
		return ""
	}
	return st.Element(p).Attr("id")
}

// ID is the stanza-id that an entity has given a message, "" if there is none.
func ID(st *xmpp.Stanza, by jid.JID) string {
	for _, p := range st.Parts() {
		if isBy(st, p, by) {
			return st.Element(p).Attr("id")
		}
	}
	return ""
}

// Drop says of a message's parts which are stanza-ids that claim to be of one of these entities (xep0359#3.2).
func Drop(st *xmpp.Stanza, by ...jid.JID) func(xmpp.Part) bool {
	return func(p xmpp.Part) bool {
		for _, j := range by {
			if isBy(st, p, j) {
				return true
			}
		}
		return false
	}
}

func isBy(st *xmpp.Stanza, p xmpp.Part, by jid.JID) bool {
	if p.Space != NS || p.Local != "stanza-id" {
		return false
	}
	j, err := jid.Parse(st.Element(p).Attr("by"))
	return err == nil && j.Bare() == by
}

// Write adds a stanza-id.
func Write(b *xmpp.Builder, by jid.JID, id string) {
	b.Open("stanza-id", NS).Attr("by", by.String()).Attr("id", id).Close()
}

// Name is the element's name.
func Name() xmpp.Name { return xmpp.Name{Space: NS, Local: "stanza-id"} }
