package sip_test

import (
	"strconv"
	"strings"
	"testing"

	"parley/sip"
)

// invite is an INVITE as a desk phone sends it through one proxy, of about 900 bytes.
func invite() string {
	body := strings.Join([]string{
		"v=0", "o=alice 53655765 2353687637 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "t=0 0",
		"m=audio 49172 RTP/AVP 9 0 8 101", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15",
		"a=sendrecv", "",
	}, "\r\n")
	return strings.Join([]string{
		"INVITE sip:bob@example.org SIP/2.0",
		"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK74bf9;rport",
		"Max-Forwards: 70",
		"Route: <sip:proxy.example.org;lr>",
		`From: "Alice Liddell" <sip:alice@example.org>;tag=9fxced76sl`,
		"To: Bob <sip:bob@example.org>",
		"Call-ID: 3848276298220188511@192.0.2.10",
		"CSeq: 2 INVITE",
		"Contact: <sip:alice@192.0.2.10:5060;transport=udp>",
		"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY, INFO, UPDATE, PRACK",
		"Supported: replaces, timer, outbound, path, gruu",
		"User-Agent: Desk Phone 4.2",
		"Session-Expires: 1800;refresher=uac",
		"Content-Type: application/sdp",
		"Content-Length: " + strconv.Itoa(len(body)),
		"", body,
	}, "\r\n")
}

func BenchmarkParse(b *testing.B) {
	wire := []byte(invite())
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := sip.Parse(string(wire))
		if err != nil || m.CallID() == "" {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	m, err := sip.Parse(invite())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if v := m.Validate(); v != nil {
			b.Fatal(v)
		}
	}
}

// BenchmarkRoute is all that a proxy does to a request's text.
func BenchmarkRoute(b *testing.B) {
	wire := []byte(invite())
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := sip.Parse(string(wire))
		if err != nil {
			b.Fatal(err)
		}
		if v := m.Validate(); v != nil {
			b.Fatal(v)
		}
		hops, ok := m.Number(sip.HeaderMaxForwards)
		if !ok || hops == 0 {
			b.Fatal("no hops left")
		}
		out, err := m.Edit().
			Pop(sip.HeaderRoute).
			Set(sip.HeaderMaxForwards, strconv.Itoa(int(hops-1))).
			Prepend(sip.HeaderRecordRoute, "<sip:proxy.example.org;lr>").
			Prepend(sip.HeaderVia, "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK1d32hash").
			SetTarget("sip:bob@198.51.100.7:5060").
			Message()
		if err != nil || len(out.Text()) == 0 {
			b.Fatal(err)
		}
	}
}

func BenchmarkResponse(b *testing.B) {
	m, err := sip.Parse(invite())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Response(180, "").ToTag("a6c85cf").Message(); err != nil {
			b.Fatal(err)
		}
	}
}
