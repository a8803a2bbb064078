package sip_test

import (
	"strings"
	"testing"

	"parley/sip"
)

func TestURIIsTakenApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       sip.URI
	}{
		{"plain", "sip:alice@example.org",
			sip.URI{Scheme: "sip", User: "alice", Host: "example.org"}},
		{"host alone", "sip:example.org",
			sip.URI{Scheme: "sip", Host: "example.org"}},
		{"everything", "SIPS:alice:secret@example.org:5061;transport=tcp;lr?subject=x&priority=urgent",
			sip.URI{Scheme: "sips", User: "alice", Password: "secret", Host: "example.org", Port: 5061,
				Params: ";transport=tcp;lr", Headers: "subject=x&priority=urgent"}},
		{"IPv6", "sip:bob@[2001:db8::10]:5060;lr",
			sip.URI{Scheme: "sip", User: "bob", Host: "2001:db8::10", Port: 5060, Params: ";lr"}},
		{"IPv6 that looks like it had a port", "sip:[2001:db8::10:5070]",
			sip.URI{Scheme: "sip", Host: "2001:db8::10:5070"}},
		{"semicolon and question mark in the user", "sip:user;par=u%40example.net?x@example.com;ttl=1",
			sip.URI{Scheme: "sip", User: "user;par=u%40example.net?x", Host: "example.com", Params: ";ttl=1"}},
		{"phone number as user", "sip:+1-212-555-1212:1234@gateway.com;user=phone",
			sip.URI{Scheme: "sip", User: "+1-212-555-1212", Password: "1234", Host: "gateway.com", Params: ";user=phone"}},
		{"feature code with a bare hash", "sip:*21#@pbx_1.local",
			sip.URI{Scheme: "sip", User: "*21#", Host: "pbx_1.local"}},
		{"GRUU", "sip:alice@example.org;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
			sip.URI{Scheme: "sip", User: "alice", Host: "example.org", Params: ";gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}},
		{"tel", "tel:+1-201-555-0123;phone-context=+1",
			sip.URI{Scheme: "tel", User: "+1-201-555-0123", Params: ";phone-context=+1"}},
		{"local tel", "tel:*31#", sip.URI{Scheme: "tel", User: "*31#"}},
		{"service", "urn:service:sos", sip.URI{Scheme: "urn", Opaque: "service:sos"}},
		{"web", "https://example.org/x?y=1#z", sip.URI{Scheme: "https", Opaque: "//example.org/x?y=1#z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := sip.ParseURI(c.text)
			if err != nil || got != c.want {
				t.Fatalf("got %+v, %v", got, err)
			}
			want := strings.Replace(c.text, "SIPS:", "sips:", 1)
			if got.String() != want {
				t.Errorf("written as %q", got.String())
			}
		})
	}
}

func TestURIsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", ":", "sip", "sip:", "sip:@example.org", "sip:a@", "sip:a@b@c", "sip: a@b", "<sip:a@b>", "1sip:a@b",
		"sip:a b@c", "sip:a%4@b", "sip:a%zz@b", "sip:a\"@b", "sip:a@b:", "sip:a@b:0", "sip:a@b:65536", "sip:a@b:5060x",
		"sip:a@b:99999999999999999999", "sip:a@[::1", "sip:a@::1", "sip:a@[1.2.3.4]", "sip:a@[fe80::1%25eth0]",
		"sip:a@[::1]5060", "sip:a@.b", "sip:a@b..c", "sip:a@b;", "sip:a@b;;lr", "sip:a@b;=x", "sip:a@b;x=\"y\"", "sip:a@b; lr",
		"sip:a@b?", "sip:a@b?x", "sip:a@b?x=1&", "sip:a@b?x=a b", "sip:a@b\r\nX: y", "sip:alic\xe9@b",
		"tel:", "tel:+", "tel:abcxyz", "tel:1+2", "tel:+1;", "mailto:", "x:a b", "x:<y>",
	} {
		if u, err := sip.ParseURI(text); err == nil {
			t.Errorf("%q was taken as %+v", text, u)
		}
	}
}

// The examples of rfc3261#19.1.4, and some of our own.
func TestURIEquality(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", true},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
			"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
			"sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
		{"sip:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
		{"sip:a@b?x=1&x=1", "sip:a@b?x=1&x=2", false},
		{"sip:a@b", "sips:a@b", false},
		{"sip:a@b;maddr=192.0.2.1", "sip:a@b", false},
		{"sip:a:x@b", "sip:a:y@b", false},
		{"tel:+1-201-555-0123", "tel:+1(201)5550123", true},
		{"tel:5550123;phone-context=+1201", "tel:555-0123", false},
		{"urn:service:sos", "urn:service:sos", true},
		{"urn:service:sos", "urn:service:sos.fire", false},
	} {
		a, err := sip.ParseURI(c.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := sip.ParseURI(c.b)
		if err != nil {
			t.Fatal(err)
		}
		if a.Equal(b) != c.same || b.Equal(a) != c.same {
			t.Errorf("%s and %s: equal is %v and %v", c.a, c.b, a.Equal(b), b.Equal(a))
		}
	}
}

// A peer must not make us compare for long.
func TestURIEqualityIsBounded(t *testing.T) {
	t.Parallel()
	a := sip.URI{Scheme: "sip", Host: "b", Params: sip.Params(strings.Repeat(";a=1;b=2", 2000))}
	b := a
	b.Params += ";c"
	if !a.Equal(a) || a.Equal(b) {
		t.Error("long lists are equal only to themselves")
	}
}

func TestUserIsUnescapedAndEscaped(t *testing.T) {
	t.Parallel()
	for plain, escaped := range map[string]string{
		"alice":           "alice",
		"I have spaces":   "I%20have%20spaces",
		"a@b":             "a%40b",
		"100%":            "100%25",
		"*21#":            "*21%23",
		"jürgen":          "j%C3%BCrgen",
		"a;b?c":           "a;b?c",
		"null\x00and\r\n": "null%00and%0D%0A",
	} {
		if got := sip.EscapeUser(plain); got != escaped {
			t.Errorf("%q escaped is %q", plain, got)
		}
		u, err := sip.ParseURI("sip:" + escaped + "@example.org")
		if err != nil || u.UnescapedUser() != plain {
			t.Errorf("%q unescaped is %q, %v", escaped, u.UnescapedUser(), err)
		}
	}
}

func TestHostPort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		u    sip.URI
		want string
	}{
		{sip.URI{Host: "example.org"}, "example.org"},
		{sip.URI{Host: "example.org", Port: 5080}, "example.org:5080"},
		{sip.URI{Host: "::1"}, "[::1]"},
		{sip.URI{Host: "::1", Port: 5060}, "[::1]:5060"},
	} {
		if got := c.u.HostPort(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
