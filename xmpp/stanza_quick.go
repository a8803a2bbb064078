package xmpp

import (
	"strings"

	"parley/xmpp/jid"
)

// quick makes a stanza whose addresses, id and the like stand for themselves, as nearly all do: they become pieces of
// its one text, which is then all that is allocated besides the Stanza. It gives nil for any other.
func (r *Raw) quick(kind Kind, from jid.JID) *Stanza {
	if from.IsZero() {
		return nil
	}
	inner, at := r.inner()
	var b strings.Builder
	b.Grow(len(r.data) + from.Len() + len(" from=''") + r.declarations())
	b.WriteByte('<')
	b.WriteString(kind.String())
	writeAddress(&b, "from", from)
	var ends [len(own)]span
	for i, name := range own {
		a := r.attr(name)
		if a == nil {
			continue
		}
		value := r.slice(a.value())
		if !standsForItself(value) {
			return nil
		}
		b.WriteByte(' ')
		b.WriteString(name)
		b.WriteString("='")
		ends[i].from = uint32(b.Len())
		b.Write(value)
		ends[i].to = uint32(b.Len())
		b.WriteByte('\'')
	}
	s := &Stanza{kind: kind, from: from}
	s.finish(&b, r, inner)
	piece := func(i int) string { return s.text[ends[i].from:ends[i].to] }
	if to := piece(0); to != "" {
		var err error
		if s.to, err = jid.Parse(to); err != nil || !s.to.Is(to) {
			return nil // it is none, or has to be written otherwise
		}
	}
	s.id, s.typ, s.lang = piece(1), piece(2), piece(3)
	s.list(r, at)
	return s
}

// own are the attributes that a Stanza has fields for, but from, in the order in which they are written.
var own = [...]string{"to", "id", "type", "xml:lang"}

// finish writes the rest of the text, of which its parts are pieces.
func (s *Stanza) finish(b *strings.Builder, r *Raw, inner []byte) {
	rest := b.Len()
	r.appendPlain(b)
	restEnd := b.Len()
	if len(inner) == 0 {
		b.WriteString("/>")
		s.text = b.String()
		s.rest = s.text[rest:restEnd]
		return
	}
	b.WriteByte('>')
	from := b.Len()
	b.Write(inner)
	to := b.Len()
	b.WriteString("</")
	b.WriteString(s.kind.String())
	b.WriteByte('>')
	s.text = b.String()
	s.rest, s.inner = s.text[rest:restEnd], s.text[from:to]
}

// declarations is how much longer the text gets by what its stream's header has declared.
func (r *Raw) declarations() (n int) {
	for _, u := range r.used {
		n += len(" xmlns:=''") + len(u.prefix) + len(u.space)
	}
	return n
}

// standsForItself says that a value is the same with and without escapes, between quotes of either kind.
func standsForItself(value []byte) bool {
	for _, c := range value {
		if c < ' ' || c >= 0x7f {
			return false
		}
		switch c {
		case '&', '<', '>', '\'', '"':
			return false
		}
	}
	return len(value) > 0
}
