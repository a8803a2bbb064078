package xmpp

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What an ASCII character may be part of.
const (
	plainText  = 1 << iota // text and attributes of either quote, for itself
	startsName             // a name, as its first character
	inName                 // a name
	whiteSpace
)

// class says what the ASCII characters may be part of.
var class = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		space := c == ' ' || c == '\n' || c == '\t' || c == '\r'
		switch {
		case letter:
			t[c] = plainText | startsName | inName
		case '0' <= c && c <= '9', c == '-', c == '.':
			t[c] = plainText | inName
		case ' ' <= c && c < utf8.RuneSelf && strings.IndexByte(`<&>"'`, c) < 0, space && c != '\r':
			t[c] = plainText
		}
		if space {
			t[c] |= whiteSpace
		}
	}
	return t
}()

func isSpace(c byte) bool { return class[c]&whiteSpace != 0 }

// isASCIIChar says that XML allows c.
func isASCIIChar(c byte) bool { return c >= ' ' || isSpace(c) }

// isChar says that XML 1.0 allows r (section 2.2).
func isChar(r rune) bool {
	switch {
	case r < ' ':
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xd800:
		return true
	case r < 0xe000:
		return false
	}
	return r < 0xfffe || 0x10000 <= r && r <= utf8.MaxRune
}

// A run of text ends before the first character that is one of these, a control character or not ASCII.
func textRun(b []byte, i int) int { return run(b, i, 0, '&'*ones, ('<'^'>')*ones, '>'*ones) }

// valueRun is textRun within an attribute's value: & and < and the quote end it.
func valueRun(b []byte, i int, quote byte) int {
	if quote == '"' {
		return run(b, i, ('"'^'&')*ones, '&'*ones, 0, '<'*ones)
	}
	return run(b, i, ('&'^'\'')*ones, '\''*ones, 0, '<'*ones)
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// run looks at eight bytes at a time for the first, from i on, that is a stop, a control character or not ASCII. What a
// byte is or-ed with a mask and then compared with finds two characters at once that differ in one bit.
func run(b []byte, i int, mask1, value1, mask2, value2 uint64) int {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		one, two := (x|mask1)^value1, (x|mask2)^value2 // a byte of them is zero where x has a stop
		// A subtraction sets a byte's highest bit if the byte was less; the lowest byte that has it set is right,
		// those above may have been borrowed from.
		found := ((x - ' '*ones) | (one - ones) | (two - ones) | x) & highs
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(b); i++ {
		x := b[i]
		if x < ' ' || x >= utf8.RuneSelf || x|byte(mask1) == byte(value1) || x|byte(mask2) == byte(value2) {
			return i
		}
	}
	return i
}

// multibyte is the length of the character that b begins with, which is not ASCII; errMore if it is not all there.
func multibyte(b []byte) (int, error) {
	r, n := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && n <= 1:
		if !utf8.FullRune(b) {
			return 0, errMore
		}
		return 0, notWellFormed("not UTF-8") // rfc6120#11.6
	case !isChar(r):
		return 0, notWellFormed("a character that XML does not allow")
	}
	return n, nil
}

// odd passes over the one character that b begins with, which is no markup but no plain one either.
func odd(b []byte) (int, error) {
	switch c := b[0]; {
	case c == '&':
		return reference(b)
	case c >= utf8.RuneSelf:
		return multibyte(b)
	case !isASCIIChar(c):
		return 0, notWellFormed("a character that XML does not allow")
	}
	return 1, nil
}

// maxReference is longer than any reference: "&#x10ffff;" with a few zeros.
const maxReference = 16

// reference is the length of the entity or character reference that b begins with; errMore if it is not all there.
func reference(b []byte) (int, error) {
	b = b[:min(len(b), maxReference)]
	end := bytes.IndexByte(b, ';')
	if end < 0 {
		for _, c := range b[1:] {
			if !mayRefer(c) {
				return 0, notWellFormed("& stands alone")
			}
		}
		if len(b) < maxReference {
			return 0, errMore
		}
		return 0, restricted("an entity")
	}
	if _, ok := entity(string(b[1:end])); ok {
		return end + 1, nil
	}
	if end == 1 || b[1] == '#' {
		return 0, notWellFormed("a reference to no character")
	}
	for _, c := range b[1:end] {
		if c == '#' || !mayRefer(c) {
			return 0, notWellFormed("& stands alone")
		}
	}
	return 0, restricted("an entity")
}

// mayRefer says that c may stand between a reference's & and its end.
func mayRefer(c byte) bool { return class[c]&inName != 0 || c == ':' || c == '#' || c >= utf8.RuneSelf }

// entity is the character that a reference's name stands for.
func entity(name string) (rune, bool) {
	switch name {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(name, "#")
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	if !ok || digits == "" || digits[0] == '+' || digits[0] == '-' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune || !isChar(rune(n)) {
		return 0, false
	}
	return rune(n), true
}

// maxMarkup is the longest name, and the longest white space within a tag where a name may not end: what is looked at
// again when more bytes arrive.
const maxMarkup = 1 << 10

// readName reads a name with at most one colon that begins at from; errMore if its end is not there.
func readName(b []byte, from int) (name, error) {
	part := from // where the local part, or the prefix, begins
	for i := from; i < len(b) && i-from <= maxMarkup; {
		c := b[i]
		switch {
		case class[c]&inName != 0 && (i > part || class[c]&startsName != 0):
			i++
		case c == ':' && i > part && part == from:
			i++
			part = i
		case c < utf8.RuneSelf:
			if i == part {
				return name{}, notWellFormed("a name is expected")
			}
			return name{uint32(from), uint32(part), uint32(i)}, nil
		default:
			n, err := multibyte(b[i:])
			if err != nil {
				return name{}, err
			}
			if r, _ := utf8.DecodeRune(b[i:]); !isNameRune(r, i == part) {
				return name{}, notWellFormed("a character that no name has")
			}
			i += n
		}
	}
	if len(b)-from > maxMarkup {
		return name{}, &StreamError{Condition: PolicyViolation, Text: "a name is too long"}
	}
	return name{}, errMore
}

// isNameRune says that r, which is not ASCII, may stand in a name (XML 1.0 section 2.3, fifth edition).
func isNameRune(r rune, first bool) bool {
	switch {
	case r == 0xb7, 0x300 <= r && r <= 0x36f, 0x203f <= r && r <= 0x2040:
		return !first
	case 0xc0 <= r && r <= 0x2ff:
		return r != 0xd7 && r != 0xf7
	case 0x370 <= r && r <= 0x1fff:
		return r != 0x37e
	}
	return 0x200c <= r && r <= 0x200d || 0x2070 <= r && r <= 0x218f || 0x2c00 <= r && r <= 0x2fef ||
		0x3001 <= r && r <= 0xd7ff || 0xf900 <= r && r <= 0xfdcf || 0xfdf0 <= r && r <= 0xfffd ||
		0x10000 <= r && r <= 0xeffff
}

// maxDeclaration is more than an XML declaration needs.
const maxDeclaration = 256

// checkDeclaration looks at an XML declaration, up to its ?>: version 1.0, UTF-8 (rfc6120#11.5, rfc6120#11.6).
func checkDeclaration(b []byte) error {
	if !bytes.HasPrefix(b, []byte("<?xml")) || len(b) == len("<?xml") || !isSpace(b[len("<?xml")]) {
		return restricted("a processing instruction")
	}
	var s Scanner // which reads it as a tag
	s.Limits = s.Limits.withDefaults()
	s.buf = append(append([]byte("<"), b[2:]...), '>')
	if end, empty, err := s.readTag(); err != nil || empty || end != len(s.buf) {
		return notWellFormed("not an XML declaration")
	}
	order := []string{"version", "encoding", "standalone"}
	for i := range s.attrs {
		name, value := string(s.slice(s.attrs[i].whole())), string(s.slice(s.attrs[i].value()))
		at := slices.Index(order, name)
		if at < 0 || i == 0 && at > 0 {
			return notWellFormed("not an XML declaration")
		}
		order = order[at+1:]
		switch {
		case name == "version" && value != "1.0":
			return &StreamError{Condition: UnsupportedVersion, Text: "XML is version 1.0 here"}
		case name == "encoding" && !strings.EqualFold(value, "utf-8"):
			return &StreamError{Condition: UnsupportedEncoding, Text: "XMPP is UTF-8"}
		case name == "standalone" && value != "yes" && value != "no":
			return notWellFormed("not an XML declaration")
		}
	}
	if len(s.attrs) == 0 {
		return notWellFormed("an XML declaration has a version")
	}
	return nil
}
