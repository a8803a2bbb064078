package xmpp

import (
	"bytes"
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
	s.write("", nil, payload)
	var scan Scanner
	scan.Limits = Limits{Bytes: len(s.text) + 1, Children: len(s.text) + 1, Depth: 1000, Attributes: 1000}
	raw, err := scan.Frame([]byte(s.text))
	if err != nil {
		return nil, err
	}
	_, at := raw.inner()
	s.list(raw, at)
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
	kind := kindOf(string(r.slice(r.name.localPart())))
	switch {
	case kind == 0:
		return nil, &StreamError{Condition: UnsupportedStanzaType} // rfc6120#4.9.3.24
	case r.name.local > r.name.from:
		return nil, &StreamError{Condition: BadNamespacePrefix, Text: "stanzas have no prefix here"} // rfc6120#4.8.5
	case !r.isSpace(r.space, NSClient) && !r.isSpace(r.space, NSServer) && (!r.inherits || !r.isSpace(r.space, "")):
		return nil, &StreamError{Condition: InvalidNamespace}
	}
	if s := r.quick(kind, from); s != nil {
		return s, nil
	}
	return r.general(kind, from)
}

// general makes a stanza whatever its attributes hold.
func (r *Raw) general(kind Kind, from jid.JID) (*Stanza, error) {
	s := &Stanza{kind: kind, from: from, id: r.Attr("id"), typ: r.typ(), lang: r.Attr("xml:lang")}
	err := s.addresses(r)
	var rest strings.Builder
	r.appendPlain(&rest)
	inner, at := r.inner()
	s.write(rest.String(), inner)
	s.list(r, at)
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

// typ is the type attribute: the usual ones without a copy.
func (r *Raw) typ() string {
	a := r.attr("type")
	if a == nil {
		return ""
	}
	for _, usual := range [...]string{"chat", "get", "set", "result", "error", "unavailable", "groupchat", "normal"} {
		if string(r.slice(a.value())) == usual {
			return usual
		}
	}
	return r.Attr("type")
}

// inner is what is between the element's tags, and where that begins.
func (r *Raw) inner() ([]byte, int) {
	last := int(r.name.to)
	if len(r.attrs) > 0 {
		last = int(r.attrs[len(r.attrs)-1].to) + 1
	}
	for r.data[last] != '>' {
		last++
	}
	if r.data[last-1] == '/' {
		return nil, last + 1
	}
	return r.data[last+1 : bytes.LastIndexByte(r.data, '<')], last + 1
}

// list notes the children, in words of the stanza's own text; at is where the inner text began in the element.
func (s *Stanza) list(r *Raw, at int) {
	s.children = s.room[:0]
	for i := range r.kids {
		k := &r.kids[i]
		p := Part{from: int(k.name.from) - 1 - at, to: int(k.end) - at}
		p.Local = s.inner[int(k.local)-at : int(k.name.to)-at]
		switch {
		case k.inherits:
			p.Space = NSClient // which the stanza is in here, whatever it was in
		case k.space.text != "":
			p.Space = k.space.text
		case int(k.space.in.from) >= at:
			p.Space = s.inner[int(k.space.in.from)-at : int(k.space.in.to)-at]
		default:
			p.Space = string(r.slice(k.space.in)) // the stanza's own tag declares it
		}
		s.children = append(s.children, p)
	}
}

// write makes the text, of which rest, inner and more are parts.
func (s *Stanza) write(rest string, inner []byte, more ...string) {
	after := 0
	for _, m := range more {
		after += len(m)
	}
	text := func(b *strings.Builder, name, value string) {
		if value != "" {
			writeAttr(b, name, value)
		}
	}
	var b strings.Builder
	b.Grow(96 + len(rest) + len(inner) + after + s.from.Len() + s.to.Len() + len(s.id) + len(s.typ) + len(s.lang))
	b.WriteByte('<')
	b.WriteString(s.kind.String())
	writeAddress(&b, "from", s.from)
	writeAddress(&b, "to", s.to)
	text(&b, "id", s.id)
	text(&b, "type", s.typ)
	text(&b, "xml:lang", s.lang)
	restAt := b.Len()
	b.WriteString(rest)
	restEnd := b.Len()
	if len(inner)+after == 0 {
		b.WriteString("/>")
		s.text, s.inner = b.String(), ""
		s.rest = s.text[restAt:restEnd]
		return
	}
	b.WriteByte('>')
	innerAt := b.Len()
	b.Write(inner)
	for _, m := range more {
		b.WriteString(m)
	}
	innerEnd := b.Len()
	b.WriteString("</")
	b.WriteString(s.kind.String())
	b.WriteByte('>')
	s.text = b.String()
	s.rest, s.inner = s.text[restAt:restEnd], s.text[innerAt:innerEnd]
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
	c.write(s.rest, nil, inner, e.Append)
	for i := range c.children {
		c.own(&c.children[i])
	}
	return c
}

// own has a part's names be pieces of the stanza's own text, so that they don't keep another's in memory.
func (s *Stanza) own(p *Part) {
	xml := s.inner[p.from:p.to]
	if at := strings.Index(xml, p.Local); at >= 0 {
		p.Local = xml[at : at+len(p.Local)]
	}
	if p.Space == NSClient {
		p.Space = NSClient
	} else if at := strings.Index(xml, p.Space); at >= 0 {
		p.Space = xml[at : at+len(p.Space)]
	}
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

// Result answers an iq; payload is XML, and may be "". If that is not well-formed, which may be the doing of
// whoever it was made for, the answer is an error.
func (s *Stanza) Result(payload string) *Stanza {
	st, err := New(IQ, Header{From: s.to, To: s.from, ID: s.id, Type: "result"}, payload)
	if err != nil {
		return s.Fail(&StanzaError{Condition: InternalServerError})
	}
	return st
}

// Fail answers a stanza with an error, for the sender (rfc6120#8.3.1). An error is never
// answered with an error: the caller sees to that (IsError).
func (s *Stanza) Fail(e *StanzaError) *Stanza {
	h := Header{From: s.to, To: s.from, ID: s.id, Type: "error"}
	st, err := New(s.kind, h, e.XML())
	if err != nil { // the application's condition is not well-formed
		return Must(s.kind, h, (&StanzaError{Type: e.Type, Condition: e.Condition, Text: e.Text}).XML())
	}
	return st
}

// IsError says that the stanza's type is error, or, of an iq, that it is an answer: nothing may be answered to it.
func (s *Stanza) IsError() bool { return s.typ == "error" || s.kind == IQ && s.typ == "result" }
