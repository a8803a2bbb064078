package bridge

import (
	"errors"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"parley/sip"
	"parley/sip/im"
	"parley/xmpp"
	"parley/xmpp/jingle"
)

// The namespaces of what chat messages carry.
const (
	nsStates   = "http://jabber.org/protocol/chatstates"
	nsReceipts = "urn:xmpp:receipts"
)

// Why a message can't be turned into one of the other form.
var (
	ErrType    = errors.New("bridge: the body is of a type that can't be turned into a message")
	ErrCharset = errors.New("bridge: the body is in a character set that is not known")
	ErrNothing = errors.New("bridge: the message holds nothing for the other protocol")
)

// Chat is a message as both protocols have it.
type Chat struct {
	ID                          string // of the message: the stanza's, or imdn.Message-ID
	Body, Lang, Subject, Thread string
	State                       string // of XEP-0085, such as composing; "" if there is none
	Asks                        bool   // wants to hear that it has arrived
	Receipt                     string // the ID of the message that has arrived; "" if this is no receipt
}

// FromSIP reads a MESSAGE (rfc3428#4). What can't be turned into a message gets 415.
func FromSIP(m *sip.Message) (Chat, error) {
	c := Chat{Subject: m.Get(sip.HeaderSubject), Lang: m.Get(sip.HeaderContentLanguage), Thread: m.CallID()}
	if m.Has(sip.HeaderContentEncoding) {
		return c, ErrType
	}
	return c.body(m.Get(sip.HeaderContentType), m.Body(), true)
}

// body reads a body of a type; outer is false for one in CPIM.
func (c Chat) body(contentType, body string, outer bool) (Chat, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return c, ErrType
	}
	switch {
	case kind == im.Text:
		c.Body, err = decoded(body, params["charset"])
	case kind == im.Composing:
		active, err := im.ParseComposing(body)
		if err != nil {
			return c, err
		}
		if c.State = "paused"; active {
			c.State = "composing"
		}
	case kind == im.IMDN:
		n, err := im.ParseNotice(body)
		if err != nil {
			return c, err
		}
		if n.Kind != "delivery" || n.Status != "delivered" {
			return c, ErrNothing // xep0184#4: a receipt tells of delivery alone
		}
		c.Receipt = n.ID
	case kind == im.CPIM && outer:
		w, err := im.ParseCPIM(body)
		if err != nil {
			return c, err
		}
		c.ID, c.Asks = w.ID, w.Asks() && w.ID != ""
		if w.Subject != "" {
			c.Subject = w.Subject
		}
		return c.body(w.Type, w.Body, false)
	default:
		return c, ErrType
	}
	return c, err
}

// decoded is text in UTF-8 with the line ends of XML. SIP's own character set is UTF-8 (rfc3261#7.4.1).
func decoded(body, charset string) (string, error) {
	switch strings.ToLower(charset) {
	case "", "utf-8", "us-ascii":
		if !utf8.ValidString(body) {
			return "", ErrCharset
		}
	case "iso-8859-1", "windows-1252":
		s, err := charmap.Windows1252.NewDecoder().String(body)
		if err != nil {
			return "", ErrCharset
		}
		body = s
	default:
		return "", ErrCharset
	}
	return strings.ReplaceAll(body, "\r\n", "\n"), nil
}

// FromStanza reads a message stanza (rfc7572#4). An error says that it holds nothing for a phone.
func FromStanza(st *xmpp.Stanza) (Chat, error) {
	c := Chat{ID: st.ID()}
	if st.Kind() != xmpp.Message || st.Type() == "error" {
		return c, ErrNothing
	}
	c.Body, c.Lang = spoken(st, "body")
	c.Subject, _ = spoken(st, "subject")
	if e := st.Find(xmpp.NSClient, "thread"); e != nil {
		c.Thread = e.Text
	}
	_, c.Asks = st.Part(nsReceipts, "request")
	c.Asks = c.Asks && c.ID != "" && c.Body != ""
	if e := st.Find(nsReceipts, "received"); e != nil {
		c.Receipt = e.Attr("id")
	}
	for _, p := range st.Parts() {
		if p.Space == nsStates && slices.Contains(states(), p.Local) {
			c.State = p.Local
		}
	}
	if c.Body == "" && c.Subject == "" && c.State == "" && c.Receipt == "" {
		return c, ErrNothing
	}
	return c, nil
}

// states are those of xep0085#5.
func states() []string { return []string{"active", "composing", "paused", "inactive", "gone"} }

// spoken is the text of the first child of that name, and its language.
func spoken(st *xmpp.Stanza, name string) (text, lang string) {
	e := st.Find(xmpp.NSClient, name)
	if e == nil {
		return "", ""
	}
	lang = st.Lang()
	for _, a := range e.Attrs {
		if a.Space != "" && a.Local == "lang" {
			lang = a.Value
		}
	}
	return e.Text, lang
}

// Payload is what is in the message stanza (rfc7572#5). Its language is that of the stanza.
func (c Chat) Payload() string {
	b := xmpp.NewBuilder(nil)
	if c.Subject != "" {
		b.Element("subject", "", c.Subject)
	}
	if c.Body != "" {
		b.Element("body", "", c.Body)
	}
	if c.Thread != "" {
		b.Element("thread", "", c.Thread)
	}
	if c.State != "" {
		b.Open(c.State, nsStates).Close()
	}
	if c.Asks {
		b.Open("request", nsReceipts).Close()
	}
	if c.Receipt != "" {
		b.Open("received", nsReceipts).Attr("id", c.Receipt).Close()
	}
	return b.String()
}

// Type is that of the stanza: a message of SIP is part of a chat (rfc7572#5).
func (c Chat) Type() string { return "chat" }

// Envelope is what CPIM needs of those who write to each other, where the phone takes it.
type Envelope struct {
	From, To string // SIP URIs
	DateTime string // rfc3339
}

// ToSIP puts the message into a MESSAGE. e is nil if the phone does not take CPIM: then nothing asks for a notice, and
// a receipt can't be said. A message that has text says nothing of typing: that it came says enough (rfc3994#3.2).
func (c Chat) ToSIP(b *sip.Builder, e *Envelope) error {
	kind, body, disposition := im.Text+";charset=utf-8", c.Body, ""
	switch {
	case c.Body != "" || c.Subject != "":
	case c.Receipt != "" && e == nil:
		return ErrNothing
	case c.Receipt != "":
		kind, body, disposition = im.IMDN, im.Delivered(c.Receipt, e.DateTime), "notification" // rfc5438#7.2.1
	case c.State == "composing" || c.State == "paused" || c.State == "active":
		kind, body = im.Composing, im.IsComposing(c.State == "composing")
	default:
		return ErrNothing
	}
	if subject := strings.TrimSpace(clean(c.Subject)); subject != "" {
		b.Set(sip.HeaderSubject, subject)
	}
	if isLang(c.Lang) && c.Body != "" {
		b.Set(sip.HeaderContentLanguage, c.Lang)
	}
	if e == nil || !c.Asks && c.Receipt == "" {
		b.Body(kind, body)
		return nil
	}
	w := &im.Wrapped{
		From: "<" + e.From + ">", To: "<" + e.To + ">", DateTime: e.DateTime, ID: c.ID,
		Type: kind, Disposition: disposition, Body: body,
	}
	if c.Asks {
		w.Wants = []string{"positive-delivery"}
	}
	b.Body(im.CPIM, w.String())
	return nil
}

// isLang says that s is a language tag (rfc5646#2.1), as far as its characters tell.
func isLang(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 35
}

// Refusal is the error stanza's condition for a MESSAGE that was answered with that status (rfc7572#6).
func Refusal(status int) *xmpp.StanzaError {
	e := &xmpp.StanzaError{Condition: xmpp.ServiceUnavailable, Text: sip.ReasonPhrase(status)}
	switch status {
	case 400, 414, 415, 416, 488, 493, 606:
		e.Condition = xmpp.NotAcceptable
	case 401, 407:
		e.Condition = xmpp.NotAuthorized
	case 403, 603, 607, 608:
		e.Condition = xmpp.Forbidden
	case 404, 604:
		e.Condition = xmpp.ItemNotFound
	case 405, 501:
		e.Condition = xmpp.FeatureNotImplemented
	case 408, 504:
		e.Condition = xmpp.RemoteServerTimeout
	case 410:
		e.Condition = xmpp.Gone
	case 413, 513:
		e.Condition = xmpp.ResourceConstraint
	case 480, 486, 600:
		e.Condition = xmpp.RecipientUnavailable
	}
	return e
}

// Refused is the status for a MESSAGE that was answered with an error stanza of that condition (rfc7572#5).
func Refused(c xmpp.StanzaCondition) int {
	switch c {
	case xmpp.BadRequest, xmpp.JIDMalformed:
		return 400
	case xmpp.Forbidden, xmpp.NotAllowed, xmpp.RegistrationRequired, xmpp.SubscriptionRequired:
		return 403
	case xmpp.NotAuthorized:
		return 403
	case xmpp.ItemNotFound, xmpp.RemoteServerNotFound:
		return 404
	case xmpp.Gone, xmpp.Redirect:
		return 410
	case xmpp.NotAcceptable:
		return 488
	case xmpp.FeatureNotImplemented:
		return 405
	case xmpp.ResourceConstraint:
		return 513
	case xmpp.RemoteServerTimeout:
		return 408
	case xmpp.InternalServerError, xmpp.UndefinedCondition:
		return 500
	}
	return 480
}

// Cause is the reason of Jingle for a session that could not begin, since its request was answered with that error.
func Cause(c xmpp.StanzaCondition) *jingle.Reason { return Reason(Refused(c), "") }
