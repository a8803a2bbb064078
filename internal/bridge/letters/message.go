package letters

import (
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"parley/sip"
	"parley/sip/im"
	"parley/xmpp"
	"parley/xmpp/carbons"
	"parley/xmpp/delay"
	"parley/xmpp/forward"
	"parley/xmpp/hints"
	"parley/xmpp/jid"
)

// Letter is what a MESSAGE and a message stanza have in common: a text or another body, or a word about another letter, or
// about the one who writes.
type Letter struct {
	ID      string // by which others speak of it; "" if it has none
	Text    string // plain text, its lines ended by LF
	Type    string // of a body that is not plain text, as its Content-Type says; "" if there is none
	Body    string // that body
	Subject string
	Lang    string
	Thread  string        // Call-ID on the way from SIP (rfc7572#5)
	Sent    time.Time     // when it came, if it has waited
	Wants   Stages        // of which its sender wants to hear
	State   string        // of XEP-0085, such as composing; "" if there is none
	Refresh time.Duration // how long composing holds if nothing more is heard; 0 if it is not said
	Notice  Notice
}

// Says says that there is something to read in it.
func (l Letter) Says() bool { return l.Text != "" || l.Type != "" }

// Empty says that there is nothing in it at all.
func (l Letter) Empty() bool { return !l.Says() && l.State == "" && l.Notice.Stage == 0 }

// Why a MESSAGE can't be kept.
var (
	errEmpty    = errors.New("letters: a message without a body")
	errLong     = errors.New("letters: the body is too long")
	errType     = errors.New("letters: the body's type can't be read")
	errCharset  = errors.New("letters: the text is not in a known charset")
	errEncoding = errors.New("letters: the body is encoded")
	errSyntax   = errors.New("letters: the body is not what its type says")
)

const (
	// maxBody is how long a body may be. What holds it in a stanza is a third longer.
	maxBody = 64 << 10
	// maxField is how long a header field may be that goes into a stanza.
	maxField = 1 << 10

	nsBody = "urn:parley:sip:body:0"
	nsSID  = "urn:xmpp:sid:0"
)

// FromSIP reads a MESSAGE, and says what its sender shows that it speaks.
func FromSIP(req *sip.Message) (l Letter, shown Speech, err error) {
	body, err := bodyOf(req)
	if err != nil {
		return l, 0, err
	}
	l.ID = idOf(req)
	value := req.Get(sip.HeaderContentType)
	if value == "" {
		value = im.Text // what phones mean that say nothing
	}
	l.Subject, l.Lang = short(req.Get(sip.HeaderSubject)), language(req.Get(sip.HeaderContentLanguage))
	if kind, _, _ := mime.ParseMediaType(value); kind == im.CPIM {
		shown, err = l.unwrap(body)
	} else {
		shown, err = l.open(value, body)
	}
	if l.Says() {
		l.Thread = short(req.CallID())
	}
	return l, shown, err
}

// bodyOf is the body, without its encoding (rfc3261#20.12).
func bodyOf(req *sip.Message) (string, error) {
	body := req.Body()
	switch {
	case body == "":
		return "", errEmpty // rfc3428#4: what a message says is its body
	case len(body) > maxBody:
		return "", errLong
	}
	var r io.Reader
	var err error
	switch encoding := req.Get(sip.HeaderContentEncoding); strings.ToLower(encoding) {
	case "", "identity":
		return body, nil
	case "deflate": // rfc9110#8.4.1.2
		r, err = zlib.NewReader(strings.NewReader(body))
	case "gzip":
		r, err = gzip.NewReader(strings.NewReader(body))
	default:
		return "", errEncoding
	}
	if err != nil {
		return "", errSyntax
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	switch {
	case err != nil:
		return "", errSyntax
	case len(plain) > maxBody:
		return "", errLong
	case len(plain) == 0:
		return "", errEmpty
	}
	return string(plain), nil
}

// unwrap reads a message in CPIM. Whom it names as its sender is not read: SIP knows better.
func (l *Letter) unwrap(body string) (shown Speech, err error) {
	w, err := im.ParseCPIM(body)
	if err != nil {
		return 0, errSyntax
	}
	if w.Subject != "" {
		l.Subject = short(w.Subject)
	}
	if w.Type == "" {
		w.Type = im.Text
	}
	if shown, err = l.open(w.Type, w.Body); err != nil {
		return 0, err
	}
	shown |= speaksCPIM
	if l.Says() && isToken(w.ID) && len(w.ID) <= maxID {
		l.ID = w.ID
		l.Wants = asked(w)
	}
	if len(w.Wants) > 0 {
		shown |= speaksIMDN
	}
	return shown, nil
}

// open reads a body of a type.
func (l *Letter) open(value, body string) (shown Speech, err error) {
	kind, params, err := mime.ParseMediaType(value)
	if err != nil || len(value) > maxField || strings.ContainsAny(value, "\r\n\x00") {
		return 0, errType
	}
	switch kind {
	case im.Text:
		if body == "" {
			return 0, errEmpty
		}
		text, err := decode(params["charset"], body)
		l.Text = strings.ReplaceAll(text, "\r\n", "\n")
		return 0, err
	case im.Composing:
		return speaksTyping, l.typing(body)
	case im.IMDN:
		return speaksIMDN, l.notice(body)
	}
	l.Type, l.Body = value, body
	return 0, nil
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

// Stanza makes the message that apps get. Its ID is the same for a MESSAGE that is sent again.
func (l Letter) Stanza(from, to jid.JID) (*xmpp.Stanza, error) {
	b := xmpp.NewBuilder(nil)
	if l.Subject != "" && l.Says() {
		b.Element("subject", "", l.Subject)
	}
	if l.Thread != "" {
		b.Element("thread", "", l.Thread)
	}
	l.write(b)
	if l.ID != "" {
		b.Open("origin-id", nsSID).Attr("id", l.ID).Close()
	}
	h := xmpp.Header{From: from, To: to, ID: l.ID, Type: "chat", Lang: l.Lang}
	return xmpp.New(xmpp.Message, h, b.String())
}

// write adds the text, or what stands for another body, and that body beside it; or a word about something else.
func (l Letter) write(b *xmpp.Builder) {
	switch {
	case l.Text != "":
		b.Element("body", "", l.Text)
	case l.Type != "":
		kind, _, _ := mime.ParseMediaType(l.Type)
		b.Element("body", "", "[This message is of the type "+kind+", which can't be shown here.]")
		b.Open("content", nsBody).Attr("type", l.Type).Text(base64.StdEncoding.EncodeToString([]byte(l.Body))).Close()
	}
	if l.State != "" {
		b.Open(l.State, nsStates).Close()
	}
	if !l.Says() {
		l.Notice.write(b)
		if l.Notice.Stage == 0 {
			b.Open(hints.NoStore, hints.NS).Close()
		}
		return
	}
	if l.Wants.Has(Delivered) {
		b.Open("request", nsReceipts).Close()
	}
	if l.Wants.Has(Displayed) {
		b.Open("markable", nsMarkers).Close()
	}
}

// FromStanza reads what a phone can be told of a message; it may be nothing.
func FromStanza(st *xmpp.Stanza) Letter {
	if st.Type() == "error" || st.Type() == "groupchat" {
		return Letter{}
	}
	l := Letter{ID: st.ID(), Lang: st.Lang()}
	l.Type, l.Body = kept(st)
	if l.Type == "" {
		l.Text = st.Body()
	}
	if d := st.Find(delay.NS, "delay"); d != nil {
		l.Sent, _ = delay.Parse(d.Attr("stamp"))
	}
	l.State = stateOf(st)
	if !l.Says() {
		l.Notice = noticeOf(st)
		return l
	}
	l.Wants = wanted(st)
	if subject := st.Find(xmpp.NSClient, "subject"); subject != nil {
		l.Subject = subject.Text
	}
	if thread := st.Find(xmpp.NSClient, "thread"); thread != nil {
		l.Thread = thread.Text
	}
	return l
}

// kept is a body that a phone has sent to another one, as it was.
func kept(st *xmpp.Stanza) (contentType, body string) {
	e := st.Find(nsBody, "content")
	if e == nil {
		return "", ""
	}
	contentType = e.Attr("type")
	b, err := base64.StdEncoding.DecodeString(e.Text)
	_, _, bad := mime.ParseMediaType(contentType)
	if err != nil || bad != nil || len(b) == 0 || strings.ContainsAny(contentType, "\r\n\x00") {
		return "", ""
	}
	return contentType, string(b)
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

// Envelope is what CPIM needs of those who write to each other.
type Envelope struct {
	From, To string // SIP URIs
	Now      time.Time
	ID       string // of a notice; each has its own
	CPIM     bool   // the phone reads it
}

// Write puts the letter into a MESSAGE. A line break in a field would begin another field.
func (l Letter) Write(b *sip.Builder, e Envelope) {
	set := func(h sip.Header, value string) {
		if value != "" && len(value) <= maxField && !strings.ContainsAny(value, "\r\n\x00") {
			b.Set(h, value)
		}
	}
	if !l.Says() {
		l.word(b, e)
		return
	}
	set(sip.HeaderSubject, l.Subject)
	set(sip.HeaderContentLanguage, language(l.Lang))
	if !l.Sent.IsZero() {
		b.Set(sip.HeaderDate, l.Sent.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")) // rfc3261#20.17
	}
	contentType, body := l.Type, l.Body
	if l.Type == "" {
		text := strings.ReplaceAll(l.Text, "\r\n", "\n")
		contentType, body = im.Text+";charset=UTF-8", strings.ReplaceAll(text, "\n", "\r\n")
	}
	if ticket := l.ticket(); e.CPIM && ticket != "" {
		w := e.wrap(contentType, body)
		w.ID, w.Wants = ticket, l.Wants.asking()
		contentType, body = im.CPIM, w.String()
	}
	b.Body(contentType, body)
}

func (e Envelope) wrap(contentType, body string) im.Wrapped {
	return im.Wrapped{From: "<" + e.From + ">", To: "<" + e.To + ">", DateTime: e.Now.UTC().Format(time.RFC3339), Type: contentType, Body: body}
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
