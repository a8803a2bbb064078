package bridge

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"parley/sip/pidf"
	"parley/xmpp"
	"parley/xmpp/jid"
)

func stanza(t interface {
	Helper()
	Fatalf(string, ...any)
}, h xmpp.Header, kind xmpp.Kind, payload string) *xmpp.Stanza {
	t.Helper()
	st, err := xmpp.New(kind, h, payload)
	if err != nil {
		t.Fatalf("%v: %s", err, payload)
	}
	return st
}

func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	for status := 300; status < 700; status++ {
		if e := Refusal(status); e.Condition == "" || strings.Contains(e.XML(), "type=''") {
			t.Errorf("%d is %+v", status, e)
		}
	}
	for _, status := range []int{403, 404, 405, 408, 410, 480, 488, 513} {
		if back := Refused(Refusal(status).Condition); back != status {
			t.Errorf("%d comes back as %d", status, back)
		}
	}
	if Cause(xmpp.ItemNotFound).Condition != "gone" {
		t.Error("nobody there is not gone")
	}
}

func TestPresenceOfPhones(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		tuple  pidf.Tuple
		person []string
		want   Available
	}{
		"open":            {pidf.Tuple{ID: "t1", Basic: "open", Priority: "0.5"}, nil, Available{Resource: "t1", Priority: 64}},
		"closed":          {pidf.Tuple{ID: "t1", Basic: "closed", Priority: "1", Show: "away"}, []string{"away"}, Available{Resource: "t1", Gone: true}},
		"on vacation":     {pidf.Tuple{ID: "t1", Basic: "open"}, []string{"vacation"}, Available{Resource: "t1", Show: "xa"}},
		"on the phone":    {pidf.Tuple{ID: "t1", Basic: "open"}, []string{"away", "on-the-phone"}, Available{Resource: "t1", Show: "dnd"}},
		"the tuple's own": {pidf.Tuple{ID: "t1", Basic: "open", Activities: []string{"meal"}}, []string{"busy"}, Available{Resource: "t1", Show: "away"}},
		"its show":        {pidf.Tuple{ID: "ID-a_20b", Basic: "open", Show: "chat"}, []string{"busy"}, Available{Resource: "a b", Show: "chat"}},
		"an odd show":     {pidf.Tuple{ID: "ID-_", Basic: "open", Show: "x"}, nil, Available{Resource: "_"}},
		"a note": {
			pidf.Tuple{ID: "t1", Basic: "open", Notes: []pidf.Note{{Lang: "en", Text: "hi"}}}, nil,
			Available{Resource: "t1", Status: "hi", Lang: "en"},
		},
	} {
		got := FromPIDF(&pidf.Presence{Entity: "sip:a@x", Tuples: []pidf.Tuple{x.tuple}, Activities: x.person})
		if len(got) != 1 || got[0] != x.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestPresenceComesBack takes presence through a document and through a stanza.
func TestPresenceComesBack(t *testing.T) {
	t.Parallel()
	contact := func(resource string) string { return "sip:a@example.org;gr=" + resource }
	rapid.Check(t, func(t *rapid.T) {
		a := Available{Resource: rapid.StringMatching(`[a-zA-Zäß0-9_. -]{1,12}`).Draw(t, "resource"), Gone: maybe(t, "gone")}
		if a.Status = rapid.StringMatching(`([a-zß<&]{1,12})?`).Draw(t, "status"); a.Status != "" {
			a.Lang = pick(t, "lang", "", "de")
		}
		if !a.Gone {
			a.Show = pick(t, "show", "", "away", "chat", "dnd", "xa")
			a.Priority = int8(rapid.IntRange(0, 127).Draw(t, "priority"))
		}
		doc := ToPIDF("sip:a@example.org", []Available{a}, contact).String()
		p, err := pidf.Parse(doc)
		if err != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		if got := FromPIDF(p); !reflect.DeepEqual(got, []Available{a}) {
			t.Fatalf("%+v, want %+v, by\n%s", got, a, doc)
		}
		from := jid.JID{Local: "a", Domain: "example.org", Resource: a.Resource}
		st := stanza(t, xmpp.Header{From: from, Type: a.Type()}, xmpp.Presence, a.Payload())
		if got, ok := OfStanza(st); !ok || got != a {
			t.Fatalf("%+v, want %+v, by\n%s", got, a, st.Text())
		}
	})
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"subscribed", "unsubscribed"} {
		state, reason, _ := strings.Cut(State(kind), ";reason=")
		if got := Watching(state, reason); got != kind {
			t.Errorf("%s comes back as %q", kind, got)
		}
	}
	if Watching("pending", "") != "" || Watching("terminated", "timeout") != "" || State("probe") != "" {
		t.Error("a state that is none is one")
	}
	if _, ok := OfStanza(stanza(t, xmpp.Header{Type: "subscribe"}, xmpp.Presence, "")); ok {
		t.Error("a request is a presence")
	}
}
