package calls

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/bridge"
	"parley/internal/core"
	"parley/sdp"
	"parley/sip"
	"parley/sip/siptest"
	"parley/sip/transaction"
	"parley/xmpp"
	"parley/xmpp/disco"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/jingle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	alice = core.Address{Local: "alice", Domain: "example.org"}
	bob   = core.Address{Local: "bob", Domain: "example.org"}
)

// patience is how long a test waits for what should come at once.
const patience = 10 * time.Second

// stage is Calls with sessions and one SIP phone that the test plays. A message goes to the session that it is for, or
// to all of an account.
type stage struct {
	*testing.T
	*Calls
	layer    *transaction.Layer
	sessions *im.Table
	phone    *siptest.Peer

	mu       sync.Mutex
	plan     error
	refuse   error
	bindings []core.Binding
}

func newStage(t *testing.T, c Config) *stage {
	t.Helper()
	s := &stage{T: t, sessions: im.NewTable(0)}
	s.layer = transaction.New(transaction.Config{
		T1:        50 * time.Millisecond,
		OnRequest: func(x *transaction.Server) { s.Serve(x) },
		OnACK:     func(f sip.Flow, ack *sip.Message) { s.ACK(f, ack) },
	})
	c.T1 = 50 * time.Millisecond
	s.Calls = New(c, Ports{
		Apps: NewApps(s.sessions, time.Second, nil), Layer: s.layer, Sessions: s.sessions, Submit: s.submit,
		Plan: func(context.Context, *core.Call) (*core.Plan, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return &core.Plan{}, s.plan
		},
		Bindings: func(context.Context, core.Address) ([]core.Binding, error) { return s.bindings, nil },
		Flow:     func() sip.Flow { return s.phone.Flow() },
		Serves:   func(domain string) bool { return domain == "example.org" },
	})
	s.phone = siptest.Join(t, nil, "alice@example.org", sip.UDP, s.layer.Receive)
	s.phone.Timeout = patience
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("closed with %v", err)
		}
		s.empty()
		s.layer.Close()
	})
	return s
}

// empty fails the test if anything of a call is left, but the addresses of those that were over a moment ago.
func (s *stage) empty() {
	s.Calls.mu.Lock()
	defer s.Calls.mu.Unlock()
	if len(s.live)+len(s.byIntent)+len(s.byCallID)+len(s.sids)+len(s.accounts) > 0 {
		s.Errorf("left are %d calls, %d intents, %d Call-IDs, %d sids, %d accounts",
			len(s.live), len(s.byIntent), len(s.byCallID), len(s.sids), len(s.accounts))
	}
}

// over waits until there is no call.
func (s *stage) over() {
	s.Helper()
	for end := time.Now().Add(patience); s.Count() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("%d calls go on", s.Count())
		}
	}
	s.empty()
}

func (s *stage) submit(_ context.Context, from *im.Session, st *xmpp.Stanza) (im.Fate, error) {
	s.mu.Lock()
	refuse := s.refuse
	s.mu.Unlock()
	if refuse != nil {
		return im.Refused, refuse
	}
	for _, x := range s.reached(st.To()) {
		x.Send(st)
	}
	s.Heard(from, st)
	return im.Handed, nil
}

func (s *stage) reached(to jid.JID) []*im.Session {
	if to.IsBare() {
		return s.sessions.Of(to)
	}
	if x := s.Session(to); x != nil {
		return []*im.Session{x}
	}
	if x := s.sessions.Get(to); x != nil {
		return []*im.Session{x}
	}
	return nil
}

// app is an app that the test plays.
type app struct {
	s       *stage
	session *im.Session
	peer    jid.JID // the other side of its call
	id      string
	offer   bridge.Media // that it got
	mine    bridge.Media

	mu    sync.Mutex
	inbox []*xmpp.Stanza
	news  chan struct{}
}

// Send implements im.Outbox.
func (a *app) Send(st *xmpp.Stanza, done func(bool)) {
	if done != nil {
		go done(true)
	}
	if st.Kind() == xmpp.IQ && st.Type() == "get" { // what it can
		go a.s.Session(st.From()).Send(st.Result(a.info().XML("")))
		return
	}
	a.mu.Lock()
	a.inbox = append(a.inbox, st)
	a.mu.Unlock()
	select {
	case a.news <- struct{}{}:
	default:
	}
}

// End implements im.Outbox.
func (a *app) End(*xmpp.StreamError) {}

func (a *app) info() disco.Info { return able(!strings.HasPrefix(a.session.JID().Resource, "old")) }

func able(intents bool) disco.Info {
	info := disco.Info{
		Identities: []disco.Identity{{Category: "client", Type: "phone"}},
		Features:   []string{jingle.NS, featureAudio},
	}
	if intents {
		info.Features = append(info.Features, jingle.NSMessage)
	}
	return info
}

// app makes one that takes calls; one whose name begins with "old" knows no proposals.
func (s *stage) app(a core.Address, resource string) *app {
	s.Helper()
	x := &app{s: s, news: make(chan struct{}, 1)}
	full, err := jid.New(a.Local, a.Domain, resource)
	if err != nil {
		s.Fatal(err)
	}
	x.session = im.NewSession(full, x, im.Info{})
	st := xmpp.Must(xmpp.Presence, xmpp.Header{From: full}, x.info().Caps("urn:test"))
	x.session.SetAvailability(&im.Availability{Stanza: st})
	if _, err := s.sessions.Add(x.session); err != nil {
		s.Fatal(err)
	}
	s.ports.Apps.Wait(s.Context(), full.Bare(), nil)
	return x
}

// gone ends its session.
func (a *app) gone() {
	a.s.sessions.Remove(a.session)
	a.session.Finish()
}

// await takes the first stanza that came for which want is true.
func (a *app) await(what string, want func(*xmpp.Stanza) bool) *xmpp.Stanza {
	a.s.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		a.mu.Lock()
		at := slices.IndexFunc(a.inbox, want)
		if at >= 0 {
			st := a.inbox[at]
			a.inbox = slices.Delete(a.inbox, at, at+1)
			a.mu.Unlock()
			return st
		}
		got := a.inbox
		a.mu.Unlock()
		select {
		case <-a.news:
		case <-timer.C:
			var texts []string
			for _, st := range got {
				texts = append(texts, st.Text())
			}
			a.s.Fatalf("%s waited for %s; what came is\n%s", a.session.JID(), what, strings.Join(texts, "\n"))
		}
	}
}

// hears waits for a step, and for the reason in it if one is given.
func (a *app) hears(step jingle.Step, reason jingle.Condition) *jingle.Intent {
	a.s.Helper()
	var got *jingle.Intent
	st := a.await(string(step)+" "+string(reason), func(st *xmpp.Stanza) bool {
		e := st.Find(jingle.NSMessage, string(step))
		if e == nil {
			return false
		}
		var err error
		got, err = jingle.ParseIntent(e)
		return err == nil && (reason == "" || got.Reason != nil && got.Reason.Condition == reason)
	})
	if step == jingle.Propose || step == jingle.Proceed {
		a.peer, a.id = st.From(), got.ID
	}
	return got
}

// hearsNothing fails if a step came.
func (a *app) hearsNo(step jingle.Step) {
	a.s.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, st := range a.inbox {
		if _, ok := st.Part(jingle.NSMessage, string(step)); ok {
			a.s.Errorf("%s got %s", a.session.JID(), st.Text())
		}
	}
}

// says sends a step.
func (a *app) says(to jid.JID, i jingle.Intent) {
	a.s.Helper()
	if i.ID == "" {
		i.ID = a.id
	}
	st := xmpp.Must(xmpp.Message, xmpp.Header{From: a.session.JID(), To: to, Type: "chat"}, i.XML())
	if _, err := a.s.submit(a.s.Context(), a.session, st); err != nil {
		a.s.Fatal(err)
	}
}

func (a *app) step(step jingle.Step) { a.s.Helper(); a.says(a.peer, jingle.Intent{Step: step}) }

// gets waits for a request of a session and takes it.
func (a *app) gets(action jingle.Action) *jingle.Jingle {
	a.s.Helper()
	var got *jingle.Jingle
	st := a.await(string(action), func(st *xmpp.Stanza) bool {
		e := st.Find(jingle.NS, "jingle")
		if e == nil || st.Type() != "set" {
			return false
		}
		var err error
		got, err = jingle.Parse(e)
		return err == nil && got.Action == action
	})
	if action == jingle.SessionInitiate {
		a.peer, a.id = st.From(), got.SID
		var err error
		if a.offer, err = bridge.Take(got, jingle.Initiator); err != nil {
			a.s.Fatal(err)
		}
	}
	a.sends(st.Result(""))
	return got
}

func (a *app) sends(st *xmpp.Stanza) {
	a.s.Helper()
	switch x := a.s.Session(st.To()); {
	case x != nil:
		x.Send(st)
	case !a.s.Asked(a.s.Context(), a.session, st) && !st.IsError():
		a.s.Fatalf("nobody takes %s", st.Text())
	}
}

// asks sends a request of a session, and gives the answer.
func (a *app) asks(j *jingle.Jingle) *xmpp.Stanza {
	a.s.Helper()
	if j.SID == "" {
		j.SID = a.id
	}
	id := newID()
	a.sends(xmpp.Must(xmpp.IQ, xmpp.Header{From: a.session.JID(), To: a.peer, ID: id, Type: "set"}, j.XML()))
	return a.await("the answer to "+string(j.Action), func(st *xmpp.Stanza) bool { return st.ID() == id })
}

// does is asks for what has to be taken.
func (a *app) does(j *jingle.Jingle) {
	a.s.Helper()
	if st := a.asks(j); st.Type() != "result" {
		a.s.Fatalf("%s is answered with %s", j.Action, st.Text())
	}
}

// accepts answers the session that it got.
func (a *app) accepts() {
	a.s.Helper()
	a.mine = readAs(a.s, browserSDP("passive", "app"), jingle.Responder, a.offer)
	all, err := a.mine.Accept(a.id)
	if err != nil {
		a.s.Fatal(err)
	}
	for _, j := range all {
		a.does(j)
	}
}

// begins a session.
func (a *app) begins() {
	a.s.Helper()
	a.mine = readAs(a.s, browserSDP("actpass", "app"), jingle.Initiator)
	j, err := a.mine.Initiate(a.id)
	if err != nil {
		a.s.Fatal(err)
	}
	a.does(j)
}

func readAs(s *stage, text string, by jingle.Party, known ...bridge.Media) bridge.Media {
	s.Helper()
	d, err := sdp.Parse(text)
	if err != nil {
		s.Fatal(err)
	}
	m, err := bridge.Read(d, by, known...)
	if err != nil {
		s.Fatal(err)
	}
	return m
}

// browserSDP is a description in the form of WebRTC.
func browserSDP(setup, ufrag string) string {
	return strings.Join([]string{
		"v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0", "a=group:BUNDLE 0",
		"m=audio 4000 UDP/TLS/RTP/SAVPF 0", "a=mid:0", "a=rtcp-mux", "a=sendrecv", "a=ice-ufrag:" + ufrag, "a=ice-pwd:0123456789012345678901",
		"a=candidate:1 1 udp 1 192.0.2.1 4000 typ host", "a=fingerprint:sha-256 AB:CD", "a=setup:" + setup, "",
	}, "\r\n")
}

// calls has the phone call bob.
func (s *stage) calls(edits ...siptest.Edit) *sip.Message {
	s.Helper()
	return s.phone.Invite("bob@example.org", slices.Concat([]siptest.Edit{
		siptest.WithTarget(contact(bob, alice)), siptest.WithSDP(browserSDP("actpass", "phone")),
	}, edits)...)
}

// sees waits for a final response to the phone's INVITE that refuses it.
func (s *stage) sees(invite *sip.Message, status string) {
	s.Helper()
	s.phone.Ack(invite, s.phone.Expect(status+" INVITE"))
}

// talk gets a call of the phone's up.
func (s *stage) talk(a *app) *siptest.Dialog {
	s.Helper()
	invite := s.calls()
	a.hears(jingle.Propose, "")
	a.step(jingle.Proceed)
	a.gets(jingle.SessionInitiate)
	a.accepts()
	d := s.phone.Dialog(invite, s.phone.Expect("200 INVITE"))
	d.Ack()
	return d
}

// proposes has an app propose a call to alice.
func (a *app) proposes() {
	a.s.Helper()
	a.id = newID()
	a.says(jid.JID{Local: "alice", Domain: "example.org"}, jingle.Intent{Step: jingle.Propose, Media: []string{"audio"}})
}

func reason(c jingle.Condition) *jingle.Reason { return &jingle.Reason{Condition: c} }
