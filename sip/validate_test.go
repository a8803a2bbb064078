package sip_test

import (
	"strings"
	"testing"
)

func TestRulesThatAMessageCanBreak(t *testing.T) {
	t.Parallel()
	if v := parse(t, wire(options)).Validate(); v != nil {
		t.Fatal(v)
	}
	for _, c := range []struct {
		name, old, new string
		status         int // 0: it is fine
	}{
		{"no Via", "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\n", "", 400},
		{"empty Via", "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1", "", 400},
		{"broken Via", "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1", "SIP/2.0/UDP", 400},
		{"broken second Via", "=z9hG4bK1", "=z9hG4bK1, SIP/2.0/UDP", 400},
		{"empty second Via", "=z9hG4bK1", "=z9hG4bK1,", 400},
		{"second Via", "=z9hG4bK1", "=z9hG4bK1, SIP/2.0/UDP host", 0},
		{"Via of another version", "Via: SIP/2.0", "Via: SIP/2.1", 400},
		{"no From", "From: <sip:alice@example.org>;tag=1\n", "", 400},
		{"broken From", "From: <sip:alice@example.org>", "From: <sip:alice@example.org", 400},
		{"two From", "From:", "f: <sip:x@y>;tag=2\nFrom:", 400},
		{"From of another scheme", "From: <sip:alice@example.org>", "From: <im:alice@example.org>", 0},
		{"no To", "To: <sip:bob@example.org>\n", "", 400},
		{"two To", "To:", "t: <sip:x@y>\nTo:", 400},
		{"broken To", "To: <sip:bob@example.org>", "To: bob", 400},
		{"no Call-ID", "Call-ID: 1\n", "", 400},
		{"empty Call-ID", "Call-ID: 1", "Call-ID:", 400},
		{"two words in Call-ID", "Call-ID: 1", "Call-ID: 1 2", 400},
		{"two Call-IDs", "Call-ID: 1", "Call-ID: 1\ni: 1", 400},
		{"no CSeq", "CSeq: 1 OPTIONS\n", "", 400},
		{"two CSeq", "CSeq: 1 OPTIONS", "CSeq: 1 OPTIONS\ncseq: 1 OPTIONS", 400},
		{"CSeq of another method", "CSeq: 1 OPTIONS", "CSeq: 1 INVITE", 400},
		{"CSeq in lower case", "CSeq: 1 OPTIONS", "CSeq: 1 options", 400},
		{"CSeq without method", "CSeq: 1 OPTIONS", "CSeq: 1", 400},
		{"CSeq without number", "CSeq: 1 OPTIONS", "CSeq: OPTIONS", 400},
		{"negative CSeq", "CSeq: 1 OPTIONS", "CSeq: -1 OPTIONS", 400},
		{"largest CSeq", "CSeq: 1 OPTIONS", "CSeq: 2147483647 OPTIONS", 0},
		{"CSeq of 2**31", "CSeq: 1 OPTIONS", "CSeq: 2147483648 OPTIONS", 400},
		{"CSeq past 64 bits", "CSeq: 1 OPTIONS", "CSeq: 36893488147419103232 OPTIONS", 400},
		{"no Max-Forwards", "Max-Forwards: 70\n", "", 0}, // RFC 2543 had none
		{"Max-Forwards at its end", "Max-Forwards: 70", "Max-Forwards: 0", 0},
		{"Max-Forwards of 255", "Max-Forwards: 70", "Max-Forwards: 255", 0},
		{"Max-Forwards of 256", "Max-Forwards: 70", "Max-Forwards: 256", 400},
		{"negative Max-Forwards", "Max-Forwards: 70", "Max-Forwards: -1", 400},
		{"two Max-Forwards", "Max-Forwards: 70", "Max-Forwards: 70\nMax-Forwards: 70", 400},
		{"negative Content-Length", "Content-Length: 0", "Content-Length: -1", 400},
		{"huge Content-Length", "Content-Length: 0", "Content-Length: 99999999999999999999", 400},
		{"Content-Length that is no number", "Content-Length: 0", "Content-Length: 0x0", 400},
		{"Content-Length past the end", "Content-Length: 0", "Content-Length: 1", 400},
		{"two Content-Lengths", "Content-Length: 0", "Content-Length: 0\nl: 0", 400},
		{"two Content-Types", "Content-Length: 0", "Content-Type: a/b\nc: c/d\nContent-Length: 0", 400},
		{"broken Route", "Call-ID: 1", "Call-ID: 1\nRoute: sip", 400},
		{"another version", "example.org SIP/2.0", "example.org SIP/3.0", 505},
		{"version in lower case", "example.org SIP/2.0", "example.org sip/2.0", 0},
		{"Request-URI in brackets", "sip:bob@example.org SIP", "<sip:bob@example.org> SIP", 400},
		{"space in the Request-URI", "sip:bob@example.org SIP", "sip:bob@example.org; lr SIP", 400},
		{"two spaces in the request line", "sip:bob@example.org SIP", "sip:bob@example.org  SIP", 400},
		{"space after the request line", "example.org SIP/2.0", "example.org SIP/2.0 ", 400},
		{"tab in the request line", "sip:bob@example.org SIP", "sip:bob@example.org\t SIP", 400},
		{"Request-URI with headers", "sip:bob@example.org SIP", "sip:bob@example.org?Route=%3Csip:x%3E SIP", 400},
		{"Request-URI of no scheme", "sip:bob@example.org SIP", "bob SIP", 400},
		{"Request-URI of an unknown scheme", "sip:bob@example.org SIP", "xmpp:bob@example.org SIP", 416},
		{"Request-URI that is a phone number", "sip:bob@example.org SIP", "tel:+12015550123 SIP", 0},
		{"extension method", "OPTIONS sip:bob@example.org", "OPTIONS sip:bob@example.org", 0},
		{"nonsense in a field that we don't need", "Call-ID: 1", "Call-ID: 1\nContact: ;;;\nDate: x\nExpires: -9\nWarning: \"", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(options, c.old) {
				t.Fatalf("%q is not in the message", c.old)
			}
			v := parse(t, wire(strings.Replace(options, c.old, c.new, 1))).Validate()
			switch {
			case c.status == 0 && v != nil:
				t.Error(v)
			case c.status != 0 && (v == nil || v.Status != c.status || v.Reason == "" || v.Detail == ""):
				t.Errorf("got %v, want %d", v, c.status)
			}
		})
	}
}

// The fault is found in a response to such a request too, and the answer to it can be made.
func TestAnyBrokenRequestCanBeAnswered(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		wire(options),
		"INVITE sip:a@b SIP/2.0\r\n\r\n",
		"INVITE sip:a@b SIP/9.0\r\nVia: SIP/9.0/UDP h\r\nTo: \"\r\nTo: x\r\nCSeq: 99999999999 Q\r\n\r\n",
	} {
		r, err := parse(t, text).Response(400, "Broken").ToTag("x").Message()
		if err != nil {
			t.Fatal(err)
		}
		if r.Status() != 400 || r.Reason() != "Broken" || strings.Count(r.Text(), "\r\nTo:") > 1 {
			t.Errorf("answer %q", r.Text())
		}
	}
}

func TestViolationTellsTheLogEverything(t *testing.T) {
	t.Parallel()
	v := parse(t, wire(strings.Replace(options, "Call-ID: 1\n", "", 1))).Validate()
	if v == nil {
		t.Fatal("no violation")
	}
	same(t, "error", v.Error(), "sip: 400 Missing Call-ID: no Call-ID")
}
