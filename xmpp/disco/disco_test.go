package disco

import (
	"slices"
	"testing"

	"parley/xmpp"
)

// exodus and psi are the examples of xep0115#5.2 and xep0115#5.3.
func exodus() Info {
	return Info{
		Identities: []Identity{{Category: "client", Type: "pc", Name: "Exodus 0.9.1"}},
		Features: []string{
			"http://jabber.org/protocol/muc", "http://jabber.org/protocol/disco#items",
			"http://jabber.org/protocol/caps", "http://jabber.org/protocol/disco#info",
		},
	}
}

func psi() Info {
	return Info{
		Identities: []Identity{
			{Category: "client", Type: "pc", Lang: "en", Name: "Psi 0.11"},
			{Category: "client", Type: "pc", Lang: "el", Name: "Ψ 0.11"},
		},
		Features: exodus().Features,
		Forms: []Form{{Type: "urn:xmpp:dataforms:softwareinfo", Fields: []Field{
			{Var: "software", Values: []string{"Psi"}},
			{Var: "ip_version", Type: "text-multi", Values: []string{"ipv6", "ipv4"}},
			{Var: "os", Values: []string{"Mac"}},
			{Var: "software_version", Values: []string{"0.11"}},
			{Var: "os_version", Values: []string{"10.5.1"}},
		}}},
	}
}

func TestVerificationStrings(t *testing.T) {
	t.Parallel()
	for want, info := range map[string]Info{"QgayPKawpkPSDYmwT/WM94uAlu0=": exodus(), "q07IKJEyjvHSyhy//CH0CxmKi8w=": psi()} {
		if got := info.Ver(); got != want {
			t.Errorf("%v: ver is %s, want %s", info.Identities, got, want)
		}
		twice := info
		twice.Features = append(slices.Clone(info.Features), info.Features...)
		twice.Identities = append(slices.Clone(info.Identities), info.Identities...)
		if got := twice.Ver(); got != want { // xep0115#5.4: whoever gets it would not believe it
			t.Errorf("%v, all of it twice: ver is %s, want %s", info.Identities, got, want)
		}
	}
	want := "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://code.google.com/p/exodus' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>"
	if got := exodus().Caps("http://code.google.com/p/exodus"); got != want {
		t.Errorf("caps are %s, want %s", got, want)
	}
}

func TestInfoAsItIsSent(t *testing.T) {
	t.Parallel()
	want := "<query xmlns='http://jabber.org/protocol/disco#info' node='a&amp;b'>" +
		"<identity category='client' type='pc' xml:lang='el' name='Ψ 0.11'/><identity category='client' type='pc' xml:lang='en' name='Psi 0.11'/>" +
		"<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>" +
		"<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>" +
		"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>" +
		"<field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field><field var='os'><value>Mac</value></field>" +
		"<field var='os_version'><value>10.5.1</value></field><field var='software'><value>Psi</value></field>" +
		"<field var='software_version'><value>0.11</value></field></x></query>"
	got := psi().XML("a&b")
	if got != want {
		t.Errorf("info is\n%s\nwant\n%s", got, want)
	}
	if _, err := xmpp.ParseElement(got); err != nil {
		t.Errorf("info can't be read: %v", err)
	}
	if psi().Identities[0].Lang != "en" || psi().Forms[0].Fields[0].Var != "software" {
		t.Error("sending changes the info")
	}
}

func TestItemsAsTheyAreSent(t *testing.T) {
	t.Parallel()
	want := "<query xmlns='http://jabber.org/protocol/disco#items' node='n'><item jid='a@x.example' name='A &lt;'/><item jid='b@x.example'/></query>"
	if got := ItemsXML("n", []Item{{"a@x.example", "A <"}, {JID: "b@x.example"}}); got != want {
		t.Errorf("items are %s", got)
	}
	if got := ItemsXML("", nil); got != "<query xmlns='http://jabber.org/protocol/disco#items'/>" {
		t.Errorf("no items are %s", got)
	}
}
