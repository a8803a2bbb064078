package xmpp

import (
	"reflect"
	"testing"

	"parley/xmpp/jid"
)

func TestTheQuickWayMakesTheSameStanza(t *testing.T) {
	t.Parallel()
	from := jid.JID{Local: "alice", Domain: "example.org", Resource: "a'phone"}
	for _, c := range []struct {
		text  string
		quick bool
	}{
		{chat, true},
		{`<iq id='1' type='get'/>`, true},
		{`<presence/>`, true},
		{`<message to='bob@example.org' f:q='1' zz="a'b"><f:x/><body>hi</body></message>`, true},
		{`<message xml:lang='de' to="bob@example.org/a b" id="x"> <body/> </message>`, true},
		{`<message to='Bob@Example.org'/>`, false},
		{`<message to='bob@example.org/a&apos;b'/>`, false},
		{`<message to='b&#252;rger@example.org'/>`, false},
		{`<message to='bob@'/>`, false},
		{`<message to=''/>`, false},
		{`<message to='bob@example.org' id='&lt;'/>`, false},
		{`<message to='bob@example.org' type='très'/>`, false},
		{"<message to='bob@example.org' id='a\tb'/>", false},
	} {
		var s Scanner
		s.Feed([]byte(`<stream:stream xmlns='jabber:client' xmlns:stream='` + NSStream + `' xmlns:f='urn:f&amp;'>` + c.text))
		if _, _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		event, raw, err := s.Next()
		if event != Whole || err != nil {
			t.Fatalf("%s: %v, %v", c.text, event, err)
		}
		kind := kindOf(raw.Name().Local)
		want, wrong := raw.general(kind, from)
		got := raw.quick(kind, from)
		switch {
		case (got != nil) != c.quick:
			t.Errorf("%s goes the quick way: %v", c.text, got != nil)
		case got != nil && (wrong != nil || !reflect.DeepEqual(got, want)):
			t.Errorf("%s is\n%+v, not\n%+v", c.text, got, want)
		}
	}
}

func TestAStanzaThatIsOnlyRoutedAllocatesNextToNothing(t *testing.T) {
	s := &Scanner{}
	s.Feed([]byte(benchHeader))
	if _, _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	from, text, out := jid.JID{Local: "alice", Domain: "example.org", Resource: "phone"}, []byte(chat), make([]byte, 0, 4096)
	n := testing.AllocsPerRun(100, func() {
		s.Feed(text)
		_, raw, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		st, err := raw.Stanza(from)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out[:0], st.Text()...)
	})
	if n > 2 { // its text, and what says where its parts are
		t.Errorf("%v allocations, want 2", n)
	}
}
