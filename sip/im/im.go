// Package im is the grammar of what a MESSAGE carries (RFC 3428) beside plain text: its wrapping with headers of its own
// (RFC 3862, CPIM), notices that a message has arrived (RFC 5438, IMDN), and that somebody is typing (RFC 3994).
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

const (
	nsIMDN      = "urn:ietf:params:imdn" // of header fields
	nsNotice    = "urn:ietf:params:xml:ns:imdn"
	nsComposing = "urn:ietf:params:xml:ns:im-iscomposing"
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

// Wrapped is a message in CPIM. A header field with line ends in it is none: they are written as spaces.
type Wrapped struct {
	From, To string // as "Alice <sip:alice@example.org>"
	DateTime string // rfc3339
	Subject  string
	ID       string   // imdn.Message-ID
	Wants    []string // imdn.Disposition-Notification: positive-delivery, negative-delivery, display ...
	// Type, Disposition and Body are those of the message in it.
	Type, Disposition, Body string
}

// ParseCPIM reads a message in CPIM (rfc3862#2).
func ParseCPIM(text string) (*Wrapped, error) {
	if len(text) > MaxLength {
		return nil, ErrLimit
	}
	w, prefix := &Wrapped{}, "imdn"
	outer, rest, err := fields(text)
	if err != nil {
		return nil, err
	}
	for _, f := range outer {
		// rfc3862#3.4: NS binds a prefix of header fields.
		if p, uri, ok := strings.Cut(f.value, "<"); f.name == "ns" && ok && strings.TrimSuffix(strings.TrimSpace(uri), ">") == nsIMDN {
			prefix = strings.ToLower(strings.TrimSpace(p))
		}
	}
	for _, f := range outer {
		switch f.name {
		case "from":
			w.From = f.value
		case "to":
			w.To = f.value
		case "datetime":
			w.DateTime = f.value
		case "subject":
			w.Subject = f.value
		case prefix + ".message-id":
			w.ID = f.value
		case prefix + ".disposition-notification":
			for s := range strings.SplitSeq(f.value, ",") {
				w.Wants = append(w.Wants, strings.ToLower(strings.TrimSpace(s)))
			}
		}
	}
	inner, body, err := fields(rest)
	if err != nil {
		return nil, err
	}
	for _, f := range inner {
		switch f.name {
		case "content-type":
			w.Type = f.value
		case "content-disposition":
			w.Disposition = f.value
		}
	}
	w.Body = body
	return w, nil
}

// Asks says that the sender wants to hear that the message has arrived (rfc5438#6.2).
func (w *Wrapped) Asks() bool {
	for _, s := range w.Wants {
		if s == "positive-delivery" {
			return true
		}
	}
	return false
}

type field struct{ name, value string }

// fields reads header fields up to the empty line. Line ends may be bare.
func fields(text string) (all []field, rest string, err error) {
	for {
		line, after, ok := strings.Cut(text, "\n")
		if !ok {
			return nil, "", fmt.Errorf("%w: the header fields have no end", ErrSyntax)
		}
		text = after
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			return all, text, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || len(all) == MaxFields {
			return nil, "", fmt.Errorf("%w: header field %.40q", ErrSyntax, line)
		}
		all = append(all, field{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)})
	}
}

// String writes the message.
func (w *Wrapped) String() string {
	var b strings.Builder
	put := func(name, value string) {
		if value = oneLine(value); value != "" {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	put("From", w.From)
	put("To", w.To)
	put("DateTime", w.DateTime)
	put("Subject", w.Subject)
	if w.ID != "" || len(w.Wants) > 0 {
		put("NS", "imdn <"+nsIMDN+">")
		put("imdn.Message-ID", w.ID)
		put("imdn.Disposition-Notification", strings.Join(w.Wants, ", "))
	}
	b.WriteString("\r\n")
	put("Content-Type", w.Type)
	put("Content-Disposition", w.Disposition)
	b.WriteString("\r\n" + w.Body)
	return b.String()
}

func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s))
}

// Notice tells what became of a message (rfc5438#7.2).
type Notice struct {
	ID       string // of the message
	DateTime string
	// Kind is delivery, display or processing; Status delivered, displayed, failed ...
	Kind, Status string
}

type status struct {
	Status struct {
		Any []struct{ XMLName xml.Name } `xml:",any"`
	} `xml:"status"`
}

// ParseNotice reads an IMDN document.
func ParseNotice(text string) (*Notice, error) {
	var doc struct {
		XMLName    xml.Name `xml:"urn:ietf:params:xml:ns:imdn imdn"`
		ID         string   `xml:"message-id"`
		DateTime   string   `xml:"datetime"`
		Delivery   *status  `xml:"delivery-notification"`
		Display    *status  `xml:"display-notification"`
		Processing *status  `xml:"processing-notification"`
	}
	if err := unmarshal(text, &doc); err != nil {
		return nil, err
	}
	n := &Notice{ID: strings.TrimSpace(doc.ID), DateTime: strings.TrimSpace(doc.DateTime)}
	for _, k := range []struct {
		kind string
		s    *status
	}{{"delivery", doc.Delivery}, {"display", doc.Display}, {"processing", doc.Processing}} {
		if k.s != nil && len(k.s.Status.Any) > 0 {
			n.Kind, n.Status = k.kind, k.s.Status.Any[0].XMLName.Local
			break
		}
	}
	if n.ID == "" || n.Kind == "" {
		return nil, fmt.Errorf("%w: a notice has no message or no status", ErrSyntax)
	}
	return n, nil
}

// Delivered is the notice that a message has arrived.
func Delivered(id, dateTime string) string {
	return "<?xml version='1.0' encoding='UTF-8'?>\r\n<imdn xmlns='" + nsNotice + "'><message-id>" + escape(id) +
		"</message-id><datetime>" + escape(dateTime) +
		"</datetime><delivery-notification><status><delivered/></status></delivery-notification></imdn>"
}

// ParseComposing reads whether somebody is typing (rfc3994#3).
func ParseComposing(text string) (active bool, err error) {
	var doc struct {
		XMLName xml.Name `xml:"urn:ietf:params:xml:ns:im-iscomposing isComposing"`
		State   string   `xml:"state"`
	}
	if err := unmarshal(text, &doc); err != nil {
		return false, err
	}
	switch strings.TrimSpace(doc.State) {
	case "active":
		return true, nil
	case "idle":
		return false, nil
	}
	return false, fmt.Errorf("%w: a state is neither active nor idle", ErrSyntax)
}

// IsComposing tells whether somebody is typing.
func IsComposing(active bool) string {
	state := "idle"
	if active {
		state = "active"
	}
	return "<?xml version='1.0' encoding='UTF-8'?>\r\n<isComposing xmlns='" + nsComposing + "'><state>" + state +
		"</state><contenttype>" + Text + "</contenttype></isComposing>"
}

func unmarshal(text string, to any) error {
	if len(text) > MaxLength {
		return ErrLimit
	}
	if err := xml.Unmarshal([]byte(text), to); err != nil {
		return fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return nil
}

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a strings.Builder has none
	}
	return b.String()
}
