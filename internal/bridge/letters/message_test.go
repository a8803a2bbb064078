package letters

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"parley/sip"
	"parley/sip/siptest"
	"parley/xmpp"
	"parley/xmpp/carbons"
	"parley/xmpp/jid"
)

func at(text string) jid.JID {
	j, err := jid.Parse(text)
	if err != nil {
		panic(err)
	}
	return j
}

// said is a MESSAGE with a body.
func said(contentType, body string, edits ...siptest.Edit) *sip.Message {
	return siptest.Request(sip.MESSAGE, "alice@example.org", "bob@example.org",
		append([]siptest.Edit{siptest.WithBody(contentType, body)}, edits...)...)
}

func stanza(t *testing.T, xml string) *xmpp.Stanza {
	t.Helper()
	st, err := xmpp.Parse(xml)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestABodyOfAMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, contentType, body string
		edit                    siptest.Edit
		want                    Letter
		err                     error
	}{
		{name: "text", contentType: "text/plain", body: "Lunch?\r\nAt one.", want: Letter{Text: "Lunch?\nAt one."}},
		{name: "UTF-8", contentType: "text/plain;charset=UTF-8", body: "Grüße", want: Letter{Text: "Grüße"}},
		{name: "Latin 1", contentType: "Text/Plain; charset=\"ISO-8859-1\"", body: "Gr\xfc\xdfe", want: Letter{Text: "Grüße"}},
		{name: "not what it says", contentType: "text/plain", body: "Gr\xfc\xdfe", err: errCharset},
		{name: "another charset", contentType: "text/plain;charset=koi8-r", body: "x", err: errCharset},
		{name: "another type", contentType: "text/html", body: "<b>x</b>", want: Letter{Type: "text/html", Body: "<b>x</b>"}},
		{name: "no type at all", contentType: "nonsense/", body: "x", err: errType},
		{name: "compressed", contentType: "text/plain", body: "x", edit: siptest.With(sip.HeaderContentEncoding, "gzip"), err: errEncoding},
		{name: "too long", contentType: "text/plain", body: strings.Repeat("x", maxBody+1), err: errLong},
		{name: "in German", contentType: "text/plain", body: "x", edit: siptest.With(sip.HeaderContentLanguage, "de, en"), want: Letter{Text: "x", Lang: "de"}},
		{name: "with a subject", contentType: "text/plain", body: "x", edit: siptest.With(sip.HeaderSubject, "y"), want: Letter{Text: "x", Subject: "y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			edits := []siptest.Edit{siptest.With(sip.HeaderCallID, "c")}
			if c.edit != nil {
				edits = append(edits, c.edit)
			}
			got, err := FromSIP(said(c.contentType, c.body, edits...))
			if !errors.Is(err, c.err) {
				t.Fatalf("it is taken with %v, want %v", err, c.err)
			}
			c.want.Thread = "c"
			if err == nil && got != c.want {
				t.Errorf("it is %+v, want %+v", got, c.want)
			}
		})
	}
	if _, err := FromSIP(siptest.Request(sip.MESSAGE, "alice@example.org", "bob@example.org")); !errors.Is(err, errEmpty) {
		t.Errorf("a MESSAGE without a body is taken with %v", err)
	}
}

func TestWhatStandsForABodyThatAppsDoNotShow(t *testing.T) {
	t.Parallel()
	composing := func(state string) string {
		return `<?xml version="1.0"?>` + "\n<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>" + state + "</state></isComposing>"
	}
	for _, c := range []struct{ name, contentType, body, want, not string }{
		{"a page", "text/html", "<b>x</b>", "[This message is of the type text/html", "<no-store"},
		{"somebody types", typing, composing("active"), "<composing xmlns='" + nsStates + "'/>", "<body>"},
		{"somebody types no more", typing, composing("idle"), "<paused xmlns='" + nsStates + "'/>", "<body>"},
		{"nonsense", typing, "<", "<paused", "<body>"},
		{"a receipt", "message/imdn+xml", "<imdn/>", nsBody, "<body>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, err := FromSIP(said(c.contentType, c.body))
			if err != nil {
				t.Fatal(err)
			}
			st, err := l.Stanza(at("a@example.org"), at("b@example.org"), "1")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(st.Text(), c.want) || strings.Contains(st.Text(), c.not) {
				t.Errorf("the stanza is %s", st.Text())
			}
			if back, ok := FromStanza(st); !ok || back.Body != c.body || back.Type != c.contentType {
				t.Errorf("a phone gets %+v", back)
			}
		})
	}
}

// What both protocols can say comes back as it was: through a stanza, and through a MESSAGE.
func TestALetterComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~äλ💬\n]{1,200}`)
		l := Letter{
			Subject: strings.TrimSpace(rapid.StringMatching(`[a-zä:<& ]{0,20}`).Draw(t, "subject")),
			Lang:    rapid.SampledFrom([]string{"", "de", "en-GB"}).Draw(t, "language"),
		}
		if rapid.Bool().Draw(t, "plain") {
			l.Text = text.Draw(t, "text")
		} else {
			l.Type = rapid.SampledFrom([]string{"text/html", "application/x; a=\"b c\"", typing}).Draw(t, "type")
			l.Body = string(rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "body"))
		}
		l.Thread = "c"
		st, err := l.Stanza(at("a@example.org/r"), at("b@example.org"), "1")
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := FromStanza(st); !ok || got != l {
			t.Errorf("through a stanza it is %+v, want %+v\n%s", got, l, st.Text())
		}
		req := siptest.Request(sip.MESSAGE, "a@example.org", "b@example.org", l.Write, siptest.With(sip.HeaderCallID, "c"))
		if got, err := FromSIP(req); err != nil || got != l {
			t.Errorf("through a MESSAGE it is %+v, %v, want %+v\n%s", got, err, l, req.Text())
		}
	})
}

func TestWhatAPhoneIsTold(t *testing.T) {
	t.Parallel()
	waited := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name, xml string
		want      Letter
		ok        bool
	}{
		{"a text", "<message type='chat' xml:lang='de'><subject>s</subject><body>x</body><thread>t</thread></message>",
			Letter{Text: "x", Subject: "s", Lang: "de", Thread: "t"}, true},
		{"one that has waited", "<message><body>x</body><delay xmlns='urn:xmpp:delay' stamp='2026-01-02T03:04:05Z'/></message>",
			Letter{Text: "x", Sent: waited}, true},
		{"a chat state", "<message type='chat'><composing xmlns='" + nsStates + "'/></message>", Letter{}, false},
		{"an error", "<message type='error'><body>x</body></message>", Letter{}, false},
		{"a body that is none", "<message><body>x</body><content xmlns='" + nsBody + "' type='a/b'>!</content></message>", Letter{Text: "x"}, true},
		{"a type that is none", "<message><body>x</body><content xmlns='" + nsBody + "' type='a&#10;Evil: b'>YQ==</content></message>", Letter{Text: "x"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := FromStanza(stanza(t, c.xml))
			if ok != c.ok || ok && got != c.want {
				t.Errorf("it is %+v, %v", got, ok)
			}
		})
	}
}

func TestAPhoneReadsReceivedCarbons(t *testing.T) {
	t.Parallel()
	in := stanza(t, "<message from='alice@example.org/a' to='bob@example.org' type='chat'><body>x</body></message>")
	own := stanza(t, "<message from='bob@example.org/a' to='bob@example.org' type='chat'><body>x</body></message>")
	out := stanza(t, "<message from='bob@example.org/a' to='alice@example.org' type='chat'><body>x</body></message>")
	for _, c := range []struct {
		name string
		dir  carbons.Direction
		st   *xmpp.Stanza
		want bool
	}{
		{"received", carbons.Received, in, true},
		{"sent to others", carbons.Sent, out, false},
		{"sent to the account itself", carbons.Sent, own, true},
	} {
		st, err := carbons.Copy(c.dir, at("bob@example.org/phone"), c.st)
		if err != nil {
			t.Fatal(err)
		}
		got := received(st)
		if (got != nil) != c.want || got != nil && (got.Body() != "x" || got.From() != c.st.From()) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if received(in) != in {
		t.Error("a message that is no carbon is not itself")
	}
	if received(stanza(t, "<message to='bob@example.org/p'><received xmlns='"+carbons.NS+"'/></message>")) != nil {
		t.Error("an empty carbon holds something")
	}
}

func TestALongTextIsSplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zä💬 \n]{0,300}`).Draw(t, "text")
		parts := split(text, 40)
		if strings.Join(parts, "") != text {
			t.Fatalf("%q becomes %q", text, parts)
		}
		for _, p := range parts {
			if len(p) > 40 || !utf8.ValidString(p) || p == "" && text != "" {
				t.Errorf("a part is %q", p)
			}
		}
	})
}

func TestTheMemoryOfMessagesHasABound(t *testing.T) {
	t.Parallel()
	var m memory
	for i := range 3 * lately {
		m.add(strconv.Itoa(i))
	}
	if len(m.keys) != lately || !m.has(strconv.Itoa(3*lately-1)) || !m.has(strconv.Itoa(2*lately)) || m.has("0") || m.has("") {
		t.Errorf("it holds %d messages", len(m.keys))
	}
}
