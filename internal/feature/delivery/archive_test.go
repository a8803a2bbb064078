package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/feature/archive"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/mam"
	"parley/xmpp/sid"
)

// answer is what a query of the archive brings.
type answer struct {
	bodies   []string
	ids      []string
	messages []*xmpp.Stanza // that were archived
	fin      *xmpp.Element
	err      string
}

func (a answer) complete() bool { return a.fin.Attr("complete") == "true" }

func (a answer) set(name string) string {
	return a.fin.Child("http://jabber.org/protocol/rsm", "set").ChildText("", name)
}

// ask has a session query its archive; inner stands in the query.
func (c *client) ask(inner string) (a answer) {
	t := c.stage.tb
	t.Helper()
	c.take(0)
	c.says(`<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2' queryid='f'>%s</query></iq>`, inner)
	got := c.take(1)
	last := got[len(got)-1]
	if last.Type() == "error" {
		a.err = failure(last)
		return a
	}
	a.fin = last.Find(mam.NS, "fin")
	for _, st := range got[:len(got)-1] {
		r := st.Find(mam.NS, "result")
		if st.From() != c.JID().Bare() || st.To() != c.JID() || r.Attr("queryid") != "f" {
			t.Errorf("a result comes as %s", st.Text())
		}
		forwarded := r.Child("urn:xmpp:forward:0", "forwarded")
		if forwarded.Child("urn:xmpp:delay", "delay") == nil {
			t.Errorf("a result has no time: %s", st.Text())
		}
		b := xmpp.NewBuilder(nil)
		forwarded.Child(xmpp.NSClient, "message").Append(b)
		m, err := xmpp.Parse(b.String())
		if err != nil {
			t.Fatal(err)
		}
		a.messages = append(a.messages, m)
		a.bodies = append(a.bodies, m.Body())
		a.ids = append(a.ids, r.Attr("id"))
	}
	return a
}

func form(fields ...string) string {
	var b strings.Builder
	b.WriteString(`<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>`)
	for i := 0; i < len(fields); i += 2 {
		fmt.Fprintf(&b, `<field var='%s'><value>%s</value></field>`, fields[i], fields[i+1])
	}
	b.WriteString(`</x>`)
	return b.String()
}

func rsmSet(inner string) string {
	return `<set xmlns='http://jabber.org/protocol/rsm'>` + inner + `</set>`
}

// conversation is a stage on which alice and bob have said ten messages to one another, and carol one.
func conversation(t *testing.T) (s *stage, alice, bob *client) {
	t.Helper()
	s = set(t, setting{archive: archive.Config{Page: 6}})
	alice, bob = s.connect("alice@example.org/a", 0), s.connect("bob@example.org/b", 0)
	for i := range 5 {
		alice.says(`<message to='bob@example.org' type='chat'><body>%d</body></message>`, 2*i)
		bob.says(`<message to='alice@example.org/a' type='chat'><body>%d</body></message>`, 2*i+1)
	}
	s.connect("carol@example.org/c").says(`<message to='alice@example.org' type='chat'><body>10</body></message>`)
	bob.take(5)
	alice.take(6)
	return s, alice, bob
}

func TestPagesOfAnArchive(t *testing.T) {
	t.Parallel()
	_, alice, bob := conversation(t)
	all := numbers(0, 11)
	first := alice.ask("")
	if !slices.Equal(first.bodies, all[:6]) || first.complete() || first.set("first") != first.ids[0] || first.set("last") != first.ids[5] {
		t.Fatalf("the first page has %q, %+v", first.bodies, first.fin)
	}
	second := alice.ask(rsmSet("<after>" + first.ids[5] + "</after>"))
	if !slices.Equal(second.bodies, all[6:]) || !second.complete() {
		t.Errorf("the second page has %q", second.bodies)
	}
	ids := append(first.ids, second.ids...)
	if !slices.IsSorted(ids) {
		t.Errorf("ids are %q", ids)
	}
	for name, c := range map[string]struct {
		query    string
		want     []string
		complete bool
	}{
		"at most 2":      {rsmSet("<max>2</max>"), all[:2], false},
		"the last 2":     {rsmSet("<max>2</max><before/>"), all[9:], false},
		"before":         {rsmSet("<max>3</max><before>" + ids[9] + "</before>"), all[6:9], false},
		"the beginning":  {rsmSet("<before>" + ids[2] + "</before>"), all[:2], true},
		"more than all":  {rsmSet("<max>1000</max><after>" + ids[5] + "</after>"), all[6:], true},
		"nothing more":   {rsmSet("<after>" + ids[10] + "</after>"), nil, true},
		"how many":       {rsmSet("<max>0</max>"), nil, false},
		"with carol":     {form("with", "carol@example.org"), all[10:], true},
		"with her phone": {form("with", "carol@example.org/c"), all[10:], true},
		"with another":   {form("with", "carol@example.org/d"), nil, true},
		"with bob":       {form("with", "bob@example.org") + rsmSet("<before/><max>3</max>"), all[7:10], false},
		"with bob's b":   {form("with", "bob@example.org/b"), []string{"1", "3", "5", "7", "9"}, true},
		"with herself":   {form("with", "alice@example.org"), nil, true},
		"between":        {form("after-id", ids[2], "before-id", ids[5]), all[3:5], true},
		"by name":        {form("ids", ids[4]), all[4:5], true},
		"flipped":        {rsmSet("<max>2</max>") + "<flip-page/>", []string{"1", "0"}, false},
		"in the past":    {form("end", "2020-01-01T00:00:00Z"), nil, true},
		"in the future":  {form("start", "2120-01-01T00:00:00Z"), nil, true},
		"since the past": {form("start", "2020-01-01T00:00:00Z", "end", "2120-01-01T00:00:00Z") + rsmSet("<max>1</max>"), all[:1], false},
		"no groupchat":   {form("include-groupchat", "false") + rsmSet("<max>1</max>"), all[:1], false},
	} {
		got := alice.ask(c.query)
		if got.err != "" || !slices.Equal(got.bodies, c.want) || got.complete() != c.complete {
			t.Errorf("%s: %q, complete %v, error %q; want %q, %v", name, got.bodies, got.complete(), got.err, c.want, c.complete)
		}
	}
	if got := alice.ask(rsmSet("<max>0</max>")); got.set("count") != "11" {
		t.Errorf("counted are %q, want 11", got.set("count"))
	}
	if got := bob.ask(rsmSet("<max>0</max>")); got.set("count") != "10" {
		t.Errorf("of bob's are counted %q, want 10", got.set("count"))
	}
	start := im.FirstID(time.Now()) // nothing is from before its own time
	if id, ok := im.ParseID(ids[0]); !ok || id > start+1<<20*2000 {
		t.Errorf("the first message came at %v", id.Time())
	}
}

func TestWhatAnArchiveRefuses(t *testing.T) {
	t.Parallel()
	_, alice, bob := conversation(t)
	theirs := bob.ask(form("with", "alice@example.org")).ids[0]
	unknown := im.ID(12345).String()
	for query, want := range map[string]string{
		rsmSet("<after>" + unknown + "</after>"):      "item-not-found",
		rsmSet("<before>nonsense</before>"):           "item-not-found",
		form("ids", unknown):                          "item-not-found",
		form("after-id", unknown):                     "item-not-found",
		form("with", "@"):                             "bad-request",
		form("start", "yesterday"):                    "bad-request",
		form("{http://example.com/}search", "x"):      "feature-not-implemented",
		rsmSet("<max>many</max>"):                     "bad-request",
		rsmSet("<max>2</max><index>3</index>"):        "feature-not-implemented",
		form("ids", theirs) + rsmSet("<max>-1</max>"): "bad-request",
	} {
		if got := alice.ask(query); got.err != want {
			t.Errorf("%s ends as %q, want %q", query, got.err, want)
		}
	}
	alice.says(`<iq type='set' id='q' to='bob@example.org'><query xmlns='urn:xmpp:mam:2'/></iq>`)
	if got := alice.only(); failure(got) != "service-unavailable" {
		t.Errorf("another's archive: %s", got.Text())
	}
}

func TestFieldsAndMetadataOfAnArchive(t *testing.T) {
	t.Parallel()
	s, alice, _ := conversation(t)
	alice.says(`<iq type='get' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>`)
	if got := alice.only(); !strings.Contains(got.Text(), "before-id") || !strings.Contains(got.Text(), "<open/>") {
		t.Errorf("the form is %s", got.Text())
	}
	ids := append(alice.ask("").ids, alice.ask(rsmSet("<before/>")).ids...)
	alice.says(`<iq type='get' id='q'><metadata xmlns='urn:xmpp:mam:2'/></iq>`)
	m := alice.only().Find(mam.NS, "metadata")
	if m.Child("", "start").Attr("id") != ids[0] || m.Child("", "end").Attr("id") != ids[len(ids)-1] {
		t.Errorf("the archive goes from %+v to %+v", m.Child("", "start"), m.Child("", "end"))
	}
	nobody := s.connect("user9@example.org/x")
	nobody.says(`<iq type='get' id='q'><metadata xmlns='urn:xmpp:mam:2'/></iq>`)
	if got := nobody.only(); got.Find(mam.NS, "metadata") == nil || strings.Contains(got.Text(), "start") {
		t.Errorf("an empty archive is %s", got.Text())
	}
}

func TestWhatIsArchived(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	alice, bob := s.connect("alice@example.org/a", 0), s.connect("bob@example.org/b", 0)
	for _, inner := range []string{
		"<composing xmlns='http://jabber.org/protocol/chatstates'/>",
		"<body>no</body><no-store xmlns='urn:xmpp:hints'/>",
		"<body>no</body><no-permanent-store xmlns='urn:xmpp:hints'/>",
		"<body>yes</body>",
		"<secret xmlns='some:encryption'>yes</secret><store xmlns='urn:xmpp:hints'/>",
		"<received xmlns='urn:xmpp:receipts' id='1'/>",
	} {
		alice.says(`<message to='bob@example.org' type='chat'>%s</message>`, inner)
	}
	alice.says(`<message to='bob@example.org/b' type='groupchat'><body>no</body></message>`)
	alice.says(`<message to='bob@example.org' type='headline'><body>no</body></message>`)
	alice.says(`<message to='nobody@example.org' type='chat'><body>no</body></message>`)
	alice.says(`<message to='alice@example.org' type='chat'><body>once</body></message>`)
	bob.take(8)
	for _, c := range []struct {
		who  *client
		want []string
	}{{alice, []string{"yes", "", "", "once"}}, {bob, []string{"yes", "", ""}}} {
		if got := c.who.ask(""); !slices.Equal(got.bodies, c.want) {
			t.Errorf("%s's archive has %q, want %q", c.who.JID(), got.bodies, c.want)
		}
	}
	if got := alice.ask(form("with", "alice@example.org")); !slices.Equal(got.bodies, []string{"once"}) {
		t.Errorf("what she said to herself: %q", got.bodies)
	}
}

func TestTheStanzaIDIsThatOfTheArchive(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	alice, bob := s.connect("alice@example.org/a", 0), s.connect("bob@example.org/b", 0)
	alice.says(`<message to='bob@example.org' type='chat'><body>x</body>
		<stanza-id xmlns='urn:xmpp:sid:0' by='bob@example.org' id='forged'/>
		<stanza-id xmlns='urn:xmpp:sid:0' by='Bob@Example.org' id='forged'/>
		<stanza-id xmlns='urn:xmpp:sid:0' by='alice@example.org' id='forged'/>
		<stanza-id xmlns='urn:xmpp:sid:0' by='room@example.net' id='kept'/>
		<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2020-01-01T00:00:00Z'/>
		<delay xmlns='urn:xmpp:delay' from='room@example.net' stamp='2020-01-01T00:00:00Z'/></message>`)
	live := bob.only()
	if text := live.Text(); strings.Contains(text, "forged") || !strings.Contains(text, "kept") || strings.Count(text, "<delay") != 1 {
		t.Errorf("it comes as %s", text)
	}
	got := bob.ask("")
	if len(got.ids) != 1 || sid.ID(live, address("bob@example.org")) != got.ids[0] || strings.Contains(got.messages[0].Text(), "forged") {
		t.Errorf("live %s, archived %q %s", live.Text(), got.ids, texts(got.messages))
	}
	if strings.Count(live.Text(), "by='bob@example.org'") != 1 || strings.Contains(live.Text(), "by='alice@example.org'") {
		t.Errorf("it comes as %s", live.Text())
	}
	alice.says(`<message to='bob@example.org' type='chat'><body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/></message>`)
	if text := bob.only().Text(); strings.Contains(text, "stanza-id") {
		t.Errorf("what is not archived comes as %s", text)
	}
}

func TestARepeatedMessageHasOnePlaceAndOneID(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	alice, bob := s.connect("alice@example.org/a", 0), s.connect("bob@example.org/b", 0)
	said := func(c *client, origin, body string) {
		c.says(`<message to='bob@example.org' type='chat' id='%s'><body>%s</body><origin-id xmlns='urn:xmpp:sid:0' id='%s'/></message>`, origin, body, origin)
	}
	said(alice, "o1", "hi")
	said(alice, "o2", "hi")
	said(alice, "o2", "hi, mended")
	first := bob.take(3)
	s.settled(address("bob@example.org"), 0)
	alice.leave()
	again := s.connect("alice@example.org/other", 0) // as after a crash
	said(again, "o1", "hi")
	owner := address("bob@example.org")
	if st := bob.only(); sid.ID(st, owner) != sid.ID(first[0], owner) {
		t.Errorf("repeated, it comes as %s; the first time it was %s", st.Text(), first[0].Text())
	}
	for _, c := range []*client{again, bob} {
		if got := c.ask(""); !slices.Equal(got.bodies, []string{"hi", "hi", "hi, mended"}) || !slices.IsSorted(got.ids) {
			t.Errorf("%s's archive has %q, %q", c.JID(), got.bodies, got.ids)
		}
	}
	bob.leave()
	said(again, "o3", "late")
	said(again, "o3", "late")
	wantBodies(t, s.connect("bob@example.org/b", 0), "late")
	s.settled(owner, 1) // the repetition counts until it is counted anew
	if err := s.offline.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.settled(owner, 0)
}

func TestPreferencesOfAnArchive(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	alice, bob, carol := s.connect("alice@example.org/a", 0), s.connect("bob@example.org/b", 0), s.connect("carol@example.org/c", 0)
	prefs := func(xml string) *xmpp.Stanza {
		alice.take(0)
		alice.says("%s", xml)
		return alice.only()
	}
	if got := prefs(`<iq type='get' id='p'><prefs xmlns='urn:xmpp:mam:2'/></iq>`); got.Find(mam.NS, "prefs").Attr("default") != "always" {
		t.Errorf("at first they are %s", got.Text())
	}
	set := `<iq type='set' id='p'><prefs xmlns='urn:xmpp:mam:2' default='%s'><always>%s</always><never>%s</never></prefs></iq>`
	for _, c := range []struct{ kind, always, never, want string }{
		{"never", "", "", ""},
		{"never", "<jid>bob@example.org</jid>", "", "bob"},
		{"always", "", "<jid>bob@example.org</jid>", "carol"},
		{"always", "<jid>bob@example.org/b</jid>", "<jid>bob@example.org</jid>", "bob carol"},
		{"roster", "", "", ""}, // nobody is a contact here
		{"always", "", "", "bob carol"},
	} {
		got := prefs(fmt.Sprintf(set, c.kind, c.always, c.never))
		if p := got.Find(mam.NS, "prefs"); p == nil || p.Attr("default") != c.kind || p.Child("", "always") == nil || p.Child("", "never") == nil {
			t.Errorf("set, they are %s", got.Text())
		}
		before := len(alice.ask("").bodies)
		bob.says(`<message to='alice@example.org' type='chat'><body>bob</body></message>`)
		carol.says(`<message to='alice@example.org' type='chat'><body>carol</body></message>`)
		if got := strings.Join(alice.ask("").bodies[before:], " "); got != c.want {
			t.Errorf("with %+v archived are %q", c, got)
		}
	}
	for _, bad := range []string{fmt.Sprintf(set, "sometimes", "", ""), fmt.Sprintf(set, "always", "<jid>@</jid>", "")} {
		if got := prefs(bad); got.Type() != "error" {
			t.Errorf("%s: %s", bad, got.Text())
		}
	}
}

func TestOldMessagesLeaveTheArchive(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := set(t, setting{archive: archive.Config{Retention: time.Hour}, now: func() time.Time { return now }})
	alice, bob := s.connect("alice@example.org/a", 0), s.connect("bob@example.org/b", 0)
	for i := range 3 {
		alice.says(`<message to='bob@example.org' type='chat'><body>%d</body></message>`, i)
		now = now.Add(25 * time.Minute)
	}
	if err := s.archive.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{alice, bob} {
		if got := c.ask(""); !slices.Equal(got.bodies, []string{"1", "2"}) {
			t.Errorf("%s's archive has %q", c.JID(), got.bodies)
		}
	}
	if err := s.archive.Forget(t.Context(), bob.JID().Bare()); err != nil {
		t.Fatal(err)
	}
	if a, b := alice.ask(""), bob.ask(""); len(a.bodies) != 2 || len(b.bodies) != 0 {
		t.Errorf("forgotten is bob; alice has %q, bob %q", a.bodies, b.bodies)
	}
}

func TestAPageHasABoundInBytes(t *testing.T) {
	t.Parallel()
	s := set(t, setting{archive: archive.Config{PageBytes: 3000}})
	alice := s.connect("alice@example.org/a", 0)
	for i := range 4 {
		alice.says(`<message to='bob@example.org' type='chat'><body>%d%s</body></message>`, i, strings.Repeat("x", 1200))
	}
	for _, query := range []string{"", rsmSet("<before/>")} {
		if got := alice.ask(query); len(got.bodies) != 2 || got.complete() {
			t.Errorf("%s brings %d messages, complete %v", query, len(got.bodies), got.complete())
		}
	}
}
