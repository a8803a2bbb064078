package delivery_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"parley/internal/core"
	"parley/internal/db"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// where answers with the place that it was asked at.
func where(place im.Place, name string) im.Service {
	return im.Service{Name: xmpp.Name{Space: "some:query", Local: "where"}, At: place,
		Handle: func(context.Context, *im.Session, *xmpp.Stanza) (string, error) {
			return "<at xmlns='some:query'>" + name + "</at>", nil
		}}
}

func TestServicesAreAskedByTheirPlace(t *testing.T) {
	t.Parallel()
	s := set(t, setting{services: []im.Service{where(im.Server, "server"), where(im.Own, "own"), where(im.Account, "account")}})
	alice := s.connect("alice@example.org/a", 0)
	s.blocked["carol@example.org alice@example.org"] = true
	for _, c := range []struct{ to, kind, payload, want string }{
		{"example.org", "get", "<where xmlns='some:query'/>", "server"},
		{"", "get", "<where xmlns='some:query'/>", "own"},
		{"alice@example.org", "set", "<where xmlns='some:query'/>", "own"},
		{"bob@example.org", "get", "<where xmlns='some:query'/>", "account"},
		{"bob@example.org", "get", "<where xmlns='other:query'/>", "service-unavailable"},
		{"nobody@example.org", "get", "<where xmlns='some:query'/>", "service-unavailable"},
		{"carol@example.org", "get", "<where xmlns='some:query'/>", "service-unavailable"},
		{"bob@example.org/gone", "get", "<where xmlns='some:query'/>", "service-unavailable"},
		{"nobody@example.org/gone", "get", "<where xmlns='some:query'/>", "service-unavailable"},
		{"example.org", "get", "", "bad-request"},
		{"example.org", "get", "<where xmlns='some:query'/><where xmlns='some:query'/>", "bad-request"},
		{"example.org", "ask", "<where xmlns='some:query'/>", "bad-request"},
		{"example.org", "", "<where xmlns='some:query'/>", "bad-request"},
	} {
		to := ""
		if c.to != "" {
			to = "to='" + c.to + "'"
		}
		alice.says(`<iq %s type='%s' id='q'>%s</iq>`, to, c.kind, c.payload)
		got := alice.only()
		said := failure(got)
		if e := got.Find("some:query", "at"); e != nil {
			said = e.Text
		}
		if said != c.want || got.ID() != "q" || got.To() != alice.JID() || got.From().String() != c.to {
			t.Errorf("%+v is answered with %s", c, got.Text())
		}
	}
	alice.says(`<iq type='get' to='example.org'><where xmlns='some:query'/></iq>`)
	if got := alice.only(); failure(got) != "bad-request" {
		t.Errorf("an iq without an id is answered with %s", got.Text())
	}
}

func TestErrorsOfServices(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		&xmpp.StanzaError{Condition: xmpp.Forbidden}:           "forbidden",
		core.Fail(core.NotFound, "no such thing", nil):         "item-not-found",
		core.Fail(core.TooMany, "later", errors.New("secret")): "resource-constraint",
		errors.New("secret"):                                   "internal-server-error",
		db.ErrFull:                                             "resource-constraint",
		context.DeadlineExceeded:                               "resource-constraint",
	} {
		s := set(t, setting{services: []im.Service{{Name: xmpp.Name{Space: "some:query", Local: "fail"}, At: im.Own,
			Handle: func(context.Context, *im.Session, *xmpp.Stanza) (string, error) { return "", err }}}})
		alice := s.connect("alice@example.org/a")
		alice.says(`<iq type='get' id='q'><fail xmlns='some:query'/></iq>`)
		if got := alice.only(); failure(got) != want || strings.Contains(got.Text(), "secret") {
			t.Errorf("%v is told as %s", err, got.Text())
		}
	}
}

func TestAnIQPassesBetweenSessions(t *testing.T) {
	t.Parallel()
	strangers := map[string]bool{}
	s := set(t, setting{sees: func(_ context.Context, owner, other jid.JID) (bool, error) {
		return !strangers[owner.Bare().String()+" "+other.Bare().String()], nil
	}})
	alice, bob := s.connect("alice@example.org/a"), s.connect("bob@example.org/b", -1)
	alice.says(`<iq to='bob@example.org/b' type='get' id='q'><x xmlns='some:query'/></iq>`)
	if got := bob.only(); got.From() != alice.JID() {
		t.Errorf("it comes as %s", got.Text())
	}
	bob.says(`<iq to='alice@example.org/a' type='result' id='q'/>`)
	if got := alice.only(); got.Type() != "result" || got.From() != bob.JID() {
		t.Errorf("the answer comes as %s", got.Text())
	}
	bob.acknowledges = false
	alice.says(`<iq to='bob@example.org/b' type='get' id='lost'><x xmlns='some:query'/></iq>`)
	bob.take(1)
	bob.leave()
	if got := alice.only(); failure(got) != "service-unavailable" || got.ID() != "lost" {
		t.Errorf("what the session left unread is answered with %s", got.Text())
	}
	carol := s.connect("carol@example.org/c", 0)
	strangers["carol@example.org alice@example.org"] = true
	alice.says(`<iq to='carol@example.org/c' type='get' id='q'><x xmlns='some:query'/></iq>`)
	if got := alice.only(); failure(got) != "service-unavailable" || len(carol.take(0)) != 0 {
		t.Errorf("a stranger is answered with %s", got.Text())
	}
}

func TestWhoIsToldOfACallMayAskForIt(t *testing.T) {
	t.Parallel()
	s := set(t, setting{sees: func(context.Context, jid.JID, jid.JID) (bool, error) { return false, nil }})
	alice, bob := s.connect("alice@example.org/a", 0), s.connect("bob@example.org/b", 0)
	ask := func(to *client) string {
		alice.take(0)
		alice.says(`<iq to='%s' type='set' id='q'><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='1'/></iq>`, to.JID())
		if got := to.take(0); len(got) == 1 {
			return got[0].ID()
		}
		return failure(alice.only())
	}
	alice.says(`<message to='bob@example.org' type='chat'><propose xmlns='urn:xmpp:jingle-message:0' id='1'/><store xmlns='urn:xmpp:hints'/></message>`)
	bob.take(1)
	if got := ask(bob); got != "service-unavailable" {
		t.Errorf("asked before he answers, it is %q", got)
	}
	bob.says(`<message to='alice@example.org/a' type='chat'><proceed xmlns='urn:xmpp:jingle-message:0' id='1'/><store xmlns='urn:xmpp:hints'/></message>`)
	alice.take(1)
	if got := ask(bob); got != "q" {
		t.Errorf("asked after he proceeds, it is %q", got)
	}
	bob.says(`<iq to='alice@example.org/a' type='set' id='info'><jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='1'/></iq>`)
	if got := alice.only(); got.ID() != "info" {
		t.Errorf("the callee asks the caller, who gets %s", got.Text())
	}
	for i := range 16 {
		bob.says(`<message to='user%d@example.org' type='chat'><reject xmlns='urn:xmpp:jingle-message:0' id='2'/></message>`, i)
	}
	bob.take(0)
	if got := ask(bob); got != "service-unavailable" {
		t.Errorf("asked after sixteen other calls, it is %q", got)
	}
}

func TestBlockedBothWays(t *testing.T) {
	t.Parallel()
	s := set(t, setting{services: []im.Service{where(im.Account, "account")}})
	alice, bob := s.connect("alice@example.org/a", 0), s.connect("bob@example.org/b", 0)
	s.blocked["bob@example.org alice@example.org"] = true
	for _, stanza := range []string{
		`<message to='bob@example.org' type='chat' id='1'><body>hi</body></message>`,
		`<message to='bob@example.org/b' type='normal' id='1'><body>hi</body></message>`,
		`<iq to='bob@example.org' type='get' id='1'><where xmlns='some:query'/></iq>`,
		`<iq to='bob@example.org/b' type='get' id='1'><where xmlns='some:query'/></iq>`,
	} {
		alice.says("%s", stanza)
		if got := alice.only(); failure(got) != "service-unavailable" {
			t.Errorf("%s is answered with %s", stanza, got.Text())
		}
	}
	alice.says(`<iq to='bob@example.org/b' type='result' id='1'/>`)
	alice.says(`<message to='bob@example.org/b' type='error'/>`)
	s.Inject(t.Context(), xmpp.Must(xmpp.Presence, xmpp.Header{From: alice.JID(), To: bob.JID().Bare()}, ""))
	if got := bob.take(0); len(got) != 0 || len(s.presence.got) != 0 {
		t.Errorf("who has blocked gets %s, %q", texts(got), s.presence.got)
	}
	for _, stanza := range []string{
		`<message to='alice@example.org' type='chat' id='1'><body>hi</body></message>`,
		`<iq to='alice@example.org' type='get' id='1'><where xmlns='some:query'/></iq>`,
		`<presence to='alice@example.org' id='1'/>`,
	} {
		bob.says("%s", stanza)
		if got := bob.only(); failure(got) != "not-acceptable" || !strings.Contains(got.Text(), "urn:xmpp:blocking:errors") {
			t.Errorf("%s is answered with %s", stanza, got.Text())
		}
	}
	if got := alice.take(0); len(got) != 0 {
		t.Errorf("who is blocked gets %s", texts(got))
	}
	if got := alice.ask(""); len(got.bodies) != 0 {
		t.Errorf("what was refused is archived: %q", got.bodies)
	}
}

func TestEntitiesAnswer(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	// Both answer whoever writes, one another too.
	for _, name := range []string{"echo@example.org", "other@example.org"} {
		s.entities[name] = func(st *xmpp.Stanza) []*xmpp.Stanza {
			to, from := st.From(), address(name)
			return []*xmpp.Stanza{st.Edit(xmpp.Edit{From: &from, To: &to})}
		}
	}
	alice := s.connect("alice@example.org/a", 0)
	mobile := s.connect("alice@example.org/m", 0)
	mobile.says(`<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>`)
	mobile.take(1)
	alice.says(`<message to='echo@example.org' type='chat'><body>hi</body></message>`)
	if got := alice.only(); got.Body() != "hi" || got.From().String() != "echo@example.org" {
		t.Errorf("echo says %s", got.Text())
	}
	if got := mobile.take(2); got[0].Find("urn:xmpp:carbons:2", "sent") == nil || got[1].Find("urn:xmpp:carbons:2", "received") == nil {
		t.Errorf("the other session hears %s", texts(got))
	}
	if got := alice.ask(""); strings.Join(got.bodies, " ") != "hi hi" {
		t.Errorf("archived are %q", got.bodies)
	}
	var archives int
	if err := s.db.Read().QueryRowContext(t.Context(), `SELECT count(DISTINCT owner) FROM archive_message`).Scan(&archives); err != nil || archives != 1 {
		t.Errorf("%d have an archive, %v; want alice alone", archives, err)
	}
	s.Inject(t.Context(), xmpp.Must(xmpp.Message, xmpp.Header{From: address("other@example.org"), To: address("echo@example.org")}, "<body>loop</body>"))
	alice.says(`<iq to='echo@example.org' type='get' id='q'><x xmlns='some:query'/></iq>`)
	if got := alice.only(); got.Kind() != xmpp.IQ {
		t.Errorf("an iq is answered with %s", got.Text())
	}
	s.Inject(t.Context(), xmpp.Must(xmpp.Presence, xmpp.Header{From: alice.JID().Bare(), To: address("echo@example.org"), Type: "subscribe"}, ""))
	if got := s.presence.got; len(got) != 1 || got[0] != "inbound echo@example.org alice@example.org" {
		t.Errorf("presence is %q", got)
	}
}

func TestStrangersReachWhoTakesThem(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	bob, carol := s.connect("bob@example.org/b", 0), s.connect("carol@example.org/c", 0)
	for _, to := range []string{"bob@example.org", "carol@example.org"} {
		s.Inject(t.Context(), xmpp.Must(xmpp.Message, xmpp.Header{From: address("x@example.net/y"), To: address(to), Type: "chat"}, "<body>hi</body>"))
	}
	if got := bob.take(0); len(got) != 0 {
		t.Errorf("bob, who takes no strangers, gets %s", texts(got))
	}
	wantBodies(t, carol, "hi")
}

func TestTwoServicesCantHaveOnePlace(t *testing.T) {
	t.Parallel()
	s := set(t, setting{})
	if err := s.twice(where(im.Own, "a"), where(im.Own|im.Server, "b")); err == nil || !strings.Contains(err.Error(), "two services") {
		t.Errorf("it ends with %v", err)
	}
}

// Times of the clock for IDs.
func TestIDsGrowWhateverTheClockDoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	var ids []string
	for _, jump := range []time.Duration{0, time.Hour, -2 * time.Hour, time.Second, -time.Millisecond} {
		t.Run(jump.String(), func(t *testing.T) {
			now = now.Add(jump)
			s := set(t, setting{dir: dir, now: func() time.Time { return now }})
			alice := s.connect("alice@example.org/a")
			for range 3 {
				alice.says(`<message to='bob@example.org' type='chat'><body>x</body></message>`)
			}
			now = now.Add(-time.Minute)
			alice.says(`<message to='bob@example.org' type='chat'><body>x</body></message>`)
			last := alice.ask(rsmSet("<before/><max>4</max>"))
			ids = append(ids, last.ids...)
			if err := s.offline.Forget(t.Context(), bob); err != nil {
				t.Fatal(err)
			}
			if err := s.archive.Forget(t.Context(), alice.JID().Bare()); err != nil { // nothing of them is on disk
				t.Fatal(err)
			}
		})
	}
	if len(ids) != 20 {
		t.Fatalf("there are %d ids: %q", len(ids), ids)
	}
	for i := 1; i < len(ids); i++ {
		if ids[i] <= ids[i-1] {
			t.Errorf("id %s comes after %s", ids[i], ids[i-1])
		}
	}
}
