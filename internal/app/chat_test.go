package app

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/admin"
	"parley/internal/config"
	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/xmpptest"
)

// phoneApp is a connection that keeps what it gets, and ends when it is told to.
type phoneApp struct {
	session *im.Session
	app     *App
	ended   *xmpp.StreamError
	waiting bool

	mu  sync.Mutex
	got []string
}

func (p *phoneApp) Waiting() bool { return p.waiting }

func (p *phoneApp) Send(st *xmpp.Stanza, _ func(bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, st.Text())
}

func (p *phoneApp) End(e *xmpp.StreamError) {
	p.ended = e
	p.app.sessions.Remove(p.session)
	p.session.Finish()
}

// says has the app send a presence.
func (p *phoneApp) says(t *testing.T, typ string, to jid.JID) {
	t.Helper()
	p.app.presence.Handle(t.Context(), p.session, xmpp.Must(xmpp.Presence, xmpp.Header{From: p.session.JID(), To: to, Type: typ}, ""))
}

func connect(t *testing.T, a *App, local, resource string) *phoneApp {
	t.Helper()
	p := &phoneApp{app: a}
	p.session = im.NewSession(jid.JID{Local: local, Domain: "localhost", Resource: resource}, p, im.Info{
		Network: "TLS", Encrypted: true, Source: netip.MustParseAddrPort("192.0.2.9:4711"), Mechanism: "SCRAM-SHA-256", Since: time.Now(),
	})
	if _, err := a.sessions.Add(p.session); err != nil {
		t.Fatal(err)
	}
	return p
}

// friends are Alice's and Bob's apps, which see each other.
func friends(t *testing.T, a *App) (alices, bobs *phoneApp) {
	t.Helper()
	for _, local := range []string{"alice", "bob"} {
		if err := a.users().Create(t.Context(), core.Address{Local: local, Domain: "localhost"}, "secret"); err != nil {
			t.Fatal(err)
		}
	}
	alices, bobs = connect(t, a, "alice", "x"), connect(t, a, "bob", "y")
	for from, to := range map[*phoneApp]*phoneApp{alices: bobs, bobs: alices} {
		from.says(t, "", jid.JID{})
		from.says(t, "subscribe", to.session.JID().Bare())
		to.says(t, "subscribed", from.session.JID().Bare())
	}
	for owner, other := range map[*phoneApp]*phoneApp{alices: bobs, bobs: alices} {
		if seen, err := a.presence.Sees(t.Context(), owner.session.JID().Bare(), other.session.JID().Bare()); err != nil || !seen {
			t.Fatalf("%s is not seen by %s: %v", owner.session.JID(), other.session.JID(), err)
		}
	}
	return alices, bobs
}

func TestAnOperatorSeesWhatIsConnected(t *testing.T) {
	t.Parallel()
	c := settings(t)
	a := open(t, c)
	if err := a.store.accounts.Create(t.Context(), alice, "secret", false); err != nil {
		t.Fatal(err)
	}
	bind(t, a)
	for show, resource := range map[string]string{"<show>away</show>": "x", "<show>\x1b</show>": "y", "": "z"} {
		p := connect(t, a, "alice", resource)
		p.waiting = resource == "y"
		if show != "" {
			st := xmpp.Must(xmpp.Presence, xmpp.Header{}, strings.ReplaceAll(show, "\x1b", "odd"))
			p.session.SetAvailability(&im.Availability{Stanza: st, Priority: 7})
		}
	}
	d, err := a.users().Show(t.Context(), alice)
	if err != nil || len(d.Phones) != 1 || len(d.Sessions) != 3 {
		t.Fatalf("connected are %+v, %v", d, err)
	}
	if p := d.Phones[0]; p.Contact != "sip:alice@192.0.2.7" || p.Network != "UDP" || p.Source != "192.0.2.7:5060" {
		t.Errorf("the phone is %+v", p)
	}
	var states []string
	for _, s := range d.Sessions {
		states = append(states, fmt.Sprint(s.Resource, s.Network, s.Encrypted, s.Source, s.Mechanism, s.Waiting, s.Available, s.Priority, s.Show))
	}
	slices.Sort(states)
	want := []string{"xTLStrue192.0.2.9:4711SCRAM-SHA-256falsetrue7away", "yTLStrue192.0.2.9:4711SCRAM-SHA-256truetrue7", "zTLStrue192.0.2.9:4711SCRAM-SHA-256falsefalse0"}
	for i := range want {
		if strings.ReplaceAll(states[i], " ", "") != want[i] {
			t.Errorf("a session is %q, want %q", states[i], want[i])
		}
	}
	check := func(u admin.Users, phones, sessions int) {
		t.Helper()
		list, err := u.List(t.Context(), core.Address{}, 10)
		if err != nil || len(list) != 1 || list[0].Phones != phones || list[0].Sessions != sessions {
			t.Errorf("listed are %+v, %v; want %d phones and %d sessions", list, err, phones, sessions)
		}
	}
	check(a.users(), 1, 3)
	stop(t, a)
	// What is on the disk can be seen without a server.
	users, closer, err := OpenUsers(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	check(users, 1, 0)
	if d, err = users.Show(t.Context(), alice); err != nil || len(d.Phones) != 1 || len(d.Sessions) != 0 {
		t.Errorf("connected are %+v, %v", d, err)
	}
	if _, err := users.Show(t.Context(), core.Address{Local: "nobody", Domain: "localhost"}); core.AsError(err).Reason != core.NotFound {
		t.Errorf("of nobody: %v", err)
	}
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request of Alice's to a service.
func ask(t *testing.T, services []im.Service, at im.Place, typ string, to jid.JID, payload string) string {
	t.Helper()
	from := jid.JID{Local: "alice", Domain: "localhost", Resource: "x"}
	st := xmpp.Must(xmpp.IQ, xmpp.Header{From: from, To: to, ID: "1", Type: typ}, payload)
	p, _ := st.Payload()
	for _, s := range services {
		if s.Name == p.Name && s.At&at != 0 {
			out, err := s.Handle(t.Context(), nil, st)
			if err != nil {
				t.Fatalf("%s: %v", payload, err)
			}
			return out
		}
	}
	t.Fatalf("nobody answers %s", payload)
	return ""
}

func TestNothingOfADeletedAccountStays(t *testing.T) {
	t.Parallel()
	a := open(t, settings(t))
	defer stop(t, a)
	alices, bobs := friends(t, a)
	bind(t, a)
	services, _ := a.chatServices()
	const card = "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>"
	ask(t, services, im.Own, "set", jid.JID{}, "<block xmlns='urn:xmpp:blocking'><item jid='carol@localhost'/></block>")
	ask(t, services, im.Own, "set", jid.JID{}, card)
	if err := a.users().Delete(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if alices.ended == nil || alices.ended.Condition != xmpp.StreamNotAuthorized {
		t.Errorf("her app's stream ends with %v", alices.ended)
	}
	if err := a.users().Create(t.Context(), alice, "secret"); err != nil {
		t.Fatal(err)
	}
	if n := a.location.Count(); n != 0 {
		t.Errorf("%d bindings stay", n)
	}
	if list := ask(t, services, im.Own, "get", jid.JID{}, "<blocklist xmlns='urn:xmpp:blocking'/>"); list != "<blocklist xmlns='urn:xmpp:blocking'/>" {
		t.Errorf("the block list stays: %s", list)
	}
	if got := ask(t, services, im.Own, "get", jid.JID{}, card); got != "<vCard xmlns='vcard-temp'/>" {
		t.Errorf("the card stays: %s", got)
	}
	wantStrangers(t, a, bobs.session.JID().Bare())
}

// wantStrangers has Alice and somebody else see nothing of each other.
func wantStrangers(t *testing.T, a *App, other jid.JID) {
	t.Helper()
	hers := jid.JID{Local: "alice", Domain: "localhost"}
	for owner, whom := range map[jid.JID]jid.JID{hers: other, other: hers} {
		if s, err := a.roster.Standing(t.Context(), owner, whom); err != nil || s.State.IsSeen() || s.State.SeesContact() {
			t.Errorf("%s stands to %s like %+v, %v", owner, whom, s, err)
		}
	}
}

func TestWhoIsDeletedWhileTheServerIsStoppedIsNobodysContact(t *testing.T) {
	t.Parallel()
	c := settings(t)
	a := open(t, c)
	_, bobs := friends(t, a)
	stop(t, a)
	c.Server.Domains = nil // the command line need not know them
	users, closer, err := OpenUsers(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(users.Delete(t.Context(), alice), closer.Close()); err != nil {
		t.Fatal(err)
	}
	again := open(t, c)
	defer stop(t, again)
	wantStrangers(t, again, bobs.session.JID().Bare())
}

func TestWhoIsBlockedSeesOneGo(t *testing.T) {
	t.Parallel()
	a := open(t, settings(t))
	defer stop(t, a)
	_, bobs := friends(t, a)
	services, _ := a.chatServices()
	for _, c := range []struct{ command, want string }{
		{"block", "<presence from='alice@localhost/x' to='bob@localhost/y' type='unavailable'/>"},
		{"unblock", "<presence from='alice@localhost/x' to='bob@localhost'/>"},
	} {
		bobs.got = nil
		ask(t, services, im.Own, "set", jid.JID{}, "<"+c.command+" xmlns='urn:xmpp:blocking'><item jid='bob@localhost'/></"+c.command+">")
		if len(bobs.got) != 1 || bobs.got[0] != c.want {
			t.Errorf("after a %s Bob gets %q, want %q", c.command, bobs.got, c.want)
		}
	}
}

func TestACallOfOneWhoIsBlockedIsLikeOneToADeviceThatIsOff(t *testing.T) {
	t.Parallel()
	a := open(t, settings(t))
	defer stop(t, a)
	bob := core.Address{Local: "bob", Domain: "localhost"}
	for _, who := range []core.Address{alice, bob} {
		if err := a.store.accounts.Create(t.Context(), who, "secret", false); err != nil {
			t.Fatal(err)
		}
	}
	explain := func() admin.Explanation {
		t.Helper()
		e, err := a.Explain(t.Context(), bob, alice)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	off := explain()
	bind(t, a)
	if e := explain(); off.Refused == "" || e.Refused != "" {
		t.Fatalf("without a device: %+v; with one: %+v", off, e)
	}
	services, _ := a.chatServices()
	ask(t, services, im.Own, "set", jid.JID{}, "<block xmlns='urn:xmpp:blocking'><item jid='bob@localhost'/></block>")
	if e := explain(); e.Refused != off.Refused || !slices.Contains(e.Notes, "block: alice@localhost has blocked bob@localhost") {
		t.Errorf("blocked: %+v; without a device: %+v", e, off)
	}
}

func TestEachQuestionIsAnsweredByOneService(t *testing.T) {
	t.Parallel()
	a := open(t, settings(t))
	defer stop(t, a)
	services, caps := a.chatServices()
	type key struct {
		xmpp.Name
		im.Place
	}
	seen := map[key]bool{}
	for _, s := range services {
		for _, at := range []im.Place{im.Server, im.Own, im.Account} {
			if k := (key{s.Name, at}); s.At&at != 0 {
				if seen[k] {
					t.Errorf("two services answer %s %s", s.Space, s.Local)
				}
				seen[k] = true
			}
		}
	}
	home := jid.JID{Domain: "localhost"}
	info := ask(t, services, im.Server, "get", home, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
	for _, feature := range []string{
		"urn:xmpp:blocking", "vcard-temp", "urn:xmpp:ping", "urn:xmpp:time", "jabber:iq:version", "jabber:iq:last",
		"http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items", "http://jabber.org/protocol/caps",
	} {
		if !strings.Contains(info, "<feature var='"+feature+"'/>") {
			t.Errorf("the server does not say that it has %s: %s", feature, info)
		}
	}
	items := ask(t, services, im.Server, "get", home, "<query xmlns='http://jabber.org/protocol/disco#items'/>")
	if !strings.Contains(items, "jid='echo@localhost'") || !strings.HasPrefix(caps, "<c ") {
		t.Errorf("items are %s, capabilities %s", items, caps)
	}
}

func TestContactAddressesAreThoseOfTheConfiguration(t *testing.T) {
	t.Parallel()
	c := settings(t)
	if got := contactAddresses(c); len(got) != 0 {
		t.Errorf("without any there are %v", got)
	}
	c.Contact.Abuse = []string{"mailto:abuse@localhost"}
	a := open(t, c)
	defer stop(t, a)
	services, _ := a.chatServices()
	info := ask(t, services, im.Server, "get", jid.JID{Domain: "localhost"}, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
	if want := "<field var='abuse-addresses' type='list-multi'><value>mailto:abuse@localhost</value></field></x>"; !strings.Contains(info, want) {
		t.Errorf("the server says %s", info)
	}
}

func TestTheEchoIsAContactIfItIsOn(t *testing.T) {
	t.Parallel()
	c := config.Demo()
	j := jid.JID{Local: "echo", Domain: "localhost"}
	if _, ok := chatEntity(c)(j); !ok || len(chatItems(c)("localhost")) != 1 {
		t.Error("there is no echo")
	}
	c.Echo.Enabled = false
	if _, ok := chatEntity(c)(j); ok || chatItems(c) != nil {
		t.Error("there is an echo although it is off")
	}
}

func TestARealAppIsShownUntilItsAccountIsDeleted(t *testing.T) {
	t.Parallel()
	a := open(t, settings(t))
	defer stop(t, a)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.users().Create(t.Context(), alice, "secret"); err != nil {
		t.Fatal(err)
	}
	server := a.Addresses()["xmpp"][0]
	stays, leaves := xmpptest.TCP(t, alice.String(), server, nil), xmpptest.TCP(t, alice.String(), server, nil)
	stays.Login("secret", "stays")
	leaves.Login("secret", "leaves")
	leaves.Enable(true)
	leaves.Cut()
	var states []string
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		d, err := a.users().Show(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		states = nil
		for _, s := range d.Sessions {
			states = append(states, fmt.Sprintf("%s %s encrypted %v by %s, waiting %v", s.Resource, s.Network, s.Encrypted, s.Mechanism, s.Waiting))
		}
		want := []string{"stays TLS encrypted true by SCRAM-SHA-256-PLUS, waiting false", "leaves TLS encrypted true by SCRAM-SHA-256-PLUS, waiting true"}
		if slices.Equal(states, want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the sessions are %q, want %q", states, want)
		}
	}
	if err := a.users().Delete(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	stays.ExpectEnd("not-authorized")
	if n := a.sessions.Count(); n != 0 {
		t.Errorf("%d sessions of a deleted account are left", n)
	}
}

func TestTheEchoBecomesAContactAtOnceAndIsAlwaysThere(t *testing.T) {
	t.Parallel()
	a := open(t, settings(t))
	defer stop(t, a)
	if err := a.users().Create(t.Context(), alice, "secret"); err != nil {
		t.Fatal(err)
	}
	echo := jid.JID{Local: "echo", Domain: "localhost"}
	first := connect(t, a, "alice", "x")
	first.says(t, "", jid.JID{})
	first.says(t, "subscribe", echo)
	again := connect(t, a, "alice", "y")
	again.says(t, "", jid.JID{})
	for _, p := range []*phoneApp{first, again} {
		p.mu.Lock()
		if !slices.ContainsFunc(p.got, func(text string) bool { return strings.HasPrefix(text, "<presence from='echo@localhost/echo'") }) {
			t.Errorf("%s does not see the echo: %q", p.session.JID(), p.got)
		}
		p.mu.Unlock()
	}
	first.says(t, "unsubscribe", echo)
	if s, err := a.roster.Standing(t.Context(), first.session.JID().Bare(), echo); err != nil || s.State.SeesContact() {
		t.Errorf("after unsubscribing she stands to it like %+v, %v", s, err)
	}
}
