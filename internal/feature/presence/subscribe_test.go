package presence_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"parley/internal/core"
	"parley/internal/db"
	"parley/internal/db/dbtest"
	"parley/internal/feature/presence"
	"parley/xmpp"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

func TestNobodySeesWithoutASubscription(t *testing.T) {
	t.Parallel()
	for _, r := range reach {
		w := newWorld(t)
		w.reachState(r.state)
		bob := w.login("bob/b")
		alice := w.connect("alice/a")
		alice.say("<presence><status>secret</status></presence>")
		bob.tell("probe", "alice")
		bob.tell("probe", "alice/a")
		seen := len(slices.DeleteFunc(bob.take(), func(s string) bool { return !strings.HasPrefix(s, "available alice") })) > 0
		sees, err := w.presence.Sees(t.Context(), address(t, "alice"), address(t, "bob/b"))
		want := r.state == "From" || r.state == "From + Pending Out" || r.state == "Both"
		if seen != want || sees != want || err != nil {
			t.Errorf("%s: bob sees alice: %v, %v, %v; want %v", r.state, seen, sees, err, want)
		}
		alice.leave()
		if left := len(bob.take()) > 0; left != want {
			t.Errorf("%s: bob hears that alice leaves: %v", r.state, left)
		}
	}
}

func TestARequestIsRepeatedUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"subscribed", "unsubscribed"} {
		w := newWorld(t)
		bob := w.login("bob/b")
		bob.say("<presence type='subscribe' to='alice@example.org' id='s1'><status>it is me</status></presence>")
		bob.want("set alice none ask")
		for range 2 {
			w = newWorldOn(t, w.db) // a restart
			alice := w.connect("alice/a")
			alice.say("<presence/>")
			alice.want("available alice/a", "subscribe bob it is me")
			alice.say("<presence><status>later</status></presence>")
			alice.want("available alice/a later")
			alice.leave()
		}
		alice := w.login("alice/a")
		alice.tell(answer, "bob")
		if got := w.standing("alice", "bob"); answer == "unsubscribed" && got != "None" || answer == "subscribed" && got != "From" {
			t.Errorf("%s: alice stands to bob as %s", answer, got)
		}
		alice.leave()
		alice = w.connect("alice/a")
		alice.say("<presence/>")
		alice.want("available alice/a")
	}
}

func TestALongRequestIsRepeatedWithoutItsText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob, alice := w.login("bob/b"), w.login("alice/a")
	long := strings.Repeat("please ", 1000)
	bob.say("<presence type='subscribe' to='alice@example.org'><status>" + long + "</status></presence>")
	alice.want("subscribe bob " + long)
	again := w.connect("alice/again")
	again.say("<presence/>")
	again.want("available alice/again", "available alice/a", "subscribe bob")
}

func TestARequestGoesToSessionsThatAreAvailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	away := w.connect("alice/away")
	away.say("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")
	away.take()
	one, two := w.login("alice/one"), w.login("alice/two")
	one.take()
	w.login("bob/b").tell("subscribe", "alice")
	away.want()
	one.want("subscribe bob")
	two.want("subscribe bob")
	// The answer is shown to those that know the roster.
	one.tell("subscribed", "bob")
	away.want("set bob from")
}

func TestPreApproval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.login("alice/a"), w.login("bob/b")
	alice.tell("subscribed", "bob")
	alice.want("set bob none approved")
	bob.want()
	bob.tell("subscribe", "alice")
	alice.want("set bob from approved")
	bob.want("set alice none ask", "subscribed alice", "set alice to", "available alice/a")
	alice.tell("unsubscribed", "bob")
	alice.want("set bob none")
	bob.want("unavailable alice/a", "unsubscribed alice", "set alice none")
	bob.tell("subscribe", "alice")
	alice.want("subscribe bob")
}

func TestRemovingAContact(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ alice, bob, after string }{
		"None":                  {"set bob removed, result", "", "None"},
		"None + Pending Out":    {"set bob removed, result", "unsubscribe alice", "None"},
		"None + Pending In":     {"set bob removed, result", "unsubscribed alice, set alice none", "None"},
		"None + Pending Out+In": {"set bob removed, result", "unsubscribe alice, unsubscribed alice, set alice none", "None"},
		"To":                    {"set bob removed, unavailable bob/b, result", "unsubscribe alice, set alice none", "None"},
		"To + Pending In":       {"set bob removed, unavailable bob/b, result", "unsubscribe alice, set alice none ask, unsubscribed alice, set alice none", "None"},
		"From":                  {"set bob removed, result", "unavailable alice/a, unsubscribed alice, set alice none", "None"},
		"From + Pending Out":    {"set bob removed, result", "unsubscribe alice, unavailable alice/a, unsubscribed alice, set alice none", "None"},
		"Both":                  {"set bob removed, unavailable bob/b, result", "unsubscribe alice, set alice to, unavailable alice/a, unsubscribed alice, set alice none", "None"},
	}
	for _, r := range reach {
		test := tests[r.state]
		w := newWorld(t)
		w.reachState(r.state)
		alice, bob := w.login("alice/a"), w.login("bob/b")
		alice.say("<iq type='set' id='2'><query xmlns='jabber:iq:roster'><item jid='bob@example.org' name='Bob'/></query></iq>")
		alice.take()
		alice.say("<iq type='set' id='3'><query xmlns='jabber:iq:roster'><item jid='bob@example.org' subscription='remove'/></query></iq>")
		t.Log(r.state)
		alice.want(split(test.alice)...)
		bob.want(split(test.bob)...)
		if a, b := w.standing("alice", "bob"), w.standing("bob", "alice"); a != test.after || b != test.after {
			t.Errorf("%s: they stand as %s and %s", r.state, a, b)
		}
		alice.say("<iq type='get' id='4'><query xmlns='jabber:iq:roster'/></iq>")
		alice.want("result")
	}
}

func TestOtherServersInEachState(t *testing.T) {
	t.Parallel()
	const bob = "bob@example.com"
	inbound := map[string][2]string{ // what alice gets, what goes out; by the kind and the state
		"subscribe None":               {"subscribe " + bob, ""},
		"subscribe None + Pending Out": {"subscribe " + bob, ""},
		"subscribe To":                 {"subscribe " + bob, ""},
		"subscribe From":               {"", "subscribed alice to " + bob + ", available alice/a to " + bob},
		"subscribe From + Pending Out": {"", "subscribed alice to " + bob + ", available alice/a to " + bob},
		"subscribe Both":               {"", "subscribed alice to " + bob + ", available alice/a to " + bob},

		"subscribed None + Pending Out":    {"subscribed " + bob + ", set " + bob + " to", ""},
		"subscribed None + Pending Out+In": {"subscribed " + bob + ", set " + bob + " to", ""},
		"subscribed From + Pending Out":    {"subscribed " + bob + ", set " + bob + " both", ""},

		"unsubscribe None + Pending In":     {"unsubscribe " + bob, ""},
		"unsubscribe None + Pending Out+In": {"unsubscribe " + bob, ""},
		"unsubscribe To + Pending In":       {"unsubscribe " + bob, ""},
		"unsubscribe From":                  {"unsubscribe " + bob + ", set " + bob + " none", "unavailable alice/a to " + bob},
		"unsubscribe From + Pending Out":    {"unsubscribe " + bob + ", set " + bob + " none ask", "unavailable alice/a to " + bob},
		"unsubscribe Both":                  {"unsubscribe " + bob + ", set " + bob + " to", "unavailable alice/a to " + bob},

		"unsubscribed None + Pending Out":    {"unsubscribed " + bob + ", set " + bob + " none", ""},
		"unsubscribed None + Pending Out+In": {"unsubscribed " + bob + ", set " + bob + " none", ""},
		"unsubscribed To":                    {"unsubscribed " + bob + ", set " + bob + " none", ""},
		"unsubscribed To + Pending In":       {"unsubscribed " + bob + ", set " + bob + " none", ""},
		"unsubscribed From + Pending Out":    {"unsubscribed " + bob + ", set " + bob + " from", ""},
		"unsubscribed Both":                  {"unsubscribed " + bob + ", set " + bob + " from", ""},
	}
	for _, r := range reach {
		for k := roster.Subscribe; k <= roster.Unsubscribed; k++ {
			w := newWorld(t)
			setup := w.connect("alice/setup")
			for _, s := range r.steps {
				if name, kind, _ := strings.Cut(s, " "); name == "alice" {
					setup.tell(kind, bob)
				} else {
					w.inbound(kind, bob, "alice")
				}
			}
			setup.leave()
			alice := w.login("alice/a")
			w.remote = nil
			row := k.String() + " " + r.state
			w.inbound(k.String(), bob+"/any", "alice/any")
			t.Log(row)
			alice.want(split(inbound[row][0])...)
			w.wantRemote(split(inbound[row][1])...)
		}
	}
}

func TestWhatAContactElsewhereIsTold(t *testing.T) {
	t.Parallel()
	const bob = "bob@example.com"
	w := newWorld(t)
	alice := w.login("alice/a")
	alice.tell("subscribe", bob+"/phone")
	alice.want("set " + bob + " none ask")
	w.wantRemote("subscribe alice to " + bob)
	w.inbound("subscribed", bob, "alice")
	w.inbound("", bob+"/phone", "alice")
	alice.want("subscribed "+bob, "set "+bob+" to", "available "+bob+"/phone")
	w.inbound("subscribe", bob, "alice")
	alice.tell("subscribed", bob)
	alice.want("subscribe "+bob, "set "+bob+" both")
	w.wantRemote("subscribed alice to "+bob, "available alice/a to "+bob)
	second := w.connect("alice/b")
	second.say("<presence/>")
	w.wantRemote("available alice/b to "+bob, "probe alice/b to "+bob)
	second.leave()
	w.wantRemote("unavailable alice/b to " + bob)
	alice.take()
	alice.say("<iq type='set' id='3'><query xmlns='jabber:iq:roster'><item jid='" + bob + "' subscription='remove'/></query></iq>")
	alice.want("set "+bob+" removed", "result")
	w.wantRemote("unsubscribe alice to "+bob, "unavailable alice/a to "+bob, "unsubscribed alice to "+bob)
}

func TestProbes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	w.friends("alice", "carol")
	w.inbound("subscribe", "friend@example.com", "alice")
	alice := w.login("alice/a")
	alice.tell("subscribed", "friend@example.com")
	second, bob := w.login("alice/b"), w.login("bob/b")
	second.leave()
	w.remote = nil
	bob.take()
	for _, test := range []struct{ to, want string }{
		{"alice", "available alice/a"},
		{"alice/a", "available alice/a"},
		{"alice/gone", "unavailable alice/gone"},
		{"carol", ""},
		{"nobody", ""},
		{"bob", "available bob/b"},
	} {
		bob.tell("probe", test.to)
		t.Log(test.to)
		bob.want(split(test.want)...)
	}
	for _, test := range []struct{ from, to, want string }{
		{"friend@example.com/x", "alice", "available alice/a to friend@example.com/x"},
		{"friend@example.com", "alice/gone", "unavailable alice/gone to friend@example.com"},
		{"eve@example.com/x", "alice", "unsubscribed alice to eve@example.com"},
		{"eve@example.com/x", "nobody", "unsubscribed nobody to eve@example.com"},
	} {
		w.inbound("probe", test.from, test.to)
		t.Log(test.from, test.to)
		w.wantRemote(split(test.want)...)
	}
	w.inbound("subscribe", "eve@example.com", "alice")
	w.inbound("probe", "eve@example.com/x", "alice") // she may still be let in
	w.wantRemote()
	alice.leave()
	bob.take()
	w.wantRemote("unavailable alice/a to friend@example.com")
	bob.tell("probe", "alice")
	bob.want("unavailable alice")
}

func TestAService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	echo := address(t, "echo")
	w.entity = func(st *xmpp.Stanza) (answers []*xmpp.Stanza) {
		say := func(from jid.JID, typ string) {
			answers = append(answers, xmpp.Must(xmpp.Presence, xmpp.Header{From: from, To: st.From().Bare(), Type: typ}, ""))
		}
		switch st.Type() {
		case "subscribe":
			say(echo, "subscribed")
			say(echo.With("echo"), "")
			say(echo, "subscribe")
		case "probe":
			say(echo.With("echo"), "")
		}
		return answers
	}
	alice := w.login("alice/a")
	alice.tell("subscribe", "echo")
	alice.want("set echo none ask", "subscribed echo", "set echo to", "available echo/echo", "subscribe echo")
	alice.tell("subscribed", "echo")
	alice.want("set echo both")
	alice.leave()
	alice = w.connect("alice/a")
	alice.say("<presence/>")
	alice.want("available alice/a", "available echo/echo")
	alice.tell("probe", "echo")
	alice.want("available echo/echo")
}

// Two services that answer everything don't keep the server busy.
func TestAServiceThatNeverStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	calls := 0
	w.entity = func(st *xmpp.Stanza) []*xmpp.Stanza {
		calls++
		h := xmpp.Header{From: address(t, "echo"), To: st.From().Bare(), Type: "probe"}
		return []*xmpp.Stanza{xmpp.Must(xmpp.Presence, h, "")}
	}
	alice := w.login("alice/a")
	alice.tell("subscribed", "echo")
	alice.tell("subscribe", "echo")
	w.inbound("subscribe", "echo", "alice")
	if calls == 0 || calls > 50 {
		t.Errorf("the service was asked %d times", calls)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	w.reach([]string{"alice subscribe"})
	w.inbound("subscribe", "friend@example.com", "alice")
	alice, bob, carol := w.login("alice/a"), w.login("bob/b"), w.login("carol/c")
	alice.tell("subscribed", "friend@example.com")
	alice.tell("subscribe", "carol")
	w.remote = nil
	bob.take()
	carol.take()
	if err := w.presence.Forget(t.Context(), core.Address{Local: "alice", Domain: "example.org"}); err != nil {
		t.Fatal(err)
	}
	bob.want("unsubscribe alice", "set alice to", "unavailable alice/a", "unsubscribed alice", "set alice none")
	carol.want("unsubscribe alice")
	w.wantRemote("unavailable alice/a to friend@example.com", "unsubscribed alice to friend@example.com")
	again := newWorldOn(t, w.db)
	if list, err := again.rosters.Contacts(t.Context(), address(t, "alice")); err != nil || len(list) != 0 {
		t.Errorf("kept are %v, %v", list, err)
	}
	if a, b := again.standing("bob", "alice"), again.standing("carol", "alice"); a != "None" || b != "None" {
		t.Errorf("bob stands to who is gone as %s, carol as %s", a, b)
	}
	// Whoever takes the address next gets nothing of it.
	next := again.login("alice/new")
	again.login("bob/b")
	next.want()
}

// broken is a roster whose disk has failed.
type broken struct {
	presence.Roster
	err error
}

func (b broken) Contacts(context.Context, jid.JID) ([]*roster.Contact, error) { return nil, b.err }

func (b broken) Exchange(context.Context, roster.Talk, func(roster.Step)) error { return b.err }

func TestADiskThatFails(t *testing.T) {
	t.Parallel()
	for err, condition := range map[error]string{db.ErrFull: "resource-constraint", errors.New("bad sector"): "internal-server-error"} {
		w := newWorldOn(t, dbtest.Open(t), func(c *presence.Config) { c.Roster = broken{err: err} })
		alice, bob := w.connect("alice/a"), w.login("bob/b")
		bob.take()
		alice.say("<presence/>")
		alice.want("presence error " + condition + " of ")
		alice.tell("subscribe", "bob")
		alice.want("presence error " + condition + " of bob")
		if alice.Availability() != nil {
			t.Errorf("%v: the session is available", err)
		}
		alice.tell("", "bob/b")
		bob.want("available alice/a")
		alice.leave()
		bob.want("unavailable alice/a")
	}
}
