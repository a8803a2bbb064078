package sip_test

import (
	"strings"
	"testing"

	"parley/sip"
)

func FuzzParse(f *testing.F) {
	f.Add(invite())
	f.Add(wire(base))
	f.Add(strings.ReplaceAll(wire(base), "\r\n", "\n"))
	for _, c := range [...][]tortureCase{tortureValid, tortureInvalid, tortureMeaning, tortureIPv6} {
		for _, one := range c {
			f.Add(tortured(one.text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := sip.Parse(text)
		if err != nil {
			return
		}
		readAll(m)
		violation := m.Validate()

		// What we say that we read is what the next one reads.
		again, err := sip.Parse(m.Text())
		if err != nil {
			t.Fatalf("%v in our own text %q", err, m.Text())
		}
		if again.Text() != m.Text() || again.Body() != m.Body() || (again.Validate() == nil) != (violation == nil) {
			t.Fatalf("%q reads back as %q", m.Text(), again.Text())
		}
		if _, err := m.Response(400, "").ToTag("x").Message(); err != nil && m.IsRequest() {
			t.Fatalf("no answer to %q: %v", text, err)
		}
		if violation != nil {
			return
		}
		routed, err := m.Edit().Prepend(sip.HeaderVia, "SIP/2.0/UDP proxy.example.org;branch=z9hG4bKx").Message()
		if err != nil {
			return // it was at a limit
		}
		if v := routed.Validate(); v != nil {
			t.Fatalf("routed %q breaks a rule: %v", routed.Text(), v)
		}
		back, err := routed.Edit().Pop(sip.HeaderVia).Message()
		if err != nil || back.Get(sip.HeaderVia) != m.Get(sip.HeaderVia) || back.Body() != m.Body() || back.CallID() != m.CallID() {
			t.Fatalf("%q came back as %v, %v", m.Text(), back, err)
		}
	})
}

// readAll asks a message everything; it must not panic.
func readAll(m *sip.Message) {
	for h := sip.HeaderOther; h < sip.HeaderOther+100; h++ {
		_, _ = m.Get(h), m.Has(h)
		_, _ = m.Number(h)
		_ = m.HasToken(h, "x")
	}
	for name := range m.Fields() {
		_ = m.GetName(name)
	}
	_, _ = m.From()
	_, _ = m.To()
	_, _, _ = m.Contacts()
	_, _ = m.CSeq()
	_, _ = m.Via()
	_, _, _ = m.Method(), m.Status(), m.Reason()
}

func FuzzURI(f *testing.F) {
	for _, s := range []string{
		"sip:alice:secret@example.org:5060;transport=tcp;lr?subject=x&a=b", "sips:[2001:db8::1]:5061", "tel:+1-201-555-0123;phone-context=+1",
		"sip:user;par=u%40example.net@example.com", "urn:service:sos", "soap.beep://192.0.2.103:3002", "sip:a:@b", "SIP:%00@h",
	} {
		f.Add(s, "sip:bob@example.org")
	}
	f.Fuzz(func(t *testing.T, s, other string) {
		u, err := sip.ParseURI(s)
		if err != nil {
			return
		}
		again, err := sip.ParseURI(u.String())
		if err != nil || again != u {
			t.Fatalf("%q is %+v, read back as %+v, %v", s, u, again, err)
		}
		if !u.Equal(again) {
			t.Fatalf("%q is not equal to itself", s)
		}
		if escaped := sip.EscapeUser(u.UnescapedUser()); u.Scheme == "sip" && (sip.URI{User: escaped}).UnescapedUser() != u.UnescapedUser() {
			t.Fatalf("user of %q does not survive escaping", s)
		}
		if o, err := sip.ParseURI(other); err == nil && u.Equal(o) != o.Equal(u) {
			t.Fatalf("%q and %q are equal one way only", s, other)
		}
		_ = u.HostPort()
	})
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		`"Alice \"x\"" <sip:alice@example.org;lr>;tag=1`, "sip:alice@example.org;tag=1", "Bob<sip:bob@example.org>", "<tel:+12>;q=0.1",
		`sip:a@b;+sip.instance="<urn:uuid:1>"`, "Bell, Alexander <sip:x@y>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := sip.ParseAddress(s)
		if err != nil {
			return
		}
		again, err := sip.ParseAddress(a.String())
		if err != nil || again != a {
			t.Fatalf("%q is %+v, read back as %+v, %v", s, a, again, err)
		}
		checkParams(t, a.Params)
	})
}

func FuzzVia(f *testing.F) {
	for _, s := range []string{
		"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport", "SIP / 2.0 / tcp  first.example.com : 4000 ; ttl=16",
		"SIP/2.0/TLS [2001:db8::1]:5061;received=[::1];branch=\"q;x\"", "SIP/2.0/UDP h;BrAnCh",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := sip.ParseVia(s)
		if err != nil {
			return
		}
		again, err := sip.ParseVia(v.String())
		if err != nil || again != v {
			t.Fatalf("%q is %+v, read back as %+v, %v", s, v, again, err)
		}
		checkParams(t, v.Params)
		v.Branch = "z9hG4bKnew"
		if again, err = sip.ParseVia(v.String()); err != nil || again.Branch != v.Branch {
			t.Fatalf("%q with a branch is %q, %v", s, v, err)
		}
	})
}

// checkParams holds what must be true of any parameters that were read.
func checkParams(t *testing.T, p sip.Params) {
	t.Helper()
	for name := range p.All() {
		if !p.Has(name) {
			t.Fatalf("%q walks to %q but has it not", p, name)
		}
		if q := p.Without(name); q.Has(name) {
			t.Fatalf("%q without %q is %q", p, name, q)
		}
		if got, ok := p.With(name, `new "value"`).Get(name); !ok || got != `new "value"` {
			t.Fatalf("%q with %q has %q", p, name, got)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte(wire(base)+wire(options)), uint16(0))
	f.Add([]byte(strings.ReplaceAll(wire(base), "\r\n", "\n")), uint16(20))
	f.Add([]byte("INVITE sip:x SIP/2.0\r\nl :\r\n 4\r\n\r\nbody"), uint16(300))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		const limit = 4096
		n, err := sip.FrameLength(b, limit)
		if n < 0 || n > len(b) || n > limit || err != nil && n != 0 {
			t.Fatalf("%d, %v of %d bytes", n, err, len(b))
		}
		if n == 0 {
			return
		}
		if i := int(cut) % n; true {
			if early, err := sip.FrameLength(b[:i], limit); early != 0 || err != nil {
				t.Fatalf("%d, %v after %d of %d bytes", early, err, i, n)
			}
		}
		m, err := sip.Parse(string(b[:n]))
		if err != nil || b[0] == '\r' || b[0] == '\n' {
			return
		}
		// Framer and parser must see the same message, or two readers see two.
		want, ok := m.Number(sip.HeaderContentLength)
		if !ok || int(want) != len(m.Body()) || !strings.HasSuffix(string(b[:n]), m.Body()) {
			t.Fatalf("framed %q, parsed body %q", b[:n], m.Body())
		}
	})
}

// FuzzBuilder makes a message of anything; what comes out is what went in, or nothing does.
func FuzzBuilder(f *testing.F) {
	f.Add("sip:bob@example.org", "X-Name", "value", "<sip:r1>, <sip:r2>", "text/plain", "body")
	f.Add("sip:a\r\nVia: x", "X\r\nY", "v\r\nInjected: 1", "\"open", "a/b\n", "")
	f.Fuzz(func(t *testing.T, target, name, value, route, contentType, body string) {
		m, err := sip.NewRequest(sip.INVITE, target).
			Set(sip.HeaderCallID, "1").
			SetName(name, value).
			Add(sip.HeaderRoute, route).
			Body(contentType, body).
			Message()
		if err != nil {
			return
		}
		fields := 0
		for range m.Fields() {
			fields++
		}
		if most := 5; fields > most || m.Target() != target || m.Body() != body {
			t.Fatalf("%d fields in %q", fields, m.Text())
		}
		if got := strings.Trim(value, " \t"); m.GetName(name) != got && sip.HeaderByName(name) == sip.HeaderOther {
			t.Fatalf("%q became %q", value, m.GetName(name))
		}
		before := 0
		for range m.Values(sip.HeaderRoute) {
			before++
		}
		popped, err := m.Edit().Pop(sip.HeaderRoute).Message()
		if err != nil {
			t.Fatal(err)
		}
		after := 0
		for range popped.Values(sip.HeaderRoute) {
			after++
		}
		if before > 0 && after != before-1 {
			t.Fatalf("popped one of %d of %q, left %d", before, m.Get(sip.HeaderRoute), after)
		}
	})
}
