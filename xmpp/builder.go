package xmpp

import (
	"strings"
	"unicode/utf8"

	"parley/xmpp/jid"
)

// Builder writes XML. It closes what was opened, in order, and escapes what is not markup.
type Builder struct {
	b     []byte
	open  []string
	inTag bool
}

// NewBuilder adds to b, which may be nil.
func NewBuilder(b []byte) *Builder { return &Builder{b: b} }

// Open begins an element. An empty space says nothing of its namespace, which is then that of the one around it.
func (b *Builder) Open(name, space string) *Builder {
	b.endTag()
	b.b = append(b.b, '<')
	b.b = append(b.b, name...)
	b.open = append(b.open, name)
	b.inTag = true
	if space != "" {
		b.Attr("xmlns", space)
	}
	return b
}

// Attr adds an attribute to the element that was just opened.
func (b *Builder) Attr(name, value string) *Builder {
	b.b = append(b.b, ' ')
	b.b = append(b.b, name...)
	b.b = append(b.b, '=', '\'')
	b.b = appendEscaped(b.b, value, true)
	b.b = append(b.b, '\'')
	return b
}

// Maybe adds an attribute unless its value is empty.
func (b *Builder) Maybe(name, value string) *Builder {
	if value == "" {
		return b
	}
	return b.Attr(name, value)
}

// Text adds character data.
func (b *Builder) Text(text string) *Builder {
	if text == "" {
		return b
	}
	b.endTag()
	b.b = appendEscaped(b.b, text, false)
	return b
}

// Raw adds what is XML already.
func (b *Builder) Raw(xml string) *Builder {
	if xml == "" {
		return b
	}
	b.endTag()
	b.b = append(b.b, xml...)
	return b
}

// Stanza adds a stanza that is forwarded.
func (b *Builder) Stanza(s *Stanza) *Builder {
	b.endTag()
	b.b = s.AppendFramed(b.b)
	return b
}

// Element adds an element that has nothing but text in it.
func (b *Builder) Element(name, space, text string) *Builder {
	return b.Open(name, space).Text(text).Close()
}

// Close ends the element that was opened last.
func (b *Builder) Close() *Builder {
	name := b.open[len(b.open)-1]
	b.open = b.open[:len(b.open)-1]
	if b.inTag {
		b.b = append(b.b, '/', '>')
		b.inTag = false
		return b
	}
	b.b = append(b.b, '<', '/')
	b.b = append(b.b, name...)
	b.b = append(b.b, '>')
	return b
}

func (b *Builder) endTag() {
	if b.inTag {
		b.b = append(b.b, '>')
		b.inTag = false
	}
}

// String is what was written.
func (b *Builder) String() string { return string(b.b) }

// Bytes is what was written, without a copy.
func (b *Builder) Bytes() []byte { return b.b }

// Escape writes text for a place in XML where any may stand. Characters that XML does not allow become U+FFFD.
func Escape(s string) string {
	for i := range len(s) {
		if class[s[i]]&plainText == 0 || s[i] < ' ' {
			return string(appendEscaped(nil, s, true))
		}
	}
	return s
}

func writeAttr(b *strings.Builder, name, value string) {
	b.WriteByte(' ')
	b.WriteString(name)
	b.WriteString("='")
	b.WriteString(Escape(value))
	b.WriteByte('\'')
}

// writeAddress writes an address as an attribute, if there is one.
func writeAddress(b *strings.Builder, name string, j jid.JID) {
	if j.IsZero() {
		return
	}
	b.WriteByte(' ')
	b.WriteString(name)
	b.WriteString("='")
	if j.Local != "" {
		b.WriteString(Escape(j.Local))
		b.WriteByte('@')
	}
	b.WriteString(Escape(j.Domain))
	if j.Resource != "" {
		b.WriteByte('/')
		b.WriteString(Escape(j.Resource))
	}
	b.WriteByte('\'')
}

// appendEscaped writes text; in a value, white space that a reader would make a space of is written as a reference.
func appendEscaped(b []byte, s string, value bool) []byte {
	for _, r := range s {
		switch {
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '\'':
			b = append(b, "&apos;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r == '\r':
			b = append(b, "&#13;"...) // a reader would make a line feed of it
		case value && r == '\n':
			b = append(b, "&#10;"...)
		case value && r == '\t':
			b = append(b, "&#9;"...)
		case !isChar(r):
			b = append(b, "\uFFFD"...)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// unescapeValue is Unescape for an attribute's value, whose white space becomes spaces (XML 1.0 section 3.3.3).
func unescapeValue(s string) string {
	if strings.ContainsAny(s, "\t\n\r") {
		s = strings.NewReplacer("\r\n", " ", "\t", " ", "\n", " ", "\r", " ").Replace(s)
	}
	return Unescape(s)
}

// Unescape gives the text that stands for itself in XML. What is no reference stays as it is.
func Unescape(s string) string {
	at := strings.IndexAny(s, "&\r")
	if at < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for at >= 0 {
		b.WriteString(s[:at])
		s = s[at:]
		switch end := strings.IndexByte(s, ';'); {
		case s[0] == '\r':
			b.WriteByte('\n')
			s = strings.TrimPrefix(s[1:], "\n")
		case end < 0:
			b.WriteByte('&')
			s = s[1:]
		default:
			if r, ok := entity(s[1:end]); ok {
				b.WriteRune(r)
				s = s[end+1:]
			} else {
				b.WriteByte('&')
				s = s[1:]
			}
		}
		at = strings.IndexAny(s, "&\r")
	}
	b.WriteString(s)
	return b.String()
}

// newlines makes the line ends of text those of XML (section 2.11).
func newlines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}
