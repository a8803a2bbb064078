package sip

import (
	"slices"
	"strings"
)

// Equal compares two URIs by rfc3261#19.1.4, telephone numbers by rfc3966#4. It is not
// transitive: a parameter that only one side has mostly doesn't matter.
func (u URI) Equal(other URI) bool {
	if u.Scheme != other.Scheme {
		return false
	}
	if u == other {
		return true
	}
	if tooMany(u) || tooMany(other) {
		return false
	}
	switch u.Scheme {
	case "sip", "sips":
	case "tel":
		return equalFold(digits(u.User), digits(other.User)) &&
			includes(u.Params, other.Params) && includes(other.Params, u.Params)
	default:
		return u.Opaque == other.Opaque
	}
	return unescape(u.User) == unescape(other.User) &&
		unescape(u.Password) == unescape(other.Password) &&
		equalFold(u.Host, other.Host) && u.Port == other.Port &&
		agree(u.Params, other.Params) && agree(other.Params, u.Params) &&
		sameHeaders(u.Headers, other.Headers)
}

// digits is a telephone number without its visual separators.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '-', '.', '(', ')':
			return -1
		}
		return r
	}, s)
}

// agree says that no parameter of a speaks against b.
func agree(a, b Params) bool {
	for name, value := range a.All() {
		other, has := b.Get(name)
		if has {
			if !equalFold(unescape(value), unescape(other)) {
				return false
			}
			continue
		}
		switch strings.ToLower(name) {
		case "user", "ttl", "method", "maddr", "transport":
			return false
		}
	}
	return true
}

// includes says that b has every parameter of a with the same value.
func includes(a, b Params) bool {
	for name, value := range a.All() {
		other, has := b.Get(name)
		if !has || !equalFold(unescape(value), unescape(other)) {
			return false
		}
	}
	return true
}

// maxCompared bounds the comparing of two lists in any order, which takes the product of
// their lengths; honest URIs have a handful of parameters and no headers.
const maxCompared = 32

func tooMany(u URI) bool {
	return strings.Count(string(u.Params), ";") > maxCompared || strings.Count(u.Headers, "&") >= maxCompared
}

// sameHeaders compares the header parts of two URIs in any order.
func sameHeaders(a, b string) bool {
	if a == b {
		return true
	}
	rest := strings.Split(b, "&")
	for one := range strings.SplitSeq(a, "&") {
		i := slices.IndexFunc(rest, func(other string) bool { return sameHeader(one, other) })
		if i < 0 {
			return false
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return len(rest) == 0
}

func sameHeader(a, b string) bool {
	an, av, _ := strings.Cut(a, "=")
	bn, bv, _ := strings.Cut(b, "=")
	return equalFold(unescape(an), unescape(bn)) && unescape(av) == unescape(bv)
}
