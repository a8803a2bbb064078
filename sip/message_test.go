package sip_test

import (
	"slices"
	"strings"
	"testing"

	"parley/sip"
)

func parse(t *testing.T, text string) *sip.Message {
	t.Helper()
	m, err := sip.Parse(text)
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, text)
	}
	return m
}

func TestRequestIsReadAtOnce(t *testing.T) {
	t.Parallel()
	m := parse(t, invite())
	if v := m.Validate(); v != nil {
		t.Fatal(v)
	}
	if !m.IsRequest() || m.Method() != sip.INVITE || m.Target() != "sip:bob@example.org" {
		t.Errorf("start line: %v %q", m.Method(), m.Target())
	}
	if n, method := m.CSeq(); n != 2 || method != sip.INVITE {
		t.Errorf("CSeq = %d %s", n, method)
	}
	if m.CallID() != "3848276298220188511@192.0.2.10" || m.FromTag() != "9fxced76sl" || m.ToTag() != "" {
		t.Errorf("dialog: %q %q %q", m.CallID(), m.FromTag(), m.ToTag())
	}
	via, ok := m.Via()
	if !ok || via.Host != "192.0.2.10" || via.Port != 5060 || via.Branch != "z9hG4bK74bf9" || !via.Params.Has("rport") {
		t.Errorf("Via = %+v", via)
	}
	if got := slices.Collect(m.Values(sip.HeaderSupported)); len(got) != 5 || got[4] != "gruu" {
		t.Errorf("Supported = %q", got)
	}
	if m.Text() != invite() {
		t.Error("text is not what was sent")
	}
}

func TestResponseCopiesWhatTheRequestBrought(t *testing.T) {
	t.Parallel()
	r, err := parse(t, invite()).Response(486, "").ToTag("x1").Message()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"SIP/2.0 486 Busy Here",
		"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK74bf9;rport",
		`From: "Alice Liddell" <sip:alice@example.org>;tag=9fxced76sl`,
		"To: Bob <sip:bob@example.org>;tag=x1",
		"Call-ID: 3848276298220188511@192.0.2.10",
		"CSeq: 2 INVITE",
		"Content-Length: 0", "", "",
	}, "\r\n")
	if r.Text() != want {
		t.Errorf("got\n%s\nwant\n%s", r.Text(), want)
	}
	if v := r.Validate(); v != nil {
		t.Error(v)
	}
}
