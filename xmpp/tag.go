package xmpp

import (
	"bytes"
	"slices"
)

// startTag takes a start tag or an empty element.
func (s *Scanner) startTag() (Event, error) {
	end, err := s.tagEnd()
	if err != nil {
		return More, err
	}
	tag := s.buf[s.at : end-1]
	empty := tag[len(tag)-1] == '/'
	if empty {
		tag = tag[:len(tag)-1]
	}
	prefix, local, err := s.readTag(tag)
	if err != nil {
		return More, err
	}
	if err := s.checkRoom(); err != nil {
		return More, err
	}
	before := len(s.decls)
	if err := s.declare(); err != nil {
		return More, err
	}
	space, err := s.resolve(prefix, true)
	if err != nil {
		return More, err
	}
	if err := s.checkAttributes(); err != nil {
		return More, err
	}
	s.begun = true
	if !s.opened {
		return s.openStream(prefix, local, space, end, empty)
	}
	s.push(prefix, local, space, before)
	s.at = end
	if !empty {
		return More, nil
	}
	s.pop(s.open[len(s.open)-1])
	return s.closed(), nil
}

func (s *Scanner) checkRoom() error {
	depth := len(s.open) + 1 // the stream's own
	switch {
	case !s.opened:
		return nil
	case depth >= s.Limits.Depth:
		return &StreamError{Condition: PolicyViolation, Text: "too many elements in one another"}
	case len(s.open) == 1 && len(s.kids) >= s.Limits.Children:
		return &StreamError{Condition: PolicyViolation, Text: "too many elements in a stanza"}
	}
	return nil
}

// push opens an element.
func (s *Scanner) push(prefix, local span, space nameSpace, before int) {
	at := s.at - s.base
	name := local
	if prefix.to > prefix.from {
		name.from = prefix.from
	}
	switch len(s.open) {
	case 0:
		s.kids = s.kids[:0]
		s.top = append(s.top[:0], s.attrs...)
		s.local, s.space = local, space
	case 1:
		s.kids = append(s.kids, kid{local: local, space: space, whole: span{from: at}})
	}
	s.open = append(s.open, opened{name, before})
}

// openStream takes the header (rfc6120#4.7): what it declares holds for the stream.
func (s *Scanner) openStream(prefix, local span, space nameSpace, end int, empty bool) (Event, error) {
	if empty {
		return More, notWellFormed("the stream is opened and closed at once")
	}
	for _, d := range s.decls {
		s.stream = append(s.stream, binding{string(s.slice(d.prefix)), string(s.spaceOf(d.space))})
	}
	s.local, s.space = local, space
	if prefix.to > prefix.from {
		local.from = prefix.from
	}
	s.header = string(s.slice(local))
	s.decls = s.decls[:0]
	s.top = append(s.top[:0], s.attrs...)
	s.kids = s.kids[:0]
	s.opened = true
	s.at = end
	s.finish()
	return Opened, nil
}

func (s *Scanner) spaceOf(n nameSpace) []byte {
	if n.text != "" {
		return []byte(n.text)
	}
	return s.slice(n.in)
}

// readTag takes a tag apart: its name, and its attributes into s.attrs.
func (s *Scanner) readTag(tag []byte) (prefix, local span, err error) {
	off := s.at - s.base // of the tag in the element
	s.attrs = s.attrs[:0]
	i, colon, err := readName(tag, 1)
	if err != nil {
		return prefix, local, err
	}
	prefix, local = split(off+1, off+i, colon+off)
	for {
		space := i
		for i < len(tag) && isSpace(tag[i]) {
			i++
		}
		if i == len(tag) {
			return prefix, local, nil
		}
		if i == space {
			return prefix, local, notWellFormed("no space stands before an attribute")
		}
		if len(s.attrs) >= s.Limits.Attributes {
			return prefix, local, &StreamError{Condition: PolicyViolation, Text: "too many attributes"}
		}
		if i, err = s.readAttribute(tag, i, off); err != nil {
			return prefix, local, err
		}
	}
}

// split takes a name that stands at from to to apart at its colon, which is before from if there is none.
func split(from, to, colon int) (prefix, local span) {
	if colon > from {
		return span{from, colon}, span{colon + 1, to}
	}
	return span{from, from}, span{from, to}
}

func (s *Scanner) readAttribute(tag []byte, i, off int) (int, error) {
	begin := i
	i, colon, err := readName(tag, i)
	if err != nil {
		return 0, err
	}
	a := attribute{}
	a.prefix, a.local = split(off+begin, off+i, colon+off)
	for i < len(tag) && isSpace(tag[i]) {
		i++
	}
	if i == len(tag) || tag[i] != '=' {
		return 0, notWellFormed("an attribute has no value")
	}
	for i++; i < len(tag) && isSpace(tag[i]); i++ {
	}
	if i == len(tag) || tag[i] != '"' && tag[i] != '\'' {
		return 0, notWellFormed("an attribute's value has no quotes")
	}
	a.quote = tag[i]
	n, err := readValue(tag[i+1:], a.quote)
	if err != nil {
		return 0, err
	}
	a.value = span{off + i + 1, off + i + 1 + n}
	i += n + 2
	a.whole = span{off + begin, off + i}
	s.attrs = append(s.attrs, a)
	return i, nil
}

// readValue finds the end of an attribute's value, up to its quote.
func readValue(b []byte, quote byte) (int, error) {
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c == quote:
			return i, nil
		case plain[c]:
			i++
		case c == '<':
			return 0, notWellFormed("< stands in an attribute")
		case c == '&':
			n, err := reference(b[i:])
			if err != nil {
				return 0, whole(err)
			}
			i += n
		case c < 0x80:
			if !isASCIIChar(c) {
				return 0, notWellFormed("a character that XML does not allow")
			}
			i++
		default:
			n, err := multibyte(b[i:])
			if err != nil {
				return 0, whole(err)
			}
			i += n
		}
	}
	return 0, notWellFormed("an attribute's value does not end")
}

// whole is err for a token that is all there.
func whole(err error) error {
	if err == errMore { //nolint:errorlint // never wrapped
		return notWellFormed("a reference or character is cut short")
	}
	return err
}

// declare puts the tag's namespace declarations in scope.
func (s *Scanner) declare() error {
	for i := range s.attrs {
		a := &s.attrs[i]
		prefix := s.slice(a.prefix)
		switch {
		case len(prefix) == 0 && string(s.slice(a.local)) == "xmlns":
			if err := s.addDecl(span{a.local.to, a.local.to}, a.value); err != nil {
				return err
			}
		case string(prefix) == "xmlns":
			if err := s.addDecl(a.local, a.value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Scanner) addDecl(prefix, value span) error {
	d := decl{prefix: prefix, value: value, space: nameSpace{in: value}}
	name, space := s.slice(prefix), s.slice(value)
	if bytes.IndexByte(space, '&') >= 0 {
		d.space = nameSpace{text: Unescape(string(space))}
		space = []byte(d.space.text)
	}
	// XML namespaces 1.0, sections 3 and 5.
	switch {
	case string(name) == "xmlns" || string(space) == nsXMLNS,
		(string(name) == "xml") != (string(space) == nsXML):
		return notWellFormed("a reserved prefix or namespace is declared")
	case len(name) > 0 && len(space) == 0:
		return notWellFormed("a prefix is declared for no namespace")
	}
	s.decls = append(s.decls, d)
	return nil
}

// resolve finds the namespace of a prefix; of none, that of elements, since attributes without one have none.
func (s *Scanner) resolve(prefix span, element bool) (nameSpace, error) {
	name := s.slice(prefix)
	if len(name) == 0 && !element {
		return nameSpace{}, nil
	}
	for i := len(s.decls) - 1; i >= 0; i-- {
		if bytes.Equal(s.slice(s.decls[i].prefix), name) {
			return s.decls[i].space, nil
		}
	}
	switch string(name) {
	case "xml":
		return nameSpace{text: nsXML}, nil
	case "xmlns":
		if !element {
			return nameSpace{text: nsXMLNS}, nil
		}
	}
	for _, b := range s.stream {
		if string(name) != b.prefix {
			continue
		}
		if b.prefix != "" && !slices.Contains(s.used, b) {
			s.used = append(s.used, b)
		}
		return nameSpace{text: b.space}, nil
	}
	if len(name) > 0 {
		return nameSpace{}, notWellFormed("a prefix is not declared")
	}
	return nameSpace{}, nil
}

// checkAttributes resolves the prefixes of a tag's attributes, and sees that no two have one name.
func (s *Scanner) checkAttributes() error {
	for i := range s.attrs {
		a := &s.attrs[i]
		mine, err := s.resolve(a.prefix, false)
		if err != nil {
			return err
		}
		for j := range i {
			b := &s.attrs[j]
			if !bytes.Equal(s.slice(a.local), s.slice(b.local)) {
				continue
			}
			other, err := s.resolve(b.prefix, false)
			if err != nil {
				return err
			}
			if bytes.Equal(s.spaceOf(mine), s.spaceOf(other)) {
				return notWellFormed("an attribute stands twice")
			}
		}
	}
	return nil
}
