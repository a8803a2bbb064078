package bridge

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"parley/sip/pidf"
	"parley/xmpp"
)

// Available is one resource of an account, as XMPP shows it (rfc6121#4.7).
type Available struct {
	Resource string
	Gone     bool
	Show     string // away, chat, dnd, xa; "" is none of them
	Status   string
	Lang     string // of Status
	Priority int8
}

// OfStanza reads presence. ok is false for a request to be shown presence, an error, and the like.
func OfStanza(st *xmpp.Stanza) (a Available, ok bool) {
	a.Resource = st.From().Resource
	switch {
	case st.Kind() != xmpp.Presence:
		return a, false
	case st.Type() == "unavailable":
		a.Gone = true
	case st.Type() != "":
		return a, false
	}
	a.Status, a.Lang = spoken(st, "status")
	if a.Gone {
		return a, true
	}
	if e := st.Find(xmpp.NSClient, "show"); e != nil && slices.Contains(shows(), e.Text) {
		a.Show = e.Text
	}
	if e := st.Find(xmpp.NSClient, "priority"); e != nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(e.Text), 10, 8); err == nil {
			a.Priority = int8(n)
		}
	}
	return a, true
}

func shows() []string { return []string{"away", "chat", "dnd", "xa"} }

// Type is that of the presence stanza.
func (a Available) Type() string {
	if a.Gone {
		return "unavailable"
	}
	return ""
}

// Payload is what is in the presence stanza.
func (a Available) Payload() string {
	b := xmpp.NewBuilder(nil)
	if a.Show != "" && !a.Gone {
		b.Element("show", "", a.Show)
	}
	if a.Status != "" {
		b.Open("status", "")
		if isLang(a.Lang) {
			b.Attr("xml:lang", a.Lang)
		}
		b.Text(a.Status).Close()
	}
	if a.Priority != 0 && !a.Gone {
		b.Element("priority", "", strconv.Itoa(int(a.Priority)))
	}
	return b.String()
}

// activities says what the activities of RPID (rfc4480#3.2) come to as XMPP's show. Of several that which disturbs
// least counts.
var activities = []struct {
	activity, show string
}{
	{"appointment", "dnd"},
	{"busy", "dnd"},
	{"meeting", "dnd"},
	{"on-the-phone", "dnd"},
	{"performance", "dnd"},
	{"presentation", "dnd"},
	{"worship", "dnd"},
	{"holiday", "xa"},
	{"permanent-absence", "xa"},
	{"sleeping", "xa"},
	{"vacation", "xa"},
	{"away", "away"},
	{"breakfast", "away"},
	{"dinner", "away"},
	{"in-transit", "away"},
	{"meal", "away"},
	{"shopping", "away"},
	{"steering", "away"},
	{"travel", "away"},
}

// showOf is the show that activities come to, the first of the table that is among them.
func showOf(all []string) string {
	for _, a := range activities {
		if slices.Contains(all, a.activity) {
			return a.show
		}
	}
	return ""
}

// activityOf is the activity that a show comes to (rfc8048#5.2); "" if it comes to none.
func activityOf(show string) string {
	switch show {
	case "away", "xa":
		return "away"
	case "dnd":
		return "busy"
	}
	return ""
}

// ToPIDF is the presence document of resources. contact gives the URI to reach one; "" if there is none.
func ToPIDF(entity string, all []Available, contact func(resource string) string) *pidf.Presence {
	p := &pidf.Presence{Entity: entity}
	for _, a := range all {
		if len(p.Tuples) == pidf.MaxTuples {
			break
		}
		t := pidf.Tuple{ID: tupleID(a.Resource), Basic: "open", Show: a.Show, Contact: contact(a.Resource)}
		if a.Gone {
			t.Basic, t.Show, t.Contact = "closed", "", ""
		}
		if activity := activityOf(t.Show); activity != "" {
			t.Activities = []string{activity}
		}
		if t.Contact != "" {
			t.Priority = priority(a.Priority)
		}
		if a.Status != "" {
			t.Notes = []pidf.Note{{Lang: a.Lang, Text: a.Status}}
		}
		p.Tuples = append(p.Tuples, t)
	}
	return p
}

// FromPIDF is what a presence document says of resources. What it says of the person counts for each that says nothing
// itself.
func FromPIDF(p *pidf.Presence) (all []Available) {
	for _, t := range p.Tuples {
		a := Available{Resource: resource(t.ID), Gone: t.Basic == "closed", Priority: unpriority(t.Priority)}
		notes := append(slices.Clone(t.Notes), p.Notes...)
		if len(notes) > 0 {
			a.Status, a.Lang = notes[0].Text, notes[0].Lang
		}
		switch {
		case a.Gone:
			a.Priority = 0
		case slices.Contains(shows(), t.Show):
			a.Show = t.Show
		default:
			if a.Show = showOf(t.Activities); a.Show == "" {
				a.Show = showOf(p.Activities)
			}
		}
		all = append(all, a)
	}
	return all
}

// priority makes XMPP's 0 to 127 SIP's 0 to 1 (rfc3863#4.1.5). What is negative is 0.
func priority(n int8) string {
	if n <= 0 {
		return "0"
	}
	s := strconv.FormatFloat(float64(n)/math.MaxInt8, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func unpriority(s string) int8 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f > 1 {
		return 0
	}
	return int8(math.Round(f * math.MaxInt8))
}

// tuplePrefix begins the ID of a tuple, which as an ID of XML can't begin with a digit (rfc8048#5.2).
const tuplePrefix = "ID-"

// tupleID is the resource as an ID of XML. What can't stand there is written as its bytes: "a b" is ID-a_20b.
func tupleID(resource string) string {
	var b strings.Builder
	b.WriteString(tuplePrefix)
	for _, c := range []byte(resource) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.':
			b.WriteByte(c)
		default:
			b.WriteByte('_')
			b.WriteString(hex(c))
		}
	}
	return b.String()
}

func hex(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// resource is what tupleID was made of; of an ID of others it is the ID.
func resource(id string) string {
	rest, ours := strings.CutPrefix(id, tuplePrefix)
	if !ours {
		return id
	}
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		if rest[i] == '_' && i+2 < len(rest) {
			if n, err := strconv.ParseUint(rest[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(rest[i])
	}
	return b.String()
}

// Watching is what the state of a SUBSCRIBE's dialog (rfc6665#4.1.3) comes to as the type of a presence stanza; "" if it
// comes to none (rfc8048#4).
func Watching(state, reason string) string {
	switch {
	case state == "active":
		return "subscribed"
	case state == "terminated" && (reason == "rejected" || reason == "noresource"):
		return "unsubscribed"
	}
	return "" // pending, or one that will be asked for again
}

// State is the Subscription-State that the type of a presence stanza comes to; "" if it comes to none.
func State(presenceType string) string {
	switch presenceType {
	case "subscribed":
		return "active"
	case "unsubscribed":
		return "terminated;reason=rejected"
	}
	return ""
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
