package vcard

import (
	"reflect"
	"testing"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// FuzzCard has what is kept of a card say what the request said, wherever it stands.
func FuzzCard(f *testing.F) {
	for _, s := range []string{
		"<iq id='1' type='set'><vCard xmlns='vcard-temp'><FN>A</FN>\n<DESC><![CDATA[<&>]]>&#13;</DESC></vCard></iq>",
		"<iq xmlns:v='vcard-temp' type='set'><v:vCard><v:FN>A</v:FN></v:vCard></iq>",
		"<iq xmlns:x='y' xmlns:u='v' type='set'><vCard xmlns='vcard-temp'><FN x:a='1' u:a='2' xml:lang='en'/></vCard></iq>",
		"<iq xmlns:x='y' type='set'><vCard xmlns='vcard-temp'><FN xmlns=''><x:z/></FN></vCard></iq>",
	} {
		f.Add(s)
	}
	cards := New(Config{})
	f.Fuzz(func(t *testing.T, text string) {
		st, err := xmpp.Parse(text)
		if err != nil {
			return
		}
		kept, err := cards.read(st)
		if err != nil {
			return
		}
		p, _ := st.Payload()
		result, err := xmpp.New(xmpp.IQ, xmpp.Header{To: jid.JID{Domain: "example.org"}, Type: "result"}, kept)
		if err != nil {
			t.Fatalf("of %s is kept %s: %v", text, kept, err)
		}
		again, ok := result.Payload()
		if !ok || !reflect.DeepEqual(result.Element(again), st.Element(p)) {
			t.Fatalf("of %s is kept %s", text, kept)
		}
	})
}
