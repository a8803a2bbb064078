package xmpp

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// Limits of what a Scanner takes. Zero fields take their defaults.
type Limits struct {
	Bytes      int // of one first-level element, or of the stream's header; default 256 KiB
	Depth      int // of elements in one another, the stream's own included; default 64
	Children   int // that a first-level element has itself; default 256
	Attributes int // of one element, namespace declarations included; default 64
}

func (l Limits) withDefaults() Limits {
	set := func(n *int, d int) {
		if *n <= 0 {
			*n = d
		}
	}
	set(&l.Bytes, 256<<10)
	set(&l.Depth, 64)
	set(&l.Children, 256)
	set(&l.Attributes, 64)
	return l
}

// Event is what Next has found.
type Event uint8

// The events of a stream.
const (
	More   Event = iota // nothing whole: feed it more
	Opened              // the stream's header
	Whole               // a whole first-level element
	Closed              // the stream's end
)

// Scanner takes the bytes of one XML stream as they arrive, in pieces of any size, and gives its header, its
// first-level elements, each whole, and its end. It refuses what rfc6120#11.1 forbids (comments, processing
// instructions, document types, entities but the five), what is not well-formed XML with namespaces in UTF-8, and what
// is over its Limits. It looks at every byte once.
//
// The zero value is ready for a stream. Every error is a *StreamError and final.
type Scanner struct {
	Limits Limits

	buf  []byte
	base int // where the element at hand begins
	at   int // all before is looked at

	begun   bool // something was there: an XML declaration would come too late
	opened  bool // the header was there
	ended   bool
	framed  bool // elements without a stream around them
	failure error

	stream []binding // what the header declared
	header string    // the stream's name, as written

	// Of the tag or section at hand, if it is not all there.
	inTag  bool
	spaced bool // space was there since the last attribute
	pos    int  // all before is taken apart
	seek   int  // in a value or section: all before is searched for its end

	// Of the element at hand. All positions are from base.
	name     name // of the tag at hand
	attrs    []attribute
	open     []opened
	decls    []decl
	kids     []kid
	top      []attribute // of the element
	first    name        // of the element
	space    nameSpace   // of the element
	inherits bool        // the element's namespace is the stream's
	used     []binding   // prefixes that the header declared
	raw      Raw
}

type span struct{ from, to uint32 }

// name is a name as it is written: the local part begins at local, behind a colon if that is not from.
type name struct{ from, local, to uint32 }

func (n name) whole() span     { return span{n.from, n.to} }
func (n name) localPart() span { return span{n.local, n.to} }

func (n name) prefix() span {
	if n.local == n.from {
		return span{n.from, n.from}
	}
	return span{n.from, n.local - 1}
}

// nameSpace is a namespace's name: in the buffer, or elsewhere if there is text.
type nameSpace struct {
	in   span
	text string
}

// binding is a prefix that the stream's header bound.
type binding struct{ prefix, space string }

type opened struct {
	name
	decls int // how many were declared before it
}

type decl struct {
	prefix span
	space  nameSpace
}

type attribute struct {
	name
	from, to uint32 // the value
	quote    byte
}

func (a *attribute) value() span { return span{a.from, a.to} }

// kid is an element right in the one at hand.
type kid struct {
	name
	end      uint32
	inherits bool // it is in the namespace of the elements around it for want of saying another
	space    nameSpace
}

// Feed adds bytes that have arrived. They are copied.
func (s *Scanner) Feed(b []byte) {
	if s.base > 0 {
		s.compact()
	}
	s.buf = append(s.buf, b...)
}

// compact moves the element at hand to the beginning of the buffer.
func (s *Scanner) compact() {
	n := copy(s.buf, s.buf[s.base:])
	s.buf = s.buf[:n]
	s.at -= s.base
	s.base = 0
}

// What is kept while nothing is there to be scanned.
const (
	keepBytes = 1 << 10
	keepItems = 16
)

// rest gives back the memory that a large element needed.
func (s *Scanner) rest() {
	if cap(s.buf) > keepBytes {
		s.buf, s.base, s.at = nil, 0, 0
		s.raw = Raw{}
	}
	if max(cap(s.attrs), cap(s.top), cap(s.kids), cap(s.open), cap(s.decls)) > keepItems {
		s.attrs, s.top, s.kids, s.open, s.decls = nil, nil, nil, nil, nil
		s.raw = Raw{}
	}
}

// Buffered is how many bytes were fed and not yet given out.
func (s *Scanner) Buffered() int { return len(s.buf) - s.base }

// Partial says that an element has begun and is not whole yet.
func (s *Scanner) Partial() bool { return len(s.open) > 0 || len(s.buf) > s.base }

// Restart begins a new stream with what is left in the buffer (rfc6120#6.4.6).
func (s *Scanner) Restart() {
	*s = Scanner{Limits: s.Limits, buf: s.buf[s.base:]}
}

// Frame scans one element that stands for itself, as in a WebSocket's message (rfc7395#3.3.3). The Raw is valid until
// the next call; b must not change as long.
func (s *Scanner) Frame(b []byte) (*Raw, error) {
	*s = Scanner{
		Limits: s.Limits, buf: b, begun: true, opened: true, framed: true,
		open: s.open[:0], decls: s.decls[:0], kids: s.kids[:0], attrs: s.attrs[:0], top: s.top[:0],
	}
	event, raw, err := s.Next()
	switch {
	case err != nil:
		return nil, err
	case event != Whole:
		return nil, notWellFormed("a frame has to hold one whole element")
	}
	for _, c := range s.buf[s.at:] {
		if !isSpace(c) {
			return nil, notWellFormed("a frame has to hold one element alone")
		}
	}
	return raw, nil
}

// Next gives what comes next in the stream. With Opened and Whole comes a Raw that is valid until the next call
// of Feed, Next or Restart.
func (s *Scanner) Next() (Event, *Raw, error) {
	if s.failure != nil {
		return More, nil, s.failure
	}
	event, err := s.next()
	if err != nil {
		s.failure = err
		return More, nil, err
	}
	if event == Opened || event == Whole {
		return event, &s.raw, nil
	}
	return event, nil, nil
}

// errMore says that the token at hand is not whole yet.
var errMore = errors.New("xmpp: more bytes are needed")

func (s *Scanner) next() (Event, error) {
	if s.Limits.Bytes == 0 || s.Limits.Depth == 0 || s.Limits.Children == 0 || s.Limits.Attributes == 0 {
		s.Limits = s.Limits.withDefaults()
	}
	for s.at < len(s.buf) && !s.ended {
		event, err := s.token()
		if err == errMore { //nolint:errorlint // never wrapped, and on the hot path
			break
		}
		if err != nil {
			return More, err
		}
		if event != More {
			return event, nil
		}
		if s.at-s.base > s.Limits.Bytes {
			return More, tooLong()
		}
	}
	if len(s.buf)-s.base > s.Limits.Bytes {
		return More, tooLong()
	}
	if len(s.buf) == s.base && !s.framed {
		s.rest()
	}
	return More, nil
}

func tooLong() error {
	return &StreamError{Condition: PolicyViolation, Text: "the element is too long"}
}

// token looks at one piece: a run of text, a tag, a section.
func (s *Scanner) token() (Event, error) {
	if s.buf[s.at] != '<' {
		return More, s.text()
	}
	if s.at+1 >= len(s.buf) {
		return More, errMore
	}
	switch s.buf[s.at+1] {
	case '?':
		return More, s.declaration()
	case '!':
		return More, s.section()
	case '/':
		return s.endTag()
	}
	return s.startTag()
}

// inside says that an element is open, whose content the next token is.
func (s *Scanner) inside() bool { return len(s.open) > 0 }

// text looks at character data up to the next tag, as far as it is there.
func (s *Scanner) text() error {
	if !s.inside() {
		return s.between()
	}
	for {
		s.at = textRun(s.buf, s.at)
		switch {
		case s.at == len(s.buf) || s.buf[s.at] == '<':
			return nil
		case s.buf[s.at] == '>' && bytes.HasSuffix(s.buf[s.base:s.at], []byte("]]")):
			return notWellFormed("]]> stands in text")
		}
		n, err := odd(s.buf[s.at:])
		if err != nil {
			return err
		}
		s.at += n
	}
}

// between passes over the white space that may stand between first-level elements (rfc6120#4.6.1). Before a header it
// may be the end of the stream that this one takes the place of, so that a declaration may still come.
func (s *Scanner) between() error {
	for s.at < len(s.buf) && isSpace(s.buf[s.at]) {
		s.at++
	}
	s.base = s.at
	if s.at < len(s.buf) && s.buf[s.at] != '<' {
		if !s.opened {
			return notWellFormed("a stream begins with a tag")
		}
		return &StreamError{Condition: BadFormat, Text: "text stands between stanzas"}
	}
	return nil
}

// declaration takes the XML declaration, and no other processing instruction.
func (s *Scanner) declaration() error {
	if s.begun {
		return restricted("a processing instruction")
	}
	end := bytes.Index(s.buf[s.at:], []byte("?>"))
	if end < 0 {
		if len(s.buf)-s.at > maxDeclaration {
			return notWellFormed("the XML declaration is too long")
		}
		return errMore
	}
	if err := checkDeclaration(s.buf[s.at : s.at+end]); err != nil {
		return err
	}
	s.begun = true
	s.at += end + len("?>")
	s.base = s.at
	return nil
}

var cdata = []byte("<![CDATA[")

// section takes a CDATA section; comments and document types are refused.
func (s *Scanner) section() error {
	rest := s.buf[s.at:]
	if len(rest) < len(cdata) && bytes.HasPrefix(cdata, rest) {
		return errMore
	}
	if !bytes.HasPrefix(rest, cdata) {
		return restricted("a comment or a document type")
	}
	if !s.inside() {
		return notWellFormed("a CDATA section stands between stanzas")
	}
	end, err := s.sectionEnd()
	if err == nil {
		s.at, s.seek = end, 0
	}
	return err
}

// sectionEnd finds the position after the section's ]]>.
func (s *Scanner) sectionEnd() (int, error) {
	for i := max(s.base+s.seek, s.at+len(cdata)); i < len(s.buf); {
		c := s.buf[i]
		n := 1
		switch {
		case c == '>' && i >= s.at+len(cdata)+2 && s.buf[i-1] == ']' && s.buf[i-2] == ']':
			return i + 1, nil
		case c >= utf8.RuneSelf:
			var err error
			if n, err = multibyte(s.buf[i:]); err != nil {
				return 0, err
			}
		case !isASCIIChar(c):
			return 0, notWellFormed("a character that XML does not allow")
		}
		i += n
		s.seek = i - s.base
	}
	return 0, errMore
}

// endTag takes the tag that ends the innermost element, or the stream.
func (s *Scanner) endTag() (Event, error) {
	var want []byte
	switch {
	case s.inside():
		want = s.slice(s.open[len(s.open)-1].whole())
	case s.framed || !s.opened:
		return More, notWellFormed("an end tag without a start tag")
	default:
		want = []byte(s.header)
	}
	end, err := readEnd(s.buf[s.at:], want)
	if err != nil {
		return More, err
	}
	s.at += end
	if !s.inside() {
		s.base, s.ended = s.at, true
		return Closed, nil
	}
	s.pop(s.open[len(s.open)-1])
	return s.closed()
}

// readEnd is the length of the end tag that b begins with.
func readEnd(b, name []byte) (int, error) {
	rest := b[len("</"):]
	if !bytes.HasPrefix(rest, name[:min(len(name), len(rest))]) {
		return 0, notWellFormed("an end tag does not match its start tag")
	}
	if len(rest) < len(name) {
		return 0, errMore
	}
	i := len("</") + len(name)
	for ; i < len(b) && isSpace(b[i]); i++ {
		if i > maxMarkup+len(name) {
			return 0, &StreamError{Condition: PolicyViolation, Text: "too much space stands in a tag"}
		}
	}
	switch {
	case i == len(b):
		return 0, errMore
	case b[i] != '>':
		return 0, notWellFormed("an end tag does not match its start tag")
	}
	return i + 1, nil
}

func (s *Scanner) pop(last opened) {
	s.open = s.open[:len(s.open)-1]
	s.decls = s.decls[:last.decls]
}

// closed is called when an element has ended at s.at.
func (s *Scanner) closed() (Event, error) {
	switch len(s.open) {
	case 1:
		s.kids[len(s.kids)-1].end = uint32(s.at - s.base)
	case 0:
		return Whole, s.finish()
	}
	return More, nil
}

// finish hands out the element at hand.
func (s *Scanner) finish() error {
	if s.at-s.base > s.Limits.Bytes {
		return tooLong()
	}
	s.raw = Raw{
		data: s.buf[s.base:s.at], name: s.first, space: s.space, inherits: s.inherits,
		attrs: s.top, kids: s.kids, used: s.used, outer: s.outer(),
	}
	s.base = s.at
	s.used = nil
	return nil
}

// outer is the stream's default namespace.
func (s *Scanner) outer() string {
	for _, b := range s.stream {
		if b.prefix == "" {
			return b.space
		}
	}
	return ""
}

// slice is a part of the element at hand.
func (s *Scanner) slice(p span) []byte { return s.buf[s.base+int(p.from) : s.base+int(p.to)] }
