package sip

import "strings"

// Classes of bytes in the grammar of rfc3261#25.1.
const (
	isToken     uint16 = 1 << iota // token
	isUser                         // user, and its password
	isParam                        // paramchar of a URI
	isURIHeader                    // hname and hvalue of a URI
	isHost                         // hostname, a little wider: see below
	isScheme                       // scheme, after its first letter
	isOpaque                       // anything that may stand in a URI of a scheme we don't know
	isValue                        // value of a header parameter, unquoted; wide
	isHex
)

// class says which of them a byte is in. '%' is in user, param and header: escapes are
// checked apart.
//
// Wider than the grammar, because phones in use do so and nothing else can be meant: '_' in
// host names, '#' in the user part, '=' in the value of a URI parameter.
var class = func() (t [256]uint16) {
	mark := func(bit uint16, chars string) {
		for i := 0; i < len(chars); i++ {
			t[chars[i]] |= bit
		}
	}
	const digits = "0123456789"
	const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" + digits
	const unreserved = alnum + "-_.!~*'()"
	mark(isToken, alnum+"-.!%*_+`'~")
	mark(isUser, unreserved+"%&=+$,;?/#")
	mark(isParam, unreserved+"%[]/:&+$=")
	mark(isURIHeader, unreserved+"%[]/?:+$")
	mark(isHost, alnum+"-._")
	mark(isScheme, alnum+"+-.")
	mark(isOpaque, unreserved+"%;/?:@&=+$,#[]")
	for c := '!'; c < 0x7f; c++ {
		if strings.IndexByte(`",;<>\`, byte(c)) < 0 {
			t[c] |= isValue
		}
	}
	for c := 0x80; c <= 0xff; c++ {
		t[c] |= isValue
	}
	mark(isHex, digits+"abcdefABCDEF")
	return t
}()

// all says that s is not empty and has only bytes of a class.
func all(s string, bit uint16) bool {
	for i := 0; i < len(s); i++ {
		if class[s[i]]&bit == 0 {
			return false
		}
	}
	return s != ""
}

// allEscaped is all for text in which '%' must begin an escape.
func allEscaped(s string, bit uint16) bool {
	for i := 0; i < len(s); i++ {
		if class[s[i]]&bit == 0 {
			return false
		}
		if s[i] == '%' && (i+2 >= len(s) || class[s[i+1]]&class[s[i+2]]&isHex == 0) {
			return false
		}
	}
	return s != ""
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// number reads digits and nothing else, up to limit.
func number(s string, limit uint64) (n uint64, ok bool) {
	if !isDigits(s) {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		n = n*10 + uint64(s[i]-'0')
		if n > limit {
			return 0, false
		}
	}
	return n, true
}

// lower is an ASCII letter in lower case; any other byte is left as it is.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// equalFold compares ASCII text without regard to case. It is not strings.EqualFold, by
// which the Kelvin sign would be a "k".
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// trim takes away white space at both ends.
func trim(s string) string { return trimLeft(trimRight(s)) }

func trimLeft(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	return s
}

func trimRight(s string) string {
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// quotedEnd is the length of the quoted-string that s begins with, -1 if it never ends.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// unquote gives the text of a quoted-string without quotes and backslashes, and anything
// else as it is.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out = append(out, s[i])
	}
	return string(out)
}

// quote writes s as a quoted-string.
func quote(s string) string {
	out := make([]byte, 0, len(s)+2)
	out = append(out, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			out = append(out, '\\')
		}
		out = append(out, s[i])
	}
	return string(append(out, '"'))
}

// cutTop splits s at the first sep that is neither inside quotes nor inside angle brackets.
// An open quote or bracket reaches to the end.
func cutTop(s string, sep byte) (before, after string, found bool) {
	if strings.IndexByte(s, sep) < 0 {
		return s, "", false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case sep:
			return s[:i], s[i+1:], true
		case '"':
			n := quotedEnd(s[i:])
			if n < 0 {
				return s, "", false
			}
			i += n - 1
		case '<':
			n := strings.IndexByte(s[i:], '>')
			if n < 0 {
				return s, "", false
			}
			i += n
		}
	}
	return s, "", false
}

// hasLineBreak says that s would break a line, and so smuggle in a field of its own.
func hasLineBreak(s string) bool {
	return strings.IndexByte(s, '\r') >= 0 || strings.IndexByte(s, '\n') >= 0
}
