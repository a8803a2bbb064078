package im

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

const wrapped = "From: Alice <im:alice@example.org>\r\nTo: <im:bob@example.org>\r\nNS: ids <urn:ietf:params:imdn>\r\n" +
	"DateTime: 2026-01-02T03:04:05Z\r\nSubject: caf\\u00e9 \\\\o/\r\nids.Message-ID: 34jk\r\nids.Disposition-Notification: Positive-Delivery, display\r\n\r\n" +
	"Content-type: text/plain; charset=utf-8\r\nContent-length: 7\r\n\r\nHi\r\n\r\nB"

func TestCPIM(t *testing.T) {
	t.Parallel()
	want := &Wrapped{
		From: "Alice <im:alice@example.org>", To: "<im:bob@example.org>", DateTime: "2026-01-02T03:04:05Z", Subject: `café \o/`,
		ID: "34jk", Wants: []string{PositiveDelivery, Display}, Type: "text/plain; charset=utf-8", Body: "Hi\r\n\r\nB",
	}
	for _, text := range []string{wrapped, want.String()} {
		got, err := ParseCPIM(text)
		if err != nil || !reflect.DeepEqual(got, want) || !got.Asks(Display) || got.Asks(Processing) {
			t.Errorf("%v: %+v", err, got)
		}
	}
	for text, want := range map[string]error{
		"":                                  ErrSyntax,
		"From: a\r\n":                       ErrSyntax,
		"From: a\r\n\r\nno colon\r\n\r\n":   ErrSyntax,
		strings.Repeat("a", MaxLength+1):    ErrLimit,
		strings.Repeat("a: b\n", 65) + "\n": ErrSyntax,
	} {
		if w, err := ParseCPIM(text); !errors.Is(err, want) {
			t.Errorf("%.20q: %v, %+v", text, err, w)
		}
	}
	if w := (&Wrapped{Subject: "a\r\nFrom: b"}).String(); strings.Contains(w, "\nFrom") {
		t.Errorf("a subject makes a header field: %q", w)
	}
}

func TestEscapesOfCPIM(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`plain`: "plain", `a\\b`: `a\b`, `\"x\"`: `"x"`, `\u00e9`: "é", `\u00`: "u00", `\uzzzz`: "uzzzz", `a\nb`: "a b", `\`: `\`, `\ä`: "ä",
	} {
		if got := unescape(text); got != want {
			t.Errorf("%s is read as %q, want %q", text, got, want)
		}
	}
}

func TestNotices(t *testing.T) {
	t.Parallel()
	want := Notice{"a<b", "2026-01-02T03:04:05Z", "sip:bob@example.org", OfDelivery, "delivered"}
	got, err := ParseNotice(want.String())
	if err != nil || *got != want {
		t.Errorf("%v: %+v", err, got)
	}
	got, err = ParseNotice("<i:imdn xmlns:i='urn:ietf:params:xml:ns:imdn'><i:message-id>x</i:message-id><i:recipient-uri/>" +
		"<i:display-notification><i:status><i:displayed/></i:status></i:display-notification></i:imdn>")
	if err != nil || got.Kind != OfDisplay || got.Status != "displayed" {
		t.Errorf("%v: %+v", err, got)
	}
	for _, text := range []string{"", "<imdn/>", "<imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>x</message-id></imdn>", strings.Repeat(" ", MaxLength+1)} {
		if n, err := ParseNotice(text); err == nil {
			t.Errorf("%.20q: %+v", text, n)
		}
	}
}

func TestComposing(t *testing.T) {
	t.Parallel()
	is := func(inner string) string {
		return "<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'>" + inner + "</isComposing>"
	}
	for text, want := range map[string]Typing{
		IsComposing(true):  {true, Refresh},
		IsComposing(false): {false, Refresh},
		is("<state> active </state><refresh>60</refresh>"): {true, time.Minute},
		is("<state>active</state><refresh>-1</refresh>"):   {true, Refresh},
		is("<state>dreaming</state>"):                      {false, Refresh},
	} {
		if got, err := ParseComposing(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "<isComposing/>", is("")} {
		if got, err := ParseComposing(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(wrapped)
	f.Add((&Notice{"a", "b", "c", OfDisplay, "displayed"}).String())
	f.Add(IsComposing(true))
	f.Fuzz(func(t *testing.T, text string) {
		if w, err := ParseCPIM(text); err == nil && len(w.String()) <= MaxLength {
			again, err := ParseCPIM(w.String())
			if err != nil || again.Body != w.Body || again.ID != oneLine(w.ID) {
				t.Fatalf("%v: wrote\n%q\nof\n%q", err, w.String(), text)
			}
		}
		if n, err := ParseNotice(text); err == nil && n.ID == "" {
			t.Fatalf("%+v", n)
		}
		if typing, err := ParseComposing(text); err != nil && typing.Active {
			t.Fatal(err)
		}
	})
}
