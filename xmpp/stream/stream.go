// Package stream is the grammar of XMPP's streams (RFC 6120, section 4), over a byte stream and in WebSocket frames
// (RFC 7395): their headers, features and ends.
package stream

import (
	"strconv"
	"strings"

	"parley/xmpp"
)

// Header is what opens a stream.
type Header struct {
	To, From string
	ID       string
	Version  string
	Lang     string
}

// Form is how a stream is written.
type Form uint8

// The forms of streams.
const (
	Bytes  Form = iota // one XML document (rfc6120#4)
	Framed             // each element a frame (rfc7395#3.3)
)

// Read reads the header of a client's stream. If the error is not nil, the header is still what could be read.
func (f Form) Read(r *xmpp.Raw) (Header, error) {
	h := Header{
		To: r.Attr("to"), From: r.Attr("from"), ID: r.Attr("id"), Version: r.Attr("version"), Lang: r.Attr("xml:lang"),
	}
	if err := f.checkName(r); err != nil {
		return h, err
	}
	if f == Bytes {
		// rfc6120#4.8.2, rfc6120#4.8.3
		if space, _ := r.Declares(""); space != xmpp.NSClient {
			return h, &xmpp.StreamError{Condition: xmpp.InvalidNamespace, Text: "clients speak " + xmpp.NSClient}
		}
	}
	if !isVersion1(h.Version) { // rfc6120#4.7.5
		return h, &xmpp.StreamError{Condition: xmpp.UnsupportedVersion, Text: "this is XMPP 1.0"}
	}
	return h, nil
}

func (f Form) checkName(r *xmpp.Raw) error {
	space, local := xmpp.NSStream, "stream"
	if f == Framed {
		space, local = xmpp.NSFraming, "open"
	}
	switch name := r.Name(); {
	case name.Local != local:
		return &xmpp.StreamError{Condition: xmpp.BadFormat, Text: "a stream begins with " + local}
	case name.Space != space:
		return &xmpp.StreamError{Condition: xmpp.InvalidNamespace} // rfc6120#4.9.3.10
	}
	return nil
}

// isVersion1 says that a peer speaks XMPP 1.0 or something later, which has to speak 1.0 with us.
func isVersion1(version string) bool {
	major, minor, ok := strings.Cut(version, ".")
	if !ok {
		return false
	}
	n, err := strconv.ParseUint(major, 10, 16)
	_, err2 := strconv.ParseUint(minor, 10, 16)
	return err == nil && err2 == nil && n >= 1
}

// Open writes a header.
func (f Form) Open(h Header) string {
	var b *xmpp.Builder
	if f == Framed {
		b = xmpp.NewBuilder(nil).Open("open", xmpp.NSFraming)
	} else {
		b = xmpp.NewBuilder([]byte("<?xml version='1.0'?>")).
			Open("stream:stream", xmpp.NSClient).Attr("xmlns:stream", xmpp.NSStream)
	}
	b.Maybe("from", h.From).Maybe("to", h.To).Maybe("id", h.ID).Maybe("version", h.Version).Maybe("xml:lang", h.Lang)
	if f == Framed {
		return b.Close().String()
	}
	return b.String() + ">"
}

// Features writes a stream's features, which are given as XML that names its namespaces.
func (f Form) Features(inner string) string {
	if f == Framed {
		return "<features xmlns='" + xmpp.NSStream + "'>" + inner + "</features>"
	}
	return "<stream:features>" + inner + "</stream:features>"
}

// Error writes a stream error.
func (f Form) Error(e *xmpp.StreamError) string {
	if f == Framed {
		return e.XML("")
	}
	return e.XML("stream:")
}

// Close writes a stream's end.
func (f Form) Close() string {
	if f == Framed {
		return "<close xmlns='" + xmpp.NSFraming + "'/>"
	}
	return "</stream:stream>"
}

// AppendStanza adds a stanza to b.
func (f Form) AppendStanza(b []byte, s *xmpp.Stanza) []byte {
	if f == Framed {
		return s.AppendFramed(b)
	}
	return append(b, s.Text()...)
}

// Stanza writes one.
func (f Form) Stanza(s *xmpp.Stanza) string { return string(f.AppendStanza(nil, s)) }
