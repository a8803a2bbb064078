package presence_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"parley/internal/db/dbtest"
	"parley/xmpp"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// views is what a client shows its user, worked out of the stanzas it got.
func (c *client) views() (online, contacts map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	online, contacts = map[string]string{}, map[string]string{}
	for _, st := range c.all {
		from := st.From().String()
		switch {
		case st.Kind() == xmpp.Presence && st.Type() == "":
			online[from] = "here"
			if e := st.Find(xmpp.NSClient, "status"); e != nil {
				online[from] = e.Text
			}
		case st.Kind() == xmpp.Presence && st.Type() == "unavailable":
			delete(online, from)
		case st.Kind() == xmpp.IQ:
			readItems(st, contacts)
		}
	}
	return online, contacts
}

func readItems(st *xmpp.Stanza, contacts map[string]string) {
	query := st.Find(roster.NS, "query")
	if query == nil {
		return
	}
	for _, e := range query.Children {
		i, removed, err := roster.ParseItem(e)
		if err != nil {
			panic(err)
		}
		if removed {
			delete(contacts, i.JID.String())
		} else {
			contacts[i.JID.String()] = itemText(&i)
		}
	}
}

func itemText(i *roster.Item) string {
	return fmt.Sprint(i.State.Subscription(), " ", i.State.IsAsking(), " ", i.Approved, " ", i.Name)
}

// crowd is some accounts of one world whose sessions do things.
type crowd struct {
	*world
	names  []string
	online map[string]*client // by "alice/a"
	status map[string]string  // what each says of itself
	mu     sync.Mutex
}

func (c *crowd) login(name string) {
	x := c.connect(name)
	x.say("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")
	c.mu.Lock()
	c.online[name] = x
	c.status[name] = "here"
	c.mu.Unlock()
	x.say("<presence/>")
}

func (c *crowd) logout(name string) {
	c.mu.Lock()
	x := c.online[name]
	delete(c.online, name)
	delete(c.status, name)
	c.mu.Unlock()
	x.leave()
}

func (c *crowd) session(name string) *client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.online[name]
}

// act has a session do something: op and n are random.
func (c *crowd) act(name, op, other string, n int) {
	x := c.session(name)
	if x == nil {
		c.login(name)
		return
	}
	account, _, _ := strings.Cut(name, "/")
	switch op {
	case "leave":
		c.logout(name)
	case "say":
		c.mu.Lock()
		c.status[name] = fmt.Sprint("status ", n)
		c.mu.Unlock()
		x.say(fmt.Sprintf("<presence><status>status %d</status></presence>", n))
	case "block":
		c.hide(account, other)
	case "unblock":
		c.block(account, other, false)
		c.presence.Show(context.Background(), address(c.t, account), address(c.t, other))
	case "remove":
		x.say("<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='" + address(c.t, other).String() + "' subscription='remove'/></query></iq>")
	case "name":
		x.say(fmt.Sprintf("<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='%s' name='%d'/></query></iq>", address(c.t, other), n))
	case "probe":
		x.tell("probe", other)
	default:
		x.tell(op, other)
	}
}

// wrong says in what a client's view differs from the truth, "" if it does in nothing.
func (c *crowd) wrong() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, x := range c.online {
		mine, _, _ := strings.Cut(name, "/")
		online, contacts := map[string]string{}, map[string]string{}
		for other, status := range c.status {
			theirs, _, _ := strings.Cut(other, "/")
			if theirs == mine || c.sees(mine, theirs) {
				online[address(c.t, other).String()] = status
			}
		}
		list, err := c.rosters.Contacts(context.Background(), address(c.t, mine))
		if err != nil {
			return err.Error()
		}
		for _, i := range list {
			if i.Listed {
				contacts[i.JID.String()] = itemText(&i.Item)
			}
		}
		gotOnline, gotContacts := x.views()
		if !maps.Equal(online, gotOnline) {
			return fmt.Sprintf("%s sees %v, want %v", name, gotOnline, online)
		}
		if !maps.Equal(contacts, gotContacts) {
			return fmt.Sprintf("the roster of %s is shown as %v, want %v", name, gotContacts, contacts)
		}
	}
	return c.disagreement()
}

// sees says whether one may see the other by the other's roster, and neither has blocked the other.
func (c *crowd) sees(mine, theirs string) bool {
	me, them := address(c.t, mine), address(c.t, theirs)
	s, err := c.rosters.Standing(context.Background(), them, me)
	if err != nil {
		c.t.Error(err)
	}
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	return s.State.IsSeen() && !c.blocks[[2]jid.JID{me, them}] && !c.blocks[[2]jid.JID{them, me}]
}

// disagreement is where the rosters of two differ about who sees whom.
func (c *crowd) disagreement() string {
	for _, a := range c.names {
		for _, b := range c.names {
			x, err1 := c.rosters.Standing(context.Background(), address(c.t, a), address(c.t, b))
			y, err2 := c.rosters.Standing(context.Background(), address(c.t, b), address(c.t, a))
			if err1 != nil || err2 != nil || x.State.SeesContact() != y.State.IsSeen() {
				return fmt.Sprintf("%s stands to %s as %s, and back as %s", a, b, x.State, y.State)
			}
		}
	}
	return ""
}

var ops = []string{
	"subscribe", "subscribe", "subscribed", "subscribed", "subscribed", "unsubscribe", "unsubscribed",
	"remove", "name", "say", "say", "leave", "block", "unblock", "unblock", "probe",
}

// Whatever a few accounts do, after each thing their clients show what is true: exactly those online who may be seen, with
// what they said last, and the roster as it is kept.
func TestClientsShowWhatIsTrue(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	check := 0
	rapid.Check(t, func(rt *rapid.T) {
		check++
		c := newCrowd(newWorldOn(t, d), fmt.Sprint(check))
		var done []string
		for n := range rapid.IntRange(1, 40).Draw(rt, "steps") {
			who := rapid.SampledFrom(c.names).Draw(rt, "who") + rapid.SampledFrom([]string{"/a", "/b"}).Draw(rt, "where")
			op, other := rapid.SampledFrom(ops).Draw(rt, "op"), rapid.SampledFrom(c.names).Draw(rt, "whom")
			if strings.HasPrefix(who, other) {
				continue
			}
			done = append(done, who+" "+op+" "+other)
			c.act(who, op, other, n)
			if wrong := c.wrong(); wrong != "" {
				rt.Fatalf("%s\nafter\n  %s", wrong, strings.Join(done, "\n  "))
			}
		}
	})
}

func newCrowd(w *world, suffix string) *crowd {
	c := &crowd{world: w, online: map[string]*client{}, status: map[string]string{}}
	for _, n := range []string{"alice", "bob", "carol"} {
		c.names = append(c.names, n+suffix)
	}
	return c
}

// The same when all do it at once: nobody waits for ever, and in the end all show what is true.
func TestClientsShowWhatIsTrueAfterAllSpokeAtOnce(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t)
	for round := range 6 {
		c := newCrowd(newWorldOn(t, d), fmt.Sprint("r", round))
		var wg sync.WaitGroup
		for i, name := range c.names {
			for j, where := range []string{"/a", "/b"} {
				random := rand.New(rand.NewPCG(uint64(round), uint64(2*i+j)))
				wg.Go(func() {
					for n := range 60 {
						op, other := ops[random.IntN(len(ops))], c.names[(i+1+random.IntN(2))%3]
						if where == "/b" && strings.HasSuffix(op, "block") {
							op = "say" // an account's blocks come one after the other
						}
						c.act(name+where, op, other, n)
					}
				})
			}
		}
		wg.Wait()
		if wrong := c.wrong(); wrong != "" {
			t.Errorf("round %d: %s", round, wrong)
		}
	}
}

// A contact hears a session in the order in which that speaks, while others make the server speak for it.
func TestOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.friends("alice", "bob")
	alice, bob := w.login("alice/a"), w.login("bob/b")
	bob.take()
	const last = 300
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range last + 1 {
			alice.say(fmt.Sprintf("<presence><status>%d</status></presence>", n))
		}
	})
	for range 2 {
		wg.Go(func() {
			for range 100 {
				bob.tell("probe", "alice")
				w.presence.Show(t.Context(), address(t, "alice"), address(t, "bob"))
			}
		})
	}
	wg.Wait()
	before := -1
	for _, line := range bob.take() {
		var n int
		if _, err := fmt.Sscanf(line, "available alice/a %d", &n); err != nil {
			continue // what she said at first, and bob's own
		}
		if n < before {
			t.Fatalf("bob hears %d after %d", n, before)
		}
		before = n
	}
	if before != last {
		t.Errorf("the last that bob heard is %d", before)
	}
}
