package sip

import (
	"errors"
	"fmt"
	"strings"
)

// Via is one Via value.
type Via struct {
	Network string // "UDP", upper case
	Host    string
	Port    int // 0 if not given
	Params  Params
	Branch  string
}

var errVia = errors.New("sip: malformed Via")

func badVia(why, s string) error { return fmt.Errorf("%w: %s in %.80q", errVia, why, s) }

// ParseVia reads one via-parm (rfc3261#20.42).
func ParseVia(s string) (Via, error) {
	v, version, err := parseVia(s)
	if err == nil && version != "2.0" {
		return Via{}, badVia("unknown version", s)
	}
	return v, err
}

// parseVia reads a Via of any version, so that a request of another version can still be
// answered.
func parseVia(s string) (v Via, version string, err error) {
	name, rest, ok1 := strings.Cut(s, "/")
	version, rest, ok2 := strings.Cut(rest, "/")
	rest = trimLeft(rest)
	space := 0
	for space < len(rest) && !isSpace(rest[space]) {
		space++
	}
	if !ok1 || !ok2 || space == len(rest) || !equalFold(trim(name), "SIP") {
		return Via{}, "", badVia("no protocol", s)
	}
	if version = trim(version); !all(version, isToken) || !all(rest[:space], isToken) {
		return Via{}, "", badVia("bad protocol", s)
	}
	v.Network = upperNetwork(rest[:space])
	by := trim(rest[space:])
	if semi := strings.IndexByte(by, ';'); semi >= 0 {
		by, v.Params = trimRight(by[:semi]), Params(by[semi:])
		if v.Params.check() != nil {
			return Via{}, "", badVia("bad parameters", s)
		}
		v.Branch, _ = v.Params.Get("branch")
	}
	var ok bool
	if v.Host, v.Port, ok = parseHostPort(closeColon(by)); !ok {
		return Via{}, "", badVia("bad sent-by", s)
	}
	return v, version, nil
}

// upperNetwork spares the common names an allocation.
func upperNetwork(s string) string {
	switch s {
	case UDP, TCP, TLS, WS, WSS:
		return s
	}
	return strings.ToUpper(s)
}

// closeColon takes away the white space that may stand around the colon of a sent-by.
func closeColon(by string) string {
	if strings.IndexByte(by, ' ') < 0 && strings.IndexByte(by, '\t') < 0 {
		return by
	}
	i := strings.LastIndexByte(by, ':')
	if i < 0 {
		return by
	}
	return trimRight(by[:i]) + ":" + trimLeft(by[i+1:])
}

// String writes the Via. A Branch takes the place of the one in Params, if there is one.
func (v Via) String() string {
	var room [256]byte
	b := append(room[:0], "SIP/2.0/"...)
	b = append(b, v.Network...)
	b = append(b, ' ')
	b = appendHostPort(b, v.Host, v.Port)
	old, has := v.Params.Get("branch")
	if v.Branch == "" || v.Branch == old {
		return string(append(b, v.Params...))
	}
	if !has {
		b = append(b, v.Params...)
		b = append(b, ";branch="...)
		return string(append(b, v.Branch...))
	}
	return string(append(b, v.Params.With("branch", v.Branch)...))
}
