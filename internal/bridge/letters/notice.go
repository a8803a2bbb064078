package letters

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"parley/sip"
	"parley/sip/im"
	"parley/xmpp"
)

const (
	nsStates   = "http://jabber.org/protocol/chatstates"
	nsReceipts = "urn:xmpp:receipts"
	nsMarkers  = "urn:xmpp:chat-markers:0"
)

// Stages are what a letter comes through; a set of them.
type Stages uint8

// The stages, and which notice tells of them (rfc5438#5).
const (
	Delivered Stages = 1 << iota // a device has it
	Displayed                    // somebody has seen it
	Processed                    // the server has taken it
	Stored                       // the server keeps it for later
)

// Has says whether the set has a stage.
func (s Stages) Has(one Stages) bool { return s&one != 0 }

// asked is what the sender of a message in CPIM wants to hear.
func asked(w *im.Wrapped) (s Stages) {
	for want, stage := range map[string]Stages{im.PositiveDelivery: Delivered, im.Display: Displayed, im.Processing: Processed} {
		if w.Asks(want) {
			s |= stage
		}
	}
	return s
}

// asking is how CPIM asks for it.
func (s Stages) asking() (wants []string) {
	if s.Has(Delivered) {
		wants = append(wants, im.PositiveDelivery)
	}
	if s.Has(Displayed) {
		wants = append(wants, im.Display)
	}
	return wants
}

// wanted is what the sender of a stanza wants to hear (xep0184#5.1, xep0333#3.1).
func wanted(st *xmpp.Stanza) (s Stages) {
	if st.ID() == "" {
		return 0
	}
	if _, ok := st.Part(nsReceipts, "request"); ok {
		s |= Delivered
	}
	if _, ok := st.Part(nsMarkers, "markable"); ok {
		s |= Displayed
	}
	return s
}

// Notice tells that another letter has come to a stage; the zero Notice tells nothing.
type Notice struct {
	Stage Stages
	ID    string // of that letter
}

// notice reads an IMDN document. What its phone was not asked for, and what has failed, is nothing to tell.
func (l *Letter) notice(body string) error {
	n, err := im.ParseNotice(body)
	if err != nil {
		return errSyntax
	}
	wants, id, ok := readTicket(n.ID)
	stage := Stages(0)
	switch {
	case n.Kind == im.OfDelivery && n.Status == "delivered":
		stage = Delivered
	case n.Kind == im.OfDisplay && n.Status == "displayed":
		stage = Displayed
	}
	if ok && wants.Has(stage) {
		l.Notice = Notice{stage, id}
	}
	return nil
}

// noticeOf reads a receipt or a marker.
func noticeOf(st *xmpp.Stanza) Notice {
	for _, x := range []struct {
		space, name string
		stage       Stages
	}{{nsMarkers, "displayed", Displayed}, {nsReceipts, "received", Delivered}, {nsMarkers, "received", Delivered}} {
		if e := st.Find(x.space, x.name); e != nil && e.Attr("id") != "" {
			return Notice{x.stage, e.Attr("id")}
		}
	}
	return Notice{}
}

// write makes a receipt or a marker of it.
func (n Notice) write(b *xmpp.Builder) {
	switch n.Stage {
	case Delivered:
		b.Open("received", nsReceipts).Attr("id", n.ID).Close()
	case Displayed:
		b.Open("displayed", nsMarkers).Attr("id", n.ID).Close()
	case Processed, Stored: // for which XMPP has no word
	}
}

// form is how a phone has to be told of a letter of its own: by the Message-ID that it gave it, in CPIM, or by its Call-ID.
func (n Notice) form() (id string, needs Speech) {
	if callID, ok := callOf(n.ID); ok {
		return callID, speaksIMDN
	}
	if isToken(n.ID) {
		return n.ID, speaksIMDN | speaksCPIM
	}
	return "", 0
}

// document is the notice as IMDN has it (rfc5438#7.2.1).
func (n Notice) document(id string, e Envelope) string {
	d := im.Notice{ID: id, DateTime: e.wrap("", "").DateTime, Recipient: e.From, Kind: im.OfDelivery, Status: "delivered"}
	switch n.Stage {
	case Delivered:
	case Displayed:
		d.Kind, d.Status = im.OfDisplay, "displayed"
	case Processed:
		d.Kind, d.Status = im.OfProcessing, "processed"
	case Stored:
		d.Kind, d.Status = im.OfProcessing, "stored"
	}
	return d.String()
}

// word writes what is no message, but a word about one, or about whoever writes. It is not worth keeping.
func (l Letter) word(b *sip.Builder, e Envelope) {
	b.Set(sip.HeaderPriority, "non-urgent")
	id, needs := l.Notice.form()
	switch {
	case l.Notice.Stage == 0:
		b.Set(sip.HeaderExpires, "0").Body(im.Composing, im.IsComposing(l.State == composing))
	case needs&speaksCPIM == 0: // as those do who write without CPIM
		b.Set(sip.HeaderContentDisposition, "notification").Body(im.IMDN, l.Notice.document(id, e))
	default:
		w := e.wrap(im.IMDN, l.Notice.document(id, e))
		w.ID, w.Disposition = e.ID, "notification"
		b.Body(im.CPIM, w.String())
	}
}

const composing = "composing"

// typing reads whether somebody types (rfc3994#3, xep0085#5).
func (l *Letter) typing(body string) error {
	t, err := im.ParseComposing(body)
	if err != nil {
		return errSyntax
	}
	if l.State = "paused"; t.Active {
		l.State, l.Refresh = composing, t.Refresh
	}
	return nil
}

// stateOf is the chat state in a stanza.
func stateOf(st *xmpp.Stanza) string {
	for _, p := range st.Parts() {
		if p.Space == nsStates && slices.Contains([]string{"active", composing, "paused", "inactive", "gone"}, p.Local) {
			return p.Local
		}
	}
	return ""
}

// maxID is how long an ID may be that another one is made of. All of a MESSAGE is to fit into a datagram.
const maxID = 100

// idOf is by what others speak of a MESSAGE that says nothing of that: its Call-ID, which is what phones call it then,
// and its place in the call. One that is too odd has a name that nobody can be told by.
func idOf(req *sip.Message) string {
	seq, _ := req.CSeq()
	id := req.CallID() + ";" + strconv.FormatUint(uint64(seq), 10)
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == ';' }
	if len(id) <= maxID && req.CallID() != "" && !strings.ContainsFunc(req.CallID(), odd) {
		return id
	}
	sum := sha256.Sum256([]byte(req.CallID() + "\x00" + id))
	return ";" + hex.EncodeToString(sum[:12])
}

// callOf is the Call-ID of an ID that idOf has made.
func callOf(id string) (callID string, ok bool) {
	callID, seq, ok := strings.Cut(id, ";")
	if _, err := strconv.ParseUint(seq, 10, 32); err != nil || callID == "" {
		return "", false
	}
	return callID, ok
}

// ticket is what a phone is to name in notices of the letter: its ID and what its sender wants, in the characters of a
// Message-ID (rfc5438#6.3). So nothing needs to be remembered. It is empty if nobody wants to hear anything.
func (l Letter) ticket() string {
	if !l.Wants.Has(Delivered|Displayed) || l.ID == "" {
		return ""
	}
	var b strings.Builder
	if l.Wants.Has(Delivered) {
		b.WriteByte('d')
	}
	if l.Wants.Has(Displayed) {
		b.WriteByte('s')
	}
	b.WriteByte('-')
	for _, c := range []byte(l.ID) {
		if c != '.' && c != '%' && isToken(string(rune(c))) {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
		}
	}
	if b.Len() > maxID+3 {
		return ""
	}
	return b.String()
}

// callIDTail ends a Call-ID of ours that begins with a ticket.
var callIDTail = regexp.MustCompile(`(\.[A-Z2-7]{26}){2}$`)

// readTicket reads a ticket, or a Call-ID that begins with one.
func readTicket(text string) (wants Stages, id string, ok bool) {
	if at := callIDTail.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	flags, rest, found := strings.Cut(text, "-")
	switch flags {
	case "d":
		wants = Delivered
	case "s":
		wants = Displayed
	case "ds":
		wants = Delivered | Displayed
	}
	id = unescape(rest)
	control := func(r rune) bool { return r < ' ' || r == utf8.RuneError }
	return wants, id, found && wants != 0 && id != "" && !strings.ContainsFunc(id, control)
}

// isToken says that a text is a token of SIP (rfc3261#25.1).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("-.!%*_+`'~", rune(c)) {
			return false
		}
	}
	return s != ""
}
