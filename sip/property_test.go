package sip_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"parley/sip"
)

// What URIs, addresses and Vias are made of.
var (
	drawHost  = rapid.SampledFrom([]string{"example.org", "192.0.2.1", "2001:db8::1", "a-b.c_d", "EXAMPLE.com."})
	drawPort  = rapid.SampledFrom([]int{0, 1, 5060, 65535})
	drawToken = rapid.StringMatching(`[a-zA-Z0-9.!%*_+'~-]{1,12}`)
	drawText  = rapid.StringMatching(`[ -~äЖ大]{0,16}`)
)

func drawParams(t *rapid.T, token *rapid.Generator[string]) (p sip.Params) {
	for range rapid.IntRange(0, 4).Draw(t, "params") {
		p += sip.Params(";" + token.Draw(t, "param"))
		if rapid.Bool().Draw(t, "valued") {
			p += sip.Params("=" + token.Draw(t, "value"))
		}
	}
	return p
}

func drawURI(t *rapid.T) sip.URI {
	u := sip.URI{Scheme: rapid.SampledFrom([]string{"sip", "sips"}).Draw(t, "scheme"),
		Host: drawHost.Draw(t, "host"), Port: drawPort.Draw(t, "port"),
		Params: drawParams(t, rapid.StringMatching(`([a-zA-Z0-9._~:/&+$\[\]-]|%[0-9a-fA-F]{2}){1,8}`))}
	if rapid.Bool().Draw(t, "has a user") {
		u.User = sip.EscapeUser(rapid.StringN(1, 10, -1).Draw(t, "user"))
		u.Password = rapid.StringMatching(`[a-z&=+$,]{0,4}`).Draw(t, "password")
	}
	if rapid.Bool().Draw(t, "has headers") {
		u.Headers = "subject=" + rapid.StringMatching(`[a-zA-Z?/:]{0,4}`).Draw(t, "subject") + "&x="
	}
	return u
}

func TestURIWrittenIsURIRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u := drawURI(t)
		got, err := sip.ParseURI(u.String())
		if err != nil || got != u {
			t.Fatalf("%q read as %+v, %v; was %+v", u, got, err, u)
		}
		if !got.Equal(u) {
			t.Fatalf("%s is not equal to itself", u)
		}
		if u.User != "" && sip.EscapeUser(u.UnescapedUser()) != u.User {
			t.Fatalf("user %q", u.User)
		}
	})
}

func TestAddressWrittenIsAddressRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := sip.Address{Display: drawText.Draw(t, "name"), URI: drawURI(t), Params: drawParams(t, drawToken)}
		got, err := sip.ParseAddress(a.String())
		if err != nil || got != a {
			t.Fatalf("%s read as %+v, %v; was %+v", a, got, err, a)
		}
	})
}

func TestParamsHoldWhatTheyAreGiven(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawParams(t, drawToken)
		name, other := drawToken.Draw(t, "name"), drawToken.Draw(t, "other")
		value := drawText.Draw(t, "text")
		if got, ok := p.With(name, value).Get(name); !ok || got != value {
			t.Fatalf("%q with %s=%q gives %q, %v", p, name, value, got, ok)
		}
		if p.Without(name).Has(name) {
			t.Fatalf("%q without %s", p, name)
		}
		if strings.EqualFold(name, other) {
			return
		}
		was, had := p.Get(other)
		for _, q := range []sip.Params{p.With(name, value), p.Without(name)} {
			if got, has := q.Get(other); got != was || has != had {
				t.Fatalf("%q became %q: %s was %q, is %q", p, q, other, was, got)
			}
		}
	})
}

// model is a message as a plain list of fields: slow, and plainly right.
type model struct {
	method string
	target string
	fields []modelField
	body   string
}

type modelField struct {
	h     sip.Header
	name  string
	value string
}

func (m *model) index(h sip.Header) int {
	return slices.IndexFunc(m.fields, func(f modelField) bool { return f.h == h })
}

func (m *model) insert(i int, h sip.Header, value string) {
	m.fields = slices.Insert(m.fields, i, modelField{h, h.String(), value})
}

func (m *model) prepend(h sip.Header, v string) { m.insert(max(m.index(h), 0), h, v) }

func (m *model) add(h sip.Header, v string) {
	for i := len(m.fields) - 1; i >= 0; i-- {
		if m.fields[i].h == h {
			m.insert(i+1, h, v)
			return
		}
	}
	m.insert(len(m.fields), h, v)
}

func (m *model) remove(h sip.Header) {
	m.fields = slices.DeleteFunc(m.fields, func(f modelField) bool { return f.h == h })
}

func (m *model) set(h sip.Header, v string) {
	i := m.index(h)
	m.remove(h)
	if i < 0 {
		i = len(m.fields)
	}
	m.insert(i, h, v)
}

// setFirst and pop are for lists whose elements have no commas inside.
func (m *model) setFirst(h sip.Header, v string) {
	i := m.index(h)
	if i < 0 {
		m.prepend(h, v)
		return
	}
	if _, rest, more := strings.Cut(m.fields[i].value, ", "); more {
		v += ", " + rest
	}
	m.fields[i] = modelField{h, h.String(), v}
}

func (m *model) pop(h sip.Header) {
	i := m.index(h)
	if i < 0 {
		return
	}
	if _, rest, more := strings.Cut(m.fields[i].value, ", "); more {
		m.fields[i] = modelField{h, h.String(), rest}
		return
	}
	m.fields = slices.Delete(m.fields, i, i+1)
}

func (m *model) text(length string) string {
	lengths := slices.DeleteFunc(slices.Clone(m.fields), func(f modelField) bool { return f.h != sip.HeaderContentLength })
	if len(lengths) != 1 || lengths[0].value != length {
		m.set(sip.HeaderContentLength, length)
	}
	var b strings.Builder
	b.WriteString(m.method + " " + m.target + " SIP/2.0\r\n")
	for _, f := range m.fields {
		b.WriteString(f.name + ": " + f.value + "\r\n")
	}
	return b.String() + "\r\n" + m.body
}

// Whatever is edited in whatever order, now and then written out and edited on, the text is
// the one that the model writes.
func TestEditsDoWhatTheModelDoes(t *testing.T) {
	t.Parallel()
	headers := rapid.SampledFrom([]sip.Header{sip.HeaderVia, sip.HeaderRoute, sip.HeaderSubject, sip.HeaderReason, sip.HeaderContentLength})
	value := rapid.SampledFrom([]string{"a", "b;x=\"1\"", "<sip:c>", "d, e", "f, <sip:g;lr>, h"})
	rapid.Check(t, func(t *rapid.T) {
		want := &model{method: "INVITE", target: "sip:x"}
		b := sip.NewRequest(sip.INVITE, "sip:x")
		write := func() {
			m, err := b.Message()
			if err != nil {
				t.Fatal(err)
			}
			length := strconv.Itoa(len(want.body))
			if text := want.text(length); m.Text() != text {
				t.Fatalf("got\n%q\nwant\n%q", m.Text(), text)
			}
			b = m.Edit()
		}
		for range rapid.IntRange(1, 40).Draw(t, "edits") {
			h, v := headers.Draw(t, "header"), value.Draw(t, "value")
			switch rapid.IntRange(0, 8).Draw(t, "edit") {
			case 0:
				b.Prepend(h, v)
				want.prepend(h, v)
			case 1:
				b.Add(h, v)
				want.add(h, v)
			case 2:
				b.Set(h, v)
				want.set(h, v)
			case 3:
				b.Remove(h)
				want.remove(h)
			case 4:
				b.SetFirst(sip.HeaderVia, v)
				want.setFirst(sip.HeaderVia, v)
			case 5:
				b.Pop(sip.HeaderRoute)
				want.pop(sip.HeaderRoute)
			case 6:
				want.target = "sip:" + strconv.Itoa(len(want.fields))
				b.SetTarget(want.target)
			case 7:
				want.body = strings.Repeat("x", len(want.fields)*7%120)
				b.Body("text/plain", want.body)
				want.set(sip.HeaderContentType, "text/plain")
			case 8:
				write()
			}
		}
		write()
	})
}
