package sip

import (
	"errors"
	"fmt"
	"strings"
)

// Address is a name-addr or addr-spec with its parameters: From, To, Contact, Route.
type Address struct {
	Display string // unquoted
	URI     URI
	Params  Params
}

var errAddress = errors.New("sip: malformed address")

func badAddress(why, s string) error { return fmt.Errorf("%w: %s in %.80q", errAddress, why, s) }

// ParseAddress reads one name-addr or addr-spec (rfc3261#20.10).
func ParseAddress(s string) (Address, error) {
	display, uri, params, angle, ok := cutAddress(s)
	if !ok {
		return Address{}, badAddress("unbalanced quote or bracket", s)
	}
	u, err := ParseURI(uri)
	if err != nil {
		return Address{}, fmt.Errorf("%w: %w", errAddress, err)
	}
	if !angle && (u.Headers != "" || strings.IndexByte(uri, ',') >= 0) {
		// Such a URI must stand in angle brackets (rfc3261#20).
		return Address{}, badAddress("URI without angle brackets", s)
	}
	if err := params.check(); err != nil {
		return Address{}, badAddress("bad parameters", s)
	}
	return Address{Display: unquote(display), URI: u, Params: params}, nil
}

// cutAddress takes an address apart without judging the parts: the display name still
// quoted, the URI, the parameters, and whether the URI stood in angle brackets.
func cutAddress(s string) (display, uri string, params Params, angle, ok bool) {
	s = trim(s)
	var open int
	if s != "" && s[0] == '"' {
		if open = quotedEnd(s); open < 0 {
			return "", "", "", false, false
		}
		display = s[:open]
		for open < len(s) && isSpace(s[open]) {
			open++
		}
		if open == len(s) || s[open] != '<' {
			return "", "", "", false, false
		}
	} else {
		open = strings.IndexByte(s, '<')
		semi := strings.IndexByte(s, ';')
		if open < 0 || semi >= 0 && semi < open || strings.IndexByte(s[:open], '"') >= 0 {
			// No display name: parameters after an addr-spec belong to the header
			// field, not to the URI (rfc3261#20).
			if semi < 0 {
				return "", s, "", false, true
			}
			return "", trimRight(s[:semi]), Params(s[semi:]), false, true
		}
		display = trimRight(s[:open])
	}
	end := strings.IndexByte(s[open:], '>')
	if end < 0 {
		return "", "", "", false, false
	}
	end += open
	return display, s[open+1 : end], Params(trimLeft(s[end+1:])), true, true
}

// tagOf is the tag of a From or To value, "" if it has none.
func tagOf(value string) string {
	_, _, params, _, ok := cutAddress(value)
	if !ok {
		return ""
	}
	tag, _ := params.Get("tag")
	return tag
}

// String writes the address, always with angle brackets.
func (a Address) String() string {
	var room [256]byte
	b := room[:0]
	if a.Display != "" {
		b = append(b, quote(a.Display)...)
		b = append(b, ' ')
	}
	b = append(b, '<')
	b = a.URI.append(b)
	b = append(b, '>')
	b = append(b, a.Params...)
	return string(b)
}
