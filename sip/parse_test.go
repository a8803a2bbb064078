package sip_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/sip"
)

// wire gives a readable text the line ends that go over the wire.
func wire(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "\n"), "\n", "\r\n")
}

const options = `
OPTIONS sip:bob@example.org SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1
Max-Forwards: 70
From: <sip:alice@example.org>;tag=1
To: <sip:bob@example.org>
Call-ID: 1
CSeq: 1 OPTIONS
Content-Length: 0

`

func TestTextsThatCannotBeTakenApart(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 9000)
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", sip.ErrCutOff},
		{"keep-alive alone", "\r\n\r\n", sip.ErrCutOff},
		{"noise", "\x00\x01\x02\x03", sip.ErrCutOff},
		{"one line without end", long, sip.ErrTooLong},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", sip.ErrNotSIP},
		{"no Request-URI", "INVITE SIP/2.0\r\n\r\n", sip.ErrNotSIP},
		{"no version", "INVITE sip:a@b\r\n\r\n", sip.ErrNotSIP},
		{"method that is no token", "IN(VITE sip:a@b SIP/2.0\r\n\r\n", sip.ErrNotSIP},
		{"cut in the start line", "INVITE sip:a@b SI", sip.ErrCutOff},
		{"cut in a header field", "INVITE sip:a@b SIP/2.0\r\nVia: x", sip.ErrCutOff},
		{"cut before the empty line", "INVITE sip:a@b SIP/2.0\r\nVia: x\r\n", sip.ErrCutOff},
		{"no colon", "INVITE sip:a@b SIP/2.0\r\nVia\r\n\r\n", sip.ErrSyntax},
		{"no name", "INVITE sip:a@b SIP/2.0\r\n: x\r\n\r\n", sip.ErrSyntax},
		{"space in a name", "INVITE sip:a@b SIP/2.0\r\nCall ID: x\r\n\r\n", sip.ErrSyntax},
		{"CR inside a line", "INVITE sip:a@b SIP/2.0\r\nVia: x\rVia: y\r\n\r\n", sip.ErrSyntax},
		{"long line", "INVITE sip:a@b SIP/2.0\r\nVia: " + long + "\r\n\r\n", sip.ErrTooLong},
		{"long line, folded", "INVITE sip:a@b SIP/2.0\r\nVia: x" + strings.Repeat("\r\n "+long[:500], 20) + "\r\n\r\n", sip.ErrTooLong},
		{"long start line", "INVITE sip:" + long + " SIP/2.0\r\n\r\n", sip.ErrTooLong},
		{"too many fields", "INVITE sip:a@b SIP/2.0\r\n" + strings.Repeat("A: b\r\n", 201) + "\r\n", sip.ErrTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := sip.Parse(c.text); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestManyFieldsAreKept(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("INVITE sip:a@b SIP/2.0\r\n")
	for i := range 200 {
		fmt.Fprintf(&b, "X-%d: %d\r\n", i, i)
	}
	b.WriteString("\r\n")
	m := parse(t, b.String())
	if m.GetName("x-199") != "199" || m.GetName("X-31") != "31" || m.GetName("X-32") != "32" || m.GetName("x-200") != "" {
		t.Error("a field is lost")
	}
	n := 0
	for name, value := range m.Fields() {
		if name != fmt.Sprintf("X-%d", n) || value != fmt.Sprint(n) {
			t.Errorf("field %d is %s: %s", n, name, value)
		}
		n++
	}
	if n != 200 {
		t.Errorf("%d fields", n)
	}
}

func TestFoldedLinesAndBareLineFeeds(t *testing.T) {
	t.Parallel()
	folded := "INVITE sip:a@b SIP/2.0\r\nSubject: one\r\n two\r\n\t three \r\n  \r\nTo:\r\n <sip:bob@example.org>;\r\n tag=9\r\nCall-ID: x\r\n\r\nbody\n line\r\n"
	for name, text := range map[string]string{
		"CRLF": folded,
		"LF":   strings.Replace(strings.ReplaceAll(folded, "\r\n", "\n"), "body\n line\n", "body\n line\r\n", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := parse(t, text)
			if got := m.Get(sip.HeaderSubject); got != "one two three" {
				t.Errorf("Subject %q", got)
			}
			if m.ToTag() != "9" || m.CallID() != "x" {
				t.Errorf("tag %q, Call-ID %q", m.ToTag(), m.CallID())
			}
			if m.Body() != "body\n line\r\n" {
				t.Errorf("body %q", m.Body())
			}
			if strings.Contains(m.Text(), "\r\n ") || strings.Contains(strings.ReplaceAll(m.Text()[:len(m.Text())-len(m.Body())], "\r\n", ""), "\n") {
				t.Errorf("text is not put right: %q", m.Text())
			}
		})
	}
}

func TestBodyEndsWhereContentLengthSays(t *testing.T) {
	t.Parallel()
	with := func(length, body string) *sip.Message {
		return parse(t, strings.Replace(wire(options), "Content-Length: 0", "l: "+length, 1)+body)
	}
	m := with("4", "bodyINVITE sip:x SIP/2.0\r\n")
	if m.Body() != "body" || !strings.HasSuffix(m.Text(), "\r\n\r\nbody") || m.Validate() != nil {
		t.Errorf("body %q, %v", m.Body(), m.Validate())
	}
	if m = with("5", "body"); m.Validate() == nil || m.Validate().Status != 400 {
		t.Errorf("short body: %v", m.Validate())
	}
	m = parse(t, strings.Replace(wire(options), "Content-Length: 0\r\n", "", 1)+"all of it")
	if m.Body() != "all of it" || m.Validate() != nil {
		t.Errorf("no length: body %q, %v", m.Body(), m.Validate())
	}
}

func TestKeepAliveBeforeAMessageIsSkipped(t *testing.T) {
	t.Parallel()
	if m := parse(t, "\r\n\r\n\n"+wire(options)); m.Text() != wire(options) {
		t.Errorf("text %q", m.Text())
	}
}

func TestListsAreSplitAtTheirCommas(t *testing.T) {
	t.Parallel()
	m := parse(t, wire(`
INVITE sip:a@b SIP/2.0
Route: <sip:p1,x@example.org;lr>, "a, \"b" <sip:p2;lr>
m: sip:a@b;x="1,2",,<sip:c@d>;q=0.1 ,
Route:<sip:p3;lr>
Date: Sat, 13 Nov 2010 23:29:00 GMT
Authorization: Digest username="a", realm="b"
Supported:
Warning: 307 isi.edu "a, b", 392 x "c"
Contact: <sip:open, sip:never closed
Allow: "open quote, x

`))
	for h, want := range map[sip.Header][]string{
		sip.HeaderRoute:         {"<sip:p1,x@example.org;lr>", `"a, \"b" <sip:p2;lr>`, "<sip:p3;lr>"},
		sip.HeaderContact:       {`sip:a@b;x="1,2"`, "<sip:c@d>;q=0.1", "<sip:open, sip:never closed"},
		sip.HeaderDate:          {"Sat, 13 Nov 2010 23:29:00 GMT"},
		sip.HeaderAuthorization: {`Digest username="a", realm="b"`},
		sip.HeaderSupported:     nil,
		sip.HeaderRequire:       nil,
		sip.HeaderOther:         nil,
		sip.HeaderWarning:       {`307 isi.edu "a, b"`, `392 x "c"`},
		sip.HeaderAllow:         {`"open quote, x`},
	} {
		if got := slices.Collect(m.Values(h)); !slices.Equal(got, want) {
			t.Errorf("%s: %q", h, got)
		}
	}
	for range m.Values(sip.HeaderRoute) {
		break // an early end must not panic
	}
	for range m.Values(sip.HeaderDate) {
		break
	}
	for range m.Fields() {
		break
	}
	if !m.Has(sip.HeaderSupported) || m.Has(sip.HeaderRequire) || m.Has(sip.HeaderOther) || m.Has(255) {
		t.Error("Has")
	}
}

func TestTokensAndNumbers(t *testing.T) {
	t.Parallel()
	m := parse(t, wire(`
INVITE sip:a@b SIP/2.0
Supported: 100rel, Timer
Supported: path
Max-Forwards: 0068
Expires: 4294967295
Min-Expires: 4294967296
Session-Expires: 1800 ;refresher=uac
Retry-After: 120 (I'm in a meeting)
RSeq: -1
Min-SE: 90s
Max-Breadth:

`))
	for token, want := range map[string]bool{"timer": true, "PATH": true, "100rel": true, "gruu": false, "": false} {
		if m.HasToken(sip.HeaderSupported, token) != want {
			t.Errorf("Supported %q is %v", token, !want)
		}
	}
	type number struct {
		n  uint32
		ok bool
	}
	for h, want := range map[sip.Header]number{
		sip.HeaderMaxForwards:    {68, true},
		sip.HeaderExpires:        {4294967295, true},
		sip.HeaderMinExpires:     {0, false},
		sip.HeaderSessionExpires: {1800, true},
		sip.HeaderRetryAfter:     {120, true},
		sip.HeaderRSeq:           {0, false},
		sip.HeaderMinSE:          {0, false},
		sip.HeaderMaxBreadth:     {0, false},
		sip.HeaderDate:           {0, false},
	} {
		if n, ok := m.Number(h); n != want.n || ok != want.ok {
			t.Errorf("%s is %d, %v", h, n, ok)
		}
	}
}

func TestContacts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fields string
		count        int
		star, fails  bool
	}{
		{"none", "", 0, false, false},
		{"star", "Contact: *\n", 0, true, false},
		{"two in one line, one in another", "Contact: <sip:a@b>;expires=0, sip:c@d\nm: <sip:e@f>\n", 3, false, false},
		{"star before another", "Contact: *, <sip:a@b>\n", 0, false, true},
		{"star after another", "Contact: <sip:a@b>\nContact: *\n", 0, false, true},
		{"malformed", "Contact: <sip:a@b>, <nothing>\n", 0, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list, star, err := parse(t, wire("REGISTER sip:b SIP/2.0\n"+c.fields+"\n")).Contacts()
			if len(list) != c.count || star != c.star || (err != nil) != c.fails {
				t.Errorf("got %v, %v, %v", list, star, err)
			}
		})
	}
}

func TestStatusLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line   string
		status int
		reason string
	}{
		{"SIP/2.0 200 OK", 200, "OK"},
		{"sip/2.0 180  Two  spaces ", 180, " Two  spaces "},
		{"SIP/2.0 100 ", 100, ""},
		{"SIP/2.0 100", 100, ""},
		{"SIP/2.0 99 Low", 0, "Low"},
		{"SIP/2.0 700 High", 0, "High"},
		{"SIP/2.0 0200 OK", 0, "OK"},
		{"SIP/2.0 4294967496 OK", 0, "OK"},
		{"SIP/2.0  200 OK", 0, "200 OK"},
		{"SIP/2.0 abc", 0, ""},
		{"SIP/2.0", 0, ""},
	} {
		m := parse(t, c.line+"\r\nCSeq: 7 BYE\r\n\r\n")
		if m.IsRequest() || m.Status() != c.status || m.Reason() != c.reason || m.Method() != sip.BYE {
			t.Errorf("%q: %d %q %v", c.line, m.Status(), m.Reason(), m.Method())
		}
		if c.status == 0 && m.Validate() == nil {
			t.Errorf("%q is valid", c.line)
		}
	}
}

// Values say nothing, rather than nonsense, where there is nothing to read.
func TestWhatIsMissingReadsAsNothing(t *testing.T) {
	t.Parallel()
	m := parse(t, "INVITE sip:a@b SIP/2.0\r\n\r\n")
	if n, method := m.CSeq(); n != 0 || method != "" {
		t.Errorf("CSeq %d %s", n, method)
	}
	if _, ok := m.Via(); ok {
		t.Error("a Via")
	}
	if _, err := m.From(); err == nil {
		t.Error("a From")
	}
	if _, err := m.To(); err == nil {
		t.Error("a To")
	}
	if m.CallID() != "" || m.FromTag() != "" || m.ToTag() != "" || m.Body() != "" || m.GetName("x") != "" || m.GetName("Via") != "" {
		t.Error("something from nothing")
	}
}

// A message at every limit is done in milliseconds; were anything in it quadratic, in many
// seconds.
func TestParsingIsLinear(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"quotes":     "Contact: " + strings.Repeat(`"`, 8000),
		"brackets":   "Contact: " + strings.Repeat("<", 8000),
		"commas":     "Contact: " + strings.Repeat(",", 8000),
		"semicolons": "Via: SIP/2.0/UDP h" + strings.Repeat(";a", 4000),
		"escapes":    "From: \"" + strings.Repeat(`\`, 8000),
		"spaces":     "To: " + strings.Repeat(" ", 8000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			m := parse(t, "INVITE sip:a@b SIP/2.0\r\n"+strings.Repeat(line+"\r\n", 190)+"\r\n")
			_ = m.Validate()
			_, _, _ = m.Contacts()
			if _, err := m.Edit().Pop(sip.HeaderContact).Pop(sip.HeaderVia).ToTag("x").Message(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
