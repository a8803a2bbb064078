package delivery_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/feature/offline"
	"parley/xmpp"
	"parley/xmpp/im"
)

// sink takes everything at once.
type sink struct{ got atomic.Int64 }

func (s *sink) Send(_ *xmpp.Stanza, done func(bool)) {
	s.got.Add(1)
	if done != nil {
		go done(true)
	}
}
func (s *sink) End(*xmpp.StreamError) {}

// benchmarkHandle has sessions write to one another: archived for both, stored until it is acknowledged, synced.
func benchmarkHandle(b *testing.B, sessions int, origin bool) {
	s := set(b, setting{offline: offline.Config{Delete: 200 * time.Millisecond}})
	out := &sink{}
	all := make([]*im.Session, sessions)
	stanzas := make([]*xmpp.Stanza, sessions)
	for i := range all {
		all[i] = im.NewSession(address(fmt.Sprintf("user%d@example.org/phone", i)), out, im.Info{})
		all[i].SetAvailability(&im.Availability{})
		if _, err := s.sessions.Add(all[i]); err != nil {
			b.Fatal(err)
		}
		st, err := xmpp.Parse(fmt.Sprintf("<message from='%s' to='user%d@example.org' type='chat' id='5f1c2b7e'>"+
			"<body>Shall I compare thee to a summer's day? Thou art more lovely and more temperate.</body>"+
			"<active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>",
			all[i].JID(), (i+1)%sessions))
		if err != nil {
			b.Fatal(err)
		}
		stanzas[i] = st
	}
	var n atomic.Int64
	say := func(i int) {
		st := stanzas[i]
		if origin {
			st = st.Edit(xmpp.Edit{
				Append:   fmt.Sprintf("<origin-id xmlns='urn:xmpp:sid:0' id='%d'/>", n.Add(1)),
				Appended: []xmpp.Name{{Space: "urn:xmpp:sid:0", Local: "origin-id"}},
			})
		}
		s.Handle(b.Context(), all[i], st)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	for i := range sessions { // each says one thing after the other
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				say(i)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if got := out.got.Load(); got != int64(b.N) {
		b.Fatalf("%d of %d messages came", got, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

func BenchmarkHandle(b *testing.B) {
	for _, sessions := range []int{1, 100} {
		for name, origin := range map[string]bool{"": false, " with origin-id": true} {
			b.Run(fmt.Sprintf("%d sessions%s", sessions, name), func(b *testing.B) { benchmarkHandle(b, sessions, origin) })
		}
	}
}

// BenchmarkHandleUnkept is what nobody keeps: a sign that somebody types.
func BenchmarkHandleUnkept(b *testing.B) {
	s := set(b, setting{})
	out := &sink{}
	alice, bob := im.NewSession(address("alice@example.org/a"), out, im.Info{}), im.NewSession(address("bob@example.org/b"), out, im.Info{})
	for _, c := range []*im.Session{alice, bob} {
		c.SetAvailability(&im.Availability{})
		if _, err := s.sessions.Add(c); err != nil {
			b.Fatal(err)
		}
	}
	st, err := xmpp.Parse("<message from='alice@example.org/a' to='bob@example.org' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Handle(b.Context(), alice, st)
	}
}
