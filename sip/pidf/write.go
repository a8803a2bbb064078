package pidf

import (
	"encoding/xml"
	"strings"
)

// String writes the document.
func (p *Presence) String() string {
	var b strings.Builder
	b.WriteString("<?xml version='1.0' encoding='UTF-8'?>\r\n<presence xmlns='" + NS + "' xmlns:dm='" + NSModel +
		"' xmlns:rpid='" + NSRPID + "' entity='" + escape(p.Entity) + "'>")
	for _, t := range p.Tuples {
		t.write(&b)
	}
	// rfc3863#4.1.1: notes before what extends the document.
	if len(p.Activities) == 0 {
		writeNotes(&b, "note", p.Notes)
	} else {
		b.WriteString("<dm:person id='person'>")
		writeActivities(&b, p.Activities)
		writeNotes(&b, "dm:note", p.Notes)
		b.WriteString("</dm:person>")
	}
	b.WriteString("</presence>")
	return b.String()
}

func (t Tuple) write(b *strings.Builder) {
	b.WriteString("<tuple id='" + escape(t.ID) + "'><status>")
	text(b, "basic", t.Basic)
	if t.Show != "" {
		b.WriteString("<show xmlns='" + nsClient + "'>" + escape(t.Show) + "</show>")
	}
	b.WriteString("</status>")
	if len(t.Activities) > 0 {
		writeActivities(b, t.Activities)
	}
	if t.Contact != "" {
		b.WriteString("<contact")
		if t.Priority != "" {
			b.WriteString(" priority='" + escape(t.Priority) + "'")
		}
		b.WriteString(">" + escape(t.Contact) + "</contact>")
	}
	writeNotes(b, "note", t.Notes)
	text(b, "timestamp", t.Timestamp)
	b.WriteString("</tuple>")
}

func writeActivities(b *strings.Builder, all []string) {
	b.WriteString("<rpid:activities>")
	for _, a := range all {
		if isName(a) {
			b.WriteString("<rpid:" + a + "/>")
		}
	}
	b.WriteString("</rpid:activities>")
}

// isName says that s can be an element, as all activities that are registered can.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (i == 0 || c != '-') {
			return false
		}
	}
	return s != ""
}

func writeNotes(b *strings.Builder, name string, all []Note) {
	for _, n := range all {
		b.WriteString("<" + name)
		if n.Lang != "" {
			b.WriteString(" xml:lang='" + escape(n.Lang) + "'")
		}
		b.WriteString(">" + escape(n.Text) + "</" + name + ">")
	}
}

func text(b *strings.Builder, name, value string) {
	if value != "" {
		b.WriteString("<" + name + ">" + escape(value) + "</" + name + ">")
	}
}

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a strings.Builder has none
	}
	return b.String()
}
