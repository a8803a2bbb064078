package letters

import (
	"encoding/base64"
	"errors"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"parley/sip"
	"parley/xmpp"
	"parley/xmpp/carbons"
	"parley/xmpp/delay"
	"parley/xmpp/forward"
	"parley/xmpp/jid"
)

// Letter is what a MESSAGE and a message stanza have in common.
type Letter struct {
	Text    string // plain text, its lines ended by LF
	Type    string // of a body that is not plain text, as its Content-Type says; "" if there is none
	Body    string // that body
	Subject string
	Lang    string
	Thread  string    // Call-ID on the way from SIP (rfc7572#5)
	Sent    time.Time // when it came, if it has waited
}

// Why a MESSAGE can't be kept.
var (
	errEmpty    = errors.New("letters: a message without a body")
	errLong     = errors.New("letters: the body is too long")
	errType     = errors.New("letters: the body's type can't be read")
	errCharset  = errors.New("letters: the text is not in a known charset")
	errEncoding = errors.New("letters: the body is encoded")
)

const (
	// maxBody is how long a body may be. What holds it in a stanza is a third longer.
	maxBody = 64 << 10
	// maxField is how long a header field may be that goes into a stanza.
	maxField = 1 << 10

	typing   = "application/im-iscomposing+xml"
	nsBody   = "urn:parley:sip:body:0"
	nsStates = "http://jabber.org/protocol/chatstates"
	nsHints  = "urn:xmpp:hints"
	nsSID    = "urn:xmpp:sid:0"
)

// FromSIP reads a MESSAGE.
func FromSIP(req *sip.Message) (l Letter, err error) {
	body := req.Body()
	switch encoding := req.Get(sip.HeaderContentEncoding); {
	case body == "":
		return l, errEmpty // rfc3428#4: what a message says is its body
	case len(body) > maxBody:
		return l, errLong
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return l, errEncoding
	}
	l.Thread, l.Subject, l.Lang = short(req.CallID()), short(req.Get(sip.HeaderSubject)), language(req.Get(sip.HeaderContentLanguage))
	value := req.Get(sip.HeaderContentType)
	if value == "" {
		value = "text/plain" // what phones mean that say nothing
	}
	kind, params, err := mime.ParseMediaType(value)
	if err != nil || len(value) > maxField {
		return l, errType
	}
	if kind != "text/plain" {
		l.Type, l.Body = value, body
		return l, nil
	}
	text, err := decode(params["charset"], body)
	l.Text = strings.ReplaceAll(text, "\r\n", "\n")
	return l, err
}

func short(s string) string {
	if len(s) > maxField {
		return ""
	}
	return strings.ToValidUTF8(s, "")
}

// language takes the first of a list of tags, if it looks like one.
func language(s string) string {
	s, _, _ = strings.Cut(s, ",")
	s = strings.TrimSpace(s)
	other := func(r rune) bool { return r != '-' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z') }
	if len(s) > 35 || strings.ContainsFunc(s, other) {
		return ""
	}
	return s
}

// decode makes UTF-8 of a text. XMPP has nothing else, and neither do most phones.
func decode(charset, body string) (string, error) {
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		if !utf8.ValidString(body) {
			return "", errCharset
		}
		return body, nil
	case "iso-8859-1", "latin1":
		var b strings.Builder
		for _, c := range []byte(body) {
			b.WriteRune(rune(c))
		}
		return b.String(), nil
	}
	return "", errCharset
}

// Stanza makes the message that apps get. id is the same for a MESSAGE that is sent again.
func (l Letter) Stanza(from, to jid.JID, id string) (*xmpp.Stanza, error) {
	b := xmpp.NewBuilder(nil)
	if l.Subject != "" {
		b.Element("subject", "", l.Subject)
	}
	if l.Thread != "" {
		b.Element("thread", "", l.Thread)
	}
	l.write(b)
	b.Open("origin-id", nsSID).Attr("id", id).Close()
	h := xmpp.Header{From: from, To: to, ID: id, Type: "chat", Lang: l.Lang}
	return xmpp.New(xmpp.Message, h, b.String())
}

// write adds the text, or what stands for another body, and that body beside it.
func (l Letter) write(b *xmpp.Builder) {
	if l.Type == "" {
		b.Element("body", "", l.Text)
		return
	}
	switch kind, _, _ := mime.ParseMediaType(l.Type); kind {
	case typing:
		b.Open(l.state(), nsStates).Close()
		b.Open("no-store", nsHints).Close()
	case "message/imdn+xml": // a receipt is not read
	default:
		b.Element("body", "", "[This message is of the type "+kind+", which can't be shown here.]")
	}
	b.Open("content", nsBody).Attr("type", l.Type).Text(base64.StdEncoding.EncodeToString([]byte(l.Body))).Close()
}

// state is the chat state of an RFC 3994 document (xep0085#2).
func (l Letter) state() string {
	doc := l.Body
	if strings.HasPrefix(doc, "<?xml") {
		_, doc, _ = strings.Cut(doc, "?>")
	}
	e, err := xmpp.ParseElement(strings.TrimSpace(doc))
	if err == nil && strings.TrimSpace(e.ChildText("", "state")) == "active" {
		return "composing"
	}
	return "paused"
}

// FromStanza reads what a phone can be told of a message; ok is false if that is nothing.
func FromStanza(st *xmpp.Stanza) (l Letter, ok bool) {
	if st.Type() == "error" || st.Type() == "groupchat" {
		return l, false
	}
	l = Letter{Lang: st.Lang()}
	if kept := st.Find(nsBody, "content"); kept != nil {
		kind := kept.Attr("type")
		body, err := base64.StdEncoding.DecodeString(kept.Text)
		_, _, bad := mime.ParseMediaType(kind)
		if err == nil && bad == nil && len(body) > 0 && !strings.ContainsAny(kind, "\r\n\x00") {
			l.Type, l.Body = kind, string(body)
		}
	}
	if l.Type == "" {
		l.Text = st.Body()
	}
	if subject := st.Find(xmpp.NSClient, "subject"); subject != nil {
		l.Subject = subject.Text
	}
	if thread := st.Find(xmpp.NSClient, "thread"); thread != nil {
		l.Thread = thread.Text
	}
	if d := st.Find(delay.NS, "delay"); d != nil {
		l.Sent, _ = delay.Parse(d.Attr("stamp"))
	}
	return l, l.Text != "" || l.Type != ""
}

// received is the message that a session's account has received: the stanza itself, or what a carbon holds. It is nil
// for any other.
func received(st *xmpp.Stanza) *xmpp.Stanza {
	if _, carbon := st.Part(carbons.NS, ""); !carbon {
		return st
	}
	for _, direction := range []carbons.Direction{carbons.Received, carbons.Sent} {
		copied := st.Find(carbons.NS, string(direction))
		if copied == nil {
			continue
		}
		inner := within(copied)
		if inner == nil || direction == carbons.Sent && inner.To().Bare() != st.To().Bare() {
			return nil
		}
		return inner
	}
	return nil
}

// within is the stanza that a carbon holds.
func within(copied *xmpp.Element) *xmpp.Stanza {
	inner := copied.Child(forward.NS, "forwarded").Child(xmpp.NSClient, "message")
	if inner == nil {
		return nil
	}
	b := xmpp.NewBuilder(nil)
	inner.Append(b)
	st, err := xmpp.Parse(b.String())
	if err != nil {
		return nil
	}
	return st
}

// Write puts the letter into a MESSAGE. A line break in a field would begin another field.
func (l Letter) Write(b *sip.Builder) {
	set := func(h sip.Header, value string) {
		if value != "" && len(value) <= maxField && !strings.ContainsAny(value, "\r\n\x00") {
			b.Set(h, value)
		}
	}
	set(sip.HeaderSubject, l.Subject)
	set(sip.HeaderContentLanguage, language(l.Lang))
	if !l.Sent.IsZero() {
		b.Set(sip.HeaderDate, l.Sent.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")) // rfc3261#20.17
	}
	if l.Type != "" {
		b.Body(l.Type, l.Body)
		return
	}
	text := strings.ReplaceAll(l.Text, "\r\n", "\n")
	b.Body("text/plain;charset=UTF-8", strings.ReplaceAll(text, "\n", "\r\n"))
}

// split cuts a text into pieces of at most size bytes: at the end of a line or a word if there is one in the latter half, never
// within a character.
func split(text string, size int) (parts []string) {
	for len(text) > size {
		cut := size
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		if at := strings.LastIndexAny(text[:cut], " \n"); at >= size/2 {
			cut = at + 1
		}
		parts = append(parts, text[:cut])
		text = text[cut:]
	}
	return append(parts, text)
}
