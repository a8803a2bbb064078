package calls

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/address"
	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/disco"
	"parley/xmpp/im"
)

// asked is a session that notes what it is asked.
type asked struct {
	mu  sync.Mutex
	got []*xmpp.Stanza
}

func (a *asked) Send(st *xmpp.Stanza, _ func(bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = append(a.got, st)
}
func (*asked) End(*xmpp.StreamError) {}

func (a *asked) questions() []*xmpp.Stanza {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.got
}

type apps struct {
	*testing.T
	*Apps
	sessions *im.Table
}

func newApps(t *testing.T, patience time.Duration) apps {
	t.Helper()
	table := im.NewTable(0)
	return apps{t, NewApps(table, patience, nil), table}
}

// add makes a session with such a presence.
func (a apps) add(resource, presence string) (*im.Session, *asked) {
	a.Helper()
	out := &asked{}
	s := im.NewSession(address.JID(bob).With(resource), out, im.Info{})
	s.SetAvailability(&im.Availability{Stanza: xmpp.Must(xmpp.Presence, xmpp.Header{From: s.JID()}, presence)})
	if _, err := a.sessions.Add(s); err != nil {
		a.Fatal(err)
	}
	a.Available(a.Context(), s)
	return s, out
}

func (a apps) says(s *im.Session, question *xmpp.Stanza, i disco.Info) {
	st := xmpp.Must(xmpp.IQ, xmpp.Header{From: s.JID(), To: question.From(), ID: question.ID(), Type: "result"}, i.XML(""))
	a.Session(question.From()).Send(st)
}

func (a apps) able() (names []string) {
	found, _ := a.That(address.JID(bob), nil)
	for _, x := range found {
		names = append(names, fmt.Sprint(x.JID().Resource, " ", x.Intents))
	}
	return names
}

// TestAppsAreAskedOnce has one app be asked for all that say that they are the same, and prove it.
func TestAppsAreAskedOnce(t *testing.T) {
	t.Parallel()
	a := newApps(t, time.Minute)
	info := able(true)
	first, out := a.add("a", info.Caps("n"))
	if len(out.questions()) != 1 {
		t.Fatalf("it is asked %d questions", len(out.questions()))
	}
	a.Available(t.Context(), first)
	if _, open := a.That(address.JID(bob), nil); len(out.questions()) != 1 || len(open) != 1 {
		t.Errorf("asked again: %d questions, %d open", len(out.questions()), len(open))
	}
	a.says(first, out.questions()[0], info)
	if _, out := a.add("b", info.Caps("n")); len(out.questions()) != 0 {
		t.Error("another of the same is asked too")
	}
	if got := a.able(); fmt.Sprint(got) != "[a true b true]" {
		t.Errorf("those that take calls are %v", got)
	}
	if len(a.asked)+len(a.pending) != 0 {
		t.Errorf("%d sessions and %d questions are left", len(a.asked), len(a.pending))
	}
}

// TestCapsThatProveNothing hold for nobody else.
func TestCapsThatProveNothing(t *testing.T) {
	t.Parallel()
	a := newApps(t, time.Minute)
	chat := disco.Info{Features: []string{disco.NSInfo}}
	liar, out := a.add("liar", chat.Caps("n"))
	a.says(liar, out.questions()[0], able(true))
	honest, out := a.add("honest", chat.Caps("n"))
	if len(out.questions()) != 1 {
		t.Fatal("what the other has said is believed")
	}
	a.says(honest, out.questions()[0], chat)
	if _, out := a.add("third", chat.Caps("n")); len(out.questions()) != 0 {
		t.Error("what was proved is not believed")
	}
	a.says(liar, out.questions()[0], able(true)) // in another's name
	if got := a.able(); len(got) != 0 {
		t.Errorf("those that take calls are %v", got)
	}
}

func TestWhoTakesNoCalls(t *testing.T) {
	t.Parallel()
	a := newApps(t, time.Minute)
	if _, out := a.add("says nothing", ""); len(out.questions()) != 0 {
		t.Error("an app without capabilities is asked")
	}
	s, out := a.add("unavailable", able(true).Caps("n"))
	a.says(s, out.questions()[0], able(true))
	s.SetAvailability(nil)
	s, _ = a.add("phone", able(true).Caps("n"))
	s.Moved(im.Info{Phone: true})
	s, _ = a.add("device", able(true).Caps("n"))
	s.Moved(im.Info{Device: "d"})
	s, out = a.add("error", able(false).Caps("other"))
	a.Session(out.questions()[0].From()).Send(out.questions()[0].Fail(&xmpp.StanzaError{Condition: xmpp.ServiceUnavailable}))
	if found, open := a.That(address.JID(bob), []string{"d"}); len(found)+len(open) != 0 {
		t.Errorf("%v take calls, %d may", found, len(open))
	}
	if found := a.able(); fmt.Sprint(found) != "[device true]" {
		t.Errorf("%v take calls; %s has an error", found, s.JID())
	}
}

func TestAnAppThatDoesNotSayWhatItCan(t *testing.T) {
	t.Parallel()
	a := newApps(t, 50*time.Millisecond)
	s, _ := a.add("a", able(true).Caps("n"))
	if found := a.Wait(t.Context(), address.JID(bob), nil); len(found) != 0 {
		t.Errorf("%v take calls", found)
	}
	if _, open := a.That(address.JID(bob), nil); len(open) != 0 {
		t.Error("it is still waited for")
	}
	s.Finish()
	time.Sleep(time.Millisecond)
	a.mu.Lock()
	a.sweep()
	left := len(a.asked) + len(a.pending)
	a.mu.Unlock()
	if left != 0 {
		t.Errorf("%d things of it are left", left)
	}
}

func TestTheRouter(t *testing.T) {
	t.Parallel()
	a := newApps(t, time.Minute)
	s, out := a.add("app", able(true).Caps("n"))
	r := &Router{Apps: a.Apps, Ring: time.Minute}
	route := func(c core.Call, targets ...core.Target) string {
		t.Helper()
		p := &core.Plan{}
		if len(targets) > 0 {
			p.Steps = []core.Step{{Targets: targets}, {Targets: []core.Target{{Name: "later"}}}}
		}
		c.To = bob
		if c.Method == "" {
			c.Method = "INVITE"
		}
		if err := r.Route(t.Context(), &c, p); err != nil {
			t.Fatal(err)
		}
		return p.String()
	}
	phone := core.Target{Name: "phone"}
	twoSided := core.Target{Name: "page", Binding: core.Binding{Device: "d"}}
	fromApp := core.Call{From: core.Caller{Agent: Agent}}
	for _, c := range []struct{ what, got, want string }{
		{"an app that has not said yet", route(core.Call{}), "proxied: xmpp:bob/app 1m0s"},
		{"a phone and an app", route(core.Call{}, phone), "proxied: fork phone, xmpp:bob/app; later"},
		{"a message", route(core.Call{Method: "MESSAGE"}, phone), "proxied: phone; later"},
		{"a service", route(core.Call{}, core.Target{Name: "echo", Agent: "echo"}), "proxied: echo; later"},
		{"an app that calls", route(fromApp, phone), "proxied: phone; later"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.what, c.got, c.want)
		}
	}
	a.says(s, out.questions()[0], able(true))
	s.Moved(im.Info{Device: "d"})
	if got := route(core.Call{}, twoSided); got != "proxied: page; later" {
		t.Errorf("a call of SIP to a device with two sides: %s", got)
	}
	if got := route(fromApp, twoSided); got != "proxied: later" {
		t.Errorf("a call of an app to a device with two sides: %s", got)
	}
}

func TestWhoCallsWhom(t *testing.T) {
	t.Parallel()
	for _, from := range []core.Address{alice, {}, {Local: "ä b;c@d", Domain: "[::1]"}, {Local: strings.Repeat("x", 300), Domain: "a.example"}} {
		to, back, ok := parties(contact(bob, from))
		if !ok || to != bob || back != from {
			t.Errorf("%q is read as %q, %q, %v", from, to, back, ok)
		}
		if j := strangeJID(back); j.Local == "" || j.Domain == "" {
			t.Errorf("%q has the address %q", from, j)
		}
	}
	for _, target := range []string{"", "tel:1", "sip:bob@example.org", "sip:bob@example.org;caller=zz-zz", "sip:bob@example.org;caller=61-z", "sip:@;caller=-"} {
		if _, _, ok := parties(target); ok {
			t.Errorf("%q names somebody", target)
		}
	}
}

// FuzzParties has no target of a request do harm.
func FuzzParties(f *testing.F) {
	f.Add(contact(bob, alice))
	f.Add("sip:bob@example.org;caller=-")
	f.Fuzz(func(t *testing.T, target string) {
		to, from, ok := parties(target)
		if !ok {
			return
		}
		strangeJID(from)
		if again, who, ok := parties(contact(to, from)); !ok || again != to || who != from {
			t.Errorf("%q is read as %q, %q and then as %q, %q", target, to, from, again, who)
		}
	})
}
