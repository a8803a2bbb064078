package contact

import (
	"fmt"
	"slices"
	"testing"

	"parley/xmpp"
	"parley/xmpp/disco"
	"parley/xmpp/jid"
)

// talk gives what the service answers to a stanza, as text.
func talk(t *testing.T, text string) (out []string) {
	t.Helper()
	st, err := xmpp.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	n := 0
	reply, ok := Contact{Name: "echo", ID: func() string { n++; return fmt.Sprint("e", n) }}.Entity(st.To().Bare())
	if !ok {
		t.Fatalf("%s is not the service", st.To())
	}
	for _, a := range reply(st) {
		out = append(out, a.Text())
	}
	return out
}

func TestWhatIsWrittenToTheEchoComesBack(t *testing.T) {
	t.Parallel()
	const from, to = "from='alice@a.example/x' to='echo@b.example'", "from='echo@b.example/echo' to='alice@a.example/x'"
	caps := Contact{}.info().Caps(capsNode)
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"<message " + from + " id='1' type='chat' xml:lang='de'><body>a &lt; b</body><thread parent='p'>t</thread><x xmlns='y'/></message>",
			[]string{"<message " + to + " id='e1' type='chat' xml:lang='de'><body>a &lt; b</body><thread parent='p'>t</thread></message>"}},
		{"<message from='alice@a.example/x' to='echo@b.example/echo'><body xml:lang='el'>α</body><body>a</body></message>",
			[]string{"<message " + to + " id='e1'><body xml:lang='el'>α</body><body>a</body></message>"}},
		{"<message " + from + " id='&apos;1' type='chat'><body>a</body><request xmlns='urn:xmpp:receipts'/></message>",
			[]string{"<message " + to + " id='e1' type='chat'><received xmlns='urn:xmpp:receipts' id='&apos;1'/></message>",
				"<message " + to + " id='e2' type='chat'><body>a</body></message>"}},
		{"<message " + from + " type='chat'><body>a</body><request xmlns='urn:xmpp:receipts'/></message>",
			[]string{"<message " + to + " id='e1' type='chat'><body>a</body></message>"}},
		// What is never answered.
		{"<message " + from + " type='error'><body>a</body></message>", nil},
		{"<message " + from + " type='groupchat'><body>a</body></message>", nil},
		{"<message " + from + " type='headline'><body>a</body></message>", nil},
		{"<message " + from + " type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>", nil},
		{"<message " + from + " id='1' type='chat'><received xmlns='urn:xmpp:receipts' id='e1'/></message>", nil},
		{"<message " + from + " type='chat'><body>a</body><delay xmlns='urn:xmpp:delay' stamp='2026-01-02T03:04:05Z'/></message>", nil},
		{"<message from='echo@c.example/echo' to='echo@b.example' type='chat'><body>a</body></message>", nil},
		{"<message from='echo@b.example' to='echo@b.example' type='chat'><body>a</body></message>", nil},
		{"<iq " + from + " id='1' type='result'/>", nil},
		{"<iq " + from + " id='1' type='error'/>", nil},
		// Presence.
		{"<presence from='alice@a.example' to='echo@b.example' id='1' type='subscribe'/>",
			[]string{"<presence from='echo@b.example' to='alice@a.example' type='subscribed'/>",
				"<presence from='echo@b.example/echo' to='alice@a.example'>" + caps + "</presence>"}},
		{"<presence from='alice@a.example' to='echo@b.example' type='unsubscribe'/>",
			[]string{"<presence from='echo@b.example/echo' to='alice@a.example' type='unavailable'/>"}},
		{"<presence " + from + " type='probe'/>", []string{"<presence " + to + ">" + caps + "</presence>"}},
		{"<presence " + from + "/>", nil},
		{"<presence " + from + " type='unavailable'/>", nil},
		{"<presence " + from + " type='subscribed'/>", nil},
		{"<presence " + from + " type='error'/>", nil},
		// What apps ask of it.
		{"<iq from='alice@a.example/x' to='echo@b.example/echo' id='1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
			[]string{"<iq " + to + " id='1' type='result'/>"}},
		{"<iq " + from + " id='1' type='get'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
			[]string{"<iq from='echo@b.example' to='alice@a.example/x' id='1' type='result'>" + Contact{}.info().XML("") + "</iq>"}},
		{"<iq " + from + " id='1' type='get'><query xmlns='http://jabber.org/protocol/disco#info' node='" + capsNode + "#" + Contact{}.info().Ver() + "'/></iq>",
			[]string{"<iq from='echo@b.example' to='alice@a.example/x' id='1' type='result'>" + Contact{}.info().XML(capsNode+"#"+Contact{}.info().Ver()) + "</iq>"}},
		{"<iq " + from + " id='1' type='get'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
			[]string{"<iq from='echo@b.example' to='alice@a.example/x' id='1' type='result'>" + disco.ItemsXML("", nil) + "</iq>"}},
		{"<iq " + from + " id='1' type='get'><vCard xmlns='vcard-temp'/></iq>",
			[]string{"<iq from='echo@b.example' to='alice@a.example/x' id='1' type='result'><vCard xmlns='vcard-temp'><FN>Echo</FN></vCard></iq>"}},
	} {
		if got := talk(t, c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s\nis answered with %q\nwant %q", c.in, got, c.want)
		}
	}
}

func TestWhatTheEchoCanNotBeAsked(t *testing.T) {
	t.Parallel()
	for in, condition := range map[string]string{
		"<iq from='a@a.example/x' to='echo@b.example' id='1' type='get'><query xmlns='jabber:iq:version'/></iq>":                              "service-unavailable",
		"<iq from='a@a.example/x' to='echo@b.example' id='1' type='set'><vCard xmlns='vcard-temp'/></iq>":                                     "service-unavailable",
		"<iq from='a@a.example/x' to='echo@b.example' id='1' type='get'><query xmlns='http://jabber.org/protocol/disco#info' node='n'/></iq>": "service-unavailable",
		"<iq from='a@a.example/x' to='echo@b.example' id='1' type='get'/>":                                                                    "bad-request",
	} {
		got := talk(t, in)
		st, err := xmpp.Parse(got[0])
		if len(got) != 1 || err != nil || st.Type() != "error" || st.ID() != "1" || st.Find(xmpp.NSClient, "error").Child(xmpp.NSStanzas, condition) == nil {
			t.Errorf("%s\nis answered with %q, want %s", in, got, condition)
		}
	}
}

func TestWhereTheEchoIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		echo Contact
		bare string
		want bool
	}{
		{Contact{Name: "echo"}, "echo@b.example", true}, {Contact{Name: "echo"}, "bob@b.example", false},
		{Contact{Name: "echo"}, "b.example", false}, {Contact{}, "b.example", false}, {Contact{}, "echo@b.example", false},
	} {
		j, err := jid.Parse(c.bare)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.echo.Entity(j); ok != c.want {
			t.Errorf("%q at %s: %v", c.echo.Name, c.bare, ok)
		}
	}
	reply, _ := Contact{Name: "echo"}.Entity(jid.JID{Local: "echo", Domain: "b.example"})
	st, err := xmpp.Parse("<message from='a@a.example/x' to='echo@b.example'><body>a</body></message>")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := reply(st)[0].ID(), reply(st)[0].ID(); a == "" || a == b {
		t.Errorf("two messages have the ids %q and %q", a, b)
	}
}
