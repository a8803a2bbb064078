// Package address makes core.Address from text: the one form of an address that is a
// SIP address-of-record (RFC 3261) and an XMPP bare JID (RFC 7622) at once.
//
// A local part is prepared as PRECIS says (RFC 8265, UsernameCaseMapped: lower case,
// normalised, no spaces and no look-alike widths) and holds no ASCII character that XMPP
// forbids or SIP would have to escape. A domain is lower case, without a trailing dot, and
// in ASCII: international names are A-labels (RFC 5891), as DNS, certificates
// and SIP write them; Unicode gives what XMPP and people see.
package address

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"parley/internal/core"
)

// Why a text is not an address.
var (
	ErrNoAt      = errors.New("address: there is no @ between a name and a domain")
	ErrNoLocal   = errors.New("address: the name before the @ is empty")
	ErrLongLocal = errors.New("address: the name before the @ is longer than 255 bytes")
	ErrCharacter = errors.New("address: the name before the @ has a character that SIP or XMPP does not allow")
	ErrPrecis    = errors.New("address: the name before the @ can't be normalised")
	ErrEscape    = errors.New("address: a percent sign is not followed by two hexadecimal digits")
	ErrNoDomain  = errors.New("address: the domain is empty")
	ErrDomain    = errors.New("address: not a domain name")
	ErrIP        = errors.New("address: the domain is an IP address, not a name")
)

// maxLocal is less than the 1023 bytes of rfc7622#3.1: enough for people, short
// enough for headers and displays.
const maxLocal = 255

// Parse reads an account's address: "Alice@Example.org" is alice@example.org.
func Parse(text string) (core.Address, error) {
	local, domain, ok := strings.Cut(text, "@")
	if !ok {
		return core.Address{}, ErrNoAt
	}
	return New(local, domain)
}

// New makes an account's address of its two parts.
func New(local, domain string) (a core.Address, err error) {
	if a.Local, err = Local(local); err != nil {
		return core.Address{}, err
	}
	if a.Domain, err = Domain(domain); err != nil {
		return core.Address{}, err
	}
	return a, nil
}

// FromSIP makes an address of a SIP URI's user (still escaped) and host. The host may be
// an IP address: that of a stranger's server can be.
func FromSIP(user, host string) (a core.Address, err error) {
	if a.Local, err = FromSIPUser(user); err != nil {
		return core.Address{}, err
	}
	if a.Domain, err = Host(host); err != nil {
		return core.Address{}, err
	}
	return a, nil
}

// FromSIPUser makes a local part of a SIP URI's user as it is written there.
func FromSIPUser(user string) (string, error) {
	text, err := unescape(user)
	if err != nil {
		return "", err
	}
	return Local(text)
}

// ToSIPUser writes a local part as a SIP URI's user (rfc3261#25.1): UTF-8, escaped.
func ToSIPUser(local string) string {
	plain := 0
	for plain < len(local) && isPlain(local[plain]) {
		plain++
	}
	if plain == len(local) {
		return local
	}
	var b strings.Builder
	b.WriteString(local[:plain])
	for _, c := range []byte(local[plain:]) {
		if isPlain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// isPlain says that c stands in a SIP user without an escape and is none of those that
// rfc7622#3.3.1 forbids.
func isPlain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-_.!~*()=+$,;?", c) >= 0
}

// Local prepares a local part.
func Local(text string) (string, error) {
	if text == "" {
		return "", ErrNoLocal
	}
	// Preparing never makes a text four times shorter, and takes its time over long ones.
	if len(text) > 4*maxLocal {
		return "", ErrLongLocal
	}
	if isReady(text) {
		return within(text)
	}
	text, err := enforce(text)
	if err != nil {
		return "", err
	}
	for _, r := range text {
		if r < utf8.RuneSelf && !isPlain(byte(r)) {
			return "", fmt.Errorf("%w: %q", ErrCharacter, r)
		}
	}
	return within(text)
}

func within(local string) (string, error) {
	if len(local) > maxLocal {
		return "", ErrLongLocal
	}
	return local, nil
}

// isReady says that PRECIS would not change the text, as for nearly all there are.
func isReady(text string) bool {
	for i := range len(text) {
		if c := text[i]; !isPlain(c) || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// enforce applies the profile until nothing changes (rfc8264#7): some texts need
// it twice.
func enforce(text string) (string, error) {
	for range 4 {
		next, err := precis.UsernameCaseMapped.String(text)
		if err != nil {
			return "", forbidden(text, err)
		}
		if next == text {
			return text, nil
		}
		text = next
	}
	return "", ErrPrecis
}

// forbidden names the character where there is one to name.
func forbidden(text string, err error) error {
	for _, r := range text {
		if r == ' ' || r < ' ' || r == 0x7f {
			return fmt.Errorf("%w: %q", ErrCharacter, r)
		}
	}
	return fmt.Errorf("%w: %w", ErrPrecis, err)
}

func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", ErrEscape
		}
		high, low := unhex(s[i+1]), unhex(s[i+2])
		if high < 0 || low < 0 {
			return "", ErrEscape
		}
		b = append(b, byte(high<<4|low))
		i += 2
	}
	return string(b), nil
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
