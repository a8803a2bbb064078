package sip_test

import (
	"testing"

	"parley/sip"
)

func TestAddressIsTakenApart(t *testing.T) {
	t.Parallel()
	bob := sip.URI{Scheme: "sip", User: "bob", Host: "example.org"}
	for _, c := range []struct {
		name, text string
		want       sip.Address
		written    string
	}{
		{"in brackets", "<sip:bob@example.org>", sip.Address{URI: bob}, "<sip:bob@example.org>"},
		{"tokens as a name", "Bob the  Builder <sip:bob@example.org>;tag=1",
			sip.Address{Display: "Bob the  Builder", URI: bob, Params: ";tag=1"},
			`"Bob the  Builder" <sip:bob@example.org>;tag=1`},
		{"name without space", "Bob<sip:bob@example.org>",
			sip.Address{Display: "Bob", URI: bob}, `"Bob" <sip:bob@example.org>`},
		{"quoted name with all that could mislead", `"a \"b\" <c>, ;\\" <sip:bob@example.org> ;tag=1`,
			sip.Address{Display: `a "b" <c>, ;\`, URI: bob, Params: ";tag=1"},
			`"a \"b\" <c>, ;\\" <sip:bob@example.org>;tag=1`},
		{"bare, its parameters the header's", "sip:bob@example.org;tag=a6c85cf",
			sip.Address{URI: bob, Params: ";tag=a6c85cf"}, "<sip:bob@example.org>;tag=a6c85cf"},
		{"parameters inside and outside", `<sip:bob@example.org;lr>;+sip.instance="<urn:uuid:1>";reg-id=1`,
			sip.Address{URI: sip.URI{Scheme: "sip", User: "bob", Host: "example.org", Params: ";lr"},
				Params: `;+sip.instance="<urn:uuid:1>";reg-id=1`},
			`<sip:bob@example.org;lr>;+sip.instance="<urn:uuid:1>";reg-id=1`},
		{"bare with a bracket in a parameter", `sip:bob@example.org;+sip.instance="<urn:uuid:1>"`,
			sip.Address{URI: bob, Params: `;+sip.instance="<urn:uuid:1>"`},
			`<sip:bob@example.org>;+sip.instance="<urn:uuid:1>"`},
		{"UTF-8 name", `"Jürgen" <sip:bob@example.org>`, sip.Address{Display: "Jürgen", URI: bob}, `"Jürgen" <sip:bob@example.org>`},
		{"name with a comma, unquoted", "Bell, Alexander <sip:bob@example.org>",
			sip.Address{Display: "Bell, Alexander", URI: bob}, `"Bell, Alexander" <sip:bob@example.org>`},
		{"tel", "<tel:+12015550123>", sip.Address{URI: sip.URI{Scheme: "tel", User: "+12015550123"}}, "<tel:+12015550123>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := sip.ParseAddress(c.text)
			if err != nil || got != c.want {
				t.Fatalf("got %+v, %v", got, err)
			}
			if got.String() != c.written {
				t.Errorf("written as %s", got)
			}
		})
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "Bob", "<>", "<sip:bob@example.org", `"Bob <sip:bob@example.org>`, `"Bob" sip:bob@example.org`, `"Bob"`,
		"< sip:bob@example.org >", "<sip:bob@example.org>tag=1", "<sip:bob@example.org>;", "<sip:bob@example.org>;;tag=1",
		"<sip:bob@example.org>;tag=a b", `<sip:bob@example.org>;tag="a`, `<sip:bob@example.org>;tag="a"b`, "<sip:bob@example.org>, <sip:x@y>",
		"sip:bob@example.org?subject=x", "sip:bob,x@example.org", `x "y" <sip:bob@example.org>`, "*",
	} {
		if a, err := sip.ParseAddress(text); err == nil {
			t.Errorf("%q was taken as %+v", text, a)
		}
	}
}

func TestParams(t *testing.T) {
	t.Parallel()
	p := sip.Params(`; Transport=TCP ;lr ; q = 0.5;x="a;b\"c" ;rport=;lr=on`)
	for name, want := range map[string]string{"transport": "TCP", "LR": "", "q": "0.5", "x": `a;b"c`, "rport": ""} {
		if got, ok := p.Get(name); !ok || got != want {
			t.Errorf("%s = %q, %v", name, got, ok)
		}
	}
	if p.Has("b\\\"c") || p.Has("") || p.Has("tran") {
		t.Error("found what is not there")
	}
	var names []string
	for name := range p.All() {
		names = append(names, name)
	}
	if len(names) != 6 {
		t.Errorf("all: %q", names)
	}
	for _, c := range []struct{ got, want sip.Params }{
		{sip.Params("").With("lr", ""), ";lr"},
		{sip.Params(";a=1;b").With("c", "x y"), `;a=1;b;c="x y"`},
		{sip.Params(";a=1;b;a=2").With("A", "3"), ";A=3;b"},
		{sip.Params(";rport;branch=z").With("rport", "5061").With("received", "2001:db8::1"), ";rport=5061;branch=z;received=2001:db8::1"},
		{sip.Params(`;a="x;y";b`).Without("b"), `;a="x;y"`},
		{sip.Params(";a=1;b;a=2").Without("a"), ";b"},
		{sip.Params(";a=1").Without("z"), ";a=1"},
		{sip.Params(";a").Without("a"), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestViaIsTakenApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, written string
		want          sip.Via
	}{
		{"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
			sip.Via{Network: "UDP", Host: "192.0.2.1", Params: ";branch=z9hG4bK1", Branch: "z9hG4bK1"}},
		{"sip / 2.0 / tcp  first.example.com : 4000 ; ttl=16 ;branch=x", "SIP/2.0/TCP first.example.com:4000; ttl=16 ;branch=x",
			sip.Via{Network: "TCP", Host: "first.example.com", Port: 4000, Params: "; ttl=16 ;branch=x", Branch: "x"}},
		{"SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks", "SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks",
			sip.Via{Network: "WSS", Host: "df7jal23ls0d.invalid", Params: ";branch=z9hG4bK56sdasks", Branch: "z9hG4bK56sdasks"}},
		{"SIP/2.0/UDP [2001:db8::9:1]:5060;received=[2001:db8::9:255];rport", "SIP/2.0/UDP [2001:db8::9:1]:5060;received=[2001:db8::9:255];rport",
			sip.Via{Network: "UDP", Host: "2001:db8::9:1", Port: 5060, Params: ";received=[2001:db8::9:255];rport"}},
		{"SIP/2.0/UNKNOWN host", "SIP/2.0/UNKNOWN host", sip.Via{Network: "UNKNOWN", Host: "host"}},
	} {
		got, err := sip.ParseVia(c.text)
		if err != nil || got != c.want {
			t.Errorf("%q is %+v, %v", c.text, got, err)
			continue
		}
		if got.String() != c.written {
			t.Errorf("%q is written as %q", c.text, got)
		}
	}
	for _, text := range []string{
		"", "SIP", "SIP/2.0", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0/ host", "SIP/3.0/UDP host", "HTTP/2.0/UDP host", "SIP/2.0/UDP host:x",
		"SIP/2.0/UDP host;;", "SIP/2.0/UDP host;", "SIP/2.0/UDP 2001:db8::1", "SIP/2.0/UDP a b", "SIP/2.0/UDP host:5060:1", "SIP/2.0/UDP host:70000", `SIP/2.0/UDP host;x="`,
	} {
		if v, err := sip.ParseVia(text); err == nil {
			t.Errorf("%q was taken as %+v", text, v)
		}
	}
}

func TestViaBranchGoesWhereItBelongs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		via  sip.Via
		want string
	}{
		{sip.Via{Network: "UDP", Host: "h", Branch: "b"}, "SIP/2.0/UDP h;branch=b"},
		{sip.Via{Network: "UDP", Host: "h", Params: ";rport", Branch: "b"}, "SIP/2.0/UDP h;rport;branch=b"},
		{sip.Via{Network: "UDP", Host: "h", Params: ";branch=a;rport", Branch: "b"}, "SIP/2.0/UDP h;branch=b;rport"},
		{sip.Via{Network: "UDP", Host: "::1", Port: 1, Params: ";branch=a"}, "SIP/2.0/UDP [::1]:1;branch=a"},
	} {
		if got := c.via.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
