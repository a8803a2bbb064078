package xmpp

import (
	"bytes"
	"slices"
)

// startTag takes a start tag or an empty element.
func (s *Scanner) startTag() (Event, error) {
	end, empty, err := s.readTag()
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
	space, err := s.resolve(s.name.prefix(), true)
	if err != nil {
		return More, err
	}
	if err := s.checkAttributes(); err != nil {
		return More, err
	}
	s.begun = true
	if !s.opened {
		return s.openStream(space, s.base+end, empty)
	}
	s.push(space, before)
	s.at = s.base + end
	if !empty {
		return More, nil
	}
	s.pop(s.open[len(s.open)-1])
	return s.closed()
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
func (s *Scanner) push(space nameSpace, before int) {
	switch len(s.open) {
	case 0:
		s.kids = s.kids[:0]
		s.top, s.attrs = s.attrs, s.top // those of the tag at hand are needed no more
		s.first, s.space, s.inherits = s.name, space, s.inheriting(before)
	case 1:
		s.kids = append(s.kids, kid{name: s.name, space: space, inherits: s.inheriting(before)})
	}
	s.open = append(s.open, opened{s.name, before})
}

// inheriting says that the tag at hand is in the namespace of what is around it for want of saying another.
func (s *Scanner) inheriting(before int) bool {
	if s.name.local > s.name.from {
		return false
	}
	for i := range s.decls[before:] {
		if d := &s.decls[before+i]; d.prefix.from == d.prefix.to {
			return false
		}
	}
	return true
}

// openStream takes the header (rfc6120#4.7): what it declares holds for the stream.
func (s *Scanner) openStream(space nameSpace, end int, empty bool) (Event, error) {
	if empty {
		return More, notWellFormed("the stream is opened and closed at once")
	}
	for _, d := range s.decls {
		s.stream = append(s.stream, binding{string(s.slice(d.prefix)), string(s.spaceOf(d.space))})
	}
	s.header = string(s.slice(s.name.whole()))
	s.first, s.space, s.inherits = s.name, space, false
	s.decls = s.decls[:0]
	s.top, s.attrs = s.attrs, s.top
	s.kids = s.kids[:0]
	s.opened = true
	s.at = end
	return Opened, s.finish()
}

func (s *Scanner) spaceOf(n nameSpace) []byte {
	if n.text != "" {
		return []byte(n.text)
	}
	return s.slice(n.in)
}

// readTag takes the tag at hand apart: its name, its attributes into s.attrs, where it ends in the element, and whether it is
// an empty element's. What it has read it does not read again when it needs more bytes.
func (s *Scanner) readTag() (end int, empty bool, err error) {
	b := s.buf[s.base:]
	if !s.inTag {
		if s.name, err = readName(b, s.at-s.base+1); err != nil {
			return 0, false, err
		}
		s.inTag, s.spaced, s.pos, s.seek, s.attrs = true, false, int(s.name.to), 0, s.attrs[:0]
	}
	for {
		i := s.pos
		for i < len(b) && isSpace(b[i]) {
			i++
			s.spaced = true
		}
		s.pos = i
		if i == len(b) {
			return 0, false, errMore
		}
		switch c := b[i]; {
		case c == '>':
			s.inTag = false
			return i + 1, false, nil
		case c == '/':
			if i+1 == len(b) {
				return 0, false, errMore
			}
			if b[i+1] != '>' {
				return 0, false, notWellFormed("a / stands in a tag")
			}
			s.inTag = false
			return i + 2, true, nil
		case !s.spaced:
			return 0, false, notWellFormed("no space stands before an attribute")
		case len(s.attrs) >= s.Limits.Attributes:
			return 0, false, &StreamError{Condition: PolicyViolation, Text: "too many attributes"}
		}
		if err := s.readAttribute(b, i); err != nil {
			return 0, false, err
		}
	}
}

// readAttribute takes the attribute that begins at i.
func (s *Scanner) readAttribute(b []byte, i int) error {
	n, err := readName(b, i)
	if err != nil {
		return err
	}
	at, err := readEquals(b, int(n.to))
	if err != nil {
		return err
	}
	quote := b[at]
	from := at + 1
	end, err := s.readValue(b, max(from, s.seek), quote)
	if err != nil {
		return err
	}
	s.attrs = append(s.attrs, attribute{name: n, from: uint32(from), to: uint32(end), quote: quote})
	s.pos, s.seek, s.spaced = end+1, 0, false
	return nil
}

// readEquals passes over an attribute's equals sign, up to the quote before its value.
func readEquals(b []byte, from int) (int, error) {
	i, seen := from, false
	for ; i < len(b) && i-from <= maxMarkup; i++ {
		switch c := b[i]; {
		case c == '=' && !seen:
			seen = true
		case seen && (c == '"' || c == '\''):
			return i, nil
		case isSpace(c):
		case seen:
			return 0, notWellFormed("an attribute's value has no quotes")
		default:
			return 0, notWellFormed("an attribute has no value")
		}
	}
	if i-from > maxMarkup {
		return 0, &StreamError{Condition: PolicyViolation, Text: "too much space stands in a tag"}
	}
	return 0, errMore
}

// readValue finds the end of an attribute's value, up to its quote.
func (s *Scanner) readValue(b []byte, i int, quote byte) (int, error) {
	for {
		i = valueRun(b, i, quote)
		s.seek = i
		switch {
		case i == len(b):
			return 0, errMore
		case b[i] == quote:
			return i, nil
		case b[i] == '<':
			return 0, notWellFormed("< stands in an attribute")
		}
		n, err := odd(b[i:])
		if err != nil {
			return 0, err
		}
		i += n
	}
}

// declare puts the tag's namespace declarations in scope.
func (s *Scanner) declare() error {
	for i := range s.attrs {
		a := &s.attrs[i]
		prefix, name := s.slice(a.prefix()), s.slice(a.localPart())
		switch {
		case len(prefix) == 0 && string(name) == "xmlns":
			if err := s.addDecl(span{a.name.to, a.name.to}, a.value()); err != nil {
				return err
			}
		case string(prefix) == "xmlns":
			if err := s.addDecl(a.localPart(), a.value()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Scanner) addDecl(prefix, value span) error {
	d := decl{prefix: prefix, space: nameSpace{in: value}}
	name, space := s.slice(prefix), s.slice(value)
	if bytes.IndexByte(space, '&') >= 0 {
		d.space = nameSpace{text: unescapeValue(string(space))}
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
		if d := &s.decls[i]; bytes.Equal(s.slice(d.prefix), name) {
			return d.space, nil
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
		mine, err := s.resolve(a.prefix(), false)
		if err != nil {
			return err
		}
		local := s.slice(a.localPart())
		for j := range i {
			b := &s.attrs[j]
			if !bytes.Equal(local, s.slice(b.localPart())) {
				continue
			}
			other, err := s.resolve(b.prefix(), false)
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
