package registrar

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/core"
	"parley/sip"
)

// table is a location table without a disk.
type table struct {
	now  []core.Binding
	fail error
}

func (t *table) Bindings(context.Context, core.Address) ([]core.Binding, error) { return t.now, nil }

func (t *table) Change(_ context.Context, _ core.Address, f func([]core.Binding) ([]core.Binding, error)) error {
	if t.fail != nil {
		return t.fail
	}
	next, err := f(slices.Clone(t.now))
	if err == nil {
		t.now = next
	}
	return err
}

// phone is a flow from 192.0.2.7.
type phone struct{ sip.Flow }

func (phone) ID() string             { return "udp:1" }
func (phone) Network() string        { return sip.UDP }
func (phone) Remote() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.7:5062") }

var (
	alice = core.Address{Local: "alice", Domain: "example.org"}
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// bench is a registrar whose time stands still until it is moved.
type bench struct {
	*table
	*Registrar
	now  time.Time
	cseq int

	sentBy string // of the Via, if it is not where the phone is
	device string // whose token proves who registers
}

func newBench() *bench {
	b := &bench{table: &table{}, now: start}
	b.Registrar = New(Config{Now: func() time.Time { return b.now }, Limits: func() Limits { return Limits{Contacts: 3} }}, b.table)
	return b
}

// register sends a REGISTER with these lines, in the order of one registration unless they say otherwise.
func (b *bench) register(t *testing.T, lines ...string) *sip.Message {
	t.Helper()
	b.cseq++
	text := "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP " + cmp.Or(b.sentBy, "192.0.2.7:5062") + ";branch=z9hG4bK1\r\n" +
		"From: <sip:alice@example.org>;tag=1\r\nTo: <sip:alice@example.org>\r\nMax-Forwards: 70\r\n"
	all := strings.Join(lines, "\r\n")
	if !strings.Contains(all, "Call-ID") {
		text += "Call-ID: reg-1\r\n"
	}
	if !strings.Contains(all, "CSeq") {
		text += "CSeq: " + string(rune('0'+b.cseq)) + " REGISTER\r\n"
	}
	if len(lines) > 0 {
		text += all + "\r\n"
	}
	req, err := sip.Parse(text + "Content-Length: 0\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.Register(t.Context(), alice, b.device, phone{}, req).Message()
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func contacts(m *sip.Message) string {
	return strings.Join(slices.Collect(m.Values(sip.HeaderContact)), " | ")
}

func wants(t *testing.T, m *sip.Message, status int, contact string) {
	t.Helper()
	if m.Status() != status || contacts(m) != contact {
		t.Errorf("got %d with Contact %q, want %d with %q", m.Status(), contacts(m), status, contact)
	}
}

func TestAPhoneRegistersRefreshesAndLeaves(t *testing.T) {
	t.Parallel()
	b := newBench()
	wants(t, b.register(t, "Contact: <sip:alice@192.0.2.7:5062>", "Expires: 600"), 200, "<sip:alice@192.0.2.7:5062>;expires=600")
	b.now = b.now.Add(100 * time.Second)
	wants(t, b.register(t), 200, "<sip:alice@192.0.2.7:5062>;expires=500")
	wants(t, b.register(t, "Contact: <sip:alice@192.0.2.7:5062>;expires=300", "Expires: 600"), 200,
		"<sip:alice@192.0.2.7:5062>;expires=300")
	if got := b.table.now[0]; !got.Since.Equal(start) || got.Source.String() != "192.0.2.7:5062" || got.NATed {
		t.Errorf("the refreshed binding is %+v", got)
	}
	wants(t, b.register(t, "Contact: <sip:alice@192.0.2.7:5062>;expires=0"), 200, "")
}

func TestExpiryIsWithinBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, contact string
		status        int
		want          string
	}{
		{"no wish takes the default", "Contact: <sip:a@192.0.2.7>", 200, "<sip:a@192.0.2.7>;expires=3600"},
		{"too long is cut", "Contact: <sip:a@192.0.2.7>;expires=999999", 200, "<sip:a@192.0.2.7>;expires=86400"},
		{"too short is refused", "Contact: <sip:a@192.0.2.7>;expires=5", 423, ""},
		{"nonsense counts as no wish", "Contact: <sip:a@192.0.2.7>;expires=soon", 200, "<sip:a@192.0.2.7>;expires=3600"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resp := newBench().register(t, c.contact)
			wants(t, resp, c.status, c.want)
			if c.status == 423 && resp.Get(sip.HeaderMinExpires) != "60" {
				t.Errorf("Min-Expires is %q, want 60", resp.Get(sip.HeaderMinExpires))
			}
		})
	}
}

// TestALearnedAddress has a phone behind a NAT that writes the address it has learned into its Contact.
func TestALearnedAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sentBy string
		want   bool
	}{{"192.0.2.7:5062", false}, {"10.1.2.3:5060", true}, {"phone.example.net", false}} {
		b := newBench()
		b.sentBy = c.sentBy
		b.register(t, "Contact: <sip:a@192.0.2.7:5062>")
		if got := b.table.now[0].NATed; got != c.want {
			t.Errorf("Via %s: behind a NAT is %v, want %v", c.sentBy, got, c.want)
		}
	}
}

func TestSeveralContactsAndTheStar(t *testing.T) {
	t.Parallel()
	b := newBench()
	wants(t, b.register(t, "Contact: <sip:a@192.0.2.7>;q=0.5, <sip:a@192.0.2.8>;expires=60"), 200,
		"<sip:a@192.0.2.7>;expires=3600;q=0.5 | <sip:a@192.0.2.8>;expires=60")
	if !b.table.now[1].NATed || b.table.now[0].NATed || b.table.now[0].Q != 500 {
		t.Errorf("bindings are %+v", b.table.now)
	}
	wants(t, b.register(t, "Contact: *"), 400, "")
	wants(t, b.register(t, "Contact: *", "Expires: 10"), 400, "")
	wants(t, b.register(t, "Contact: *", "Expires: 0"), 200, "")
	if len(b.table.now) != 0 {
		t.Errorf("after Contact * there is still %+v", b.table.now)
	}
}

func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.register(t, "Contact: <sip:a@192.0.2.7>")
	wants(t, b.register(t, "Contact: <sip:b@192.0.2.7>, <sip:c@192.0.2.7>;expires=1"), 423, "")
	wants(t, b.register(t, "Contact: <sip:b@192.0.2.7>, <tel:+4930123>"), 400, "")
	wants(t, b.register(t, "Contact: <sip:b@192.0.2.7>, <sip:c@192.0.2.7>, <sip:d@192.0.2.7>"), 403, "")
	if len(b.table.now) != 1 {
		t.Errorf("a refused REGISTER left %d bindings, want the 1 from before", len(b.table.now))
	}
}

func TestAnOldRequestChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.register(t, "Contact: <sip:a@192.0.2.7>", "CSeq: 7 REGISTER")
	wants(t, b.register(t, "Contact: <sip:a@192.0.2.7>;expires=0", "CSeq: 7 REGISTER"), 500, "")
	wants(t, b.register(t, "Contact: *", "Expires: 0", "CSeq: 6 REGISTER"), 500, "")
	wants(t, b.register(t, "Contact: <sip:a@192.0.2.7>;expires=0", "CSeq: 1 REGISTER", "Call-ID: after-reboot"), 200, "")
}

func TestADeviceKeepsOneBinding(t *testing.T) {
	t.Parallel()
	b := newBench()
	instance := `;+sip.instance="<urn:uuid:1>"`
	b.register(t, "Contact: <sip:a@192.0.2.7:1111;transport=tcp>"+instance)
	wants(t, b.register(t, "Contact: <sip:a@192.0.2.7:2222;transport=tcp>"+instance), 200,
		`<sip:a@192.0.2.7:2222;transport=tcp>;expires=3600`+instance)
	b.register(t, "Contact: <sip:a@192.0.2.7:3333;transport=tcp>"+instance+";reg-id=1")
	wants(t, b.register(t, "Contact: <sip:a@192.0.2.7:4444;transport=tcp>"+instance+";reg-id=2"), 200,
		`<sip:a@192.0.2.7:2222;transport=tcp>;expires=3600`+instance+
			` | <sip:a@192.0.2.7:3333;transport=tcp>;expires=3600`+instance+`;reg-id=1`+
			` | <sip:a@192.0.2.7:4444;transport=tcp>;expires=3600`+instance+`;reg-id=2`)
}

func TestTheSameURIWrittenOtherwise(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.register(t, "Contact: <sip:a@EXAMPLE.com:5060;transport=udp>")
	wants(t, b.register(t, "Contact: <sip:%61@example.com:5060;transport=UDP>"), 200,
		"<sip:%61@example.com:5060;transport=UDP>;expires=3600")
}

func TestNothingIsAcknowledgedThatIsNotStored(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.table.fail = errors.New("no space left")
	resp := b.register(t, "Contact: <sip:a@192.0.2.7>")
	if resp.Status() != 500 || strings.Contains(resp.Text(), "no space") {
		t.Errorf("got %s", resp.Text())
	}
}

func TestADeviceHasOneBinding(t *testing.T) {
	t.Parallel()
	b := newBench()
	stands := true
	b.Registrar = New(Config{Now: func() time.Time { return b.now }, Stands: func(_ context.Context, a core.Address, id string) bool {
		return stands && a == alice && id == "web"
	}}, b.table)
	device := func(device, callID string, lines ...string) *sip.Message {
		t.Helper()
		b.device = device
		return b.register(t, append(lines, "Call-ID: "+callID)...)
	}
	bound := func(want ...string) {
		t.Helper()
		var got []string
		for _, x := range b.table.now {
			got = append(got, x.Device+" "+x.Contact)
		}
		if !slices.Equal(got, want) {
			t.Errorf("bound are %q, want %q", got, want)
		}
	}
	device("", "desk", "Contact: <sip:alice@192.0.2.9>")
	device("web", "page 1", "Contact: <sip:1@x.invalid>")
	device("web", "page 2", "Contact: <sip:2@x.invalid>") // the page was loaded again
	bound(" sip:alice@192.0.2.9", "web sip:2@x.invalid")
	device("web", "page 3", `Contact: <sip:3@x.invalid>;reg-id=1;+sip.instance="<urn:x:1>"`)
	device("web", "page 3b", `Contact: <sip:4@x.invalid>;reg-id=2;+sip.instance="<urn:x:1>"`) // another flow of one instance
	bound(" sip:alice@192.0.2.9", "web sip:3@x.invalid", "web sip:4@x.invalid")
	device("web", "question")
	device("web", "page 3b", "CSeq: 9 REGISTER", `Contact: <sip:4@x.invalid>;reg-id=2;+sip.instance="<urn:x:1>";expires=0`)
	bound(" sip:alice@192.0.2.9", "web sip:3@x.invalid")
	stands = false // it was signed out while its REGISTER was on the way
	if resp := device("web", "page 4", "Contact: <sip:5@x.invalid>"); resp.Status() != 403 {
		t.Errorf("a device that was signed out gets %d", resp.Status())
	}
	bound(" sip:alice@192.0.2.9", "web sip:3@x.invalid")
}
