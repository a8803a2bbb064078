// Package im is the grammar of what a MESSAGE carries (RFC 3428) beside plain text: its wrapping with headers of its own
// (RFC 3862, CPIM), notices of what became of a message (RFC 5438, IMDN), and that somebody is typing (RFC 3994).
package im

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// The types of bodies.
const (
	Text      = "text/plain"
	CPIM      = "message/cpim"
	IMDN      = "message/imdn+xml"
	Composing = "application/im-iscomposing+xml"
)

// Limits of a body: what is larger is refused.
const (
	MaxLength = 64 << 10
	MaxFields = 64
)

// Why a body is refused.
var (
	ErrSyntax = errors.New("im: malformed body")
	ErrLimit  = errors.New("im: body is too large")
)

func unmarshal(text string, to any) error {
	if len(text) > MaxLength {
		return ErrLimit
	}
	if err := xml.Unmarshal([]byte(text), to); err != nil {
		return fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return nil
}

const declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a strings.Builder has none
	}
	return b.String()
}
