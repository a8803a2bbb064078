package transport

import (
	"net/netip"
	"strings"
	"testing"

	"parley/sip"
)

func TestVia(t *testing.T) {
	t.Parallel()
	const v4, v6 = "192.0.2.7:40000", "[2001:db8::7]:40000"
	for _, test := range []struct {
		name, source, sentBy string
		want                 string // the Via's parameters before the branch
		reply                string
	}{
		{"same address, no rport", v4, "192.0.2.7:5070", "", "192.0.2.7:5070"},
		{"same address, no port", v4, "192.0.2.7", "", "192.0.2.7:5060"},
		{"same address and rport", v4, "192.0.2.7;rport", ";rport=40000;received=192.0.2.7", v4},
		{"rport with a claim", v4, "10.0.0.1;rport=1", ";rport=40000;received=192.0.2.7", v4},
		{"other address, no rport", v4, "10.0.0.1:5070", ";received=192.0.2.7", "192.0.2.7:5070"},
		{"other address and rport", v4, "10.0.0.1;rport", ";rport=40000;received=192.0.2.7", v4},
		{"name", v4, "phone.example.org", ";received=192.0.2.7", "192.0.2.7:5060"},
		{"claimed received", v4, "192.0.2.7;received=203.0.113.1", "", "192.0.2.7:5060"},
		{"claimed received elsewhere", v4, "10.0.0.1;received=203.0.113.1", ";received=192.0.2.7", "192.0.2.7:5060"},
		{"maddr", v4, "10.0.0.1;maddr=203.0.113.1;rport", ";maddr=203.0.113.1;rport=40000;received=192.0.2.7", v4},
		{"IPv6 same", v6, "[2001:db8::7]:5062", "", "[2001:db8::7]:5062"},
		{"IPv6 written long", v6, "[2001:DB8:0:0:0:0:0:7]", "", "[2001:db8::7]:5060"},
		{"IPv6 and rport", v6, "[2001:db8::1];rport", ";rport=40000;received=2001:db8::7", v6},
		{"link-local", "[fe80::7%eth0]:4000", "[fe80::7]:5062;rport", ";rport=4000;received=fe80::7", "[fe80::7%eth0]:4000"},
		{"mapped IPv4", v4, "[::ffff:192.0.2.7]", "", "192.0.2.7:5060"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			source := netip.MustParseAddrPort(test.source)
			m := must[*sip.Message](t)(sip.Parse(request("UDP", test.sentBy, "x")))
			m = must[*sip.Message](t)(stamp(m, source))
			if early, done := stampText(request("UDP", test.sentBy, "x"), source); !done || early != m.Text() {
				t.Errorf("stamped before it is parsed (%v):\n%s\nwant\n%s", done, early, m.Text())
			}
			via, _ := m.Via()
			params := via.Params
			for name, value := range sip.Params(test.want).All() {
				if got, ok := params.Get(name); !ok || got != value {
					t.Errorf("%s is %q, want %q in %s", name, got, value, via)
				}
			}
			for _, name := range []string{"rport", "received"} {
				if params.Has(name) && !sip.Params(test.want).Has(name) {
					t.Errorf("unexpected %s in %s", name, via)
				}
			}
			if strings.Count(via.String(), "received") > 1 || strings.Count(via.String(), "rport") > 1 {
				t.Errorf("parameter twice in %s", via)
			}
			if via.Branch != "z9hG4bKx" {
				t.Errorf("branch is %q", via.Branch)
			}
			if got := replyTo(m, source); got.String() != test.reply {
				t.Errorf("responses go to %s, want %s", got, test.reply)
			}
		})
	}
}

// What is stamped before it is parsed is the same as what is stamped afterwards.
func FuzzStamp(f *testing.F) {
	for _, sentBy := range []string{"192.0.2.7", "10.0.0.1:5070;rport", "h;received=1.2.3.4;rport=5", "[2001:db8::1];rport"} {
		text := request("UDP", sentBy, "x")
		f.Add(text)
		f.Add(strings.Replace(text, "Via:", "v :", 1))
		f.Add(strings.Replace(text, "Via: ", "Via:\r\n ", 1))
		f.Add(strings.Replace(text, ";branch", " \r\n\t;branch", 1))
		f.Add(strings.Replace(text, "\r\nMax", ", SIP/2.0/TCP a;x=\"y,z\" , b\r\nVia: SIP/2.0/UDP c\r\nMax", 1))
		f.Add(strings.Replace(text, ";branch", ";x=\"a,b;rport\";branch", 1))
		f.Add(strings.Replace(text, "OPTIONS sip:bob@example.org SIP/2.0", "SIP/2.0 200 OK", 1))
		f.Add(strings.ReplaceAll(text, "\r\n", "\n"))
		f.Add("\r\n" + text)
		f.Add(strings.Replace(text, "Content-Length: 0\r\n", "", 1) + "Via: body\r\n")
	}
	source := netip.MustParseAddrPort("192.0.2.7:40000")
	f.Fuzz(func(t *testing.T, text string) {
		early, done := stampText(text, source)
		if !done {
			return
		}
		before, err1 := sip.Parse(text)
		got, err2 := sip.Parse(early)
		if (err1 == nil) != (err2 == nil) {
			t.Fatalf("parses before: %v, after: %v", err1, err2)
		}
		if err1 != nil {
			return
		}
		want := before
		if before.IsRequest() {
			var err error
			if want, err = stamp(before, source); err != nil {
				return // stamped late, it is malformed; early, Validate has the say
			}
		}
		if got.Body() != want.Body() || fields(got) != fields(want) {
			t.Fatalf("stamped early:\n%q\nlate:\n%q", got.Text(), want.Text())
		}
		if before.Validate() == nil && got.Validate() != nil {
			t.Fatalf("no longer valid: %v", got.Validate())
		}
	})
}

// fields are the Vias one by one and the other header fields, but for Content-Length, which a
// Builder adds.
func fields(m *sip.Message) string {
	var b strings.Builder
	for via := range m.Values(sip.HeaderVia) {
		b.WriteString(via + "\n")
	}
	for name, value := range m.Fields() {
		if h := sip.HeaderByName(name); h != sip.HeaderContentLength && h != sip.HeaderVia {
			b.WriteString(name + ":" + value + "\n")
		}
	}
	return b.String()
}

func TestStampLeavesOtherVias(t *testing.T) {
	t.Parallel()
	text := strings.Replace(request("UDP", "10.0.0.1;rport", "x"), "Max-Forwards",
		"Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKy;rport\r\nMax-Forwards", 1)
	m := must[*sip.Message](t)(sip.Parse(text))
	m = must[*sip.Message](t)(stamp(m, netip.MustParseAddrPort("192.0.2.7:40000")))
	var vias []string
	for v := range m.Values(sip.HeaderVia) {
		vias = append(vias, v)
	}
	if len(vias) != 2 || vias[1] != "SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKy;rport" {
		t.Errorf("Vias are %q", vias)
	}
}

func TestResponseFlowIsItsSource(t *testing.T) {
	t.Parallel()
	req := must[*sip.Message](t)(sip.Parse(request("UDP", "10.0.0.1:5070", "x")))
	resp := must[*sip.Message](t)(req.Response(200, "").ToTag("b").Message())
	source := netip.MustParseAddrPort("192.0.2.7:40000")
	if got := replyTo(resp, source); got != source {
		t.Errorf("flow of a response leads to %s, want its source", got)
	}
}
