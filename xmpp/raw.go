package xmpp

import "strings"

// Raw is a whole first-level element, or a stream's header, in a Scanner's buffer.
type Raw struct {
	data     []byte
	name     name
	space    nameSpace
	inherits bool // the namespace is the stream's, for want of saying another
	attrs    []attribute
	kids     []kid
	used     []binding // prefixes that the stream declares
	outer    string    // the stream's default namespace
}

func (r *Raw) slice(p span) []byte { return r.data[p.from:p.to] }

// Name is the element's expanded name.
func (r *Raw) Name() Name { return Name{r.spaceText(r.space), string(r.slice(r.name.localPart()))} }

// Is compares the name without making one.
func (r *Raw) Is(space, local string) bool {
	return string(r.slice(r.name.localPart())) == local && r.isSpace(r.space, space)
}

func (r *Raw) isSpace(n nameSpace, space string) bool {
	if n.text != "" {
		return n.text == space
	}
	return string(r.slice(n.in)) == space
}

func (r *Raw) spaceText(n nameSpace) string {
	if n.text != "" {
		return n.text
	}
	return string(r.slice(n.in))
}

// Attr is the value of an attribute without a namespace, or of "xml:lang"; "" if it is not there.
func (r *Raw) Attr(name string) string {
	if a := r.attr(name); a != nil {
		return unescapeValue(string(r.slice(a.value())))
	}
	return ""
}

// Has says whether there is the attribute.
func (r *Raw) Has(name string) bool { return r.attr(name) != nil }

func (r *Raw) attr(name string) *attribute {
	for i := range r.attrs {
		a := &r.attrs[i]
		if string(r.slice(a.whole())) == name {
			return a
		}
	}
	return nil
}

// Text is the element as it came.
func (r *Raw) Text() string { return string(r.data) }

// Len is the element's length in bytes, as it came.
func (r *Raw) Len() int { return len(r.data) }

// Declares says whether the element itself declares a prefix for a namespace, which it gives: of a stream's header.
func (r *Raw) Declares(prefix string) (space string, ok bool) {
	name := "xmlns"
	if prefix != "" {
		name += ":" + prefix
	}
	if a := r.attr(name); a != nil {
		return unescapeValue(string(r.slice(a.value()))), true
	}
	return "", false
}

// Element is the element as a tree. It keeps nothing of the buffer.
func (r *Raw) Element() *Element {
	scope := scope{{"", r.outer}}
	scope = append(scope, r.used...)
	p := parser{text: string(r.data)}
	return p.element(scope)
}

// appendPlain adds the attributes that a Stanza has no field for, and the declarations that it needs to stand in
// any stream, to b.
func (r *Raw) appendPlain(b *strings.Builder) {
	for i := range r.attrs {
		a := &r.attrs[i]
		switch string(r.slice(a.whole())) {
		case "from", "to", "id", "type", "xml:lang", "xmlns":
			continue
		}
		b.WriteByte(' ')
		b.Write(r.data[a.name.from : a.to+1])
	}
	for _, u := range r.used {
		b.WriteString(" xmlns:")
		b.WriteString(u.prefix)
		b.WriteString(`='`)
		b.WriteString(Escape(u.space))
		b.WriteByte('\'')
	}
}
