package delivery_test

import (
	"errors"
	"fmt"
	"testing"

	"parley/xmpp"
	"parley/xmpp/im"
)

// submit sends a message as one who gets no stanzas back.
func (s *stage) submit(from *im.Session, xml string, args ...any) (im.Fate, string) {
	s.tb.Helper()
	st, err := xmpp.Parse(fmt.Sprintf(xml, args...))
	if err != nil {
		s.tb.Fatal(err)
	}
	fate, err := s.Submit(s.tb.Context(), from, st)
	if e, ok := errors.AsType[*xmpp.StanzaError](err); ok {
		return fate, string(e.Condition)
	}
	if err != nil {
		s.tb.Fatal(err)
	}
	return fate, ""
}

func TestWhoeverSubmitsIsToldWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	desk := s.connect("bob@example.org/desk", 0)
	s.entities["echo@example.org"] = func(*xmpp.Stanza) []*xmpp.Stanza { return nil }
	for _, c := range []struct {
		name, to, inner string
		fate            im.Fate
		refused         string
	}{
		{"to somebody who is there", "bob", "<body>x</body>", im.Handed, ""},
		{"to somebody who is not", "carol", "<body>x</body>", im.Waits, ""},
		{"to nobody", "nobody", "<body>x</body>", im.Refused, "service-unavailable"},
		{"to a service", "echo", "<body>x</body>", im.Handed, ""},
		{"nothing to keep", "carol", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", im.Dropped, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			fate, refused := s.submit(nil, "<message from='alice@example.org' to='%s@example.org' type='chat'>%s</message>", c.to, c.inner)
			if fate != c.fate || refused != c.refused {
				t.Errorf("it is told %v %q, want %v %q", fate, refused, c.fate, c.refused)
			}
		})
	}
	desk.only()
}

func TestWhatASessionThatWantsNothingBackWritesToItsOwnAccountWaitsForAnother(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	phone := s.connect("alice@example.org/phone", 0)
	phone.Set(im.NoReturn|im.Carbons, true)
	fate, _ := s.submit(phone.Session, "<message from='alice@example.org/phone' to='alice@example.org' type='chat'><body>note</body></message>")
	if fate != im.Waits {
		t.Errorf("it is told %v", fate)
	}
	if first := s.offline.First(t.Context(), address("alice@example.org")); first == nil || first.Body() != "note" {
		t.Errorf("the first that waits is %v", first)
	}
	if none := s.offline.First(t.Context(), address("carol@example.org")); none != nil {
		t.Errorf("for who has none there waits %s", none.Text())
	}
	app := s.connect("alice@example.org/app", 0)
	if got := app.only().Body(); got != "note" {
		t.Errorf("the other session has %q", got)
	}
	if got := phone.take(0); len(got) != 0 {
		t.Errorf("it has its own message back: %s", texts(got))
	}
}
