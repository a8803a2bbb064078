package im

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// nsIMDN is the namespace of header fields (rfc5438#6.1).
const nsIMDN = "urn:ietf:params:imdn"

// The notices that a sender can ask for (rfc5438#6.2).
const (
	PositiveDelivery = "positive-delivery"
	NegativeDelivery = "negative-delivery"
	Processing       = "processing"
	Display          = "display"
)

// Wrapped is a message in CPIM.
type Wrapped struct {
	From, To string // as "Alice <sip:alice@example.org>"
	DateTime string // rfc3339
	Subject  string
	ID       string   // imdn.Message-ID
	Wants    []string // imdn.Disposition-Notification
	// Type, Disposition and Body are those of the message in it.
	Type, Disposition, Body string
}

// Asks says whether the sender wants a notice.
func (w *Wrapped) Asks(notice string) bool { return slices.Contains(w.Wants, notice) }

// ParseCPIM reads a message in CPIM (rfc3862#2).
func ParseCPIM(text string) (*Wrapped, error) {
	if len(text) > MaxLength {
		return nil, ErrLimit
	}
	outer, rest, err := fields(text)
	if err != nil {
		return nil, err
	}
	w := &Wrapped{}
	w.headers(outer)
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

// headers reads those of the message. Names are to be written as they stand (rfc3862#2.4); some phones don't.
func (w *Wrapped) headers(list []field) {
	prefix := "imdn"
	for _, f := range list { // rfc3862#3.4: NS binds a prefix to a namespace
		if p, uri, ok := strings.Cut(f.value, "<"); f.name == "ns" && ok && strings.TrimSuffix(strings.TrimSpace(uri), ">") == nsIMDN {
			prefix = strings.ToLower(strings.TrimSpace(p))
		}
	}
	for _, f := range list {
		switch f.name {
		case "from":
			w.From = f.value
		case "to":
			w.To = f.value
		case "datetime":
			w.DateTime = f.value
		case "subject":
			w.Subject = unescape(f.value)
		case prefix + ".message-id":
			w.ID = f.value
		case prefix + ".disposition-notification":
			for s := range strings.SplitSeq(f.value, ",") {
				w.Wants = append(w.Wants, strings.ToLower(strings.TrimSpace(s)))
			}
		}
	}
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

// String writes the message. A line end within a field is written as a space.
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
	put("Subject", strings.ReplaceAll(w.Subject, `\`, `\\`))
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
	}, strings.ToValidUTF8(s, "")))
}

// unescape reads a text with escapes (rfc3862#2.3.2).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		if s[0] != '\\' || len(s) == 1 {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		c, size := escaped(s)
		b.WriteString(c)
		s = s[size:]
	}
	return b.String()
}

// escaped is the character that an escape stands for, and the escape's length.
func escaped(s string) (c string, size int) {
	switch s[1] {
	case 'u':
		if len(s) < 6 {
			return "u", 2
		}
		n, err := strconv.ParseUint(s[2:6], 16, 16)
		if err != nil {
			return "u", 2
		}
		return string(rune(n)), 6
	case 'b', 't', 'n', 'r': // they would not fit into a line
		return " ", 2
	}
	r, n := utf8.DecodeRuneInString(s[1:])
	return string(r), 1 + n
}
