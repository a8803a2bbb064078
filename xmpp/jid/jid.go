// Package jid reads and prepares XMPP addresses (RFC 7622).
package jid

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
)

// ErrMalformed is what a text that is no address is refused with.
var ErrMalformed = errors.New("jid: not an address")

// maxPart is the longest local part, domain or resource, in bytes (rfc7622#3.1).
const maxPart = 1023

// JID is a prepared address: two are the same if and only if they are equal. Domain is never empty but in the zero
// value, international domains are in Unicode (rfc7622#3.2).
type JID struct{ Local, Domain, Resource string }

// Parse reads and prepares an address.
func Parse(text string) (JID, error) {
	// rfc7622#3.2: the resource first, since it may hold an @.
	bare, resource, slash := strings.Cut(text, "/")
	local, domain, at := strings.Cut(bare, "@")
	if !at {
		local, domain = "", bare
	}
	if at && local == "" || slash && resource == "" {
		return JID{}, ErrMalformed
	}
	return New(local, domain, resource)
}

// New prepares an address of its parts; local and resource may be empty.
func New(local, domain, resource string) (j JID, err error) {
	if j.Domain, err = Domain(domain); err != nil {
		return JID{}, err
	}
	if local != "" {
		if j.Local, err = Local(local); err != nil {
			return JID{}, err
		}
	}
	if resource != "" {
		if j.Resource, err = Resource(resource); err != nil {
			return JID{}, err
		}
	}
	return j, nil
}

// Local prepares a local part (rfc7622#3.3).
func Local(text string) (string, error) {
	if isReady(text, isLocal) {
		return within(text)
	}
	if len(text) > 4*maxPart || !utf8.ValidString(text) {
		return "", ErrMalformed
	}
	out, err := enforce(precis.UsernameCaseMapped, text)
	if err != nil || strings.ContainsAny(out, `"&'/:<>@`) { // rfc7622#3.3.1
		return "", ErrMalformed
	}
	return within(out)
}

// Resource prepares a resource (rfc7622#3.4).
func Resource(text string) (string, error) {
	if isReady(text, isPrintable) {
		return within(text)
	}
	if len(text) > 4*maxPart || !utf8.ValidString(text) {
		return "", ErrMalformed
	}
	out, err := enforce(precis.OpaqueString, text)
	if err != nil {
		return "", ErrMalformed
	}
	return within(out)
}

// enforce applies a profile until nothing changes (rfc8264#7).
func enforce(p *precis.Profile, text string) (string, error) {
	for range 4 {
		next, err := p.String(text)
		if err != nil || next == text {
			return next, err
		}
		text = next
	}
	return "", ErrMalformed
}

// Domain prepares a domain (rfc7622#3.2): a name, or an IP address.
func Domain(text string) (string, error) {
	text = strings.TrimSuffix(text, ".")
	if isReady(text, isHost) && !hyphenated(text) {
		return named(text)
	}
	if len(text) > 4*maxPart || !utf8.ValidString(text) {
		return "", ErrMalformed
	}
	if strings.HasPrefix(text, "[") {
		return literal(text)
	}
	p := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true),
		idna.ValidateLabels(true), idna.CheckHyphens(true), idna.CheckJoiners(true), idna.BidiRule())
	out, err := p.ToUnicode(text)
	if err != nil {
		return "", ErrMalformed
	}
	return named(strings.TrimSuffix(out, "."))
}

// named is a domain whose labels are not empty.
func named(text string) (string, error) {
	if text == "" || text[0] == '.' || strings.HasSuffix(text, ".") || strings.Contains(text, "..") {
		return "", ErrMalformed
	}
	return within(text)
}

// hyphenated says that a label has a hyphen at an end, or two together, such as in xn--: IDNA decides about those.
func hyphenated(text string) bool {
	return strings.Contains(text, "--") || strings.HasPrefix(text, "-") || strings.HasSuffix(text, "-") ||
		strings.Contains(text, "-.") || strings.Contains(text, ".-")
}

// literal is an IPv6 address in brackets.
func literal(text string) (string, error) {
	for i := range len(text) {
		c := text[i]
		switch {
		case c == '[' && i == 0, c == ']' && i == len(text)-1 && i > 2:
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F', c == ':', c == '.':
		default:
			return "", ErrMalformed
		}
	}
	if !strings.HasSuffix(text, "]") {
		return "", ErrMalformed
	}
	return within(strings.ToLower(text))
}

func within(s string) (string, error) {
	if s == "" || len(s) > maxPart {
		return "", ErrMalformed
	}
	return s, nil
}

// isReady says that preparing would not change the text, as of nearly all there are.
func isReady(text string, ok func(byte) bool) bool {
	for i := range len(text) {
		if !ok(text[i]) {
			return false
		}
	}
	return true
}

func isLocal(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%()*+,-.;=?[]^_`{|}~", c) >= 0 || c == '\\'
}

func isPrintable(c byte) bool { return ' ' <= c && c < 0x7f }

func isHost(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-'
}

// IsZero says that there is no address.
func (j JID) IsZero() bool { return j == JID{} }

// IsBare says that there is no resource.
func (j JID) IsBare() bool { return j.Resource == "" }

// Bare is the address without its resource.
func (j JID) Bare() JID { return JID{Local: j.Local, Domain: j.Domain} }

// With is the address with a resource, which is prepared already.
func (j JID) With(resource string) JID { return JID{j.Local, j.Domain, resource} }

// Len is the length of String.
func (j JID) Len() int {
	n := len(j.Domain)
	if j.Local != "" {
		n += len(j.Local) + 1
	}
	if j.Resource != "" {
		n += len(j.Resource) + 1
	}
	return n
}

// Is says whether text is what String gives.
func (j JID) Is(text string) bool {
	if len(text) != j.Len() {
		return false
	}
	if j.Local != "" {
		if !strings.HasPrefix(text, j.Local) || text[len(j.Local)] != '@' {
			return false
		}
		text = text[len(j.Local)+1:]
	}
	if !strings.HasPrefix(text, j.Domain) {
		return false
	}
	rest := text[len(j.Domain):]
	return rest == "" || rest[0] == '/' && rest[1:] == j.Resource
}

// String is the address as text, not yet escaped for XML.
func (j JID) String() string {
	if j.Local == "" && j.Resource == "" {
		return j.Domain
	}
	var b strings.Builder
	b.Grow(j.Len())
	if j.Local != "" {
		b.WriteString(j.Local)
		b.WriteByte('@')
	}
	b.WriteString(j.Domain)
	if j.Resource != "" {
		b.WriteByte('/')
		b.WriteString(j.Resource)
	}
	return b.String()
}
