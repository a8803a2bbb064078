package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The table of rfc6121#8.5.4. Bob's sessions are given by their priorities: "a" is available, "c" connected alone.
func TestWhereAMessageGoes(t *testing.T) {
	t.Parallel()
	// What becomes of a message of type normal, chat, groupchat and headline: the resources that have it, "error",
	// "waits" or "" if nobody hears of it.
	for _, c := range []struct {
		state string
		to    string
		want  [4]string
	}{
		{"", "nobody@example.org", [4]string{"error", "error", "error", "error"}},
		{"", "nobody@example.org/x", [4]string{"error", "error", "error", "error"}},

		{"", "bob@example.org", [4]string{"waits", "waits", "error", ""}},
		{"", "bob@example.org/x", [4]string{"error", "waits", "error", "error"}},

		{"x:connected", "bob@example.org", [4]string{"waits", "waits", "error", ""}},
		{"x:connected", "bob@example.org/x", [4]string{"x", "x", "x", "x"}},

		{"x:-1", "bob@example.org", [4]string{"waits", "waits", "error", ""}},
		{"x:-1", "bob@example.org/x", [4]string{"x", "x", "x", "x"}},
		{"x:-1", "bob@example.org/y", [4]string{"error", "waits", "error", "error"}},

		{"x:0", "bob@example.org", [4]string{"x", "x", "error", "x"}},
		{"x:0", "bob@example.org/x", [4]string{"x", "x", "x", "x"}},
		{"x:0", "bob@example.org/y", [4]string{"error", "x", "error", "error"}},

		{"x:5 y:5 z:1", "bob@example.org", [4]string{"x y", "x y", "error", "x y z"}},
		{"x:5 y:5 z:1", "bob@example.org/z", [4]string{"z", "z", "z", "z"}},
		{"x:5 y:5 z:1", "bob@example.org/w", [4]string{"error", "x y", "error", "error"}},
		{"x:-5 y:2 z:connected", "bob@example.org", [4]string{"y", "y", "error", "y"}},
	} {
		for i, kind := range []string{"normal", "chat", "groupchat", "headline"} {
			t.Run(fmt.Sprintf("%s with %s to %s", kind, c.state, c.to), func(t *testing.T) {
				t.Parallel()
				s := set(t, setting{})
				sessions := play(s, c.state)
				alice := s.connect("alice@example.org/a")
				alice.says(`<message to='%s' type='%s' id='1'><body>hi</body></message>`, c.to, kind)
				if got := outcome(s, alice, sessions); got != c.want[i] {
					t.Errorf("it ends as %q, want %q", got, c.want[i])
				}
			})
		}
	}
}

func play(s *stage, state string) (sessions []*client) {
	for _, word := range strings.Fields(state) {
		resource, what, _ := strings.Cut(word, ":")
		c := s.connect("bob@example.org/" + resource)
		if what != "connected" {
			var p int8
			if _, err := fmt.Sscan(what, &p); err != nil {
				s.tb.Fatal(err)
			}
			c.available(p)
		}
		sessions = append(sessions, c)
	}
	return sessions
}

// outcome is what became of the one message that was sent: Handle has returned, so that it is where it goes.
func outcome(s *stage, from *client, sessions []*client) string {
	var got []string
	for _, c := range append(sessions, from) {
		for _, body := range bodies(c.take(0)) {
			switch {
			case c != from:
				got = append(got, c.JID().Resource)
			case body == "error service-unavailable":
				got = append(got, "error")
			default:
				got = append(got, body)
			}
		}
	}
	slices.Sort(got)
	if len(got) == 0 && s.offline.Waiting(address("bob@example.org")) > 0 {
		return "waits"
	}
	return strings.Join(got, " ")
}

func TestErrorsAreNeverAnswered(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	alice := s.connect("alice@example.org/a", 0)
	bob := s.connect("bob@example.org/x", 0)
	s.blocked["carol@example.org alice@example.org"] = true
	for _, to := range []string{"nobody@example.org", "bob@example.org", "bob@example.org/gone", "example.org", "example.net", "carol@example.org"} {
		alice.says(`<message to='%s' type='error'><body>hi</body></message>`, to)
		alice.says(`<iq to='%s' type='error' id='1'/>`, to)
		alice.says(`<iq to='%s' type='result' id='1'/>`, to)
	}
	if got := append(alice.take(0), bob.take(0)...); len(got) != 0 {
		t.Errorf("there were answers: %s", texts(got))
	}
	alice.says(`<message to='bob@example.org/x' type='error'><error type='cancel'/></message>`)
	if got := bob.only(); got.Type() != "error" {
		t.Errorf("an error for a resource comes as %s", got.Text())
	}
}

func TestAMessageWithoutAddressIsForTheAccountItself(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	desk, mobile := s.connect("alice@example.org/desk", 1), s.connect("alice@example.org/mobile", 1)
	desk.says(`<message type='chat'><body>note</body></message>`)
	for _, c := range []*client{desk, mobile} {
		if got := c.only(); got.Body() != "note" || got.To().String() != "alice@example.org" {
			t.Errorf("%s has %s", c.JID(), got.Text())
		}
	}
}

func TestOtherDomainsAndTheServerItself(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	alice := s.connect("alice@example.org/a", 0)
	for to, want := range map[string]string{
		"bob@example.net": "remote-server-not-found", "example.net": "remote-server-not-found",
		"room@conference.example.org": "remote-server-not-found", "example.org": "service-unavailable",
		"example.org/x": "service-unavailable",
	} {
		alice.says(`<message to='%s' type='chat' id='m'><body>hi</body></message>`, to)
		if got := alice.only(); failure(got) != want || got.ID() != "m" || got.From().String() != to {
			t.Errorf("a message to %s is answered with %s, want %s", to, got.Text(), want)
		}
		alice.says(`<iq to='%s' type='get' id='q'><query xmlns='some:query'/></iq>`, to)
		if got := alice.only(); failure(got) != want || got.ID() != "q" {
			t.Errorf("an iq to %s is answered with %s, want %s", to, got.Text(), want)
		}
	}
}

func TestWhatIsNotWorthKeepingDoesNotWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		inner string
		waits bool
		fails bool
	}{
		{"<body>hi</body>", true, false},
		{"<composing xmlns='http://jabber.org/protocol/chatstates'/>", false, false},
		{"<body>hi</body><active xmlns='http://jabber.org/protocol/chatstates'/>", true, false},
		{"<active xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='urn:xmpp:hints'/>", true, false},
		{"<body>hi</body><no-store xmlns='urn:xmpp:hints'/>", false, true},
		{"<body>hi</body><no-permanent-store xmlns='urn:xmpp:hints'/>", true, false},
		{"<received xmlns='urn:xmpp:receipts' id='1'/>", true, false},
		{"<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", true, false},
		{"<received xmlns='urn:xmpp:receipts' id='1'/><store xmlns='urn:xmpp:hints'/>", true, false},
		{"<body>hi</body><request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>", true, false},
		{"", false, false},
	} {
		s := set(t, setting{})
		alice := s.connect("alice@example.org/a", 0)
		alice.says(`<message to='bob@example.org' type='chat'>%s</message>`, c.inner)
		if waits := s.offline.Waiting(address("bob@example.org")) > 0; waits != c.waits {
			t.Errorf("%s waits: %v, want %v", c.inner, waits, c.waits)
		}
		if got := alice.take(0); (len(got) > 0) != c.fails {
			t.Errorf("%s is answered with %s", c.inner, texts(got))
		}
	}
}
