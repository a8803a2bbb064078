package pidf

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// document is one such as phones and gateways publish, with what is not known left in.
const document = `<?xml version="1.0" encoding="UTF-8"?>
<impp:presence xmlns:impp="urn:ietf:params:xml:ns:pidf" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model"
  xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:alice@example.org">
  <impp:tuple id="ID-phone">
    <impp:status><impp:basic>open</impp:basic><show xmlns="jabber:client">xa</show><other xmlns="urn:x">1</other></impp:status>
    <impp:contact priority="0.8">sip:alice@192.0.2.1</impp:contact>
    <impp:note xml:lang="en">at &lt;work&gt;</impp:note>
    <impp:timestamp>2026-01-02T03:04:05Z</impp:timestamp>
  </impp:tuple>
  <d:person id="p1"><r:activities><r:note>n</r:note><r:vacation/><r:away/></r:activities><d:note>gone fishing</d:note></d:person>
</impp:presence>`

func TestParse(t *testing.T) {
	t.Parallel()
	want := &Presence{
		Entity: "sip:alice@example.org",
		Tuples: []Tuple{{
			ID: "ID-phone", Basic: "open", Show: "xa", Contact: "sip:alice@192.0.2.1", Priority: "0.8",
			Notes: []Note{{"en", "at <work>"}}, Timestamp: "2026-01-02T03:04:05Z",
		}},
		Activities: []string{"vacation", "away"},
		Notes:      []Note{{"", "gone fishing"}},
	}
	got, err := Parse(document)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v: %+v", err, got)
	}
	again, err := Parse(got.String())
	if err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("%v: written as\n%s", err, got)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		text string
		want error
	}{
		"nothing":             {"", ErrSyntax},
		"no XML":              {"presence", ErrSyntax},
		"another element":     {"<presence xmlns='urn:x' entity='a'/>", ErrSyntax},
		"no entity":           {"<presence xmlns='" + NS + "'/>", ErrSyntax},
		"two of them":         {"<presence xmlns='" + NS + "' entity='a'/><presence xmlns='" + NS + "' entity='a'/>", ErrSyntax},
		"a tuple without id":  {"<presence xmlns='" + NS + "' entity='a'><tuple/></presence>", ErrSyntax},
		"an odd status":       {strings.Replace(document, ">open<", ">ajar<", 1), ErrSyntax},
		"an odd priority":     {strings.Replace(document, `"0.8"`, `"2"`, 1), ErrSyntax},
		"a document type":     {"<!DOCTYPE x [<!ENTITY a 'b'>]><presence xmlns='" + NS + "' entity='a'/>", ErrSyntax},
		"an entity":           {"<presence xmlns='" + NS + "' entity='a'>&a;</presence>", ErrSyntax},
		"too long":            {document + strings.Repeat(" ", MaxLength), ErrLimit},
		"too deep":            {"<presence xmlns='" + NS + "' entity='a'>" + strings.Repeat("<a>", MaxDepth), ErrLimit},
		"too many tuples":     {"<presence xmlns='" + NS + "' entity='a'>" + strings.Repeat("<tuple id='a'/>", MaxTuples+1) + "</presence>", ErrLimit},
		"too many notes":      {"<presence xmlns='" + NS + "' entity='a'>" + strings.Repeat("<note/>", MaxList+1) + "</presence>", ErrLimit},
		"cut off":             {document[:len(document)-20], ErrSyntax},
		"an unbalanced close": {"</presence>", ErrSyntax},
	} {
		if p, err := Parse(x.text); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, %+v", name, err, p)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(document)
	f.Add("<presence xmlns='" + NS + "' entity='a'><note>x</note></presence>")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		written := p.String()
		if len(written) > MaxLength {
			return
		}
		again, err := Parse(written)
		if err != nil || again.Entity != p.Entity || len(again.Tuples) != len(p.Tuples) || again.String() != written {
			t.Fatalf("%v: wrote\n%s\nof\n%s", err, written, text)
		}
	})
}
