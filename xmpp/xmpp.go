// Package xmpp reads and writes the XML of XMPP (RFC 6120): a Scanner that takes a stream's bytes and gives its
// elements, a Stanza that is passed on as its own text, an Element tree for what the server itself reads, a Builder
// for what it writes, and the errors of streams and stanzas.
//
// It knows nothing of accounts or connections.
package xmpp

// The namespaces that streams and stanzas are made of. Those of an extension stand in its own package.
const (
	NSClient  = "jabber:client"
	NSServer  = "jabber:server"
	NSStream  = "http://etherx.jabber.org/streams"
	NSStreams = "urn:ietf:params:xml:ns:xmpp-streams" // conditions of stream errors
	NSStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas" // conditions of stanza errors
	NSTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
	NSSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	NSBind    = "urn:ietf:params:xml:ns:xmpp-bind"
	NSSession = "urn:ietf:params:xml:ns:xmpp-session"
	NSFraming = "urn:ietf:params:xml:ns:xmpp-framing" // rfc7395#3.3.2
	nsXML     = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS   = "http://www.w3.org/2000/xmlns/"
)

// Name is an element's or attribute's expanded name.
type Name struct{ Space, Local string }

// Kind is which of the three stanzas one is.
type Kind uint8

// The kinds of stanzas (rfc6120#8).
const (
	Message Kind = iota + 1
	Presence
	IQ
)

// String is the element's name.
func (k Kind) String() string {
	switch k {
	case Message:
		return "message"
	case Presence:
		return "presence"
	case IQ:
		return "iq"
	}
	return "unknown"
}

func kindOf(local string) Kind {
	switch local {
	case "message":
		return Message
	case "presence":
		return Presence
	case "iq":
		return IQ
	}
	return 0
}
