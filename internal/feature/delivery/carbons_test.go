package delivery_test

import (
	"strings"
	"testing"

	"parley/xmpp"
	"parley/xmpp/carbons"
	"parley/xmpp/sid"
)

// copies says what a session has got: the bodies of messages, copies with s: or r: before them.
func copies(list []*xmpp.Stanza) string {
	var out []string
	for _, st := range list {
		word := st.Body()
		for _, d := range []carbons.Direction{carbons.Sent, carbons.Received} {
			if e := st.Find(carbons.NS, string(d)); e != nil {
				m := e.Child("urn:xmpp:forward:0", "forwarded").Child(xmpp.NSClient, "message")
				word = string(d)[:1] + ":" + m.ChildText(xmpp.NSClient, "body")
			}
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

func TestWhoGetsACopy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		message string
		// What alice's other sessions have (with and without carbons), and bob's: the best, one of lower priority with
		// carbons, one without.
		sent, plain, best, low, other string
	}{
		{`<message to='bob@example.org' type='chat'><body>x</body></message>`, "s:x", "", "x", "r:x", ""},
		{`<message to='bob@example.org/low' type='chat'><body>x</body></message>`, "s:x", "", "r:x", "x", ""},
		{`<message to='bob@example.org/other' type='chat'><body>x</body></message>`, "s:x", "", "r:x", "r:x", "x"},
		{`<message to='bob@example.org'><body>x</body></message>`, "s:x", "", "x", "r:x", ""},
		{`<message to='bob@example.org/low'><body>x</body><private xmlns='urn:xmpp:carbons:2'/></message>`, "", "", "", "x", ""},
		{`<message to='bob@example.org/low' type='chat'><body>x</body><no-copy xmlns='urn:xmpp:hints'/></message>`, "", "", "", "x", ""},
		{`<message to='bob@example.org/low' type='groupchat'><body>x</body></message>`, "", "", "", "x", ""},
		{`<message to='bob@example.org' type='headline'><body>x</body></message>`, "", "", "x", "x", "x"},
		{`<message to='bob@example.org/low' type='error'><body>x</body></message>`, "", "", "", "x", ""},
		{`<message to='alice@example.org' type='chat'><body>x</body></message>`, "x", "x", "", "", ""},
		{`<message to='alice@example.org/desk' type='chat'><body>x</body></message>`, "s:x", "", "", "", ""},
	} {
		s := set(t, setting{})
		enable := func(c *client) *client {
			c.says(`<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>`)
			if got := c.only(); got.Type() != "result" {
				t.Fatalf("carbons are answered with %s", got.Text())
			}
			return c
		}
		desk := enable(s.connect("alice@example.org/desk", 0))
		mobile := enable(s.connect("alice@example.org/mobile", 0))
		plain := s.connect("alice@example.org/plain", 0)
		best, low := enable(s.connect("bob@example.org/best", 5)), enable(s.connect("bob@example.org/low", 1))
		other := s.connect("bob@example.org/other", 1)
		desk.says("%s", c.message)
		got := []string{copies(mobile.take(0)), copies(plain.take(0)), copies(best.take(0)), copies(low.take(0)), copies(other.take(0))}
		want := []string{c.sent, c.plain, c.best, c.low, c.other}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: they have %q, want %q", c.message, got, want)
		}
	}
}

func TestACopySaysWhoseItIs(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	alice, bob := s.connect("alice@example.org/a", 0), s.connect("bob@example.org/b", 5)
	var others []*client
	for _, name := range []string{"alice@example.org/m", "bob@example.org/m", "bob@example.org/n"} {
		c := s.connect(name, 1)
		c.says(`<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>`)
		c.take(1)
		others = append(others, c)
	}
	alice.says(`<message to='bob@example.org' type='chat' id='1'><body>x</body></message>`)
	id := sid.ID(bob.only(), bob.JID().Bare())
	for _, c := range others {
		st := c.only()
		if st.From() != c.JID().Bare() || st.To() != c.JID() || st.Type() != "chat" {
			t.Errorf("a copy comes as %s", st.Text())
		}
		if want := "by='" + c.JID().Bare().String() + "' id='" + id + "'"; strings.Count(st.Text(), "stanza-id") != 1 || !strings.Contains(st.Text(), want) {
			t.Errorf("a copy comes as %s, want %s in it", st.Text(), want)
		}
	}
	others[0].says(`<iq type='set' id='c'><disable xmlns='urn:xmpp:carbons:2'/></iq>`)
	others[0].take(1)
	alice.says(`<message to='bob@example.org' type='chat' id='1'><body>x</body></message>`)
	if got := others[0].take(0); len(got) != 0 {
		t.Errorf("without carbons it gets %s", texts(got))
	}
}
