package vcard

import (
	"errors"
	"strings"
	"testing"
	"time"

	"parley/internal/core"
	"parley/internal/db"
	"parley/internal/db/dbtest"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

var (
	alice = jid.JID{Local: "alice", Domain: "example.org", Resource: "phone"}
	bob   = jid.JID{Local: "bob", Domain: "example.org"}
	home  = jid.JID{Domain: "example.org"}
)

func open(t *testing.T, c Config) *Cards {
	t.Helper()
	s, err := NewStore(t.Context(), dbtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	c.Store = s
	return New(c)
}

// ask sends a stanza, and gives what answers it: the payload or the condition.
func ask(t *testing.T, c *Cards, at im.Place, st *xmpp.Stanza) string {
	t.Helper()
	p := st.Parts()[0]
	for _, s := range c.Services() {
		if s.At != at || s.Name != p.Name {
			continue
		}
		out, err := s.Handle(t.Context(), nil, st)
		if e, ok := errors.AsType[*xmpp.StanzaError](err); ok {
			return string(e.Condition)
		}
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	t.Fatalf("nobody answers %s", st.Text())
	return ""
}

func iq(from, to jid.JID, typ, payload string) *xmpp.Stanza {
	return xmpp.Must(xmpp.IQ, xmpp.Header{From: from, To: to, ID: "1", Type: typ}, payload)
}

const card = "<vCard xmlns='vcard-temp'><FN>A &lt; B</FN><x:y xmlns:x='z' x:a='1'/>\n<DESC><![CDATA[<&>]]></DESC></vCard>"

func TestACardIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	if got := ask(t, c, im.Own, iq(alice, jid.JID{}, "get", empty)); got != empty {
		t.Errorf("without a card one reads %s", got)
	}
	if got := ask(t, c, im.Account, iq(bob, alice.Bare(), "get", empty)); got != "service-unavailable" {
		t.Errorf("of somebody without a card another reads %s", got)
	}
	if got := ask(t, c, im.Own, iq(alice, alice.Bare(), "set", card)); got != "" {
		t.Errorf("a card that is written is answered with %s", got)
	}
	if got := ask(t, c, im.Own, iq(alice, jid.JID{}, "get", empty)); got != card {
		t.Errorf("one reads %s", got)
	}
	if got := ask(t, c, im.Account, iq(bob, alice.Bare(), "get", empty)); got != card {
		t.Errorf("another reads %s", got)
	}
	if err := c.Forget(t.Context(), core.Address{Local: "alice", Domain: "example.org"}); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, c, im.Own, iq(alice, jid.JID{}, "get", empty)); got != empty {
		t.Errorf("the next one to have the address reads %s", got)
	}
}

func TestAnothersCardIsNotWritten(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	for at, to := range map[im.Place]jid.JID{im.Account: bob, im.Server: home} {
		if got := ask(t, c, at, iq(alice, to, "set", card)); got != "forbidden" {
			t.Errorf("writing the card of %s is answered with %s", to, got)
		}
	}
	if got := ask(t, c, im.Account, iq(alice, bob, "get", empty)); got != "service-unavailable" {
		t.Errorf("he has the card %s", got)
	}
}

func TestACardHasABound(t *testing.T) {
	t.Parallel()
	c := open(t, Config{Size: len(card)})
	if got := ask(t, c, im.Own, iq(alice, jid.JID{}, "set", card)); got != "" {
		t.Errorf("a card of the largest size: %s", got)
	}
	if got := ask(t, c, im.Own, iq(alice, jid.JID{}, "set", strings.Replace(card, "A", "AA", 1))); got != "not-acceptable" {
		t.Errorf("a larger one: %s", got)
	}
	if got := ask(t, c, im.Own, iq(alice, jid.JID{}, "set", card+card)); got != "bad-request" {
		t.Errorf("two: %s", got)
	}
	if got := ask(t, c, im.Own, iq(alice, jid.JID{}, "get", empty)); got != card {
		t.Errorf("then one reads %s", got)
	}
}

func TestACardStandsForItself(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"<iq xmlns:v='vcard-temp' type='set' from='alice@example.org/phone'><v:vCard><v:FN>A</v:FN></v:vCard></iq>":         "A",
		"<iq xmlns:x='y' type='set' from='alice@example.org/phone'><vCard xmlns='vcard-temp'><FN>B</FN><x:z/></vCard></iq>": "B",
		"<iq xmlns:x='y' xmlns:u='v' type='set' from='alice@example.org/phone'>" +
			"<vCard xmlns='vcard-temp'><FN x:a='1' u:a='2' u:b='3' xml:lang='en'>C</FN></vCard></iq>": "C",
	} {
		st, err := xmpp.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		c := open(t, Config{})
		if got := ask(t, c, im.Own, st); got != "" {
			t.Errorf("%s is answered with %s", in, got)
		}
		kept := ask(t, c, im.Own, iq(alice, jid.JID{}, "get", empty))
		e, err := xmpp.ParseElement(kept)
		if err != nil || e.Name != (xmpp.Name{Space: NS, Local: "vCard"}) || e.ChildText(NS, "FN") != want {
			t.Errorf("of %s is kept %s, %v", in, kept, err)
		}
	}
}

func TestTheServersCard(t *testing.T) {
	t.Parallel()
	c := open(t, Config{Server: Card{Name: "A & B", URL: "https://example.org/"}})
	want := "<vCard xmlns='vcard-temp'><FN>A &amp; B</FN><URL>https://example.org/</URL></vCard>"
	if got := ask(t, c, im.Server, iq(alice, home, "get", empty)); got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
}

// TestStore holds every store there is to what Store promises.
func TestStore(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, err := NewStore(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		err = errors.Join(
			s.Save(t.Context(), bob, "1", now), s.Save(t.Context(), home, "x", now),
			s.Save(t.Context(), bob, "2", now), s.Delete(t.Context(), home), s.Delete(t.Context(), home),
		)
		if err != nil {
			t.Fatal(err)
		}
		for owner, want := range map[jid.JID]string{bob: "2", home: "", alice.Bare(): ""} {
			if got, err := s.Load(t.Context(), owner); got != want || err != nil {
				t.Errorf("of %s is kept %q, %v; want %q", owner, got, err, want)
			}
		}
	})
}
