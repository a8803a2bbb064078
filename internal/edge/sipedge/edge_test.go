package sipedge

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/address"
	"parley/internal/core"
	"parley/sip"
	"parley/sip/digest"
	"parley/sip/siptest"
	"parley/sip/transaction"
	"parley/sip/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an edge on loopback with the accounts alice and bob of example.org, whose
// password is "secret", in front of a location table that the test fills.
type world struct {
	t    *testing.T
	edge *Edge
	addr string

	mu       sync.Mutex
	bindings map[string][]core.Binding
	failures atomic.Int64
	wait     atomic.Int64
	mode     core.Mode
}

func newWorld(t *testing.T) *world { return newWorldWith(t, transport.Limits{}) }

func newWorldWith(t *testing.T, limits transport.Limits) *world { return makeWorld(t, limits, nil) }

func makeWorld(t *testing.T, limits transport.Limits, devices core.Devices) *world {
	t.Helper()
	w := &world{t: t, bindings: map[string][]core.Binding{}}
	w.edge = New(Config{
		Domains: []string{"example.org"}, Key: []byte("a key of this test"), Settings: func() Settings { return Settings{SHA256Agents: []string{"Linphone"}} },
		Server: "parley", Log: slog.New(slog.DiscardHandler), Transport: transport.Config{Limits: limits},
	}, Ports{
		Accounts: w, Guard: w, Devices: devices, Registrar: w, Addresses: address.FromSIP,
		Planner: core.Routers{{Name: "test", Router: w}},
	})
	w.edge.AddAgent("echo", hello{})
	addr, err := w.edge.Transport().ListenUDP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = addr.String()
	t.Cleanup(w.edge.Close)
	return w
}

func (w *world) Account(_ context.Context, a core.Address) (core.Account, error) {
	return core.Account{Address: a}, nil
}

func (w *world) HA1(_ context.Context, a core.Address, alg core.Algorithm, full bool) (string, error) {
	if a.Local != "alice" && a.Local != "bob" {
		return "", core.ErrNoAccount
	}
	user := a.Local
	if full {
		user = a.String()
	}
	return digest.HA1(digest.Algorithm(alg), user, a.Domain, "secret")
}

func (w *world) Check(string, core.Address) time.Duration {
	return time.Duration(w.wait.Load())
}

func (w *world) Failed(string, core.Address) {
	w.failures.Add(1)
}

func (w *world) Succeeded(string, core.Address) {}

// Register binds whatever contact comes.
func (w *world) Register(_ context.Context, a core.Address, device string, f sip.Flow, req *sip.Message) *sip.Builder {
	contacts, _, _ := req.Contacts()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bindings[a.Local] = append(w.bindings[a.Local], core.Binding{
		Account: a, Contact: contacts[0].URI.String(), Flow: f.ID(), Network: f.Network(), Source: f.Remote(), Device: device,
	})
	return req.Response(200, "")
}

func (w *world) Route(_ context.Context, c *core.Call, p *core.Plan) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.To.Local == "closed" {
		return core.Fail(core.Forbidden, "no", nil)
	}
	if c.To.Local == "echo" {
		p.Steps = []core.Step{{Targets: []core.Target{{Name: "echo", Agent: "echo"}}}}
		return nil
	}
	p.Mode = w.mode
	for _, b := range w.bindings[c.To.Local] {
		p.Steps = append(p.Steps, core.Step{Targets: []core.Target{{Name: b.Contact, Binding: b}}})
	}
	return nil
}

// phone is a registered phone.
func (w *world) phone(user string) *siptest.Peer {
	w.t.Helper()
	p := siptest.UDP(w.t, user+"@example.org", w.addr)
	first := p.Register()
	challenge := p.Expect("401")
	p.Register(answer(w.t, first, challenge, "secret"), sameCall(first, "2"))
	p.Expect("200")
	return p
}

// answer adds the credentials for a challenge to a request like req.
func answer(t *testing.T, req, challenge *sip.Message, password string) siptest.Edit {
	t.Helper()
	header, reply := sip.HeaderWWWAuthenticate, sip.HeaderAuthorization
	if challenge.Status() == 407 {
		header, reply = sip.HeaderProxyAuthenticate, sip.HeaderProxyAuthorization
	}
	var all []string
	for v := range challenge.Values(header) {
		all = append(all, v)
	}
	c, err := digest.Choose([]string{challenge.Get(header)})
	if err != nil {
		t.Fatalf("challenge %q: %v", all, err)
	}
	from, _ := req.From()
	creds, err := c.Answer(from.URI.User, password, digest.Request{
		Method: string(req.Method()), URI: req.Target(), Cnonce: "abc", Count: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return siptest.With(reply, creds.String())
}

func sameCall(req *sip.Message, cseq string) siptest.Edit {
	return func(b *sip.Builder) {
		b.Set(sip.HeaderCallID, req.CallID()).Set(sip.HeaderFrom, req.Get(sip.HeaderFrom)).
			Set(sip.HeaderCSeq, cseq+" "+string(req.Method()))
	}
}

// invite calls with a password.
func (w *world) invite(p *siptest.Peer, to string, edits ...siptest.Edit) *sip.Message {
	w.t.Helper()
	first := p.Invite(to, edits...)
	challenge := p.Expect("407")
	p.Ack(first, challenge)
	return p.Invite(to, append(edits, answer(w.t, first, challenge, "secret"), sameCall(first, "2"))...)
}

func TestACallGoesBackAndForthByItsTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.phone("alice"), w.phone("bob")
	invite := w.invite(alice, "bob@example.org")
	got := bob.Expect("INVITE")
	if got.Has(sip.HeaderProxyAuthorization) {
		t.Error("alice's credentials reached bob")
	}
	if got.Body() != invite.Body() {
		t.Error("the body of a proxied call was changed")
	}
	bob.Respond(got, 180)
	alice.Expect("180")
	ok := bob.Respond(got, 200)
	answered := alice.Expect("200 INVITE")
	a, b := alice.Dialog(invite, answered), bob.Dialog(got, ok)
	a.Ack()
	bob.Expect("ACK")
	if w.edge.calls.count() != 1 {
		t.Errorf("%d calls are up, want 1", w.edge.calls.count())
	}
	b.Request(sip.INFO)
	alice.Respond(alice.Expect("INFO"), 200)
	bob.Expect("200 INFO")
	a.Bye()
	bob.Respond(bob.Expect("BYE"), 200)
	alice.Expect("200 BYE")
}

func TestAPhoneMayListenOnAnotherPortThanItSendsFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, sender := w.phone("alice"), w.phone("bob")
	listener := siptest.UDP(t, "bob@example.org", w.addr)
	contact := strings.Trim(listener.Contact(), "<>")
	w.mu.Lock()
	w.bindings["bob"][0].Contact = contact
	w.mu.Unlock()
	w.invite(alice, "bob@example.org")
	got := listener.Expect("INVITE")
	listener.Respond(got, 486)
	alice.Expect("486")
	listener.Expect("ACK")
	w.mu.Lock()
	w.bindings["bob"][0].NATed = true
	w.mu.Unlock()
	w.invite(alice, "bob@example.org")
	sender.Respond(sender.Expect("INVITE"), 486)
	alice.Expect("486")
}

func TestATokenIsGoodForItsCallAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.phone("alice"), w.phone("bob")
	w.invite(alice, "bob@example.org")
	got := bob.Expect("INVITE")
	mallory := siptest.UDP(t, "mallory@example.com", w.addr)
	steal := func(callID string) *sip.Message {
		return mallory.Request(sip.BYE, "bob@example.org", func(b *sip.Builder) {
			b.Set(sip.HeaderTo, "<sip:bob@example.org>;tag=1").Copy(got, sip.HeaderRecordRoute)
			b.Set(sip.HeaderCallID, callID)
			for v := range got.Values(sip.HeaderRecordRoute) {
				b.Add(sip.HeaderRoute, v)
			}
			b.Remove(sip.HeaderRecordRoute)
		})
	}
	steal("another-call")
	mallory.Expect("481")
	bob.Silent(50 * time.Millisecond)
}

func TestWhoMaySend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.phone("alice")
	for _, c := range []struct {
		name, from, to string
		want           string
	}{
		{"a stranger relaying", "<sip:x@example.com>;tag=1", "sip:y@example.net", "403"},
		{"a stranger relaying by the number", "<sip:x@example.com>;tag=1", "sip:+15550100@192.0.2.1", "403"},
		{"a stranger claiming to be bob", "<sip:bob@example.org>;tag=1", "sip:alice@example.org", "407"},
		{"a stranger calling a closed address", "<sip:x@example.com>;tag=1", "sip:closed@example.org", "403"},
		{"a From that can be no address here", `<sip:a%22b@example.org>;tag=1`, "sip:alice@example.org", "403"},
	} {
		stranger := siptest.UDP(t, "x@example.com", w.addr)
		invite := stranger.Invite(c.to, siptest.With(sip.HeaderFrom, c.from))
		stranger.Ack(invite, stranger.Expect(c.want))
	}
	first := alice.Invite("bob@example.org")
	challenge := alice.Expect("407")
	alice.Ack(first, challenge)
	forged := alice.Invite("bob@example.org", answer(t, first, challenge, "secret"),
		siptest.With(sip.HeaderFrom, "<sip:bob@example.org>;tag=9"))
	if resp := alice.Expect("403"); resp.Reason() != "From Is Not Yours" {
		t.Errorf("a forged From hears %q", resp.Reason())
	} else {
		alice.Ack(forged, resp)
	}
}

func TestAWrongPasswordAndAnUnknownUserLookAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var texts []string
	for _, user := range []string{"alice", "nobody"} {
		p := siptest.UDP(t, user+"@example.org", w.addr)
		first := p.Register()
		p.Register(answer(t, first, p.Expect("401"), "wrong"), sameCall(first, "2"))
		resp := p.Expect("401")
		resp, _ = resp.Edit().Remove(sip.HeaderVia).Remove(sip.HeaderFrom).Remove(sip.HeaderTo).
			Remove(sip.HeaderCallID).Remove(sip.HeaderWWWAuthenticate).Message()
		texts = append(texts, resp.Text())
	}
	if texts[0] != texts[1] || w.failures.Load() != 2 {
		t.Errorf("wrong password:\n%s\nunknown user:\n%s\n%d failures counted", texts[0], texts[1], w.failures.Load())
	}
}

func TestAGuesserWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wait.Store(int64(1500 * time.Millisecond))
	p := siptest.UDP(t, "alice@example.org", w.addr)
	first := p.Register()
	p.Register(answer(t, first, p.Expect("401"), "secret"), sameCall(first, "2"))
	if resp := p.Expect("503"); resp.Get(sip.HeaderRetryAfter) != "2" {
		t.Errorf("Retry-After is %q, want 2", resp.Get(sip.HeaderRetryAfter))
	}
}

func TestWhichDigestIsOffered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for agent, want := range map[string]string{"": "MD5", "OldPhone/1.0": "MD5", "Linphone/5.1": "SHA-256 MD5", "linphone": "SHA-256 MD5"} {
		p := siptest.UDP(t, "alice@example.org", w.addr)
		p.Register(siptest.With(sip.HeaderUserAgent, agent))
		var got []string
		for v := range p.Expect("401").Values(sip.HeaderWWWAuthenticate) {
			c, err := digest.ParseChallenge(v)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(c.Algorithm))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q is offered %v, want %s", agent, got, want)
		}
	}
}

func TestAStrangerWhoIsLetInKeepsHisConnection(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, transport.Limits{ProofTimeout: 100 * time.Millisecond})
	addr, err := w.edge.Transport().ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bob := w.phone("bob")
	stranger := siptest.TCP(t, "x@example.com", addr.String())
	invite := stranger.Invite("bob@example.org")
	got := bob.Expect("INVITE")
	bob.Respond(got, 180)
	stranger.Expect("180")
	time.Sleep(300 * time.Millisecond)
	bob.Respond(got, 200)
	stranger.Dialog(invite, stranger.Expect("200 INVITE")).Ack()
	bob.Expect("ACK")
}

func TestNobodyRegistersForAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := siptest.UDP(t, "alice@example.org", w.addr)
	first := p.Register()
	challenge := p.Expect("401")
	p.Register(answer(t, first, challenge, "secret"), sameCall(first, "2"), siptest.With(sip.HeaderTo, "<sip:bob@example.org>"))
	p.Expect("403")
	p.Register(siptest.WithTarget("sip:example.net"))
	p.Expect("404")
}

func TestWhatTheServerAnswersItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := siptest.UDP(t, "x@example.com", w.addr)
	p.Request(sip.OPTIONS, "sip:example.org")
	if resp := p.Expect("200"); !resp.HasToken(sip.HeaderAllow, "INVITE") {
		t.Errorf("Allow is %q", resp.Get(sip.HeaderAllow))
	}
	p.Request(sip.OPTIONS, "sip:example.org", siptest.With(sip.HeaderMaxForwards, "0"))
	p.Expect("200")
	p.Request(sip.OPTIONS, "bob@example.org", siptest.With(sip.HeaderMaxForwards, "0"))
	p.Expect("483")
	p.Request(sip.SUBSCRIBE, "bob@example.org", siptest.With(sip.HeaderEvent, "presence"))
	p.Expect("489")
	p.Request(sip.BYE, "bob@example.org")
	p.Expect("481")
	p.Request("DANCE", "bob@example.org")
	p.Expect("405")
	p.Request(sip.REFER, "bob@example.org", siptest.WithName("Refer-To", "<sip:carol@example.org>"))
	if resp := p.Expect("405"); resp.HasToken(sip.HeaderAllow, "REFER") || !resp.HasToken(sip.HeaderAllow, "MESSAGE") {
		t.Errorf("a REFER is not allowed, but what is are %q", resp.Get(sip.HeaderAllow))
	}
}

func TestADrainingServerTakesNoNewCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.phone("alice"), w.phone("bob")
	invite := w.invite(alice, "bob@example.org")
	got := bob.Expect("INVITE")
	ok := bob.Respond(got, 200)
	alice.Dialog(invite, alice.Expect("200 INVITE")).Ack()
	bob.Expect("ACK")
	drained := make(chan error, 1)
	go func() { drained <- w.edge.Drain(t.Context()) }()
	for !w.edge.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	second := alice.Invite("bob@example.org")
	alice.Ack(second, alice.Expect("503"))
	bob.Dialog(got, ok).Bye()
	alice.Respond(alice.Expect("BYE"), 200)
	bob.Expect("200 BYE")
	if err := <-drained; err != nil {
		t.Errorf("the call ended, and the drain says %v", err)
	}
}

// hello is an agent that answers with 200.
type hello struct{}

func (hello) Serve(s *transaction.Server) {
	resp, _ := s.Request().Response(200, "").ToTag("agent").Message()
	s.Respond(resp)
}
func (hello) ACK(sip.Flow, *sip.Message) {}

func TestAnAgentIsReachedLikeAPhone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.phone("alice")
	first := alice.Request(sip.MESSAGE, "echo@example.org")
	alice.Request(sip.MESSAGE, "echo@example.org", answer(t, first, alice.Expect("407"), "secret"), sameCall(first, "2"))
	if resp := alice.Expect("200"); resp.ToTag() != "agent" {
		t.Errorf("the answer is not the agent's: %s", resp.Text())
	}
}

func FuzzToken(f *testing.F) {
	tok := tokens{key: []byte("k")}
	f.Add(tok.make("udp:1", "call"), "call")
	f.Fuzz(func(t *testing.T, token, callID string) {
		if flow, ok := tok.read(token, callID); ok && tok.make(flow, callID) != token {
			t.Errorf("%q is taken for a token of %q", token, flow)
		}
	})
}
