// Package hints implements XEP-0334: Message Processing Hints, and says which messages are worth keeping, with the
// hints (XEP-0160 section 3, XEP-0313 section 6.1).
package hints

import "parley/xmpp"

// NS is the namespace of hints.
const NS = "urn:xmpp:hints"

// The hints.
const (
	NoPermanentStore = "no-permanent-store"
	NoStore          = "no-store"
	NoCopy           = "no-copy"
	Store            = "store"
)

// Has says whether a message carries a hint. Those of an error are another message's (xep0334#4).
func Has(st *xmpp.Stanza, hint string) bool {
	if st.Type() == "error" {
		return false
	}
	_, ok := st.Part(NS, hint)
	return ok
}

// Waits says whether a message may wait for its recipient.
func Waits(st *xmpp.Stanza) bool {
	switch st.Type() {
	case "groupchat", "headline", "error": // xep0160#3
		return false
	}
	switch {
	case Has(st, NoStore):
		return false
	case Has(st, Store):
		return true
	}
	for _, p := range st.Parts() {
		if !passing(p.Space) {
			return true
		}
	}
	return false
}

// passing are the namespaces of what says nothing once its moment is over, or only goes with something else.
func passing(space string) bool {
	switch space {
	case "http://jabber.org/protocol/chatstates", NS, "urn:xmpp:sid:0", "urn:xmpp:carbons:2", "urn:xmpp:delay",
		"http://jabber.org/protocol/nick", "jabber:x:event":
		return true
	}
	return false
}

// Archived says whether a message belongs into an archive.
func Archived(st *xmpp.Stanza) bool {
	switch st.Type() {
	case "groupchat", "error": // a room has an archive of its own
		return false
	}
	switch {
	case Has(st, NoStore) || Has(st, NoPermanentStore):
		return false
	case Has(st, Store):
		return true
	case st.Type() == "headline":
		return false
	}
	for _, p := range st.Parts() {
		if content(p) {
			return true
		}
	}
	return false
}

// content is what a conversation consists of.
func content(p xmpp.Part) bool {
	switch p.Space {
	case xmpp.NSClient:
		return p.Local == "body"
	case "urn:xmpp:receipts":
		return p.Local == "received"
	case "urn:xmpp:chat-markers:0":
		return p.Local != "markable"
	case "urn:xmpp:eme:0", "jabber:x:conference":
		return true
	}
	return false
}
