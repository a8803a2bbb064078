package address

import (
	"parley/internal/core"
	"parley/xmpp/jid"
)

// JID is an account's address as XMPP has it, bare: international domains are in Unicode there (rfc7622#3.2).
func JID(a core.Address) jid.JID {
	return jid.JID{Local: a.Local, Domain: Unicode(a.Domain)}
}

// FromJID is the account's address of which j is the bare address, or a full one. XMPP allows more than an account's
// address can be: what is no account's gives an error.
func FromJID(j jid.JID) (core.Address, error) { return New(j.Local, j.Domain) }
