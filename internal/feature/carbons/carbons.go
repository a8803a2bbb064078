// Package carbons gives an account's sessions copies of what its other sessions send and receive: XEP-0280, Message
// Carbons.
package carbons

import (
	"context"
	"slices"

	"parley/xmpp"
	"parley/xmpp/carbons"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// Copier copies messages to the sessions that asked for it.
type Copier struct{ Sessions *im.Table }

// Sent gives copies of a message that one of the account's sessions has sent.
func (c *Copier) Sent(owner jid.JID, st *xmpp.Stanza, except []*im.Session) {
	c.copy(carbons.Sent, owner, st, except)
}

// Received gives copies of a message that the account has received.
func (c *Copier) Received(owner jid.JID, st *xmpp.Stanza, except []*im.Session) {
	c.copy(carbons.Received, owner, st, except)
}

// copy makes the copy once: what differs for each session is its address.
func (c *Copier) copy(d carbons.Direction, owner jid.JID, st *xmpp.Stanza, except []*im.Session) {
	var copied *xmpp.Stanza
	for _, s := range c.Sessions.Of(owner) {
		if !s.Has(im.Carbons) || slices.Contains(except, s) {
			continue
		}
		if copied == nil {
			var err error
			if copied, err = carbons.Copy(d, s.JID(), st); err != nil {
				return // too large or deep a message to be wrapped in another
			}
		} else {
			copied = carbons.To(copied, s.JID())
		}
		s.Send(copied)
	}
}

// Services switch copies on and off for the session that asks (xep0280#4, xep0280#5).
func (c *Copier) Services() []im.Service {
	on := func(enable bool) im.Handler {
		return func(_ context.Context, s *im.Session, st *xmpp.Stanza) (string, error) {
			if s == nil || st.Type() != "set" {
				return "", &xmpp.StanzaError{Condition: xmpp.BadRequest}
			}
			s.Set(im.Carbons, enable)
			return "", nil
		}
	}
	return []im.Service{
		// xep0280#disco: it is the server that is asked. Some ask the account.
		{Name: xmpp.Name{Space: carbons.NS}, At: im.Server | im.Own, Features: []string{carbons.NS}},
		{Name: xmpp.Name{Space: carbons.NS, Local: "enable"}, At: im.Own, Handle: on(true)},
		{Name: xmpp.Name{Space: carbons.NS, Local: "disable"}, At: im.Own, Handle: on(false)},
	}
}
