package letters

import (
	"testing"

	"parley/sip"
	"parley/sip/im"
	"parley/sip/siptest"
	"parley/xmpp"
)

// FuzzContent has an app say anything to a phone: what comes of it is one MESSAGE, or nothing.
func FuzzContent(f *testing.F) {
	f.Add("x", "text/html", "PGI+")
	f.Add("", "a/b;c=\"\r\nEvil: yes\"", "YQ==")
	f.Fuzz(func(t *testing.T, text, kind, content string) {
		b := xmpp.NewBuilder(nil).Element("subject", "", text).Element("body", "", text)
		b.Open("content", nsBody).Attr("type", kind).Text(content).Close()
		st, err := xmpp.New(xmpp.Message, xmpp.Header{Type: "chat"}, b.String())
		if err != nil {
			return
		}
		l := FromStanza(st)
		if !l.Says() {
			return
		}
		req := sip.NewRequest(sip.MESSAGE, "sip:bob@example.org").
			Set(sip.HeaderVia, "SIP/2.0/UDP 192.0.2.1;branch="+siptest.Branch()).Set(sip.HeaderMaxForwards, "70").
			Set(sip.HeaderFrom, "<sip:alice@example.org>;tag=1").Set(sip.HeaderTo, "<sip:bob@example.org>").
			Set(sip.HeaderCallID, "c").Set(sip.HeaderCSeq, "1 MESSAGE")
		l.Write(req, Envelope{From: "sip:alice@example.org", To: "sip:bob@example.org", CPIM: true})
		m, err := req.Message()
		if err != nil {
			t.Fatalf("%+v makes no MESSAGE: %v", l, err)
		}
		if wrong := m.Validate(); wrong != nil || m.GetName("Evil") != "" {
			t.Errorf("the MESSAGE is\n%s\n%v", m.Text(), wrong)
		}
	})
}

// FuzzMessage has a phone say anything to an app: what comes of it is a stanza, or an answer that says why not.
func FuzzMessage(f *testing.F) {
	f.Add("text/plain;charset=iso-8859-1", "", "Gr\xfc\xdfe", "c")
	f.Add("message/cpim", "", wishes, "c")
	f.Add("message/imdn+xml", "", notice(im.OfDelivery, "delivered", "ds-%41%00"), "c")
	f.Add(im3994, "deflate", zlibbed(composingDoc), "c")
	f.Fuzz(func(t *testing.T, kind, encoding, body, callID string) {
		b := sip.NewRequest(sip.MESSAGE, "sip:bob@example.org").
			Set(sip.HeaderVia, "SIP/2.0/UDP 192.0.2.1;branch="+siptest.Branch()).Set(sip.HeaderMaxForwards, "70").
			Set(sip.HeaderFrom, "<sip:alice@example.org>;tag=1").Set(sip.HeaderTo, "<sip:bob@example.org>").
			Set(sip.HeaderCallID, callID).Set(sip.HeaderCSeq, "1 MESSAGE")
		if encoding != "" {
			b.Set(sip.HeaderContentEncoding, encoding)
		}
		req, err := b.Body(kind, body).Message()
		if err != nil || req.Validate() != nil {
			return
		}
		l, _, err := FromSIP(req)
		if err != nil || l.Empty() {
			return
		}
		st, err := l.Stanza(at("alice@example.org"), at("bob@example.org"))
		if err != nil {
			t.Fatalf("%+v makes no stanza: %v", l, err)
		}
		if back := FromStanza(st); back.Empty() {
			t.Errorf("nothing is left of %+v: %s", l, st.Text())
		}
	})
}
