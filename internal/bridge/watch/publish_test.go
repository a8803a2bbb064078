package watch

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/pidf"
	"parley/sip/siptest"
	"parley/xmpp"
	"parley/xmpp/im"
)

// said is a document of one tuple.
func said(basic string, activities ...string) string {
	return (&pidf.Presence{Entity: "sip:bob@example.org", Tuples: []pidf.Tuple{{ID: "t", Basic: basic, Activities: activities}}}).String()
}

// publish sends a PUBLISH and gives its answer.
func (p *phone) publish(whom, document, tag string, edits ...siptest.Edit) *sip.Message {
	p.k.Helper()
	all := []siptest.Edit{siptest.With(sip.HeaderEvent, "presence")}
	if document != "" {
		all = append(all, siptest.WithBody(pidf.MIME, document))
	}
	if tag != "" {
		all = append(all, siptest.With(sip.HeaderSIPIfMatch, tag))
	}
	p.Request(sip.PUBLISH, whom+"@example.org", append(all, edits...)...)
	resp := p.Expect("any")
	p.k.settle()
	return resp
}

// check compares what was shown since.
func (k *kit) check(want ...string) {
	k.Helper()
	k.settle()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Equal(k.shown, want) {
		k.Errorf("shown was\n %s\nwant\n %s", strings.Join(k.shown, "\n "), strings.Join(want, "\n "))
	}
	k.shown = nil
}

const (
	here = "bob/desk <priority>-1</priority>"
	away = "bob/desk <show>away</show><priority>-1</priority>"
)

// registered makes a phone of bob that is bound as "desk".
func (k *kit) registered() *phone {
	k.Helper()
	bob := k.phone("bob")
	k.bound = append(k.bound, core.Binding{Key: "desk", Flow: bob.Flow().ID()})
	return bob
}

func TestWhatAPhonePublishesIsShown(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob := k.registered()
	tag := bob.publish("bob", said("open"), "").Get(sip.HeaderSIPETag)
	k.check(here)
	tag = bob.publish("bob", "", tag).Get(sip.HeaderSIPETag)
	k.check()
	tag = bob.publish("bob", said("open", "meal"), tag).Get(sip.HeaderSIPETag)
	k.check(away)
	tag = bob.publish("bob", said("closed"), tag).Get(sip.HeaderSIPETag)
	k.check("bob/desk leaves")
	tag = bob.publish("bob", said("open"), tag).Get(sip.HeaderSIPETag)
	k.check(here)
	bob.publish("bob", "", tag, siptest.With(sip.HeaderExpires, "0"))
	k.check("bob/desk leaves")

	bob.publish("bob", said("open"), "", siptest.With(sip.HeaderExpires, "60"))
	k.check(here)
	k.clock.Advance(61 * time.Second)
	k.check("bob/desk leaves")
	if len(k.watch.shown)+len(k.watch.publishers) != 0 || k.watch.published.Len() != 0 {
		t.Error("something is left of what was published")
	}
}

// A phone that has lost its tag begins anew, and is no second phone.
func TestAPhoneThatBeginsAnewIsTheSame(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob := k.registered()
	bob.publish("bob", said("open"), "", siptest.With(sip.HeaderExpires, "60"))
	k.check(here)
	k.clock.Advance(time.Second)
	bob.publish("bob", said("open", "away"), "")
	k.check(away)
	k.clock.Advance(time.Minute)
	k.check()
}

func TestAPhoneThatIsNotRegistered(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob := k.phone("bob")
	bob.publish("bob", said("open"), "")
	k.settle()
	if len(k.shown) != 1 || !strings.HasPrefix(k.shown[0], "bob/phone-") {
		t.Errorf("shown was %q", k.shown)
	}
}

// A phone that takes messages has a session of the same address, and says so.
func TestAPhoneThatTakesMessages(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob := k.registered()
	s := im.NewSession(person("bob").With("desk"), nil, im.Info{Phone: true})
	if _, err := k.sessions.Add(s); err != nil {
		t.Fatal(err)
	}
	bob.publish("bob", said("open"), "")
	k.check("bob/desk ")
}

// A device that is available as an app is shown by that alone.
func TestOneDeviceIsOnePresence(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob := k.registered()
	k.device = "tablet"
	bob.publish("bob", said("open"), "")
	k.check(here)
	app := im.NewSession(person("bob").With("app"), nil, im.Info{Device: "tablet"})
	other := im.NewSession(person("bob").With("other"), nil, im.Info{Device: "laptop"})
	for _, s := range []*im.Session{app, other} {
		if _, err := k.sessions.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	st := xmpp.Must(xmpp.Presence, xmpp.Header{From: app.JID()}, "")
	other.SetAvailability(&im.Availability{Stanza: st})
	k.watch.Changed(person("bob"))
	k.check()
	app.SetAvailability(&im.Availability{Stanza: st})
	k.watch.Changed(person("bob"))
	k.check("bob/desk leaves")
	app.SetAvailability(nil)
	k.watch.Changed(person("bob"))
	k.check(here)
	k.watch.EndDevice(account("bob"), "tablet")
	k.check("bob/desk leaves")
}

func TestPublicationsThatAreRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob := k.registered()
	for _, test := range []struct {
		whom, document string
		status         int
	}{
		{"alice", said("open"), 403},
		{"bob", "<presence/>", 400},
		{"bob", "", 400},
	} {
		if resp := bob.publish(test.whom, test.document, ""); resp.Status() != test.status {
			t.Errorf("%q for %s is answered %d, want %d", test.document, test.whom, resp.Status(), test.status)
		}
	}
	k.check()
	bob.publish("bob", said("open"), "")
	k.check(here)
	if err := k.watch.Forget(context.Background(), account("bob")); err != nil {
		t.Error(err)
	}
	k.check("bob/desk leaves")
}

// Other phones see what a phone has published in its own words.
func TestActivitiesAreNotLostBetweenPhones(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	bob := k.registered()
	bob.publish("bob", said("open", "meal"), "")
	desk := xmpp.Must(xmpp.Presence, xmpp.Header{From: person("bob").With("desk")}, "<show>away</show>")
	k.shows("alice", "bob", View{Seen: true, Presences: []*xmpp.Stanza{desk}})
	alice := k.phone("alice")
	alice.watch("bob")
	alice.told("active", "<rpid:activities><rpid:meal/></rpid:activities>", "away</show>")
}

func TestOnThePhone(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	v := sees("bob", "<show>chat</show><status>hello</status>")
	v.Talking = true
	k.shows("alice", "bob", v)
	alice := k.phone("alice")
	alice.watch("bob")
	alice.told("active", open, "<show xmlns='jabber:client'>dnd</show>", "<note xml:lang='en'>On the phone</note>",
		"<dm:person id='person'><rpid:activities><rpid:on-the-phone/>")

	k.watch.Talking(account("bob"), true)
	k.watch.Talking(account("nobody"), true)
	k.check("bob talks: true")
	k.watch.Talking(account("bob"), false)
	k.check("bob talks: false")
	k.watch.Talking(account("bob"), true)
	k.watch.Talking(account("bob"), false)
	k.check("bob talks: false")
}
