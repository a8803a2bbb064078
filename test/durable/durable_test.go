package durable

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/sip/siptest"
	"parley/test/harness"
	"parley/xmpp"
)

func TestSoakWhatWasAcknowledgedSurvivesTheServer(t *testing.T) {
	t.Parallel()
	survive(t, siptest.Soak(8, 100))
}

// survive has two people write to bob while the server is killed again and again.
func survive(t *testing.T, crashes int) {
	t.Helper()
	users := []harness.User{{Name: "alice", Password: "secret"}, {Name: "carol", Password: "secret"}, {Name: "bob", Password: "secret"}}
	s := harness.StartServer(t, harness.Options{Users: users, Set: map[string]string{"log.level": `"warn"`}})
	if s.IsStandIn() {
		t.Skip("another server stands in for parley")
	}
	var over atomic.Bool
	var senders, receiver sync.WaitGroup
	said := make([]*sender, 2)
	for i := range said {
		said[i] = &sender{server: s, user: users[i], over: &over}
		senders.Go(func() { said[i].run() })
	}
	bob := &reader{server: s, user: users[2], ids: map[string]string{}, last: map[string]int{}}
	receiver.Go(func() { bob.run() })
	for range crashes {
		time.Sleep(100*time.Millisecond + rand.N(900*time.Millisecond))
		s.Crash(t)
	}
	time.Sleep(500 * time.Millisecond)
	over.Store(true)
	senders.Wait()
	bob.over.Store(true)
	receiver.Wait()
	for _, err := range bob.faults {
		t.Error(err)
	}
	archived := bob.archive(t)
	for _, a := range said {
		t.Logf("%s: %d messages in %d connections, %d repeated; bob was given %d in all in %d connections",
			a.user.Name, a.acknowledged, a.connections, a.repeated, bob.given, bob.connections)
		if a.acknowledged < crashes {
			t.Errorf("%s could say only %d messages", a.user.Name, a.acknowledged)
		}
		for n := range a.acknowledged {
			name := fmt.Sprint(a.user.Name, " ", n)
			if bob.ids[name] == "" {
				t.Errorf("message %s was acknowledged and never came", name)
			}
			if bob.ids[name] != archived[name] {
				t.Errorf("message %s came with the stanza-id %q, its place in the archive is %q", name, bob.ids[name], archived[name])
			}
		}
	}
}

// sender says numbered messages. What was not acknowledged when its connection was lost it says again.
type sender struct {
	server                              *harness.Server
	user                                harness.User
	over                                *atomic.Bool
	acknowledged, connections, repeated int
	most                                int // that it has said
}

func (a *sender) run() {
	for !a.over.Load() || a.acknowledged < a.most {
		c, err := connect(a.server, a.user, "desk")
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		a.connections++
		_ = a.talk(c) // it ends with the connection
		c.conn.Close()
	}
}

// window is how many messages it says before it waits for an acknowledgement.
const window = 5

func (a *sender) talk(c *client) error {
	first := a.acknowledged // the count of this connection begins here
	for !a.over.Load() || a.acknowledged < a.most {
		to := a.acknowledged + window
		if a.over.Load() {
			to = a.most
		}
		for n := a.acknowledged; n < to; n++ {
			if n < a.most {
				a.repeated++
			}
			a.most = max(a.most, n+1)
			if err := c.say(message(a.server.Address("bob"), a.user.Name, n)); err != nil {
				return err
			}
		}
		for a.acknowledged < to {
			if err := c.say("<r xmlns='" + nsSM + "'/>"); err != nil {
				return err
			}
			e, err := c.next(deadend)
			if err != nil {
				return err
			}
			h, ok := taken(e)
			if !ok {
				return fmt.Errorf("durable: %s hears %s", a.user.Name, e.Local)
			}
			a.acknowledged = first + h
		}
	}
	return nil
}

// reader is bob, who comes and goes too.
type reader struct {
	server             *harness.Server
	user               harness.User
	over               atomic.Bool
	ids                map[string]string // of "alice 1": its stanza-id
	last               map[string]int    // the greatest number that has come, by sender
	given, connections int
	faults             []error
}

// quiet is how long nothing may come at the end.
const quiet = 2 * time.Second

func (b *reader) run() {
	for {
		c, err := connect(b.server, b.user, "desk")
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		b.connections++
		err = b.listen(c)
		c.conn.Close()
		if b.over.Load() && isTimeout(err) {
			return
		}
	}
}

// listen reads for a while, and until nothing more comes at the end.
func (b *reader) listen(c *client) error {
	if err := c.say("<presence/>"); err != nil {
		return err
	}
	until := time.Now().Add(rand.N(1500 * time.Millisecond))
	for b.over.Load() || time.Now().Before(until) {
		e, err := c.next(quiet)
		if err != nil {
			return err
		}
		if e.Local == "message" {
			b.note(e)
		}
	}
	return nil
}

func (b *reader) note(e *xmpp.Element) {
	b.given++
	name, who, n := nameOf(e)
	id := e.Child("urn:xmpp:sid:0", "stanza-id").Attr("id")
	if before, again := b.ids[name]; again {
		if before != id {
			b.faults = append(b.faults, fmt.Errorf("message %s comes with the stanza-ids %s and %s", name, before, id))
		}
		return
	}
	b.ids[name] = id
	if next := b.last[who]; n != next {
		b.faults = append(b.faults, fmt.Errorf("of %s comes number %d, want %d", who, n, next))
	}
	b.last[who] = n + 1
}

func nameOf(e *xmpp.Element) (name, who string, n int) {
	if _, err := fmt.Sscan(e.ChildText(xmpp.NSClient, "body"), &who, &n); err != nil {
		who = err.Error()
	}
	return fmt.Sprint(who, " ", n), who, n
}

// archive is what bob's archive has: the ids of "alice 1", each of which has to be there once, in order.
func (b *reader) archive(t *testing.T) map[string]string {
	t.Helper()
	c, err := connect(b.server, b.user, "archive")
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	ids, last, next := map[string]string{}, "", map[string]int{}
	for {
		ask := ""
		if last != "" {
			ask = "<set xmlns='http://jabber.org/protocol/rsm'><after>" + last + "</after></set>"
		}
		if err := c.say("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'>" + ask + "</query></iq>"); err != nil {
			t.Fatal(err)
		}
		for {
			e, err := c.next(deadend)
			if err != nil {
				t.Fatal(err)
			}
			if fin := e.Child("urn:xmpp:mam:2", "fin"); fin != nil {
				if fin.Attr("complete") == "true" {
					return ids
				}
				break
			}
			r := e.Child("urn:xmpp:mam:2", "result")
			name, who, n := nameOf(r.Child("urn:xmpp:forward:0", "forwarded").Child(xmpp.NSClient, "message"))
			if ids[name] != "" || n != next[who] || r.Attr("id") <= last {
				t.Errorf("the archive has %s at %s after %s; %d was to come", name, r.Attr("id"), last, next[who])
			}
			last = r.Attr("id")
			ids[name], next[who] = last, n+1
		}
	}
}
