// Package carbons implements the grammar of XEP-0280: Message Carbons.
package carbons

import (
	"time"

	"parley/xmpp"
	"parley/xmpp/forward"
	"parley/xmpp/hints"
	"parley/xmpp/jid"
)

// NS is the namespace, and the feature of service discovery.
const NS = "urn:xmpp:carbons:2"

// Direction says whether a copy is of a message that the account sent or received.
type Direction string

// The directions of copies.
const (
	Sent     Direction = "sent"
	Received Direction = "received"
)

// Eligible says whether other resources may have copies of a message (xep0280#6.1).
func Eligible(d Direction, st *xmpp.Stanza) bool {
	for _, p := range st.Parts() {
		if p.Space == NS { // private; or a copy, which nobody but the server makes
			return false
		}
	}
	if hints.Has(st, hints.NoCopy) || d == Received && fromOccupant(st) {
		return false
	}
	switch st.Type() {
	case "chat":
		return true
	case "groupchat", "headline", "error":
		return false
	}
	for _, p := range st.Parts() {
		if conversation(p) {
			return true
		}
	}
	return false
}

// fromOccupant says that a message is a private one from a room, which sends it to each resource itself.
func fromOccupant(st *xmpp.Stanza) bool {
	x := st.Find(nsMUCUser, "x")
	return x != nil && !st.From().IsBare() && len(x.Children) == 0
}

const nsMUCUser = "http://jabber.org/protocol/muc#user"

// conversation is what instant messages are made of, and invitations to rooms.
func conversation(p xmpp.Part) bool {
	switch p.Space {
	case xmpp.NSClient:
		return p.Local == "body"
	case "http://jabber.org/protocol/chatstates", "urn:xmpp:receipts", "urn:xmpp:chat-markers:0",
		"jabber:x:conference", nsMUCUser:
		return true
	}
	return false
}

// Copy is the message that carries a copy to a resource of the account.
func Copy(d Direction, to jid.JID, st *xmpp.Stanza) (*xmpp.Stanza, error) {
	b := xmpp.NewBuilder(make([]byte, 0, len(st.Text())+160))
	b.Open(string(d), NS)
	forward.Write(b, st, time.Time{})
	h := xmpp.Header{From: to.Bare(), To: to, Type: st.Type()}
	return xmpp.New(xmpp.Message, h, b.Close().String())
}

// To is the same copy for another resource.
func To(copied *xmpp.Stanza, to jid.JID) *xmpp.Stanza { return copied.Edit(xmpp.Edit{To: &to}) }
