package im

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const wrapped = "From: Alice <im:alice@example.org>\r\nTo: <im:bob@example.org>\r\nNS: ids <urn:ietf:params:imdn>\r\n" +
	"DateTime: 2026-01-02T03:04:05Z\r\nSubject: lunch\r\nids.Message-ID: 34jk\r\nids.Disposition-Notification: Positive-Delivery, display\r\n\r\n" +
	"Content-type: text/plain; charset=utf-8\r\nContent-length: 7\r\n\r\nHi\r\n\r\nB"

func TestCPIM(t *testing.T) {
	t.Parallel()
	want := &Wrapped{
		From: "Alice <im:alice@example.org>", To: "<im:bob@example.org>", DateTime: "2026-01-02T03:04:05Z", Subject: "lunch",
		ID: "34jk", Wants: []string{"positive-delivery", "display"}, Type: "text/plain; charset=utf-8", Body: "Hi\r\n\r\nB",
	}
	for _, text := range []string{wrapped, want.String()} {
		got, err := ParseCPIM(text)
		if err != nil || !reflect.DeepEqual(got, want) || !got.Asks() {
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

func TestNotices(t *testing.T) {
	t.Parallel()
	got, err := ParseNotice(Delivered("a<b", "2026-01-02T03:04:05Z"))
	if want := (Notice{"a<b", "2026-01-02T03:04:05Z", "delivery", "delivered"}); err != nil || *got != want {
		t.Errorf("%v: %+v", err, got)
	}
	got, err = ParseNotice("<i:imdn xmlns:i='urn:ietf:params:xml:ns:imdn'><i:message-id>x</i:message-id><i:recipient-uri/>" +
		"<i:display-notification><i:status><i:displayed/></i:status></i:display-notification></i:imdn>")
	if err != nil || got.Kind != "display" || got.Status != "displayed" {
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
	for _, want := range []bool{true, false} {
		if got, err := ParseComposing(IsComposing(want)); err != nil || got != want {
			t.Errorf("%v: %v, %v", want, got, err)
		}
	}
	for _, text := range []string{"", "<isComposing/>", strings.Replace(IsComposing(true), "active", "away", 1)} {
		if got, err := ParseComposing(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(wrapped)
	f.Add(Delivered("a", "b"))
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
		if active, err := ParseComposing(text); err != nil && active {
			t.Fatal(err)
		}
	})
}
