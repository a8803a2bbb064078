package sip_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"parley/sip"
)

const base = `
INVITE sip:bob@example.org SIP/2.0
Via: SIP/2.0/UDP p2;branch=z9hG4bK2, SIP/2.0/UDP p1;branch=z9hG4bK1
v: SIP/2.0/UDP ua;branch=z9hG4bK0
Route: <sip:r1;lr>,<sip:r2;lr>
From: <sip:alice@example.org>;tag=1
To: <sip:bob@example.org>
Call-ID: 1
CSeq: 1 INVITE
X-Custom: one
Subject:   spaced   ` + `
x-custom: two
Content-Type: text/plain
Content-Length: 4

body`

func TestEdits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		edit     func(*sip.Builder)
		old, new string // what changes in the text
	}{
		{"nothing", func(*sip.Builder) {}, "", ""},
		{"target", func(b *sip.Builder) { b.SetTarget("sip:b@c") }, "INVITE sip:bob@example.org", "INVITE sip:b@c"},
		{"prepend before its kind", func(b *sip.Builder) { b.Prepend(sip.HeaderRoute, "<sip:r0;lr>") },
			"Route:", "Route: <sip:r0;lr>\nRoute:"},
		{"prepend one that is new", func(b *sip.Builder) { b.Prepend(sip.HeaderRecordRoute, "<sip:x;lr>") },
			"Via: SIP/2.0/UDP p2", "Record-Route: <sip:x;lr>\nVia: SIP/2.0/UDP p2"},
		{"add after its kind", func(b *sip.Builder) { b.Add(sip.HeaderVia, "SIP/2.0/UDP last") },
			"branch=z9hG4bK0\n", "branch=z9hG4bK0\nVia: SIP/2.0/UDP last\n"},
		{"add one that is new", func(b *sip.Builder) { b.Add(sip.HeaderReason, "x") }, "Content-Length: 4\n", "Content-Length: 4\nReason: x\n"},
		{"set one of several", func(b *sip.Builder) { b.Set(sip.HeaderVia, "SIP/2.0/UDP only") },
			"Via: SIP/2.0/UDP p2;branch=z9hG4bK2, SIP/2.0/UDP p1;branch=z9hG4bK1\nv: SIP/2.0/UDP ua;branch=z9hG4bK0\n", "Via: SIP/2.0/UDP only\n"},
		{"set by name", func(b *sip.Builder) { b.SetName("X-CUSTOM", "three") },
			"X-Custom: one\nSubject:   spaced   \nx-custom: two\n", "X-CUSTOM: three\nSubject:   spaced   \n"},
		{"set by a known name", func(b *sip.Builder) { b.SetName("subject", "three") }, "Subject:   spaced   ", "subject: three"},
		{"set a new name", func(b *sip.Builder) { b.SetName("X-New", "") }, "Content-Length: 4\n", "Content-Length: 4\nX-New: \n"},
		{"remove", func(b *sip.Builder) { b.Remove(sip.HeaderRoute) }, "Route: <sip:r1;lr>,<sip:r2;lr>\n", ""},
		{"remove what is not there", func(b *sip.Builder) { b.Remove(sip.HeaderReason).Remove(sip.HeaderOther).RemoveName("x") }, "", ""},
		{"remove the last field", func(b *sip.Builder) { b.Remove(sip.HeaderContentLength) }, "", ""},
		{"pop off a list", func(b *sip.Builder) { b.Pop(sip.HeaderRoute) }, "Route: <sip:r1;lr>,<sip:r2;lr>", "Route: <sip:r2;lr>"},
		{"pop all of a list", func(b *sip.Builder) { b.Pop(sip.HeaderRoute).Pop(sip.HeaderRoute).Pop(sip.HeaderRoute) },
			"Route: <sip:r1;lr>,<sip:r2;lr>\n", ""},
		{"pop three Via", func(b *sip.Builder) { b.Pop(sip.HeaderVia).Pop(sip.HeaderVia) },
			"Via: SIP/2.0/UDP p2;branch=z9hG4bK2, SIP/2.0/UDP p1;branch=z9hG4bK1\n", ""},
		{"set first of a list", func(b *sip.Builder) { b.SetFirst(sip.HeaderVia, "SIP/2.0/UDP p2;received=192.0.2.1") },
			"p2;branch=z9hG4bK2,", "p2;received=192.0.2.1,"},
		{"set first of a single", func(b *sip.Builder) { b.SetFirst(sip.HeaderSubject, "a, b").SetFirst(sip.HeaderSubject, "c") },
			"Subject:   spaced   ", "Subject: c"},
		{"set first of none", func(b *sip.Builder) { b.SetFirst(sip.HeaderRecordRoute, "<sip:x>") }, "Via: SIP/2.0/UDP p2", "Record-Route: <sip:x>\nVia: SIP/2.0/UDP p2"},
		{"To tag", func(b *sip.Builder) { b.ToTag("9").ToTag("10") }, "To: <sip:bob@example.org>", "To: <sip:bob@example.org>;tag=9"},
		{"body", func(b *sip.Builder) { b.Body("a/b", "longer body") }, "text/plain\nContent-Length: 4\n\nbody", "a/b\nContent-Length: 11\n\nlonger body"},
		{"no body", func(b *sip.Builder) { b.Body("", "") }, "Content-Type: text/plain\nContent-Length: 4\n\nbody", "Content-Length: 0\n\n"},
		{"wrong length", func(b *sip.Builder) { b.Set(sip.HeaderContentLength, "99") }, "", ""},
		{"two lengths", func(b *sip.Builder) { b.Add(sip.HeaderContentLength, "4") }, "", ""},
		{"changed and changed back", func(b *sip.Builder) {
			b.Prepend(sip.HeaderVia, "x").Pop(sip.HeaderVia).Add(sip.HeaderReason, "y").Remove(sip.HeaderReason)
		}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := parse(t, wire(base)).Edit()
			c.edit(b)
			got, err := b.Message()
			if err != nil {
				t.Fatal(err)
			}
			if c.old != "" && !strings.Contains(base, c.old) {
				t.Fatalf("%q is not in the message", c.old)
			}
			want := wire(strings.Replace(base, c.old, c.new, 1))
			if got.Text() != want {
				t.Errorf("got\n%q\nwant\n%q", got.Text(), want)
			}
		})
	}
}

func TestEditsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(*sip.Builder)
		want error
	}{
		{"CR LF in a value", func(b *sip.Builder) { b.Set(sip.HeaderSubject, "x\r\nVia: y") }, sip.ErrLineBreak},
		{"LF in a value", func(b *sip.Builder) { b.Prepend(sip.HeaderVia, "x\ny") }, sip.ErrLineBreak},
		{"CR in a value", func(b *sip.Builder) { b.Add(sip.HeaderVia, "x\ry") }, sip.ErrLineBreak},
		{"LF in a first value", func(b *sip.Builder) { b.SetFirst(sip.HeaderVia, "x\ny") }, sip.ErrLineBreak},
		{"LF in a tag", func(b *sip.Builder) { b.ToTag("x\ny") }, sip.ErrLineBreak},
		{"LF in a type", func(b *sip.Builder) { b.Body("x\ny", "") }, sip.ErrLineBreak},
		{"LF in a name", func(b *sip.Builder) { b.SetName("X\nY", "") }, sip.ErrBuild},
		{"no name", func(b *sip.Builder) { b.SetName("", "") }, sip.ErrBuild},
		{"no header", func(b *sip.Builder) { b.Set(sip.HeaderOther, "x") }, sip.ErrBuild},
		{"LF in the target", func(b *sip.Builder) { b.SetTarget("sip:a\nVia: x") }, sip.ErrBuild},
		{"space in the target", func(b *sip.Builder) { b.SetTarget("sip:a SIP/2.0") }, sip.ErrBuild},
		{"no target", func(b *sip.Builder) { b.SetTarget("") }, sip.ErrBuild},
		{"status of a request", func(b *sip.Builder) { b.SetStatus(200, "") }, sip.ErrBuild},
		{"body without type", func(b *sip.Builder) { b.Body("", "x") }, sip.ErrBuild},
		{"too many fields", func(b *sip.Builder) {
			for i := range 300 {
				b.SetName(fmt.Sprintf("X-%d", i), "")
			}
		}, sip.ErrTooLong},
		{"too many edits", func(b *sip.Builder) {
			for range 1000 {
				b.Add(sip.HeaderSubject, "x").Remove(sip.HeaderSubject)
			}
		}, sip.ErrTooLong},
		{"a line too long", func(b *sip.Builder) { b.Set(sip.HeaderSubject, strings.Repeat("x", 9000)) }, sip.ErrTooLong},
		{"the first mistake is the one told", func(b *sip.Builder) { b.SetTarget("").SetName("", "").Set(sip.HeaderVia, "\n") }, sip.ErrBuild},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := parse(t, wire(base)).Edit()
			c.edit(b)
			if m, err := b.Message(); !errors.Is(err, c.want) {
				t.Errorf("got %v, %v, want %v", m, err, c.want)
			}
		})
	}
}

func TestResponseEdits(t *testing.T) {
	t.Parallel()
	m := parse(t, wire(strings.Replace(base, "Subject:", "Timestamp: 54\nSubject:", 1)))
	trying, err := m.Response(100, "").Message()
	if err != nil {
		t.Fatal(err)
	}
	if trying.Get(sip.HeaderTimestamp) != "54" || trying.Reason() != "Trying" || trying.Body() != "" || trying.Has(sip.HeaderRoute) {
		t.Errorf("100 is %q", trying.Text())
	}
	if got := slices.Collect(trying.Values(sip.HeaderVia)); len(got) != 3 || trying.Method() != sip.INVITE {
		t.Errorf("Via %q", got)
	}
	ok, err := trying.Edit().SetStatus(200, "").ToTag("x").Copy(m, sip.HeaderRoute).Copy(m, sip.HeaderReason).
		Set(sip.HeaderContact, "<sip:b@c>").Body("a/b", "c").Message()
	if err != nil {
		t.Fatal(err)
	}
	if ok.Status() != 200 || ok.Reason() != "OK" || ok.ToTag() != "x" || ok.Body() != "c" || !ok.Has(sip.HeaderRoute) || ok.Has(sip.HeaderReason) {
		t.Errorf("200 is %q", ok.Text())
	}
	if v := ok.Validate(); v != nil {
		t.Error(v)
	}
	for name, b := range map[string]*sip.Builder{
		"target of a response": trying.Edit().SetTarget("sip:x"),
		"status 99":            trying.Edit().SetStatus(99, ""),
		"status 700":           m.Response(700, ""),
		"LF in a reason":       m.Response(400, "x\ny"),
	} {
		if _, err := b.Message(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestRequestFromNothing(t *testing.T) {
	t.Parallel()
	m, err := sip.NewRequest(sip.MESSAGE, "sip:bob@example.org").
		Set(sip.HeaderVia, "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1").
		Set(sip.HeaderMaxForwards, "70").
		Set(sip.HeaderFrom, "<sip:alice@example.org>;tag=1").
		Set(sip.HeaderTo, "<sip:bob@example.org>").
		Set(sip.HeaderCallID, "1").
		Set(sip.HeaderCSeq, "1 MESSAGE").
		Add(sip.HeaderRoute, "<sip:r1;lr>").
		Add(sip.HeaderRoute, "<sip:r2;lr>").
		Body("text/plain", "hello").
		Message()
	if err != nil {
		t.Fatal(err)
	}
	want := wire(`
MESSAGE sip:bob@example.org SIP/2.0
Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1
Max-Forwards: 70
From: <sip:alice@example.org>;tag=1
To: <sip:bob@example.org>
Call-ID: 1
CSeq: 1 MESSAGE
Route: <sip:r1;lr>
Route: <sip:r2;lr>
Content-Type: text/plain
Content-Length: 5

hello`)
	if m.Text() != want {
		t.Errorf("got\n%q\nwant\n%q", m.Text(), want)
	}
	if v := m.Validate(); v != nil {
		t.Error(v)
	}
	for name, b := range map[string]*sip.Builder{
		"no method":                         sip.NewRequest("", "sip:x"),
		"method with a space":               sip.NewRequest("A B", "sip:x"),
		"method that looks like a response": sip.NewRequest("SIP/2.0", "200"),
	} {
		if _, err := b.Message(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// A builder writes what it holds as often as it is asked, and goes on.
func TestBuilderGoesOn(t *testing.T) {
	t.Parallel()
	b := parse(t, wire(base)).Edit()
	for i := range 1000 {
		m, err := b.Set(sip.HeaderMaxForwards, fmt.Sprint(i)).Message()
		if err != nil || m.Get(sip.HeaderMaxForwards) != fmt.Sprint(i) {
			t.Fatalf("%d: %v", i, err)
		}
	}
}

// The promise to those who only route: what is not asked for is not allocated.
func TestRoutingAllocatesNextToNothing(t *testing.T) {
	wireText := invite()
	got := testing.AllocsPerRun(100, func() {
		m, err := sip.Parse(wireText)
		if err != nil || m.Validate() != nil {
			t.Fatal(err)
		}
		_, err = m.Edit().Pop(sip.HeaderRoute).Set(sip.HeaderMaxForwards, "69").
			Prepend(sip.HeaderVia, "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1").
			Prepend(sip.HeaderRecordRoute, "<sip:proxy.example.org;lr>").Message()
		if err != nil {
			t.Fatal(err)
		}
	})
	if got > 4 {
		t.Errorf("%v allocations", got)
	}
}
