package dialog

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"parley/sip"
)

func parse(t *testing.T, lines ...string) *sip.Message {
	t.Helper()
	m, err := sip.Parse(strings.Join(append(lines, "Content-Length: 0", "", ""), "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func invite(t *testing.T, more ...string) *sip.Message {
	t.Helper()
	return parse(t, append([]string{
		"INVITE sip:bob@example.org SIP/2.0",
		"Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1",
		`From: "A. \"B\" C" <sip:alice@example.org>;tag=a1`,
		"To: <sip:bob@example.org>",
		"Call-ID: c1",
		"CSeq: 10 INVITE",
	}, more...)...)
}

// TestPath checks where requests go (rfc3261#12.2.1.1).
func TestPath(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		routes string
		target string
		path   []string
	}{
		{"direct", "", "sip:alice@192.0.2.7", nil},
		{
			"loose", "<sip:p1.example;lr>, <sip:p2.example;lr>",
			"sip:alice@192.0.2.7", []string{"<sip:p1.example;lr>", "<sip:p2.example;lr>"},
		},
		{
			"strict", "<sip:p1.example;method=INVITE>, <sip:p2.example;lr>",
			"sip:p1.example", []string{"<sip:p2.example;lr>", "<sip:alice@192.0.2.7>"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			more := []string{"Contact: <sip:alice@192.0.2.7?Subject=x>"}
			if test.routes != "" {
				more = append(more, "Record-Route: "+test.routes)
			}
			d, err := NewUAS(invite(t, more...), newWire("w"), "b1", "<sip:bob@here>")
			if err != nil {
				t.Fatal(err)
			}
			req, err := d.Request(sip.BYE).Message()
			if err != nil {
				t.Fatal(err)
			}
			if req.Target() != test.target {
				t.Errorf("Request-URI is %q, want %q", req.Target(), test.target)
			}
			if got := slices.Collect(req.Values(sip.HeaderRoute)); !slices.Equal(got, test.path) {
				t.Errorf("Route is %q, want %q", got, test.path)
			}
		})
	}
}

func TestRequestFields(t *testing.T) {
	t.Parallel()
	d, err := NewUAS(invite(t, "Contact: <sip:alice@192.0.2.7>"), newWire("w"), "b1", "<sip:bob@here>")
	if err != nil {
		t.Fatal(err)
	}
	if d.ID() != (ID{"c1", "b1", "a1"}) {
		t.Errorf("ID is %+v", d.ID())
	}
	for i, method := range []sip.Method{sip.INFO, sip.UPDATE} {
		req, err := d.Request(method).Message()
		if err != nil {
			t.Fatal(err)
		}
		if seq, m := req.CSeq(); int(seq) != i+1 || m != method {
			t.Errorf("CSeq is %d %s, want %d %s", seq, m, i+1, method)
		}
		if got := req.Has(sip.HeaderContact); got != (method == sip.UPDATE) {
			t.Errorf("%s has Contact: %v", method, got)
		}
		to, err := req.To()
		if err != nil || to.Display != `A. "B" C` || req.ToTag() != "a1" || req.FromTag() != "b1" {
			t.Errorf("To is %q, From %q", req.Get(sip.HeaderTo), req.Get(sip.HeaderFrom))
		}
	}
}

func TestReceiveOrder(t *testing.T) {
	t.Parallel()
	d, err := NewUAS(invite(t, "Contact: <sip:alice@192.0.2.7>"), newWire("w"), "b1", "<sip:bob@here>")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		cseq string
		want int
	}{
		{"10 ACK", 0}, {"10 INFO", 500}, {"11 INFO", 0}, {"9 INFO", 500}, {"4294967295 BYE", 0},
	} {
		method := strings.Fields(test.cseq)[1]
		status := 0
		if v := d.Receive(parse(t, method+" sip:bob@here SIP/2.0", "CSeq: "+test.cseq)); v != nil {
			status = v.Status
		}
		if status != test.want {
			t.Errorf("CSeq %s: status %d, want %d", test.cseq, status, test.want)
		}
	}
}

func TestNewUASRefuses(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{
		"no contact":   nil,
		"star":         {"Contact: *"},
		"tel":          {"Contact: <tel:+15551234>"},
		"broken":       {"Contact: <sip:"},
		"endless path": {"Contact: <sip:a@b>", "Record-Route: " + strings.Repeat("<sip:p;lr>,", 100) + "<sip:p;lr>"},
	} {
		if _, err := NewUAS(invite(t, more...), newWire("w"), "b1", "<sip:bob@here>"); err == nil {
			t.Errorf("%s: made a dialog", name)
		} else if len(more) == 0 && !errors.Is(err, ErrContact) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestContact(t *testing.T) {
	t.Parallel()
	if got := Contact("bob", newWire("w")); got != "<sip:bob@parley.example:5060;transport=tcp>" {
		t.Errorf("Contact is %q", got)
	}
	if got := Contact("", newWire("w")); got != "<sip:parley.example:5060;transport=tcp>" {
		t.Errorf("Contact without user is %q", got)
	}
	if via, err := sip.ParseVia(Via(newWire("w"))); err != nil || via.Network != sip.TCP || via.Branch == "" {
		t.Errorf("Via is %+v, %v", via, err)
	}
}
