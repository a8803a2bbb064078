package letters

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/siptest"
	"parley/sip/transaction"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	bob   = core.Address{Local: "bob", Domain: "example.org"}
	alice = core.Address{Local: "alice", Domain: "example.org"}
)

// stage is Letters with a table of bindings, a delivery that notes what it gets, and phones that the test plays.
type stage struct {
	*testing.T
	*Letters
	sessions *im.Table
	layer    *transaction.Layer

	mu       sync.Mutex
	bindings map[core.Address][]core.Binding
	flows    map[string]sip.Flow
	got      []*xmpp.Stanza // submitted
	refuse   error
	fate     im.Fate
	waiting  []*xmpp.Stanza
	now      time.Time
	clocks   []func() // what After is to call; nil once it is stopped
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{
		T: t, sessions: im.NewTable(0), bindings: map[core.Address][]core.Binding{},
		flows: map[string]sip.Flow{}, fate: im.Handed, now: time.Now(),
	}
	s.layer = transaction.New(transaction.Config{T1: 20 * time.Millisecond, OnRequest: func(*transaction.Server) {}, OnACK: func(sip.Flow, *sip.Message) {}})
	s.Letters = New(Config{Pause: time.Millisecond, Queue: 3, Now: s.time, After: s.after}, Ports{
		Location: s, Sessions: s.sessions, Delivery: s, Available: func(context.Context, *im.Session) {},
		Waiting: func(jid.JID) int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.waiting) },
		First: func(context.Context, jid.JID) *xmpp.Stanza {
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.waiting) == 0 {
				return nil
			}
			return s.waiting[0]
		},
		Reach: s.reach, Layer: s.layer,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Letters.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done; s.layer.Close() })
	return s
}

func (s *stage) time() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stage) after(_ time.Duration, f func()) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.clocks)
	s.clocks = append(s.clocks, f)
	return func() { s.mu.Lock(); defer s.mu.Unlock(); s.clocks[n] = nil }
}

func (s *stage) reach(_ context.Context, b core.Binding) (sip.Flow, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.flows[b.Flow]
	return f, ok
}

// Bindings, Change and List implement Location.
func (s *stage) Bindings(_ context.Context, a core.Address) ([]core.Binding, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bindings[a]), nil
}

func (s *stage) List(int) []core.Binding { return nil }

func (s *stage) Change(_ context.Context, a core.Address, f func([]core.Binding) ([]core.Binding, error)) error {
	s.mu.Lock()
	next, err := f(slices.Clone(s.bindings[a]))
	if err == nil {
		s.bindings[a] = next
	}
	s.mu.Unlock()
	s.Changed(a)
	return err
}

// Submit and Ended implement Delivery.
func (s *stage) Submit(_ context.Context, _ *im.Session, st *xmpp.Stanza) (im.Fate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, st)
	return s.fate, s.refuse
}

func (*stage) Ended(context.Context, *im.Session) {}

// phone is a contact of bob's that registers; it has its own flow.
func (s *stage) phone(key, instance string, can core.Ability) *siptest.Peer {
	s.Helper()
	p := siptest.Join(s, nil, "bob@example.org", sip.UDP, s.layer.Receive)
	s.register(p, key, instance, can)
	return p
}

func (s *stage) register(p *siptest.Peer, key, instance string, can core.Ability) {
	s.Helper()
	s.mu.Lock()
	s.flows[key] = p.Flow()
	s.now = s.now.Add(time.Second)
	now := s.now
	s.mu.Unlock()
	err := s.Change(s.Context(), bob, func(list []core.Binding) ([]core.Binding, error) {
		list = slices.DeleteFunc(list, func(b core.Binding) bool { return b.Key == key })
		return append(list, core.Binding{
			Account: bob, Key: key, Contact: "sip:bob@192.0.2.7;x=" + key, Flow: key, Network: sip.UDP, Instance: instance, Messages: can,
			Source: netip.MustParseAddrPort("192.0.2.7:5060"), CallID: now.String(), Updated: now, Expires: now.Add(time.Hour),
		}), nil
	})
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) unregister() {
	s.Helper()
	if err := s.Change(s.Context(), bob, func([]core.Binding) ([]core.Binding, error) { return nil, nil }); err != nil {
		s.Fatal(err)
	}
}

// await waits until something is so.
func (s *stage) await(what string, so func() bool) {
	s.Helper()
	for deadline := time.Now().Add(5 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("not in time: %s", what)
		}
	}
}

// session waits for the only session of bob's.
func (s *stage) session() *im.Session {
	s.Helper()
	s.await("bob has a session", func() bool {
		list := s.sessions.Of(at("bob@example.org"))
		if len(list) != 1 {
			return false
		}
		_, available := list[0].Priority()
		return available
	})
	return s.sessions.Of(at("bob@example.org"))[0]
}

func (s *stage) none() {
	s.Helper()
	s.await("bob has no session", func() bool { return len(s.sessions.Of(at("bob@example.org"))) == 0 })
}

// send delivers a message of alice's and gives what becomes of it.
func send(t *testing.T, to *im.Session, body string) chan bool {
	t.Helper()
	done := make(chan bool, 1)
	to.Deliver(stanza(t, "<message from='alice@example.org/a' to='bob@example.org' type='chat' id='"+body+"'><body>"+body+"</body></message>"),
		func(ok bool) { done <- ok })
	return done
}

func (s *stage) took(done chan bool, want bool) {
	s.Helper()
	select {
	case ok := <-done:
		if ok != want {
			s.Errorf("the phone has it: %v, want %v", ok, want)
		}
	case <-time.After(5 * time.Second):
		s.Fatal("nothing became of it")
	}
}

func read(p *siptest.Peer, status int) string {
	m := p.Expect("MESSAGE")
	p.Respond(m, status)
	return m.Body()
}

func TestAPhoneThatTakesMessagesIsASession(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.phone("desk", "", core.Able)
	session := s.session()
	first, second := send(t, session, "one"), send(t, session, "two")
	if got := read(p, 200) + " " + read(p, 202); got != "one two" {
		t.Errorf("it reads %q", got)
	}
	s.took(first, true)
	s.took(second, true)
	s.took(send(t, session, "one"), true) // it has had that
	p.Silent(20 * time.Millisecond)
	s.unregister()
	s.none()
	s.took(send(t, session, "three"), false)
}

func TestWhatAPhonesAnswerMeans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		has, stays bool
		able       core.Ability
	}{
		{200, true, true, core.Able},
		{486, true, true, core.Able},
		{413, true, true, core.Able},
		{480, false, false, core.Able},
		{503, false, false, core.Able},
		{405, false, false, core.Unable},
		{415, false, false, core.Unable},
		{302, false, false, core.Unable},
	} {
		t.Run(sip.ReasonPhrase(c.status), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			p := s.phone("desk", "", core.Able)
			session := s.session()
			done, behind := send(t, session, "one"), chan bool(nil)
			if !c.stays {
				behind = send(t, session, "two")
			}
			read(p, c.status)
			s.took(done, c.has)
			if c.stays {
				s.session()
				return
			}
			s.took(behind, false)
			s.none()
			if list, _ := s.Bindings(t.Context(), bob); list[0].Messages != c.able {
				t.Errorf("it is taken for %v, want %v", list[0].Messages, c.able)
			}
			s.register(p, "desk", "", core.Able)
			s.session()
		})
	}
}

func TestContactsOfOneInstanceAreOneDevice(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	first := s.phone("one", "<urn:uuid:1>", core.Able)
	second := s.phone("two", "<urn:uuid:1>", core.Able)
	session := s.session()
	s.await("both contacts are known", func() bool {
		s.Letters.mu.Lock()
		defer s.Letters.mu.Unlock()
		return len(s.accounts[bob]) == 1 && len(s.accounts[bob][0].bindings) == 2
	})
	done := send(t, session, "x")
	read(second, 480) // the newest; the other one is tried then
	read(first, 200)
	s.took(done, true)
	first.Silent(20 * time.Millisecond)
}

func TestAPhoneThatSaysNothingIsAskedOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.phone("desk", "", core.Unknown)
	p.Silent(20 * time.Millisecond)
	s.Arrived(at("bob@example.org"), stanza(t, "<message from='alice@example.org/a' to='bob@example.org' id='1'><body>x</body></message>"))
	p.Respond(p.Expect("OPTIONS"), 200, siptest.With(sip.HeaderAllow, "INVITE, MESSAGE"))
	if got := read(p, 200); got != "x" {
		t.Errorf("it reads %q", got)
	}
	s.session()
}

func TestAPhoneThatDoesNotSayIsTried(t *testing.T) {
	t.Parallel()
	for status, can := range map[int]core.Ability{200: core.Able, 405: core.Unable} {
		s := newStage(t)
		s.waiting = []*xmpp.Stanza{stanza(t, "<message from='alice@example.org/a' to='bob@example.org' id='1'><body>x</body></message>")}
		p := s.phone("desk", "", core.Unknown)
		p.Respond(p.Expect("OPTIONS"), 200)
		read(p, status)
		s.await("what it can is known", func() bool {
			list, _ := s.Bindings(t.Context(), bob)
			return list[0].Messages == can
		})
		if can == core.Able {
			done := send(t, s.session(), "y")
			read(p, 200)
			s.took(done, true)
			continue
		}
		p.Silent(20 * time.Millisecond)
		s.none()
	}
}

func TestAQueueHasABound(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.phone("desk", "", core.Able)
	session := s.session()
	first := send(t, session, "0")
	p.Expect("MESSAGE") // and says nothing
	var rest []chan bool
	for range 4 {
		rest = append(rest, send(t, session, "x"))
	}
	for _, done := range rest {
		s.took(done, false)
	}
	s.none()
	s.took(first, false) // nobody answers
}

// ask has a phone of alice's write to bob.
func (s *stage) ask(edits ...siptest.Edit) *sip.Message {
	s.Helper()
	call := &core.Call{From: core.Caller{Address: alice, Known: true}, To: bob, ToURI: "sip:bob@example.org;gr=lap%20top"}
	p := siptest.Join(s, nil, "alice@example.org", sip.UDP, s.layer.Receive)
	m, err := s.Message(s.Context(), call, p.Flow(), said("text/plain", "x", edits...)).Message()
	if err != nil {
		s.Fatal(err)
	}
	return m
}

func TestWhatAPhoneHears(t *testing.T) {
	t.Parallel()
	refused := func(c xmpp.StanzaCondition) error { return &xmpp.StanzaError{Condition: c} }
	for _, c := range []struct {
		name   string
		fate   im.Fate
		err    error
		edit   siptest.Edit
		status int
	}{
		{"somebody has it", im.Handed, nil, nil, 200},
		{"it waits", im.Waits, nil, nil, 202},
		{"it was nothing to keep", im.Dropped, nil, nil, 200},
		{"nothing can be stored", im.Refused, refused(xmpp.ResourceConstraint), nil, 503},
		{"too many wait", im.Refused, refused(xmpp.ServiceUnavailable), nil, 480},
		{"the sender has blocked him", im.Refused, refused(xmpp.NotAcceptable), nil, 403},
		{"a fault", im.Refused, refused(xmpp.InternalServerError), nil, 500},
		{"too long", im.Handed, nil, siptest.WithBody("text/plain", string(make([]byte, maxBody+1))), 413},
		{"encoded", im.Handed, nil, siptest.With(sip.HeaderContentEncoding, "br"), 415},
		{"not what it says", im.Handed, nil, siptest.WithBody("message/cpim", "x"), 400},
		{"nothing", im.Handed, nil, siptest.WithBody("", ""), 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.fate, s.refuse = c.fate, c.err
			var edits []siptest.Edit
			if c.edit != nil {
				edits = append(edits, c.edit)
			}
			if got := s.ask(edits...).Status(); got != c.status {
				t.Errorf("it hears %d, want %d", got, c.status)
			}
		})
	}
}

func TestAMessageKeepsItsIdentity(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	same := []siptest.Edit{siptest.With(sip.HeaderCallID, "c"), siptest.With(sip.HeaderFrom, "<sip:alice@example.org>;tag=1")}
	s.ask(same...)
	s.ask(same...)
	s.ask()
	if a, b, c := s.got[0], s.got[1], s.got[2]; a.ID() != b.ID() || a.ID() == c.ID() {
		t.Errorf("the ids are %s, %s, %s", a.ID(), b.ID(), c.ID())
	}
	if to := s.got[0].To().String(); to != "bob@example.org/lap top" {
		t.Errorf("it is for %s", to)
	}
	if got := s.ask(siptest.With(sip.HeaderCallID, "x"+s.own)); got.Status() != 482 {
		t.Errorf("a MESSAGE of our own that comes back is told %d", got.Status())
	}
}

// word delivers something of alice's that is no message.
func word(t *testing.T, to *im.Session, inner string) {
	t.Helper()
	to.Send(stanza(t, "<message from='alice@example.org/a' to='bob@example.org' type='chat' id='w'>"+inner+"</message>"))
}

// says has a phone of bob's send a MESSAGE to alice, and gives the answer's status.
func (s *stage) says(p *siptest.Peer, contentType, body string, edits ...siptest.Edit) int {
	s.Helper()
	call := &core.Call{From: core.Caller{Address: bob, Known: true}, To: alice, ToURI: "sip:alice@example.org"}
	req := siptest.Request(sip.MESSAGE, "bob@example.org", "alice@example.org", append([]siptest.Edit{siptest.WithBody(contentType, body)}, edits...)...)
	m, err := s.Message(s.Context(), call, p.Flow(), req).Message()
	if err != nil {
		s.Fatal(err)
	}
	return m.Status()
}

// submitted are the stanzas that were submitted since it was called last.
func (s *stage) submitted() []*xmpp.Stanza {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// phoneOf is a phone of bob's whose binding names its flow as the transport does.
func (s *stage) phoneOf() *siptest.Peer {
	s.Helper()
	p := siptest.Join(s, nil, "bob@example.org", sip.UDP, s.layer.Receive)
	s.register(p, p.Flow().ID(), "", core.Able)
	return p
}

const (
	isTyping = "<composing xmlns='" + nsStates + "'/>"
	isIdle   = "<paused xmlns='" + nsStates + "'/>"
)

func TestAPhoneIsToldOnlyWhatItSpeaks(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.phoneOf()
	session := s.session()
	for _, inner := range []string{isTyping, "<received xmlns='" + nsReceipts + "' id='m1'/>", "<displayed xmlns='" + nsMarkers + "' id='c;1'/>"} {
		word(t, session, inner)
	}
	p.Silent(30 * time.Millisecond)
	if status := s.says(p, im3994, composingDoc); status != 200 {
		t.Errorf("it hears %d", status)
	}
	word(t, session, isIdle) // of which it has heard no beginning
	word(t, session, isTyping)
	word(t, session, isTyping) // again
	if got := read(p, 200); !strings.Contains(got, "<state>active</state>") {
		t.Errorf("it reads %s", got)
	}
	word(t, session, isIdle)
	if got := read(p, 415); !strings.Contains(got, "<state>idle</state>") {
		t.Errorf("it reads %s", got)
	}
	word(t, session, isTyping) // it has refused that
	p.Silent(30 * time.Millisecond)
	s.session() // which says nothing of messages
	done := send(t, session, "x")
	read(p, 200)
	s.took(done, true)
}

const (
	im3994       = "application/im-iscomposing+xml"
	composingDoc = "<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state><refresh>1</refresh></isComposing>"
	im3862       = "message/cpim"
	wishes       = "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m1\r\nimdn.Disposition-Notification: positive-delivery, processing\r\n\r\n" +
		"Content-Type: text/plain\r\n\r\nLunch?"
)

func TestAPhonesWishesAreHeard(t *testing.T) {
	t.Parallel()
	for fate, what := range map[im.Fate]string{im.Handed: "processed", im.Waits: "stored"} {
		s := newStage(t)
		s.fate = fate
		p := s.phoneOf()
		session := s.session()
		s.says(p, im3862, wishes)
		st := s.submitted()[0]
		if _, asks := st.Part(nsReceipts, "request"); !asks || st.ID() != "m1" || st.Body() != "Lunch?" {
			t.Errorf("the app gets %s", st.Text())
		}
		if got := read(p, 200); !strings.Contains(got, "<"+what+"/>") || !strings.Contains(got, "<message-id>m1<") {
			t.Errorf("of the server it hears %s, want %s", got, what)
		}
		for range 2 { // of two apps
			word(t, session, "<received xmlns='"+nsReceipts+"' id='m1'/>")
		}
		if got := read(p, 200); !strings.Contains(got, "<delivered/>") || !strings.Contains(got, "Content-Disposition: notification") {
			t.Errorf("of the app it hears %s", got)
		}
		p.Silent(30 * time.Millisecond)
	}
}

func TestAPhoneThatSaysNothingOfMessagesHasTheServerSayThatItHasThem(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.phoneOf()
	session := s.session()
	write := func(id string) (callID string) {
		t.Helper()
		session.Send(stanza(t, "<message from='alice@example.org/a' to='bob@example.org' type='chat' id='"+id+"'><body>x</body><request xmlns='"+nsReceipts+"'/></message>"))
		m := p.Expect("MESSAGE")
		p.Respond(m, 200)
		return m.CallID()
	}
	first := write("q1")
	var got []*xmpp.Stanza
	s.await("alice has a receipt", func() bool { got = append(got, s.submitted()...); return len(got) > 0 })
	if e := got[0].Find(nsReceipts, "received"); e == nil || e.Attr("id") != "q1" || got[0].To() != at("alice@example.org/a") {
		t.Errorf("she has %s", got[0].Text())
	}
	delivered := func(callID string) int {
		return s.says(p, "message/imdn+xml", "<imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>"+callID+
			"</message-id><delivery-notification><status><delivered/></status></delivery-notification></imdn>")
	}
	if status := delivered(first); status != 200 || len(s.submitted()) > 0 {
		t.Errorf("it says so too, and hears %d; she is told once more", status)
	}
	second := write("q2") // from now on it is left to the phone
	for range 2 {
		if status := delivered(second); status != 200 {
			t.Errorf("it hears %d", status)
		}
	}
	if got := s.submitted(); len(got) != 1 || got[0].Find(nsReceipts, "received").Attr("id") != "q2" {
		t.Errorf("she is told %d times", len(got))
	}
	s.says(p, "text/plain", "y")
	st := s.submitted()[0]
	if _, asks := st.Part(nsReceipts, "request"); !asks {
		t.Errorf("it does not want to hear of its own: %s", st.Text())
	}
}

func TestWhoTypesNoLongerOnAPhoneSaysSoInTheEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.phoneOf()
	s.session()
	s.says(p, im3994, composingDoc)
	s.says(p, im3994, composingDoc)
	s.says(p, "text/plain", "x")
	s.says(p, im3994, composingDoc)
	s.submitted()
	s.mu.Lock()
	clocks := slices.Clone(s.clocks)
	s.mu.Unlock()
	if len(clocks) != 3 || clocks[0] != nil || clocks[1] != nil {
		t.Fatalf("%d clocks run", len(clocks))
	}
	clocks[2]()
	var got []*xmpp.Stanza
	s.await("alice is told", func() bool { got = append(got, s.submitted()...); return len(got) > 0 })
	if stateOf(got[0]) != "paused" {
		t.Errorf("she is told %s", got[0].Text())
	}
}

func TestWordsAskNoPhoneAndEndNoSession(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.mu.Lock()
	s.waiting = []*xmpp.Stanza{stanza(t, "<message from='alice@example.org/a' to='bob@example.org'><displayed xmlns='"+nsMarkers+"' id='1'/></message>")}
	s.mu.Unlock()
	p := s.phone("desk", "", core.Unknown)
	s.Arrived(at("bob@example.org"), stanza(t, "<message from='alice@example.org/a' to='bob@example.org' type='chat'>"+isTyping+"</message>"))
	p.Silent(30 * time.Millisecond)

	other := newStage(t)
	able := other.phoneOf()
	session := other.session()
	other.says(able, im3994, composingDoc)
	first := send(t, session, "0")
	able.Expect("MESSAGE") // and says nothing yet
	for i := range 20 {
		session.Send(stanza(t, "<message from='a"+string('a'+rune(i))+"@example.org/a' to='bob@example.org' type='chat'>"+isTyping+"</message>"))
	}
	if len(other.sessions.Of(at("bob@example.org"))) != 1 {
		t.Error("too many words have ended the session")
	}
	other.took(first, false) // nobody answers
}

func TestWhoWantsToHearOfMessagesTakesThem(t *testing.T) {
	t.Parallel()
	for can, joins := range map[core.Ability]bool{core.Unknown: true, core.Unable: false} {
		s := newStage(t)
		p := siptest.Join(s, nil, "bob@example.org", sip.UDP, s.layer.Receive)
		s.register(p, p.Flow().ID(), "", can)
		s.await("the phone is known", func() bool { return s.using(bob, p.Flow().ID()) != nil })
		s.says(p, "text/plain", "x")
		s.none()
		s.says(p, im3862, strings.Replace(wishes, ", processing", "", 1))
		if joins {
			word(t, s.session(), "<received xmlns='"+nsReceipts+"' id='m1'/>")
			read(p, 200)
			continue
		}
		p.Silent(20 * time.Millisecond)
		s.none()
	}
}
