package xmpp

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// plain are the ASCII characters that stand for themselves in text and in attributes of either quote.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < 0x7f; c++ {
		t[c] = strings.IndexByte(`<&>"'`, c) < 0
	}
	t['\t'], t['\n'] = true, true
	return t
}()

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

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

// maxReference is longer than any reference: "&#x10ffff;" with a few zeros.
const maxReference = 16

// reference is the length of the entity or character reference that b begins with; errMore if it is not all there.
func reference(b []byte) (int, error) {
	end := bytes.IndexByte(b[:min(len(b), maxReference)], ';')
	if end < 0 {
		for _, c := range b[1:min(len(b), maxReference)] {
			if !isNameByte(c) && c != '#' {
				return 0, notWellFormed("& stands alone")
			}
		}
		if len(b) < maxReference {
			return 0, errMore
		}
		return 0, restricted("an entity")
	}
	name := string(b[1:end])
	if _, ok := entity(name); ok {
		return end + 1, nil
	}
	if strings.HasPrefix(name, "#") || name == "" {
		return 0, notWellFormed("a reference to no character")
	}
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return 0, notWellFormed("& stands alone")
		}
	}
	return 0, restricted("an entity")
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == '-' || c == '.' || c == ':' || c >= 0x80
}

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
	if !ok || digits == "" || digits[0] == '+' || digits[0] == '-' {
		return 0, false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	if digits == "" || digits[0] == '+' || digits[0] == '-' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune || !isChar(rune(n)) {
		return 0, false
	}
	return rune(n), true
}

// readName reads a name with at most one colon that begins at i: where it ends, and where its colon is, -1 if
// there is none.
func readName(b []byte, i int) (end, colon int, err error) {
	begin, part := i, i
	colon = -1 << 30
	for i < len(b) {
		c := b[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
			i++
			continue
		case ('0' <= c && c <= '9' || c == '-' || c == '.') && i > part:
			i++
			continue
		case c == ':' && i > part && colon < 0:
			colon = i
			i++
			part = i
			continue
		case c >= 0x80:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n <= 1 {
				return 0, 0, notWellFormed("not UTF-8")
			}
			if isNameRune(r, i == part) {
				i += n
				continue
			}
		}
		break
	}
	if i == begin || i == part {
		return 0, 0, notWellFormed("a name is expected")
	}
	return i, colon, nil
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

// checkDeclaration looks at an XML declaration: version 1.0, UTF-8 (rfc6120#11.5, rfc6120#11.6).
func checkDeclaration(b []byte) error {
	if !bytes.HasPrefix(b, []byte("<?xml")) || len(b) == len("<?xml") || !isSpace(b[len("<?xml")]) {
		return restricted("a processing instruction")
	}
	var s Scanner
	s.Limits = s.Limits.withDefaults()
	s.buf = append([]byte("<"), b[2:]...)
	if _, _, err := s.readTag(s.buf); err != nil {
		return err
	}
	order := []string{"version", "encoding", "standalone"}
	next := 0
	for i := range s.attrs {
		name, value := string(s.slice(span{s.attrs[i].whole.from, s.attrs[i].local.to})), string(s.slice(s.attrs[i].value))
		for next < len(order) && order[next] != name && next > 0 {
			next++
		}
		if next >= len(order) || order[next] != name {
			return notWellFormed("not an XML declaration")
		}
		next++
		switch {
		case name == "version" && value != "1.0":
			return &StreamError{Condition: UnsupportedVersion, Text: "XML is version 1.0 here"}
		case name == "encoding" && !strings.EqualFold(value, "utf-8"):
			return &StreamError{Condition: UnsupportedEncoding, Text: "XMPP is UTF-8"}
		case name == "standalone" && value != "yes" && value != "no":
			return notWellFormed("not an XML declaration")
		}
	}
	if next == 0 {
		return notWellFormed("an XML declaration has a version")
	}
	return nil
}
