package presence_test

import (
	"context"
	"fmt"
	"testing"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/roster"
)

// sink is a connection that takes everything.
type sink struct{}

func (sink) Send(*xmpp.Stanza, func(bool)) {}

func (sink) End(*xmpp.StreamError) {}

// popular is an account of which n contacts are here, each of whom it sees and is seen by.
func popular(b *testing.B, n int) (*world, *im.Session) {
	b.Helper()
	w := newWorld(b)
	alice := jid.JID{Local: "alice", Domain: "example.org"}
	connect := func(j jid.JID) *im.Session {
		s := im.NewSession(j, sink{}, im.Info{})
		if _, err := w.table.Add(s); err != nil {
			b.Fatal(err)
		}
		return s
	}
	for i := range n {
		contact := jid.JID{Local: fmt.Sprint("contact", i), Domain: "example.org"}
		for _, t := range []roster.Talk{
			{From: alice, To: contact, Kind: roster.Subscribe}, {From: contact, To: alice, Kind: roster.Subscribed},
			{From: contact, To: alice, Kind: roster.Subscribe}, {From: alice, To: contact, Kind: roster.Subscribed},
		} {
			t.FromHere, t.ToHere = true, true
			if err := w.rosters.Exchange(context.Background(), t, func(roster.Step) {}); err != nil {
				b.Fatal(err)
			}
		}
		s := connect(contact.With("phone"))
		w.presence.Handle(context.Background(), s, presenceOf(s))
	}
	return w, connect(alice.With("phone"))
}

func presenceOf(s *im.Session) *xmpp.Stanza {
	return xmpp.Must(xmpp.Presence, xmpp.Header{From: s.JID()}, "<show>away</show><priority>1</priority>"+
		"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://example.org/app' ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/>")
}

// A presence that goes to a hundred contacts.
func BenchmarkBroadcast(b *testing.B) {
	w, s := popular(b, 100)
	st := presenceOf(s)
	b.ReportAllocs()
	for b.Loop() {
		w.presence.Handle(context.Background(), s, st)
	}
}

// A login that is told to a hundred contacts, and hears of them, and the leaving.
func BenchmarkLogin(b *testing.B) {
	w, s := popular(b, 100)
	st := presenceOf(s)
	leave := xmpp.Must(xmpp.Presence, xmpp.Header{From: s.JID(), Type: "unavailable"}, "")
	b.ReportAllocs()
	for b.Loop() {
		w.presence.Handle(context.Background(), s, st)
		w.presence.Handle(context.Background(), s, leave)
	}
}
