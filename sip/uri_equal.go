package sip

import "strings"

// Equal compares two URIs by rfc3261#19.1.4, telephone numbers by rfc3966#4. It is not
// transitive: a parameter that only one side has mostly doesn't matter.
func (u URI) Equal(other URI) bool {
	if u.Scheme != other.Scheme {
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

// sameHeaders compares the header parts of two URIs in any order.
func sameHeaders(a, b string) bool {
	if a == b {
		return true
	}
	if strings.Count(a, "&") != strings.Count(b, "&") || strings.Count(a, "&") >= maxURIHeaders {
		return false
	}
	rest := strings.Split(b, "&")
	for one := range strings.SplitSeq(a, "&") {
		found := false
		for i, other := range rest {
			if sameHeader(one, other) {
				rest = append(rest[:i], rest[i+1:]...)
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// maxURIHeaders bounds the comparing of URI headers; honest URIs have one or two.
const maxURIHeaders = 16

func sameHeader(a, b string) bool {
	an, av, _ := strings.Cut(a, "=")
	bn, bv, _ := strings.Cut(b, "=")
	return equalFold(unescape(an), unescape(bn)) && unescape(av) == unescape(bv)
}
