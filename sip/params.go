package sip

import (
	"errors"
	"iter"
	"strings"
)

// Params is a list of parameters as written: ";transport=tcp;lr".
type Params string

var errParams = errors.New("sip: malformed parameters")

// next takes the first parameter off p. The value is as written, quotes and all.
func (p Params) next() (name, value string, rest Params) {
	s := string(p)
	for s != "" && (s[0] == ';' || isSpace(s[0])) {
		s = s[1:]
	}
	one, after, _ := cutTop(s, ';')
	rest = Params(after)
	for i := 0; i < len(one); i++ {
		if one[i] == '=' {
			return trimRight(one[:i]), trim(one[i+1:]), rest
		}
	}
	return trimRight(one), "", rest
}

// Get finds a parameter by its case-insensitive name; quoted values are unquoted.
func (p Params) Get(name string) (value string, ok bool) {
	for p != "" {
		var n, v string
		if n, v, p = p.next(); equalFold(n, name) && n != "" {
			return unquote(v), true
		}
	}
	return "", false
}

// Has says whether a parameter is there, with or without a value.
func (p Params) Has(name string) bool {
	for p != "" {
		var n string
		if n, _, p = p.next(); equalFold(n, name) && n != "" {
			return true
		}
	}
	return false
}

// All walks the parameters.
func (p Params) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for p != "" {
			var n, v string
			if n, v, p = p.next(); n != "" && !yield(n, unquote(v)) {
				return
			}
		}
	}
}

// With gives the list with name set to value (";name" if value is ""). A value that is
// more than a token or host is quoted. Where name stands already, the value takes its place.
func (p Params) With(name, value string) Params {
	if !plainValue(value) && value != "" {
		value = quote(value)
	}
	var room [256]byte
	out := room[:0]
	done := false
	for p != "" {
		var n, v string
		switch n, v, p = p.next(); {
		case n == "":
		case !equalFold(n, name):
			out = appendParam(out, n, v)
		case !done:
			out, done = appendParam(out, name, value), true
		}
	}
	if !done {
		out = appendParam(out, name, value)
	}
	return Params(out)
}

// Without drops a parameter.
func (p Params) Without(name string) Params {
	if !p.Has(name) {
		return p
	}
	var room [256]byte
	out := room[:0]
	for p != "" {
		var n, v string
		if n, v, p = p.next(); n != "" && !equalFold(n, name) {
			out = appendParam(out, n, v)
		}
	}
	return Params(out)
}

func appendParam(out []byte, name, raw string) []byte {
	out = append(out, ';')
	out = append(out, name...)
	if raw != "" {
		out = append(out, '=')
		out = append(out, raw...)
	}
	return out
}

// plainValue says that a value needs no quotes: a token, a host, or the wider set that a
// URI parameter may have (where quotes are not allowed).
func plainValue(s string) bool { return all(s, isToken|isParam) }

// check judges the parameters of a header field by generic-param (rfc3261#25.1): a list
// of ";name" and ";name=value". It is generous with what stands unquoted in a value.
func (p Params) check() error {
	s := trim(string(p))
	for s != "" {
		if s[0] != ';' {
			return errParams
		}
		one, after, more := cutTop(s[1:], ';')
		name, value, _ := strings.Cut(one, "=")
		if !all(trim(name), isToken) || !validValue(trim(value)) {
			return errParams
		}
		if !more {
			return nil
		}
		s = s[len(s)-len(after)-1:]
	}
	return nil
}

// validValue takes a quoted-string, or text that nothing needs to be quoted in; "" too, as
// some peers write ";rport=".
func validValue(s string) bool {
	if s != "" && s[0] == '"' {
		return quotedEnd(s) == len(s)
	}
	return s == "" || all(s, isValue)
}
