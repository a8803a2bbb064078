package address

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"parley/internal/core"
)

func TestOneFormOfAnAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"alice@example.org":               "alice@example.org",
		"Alice@Example.ORG.":              "alice@example.org",
		"bob@localhost":                   "bob@localhost",
		"+4930123456@example.org":         "+4930123456@example.org",
		"a.b-c_d~e!f*(g)=h$i,j;k?@x.y":    "a.b-c_d~e!f*(g)=h$i,j;k?@x.y",
		"ＡＬＩＣＥ@example.org":               "alice@example.org", // full width
		"ÄRGER@example.org":               "ärger@example.org",
		"a\u0308rger@example.org":         "ärger@example.org", // normalised
		"Straße@example.org":              "straße@example.org",
		"Иван@пример.example":             "иван@xn--e1afmkfd.example",
		"x@MÜNCHEN.example":               "x@xn--mnchen-3ya.example",
		"x@xn--mnchen-3ya.example":        "x@xn--mnchen-3ya.example",
		"x@XN--MNCHEN-3YA.example":        "x@xn--mnchen-3ya.example",
		"x@a。b":                           "x@a.b", // ideographic full stop
		"x@1.2.3.4.example":               "x@1.2.3.4.example",
		strings.Repeat("l", 255) + "@x.y": strings.Repeat("l", 255) + "@x.y",
	} {
		if a, err := Parse(text); err != nil || a.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", text, a, err, want)
		}
	}
}

func TestWhatIsNoAddressIsToldWhy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"":                                 ErrNoAt,
		"alice":                            ErrNoAt,
		"@example.org":                     ErrNoLocal,
		"alice@":                           ErrNoDomain,
		"alice@.":                          ErrNoDomain,
		"alice@@example.org":               ErrDomain,
		"alice@b@example.org":              ErrDomain,
		"alice smith@example.org":          ErrCharacter,
		" alice@example.org":               ErrCharacter,
		"a\x00b@example.org":               ErrCharacter,
		"a\tb@example.org":                 ErrCharacter,
		`a"b@x.y`:                          ErrCharacter,
		"a&b@x.y":                          ErrCharacter,
		"a'b@x.y":                          ErrCharacter,
		"a/b@x.y":                          ErrCharacter,
		"a:b@x.y":                          ErrCharacter,
		"a<b@x.y":                          ErrCharacter,
		"a>b@x.y":                          ErrCharacter,
		"a%40b@x.y":                        ErrCharacter,
		"a#b@x.y":                          ErrCharacter,
		`a\20b@x.y`:                        ErrCharacter,
		"a[b]@x.y":                         ErrCharacter,
		"a／b@x.y":                          ErrCharacter, // a full width solidus becomes a plain one
		"a＠b@x.y":                          ErrCharacter,
		"♚@x.y":                            ErrPrecis, // symbols are no names
		"a\xffb@x.y":                       ErrPrecis,
		"אa@x.y":                           ErrPrecis, // the rule for right-to-left
		strings.Repeat("l", 256) + "@x.y":  ErrLongLocal,
		strings.Repeat("l", 9999) + "@x.y": ErrLongLocal,
		strings.Repeat("Ä", 128) + "@x.y":  ErrLongLocal,
		"alice@192.0.2.7":                  ErrIP,
		"alice@１９２.0.2.7":                  ErrIP,
		"alice@[2001:db8::1]":              ErrIP,
		"alice@2001:db8::1":                ErrIP,
		"alice@192.0.2.300":                ErrDomain,
		"alice@1.2.3.4.5":                  ErrDomain,
		"alice@exa mple.org":               ErrDomain,
		"alice@exa_mple.org":               ErrDomain,
		"alice@-example.org":               ErrDomain,
		"alice@example-.org":               ErrDomain,
		"alice@example..org":               ErrDomain,
		"alice@example.org..":              ErrDomain,
		"alice@.example.org":               ErrDomain,
		"alice@example.org:5060":           ErrDomain,
		"alice@example.org/phone":          ErrDomain,
		"alice@xn--a.example":              ErrDomain,
		"alice@" + strings.Repeat("a", 64) + ".org":   ErrDomain,
		"alice@" + strings.Repeat("a.", 127) + "org":  ErrDomain,
		"alice@" + strings.Repeat("a.", 2000) + "org": ErrDomain,
	} {
		if a, err := Parse(text); !errors.Is(err, want) || !a.IsZero() {
			t.Errorf("Parse(%.40q) = %q, %v; want %v", text, a, err, want)
		}
	}
}

func TestForbiddenCharacterIsNamed(t *testing.T) {
	t.Parallel()
	if _, err := Parse("o'neill@example.org"); err == nil || !strings.HasSuffix(err.Error(), `allow: '\''`) {
		t.Errorf("got %v", err)
	}
}

func TestAddressFromSIP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		user, host, want string
		err              error
	}{
		{"alice", "example.org", "alice@example.org", nil},
		{"%41lice", "Example.ORG", "alice@example.org", nil},
		{"%c3%84rger", "example.org", "ärger@example.org", nil},
		{"+49%2030", "example.org", "", ErrCharacter},
		{"a%40b", "example.org", "", ErrCharacter},
		{"a%00b", "example.org", "", ErrCharacter},
		{"a%", "example.org", "", ErrEscape},
		{"a%4", "example.org", "", ErrEscape},
		{"a%4g", "example.org", "", ErrEscape},
		{"a%ff", "example.org", "", ErrPrecis},
		{"", "example.org", "", ErrNoLocal},
		{"1000", "192.0.2.7", "1000@192.0.2.7", nil},
		{"1000", "2001:DB8::0:1", "1000@[2001:db8::1]", nil},
		{"1000", "[2001:db8::1]", "1000@[2001:db8::1]", nil},
		{"1000", "fe80::1%eth0", "", ErrDomain},
		{"1000", "[2001:db8::1", "", ErrDomain},
		{"1000", "[192.0.2.7]", "", ErrDomain},
	} {
		a, err := FromSIP(c.user, c.host)
		if !errors.Is(err, c.err) || err == nil && a.String() != c.want || err != nil && !a.IsZero() {
			t.Errorf("FromSIP(%q, %q) = %q, %v; want %q, %v", c.user, c.host, a, err, c.want, c.err)
		}
	}
}

func TestAddressToSIP(t *testing.T) {
	t.Parallel()
	for local, want := range map[string]string{"alice": "alice", "+49(30)": "+49(30)", "bär": "b%C3%A4r"} {
		if got := ToSIPUser(local); got != want {
			t.Errorf("ToSIPUser(%q) = %q, want %q", local, got, want)
		}
	}
}

func TestUnicodeDomain(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{
		"example.org": "example.org", "xn--mnchen-3ya.example": "münchen.example", "[::1]": "[::1]",
	} {
		if got := Unicode(domain); got != want {
			t.Errorf("Unicode(%q) = %q, want %q", domain, got, want)
		}
	}
}

// What makes an address what it is, for whatever text it was made of.
func checkAddress(fatalf func(string, ...any), text string, a core.Address) {
	again, err := Parse(a.String())
	if err != nil || again != a {
		fatalf("%q became %q, and that %q, %v", text, a, again, err)
	}
	back, err := FromSIP(ToSIPUser(a.Local), a.Domain)
	if err != nil || back != a {
		fatalf("%q became %q, and by SIP %q, %v", text, a, back, err)
	}
	seen, err := New(a.Local, Unicode(a.Domain))
	if err != nil || seen != a {
		fatalf("%q became %q, and as people see it %q, %v", text, a, seen, err)
	}
	if strings.ContainsAny(a.Local, "\"&'/:<>@ %#\x00\r\n\t") || !utf8.ValidString(a.Local) {
		fatalf("%q became %q, which not both protocols allow", text, a)
	}
	if a.Local != strings.ToLower(a.Local) || a.Domain != strings.ToLower(a.Domain) {
		fatalf("%q became %q, which has capitals", text, a)
	}
	if len(a.Local) < 1 || len(a.Local) > 255 || len(a.Domain) < 1 || len(a.Domain) > 253 {
		fatalf("%q became %q, which is too long", text, a)
	}
}

func TestEveryAddressIsStable(t *testing.T) {
	t.Parallel()
	local := rapid.StringMatching(`[\pL\pN\pM.+_ -]{1,20}`)
	domain := rapid.StringMatching(`([a-zA-Z0-9äßéИж中-]{1,12}\.){0,3}[a-zA-Zя]{1,8}\.?`)
	good := 0
	rapid.Check(t, func(rt *rapid.T) {
		text := local.Draw(rt, "local") + "@" + domain.Draw(rt, "domain")
		if a, err := Parse(text); err == nil {
			good++
			checkAddress(rt.Fatalf, text, a)
		}
	})
	if good == 0 {
		t.Error("no text that was drawn is an address")
	}
}

func TestCommonAddressesCostNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = FromSIP("alice", "example.org") }); n != 0 {
		t.Errorf("an address that is already prepared takes %v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"alice@example.org", "Alice@Example.ORG.", "ＡＬＩＣＥ@example.org", "Straße@münchen.example", "ϓ@x.y", "İ@x.y",
		"a\u0308@x。y", "x@xn--mnchen-3ya.example", "x@xn--a.example", "o'neill@x.y", "@", "a@[::1]", "a@1.2.3.4", "א@א.x", "ǰ@ẖ.x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := Parse(text); err == nil {
			checkAddress(t.Fatalf, text, a)
		} else if !a.IsZero() {
			t.Fatalf("%q is refused (%v) and yet %q", text, err, a)
		}
	})
}

func FuzzFromSIP(f *testing.F) {
	for _, s := range [][2]string{
		{"alice", "example.org"}, {"%41lice", "192.0.2.7"}, {"b%C3%A4r", "[2001:db8::1]"}, {"a%4", "::ffff:192.0.2.7"}, {"a%40b", "x.y."},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, user, host string) {
		a, err := FromSIP(user, host)
		if err != nil {
			return
		}
		if again, err := FromSIP(ToSIPUser(a.Local), a.Domain); err != nil || again != a {
			t.Fatalf("%q@%q became %q, and that %q, %v", user, host, a, again, err)
		}
	})
}

func BenchmarkFromSIP(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromSIP("alice", "example.org"); err != nil {
			b.Fatal(err)
		}
	}
}
