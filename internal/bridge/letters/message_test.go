package letters

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"parley/sip"
	"parley/sip/im"
	"parley/sip/siptest"
	"parley/xmpp"
	"parley/xmpp/carbons"
	"parley/xmpp/hints"
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

// cpim wraps a body.
func cpim(header, contentType, body string) string {
	return "From: <sip:mallory@example.org>\r\nNS: i <urn:ietf:params:imdn>\r\n" + header + "\r\nContent-Type: " + contentType + "\r\n\r\n" + body
}

func notice(kind im.Kind, status, id string) string {
	return (&im.Notice{ID: id, DateTime: "2026-01-02T03:04:05Z", Kind: kind, Status: status}).String()
}

func zlibbed(text string) string {
	var b strings.Builder
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func gzipped(text string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func TestABodyOfAMessage(t *testing.T) {
	t.Parallel()
	encoded := func(name string) siptest.Edit { return siptest.With(sip.HeaderContentEncoding, name) }
	asks := "i.Message-ID: m1\r\ni.Disposition-Notification: Positive-Delivery, display\r\nSubject: s\r\n"
	for _, c := range []struct {
		name, contentType, body string
		edit                    siptest.Edit
		want                    Letter
		shown                   Speech
		err                     error
	}{
		{name: "text", contentType: "text/plain", body: "Lunch?\r\nAt one.", want: Letter{Text: "Lunch?\nAt one."}},
		{name: "UTF-8", contentType: "text/plain;charset=UTF-8", body: "Grüße", want: Letter{Text: "Grüße"}},
		{name: "Latin 1", contentType: "Text/Plain; charset=\"ISO-8859-1\"", body: "Gr\xfc\xdfe", want: Letter{Text: "Grüße"}},
		{name: "not what it says", contentType: "text/plain", body: "Gr\xfc\xdfe", err: errCharset},
		{name: "another charset", contentType: "text/plain;charset=koi8-r", body: "x", err: errCharset},
		{name: "another type", contentType: "text/html", body: "<b>x</b>", want: Letter{Type: "text/html", Body: "<b>x</b>"}},
		{name: "no type at all", contentType: "nonsense/", body: "x", err: errType},
		{name: "compressed", contentType: "text/plain", body: zlibbed("x"), edit: encoded("deflate"), want: Letter{Text: "x"}},
		{name: "compressed otherwise", contentType: "text/plain", body: gzipped("x"), edit: encoded("GZIP"), want: Letter{Text: "x"}},
		{name: "compressed nothing", contentType: "text/plain", body: zlibbed(""), edit: encoded("deflate"), err: errEmpty},
		{name: "not compressed", contentType: "text/plain", body: "x", edit: encoded("deflate"), err: errSyntax},
		{name: "cut off", contentType: "text/plain", body: zlibbed("xyz")[:6], edit: encoded("deflate"), err: errSyntax},
		{name: "too long once it is read", contentType: "text/plain", body: zlibbed(strings.Repeat("x", maxBody+1)), edit: encoded("deflate"), err: errLong},
		{name: "encoded otherwise", contentType: "text/plain", body: "x", edit: encoded("br"), err: errEncoding},
		{name: "too long", contentType: "text/plain", body: strings.Repeat("x", maxBody+1), err: errLong},
		{name: "in German", contentType: "text/plain", body: "x", edit: siptest.With(sip.HeaderContentLanguage, "de, en"), want: Letter{Text: "x", Lang: "de"}},
		{name: "with a subject", contentType: "text/plain", body: "x", edit: siptest.With(sip.HeaderSubject, "y"), want: Letter{Text: "x", Subject: "y"}},

		{name: "wrapped", contentType: im.CPIM, body: cpim("", "text/plain", "x"), want: Letter{Text: "x"}, shown: speaksCPIM},
		{name: "wrapped, with wishes", contentType: im.CPIM, body: cpim(asks, "text/plain", "x"),
			want: Letter{ID: "m1", Text: "x", Subject: "s", Wants: Delivered | Displayed}, shown: speaksCPIM | speaksIMDN},
		{name: "wrapped, with an odd ID", contentType: im.CPIM, body: cpim("i.Message-ID: a b\r\ni.Disposition-Notification: display\r\n", "text/plain", "x"),
			want: Letter{Text: "x"}, shown: speaksCPIM | speaksIMDN},
		{name: "wrapped and of another type", contentType: im.CPIM, body: cpim("", "text/html", "x"), want: Letter{Type: "text/html", Body: "x"}, shown: speaksCPIM},
		{name: "wrapped twice", contentType: im.CPIM, body: cpim("", im.CPIM, "x"), want: Letter{Type: im.CPIM, Body: "x"}, shown: speaksCPIM},
		{name: "wrapped nothing", contentType: im.CPIM, body: cpim("", "text/plain", ""), err: errEmpty},
		{name: "not wrapped", contentType: im.CPIM, body: "x", err: errSyntax},

		{name: "typing", contentType: im.Composing, body: im.IsComposing(true), want: Letter{State: "composing", Refresh: im.Refresh}, shown: speaksTyping},
		{name: "no longer typing", contentType: im.Composing, body: im.IsComposing(false), want: Letter{State: "paused"}, shown: speaksTyping},
		{name: "typing, wrapped", contentType: im.CPIM, body: cpim("", im.Composing, im.IsComposing(false)), want: Letter{State: "paused"}, shown: speaksTyping | speaksCPIM},
		{name: "typing nonsense", contentType: im.Composing, body: "<", err: errSyntax},

		{name: "it has arrived", contentType: im.IMDN, body: notice(im.OfDelivery, "delivered", "ds-a%20b"), want: Letter{Notice: Notice{Delivered, "a b"}}, shown: speaksIMDN},
		{name: "it was seen, wrapped", contentType: im.CPIM, body: cpim("i.Message-ID: n\r\n", im.IMDN, notice(im.OfDisplay, "displayed", "s-x")),
			want: Letter{Notice: Notice{Displayed, "x"}}, shown: speaksIMDN | speaksCPIM},
		{name: "by its Call-ID", contentType: im.IMDN, body: notice(im.OfDelivery, "delivered", "d-x."+strings.Repeat("A", 26)+"."+strings.Repeat("7", 26)),
			want: Letter{Notice: Notice{Delivered, "x"}}, shown: speaksIMDN},
		{name: "nobody wants to know", contentType: im.IMDN, body: notice(im.OfDisplay, "displayed", "d-x"), shown: speaksIMDN},
		{name: "of a message that is not known", contentType: im.IMDN, body: notice(im.OfDelivery, "delivered", "x"), shown: speaksIMDN},
		{name: "it has failed", contentType: im.IMDN, body: notice(im.OfDelivery, "failed", "d-x"), shown: speaksIMDN},
		{name: "it was processed", contentType: im.IMDN, body: notice(im.OfProcessing, "processed", "d-x"), shown: speaksIMDN},
		{name: "a notice of nonsense", contentType: im.IMDN, body: "<imdn/>", err: errSyntax},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			edits := []siptest.Edit{siptest.With(sip.HeaderCallID, "c")}
			if c.edit != nil {
				edits = append(edits, c.edit)
			}
			got, shown, err := FromSIP(said(c.contentType, c.body, edits...))
			if !errors.Is(err, c.err) {
				t.Fatalf("it is taken with %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			if c.want.Says() {
				c.want.Thread = "c"
			}
			if c.want.ID == "" {
				c.want.ID = got.ID
				if callID, ok := callOf(got.ID); !ok || callID != "c" {
					t.Errorf("its ID is %q", got.ID)
				}
			}
			if got != c.want || shown != c.shown {
				t.Errorf("it is %+v, want %+v; shown is %b, want %b", got, c.want, shown, c.shown)
			}
		})
	}
	if _, _, err := FromSIP(siptest.Request(sip.MESSAGE, "alice@example.org", "bob@example.org")); !errors.Is(err, errEmpty) {
		t.Errorf("a MESSAGE without a body is taken with %v", err)
	}
}

func TestAnIDThatIsOddNamesNothing(t *testing.T) {
	t.Parallel()
	for _, callID := range []string{"a;b", "ä", strings.Repeat("x", maxID)} {
		id := idOf(said("text/plain", "x", siptest.With(sip.HeaderCallID, callID)))
		if _, named := callOf(id); named || isToken(id) {
			t.Errorf("%s has the ID %s", callID, id)
		}
		if n := (Notice{Delivered, id}); n.ID == "" {
			t.Error("it has none")
		} else if said, needs := n.form(); said != "" || needs != 0 {
			t.Errorf("a phone would be told of %s", said)
		}
	}
}

func TestWhatStandsForABodyThatAppsDoNotShow(t *testing.T) {
	t.Parallel()
	l, _, err := FromSIP(said("text/html", "<b>x</b>"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := l.Stanza(at("a@example.org"), at("b@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(st.Body(), "text/html") || strings.Contains(st.Text(), "<no-store") {
		t.Errorf("the stanza is %s", st.Text())
	}
	if back := FromStanza(st); back.Body != "<b>x</b>" || back.Type != "text/html" {
		t.Errorf("a phone gets %+v", back)
	}
}

func TestTypingIsNotKept(t *testing.T) {
	t.Parallel()
	for _, l := range []Letter{{State: "composing"}, {State: "paused"}} {
		st, err := l.Stanza(at("a@example.org/r"), at("b@example.org"))
		if err != nil {
			t.Fatal(err)
		}
		if hints.Waits(st) {
			t.Errorf("it waits: %s", st.Text())
		}
	}
}

// drawn is any letter that an app may write.
func drawn(t *rapid.T) Letter {
	l := Letter{ID: rapid.StringMatching(`[ -~äλ💬]{1,12}`).Draw(t, "id"), Thread: "c"}
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		l.Text = rapid.StringMatching(`[ -~äλ💬\n]{1,200}`).Draw(t, "text")
	case 1:
		l.Type = rapid.SampledFrom([]string{"text/html", "application/x; a=\"b c\""}).Draw(t, "type")
		l.Body = string(rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "body"))
	case 2:
		l.State, l.Thread = rapid.SampledFrom([]string{"composing", "paused"}).Draw(t, "state"), ""
	default:
		l.Thread = ""
		l.Notice = Notice{rapid.SampledFrom([]Stages{Delivered, Displayed}).Draw(t, "stage"), rapid.StringMatching(`[a-z<&"' ;.%-]{1,12}`).Draw(t, "of")}
	}
	if l.Says() {
		l.Subject = strings.TrimSpace(rapid.StringMatching(`[a-zä:<& ]{0,20}`).Draw(t, "subject"))
		l.Wants = rapid.SampledFrom([]Stages{0, Delivered, Displayed, Delivered | Displayed}).Draw(t, "wants")
		l.Lang = rapid.SampledFrom([]string{"", "de", "en-GB"}).Draw(t, "language")
	}
	return l
}

// written is the MESSAGE that a phone gets.
func written(l Letter, e Envelope) *sip.Message {
	return siptest.Request(sip.MESSAGE, "a@example.org", "b@example.org", func(b *sip.Builder) { l.Write(b, e) }, siptest.With(sip.HeaderCallID, "c"))
}

// What both protocols can say comes back as it was: through a stanza, and through a MESSAGE.
func TestALetterComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := drawn(t)
		st, err := l.Stanza(at("a@example.org/r"), at("b@example.org"))
		if err != nil {
			t.Fatal(err)
		}
		if got := FromStanza(st); got != l {
			t.Errorf("through a stanza it is %+v, want %+v\n%s", got, l, st.Text())
		}
		if l.Notice.Stage != 0 {
			return // a phone names letters otherwise: see below
		}
		req := written(l, Envelope{From: "sip:a@example.org", To: "sip:b@example.org", CPIM: rapid.Bool().Draw(t, "CPIM")})
		got, _, err := FromSIP(req)
		// Of its ID the phone learns what to say in return, if its sender wants to hear of that, and of typing no more than whether.
		want := l
		want.Refresh, want.ID = got.Refresh, got.ID
		if wants, id, ok := readTicket(got.ID); ok && (id != l.ID || wants != l.Wants) {
			t.Errorf("its ticket %s says %d and %q", got.ID, wants, id)
		}
		if _, plain := callOf(got.ID); plain {
			want.Wants = 0
		}
		if err != nil || got != want {
			t.Errorf("through a MESSAGE it is %+v, %v, want %+v\n%s", got, err, want, req.Text())
		}
	})
}

// A phone tells what became of a message of an app's by the name that it was given; the app hears its own name of it, or
// nothing if it did not ask.
func TestAPhonesNoticeFindsItsMessage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := Letter{
			ID: rapid.StringMatching(`[ -~äλ💬]{1,12}`).Draw(t, "id"), Text: "x",
			Wants: rapid.SampledFrom([]Stages{Delivered, Displayed, Delivered | Displayed}).Draw(t, "wants"),
		}
		req := written(l, Envelope{From: "sip:a@example.org", To: "sip:b@example.org", CPIM: true})
		w, err := im.ParseCPIM(req.Body())
		if err != nil || !isToken(w.ID) || w.Asks(im.PositiveDelivery) != l.Wants.Has(Delivered) || w.Asks(im.Display) != l.Wants.Has(Displayed) {
			t.Fatalf("the phone reads %v, %v", w, err)
		}
		name := w.ID
		if rapid.Bool().Draw(t, "by its Call-ID") {
			name += "." + strings.Repeat("A", 26) + "." + strings.Repeat("B", 26)
		}
		for stage, body := range map[Stages]string{
			Delivered: notice(im.OfDelivery, "delivered", name), Displayed: notice(im.OfDisplay, "displayed", name),
		} {
			got, _, err := FromSIP(said(im.IMDN, body))
			want := Notice{}
			if l.Wants.Has(stage) {
				want = Notice{stage, l.ID}
			}
			if err != nil || got.Notice != want {
				t.Errorf("it tells %+v, %v, want %+v", got.Notice, err, want)
			}
		}
	})
}

// An app tells what became of a message of a phone's by the name that the phone gave it, in the form in which the phone speaks.
func TestAnAppsNoticeFindsItsMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		edits  []siptest.Edit
		needs  Speech
		called string
	}{
		{"by its Call-ID", nil, speaksIMDN, "c@192.0.2.1"},
		{"by its Message-ID", []siptest.Edit{siptest.WithBody(im.CPIM, cpim("i.Message-ID: M.1~\r\n", "text/plain", "x"))}, speaksIMDN | speaksCPIM, "M.1~"},
	} {
		l, _, err := FromSIP(said("text/plain", "x", append(c.edits, siptest.With(sip.HeaderCallID, "c@192.0.2.1"))...))
		if err != nil {
			t.Fatal(err)
		}
		for _, stage := range []Stages{Delivered, Displayed, Processed, Stored} {
			n := Notice{stage, l.ID}
			id, needs := n.form()
			if id != c.called || needs != c.needs {
				t.Errorf("%s: it is called %q, and takes %b", c.name, id, needs)
			}
			req := written(Letter{Notice: n}, Envelope{From: "sip:a@example.org", To: "sip:b@example.org", ID: "n1"})
			body := req.Body()
			if needs&speaksCPIM != 0 {
				w, err := im.ParseCPIM(body)
				if err != nil || w.Type != im.IMDN || w.Disposition != "notification" || w.ID != "n1" || len(w.Wants) > 0 {
					t.Fatalf("%s: %+v, %v", c.name, w, err)
				}
				body = w.Body
			}
			got, err := im.ParseNotice(body)
			want := map[Stages]string{Delivered: "delivered", Displayed: "displayed", Processed: "processed", Stored: "stored"}[stage]
			if err != nil || got.ID != c.called || got.Status != want || got.Recipient != "sip:a@example.org" {
				t.Errorf("%s: it is told %+v, %v", c.name, got, err)
			}
		}
	}
}

func TestWhatAPhoneIsTold(t *testing.T) {
	t.Parallel()
	waited := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name, xml string
		want      Letter
	}{
		{"a text", "<message type='chat' xml:lang='de'><subject>s</subject><body>x</body><thread>t</thread></message>",
			Letter{Text: "x", Subject: "s", Lang: "de", Thread: "t"}},
		{"one that has waited", "<message><body>x</body><delay xmlns='urn:xmpp:delay' stamp='2026-01-02T03:04:05Z'/></message>",
			Letter{Text: "x", Sent: waited}},
		{"typing", "<message type='chat'><composing xmlns='" + nsStates + "'/></message>", Letter{State: "composing"}},
		{"a text that ends typing", "<message id='1'><body>x</body><active xmlns='" + nsStates + "'/></message>", Letter{ID: "1", Text: "x", State: "active"}},
		{"an odd state", "<message type='chat'><dreaming xmlns='" + nsStates + "'/></message>", Letter{}},
		{"a receipt", "<message><received xmlns='" + nsReceipts + "' id='7'/></message>", Letter{Notice: Notice{Delivered, "7"}}},
		{"a receipt of nothing", "<message><received xmlns='" + nsReceipts + "'/></message>", Letter{}},
		{"a marker", "<message><displayed xmlns='" + nsMarkers + "' id='7'/></message>", Letter{Notice: Notice{Displayed, "7"}}},
		{"both", "<message><received xmlns='" + nsReceipts + "' id='7'/><displayed xmlns='" + nsMarkers + "' id='7'/></message>", Letter{Notice: Notice{Displayed, "7"}}},
		{"wishes", "<message id='1'><body>x</body><request xmlns='" + nsReceipts + "'/><markable xmlns='" + nsMarkers + "'/></message>", Letter{ID: "1", Text: "x", Wants: Delivered | Displayed}},
		{"wishes for what has no name", "<message><body>x</body><request xmlns='" + nsReceipts + "'/></message>", Letter{Text: "x"}},
		{"an error", "<message type='error'><body>x</body></message>", Letter{}},
		{"a body that is none", "<message><body>x</body><content xmlns='" + nsBody + "' type='a/b'>!</content></message>", Letter{Text: "x"}},
		{"a type that is none", "<message><body>x</body><content xmlns='" + nsBody + "' type='a&#10;Evil: b'>YQ==</content></message>", Letter{Text: "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := FromStanza(stanza(t, c.xml)); got != c.want {
				t.Errorf("it is %+v", got)
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
	if !m.once("new") || m.once("new") {
		t.Error("once is not once")
	}
	if m.drop("new"); !m.once("new") {
		t.Error("what is dropped is not new")
	}
}
