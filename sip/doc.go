// Package sip is the message layer of SIP (RFC 3261): it parses, edits and writes
// requests and responses, URIs and header fields.
//
// A Message is one immutable text and a table of where each header field lies in it.
// Everything that reads from a message returns substrings of that text, so it costs
// nothing and may be kept as long as the reader likes. A change is a Builder: a list
// of edits on a message (or on nothing), written out once as a new Message.
//
// Parsing and validating are apart: Parse finds the parts of what was sent, Validate
// says which rule is broken and with which status code a peer should be told.
package sip
