// Package contact is the echo service as XMPP apps see it: a contact (RFC 6121) that sends back what one writes to it.
package contact

import (
	"crypto/rand"

	"parley/xmpp"
	"parley/xmpp/disco"
	"parley/xmpp/jid"
)

// What the service speaks besides messages and presence.
const (
	nsReceipts = "urn:xmpp:receipts"
	nsDelay    = "urn:xmpp:delay"
	nsPing     = "urn:xmpp:ping"
	nsCard     = "vcard-temp"
)

// capsNode is the URI of the service among entity capabilities (XEP-0115).
const capsNode = "parley:echo"

// resource is the one connected resource that the service seems to be.
const resource = "echo"

// Contact is the service as a contact of XMPP clients: it sends back what one writes to it (RFC 6121), and says that it
// has it if asked (XEP-0184). Whoever subscribes sees it available at once.
type Contact struct {
	// Name is the local part of its address at each of our domains.
	Name string
	// Features are further ones that it has, by what others do for it.
	Features []string
	// ID gives the ids of its messages; default random ones.
	ID func() string
}

// Entity says whether the service has the bare address, and how it answers the stanzas that it gets there.
func (c Contact) Entity(bare jid.JID) (reply func(*xmpp.Stanza) []*xmpp.Stanza, ok bool) {
	if c.Name == "" || bare.Local != c.Name {
		return nil, false
	}
	if c.ID == nil {
		c.ID = rand.Text
	}
	return c.reply, true
}

func (c Contact) reply(st *xmpp.Stanza) []*xmpp.Stanza {
	if st.IsError() || st.From().Local == c.Name { // it does not talk to its like
		return nil
	}
	switch st.Kind() {
	case xmpp.Message:
		return c.message(st)
	case xmpp.Presence:
		return c.presence(st)
	}
	return c.iq(st)
}

func self(st *xmpp.Stanza) jid.JID { return st.To().Bare().With(resource) }

// message sends a text back to where it came from. What has waited somewhere is old talk.
func (c Contact) message(st *xmpp.Stanza) (out []*xmpp.Stanza) {
	_, delayed := st.Part(nsDelay, "delay")
	_, text := st.Part(xmpp.NSClient, "body")
	if delayed || !text || st.Type() == "groupchat" || st.Type() == "headline" {
		return nil
	}
	answer := func(payload string) {
		h := xmpp.Header{From: self(st), To: st.From(), ID: c.ID(), Type: st.Type(), Lang: st.Lang()}
		out = append(out, xmpp.Must(xmpp.Message, h, payload))
	}
	if _, asked := st.Part(nsReceipts, "request"); asked && st.ID() != "" {
		answer(xmpp.NewBuilder(nil).Open("received", nsReceipts).Attr("id", st.ID()).Close().String()) // xep0184#7
	}
	b := xmpp.NewBuilder(nil)
	for _, p := range st.Parts() {
		if p.Space == xmpp.NSClient && (p.Local == "body" || p.Local == "thread") {
			e := st.Element(p)
			b.Open(p.Local, "").Maybe("xml:lang", lang(e)).Maybe("parent", e.Attr("parent")).Text(e.Text).Close()
		}
	}
	answer(b.String())
	return out
}

func lang(e *xmpp.Element) string {
	for _, a := range e.Attrs {
		if a.Local == "lang" && a.Space != "" {
			return a.Value
		}
	}
	return ""
}

// presence lets everybody see it (rfc6121#3.1.3, rfc6121#4.3.2).
func (c Contact) presence(st *xmpp.Stanza) []*xmpp.Stanza {
	say := func(from, to jid.JID, typ, payload string) *xmpp.Stanza {
		return xmpp.Must(xmpp.Presence, xmpp.Header{From: from, To: to, Type: typ}, payload)
	}
	switch st.Type() {
	case "subscribe":
		to := st.From().Bare()
		return []*xmpp.Stanza{say(st.To().Bare(), to, "subscribed", ""), say(self(st), to, "", c.info().Caps(capsNode))}
	case "unsubscribe":
		return []*xmpp.Stanza{say(self(st), st.From().Bare(), "unavailable", "")}
	case "probe":
		return []*xmpp.Stanza{say(self(st), st.From(), "", c.info().Caps(capsNode))}
	}
	return nil
}

func (c Contact) info() disco.Info {
	return disco.Info{
		Identities: []disco.Identity{{Category: "client", Type: "bot", Name: "Echo"}},
		Features:   append([]string{disco.NSInfo, disco.NSItems, disco.NSCaps, nsReceipts, nsPing, nsCard}, c.Features...),
	}
}

// iq answers what apps ask a contact.
func (c Contact) iq(st *xmpp.Stanza) []*xmpp.Stanza {
	p, ok := st.Payload()
	if !ok {
		return []*xmpp.Stanza{st.Fail(&xmpp.StanzaError{Condition: xmpp.BadRequest})}
	}
	payload, ok := c.answer(p.Name, st.Element(p).Attr("node"))
	if !ok || st.Type() != "get" {
		return []*xmpp.Stanza{st.Fail(&xmpp.StanzaError{Condition: xmpp.ServiceUnavailable})}
	}
	return []*xmpp.Stanza{st.Result(payload)}
}

func (c Contact) answer(question xmpp.Name, node string) (payload string, ok bool) {
	switch question {
	case xmpp.Name{Space: nsPing, Local: "ping"}:
		return "", true
	case xmpp.Name{Space: disco.NSInfo, Local: "query"}:
		return c.info().XML(node), node == "" || node == capsNode+"#"+c.info().Ver()
	case xmpp.Name{Space: disco.NSItems, Local: "query"}:
		return disco.ItemsXML("", nil), node == ""
	case xmpp.Name{Space: nsCard, Local: "vCard"}:
		return xmpp.NewBuilder(nil).Open("vCard", nsCard).Element("FN", "", "Echo").Close().String(), true
	}
	return "", false
}
