package sdp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits of a description: what is larger is refused.
const (
	MaxLength  = 64 << 10
	MaxLines   = 1000
	MaxMedia   = 32
	MaxFormats = 64
)

// Why a description is refused.
var (
	ErrSyntax = errors.New("sdp: malformed description")
	ErrLimit  = errors.New("sdp: description is too large")
)

// line is "kind=value".
type line struct {
	kind  byte
	value string
}

// Description is a session description. It is not safe for concurrent use.
type Description struct {
	lines []line // of the session
	Media []*Media
}

// Media is one m= line and the lines that belong to it.
type Media struct {
	Kind    string // audio, video, image, application ...
	Port    int
	Proto   string
	Formats []string

	count   int  // of ports; 0 if not given
	ice     bool // it was reached by ICE, which has been dropped
	lines   []line
	session *Description
}

// Parse reads a description.
func Parse(text string) (*Description, error) {
	if len(text) > MaxLength {
		return nil, ErrLimit
	}
	d, n := &Description{}, 0
	for raw := range strings.Lines(text) {
		raw = strings.TrimRight(raw, "\r\n")
		if raw == "" {
			continue
		}
		if n++; n > MaxLines {
			return nil, ErrLimit
		}
		if err := d.take(raw); err != nil {
			return nil, err
		}
	}
	return d, d.check()
}

func (d *Description) take(raw string) error {
	if len(raw) < 2 || raw[1] != '=' || raw[0] < 'a' || raw[0] > 'z' || strings.ContainsAny(raw, "\r\x00") {
		return malformed("line", raw)
	}
	l := line{raw[0], raw[2:]}
	if l.kind == 'm' {
		return d.addMedia(l.value)
	}
	if len(d.Media) == 0 {
		d.lines = append(d.lines, l)
		return nil
	}
	m := d.Media[len(d.Media)-1]
	m.lines = append(m.lines, l)
	return nil
}

func malformed(what, text string) error {
	return fmt.Errorf("%w: %s %.60q", ErrSyntax, what, redacted(text))
}

// check asks for what nothing can be done without.
func (d *Description) check() error {
	if len(d.lines) == 0 || d.lines[0] != (line{'v', "0"}) {
		return fmt.Errorf("%w: it does not begin with v=0", ErrSyntax)
	}
	origins := 0
	for _, l := range d.lines {
		if l.kind != 'o' {
			continue
		}
		if origins++; origins > 1 || len(strings.Fields(l.value)) != 6 { // rfc8866#5.2
			return malformed("o=", l.value)
		}
	}
	if origins == 0 {
		return fmt.Errorf("%w: it has no o=", ErrSyntax)
	}
	return nil
}

// addMedia reads "audio 49170/2 RTP/AVP 0 8" (rfc8866#5.14).
func (d *Description) addMedia(value string) error {
	f := strings.Fields(value)
	if len(f) < 3 {
		return malformed("m=", value)
	}
	port, count, ranged := strings.Cut(f[1], "/")
	m := &Media{Kind: f[0], Proto: f[2], Formats: f[3:], session: d}
	var ok bool
	if m.Port, ok = number(port, 65535); !ok {
		return malformed("port in m=", value)
	}
	if ranged {
		if m.count, ok = number(count, 65535); !ok || m.count == 0 {
			return malformed("number of ports in m=", value)
		}
	}
	if len(d.Media) == MaxMedia || len(m.Formats) > MaxFormats {
		return ErrLimit
	}
	d.Media = append(d.Media, m)
	return nil
}

// number reads a decimal number from 0 to limit.
func number(s string, limit int) (int, bool) {
	if s == "" || s[0] == '+' || s[0] == '-' {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= limit
}

// String writes the description.
func (d *Description) String() string {
	var b strings.Builder
	write(&b, d.lines)
	for _, m := range d.Media {
		b.WriteString("m=" + m.Kind + " " + strconv.Itoa(m.Port))
		if m.count > 0 {
			b.WriteString("/" + strconv.Itoa(m.count))
		}
		b.WriteString(" " + m.Proto)
		for _, f := range m.Formats {
			b.WriteString(" " + f)
		}
		b.WriteString("\r\n")
		write(&b, m.lines)
	}
	return b.String()
}

func write(b *strings.Builder, lines []line) {
	for _, l := range lines {
		b.WriteByte(l.kind)
		b.WriteByte('=')
		b.WriteString(l.value)
		b.WriteString("\r\n")
	}
}

func first(lines []line, kind byte) (string, bool) {
	for _, l := range lines {
		if l.kind == kind {
			return l.value, true
		}
	}
	return "", false
}

// attribute finds "a=name" or "a=name:value". Names are compared as written (rfc8866#6).
func attribute(lines []line, name string) (string, bool) {
	for _, l := range lines {
		if n, v, ok := l.attribute(); ok && n == name {
			return v, true
		}
	}
	return "", false
}

func (l line) attribute() (name, value string, ok bool) {
	if l.kind != 'a' {
		return "", "", false
	}
	name, value, _ = strings.Cut(l.value, ":")
	return name, value, true
}

// Attribute finds an attribute of the session.
func (d *Description) Attribute(name string) (value string, ok bool) {
	return attribute(d.lines, name)
}

// Attribute finds an attribute of the media alone.
func (m *Media) Attribute(name string) (value string, ok bool) { return attribute(m.lines, name) }

// either finds an attribute of the media, or else of the session.
func (m *Media) either(name string) (string, bool) {
	if v, ok := m.Attribute(name); ok {
		return v, true
	}
	return m.session.Attribute(name)
}

// Add adds an attribute; an empty value makes it a flag.
func (m *Media) Add(name, value string) {
	if value != "" {
		name += ":" + value
	}
	m.lines = append(m.lines, line{'a', name})
}

// Remove drops all attributes of these names from the media.
func (m *Media) Remove(names ...string) { m.lines = without(m.lines, names) }

// Remove drops all attributes of these names from the session.
func (d *Description) Remove(names ...string) { d.lines = without(d.lines, names) }

func without(lines []line, names []string) []line {
	kept := lines[:0]
	for _, l := range lines {
		if n, _, ok := l.attribute(); ok && contains(names, n) {
			continue
		}
		kept = append(kept, l)
	}
	return kept
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
