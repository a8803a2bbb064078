package watch

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/siptest"
	"parley/xmpp"
)

const (
	open   = "<basic>open</basic>"
	closed = "<basic>closed</basic>"
)

func TestWhatAPhoneSees(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		view  View
		state string
		parts []string
	}{
		{"nobody", sees("bob"), "active", []string{closed, "entity='sip:bob@example.org'"}},
		{"somebody", sees("bob", ""), "active", []string{open, "id='ID-a'", "<contact priority='0'>sip:bob@example.org</contact>"}},
		{
			"the one of the highest priority first", sees("bob", "<show>away</show>", "<show>dnd</show><priority>5</priority>"), "active",
			[]string{"id='ID-b'><status><basic>open</basic><show xmlns='jabber:client'>dnd</show></status><rpid:activities><rpid:busy/></rpid:activities>", "id='ID-a'", "<dm:person id='person'><rpid:activities><rpid:busy/></rpid:activities></dm:person>"},
		},
		{"a long story", sees("bob", "<status>"+strings.Repeat("ä", 300)+"</status>"), "active", []string{"<note>" + strings.Repeat("ä", 100) + "</note>"}},
		{"who has not answered", View{Asking: true}, "pending", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			k.shows("alice", "bob", test.view)
			alice := k.phone("alice")
			alice.watch("bob")
			alice.told(test.state, test.parts...)
			alice.Silent(0)
			if len(k.asks) != 0 {
				t.Errorf("was asked: %v", k.asks)
			}
		})
	}
}

func TestWhoIsWatchedIsAsked(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *Config) { c.Again = time.Minute })
	alice := k.phone("alice")
	alice.watch("bob")
	alice.told("pending")
	if len(k.asks) != 1 || k.asks[0] != (pair{person("alice"), person("bob")}) {
		t.Fatalf("asked: %v", k.asks)
	}
	k.shows("alice", "bob", sees("bob", ""))
	alice.told("active", open)
	k.shows("alice", "bob", View{})
	alice.told("terminated;reason=rejected")
	if k.watch.Count() != 0 || len(k.watch.counts) != 0 || len(k.watch.watchers) != 0 {
		t.Errorf("something of the subscription is left: %v %v", k.watch.counts, k.watch.watchers)
	}

	// Who has refused is asked again when a while has passed.
	alice.watch("bob")
	alice.told("terminated;reason=rejected")
	k.clock.Advance(61 * time.Second)
	alice.watch("bob")
	alice.told("pending")
	if len(k.asks) != 2 {
		t.Errorf("asked %d times", len(k.asks))
	}
}

func TestWhoAgreesAtOnce(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.agreed = true
	alice := k.phone("alice")
	alice.watch("bob")
	alice.told("active", closed)
}

// The state alone does not make a contact of anybody.
func TestOnceAsksNobody(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	once := siptest.With(sip.HeaderExpires, "0")
	alice := k.phone("alice")
	alice.watch("bob", once)
	alice.told("terminated;reason=rejected")
	k.shows("alice", "bob", sees("bob", ""))
	alice.watch("bob", once)
	alice.told("terminated;reason=timeout", open)
	if len(k.asks) != 0 || k.watch.Count() != 0 || len(k.watch.counts) != 0 {
		t.Errorf("asked %v, and %d subscriptions are left", k.asks, k.watch.Count())
	}
}

func TestSubscriptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		whom   string
		refuse error
		edits  []siptest.Edit
		status int
	}{
		{"nobody", nil, nil, 404},
		{"bob", &xmpp.StanzaError{Condition: xmpp.NotAcceptable}, nil, 403},
		{"bob", &xmpp.StanzaError{Condition: xmpp.ResourceConstraint}, nil, 503},
		{"bob", errors.New("the disk is full"), nil, 500},
		{"bob", nil, []siptest.Edit{siptest.With(sip.HeaderEvent, "dialog")}, 489},
		{"bob", nil, []siptest.Edit{siptest.Without(sip.HeaderContact)}, 400},
	}
	for _, test := range tests {
		k := newKit(t)
		k.refuse = test.refuse
		alice := k.phone("alice")
		if resp := alice.watch(test.whom, test.edits...); resp.Status() != test.status {
			t.Errorf("%s, %v: answered %d, want %d", test.whom, test.refuse, resp.Status(), test.status)
		}
		alice.Silent(0)
		if k.watch.Count() != 0 || len(k.watch.counts) != 0 {
			t.Errorf("%d subscriptions are left", k.watch.Count())
		}
	}
}

func TestNoMoreThanAnAccountMayHave(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *Config) { c.PerAccount = 2 })
	alice, carol := k.phone("alice"), k.phone("carol")
	for range 2 {
		alice.watch("alice")
		alice.told("active", closed)
	}
	if resp := alice.watch("alice"); resp.Status() != 503 {
		t.Errorf("one more is answered %d", resp.Status())
	}
	carol.watch("carol")
	carol.told("active", closed)
	alice.dialog.Request(sip.SUBSCRIBE, siptest.With(sip.HeaderEvent, "presence"), siptest.With(sip.HeaderExpires, "0"))
	alice.Expect("200 SUBSCRIBE")
	alice.told("terminated;reason=timeout", closed)
	alice.watch("alice")
	alice.told("active", closed)
}

func TestWhatEndsWithAnAccountOrADevice(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.shows("alice", "bob", sees("bob", ""))
	k.shows("bob", "alice", sees("alice", ""))
	alice, bob := k.phone("alice"), k.phone("bob")
	k.device = "tablet"
	alice.watch("bob")
	alice.told("active", open)
	k.watch.EndDevice(account("alice"), "other")
	k.watch.EndDevice(account("bob"), "tablet")
	alice.Silent(0)
	k.watch.EndDevice(account("alice"), "tablet")
	alice.told("terminated;reason=rejected")

	k.device = ""
	alice.watch("bob")
	alice.told("active", open)
	bob.watch("alice")
	bob.told("active", open)
	if err := k.watch.Forget(context.Background(), account("bob")); err != nil {
		t.Error(err)
	}
	alice.told("terminated;reason=noresource")
	bob.told("terminated;reason=noresource")
	if k.watch.Count() != 0 || len(k.watch.watchers) != 0 {
		t.Errorf("%d subscriptions are left", k.watch.Count())
	}
}

// A phone that comes back over another connection, with the contact that it had, sees on.
func TestAPhoneComesBack(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := &phone{k: k, Peer: siptest.Join(t, k.clock, "alice@example.org", sip.TCP, k.layer.Receive)}
	alice.watch("alice")
	alice.told("active", closed)
	k.clock.Advance(5 * time.Second)
	alice.Flow().Close()
	k.shows("alice", "alice", sees("alice", ""))

	back := &phone{k: k, Peer: siptest.Join(t, k.clock, "alice@example.org", sip.TCP, k.layer.Receive)}
	k.flows["new"] = back.Flow()
	registers := func(contact string) {
		k.bound = []core.Binding{{Contact: contact, Flow: "new"}, {Contact: contact, Flow: "gone"}, {Contact: "no contact"}}
		k.watch.Bound(account("alice"))
		k.watch.Bound(account("bob"))
		k.settle()
		back.Silent(0) // it takes the answer to its REGISTER first
		k.clock.Advance(time.Second)
		k.settle()
	}
	registers("sip:alice@192.0.2.99")
	back.Silent(0)
	registers("sip:alice@192.0.2.77:5062;transport=tcp")
	back.told("active", open)
}

func TestTheServerStops(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone("alice")
	alice.watch("alice")
	alice.told("active", closed)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := k.watch.Close(ctx); err == nil {
		t.Error("it did not wait for the phone")
	}
	alice.told("terminated;reason=probation;retry-after=5")
	if err := k.watch.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestNoMemoryWithoutBound(t *testing.T) {
	t.Parallel()
	m := memory{keep: time.Hour}
	now := time.Unix(0, 0)
	who := func(i int) pair { return pair{person("alice"), person("bob").With(strconv.Itoa(i))} }
	for i := range 3 * maxAsked {
		if !m.first(who(i), now) {
			t.Fatal("somebody seems to have been asked twice")
		}
	}
	if n := len(m.young) + len(m.old); n > 2*maxAsked {
		t.Errorf("%d are remembered", n)
	}
	if m.first(who(3*maxAsked-1), now.Add(time.Minute)) {
		t.Error("who has asked lately may ask again")
	}
	if !m.first(who(3*maxAsked-1), now.Add(2*time.Hour)) {
		t.Error("nobody may ask again")
	}
}
