// Package watch is the presence of SIP phones (RFC 3856): a phone that subscribes to somebody sees what the roster lets
// its account see of him, by whatever he is available. docs/design/08-presence-of-phones.md says why it is as it is, and
// docs/bridge.md what is lost between a document of SIP and a presence of XMPP.
package watch
