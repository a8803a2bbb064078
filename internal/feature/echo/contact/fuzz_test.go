package contact

import (
	"testing"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// FuzzReply has the contact answer anything that a stanza can be: with stanzas to the one it came from, none of which it
// would answer itself.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"<message from='a@a.example/x' to='echo@b.example' id='1' type='chat' xml:lang='de'><body>a &lt; b</body><thread parent='p'>t</thread></message>",
		"<message from='a@a.example/x' to='echo@b.example' id='1'><body xml:lang=''><![CDATA[<]]>&#13;</body><request xmlns='urn:xmpp:receipts'/></message>",
		"<p:message xmlns:p='jabber:client' from='a@a.example' to='echo@b.example'><p:body><x/>a</p:body></p:message>",
		"<presence from='a@a.example' to='echo@b.example' type='subscribe'/>",
		"<presence from='a@a.example/x' to='echo@b.example' type='probe'/>",
		"<iq from='a@a.example/x' to='echo@b.example/echo' id='1' type='get'><query xmlns='http://jabber.org/protocol/disco#info' node='n'/></iq>",
		"<iq from='a@a.example/x' to='echo@b.example' id='&apos;' type='set'><vCard xmlns='vcard-temp'/></iq>",
		"<iq from='a.example' to='echo@b.example' id='1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
	} {
		f.Add(s)
	}
	echo := Contact{Name: "echo", ID: func() string { return "e" }}
	f.Fuzz(func(t *testing.T, text string) {
		st, err := xmpp.Parse(text)
		if err != nil || st.From().IsZero() || st.To().Bare() != (jid.JID{Local: "echo", Domain: "b.example"}) {
			return // it comes to nobody, or to somebody else
		}
		for _, a := range echo.reply(st) {
			if again, err := xmpp.Parse(a.Text()); err != nil || again.To().Bare() != st.From().Bare() {
				t.Fatalf("%s is answered with %s, %v", text, a.Text(), err)
			}
			to, from := st.To().Bare(), a.From()
			if back := echo.reply(a.Edit(xmpp.Edit{To: &to, From: &from})); len(back) > 0 {
				t.Fatalf("%s is answered with %s, and that with %s", text, a.Text(), back[0].Text())
			}
		}
	})
}
