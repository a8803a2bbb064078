package jid

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 1024)
	for text, want := range map[string]string{ // "" where it is refused
		"example.org": "example.org", "alice@example.org": "alice@example.org", "Alice@Example.ORG/Phone": "alice@example.org/Phone",
		"a@b/c/d@e": "a@b/c/d@e", "example.org/a@b": "example.org/a@b", "alice@example.org.": "alice@example.org",
		"alice@bücher.example": "alice@bücher.example", "alice@xn--bcher-kva.example": "alice@bücher.example",
		"Σ@example.org": "σ@example.org", "a@192.0.2.1": "a@192.0.2.1", "a@[2001:DB8::1]": "a@[2001:db8::1]",
		"a@b/ü x": "a@b/ü x", "fuß@example.org": "fuß@example.org",
		"": "", "@b": "", "a@": "", "a@b/": "", "/c": "", "a b@c": "", "a\"b@c": "", "a<b@c": "", "a'b@c": "", "a:b@c": "", "a@b@c": "",
		"\xff@b": "", "a@\xff": "", "a@b/\xff": "", "a@b/\x00": "", "a@b\n": "", "a@b c": "", "a@[x]": "", "..": "", "a@b..c": "", "a@.b": "", "a@-b": "", "a@b-.c": "", "a@[::1": "",
		long + "@b": "", "a@b/" + long: "", "a@" + long: "",
	} {
		j, err := Parse(text)
		if (err != nil) != (want == "") || err == nil && j.String() != want {
			t.Errorf("%.60q is %.60q, %v; want %.60q", text, j, err, want)
		}
		if err == nil && (j.Len() != len(want) || j.IsZero() || j.Bare().With(j.Resource) != j) {
			t.Errorf("%q is taken apart wrongly: %+v", text, j)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"Alice@Example.org/Phone", "a@bücher.example/ü", "Σ@[::1]", "@/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		j, err := Parse(text)
		if err != nil {
			return
		}
		// rfc7622#3: what is prepared does not change.
		if again, err := Parse(j.String()); err != nil || again != j {
			t.Fatalf("%q is %q, and that is %q, %v", text, j, again, err)
		}
		for _, part := range []string{j.Local, j.Domain, j.Resource} {
			if len(part) > maxPart {
				t.Fatalf("%q has a part of %d bytes", text, len(part))
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("alice@example.org/phone-7f3a"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestIs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"example.org", "a@example.org", "a@example.org/r", "example.org/r/s@t", "a@example.org/ r"} {
		j, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if !j.Is(text) {
			t.Errorf("%q is not itself", text)
		}
		for _, other := range []string{"", "x" + text, text + "x", text[1:], text + "/", "b@example.org", "a@example.com", "a@example.org/q"} {
			if other != text && j.Is(other) {
				t.Errorf("%q is %q", text, other)
			}
		}
	}
}
