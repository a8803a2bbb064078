package mam_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"parley/xmpp"
	"parley/xmpp/jid"
	"parley/xmpp/mam"
	"parley/xmpp/rsm"
)

func parse(t testing.TB, text string) *xmpp.Element {
	t.Helper()
	e, err := xmpp.ParseElement(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

func TestQuery(t *testing.T) {
	t.Parallel()
	q, err := mam.ParseQuery(parse(t, `<query xmlns='urn:xmpp:mam:2' queryid='f'><x xmlns='jabber:x:data' type='submit'>
		<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field><field var='with'><value>Bob@Example.org</value></field>
		<field var='start'><value>2026-01-02T03:04:05Z</value></field><field var='end'><value>2026-01-02T03:04:05.5+02:00</value></field>
		<field var='ids'><value>1</value><value>2</value></field><field var='after-id'><value>3</value></field>
		<field var='before-id'/><field var='include-groupchat'><value>true</value></field></x>
		<set xmlns='http://jabber.org/protocol/rsm'><max>7</max><before/></set><flip-page/></query>`))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if q.ID != "f" || q.With != (jid.JID{Local: "bob", Domain: "example.org"}) || !q.Start.Equal(start) ||
		!q.End.Equal(start.Add(-2*time.Hour+500*time.Millisecond)) || !slices.Equal(q.IDs, []string{"1", "2"}) ||
		q.AfterID != "3" || q.BeforeID != "" || !q.Flip || q.Page != (rsm.Request{Max: 7, Last: true, Index: -1}) {
		t.Errorf("read is %+v", q)
	}
	q, err = mam.ParseQuery(parse(t, `<query xmlns='urn:xmpp:mam:2'/>`))
	if err != nil || q.Page.Max != -1 || !q.With.IsZero() {
		t.Errorf("an empty query is %+v, %v", q, err)
	}
}

func TestWhatTheServerSays(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	owner := jid.JID{Local: "alice", Domain: "example.org"}
	st := xmpp.Must(xmpp.Message, xmpp.Header{From: owner, To: owner, Type: "chat"}, "<body>hi</body>")
	result, err := mam.Result(owner, owner.With("x"), "f", "id", at, st)
	want := `<message from='alice@example.org' to='alice@example.org/x'><result xmlns='urn:xmpp:mam:2' queryid='f' id='id'>` +
		`<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-01-02T03:04:05.678Z'/>` +
		`<message xmlns='jabber:client' from='alice@example.org' to='alice@example.org' type='chat'><body>hi</body></message>` +
		`</forwarded></result></message>`
	if err != nil || result.Text() != want {
		t.Errorf("a result is %v\n%s\nwant\n%s", err, result.Text(), want)
	}
	for got, want := range map[string]string{
		mam.Fin(rsm.Page{First: "1", Last: "2", Index: 0, Count: 2}, true): `<fin xmlns='urn:xmpp:mam:2' complete='true'>` +
			`<set xmlns='http://jabber.org/protocol/rsm'><first index='0'>1</first><last>2</last><count>2</count></set></fin>`,
		mam.Fin(rsm.Page{Index: -1, Count: -1}, false): `<fin xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'/></fin>`,
		mam.Metadata(mam.Edge{}, mam.Edge{}):           `<metadata xmlns='urn:xmpp:mam:2'/>`,
		mam.Metadata(mam.Edge{ID: "1", At: at}, mam.Edge{ID: "2", At: at}): `<metadata xmlns='urn:xmpp:mam:2'>` +
			`<start id='1' timestamp='2026-01-02T03:04:05.678Z'/><end id='2' timestamp='2026-01-02T03:04:05.678Z'/></metadata>`,
	} {
		if got != want {
			t.Errorf("said is\n%s\nwant\n%s", got, want)
		}
	}
}

func TestPreferencesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	bob := jid.JID{Local: "bob", Domain: "example.org"}
	p := mam.Prefs{Default: mam.Roster, Always: []jid.JID{bob.With("phone <1>")}, Never: []jid.JID{bob}}
	got, err := mam.ParsePrefs(parse(t, p.XML()), 10)
	if err != nil || got.Default != p.Default || !slices.Equal(got.Always, p.Always) || !slices.Equal(got.Never, p.Never) {
		t.Errorf("%+v comes back as %+v, %v", p, got, err)
	}
	for _, c := range []struct {
		with     jid.JID
		keep, ok bool
	}{{bob.With("phone <1>"), true, true}, {bob.With("desk"), false, true}, {bob, false, true}, {jid.JID{Domain: "example.org"}, false, false}} {
		if keep, ok := p.Says(c.with); keep != c.keep || ok != c.ok {
			t.Errorf("of %s they say %v, %v", c.with, keep, ok)
		}
	}
	if _, err := mam.ParsePrefs(parse(t, "<prefs xmlns='urn:xmpp:mam:2' default='always'><never>"+strings.Repeat("<jid>a@b</jid>", 11)+"</never></prefs>"), 10); err == nil {
		t.Error("more addresses than allowed are taken")
	}
}

func FuzzQuery(f *testing.F) {
	f.Add(`<query xmlns='urn:xmpp:mam:2' queryid='f'><x xmlns='jabber:x:data'><field var='with'><value>a@b/c</value></field></x></query>`)
	f.Add(`<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>1</max><after>x</after><index>3</index></set></query>`)
	f.Add(`<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>a@b</jid></always></prefs>`)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := xmpp.ParseElement(text)
		if err != nil {
			return
		}
		if _, err := mam.ParseQuery(e); err != nil {
			if _, ok := err.(*xmpp.StanzaError); !ok { //nolint:errorlint // it has to be one as it is
				t.Errorf("the error is %v", err)
			}
		}
		p, err := mam.ParsePrefs(e, 100)
		if err != nil {
			return
		}
		again, err := mam.ParsePrefs(parse(t, p.XML()), 100)
		if err != nil || again.XML() != p.XML() {
			t.Errorf("%s comes back as %s, %v", p.XML(), again.XML(), err)
		}
	})
}
