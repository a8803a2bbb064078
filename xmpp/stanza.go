package xmpp

import (
	"slices"
	"strings"

	"parley/xmpp/jid"
)

// Stanza is one message, presence or iq. It never changes once made, and is shared between those it goes to.
//
// Its text is the element as it stands in a stream whose default namespace is jabber:client; what is in it declares
// every prefix that it uses. What the server does not have to read is passed on byte for byte.
type Stanza struct {
	text     string
	kind     Kind
	from, to jid.JID
	id       string
	typ      string
	lang     string
	rest     string // further attributes and declarations, as written, with a space before each
	inner    string // what is between its tags
	children []Part
	room     [inlineParts]Part
}

// inlineParts is how many children a Stanza has room for without a second allocation.
const inlineParts = 6

// Part is an element right in a stanza.
type Part struct {
	Name
	from, to int // in the stanza's inner text
}

// Header is what a stanza says of itself.
type Header struct {
	From, To jid.JID
	ID, Type string
	Lang     string
}

// New makes a stanza; payload is what is in it, as XML that is well-formed in a stream of jabber:client.
// It returns an error if it is not.
func New(kind Kind, h Header, payload string) (*Stanza, error) {
	s := &Stanza{kind: kind, from: h.From, to: h.To, id: h.ID, typ: h.Type, lang: h.Lang}
	s.write("", payload)
	var scan Scanner
	scan.Limits = Limits{Bytes: len(s.text) + 1, Children: len(s.text) + 1, Depth: 1000, Attributes: 1000}
	raw, err := scan.Frame([]byte(s.text))
	if err != nil {
		return nil, err
	}
	s.list(raw.kids, raw, len(s.text)-len(s.inner)-len(s.closing()))
	return s, nil
}

// Must is New for payloads that this program has written itself.
func Must(kind Kind, h Header, payload string) *Stanza {
	s, err := New(kind, h, payload)
	if err != nil {
		panic(err) // a fault in the program's own text, which its tests would have met
	}
	return s
}

// Parse reads a stanza's text, as Text gives it and a database keeps it.
func Parse(text string) (*Stanza, error) {
	var scan Scanner
	scan.Limits = Limits{Bytes: len(text) + 1, Children: len(text) + 1, Depth: 1000, Attributes: 1000}
	raw, err := scan.Frame([]byte(text))
	if err != nil {
		return nil, err
	}
	return raw.Stanza(jid.JID{})
}

// Stanza makes a stanza of the element. Its from is the given one, or the element's own if that is zero.
//
// The error is a *StreamError if the element is no stanza, and a *StanzaError if it is one with an address that is
// none: there is a Stanza besides then, without that address, to be answered.
func (r *Raw) Stanza(from jid.JID) (*Stanza, error) {
	kind := kindOf(string(r.slice(r.local)))
	if kind == 0 {
		return nil, &StreamError{Condition: UnsupportedStanzaType} // rfc6120#4.9.3.24
	}
	if r.data[1] != kind.String()[0] || string(r.data[1:1+len(kind.String())]) != kind.String() {
		return nil, &StreamError{Condition: BadNamespacePrefix, Text: "stanzas have no prefix here"} // rfc6120#4.8.5
	}
	if !r.isSpace(r.space, NSClient) && !r.isSpace(r.space, NSServer) && !r.isSpace(r.space, "") {
		return nil, &StreamError{Condition: InvalidNamespace}
	}
	s := &Stanza{kind: kind, from: from, id: r.Attr("id"), typ: r.Attr("type"), lang: r.Attr("xml:lang")}
	err := s.addresses(r)
	var rest strings.Builder
	r.appendPlain(&rest)
	inner, at := r.inner()
	s.write(rest.String(), inner)
	s.list(r.kids, r, at)
	return s, err
}

func (s *Stanza) addresses(r *Raw) error {
	read := func(name string, to *jid.JID) error {
		if !r.Has(name) {
			return nil
		}
		j, err := jid.Parse(r.Attr(name))
		if err != nil {
			return &StanzaError{Condition: JIDMalformed, Text: "the " + name + " address is none"} // rfc6120#8.1.1
		}
		*to = j
		return nil
	}
	if s.from.IsZero() {
		if err := read("from", &s.from); err != nil {
			return err
		}
	}
	return read("to", &s.to)
}

// inner is what is between the element's tags, and where that begins.
func (r *Raw) inner() (string, int) {
	last := r.local.to
	if len(r.attrs) > 0 {
		last = r.attrs[len(r.attrs)-1].whole.to
	}
	for r.data[last] != '>' {
		last++
	}
	if r.data[last-1] == '/' {
		return "", last + 1
	}
	end := len(r.data) - 1
	for r.data[end] != '<' {
		end--
	}
	return string(r.data[last+1 : end]), last + 1
}

// list notes the children, whose positions are from the raw element's beginning; at is where the inner text begins.
func (s *Stanza) list(kids []kid, r *Raw, at int) {
	s.children = s.room[:0]
	for _, k := range kids {
		p := Part{from: k.whole.from - at, to: k.whole.to - at}
		p.Local = known(r.slice(k.local))
		p.Space = k.space.text
		if p.Space == "" {
			p.Space = known(r.slice(k.space.in))
		}
		if p.Space == "" && !s.undeclares(p) {
			p.Space = NSClient
		}
		s.children = append(s.children, p)
	}
}

// undeclares says that a child is in no namespace on purpose, not for want of a stream around it.
func (s *Stanza) undeclares(p Part) bool {
	tag, _, _ := strings.Cut(s.inner[p.from:p.to], ">")
	return strings.Contains(tag, "xmlns=''") || strings.Contains(tag, `xmlns=""`)
}

// known gives frequent names without an allocation.
func known(b []byte) string {
	switch string(b) {
	case "body":
		return "body"
	case "query":
		return "query"
	case NSClient:
		return NSClient
	case "http://jabber.org/protocol/chatstates":
		return "http://jabber.org/protocol/chatstates"
	case "urn:xmpp:receipts":
		return "urn:xmpp:receipts"
	case "urn:xmpp:sid:0":
		return "urn:xmpp:sid:0"
	case "http://jabber.org/protocol/caps":
		return "http://jabber.org/protocol/caps"
	}
	return string(b)
}

func (s *Stanza) closing() string {
	switch {
	case s.inner == "":
		return "/>"
	case s.kind == Message:
		return "</message>"
	case s.kind == Presence:
		return "</presence>"
	}
	return "</iq>"
}

// write makes the text, of which rest and inner become parts.
func (s *Stanza) write(rest, inner string) {
	s.inner = inner
	closing := s.closing()
	var b strings.Builder
	b.Grow(64 + len(rest) + len(inner) + len(closing) + s.from.Len() + s.to.Len() + len(s.id))
	b.WriteByte('<')
	b.WriteString(s.kind.String())
	address := func(name string, j jid.JID) {
		if !j.IsZero() {
			attribute := j.String()
			writeAttr(&b, name, attribute)
		}
	}
	address("from", s.from)
	address("to", s.to)
	text := func(name, value string) {
		if value != "" {
			writeAttr(&b, name, value)
		}
	}
	text("id", s.id)
	text("type", s.typ)
	text("xml:lang", s.lang)
	restAt := b.Len()
	b.WriteString(rest)
	restEnd := b.Len()
	if inner == "" {
		b.WriteString(closing)
		s.text = b.String()
		s.rest = s.text[restAt:restEnd]
		return
	}
	b.WriteByte('>')
	innerAt := b.Len()
	b.WriteString(inner)
	b.WriteString(closing)
	s.text = b.String()
	s.rest, s.inner = s.text[restAt:restEnd], s.text[innerAt:innerAt+len(inner)]
}

// Text is the stanza as it stands in a stream of jabber:client.
func (s *Stanza) Text() string { return s.text }

// AppendFramed adds the stanza as it stands where no stream is around it: in a WebSocket's frame, or within another
// stanza that is forwarded. It says its namespace itself.
func (s *Stanza) AppendFramed(b []byte) []byte {
	name := len("<") + len(s.kind.String())
	b = append(b, s.text[:name]...)
	b = append(b, " xmlns='"+NSClient+"'"...)
	return append(b, s.text[name:]...)
}

// Kind is which stanza it is.
func (s *Stanza) Kind() Kind { return s.kind }

// From and To are its addresses, zero where there is none.
func (s *Stanza) From() jid.JID { return s.from }

// To is who it is for.
func (s *Stanza) To() jid.JID { return s.to }

// ID, Type and Lang are its attributes, "" where there is none.
func (s *Stanza) ID() string { return s.id }

// Type is the type attribute.
func (s *Stanza) Type() string { return s.typ }

// Lang is the xml:lang attribute.
func (s *Stanza) Lang() string { return s.lang }

// Header is what the stanza says of itself.
func (s *Stanza) Header() Header {
	return Header{From: s.from, To: s.to, ID: s.id, Type: s.typ, Lang: s.lang}
}

// Inner is what is between its tags, as XML.
func (s *Stanza) Inner() string { return s.inner }

// Parts are the elements right in it. They must not be changed.
func (s *Stanza) Parts() []Part { return s.children }

// Part finds the first element of that name; an empty local finds the first of the namespace.
func (s *Stanza) Part(space, local string) (Part, bool) {
	for _, p := range s.children {
		if p.Space == space && (local == "" || p.Local == local) {
			return p, true
		}
	}
	return Part{}, false
}

// Payload is an iq's one element that asks or answers; ok is false unless there is just one (rfc6120#8.2.3).
// An error beside it does not count.
func (s *Stanza) Payload() (p Part, ok bool) {
	for _, c := range s.children {
		if c.Space == NSClient && c.Local == "error" {
			continue
		}
		if ok {
			return Part{}, false
		}
		p, ok = c, true
	}
	return p, ok
}

// XML is a part as it is written. It may use prefixes that the stanza itself declares: Element has them resolved.
func (s *Stanza) XML(p Part) string { return s.inner[p.from:p.to] }

// Element is a part as a tree.
func (s *Stanza) Element(p Part) *Element {
	parse := parser{text: s.inner[p.from:p.to]}
	return parse.element(s.scope())
}

// Find is the first part of that name as a tree, nil if there is none.
func (s *Stanza) Find(space, local string) *Element {
	if p, ok := s.Part(space, local); ok {
		return s.Element(p)
	}
	return nil
}

// Body is the text of a message's body, the first if there are several in several languages.
func (s *Stanza) Body() string {
	if e := s.Find(NSClient, "body"); e != nil {
		return e.Text
	}
	return ""
}

// scope is what the stanza's own tag declares.
func (s *Stanza) scope() scope {
	sc := scope{{"", NSClient}}
	if s.rest == "" {
		return sc
	}
	p := parser{text: "<x" + s.rest + "/>"}
	p.at = len("<x")
	for _, a := range p.attributes() {
		if prefix, ok := strings.CutPrefix(a.name, "xmlns:"); ok {
			sc = append(sc, binding{prefix, a.value})
		}
	}
	return sc
}

// Edit is how a stanza becomes another one.
type Edit struct {
	From, To *jid.JID
	ID, Type *string
	// Drop says which parts are left out.
	Drop func(Part) bool
	// Append is put after the others, as XML whose names declare their namespaces.
	Append string
	// Appended are the names of what Append holds.
	Appended []Name
}

// Edit gives a changed copy.
func (s *Stanza) Edit(e Edit) *Stanza {
	c := &Stanza{kind: s.kind, from: s.from, to: s.to, id: s.id, typ: s.typ, lang: s.lang}
	if e.From != nil {
		c.from = *e.From
	}
	if e.To != nil {
		c.to = *e.To
	}
	if e.ID != nil {
		c.id = *e.ID
	}
	if e.Type != nil {
		c.typ = *e.Type
	}
	inner, parts := s.inner, s.children
	if e.Drop != nil && slices.ContainsFunc(parts, e.Drop) {
		inner, parts = s.without(e.Drop)
	}
	c.children = append(c.room[:0], parts...)
	at := len(inner)
	for i, n := range e.Appended {
		// Where the several lie in Append is found by asking for them, which is rare.
		p := Part{Name: n, from: at, to: at + len(e.Append)}
		if len(e.Appended) > 1 {
			p.from, p.to = nth(e.Append, i, at)
		}
		c.children = append(c.children, p)
	}
	c.write(s.rest, inner+e.Append)
	return c
}

// nth finds the position of the i-th element in text, which is put at a position.
func nth(text string, i, at int) (from, to int) {
	p := parser{text: text}
	for ; ; i-- {
		from = p.at
		p.element(nil)
		if i == 0 {
			return at + from, at + p.at
		}
	}
}

// without is the inner text and its parts but for those that are dropped.
func (s *Stanza) without(drop func(Part) bool) (string, []Part) {
	var b strings.Builder
	var parts []Part
	last := 0
	for _, p := range s.children {
		if drop(p) {
			b.WriteString(s.inner[last:p.from])
			last = p.to
			continue
		}
		gone := last - b.Len() // how much shorter it is before this part
		parts = append(parts, Part{p.Name, p.from - gone, p.to - gone})
		b.WriteString(s.inner[last:p.to])
		last = p.to
	}
	b.WriteString(s.inner[last:])
	return b.String(), parts
}

// Result answers an iq; payload is XML, and may be "".
func (s *Stanza) Result(payload string) *Stanza {
	return Must(IQ, Header{From: s.to, To: s.from, ID: s.id, Type: "result"}, payload)
}

// Fail answers a stanza with an error, for the sender (rfc6120#8.3.1). An error is never
// answered with an error: the caller sees to that (IsError).
func (s *Stanza) Fail(e *StanzaError) *Stanza {
	return Must(s.kind, Header{From: s.to, To: s.from, ID: s.id, Type: "error"}, e.XML())
}

// IsError says that the stanza's type is error, or, of an iq, that it is an answer: nothing may be answered to it.
func (s *Stanza) IsError() bool { return s.typ == "error" || s.kind == IQ && s.typ == "result" }
