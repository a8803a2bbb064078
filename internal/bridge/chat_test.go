package bridge

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"parley/sip"
	"parley/sip/im"
	"parley/sip/pidf"
	"parley/xmpp"
	"parley/xmpp/jid"
)

// message is a MESSAGE with what fill puts into it.
func message(t interface {
	Helper()
	Fatalf(string, ...any)
}, fill func(*sip.Builder),
) *sip.Message {
	t.Helper()
	b := sip.NewRequest(sip.MESSAGE, "sip:bob@example.org").Add(sip.HeaderVia, "SIP/2.0/UDP h;branch=z9hG4bKa").
		Add(sip.HeaderFrom, "<sip:alice@example.org>;tag=1").Add(sip.HeaderTo, "<sip:bob@example.org>").
		Add(sip.HeaderCallID, "thread-1").Add(sip.HeaderCSeq, "1 MESSAGE")
	fill(b)
	m, err := b.Message()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return m
}

func stanza(t interface {
	Helper()
	Fatalf(string, ...any)
}, h xmpp.Header, kind xmpp.Kind, payload string) *xmpp.Stanza {
	t.Helper()
	st, err := xmpp.New(kind, h, payload)
	if err != nil {
		t.Fatalf("%v: %s", err, payload)
	}
	return st
}

func TestMessagesOfSIP(t *testing.T) {
	t.Parallel()
	cpim := "From: <sip:a@x>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 7\r\nimdn.Disposition-Notification: positive-delivery\r\n\r\n"
	for name, x := range map[string]struct {
		kind, body string
		want       Chat
		err        error
	}{
		"text":                 {"text/plain", "Hi\r\nBob <3", Chat{Body: "Hi\nBob <3"}, nil},
		"UTF-8":                {"text/plain;charset=UTF-8", "Grüße", Chat{Body: "Grüße"}, nil},
		"Latin-1":              {"text/plain;charset=ISO-8859-1", "Gr\xfc\xdfe", Chat{Body: "Grüße"}, nil},
		"no UTF-8":             {"text/plain", "Gr\xfc", Chat{}, ErrCharset},
		"an unknown charset":   {"text/plain;charset=x", "a", Chat{}, ErrCharset},
		"HTML":                 {"text/html", "<b>a</b>", Chat{}, ErrType},
		"typing":               {im.Composing, im.IsComposing(true), Chat{State: "composing"}, nil},
		"no longer typing":     {im.Composing, im.IsComposing(false), Chat{State: "paused"}, nil},
		"typing what":          {im.Composing, "<a/>", Chat{}, im.ErrSyntax},
		"a notice":             {im.IMDN, im.Delivered("42", "x"), Chat{Receipt: "42"}, nil},
		"a notice of a fault":  {im.IMDN, strings.Replace(im.Delivered("42", "x"), "<delivered/>", "<failed/>", 1), Chat{}, ErrNothing},
		"CPIM":                 {im.CPIM, cpim + "Content-Type: text/plain\r\n\r\nHi", Chat{Body: "Hi", ID: "7", Asks: true}, nil},
		"a notice in CPIM":     {im.CPIM, "From: <sip:a@x>\r\n\r\nContent-Type: message/imdn+xml\r\n\r\n" + im.Delivered("42", "x"), Chat{Receipt: "42"}, nil},
		"CPIM in CPIM":         {im.CPIM, "A: b\r\n\r\nContent-Type: message/cpim\r\n\r\nA: b\r\n\r\nContent-Type: text/plain\r\n\r\nx", Chat{}, ErrType},
		"CPIM without headers": {im.CPIM, "x", Chat{}, im.ErrSyntax},
	} {
		got, err := FromSIP(message(t, func(b *sip.Builder) { b.Body(x.kind, x.body) }))
		if !errors.Is(err, x.err) {
			t.Errorf("%s: %v", name, err)
		}
		if x.want.Thread = "thread-1"; err == nil && got != x.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestMessagesOfXMPP(t *testing.T) {
	t.Parallel()
	st := stanza(t, xmpp.Header{ID: "m1", Type: "chat", Lang: "de"}, xmpp.Message,
		"<subject>S</subject><body>Hallo</body><thread>t</thread><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>")
	c, err := FromStanza(st)
	want := Chat{ID: "m1", Body: "Hallo", Lang: "de", Subject: "S", Thread: "t", State: "active", Asks: true}
	if err != nil || c != want {
		t.Fatalf("%v: %+v", err, c)
	}
	m := message(t, func(b *sip.Builder) {
		if err := c.ToSIP(b, nil); err != nil {
			t.Error(err)
		}
	})
	if m.Body() != "Hallo" || m.Get(sip.HeaderContentType) != "text/plain;charset=utf-8" || m.Get(sip.HeaderSubject) != "S" ||
		m.Get(sip.HeaderContentLanguage) != "de" {
		t.Errorf("as a MESSAGE:\n%s", m.Text())
	}
	for name, payload := range map[string]string{
		"nothing": "", "a marker": "<displayed xmlns='urn:xmpp:chat-markers:0' id='a'/>", "an odd state": "<x xmlns='http://jabber.org/protocol/chatstates'/>",
	} {
		if c, err := FromStanza(stanza(t, xmpp.Header{}, xmpp.Message, payload)); !errors.Is(err, ErrNothing) {
			t.Errorf("%s: %v, %+v", name, err, c)
		}
	}
	if _, err := FromStanza(stanza(t, xmpp.Header{Type: "error"}, xmpp.Message, "<body>a</body>")); !errors.Is(err, ErrNothing) {
		t.Errorf("an error: %v", err)
	}
	if err := (Chat{State: "gone"}).ToSIP(sip.NewRequest(sip.MESSAGE, "sip:a@x"), nil); !errors.Is(err, ErrNothing) {
		t.Errorf("gone: %v", err)
	}
	if err := (Chat{Receipt: "a"}).ToSIP(sip.NewRequest(sip.MESSAGE, "sip:a@x"), nil); !errors.Is(err, ErrNothing) {
		t.Errorf("a receipt without CPIM: %v", err)
	}
}

// TestMessagesComeBack takes messages through MESSAGE and through a stanza as they are on the wire.
func TestMessagesComeBack(t *testing.T) {
	t.Parallel()
	envelope := &Envelope{From: "sip:a@example.org", To: "sip:b@example.org", DateTime: "2026-01-02T03:04:05Z"}
	rapid.Check(t, func(t *rapid.T) {
		c := Chat{Thread: "thread-1"}
		switch pick(t, "what", "text", "receipt", "state") {
		case "receipt":
			c.Receipt = rapid.StringMatching(`[a-z0-9<&"]{1,8}`).Draw(t, "receipt")
		case "state":
			c.State = pick(t, "state", "composing", "paused")
		default:
			c.Body = rapid.StringMatching(`[a-zäöü<&>" \n\t:]{1,30}`).Draw(t, "body")
			c.Subject = rapid.StringMatching(`([a-zß<]{1,8})?`).Draw(t, "subject")
			c.Lang = pick(t, "lang", "", "de", "en-GB")
			if c.Asks = maybe(t, "asks"); c.Asks {
				c.ID = rapid.StringMatching(`[a-z0-9]{1,8}`).Draw(t, "id")
			}
		}
		m := message(t, func(b *sip.Builder) {
			if err := c.ToSIP(b, envelope); err != nil {
				t.Fatal(err)
			}
		})
		if got, err := FromSIP(m); err != nil || got != c {
			t.Fatalf("%v: %+v, want %+v, by\n%s", err, got, c, m.Text())
		}
		st := stanza(t, xmpp.Header{ID: c.ID, Type: c.Type(), Lang: c.Lang}, xmpp.Message, c.Payload())
		if got, err := FromStanza(st); err != nil || got != c {
			t.Fatalf("%v: %+v, want %+v, by\n%s", err, got, c, st.Text())
		}
	})
}

func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	for status := 300; status < 700; status++ {
		if e := Refusal(status); e.Condition == "" || strings.Contains(e.XML(), "type=''") {
			t.Errorf("%d is %+v", status, e)
		}
	}
	for _, status := range []int{403, 404, 405, 408, 410, 480, 488, 513} {
		if back := Refused(Refusal(status).Condition); back != status {
			t.Errorf("%d comes back as %d", status, back)
		}
	}
	if Cause(xmpp.ItemNotFound).Condition != "gone" {
		t.Error("nobody there is not gone")
	}
}

func TestPresenceOfPhones(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		tuple  pidf.Tuple
		person []string
		want   Available
	}{
		"open":            {pidf.Tuple{ID: "t1", Basic: "open", Priority: "0.5"}, nil, Available{Resource: "t1", Priority: 64}},
		"closed":          {pidf.Tuple{ID: "t1", Basic: "closed", Priority: "1", Show: "away"}, []string{"away"}, Available{Resource: "t1", Gone: true}},
		"on vacation":     {pidf.Tuple{ID: "t1", Basic: "open"}, []string{"vacation"}, Available{Resource: "t1", Show: "xa"}},
		"on the phone":    {pidf.Tuple{ID: "t1", Basic: "open"}, []string{"away", "on-the-phone"}, Available{Resource: "t1", Show: "dnd"}},
		"the tuple's own": {pidf.Tuple{ID: "t1", Basic: "open", Activities: []string{"meal"}}, []string{"busy"}, Available{Resource: "t1", Show: "away"}},
		"its show":        {pidf.Tuple{ID: "ID-a_20b", Basic: "open", Show: "chat"}, []string{"busy"}, Available{Resource: "a b", Show: "chat"}},
		"an odd show":     {pidf.Tuple{ID: "ID-_", Basic: "open", Show: "x"}, nil, Available{Resource: "_"}},
		"a note": {
			pidf.Tuple{ID: "t1", Basic: "open", Notes: []pidf.Note{{Lang: "en", Text: "hi"}}}, nil,
			Available{Resource: "t1", Status: "hi", Lang: "en"},
		},
	} {
		got := FromPIDF(&pidf.Presence{Entity: "sip:a@x", Tuples: []pidf.Tuple{x.tuple}, Activities: x.person})
		if len(got) != 1 || got[0] != x.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestPresenceComesBack takes presence through a document and through a stanza.
func TestPresenceComesBack(t *testing.T) {
	t.Parallel()
	contact := func(resource string) string { return "sip:a@example.org;gr=" + resource }
	rapid.Check(t, func(t *rapid.T) {
		a := Available{Resource: rapid.StringMatching(`[a-zA-Zäß0-9_. -]{1,12}`).Draw(t, "resource"), Gone: maybe(t, "gone")}
		if a.Status = rapid.StringMatching(`([a-zß<&]{1,12})?`).Draw(t, "status"); a.Status != "" {
			a.Lang = pick(t, "lang", "", "de")
		}
		if !a.Gone {
			a.Show = pick(t, "show", "", "away", "chat", "dnd", "xa")
			a.Priority = int8(rapid.IntRange(0, 127).Draw(t, "priority"))
		}
		doc := ToPIDF("sip:a@example.org", []Available{a}, contact).String()
		p, err := pidf.Parse(doc)
		if err != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		if got := FromPIDF(p); !reflect.DeepEqual(got, []Available{a}) {
			t.Fatalf("%+v, want %+v, by\n%s", got, a, doc)
		}
		from := jid.JID{Local: "a", Domain: "example.org", Resource: a.Resource}
		st := stanza(t, xmpp.Header{From: from, Type: a.Type()}, xmpp.Presence, a.Payload())
		if got, ok := OfStanza(st); !ok || got != a {
			t.Fatalf("%+v, want %+v, by\n%s", got, a, st.Text())
		}
	})
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"subscribed", "unsubscribed"} {
		state, reason, _ := strings.Cut(State(kind), ";reason=")
		if got := Watching(state, reason); got != kind {
			t.Errorf("%s comes back as %q", kind, got)
		}
	}
	if Watching("pending", "") != "" || Watching("terminated", "timeout") != "" || State("probe") != "" {
		t.Error("a state that is none is one")
	}
	if _, ok := OfStanza(stanza(t, xmpp.Header{Type: "subscribe"}, xmpp.Presence, "")); ok {
		t.Error("a request is a presence")
	}
}

func FuzzMessage(f *testing.F) {
	f.Add("text/plain;charset=iso-8859-1", "Gr\xfc\xdfe")
	f.Add(im.CPIM, "From: <sip:a@x>\r\n\r\nContent-Type: text/plain\r\n\r\nHi")
	f.Add(im.Composing, im.IsComposing(true))
	f.Fuzz(func(t *testing.T, kind, body string) {
		c, err := Chat{Thread: "t"}.body(kind, body, true)
		if err != nil {
			return
		}
		if _, err := xmpp.New(xmpp.Message, xmpp.Header{ID: c.ID, Type: c.Type(), Lang: c.Lang}, c.Payload()); err != nil {
			t.Fatalf("%v: %+v", err, c)
		}
	})
}
