package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// URI is a sip, sips or tel URI; another scheme keeps its rest in Opaque.
type URI struct {
	Scheme   string // lower case
	User     string // still escaped as written; for tel: the number
	Password string
	Host     string // IPv6 without brackets
	Port     int    // 0 if not given
	Params   Params
	Headers  string // after "?"
	Opaque   string
}

var errURI = errors.New("sip: malformed URI")

func badURI(why, s string) error { return fmt.Errorf("%w: %s in %.80q", errURI, why, s) }

// ParseURI reads a URI (rfc3261#19.1, rfc3966#3).
func ParseURI(s string) (URI, error) {
	colon := strings.IndexByte(s, ':')
	if colon < 1 || lower(s[0]) < 'a' || lower(s[0]) > 'z' || !all(s[:colon], isScheme) {
		return URI{}, badURI("no scheme", s)
	}
	u := URI{Scheme: strings.ToLower(s[:colon])}
	rest := s[colon+1:]
	var why string
	switch u.Scheme {
	case "sip", "sips":
		why = u.parseSIP(rest)
	case "tel":
		why = u.parseTel(rest)
	default:
		if u.Opaque = rest; !all(rest, isOpaque) {
			why = "bad character"
		}
	}
	if why != "" {
		return URI{}, badURI(why, s)
	}
	return u, nil
}

// parseSIP reads what follows "sip:" and says what is wrong with it.
func (u *URI) parseSIP(s string) (why string) {
	// The user part may hold ";" and "?", but no "@" (rfc3261#25.1).
	if at := strings.IndexByte(s, '@'); at >= 0 {
		var has bool
		u.User, u.Password, has = strings.Cut(s[:at], ":")
		if !allEscaped(u.User, isUser) || has && u.Password != "" && !allEscaped(u.Password, isUser) {
			return "bad user"
		}
		s = s[at+1:]
	}
	if q := strings.IndexByte(s, '?'); q >= 0 {
		u.Headers = s[q+1:]
		if !validHeaders(u.Headers) {
			return "bad headers"
		}
		s = s[:q]
	}
	if semi := strings.IndexByte(s, ';'); semi >= 0 {
		u.Params = Params(s[semi:])
		if !validURIParams(u.Params) {
			return "bad parameters"
		}
		s = s[:semi]
	}
	var ok bool
	if u.Host, u.Port, ok = parseHostPort(s); !ok {
		return "bad host or port"
	}
	return ""
}

func (u *URI) parseTel(s string) (why string) {
	if semi := strings.IndexByte(s, ';'); semi >= 0 {
		u.Params = Params(s[semi:])
		if !validURIParams(u.Params) {
			return "bad parameters"
		}
		s = s[:semi]
	}
	// A local number should have a phone-context (rfc3966#5.1.5); many have none.
	u.User = s
	digits := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case class[c]&isHex != 0, c == '*', c == '#':
			digits++
		case c == '+' && i == 0, c == '-', c == '.', c == '(', c == ')':
		default:
			return "bad number"
		}
	}
	if digits == 0 {
		return "bad number"
	}
	return ""
}

// validURIParams judges ";name=value" of a URI; p is not empty.
func validURIParams(p Params) bool {
	for s := string(p); s != ""; {
		one := s[1:] // s begins with ";"
		if i := strings.IndexByte(one, ';'); i >= 0 {
			one, s = one[:i], one[i:]
		} else {
			s = ""
		}
		name, value, has := strings.Cut(one, "=")
		if !allEscaped(name, isParam) || has && value != "" && !allEscaped(value, isParam) {
			return false
		}
	}
	return true
}

func validHeaders(s string) bool {
	for more := true; more; {
		var one string
		one, s, more = strings.Cut(s, "&")
		name, value, has := strings.Cut(one, "=")
		if !has || !allEscaped(name, isURIHeader) || value != "" && !allEscaped(value, isURIHeader) {
			return false
		}
	}
	return true
}

// parseHostPort reads host [":" port] without white space.
func parseHostPort(s string) (host string, port int, ok bool) {
	host = s
	rest := ""
	if s != "" && s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, false
		}
		host, rest = s[1:end], s[end+1:]
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() || a.Zone() != "" {
			return "", 0, false
		}
	} else {
		if colon := strings.IndexByte(s, ':'); colon >= 0 {
			host, rest = s[:colon], s[colon:]
		}
		if !all(host, isHost) || host[0] == '.' || strings.Contains(host, "..") {
			return "", 0, false
		}
	}
	if rest == "" {
		return host, 0, true
	}
	n, ok := number(rest[1:], 65535)
	if rest[0] != ':' || !ok || n == 0 {
		return "", 0, false
	}
	return host, int(n), true
}

// String writes the URI.
func (u URI) String() string {
	var room [256]byte
	return string(u.append(room[:0]))
}

func (u URI) append(b []byte) []byte {
	b = append(b, u.Scheme...)
	b = append(b, ':')
	switch u.Scheme {
	case "sip", "sips":
	case "tel":
		b = append(b, u.User...)
		return append(b, u.Params...)
	default:
		return append(b, u.Opaque...)
	}
	if u.User != "" {
		b = append(b, u.User...)
		if u.Password != "" {
			b = append(b, ':')
			b = append(b, u.Password...)
		}
		b = append(b, '@')
	}
	b = appendHostPort(b, u.Host, u.Port)
	b = append(b, u.Params...)
	if u.Headers != "" {
		b = append(b, '?')
		b = append(b, u.Headers...)
	}
	return b
}

func appendHostPort(b []byte, host string, port int) []byte {
	if strings.IndexByte(host, ':') >= 0 {
		b = append(b, '[')
		b = append(b, host...)
		b = append(b, ']')
	} else {
		b = append(b, host...)
	}
	if port != 0 {
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(port), 10)
	}
	return b
}

// HostPort is "host:port", with brackets around IPv6 and without a port if it is 0.
func (u URI) HostPort() string {
	if u.Port == 0 && strings.IndexByte(u.Host, ':') < 0 {
		return u.Host
	}
	return string(appendHostPort(nil, u.Host, u.Port))
}

// UnescapedUser is the user part with its %-escapes taken away.
func (u URI) UnescapedUser() string { return unescape(u.User) }

func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && class[s[i+1]]&class[s[i+2]]&isHex != 0 {
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return lower(c) - 'a' + 10
}

// EscapeUser writes any text so that it may be the user part of a URI.
func EscapeUser(s string) string {
	const hex = "0123456789ABCDEF"
	var out []byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		if class[c]&isUser != 0 && c != '%' && c != '#' {
			if out != nil {
				out = append(out, c)
			}
			continue
		}
		if out == nil {
			out = append(make([]byte, 0, len(s)+8), s[:i]...)
		}
		out = append(out, '%', hex[c>>4], hex[c&15])
	}
	if out == nil {
		return s
	}
	return string(out)
}
