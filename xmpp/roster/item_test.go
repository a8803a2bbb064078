package roster

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"parley/xmpp"
	"parley/xmpp/jid"
)

func parse(t testing.TB, text string) *xmpp.Element {
	t.Helper()
	e, err := xmpp.ParseElement(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

func TestParseSet(t *testing.T) {
	t.Parallel()
	limits := Limits{Name: 10, Group: 5, Groups: 2}
	tests := map[string]struct {
		items string
		want  Set
		fails xmpp.StanzaCondition
	}{
		"a contact":            {`<item jid='Bob@Example.org' name='Bob'><group>a</group><group>b</group></item>`, Set{JID: jid.JID{Local: "bob", Domain: "example.org"}, Name: "Bob", Groups: []string{"a", "b"}}, ""},
		"a bare one":           {`<item jid='bob@example.org'/>`, Set{JID: jid.JID{Local: "bob", Domain: "example.org"}}, ""},
		"a domain":             {`<item jid='example.org'/>`, Set{JID: jid.JID{Domain: "example.org"}}, ""},
		"subscription":         {`<item jid='bob@example.org' subscription='both' ask='subscribe' approved='true'/>`, Set{JID: jid.JID{Local: "bob", Domain: "example.org"}}, ""},
		"removed":              {`<item jid='bob@example.org' subscription='remove'/>`, Set{JID: jid.JID{Local: "bob", Domain: "example.org"}, Remove: true}, ""},
		"no item":              {``, Set{}, xmpp.BadRequest},
		"two items":            {`<item jid='bob@example.org'/><item jid='eve@example.org'/>`, Set{}, xmpp.BadRequest},
		"no jid":               {`<item name='Bob'/>`, Set{}, xmpp.BadRequest},
		"a malformed jid":      {`<item jid='@example.org'/>`, Set{}, xmpp.BadRequest},
		"a full jid":           {`<item jid='bob@example.org/phone'/>`, Set{}, xmpp.BadRequest},
		"a group twice":        {`<item jid='bob@example.org'><group>a</group><group>a</group></item>`, Set{}, xmpp.BadRequest},
		"a group of no name":   {`<item jid='bob@example.org'><group/></item>`, Set{}, xmpp.NotAcceptable},
		"a long group":         {`<item jid='bob@example.org'><group>abcdef</group></item>`, Set{}, xmpp.NotAcceptable},
		"too many groups":      {`<item jid='bob@example.org'><group>a</group><group>b</group><group>c</group></item>`, Set{}, xmpp.NotAcceptable},
		"a long name":          {`<item jid='bob@example.org' name='Robert Test'/>`, Set{}, xmpp.NotAcceptable},
		"an item of no roster": {`<item xmlns='other' jid='bob@example.org'/>`, Set{}, xmpp.BadRequest},
	}
	for name, test := range tests {
		got, err := ParseSet(parse(t, `<query xmlns='jabber:iq:roster'>`+test.items+`</query>`), limits)
		var e *xmpp.StanzaError
		if test.fails != "" {
			if !errors.As(err, &e) || e.Condition != test.fails {
				t.Errorf("%s: %v, want %s", name, err, test.fails)
			}
			continue
		}
		if err != nil || got.JID != test.want.JID || got.Name != test.want.Name || got.Remove != test.want.Remove ||
			!slices.Equal(got.Groups, test.want.Groups) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, test.want)
		}
	}
}

func TestItemsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for s := range states {
		want := Item{
			JID: jid.JID{Local: "bob", Domain: "example.org"}, Name: `B & "b"`, Groups: []string{"<Friends>", "Work"},
			Standing: Standing{s, s == None},
		}
		b := xmpp.NewBuilder(nil).Open("query", NS)
		want.Append(b)
		got, removed, err := ParseItem(parse(t, b.Close().String()).Children[0])
		if err != nil || removed || !got.Equal(&want) {
			t.Errorf("%s: %+v, %v", b, got, err)
		}
		if got.State.IsAsked() {
			t.Errorf("%s shows that the contact has asked", b)
		}
	}
	b := xmpp.NewBuilder(nil).Open("query", NS)
	Removed(b, jid.JID{Domain: "example.org"})
	if got, removed, err := ParseItem(parse(t, b.Close().String()).Children[0]); err != nil || !removed || got.JID.Domain != "example.org" {
		t.Errorf("%s: %+v, %v, %v", b, got, removed, err)
	}
}

func TestItemsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`<item/>`, `<item jid='bob@example.org' subscription='maybe'/>`, `<item jid='bob@example.org' subscription='to' ask='subscribe'/>`} {
		if _, _, err := ParseItem(parse(t, strings.Replace(text, "<item", "<item xmlns='jabber:iq:roster'", 1))); err == nil {
			t.Errorf("%s is an item", text)
		}
	}
}

// Whatever a client sends, what is taken of it keeps the limits and can be shown to others.
func FuzzParseSet(f *testing.F) {
	f.Add(`<query xmlns='jabber:iq:roster'><item jid='bob@example.org' name='B'><group>a</group></item></query>`)
	f.Add(`<query xmlns='jabber:iq:roster'><item jid='bob@example.org' subscription='remove'/></query>`)
	limits := Limits{Name: 20, Group: 10, Groups: 3}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := xmpp.ParseElement(text)
		if err != nil {
			return
		}
		set, err := ParseSet(e, limits)
		if err != nil || set.Remove {
			return
		}
		if len(set.Name) > limits.Name || len(set.Groups) > limits.Groups || !set.JID.IsBare() {
			t.Fatalf("%q gives %+v", text, set)
		}
		want := Item{JID: set.JID, Name: set.Name, Groups: set.Groups}
		b := xmpp.NewBuilder(nil).Open("query", NS)
		want.Append(b)
		got, _, err := ParseItem(parse(t, b.Close().String()).Children[0])
		if err != nil || !got.Equal(&want) {
			t.Fatalf("%q is shown as %s, which reads as %+v, %v", text, b, got, err)
		}
	})
}
