package disco

import (
	"context"
	"errors"
	"strings"
	"testing"

	"parley/xmpp"
	"parley/xmpp/disco"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

var (
	alice   = jid.JID{Local: "alice", Domain: "example.org", Resource: "phone"}
	bob     = jid.JID{Local: "bob", Domain: "example.org"}
	home    = jid.JID{Domain: "example.org"}
	errDisk = errors.New("disk")
)

// contacts are who sees whom: "owner other".
type contacts map[string]bool

func (c contacts) subscribed(_ context.Context, owner, other jid.JID) (bool, error) {
	if owner.Local == "broken" {
		return false, errDisk
	}
	return c[owner.String()+" "+other.String()], nil
}

type nowhere struct{}

func (nowhere) Send(*xmpp.Stanza, func(bool)) {}
func (nowhere) End(*xmpp.StreamError)         {}

func open(t *testing.T) *Disco {
	t.Helper()
	table := im.NewTable(0)
	for _, j := range []jid.JID{alice, bob.With("desk"), bob.With("away")} {
		s := im.NewSession(j, nowhere{}, im.Info{})
		if j.Resource == "desk" {
			s.SetAvailability(&im.Availability{})
		}
		if _, err := table.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	return New(Config{
		Subscribed: contacts{"bob@example.org alice@example.org": true}.subscribed,
		Sessions:   table,
		Services: []im.Service{
			{At: im.Server | im.Own, Features: []string{"urn:x"}},
			{At: im.Account, Features: []string{"urn:y", "urn:x"}},
		},
		Items:     func(domain string) []disco.Item { return []disco.Item{{JID: "echo@" + domain, Name: "Echo"}} },
		Addresses: map[string][]string{"abuse": {"mailto:abuse@example.org"}, "admin": {"xmpp:a@example.org", "mailto:a@example.org"}},
	})
}

// ask gives what answers Alice: the payload or the condition.
func ask(t *testing.T, d *Disco, to jid.JID, typ, space, node string) (string, error) {
	t.Helper()
	payload := xmpp.NewBuilder(nil).Open("query", space).Maybe("node", node).Close().String()
	st := xmpp.Must(xmpp.IQ, xmpp.Header{From: alice, To: to, ID: "1", Type: typ}, payload)
	for _, s := range d.Services() {
		if s.Space != space {
			continue
		}
		out, err := s.Handle(t.Context(), nil, st)
		if e, ok := errors.AsType[*xmpp.StanzaError](err); ok {
			return string(e.Condition), nil
		}
		return out, err
	}
	t.Fatalf("nobody answers %s", payload)
	return "", nil
}

func features(vars ...string) string {
	return "<feature var='" + strings.Join(vars, "'/><feature var='") + "'/>"
}

const (
	account = "<identity category='account' type='registered'/>"
	info    = "<query xmlns='http://jabber.org/protocol/disco#info'>"
	items   = "<query xmlns='http://jabber.org/protocol/disco#items'>"
)

func TestWhatIsSaidOfWhom(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, c := range []struct {
		to              jid.JID
		typ, space, ask string
		want            string
	}{
		{home, "get", disco.NSInfo, "", info + "<identity category='server' type='im' name='parley'/>" +
			features(disco.NSCaps, disco.NSInfo, disco.NSItems, "urn:x") +
			"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field>" +
			"<field var='abuse-addresses' type='list-multi'><value>mailto:abuse@example.org</value></field>" +
			"<field var='admin-addresses' type='list-multi'><value>mailto:a@example.org</value><value>xmpp:a@example.org</value></field></x></query>"},
		{home, "get", disco.NSItems, "", items + "<item jid='echo@example.org' name='Echo'/></query>"},
		{jid.JID{}, "get", disco.NSInfo, "", info + account + features(disco.NSInfo, disco.NSItems, "urn:x") + "</query>"},
		{alice.Bare(), "get", disco.NSInfo, "", info + account + features(disco.NSInfo, disco.NSItems, "urn:x") + "</query>"},
		{alice.Bare(), "get", disco.NSItems, "", items + "<item jid='alice@example.org/phone'/></query>"},
		{bob, "get", disco.NSInfo, "", info + account + features(disco.NSInfo, disco.NSItems, "urn:x", "urn:y") + "</query>"},
		{bob, "get", disco.NSItems, "", items + "<item jid='bob@example.org/desk'/></query>"},
		// Strangers and those who are not there.
		{jid.JID{Local: "carol", Domain: "example.org"}, "get", disco.NSInfo, "", "service-unavailable"},
		{jid.JID{Local: "carol", Domain: "example.org"}, "get", disco.NSInfo, "n", "service-unavailable"},
		{jid.JID{Local: "carol", Domain: "example.org"}, "get", disco.NSItems, "", "service-unavailable"},
		// Nodes that are not there.
		{home, "get", disco.NSInfo, "n", "item-not-found"},
		{home, "get", disco.NSItems, "n", "item-not-found"},
		{jid.JID{}, "get", disco.NSInfo, "n", "item-not-found"},
		{bob, "get", disco.NSItems, "n", "item-not-found"},
		{home, "set", disco.NSInfo, "", "bad-request"},
		{home, "set", disco.NSItems, "", "bad-request"},
	} {
		got, err := ask(t, d, c.to, c.typ, c.space, c.ask)
		if got != c.want || err != nil {
			t.Errorf("%s of %s, node %q: %s, %v\nwant %s", c.space, c.to, c.ask, got, err, c.want)
		}
	}
	if _, err := ask(t, d, jid.JID{Local: "broken", Domain: "example.org"}, "get", disco.NSInfo, ""); !errors.Is(err, errDisk) {
		t.Errorf("a roster that can't be read says %v", err)
	}
}

func TestTheCapabilitiesAreThoseOfTheInfo(t *testing.T) {
	t.Parallel()
	d := open(t)
	c, err := xmpp.ParseElement(d.Caps())
	if err != nil || c.Attr("node") == "" || c.Attr("hash") != "sha-1" || c.Attr("ver") != d.server.Ver() {
		t.Fatalf("caps are %s, %v", d.Caps(), err)
	}
	node := c.Attr("node") + "#" + c.Attr("ver")
	got, err := ask(t, d, home, "get", disco.NSInfo, node)
	if err != nil || got != d.server.XML(node) {
		t.Errorf("at the node of the caps is %s, %v", got, err)
	}
	if got, _ := ask(t, d, bob, "get", disco.NSInfo, node); got != "item-not-found" {
		t.Errorf("at an account's node of that name is %s", got)
	}
}
