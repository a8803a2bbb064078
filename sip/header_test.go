package sip_test

import (
	"strings"
	"testing"

	"parley/sip"
)

func TestHeadersAreFoundByAnyName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for h := sip.HeaderVia; h.String() != ""; h++ {
		name := h.String()
		if seen[name] {
			t.Errorf("%s twice", name)
		}
		seen[name] = true
		for _, spelled := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
			if got := sip.HeaderByName(spelled); got != h {
				t.Errorf("%s is taken for %q", spelled, got)
			}
		}
		if got := sip.HeaderByName(name + "x"); got == h {
			t.Errorf("%sx is taken for it", name)
		}
	}
	// rfc3261#7.3.3 and the registrations since.
	for letter, name := range map[string]string{
		"a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition", "e": "Content-Encoding",
		"f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported", "l": "Content-Length", "m": "Contact",
		"n": "Identity-Info", "o": "Event", "r": "Refer-To", "s": "Subject", "t": "To", "u": "Allow-Events", "v": "Via",
		"x": "Session-Expires", "y": "Identity",
	} {
		for _, l := range []string{letter, strings.ToUpper(letter)} {
			if got := sip.HeaderByName(l).String(); got != name {
				t.Errorf("%s is %q, want %s", l, got, name)
			}
		}
	}
	for _, name := range []string{"", "z", "X-Custom", "Ca\u212a", strings.Repeat("x", 300)} {
		if got := sip.HeaderByName(name); got != sip.HeaderOther {
			t.Errorf("%q is taken for %s", name, got)
		}
	}
}

func TestReasonPhrases(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		180: "Ringing", 486: "Busy Here", 499: "Bad Request", 599: "Server Internal Error",
		299: "OK", 699: "Busy Everywhere", 399: "Multiple Choices", 199: "Early Dialog Terminated", 42: "",
	} {
		if got := sip.ReasonPhrase(status); got != want {
			t.Errorf("%d is %q", status, got)
		}
	}
}
