package delivery_test

import (
	"context"
	"sync"
	"testing"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// switchboard is who takes part in calls: it has one session, of a full address, and notes what it is told.
type switchboard struct {
	full jid.JID

	mu    sync.Mutex
	heard []string
	asked []string
	got   []string
}

func (b *switchboard) Session(full jid.JID) *im.Session {
	if full != b.full {
		return nil
	}
	return im.NewSession(full, b, im.Info{})
}

func (b *switchboard) Heard(s *im.Session, st *xmpp.Stanza) {
	b.mu.Lock()
	defer b.mu.Unlock()
	who := "nobody"
	if s != nil {
		who = s.JID().String()
	}
	b.heard = append(b.heard, who+" to "+st.To().String())
}

func (b *switchboard) Asked(_ context.Context, _ *im.Session, st *xmpp.Stanza) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, st.To().String())
	return true
}

// Send and End implement im.Outbox.
func (b *switchboard) Send(st *xmpp.Stanza, _ func(bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, st.Kind().String()+" "+st.Type())
}
func (*switchboard) End(*xmpp.StreamError) {}

// take gives what it was told since.
func (b *switchboard) take() (heard, asked, got []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	heard, asked, got = b.heard, b.asked, b.got
	b.heard, b.asked, b.got = nil, nil, nil
	return heard, asked, got
}

func same(got []string, want ...string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if got[i] != want[i] {
			return false
		}
	}
	return true
}

const (
	proposal = `<propose xmlns='urn:xmpp:jingle-message:0' id='1'/><store xmlns='urn:xmpp:hints'/>`
	session  = `<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='1'/>`
)

// TestCallsAreTold has whoever takes part in calls be told of what was delivered, and of nothing else.
func TestCallsAreTold(t *testing.T) {
	t.Parallel()
	board := &switchboard{}
	s := set(t, setting{calls: board})
	alice := s.connect("alice@example.org/a", 0)
	alice.says(`<message to='bob@example.org' type='chat'>%s</message>`, proposal)
	if heard, _, _ := board.take(); !same(heard, "alice@example.org/a to bob@example.org") {
		t.Errorf("of a proposal is heard %q", heard)
	}
	s.blocked["bob@example.org alice@example.org"] = true
	alice.says(`<message to='bob@example.org' type='chat'>%s</message>`, proposal)
	alice.says(`<message to='nobody@example.org' type='chat'>%s</message>`, proposal)
	alice.says(`<message to='carol@example.org' type='chat'><body>Hello</body></message>`)
	alice.says(`<message to='carol@example.org' type='error'>%s</message>`, proposal)
	alice.says(`<iq to='bob@example.org' type='set' id='1'>%s</iq>`, session)
	alice.says(`<iq to='nobody@example.org' type='set' id='2'>%s</iq>`, session)
	alice.says(`<iq to='carol@elsewhere.example' type='set' id='3'>%s</iq>`, session)
	if heard, asked, _ := board.take(); len(heard)+len(asked) > 0 {
		t.Errorf("of what does not arrive is heard %q, and asked %q", heard, asked)
	}
	alice.says(`<iq to='carol@example.org' type='set' id='4'>%s</iq>`, session)
	if _, asked, _ := board.take(); !same(asked, "carol@example.org") {
		t.Errorf("asked is %q", asked)
	}
}

// TestCallsOfStrangers has what is said to the other side of a call with a stranger come there, and be kept.
func TestCallsOfStrangers(t *testing.T) {
	t.Parallel()
	board := &switchboard{full: address("dave@elsewhere.example/call")}
	s := set(t, setting{calls: board})
	alice := s.connect("alice@example.org/a", 0)
	alice.says(`<message to='dave@elsewhere.example/call' type='chat'>%s</message>`, proposal)
	alice.says(`<iq to='dave@elsewhere.example/call' type='set' id='1'>%s</iq>`, session)
	alice.says(`<iq to='dave@elsewhere.example/call' type='result' id='2'/>`)
	if _, _, got := board.take(); !same(got, "message chat", "iq set", "iq result") {
		t.Errorf("the other side gets %q", got)
	}
	if got := alice.take(0); len(got) != 0 {
		t.Errorf("the app is told %s", got[0].Text())
	}
	alice.says(`<message to='dave@elsewhere.example/other' type='chat'>%s</message>`, proposal)
	if got := failure(alice.only()); got != "remote-server-not-found" {
		t.Errorf("anybody else there is told %q", got)
	}
}

// TestCallsOfAccounts has the other side of a call with an account be reached by its full address alone.
func TestCallsOfAccounts(t *testing.T) {
	t.Parallel()
	board := &switchboard{full: address("bob@example.org/call")}
	s := set(t, setting{calls: board})
	alice := s.connect("alice@example.org/a", 0)
	alice.says(`<message to='bob@example.org/call' type='chat'>%s</message>`, proposal)
	alice.says(`<message to='bob@example.org' type='chat'>%s</message>`, proposal)
	alice.says(`<iq to='bob@example.org/call' type='result' id='2'/>`)
	if _, _, got := board.take(); !same(got, "message chat", "iq result") {
		t.Errorf("the other side gets %q", got)
	}
}
