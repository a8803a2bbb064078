package siptest

import (
	"crypto/rand"
	"fmt"
	"strings"

	"parley/sip"
)

// Edit changes a message before it is made.
type Edit func(*sip.Builder)

// With sets a header field, Without drops it; WithName is for those without a constant.
func With(h sip.Header, value string) Edit { return func(b *sip.Builder) { b.Set(h, value) } }

// WithName sets a header field by its name.
func WithName(name, value string) Edit { return func(b *sip.Builder) { b.SetName(name, value) } }

// Without drops all header fields of a kind.
func Without(h sip.Header) Edit { return func(b *sip.Builder) { b.Remove(h) } }

// WithBody sets the body and its type.
func WithBody(contentType, body string) Edit {
	return func(b *sip.Builder) { b.Body(contentType, body) }
}

// WithSDP sets a session description as the body.
func WithSDP(sdp string) Edit { return WithBody("application/sdp", sdp) }

// WithTarget sets the Request-URI.
func WithTarget(uri string) Edit { return func(b *sip.Builder) { b.SetTarget(uri) } }

// Parse reads a message that is written as Go text: the margin of the first line is taken
// away from all, lines end with CRLF, and Content-Length is added if there is none.
func Parse(text string) *sip.Message { return must(sip.Parse(Wire(text))) }

// Wire makes what goes on the wire of a message that is written as Go text (see Parse).
// Text that has CRs is left as it is.
func Wire(text string) string {
	if strings.Contains(text, "\r") {
		return text
	}
	text = strings.TrimLeft(text, "\n")
	margin := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(strings.TrimPrefix(line, margin), " \t")
	}
	head, body, _ := strings.Cut(strings.Join(lines, "\r\n"), "\r\n\r\n")
	head = strings.TrimRight(head, "\r\n")
	if !strings.Contains(strings.ToLower(head), "\ncontent-length:") {
		head += fmt.Sprintf("\r\nContent-Length: %d", len(body))
	}
	return head + "\r\n\r\n" + body
}

// Request is a new request out of a dialog: from and to are "alice@example.com", a URI, or a
// whole From or To value. Via is a UDP socket of 192.0.2.77:5062.
func Request(method sip.Method, from, to string, edits ...Edit) *sip.Message {
	b := sip.NewRequest(method, URI(to)).
		Set(sip.HeaderVia, "SIP/2.0/UDP 192.0.2.77:5062;branch="+Branch()+";rport").
		Set(sip.HeaderMaxForwards, "70").
		Set(sip.HeaderFrom, tagged(nameAddr(from))).
		Set(sip.HeaderTo, nameAddr(to)).
		Set(sip.HeaderCallID, random(20)).
		Set(sip.HeaderCSeq, "1 "+string(method))
	if method == sip.INVITE || method == sip.REGISTER || method == sip.SUBSCRIBE {
		b.Set(sip.HeaderContact, "<sip:"+user(from)+"@192.0.2.77:5062>")
	}
	return build(b, edits)
}

// Invite is an INVITE with an offer.
func Invite(from, to string, edits ...Edit) *sip.Message {
	return Request(sip.INVITE, from, to, append([]Edit{WithSDP(Offer)}, edits...)...)
}

// Response answers req; all but 100 have a To tag.
func Response(req *sip.Message, status int, edits ...Edit) *sip.Message {
	b := req.Response(status, "")
	if status > 100 {
		b.ToTag(random(10))
	}
	return build(b, edits)
}

// Ack is the ACK for a final response: with a branch of its own for a 2xx, with the INVITE's
// for all others (rfc3261#13.2.2.4, rfc3261#17.1.1.3).
func Ack(invite, resp *sip.Message, edits ...Edit) *sip.Message {
	if resp.Status()/100 == 2 {
		return NewDialog(invite, resp).Make(sip.ACK, edits...)
	}
	return build(same(invite, sip.ACK).Set(sip.HeaderTo, resp.Get(sip.HeaderTo)), edits)
}

// Cancel is the CANCEL for an INVITE (rfc3261#9.1).
func Cancel(invite *sip.Message, edits ...Edit) *sip.Message {
	return build(same(invite, sip.CANCEL), edits)
}

// same starts a request of the same transaction.
func same(req *sip.Message, method sip.Method) *sip.Builder {
	seq, _ := req.CSeq()
	return sip.NewRequest(method, req.Target()).
		Set(sip.HeaderVia, firstVia(req)).
		Copy(req, sip.HeaderRoute).
		Set(sip.HeaderMaxForwards, "70").
		Copy(req, sip.HeaderFrom).
		Copy(req, sip.HeaderTo).
		Copy(req, sip.HeaderCallID).
		Set(sip.HeaderCSeq, fmt.Sprintf("%d %s", seq, method))
}

// Offer and Answer are session descriptions of one G.711 stream.
const (
	Offer = "v=0\r\no=alice 1 1 IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\n" +
		"m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
	Answer = "v=0\r\no=bob 1 1 IN IP4 192.0.2.88\r\ns=-\r\nc=IN IP4 192.0.2.88\r\nt=0 0\r\n" +
		"m=audio 50000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)

// Branch is a fresh branch, Tag a fresh tag.
func Branch() string { return "z9hG4bK" + random(16) }

// Tag is a fresh From or To tag.
func Tag() string { return random(10) }

// URI is what "alice@example.com" means as a URI; one that has a scheme stays as it is.
func URI(s string) string {
	if i := strings.IndexByte(s, '<'); i >= 0 {
		s, _, _ = strings.Cut(s[i+1:], ">")
		return s
	}
	for _, scheme := range []string{"sip:", "sips:", "tel:", "urn:"} {
		if strings.HasPrefix(s, scheme) {
			return s
		}
	}
	return "sip:" + s
}

func nameAddr(s string) string {
	if strings.Contains(s, "<") {
		return s
	}
	return "<" + URI(s) + ">"
}

func tagged(s string) string {
	if strings.Contains(s, ";tag=") {
		return s
	}
	return s + ";tag=" + random(10)
}

func user(s string) string {
	_, s, _ = strings.Cut(URI(s), ":")
	s, _, _ = strings.Cut(s, "@")
	return s
}

func firstVia(m *sip.Message) string {
	for v := range m.Values(sip.HeaderVia) {
		return v
	}
	return ""
}

func build(b *sip.Builder, edits []Edit) *sip.Message {
	for _, edit := range edits {
		edit(b)
	}
	return must(b.Message())
}

// must is for messages that a test writes itself: it can't go on without them.
func must(m *sip.Message, err error) *sip.Message {
	if err != nil {
		panic("siptest: " + err.Error())
	}
	return m
}

func random(n int) string { return strings.ToLower(rand.Text()[:n]) }
