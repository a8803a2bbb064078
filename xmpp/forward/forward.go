// Package forward implements XEP-0297: Stanza Forwarding.
package forward

import (
	"time"

	"parley/xmpp"
	"parley/xmpp/delay"
	"parley/xmpp/jid"
)

// NS is the namespace of forwarded elements.
const NS = "urn:xmpp:forward:0"

// Write adds a stanza that is forwarded, and when it came unless that is zero.
func Write(b *xmpp.Builder, st *xmpp.Stanza, at time.Time) {
	b.Open("forwarded", NS)
	if !at.IsZero() {
		delay.Write(b, jid.JID{}, at)
	}
	b.Stanza(st).Close()
}
