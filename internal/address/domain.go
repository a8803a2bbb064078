package address

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// profile is RFC 5891 with the mapping of RFC 5895 for what people type (capitals, wide
// dots); labels are letters, digits and hyphens, of the lengths that DNS allows.
func profile() *idna.Profile {
	return idna.New(
		idna.MapForLookup(),
		idna.Transitional(false),
		idna.StrictDomainName(true),
		idna.ValidateLabels(true),
		idna.CheckHyphens(true),
		idna.CheckJoiners(true),
		idna.BidiRule(),
		idna.VerifyDNSLength(true),
	)
}

// Domain prepares a domain name.
func Domain(text string) (string, error) {
	text = strings.TrimSuffix(text, ".") // rfc7622#3.2
	if text == "" {
		return "", ErrNoDomain
	}
	if len(text) > 4*253 {
		return "", fmt.Errorf("%w: longer than 253 bytes", ErrDomain)
	}
	if isPlainName(text) {
		return text, nil
	}
	if _, ok := ipLiteral(text); ok {
		return "", ErrIP
	}
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("%w: not UTF-8", ErrDomain)
	}
	ascii, err := profile().ToASCII(text)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrDomain, err)
	}
	// What was mapped may have become an address or gained a dot.
	if _, ok := ipLiteral(ascii); ok {
		return "", ErrIP
	}
	if !hasTopLabel(ascii) || strings.HasSuffix(ascii, ".") {
		return "", fmt.Errorf("%w: its last label has to begin with a letter", ErrDomain) // rfc3261#25.1
	}
	return ascii, nil
}

// Host prepares a domain name or an IP address; one of version 6 is in brackets.
func Host(text string) (string, error) {
	name, err := Domain(text)
	if err == nil {
		return name, nil
	}
	if ip, ok := ipLiteral(text); ok {
		return ip, nil
	}
	return "", err
}

// Unicode is a prepared domain as XMPP writes it and people read it (rfc7622#3.2).
func Unicode(domain string) string {
	if !strings.Contains(domain, "xn--") {
		return domain
	}
	text, err := profile().ToUnicode(domain)
	if err != nil {
		return domain
	}
	return text
}

func ipLiteral(text string) (string, bool) {
	inner, bracketed := strings.CutPrefix(text, "[")
	if bracketed {
		var closed bool
		if inner, closed = strings.CutSuffix(inner, "]"); !closed {
			return "", false
		}
	}
	ip, err := netip.ParseAddr(inner)
	if err != nil || ip.Zone() != "" || bracketed && ip.Is4() {
		return "", false
	}
	if ip.Is4() {
		return ip.String(), true
	}
	return "[" + ip.String() + "]", true
}

// isPlainName says that text is a lower case ASCII name which needs no mapping.
func isPlainName(text string) bool {
	if len(text) > 253 || !hasTopLabel(text) {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if !isPlainLabel(label) {
			return false
		}
	}
	return true
}

func isPlainLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	if len(s) > 3 && s[2:4] == "--" { // an A-label: to be checked
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func hasTopLabel(text string) bool {
	first := strings.LastIndexByte(text, '.') + 1
	return first < len(text) && 'a' <= text[first] && text[first] <= 'z'
}
