// Package letters carries messages between SIP phones and XMPP apps: a MESSAGE (RFC 3428) becomes a stanza and goes the
// way of its sender's stanzas, and a phone that takes MESSAGE is a session to those who write to its account (RFC 7572).
// What is lost on the way stands in docs/bridge.md.
package letters
