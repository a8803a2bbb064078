package xmpp

import (
	"bytes"
	"errors"
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

	buf   []byte
	base  int // where the element at hand begins
	at    int // all before is looked at
	seek  int // in an unfinished tag: all before is searched for its end
	quote byte

	begun   bool // something was there: an XML declaration would come too late
	opened  bool // the header was there
	ended   bool
	framed  bool // elements without a stream around them
	failure error

	stream []binding // what the header declared
	header string    // the stream's name, as written

	// Of the element at hand, its depth being counted from 1; all positions are from base.
	open  []opened
	decls []decl
	kids  []kid
	attrs []attribute // of the tag at hand
	top   []attribute // of the element
	used  []binding   // prefixes that the header declared
	space nameSpace   // of the element
	local span
	raw   Raw
}

type span struct{ from, to int }

// nameSpace is a namespace's name: in the buffer, or elsewhere if there is text.
type nameSpace struct {
	in   span
	text string
}

// binding is a prefix that the stream's header bound.
type binding struct{ prefix, space string }

type opened struct {
	name  span // as written
	decls int  // how many were declared before it
}

type decl struct {
	prefix, value span
	space         nameSpace
}

type attribute struct {
	prefix, local, value span
	quote                byte
	whole                span
}

type kid struct {
	local span
	space nameSpace
	whole span
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
	s.seek = max(0, s.seek-s.base)
	s.base = 0
	if n == 0 && cap(s.buf) > keep {
		s.buf = nil
	}
}

// keep is how large a buffer may be that is kept while nothing is in it.
const keep = 1 << 10

// Buffered is how many bytes were fed and not yet given out.
func (s *Scanner) Buffered() int { return len(s.buf) - s.base }

// Partial says that an element has begun and is not whole yet.
func (s *Scanner) Partial() bool { return len(s.open) > 0 || s.at > s.base }

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
	for s.at < len(s.buf) {
		c := s.buf[s.at]
		switch {
		case plain[c]:
			s.at++
		case c == '<':
			return nil
		case c == '&':
			n, err := reference(s.buf[s.at:])
			if err != nil {
				return err
			}
			s.at += n
		case c == '>' && bytes.HasSuffix(s.buf[s.base:s.at], []byte("]]")):
			return notWellFormed("]]> stands in text")
		case c < 0x80:
			if !isASCIIChar(c) {
				return notWellFormed("a character that XML does not allow")
			}
			s.at++
		default:
			n, err := multibyte(s.buf[s.at:])
			if err != nil {
				return err
			}
			s.at += n
		}
	}
	return nil
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
	from := max(s.seek, s.at+len(cdata))
	for i := from; i < len(s.buf); {
		c := s.buf[i]
		if c == '>' && i >= s.at+len(cdata)+2 && s.buf[i-1] == ']' && s.buf[i-2] == ']' {
			s.at, s.seek = i+1, 0
			return nil
		}
		n := 1
		if c >= 0x80 {
			var err error
			if n, err = multibyte(s.buf[i:]); err != nil {
				s.seek = i
				return err
			}
		} else if !isASCIIChar(c) {
			return notWellFormed("a character that XML does not allow")
		}
		i += n
		s.seek = i
	}
	return errMore
}

// tagEnd finds the end of the tag at hand: the position after its >.
func (s *Scanner) tagEnd() (int, error) {
	i := max(s.seek, s.at+1)
	for ; i < len(s.buf); i++ {
		switch c := s.buf[i]; {
		case s.quote != 0:
			if c == s.quote {
				s.quote = 0
			}
		case c == '"' || c == '\'':
			s.quote = c
		case c == '<':
			return 0, notWellFormed("a tag stands in a tag")
		case c == '>':
			s.seek = 0
			return i + 1, nil
		}
	}
	s.seek = i
	return 0, errMore
}

func (s *Scanner) endTag() (Event, error) {
	end, err := s.tagEnd()
	if err != nil {
		return More, err
	}
	name := bytes.TrimRight(s.buf[s.at+2:end-1], " \t\r\n")
	if !s.inside() {
		if s.framed || !s.opened || string(name) != s.header {
			return More, notWellFormed("an end tag without a start tag")
		}
		s.at, s.base, s.ended = end, end, true
		return Closed, nil
	}
	last := s.open[len(s.open)-1]
	if !bytes.Equal(name, s.slice(last.name)) {
		return More, notWellFormed("an end tag does not match its start tag")
	}
	s.at = end
	s.pop(last)
	return s.closed(), nil
}

func (s *Scanner) pop(last opened) {
	s.open = s.open[:len(s.open)-1]
	s.decls = s.decls[:last.decls]
}

// closed is called when an element has ended at s.at.
func (s *Scanner) closed() Event {
	switch len(s.open) {
	case 1:
		s.kids[len(s.kids)-1].whole.to = s.at - s.base
	case 0:
		s.finish()
		return Whole
	}
	return More
}

// finish hands out the element at hand.
func (s *Scanner) finish() {
	s.raw = Raw{
		data: s.buf[s.base:s.at], local: s.local, space: s.space, attrs: s.top, kids: s.kids, used: s.used,
	}
	s.base = s.at
	s.used = nil
}

// slice is a part of the element at hand.
func (s *Scanner) slice(p span) []byte { return s.buf[s.base+p.from : s.base+p.to] }
