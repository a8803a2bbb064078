// Package im holds the nouns of instant messaging (RFC 6121) that the parts of a server share: the sessions of
// connected resources and the table of them, the services that an entity offers to iq requests, and a message as an
// account keeps it.
//
// It decides nothing: who may send what to whom is the business of those who use it.
package im

import (
	"context"
	"errors"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// Place is at which address a service is asked for. Several may be joined.
type Place uint8

// The places of services.
const (
	Server  Place = 1 << iota // the server's domain
	Own                       // the asking account itself: its bare address, or no address
	Account                   // another account's bare address
)

// Handler answers an iq of type get or set. s is the session that asked, nil if the request came from elsewhere; what
// it sends to it meanwhile arrives before the answer. The payload is what the result holds, as XML. A
// *xmpp.StanzaError is the answer as it is; any other error is logged, and the peer hears of an internal one.
//
// ErrAnswered says that the handler has sent the answer itself.
type Handler func(ctx context.Context, s *Session, st *xmpp.Stanza) (payload string, err error)

// ErrAnswered is what a Handler returns that has sent the answer to its session already, for example because
// nothing may come between that and what it sends next.
var ErrAnswered = errors.New("im: the handler has answered")

// Service is something that can be asked by iq. One without a Handle only has features.
type Service struct {
	xmpp.Name // of the request's payload
	At        Place
	Handle    Handler
	// Features are what service discovery says of it, at the same places (XEP-0030).
	Features []string
}

// Fate says what became of a message.
type Fate uint8

// The fates of messages.
const (
	Refused Fate = iota
	Dropped      // it says nothing worth keeping, and nobody is there
	Waits        // it is kept until somebody is there
	Handed       // it went to a session, or to a contact that the server itself plays
)

// Copy is a message as one account keeps it, in its archive or until somebody can receive it.
type Copy struct {
	Owner    jid.JID // the account, bare
	With     jid.JID // who it came from, or goes to
	Incoming bool
	Archived bool         // the owner's archive keeps it too, under the same ID
	Origin   string       // its origin-id (XEP-0359); "" if it has none
	Stanza   *xmpp.Stanza // as it came, without a stanza-id by the owner
}
