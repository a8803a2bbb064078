package digest

import (
	"fmt"
	"strings"
)

// params are the parameters behind "Digest", by lower-case name, without their quotes but
// otherwise as written.
type params map[string]string

// maxParams is far above what any peer sends.
const maxParams = 32

func (p params) has(names ...string) bool {
	for _, n := range names {
		if _, ok := p[n]; !ok {
			return false
		}
	}
	return true
}

// parseParams reads "Digest name=value, name="value", ..." (rfc7235#2.1).
func parseParams(s string) (params, error) {
	const scheme = "digest"
	s = trim(s)
	if len(s) <= len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) || !isSpace(s[len(scheme)]) {
		return nil, ErrScheme
	}
	p := params{}
	for s = trim(s[len(scheme):]); s != ""; {
		name, rest, ok := strings.Cut(s, "=")
		name = strings.ToLower(trim(name))
		if !ok || name == "" || strings.ContainsAny(name, "\", \t") {
			return nil, fmt.Errorf("%w: no parameter in %.40q", ErrSyntax, s)
		}
		value, rest, ok := cutValue(trim(rest))
		if _, twice := p[name]; !ok || twice || len(p) == maxParams {
			return nil, fmt.Errorf("%w: parameter %.20q", ErrSyntax, name)
		}
		p[name] = value
		if s = trim(rest); s == "" {
			break
		}
		if s[0] != ',' {
			return nil, fmt.Errorf("%w: after parameter %.20q", ErrSyntax, name)
		}
		for s != "" && (s[0] == ',' || isSpace(s[0])) {
			s = s[1:]
		}
	}
	return p, nil
}

// cutValue takes a token or quoted-string off s.
func cutValue(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], strings.IndexByte(s[:end], '"') < 0
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[1:i], s[i+1:], true
		}
	}
	return "", "", false
}

func writeQuoted(b *strings.Builder, name, raw string) {
	b.WriteString(name)
	b.WriteString(`="`)
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '\\' && i+1 < len(raw): // an escape, already written as one
			b.WriteByte(c)
			i++
			b.WriteByte(raw[i])
		case c == '\\' || c == '"':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func trim(s string) string { return strings.Trim(s, " \t") }
