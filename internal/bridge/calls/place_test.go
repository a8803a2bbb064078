package calls

import (
	"context"
	"strings"
	"testing"
	"time"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/siptest"
	"parley/xmpp/jid"
	"parley/xmpp/jingle"
)

func alice2() jid.JID { return jid.JID{Local: "alice", Domain: "example.org"} }

// answer is what a phone behind the server answers, as the agent sees it.
func answer() siptest.Edit { return siptest.WithSDP(browserSDP("passive", "phone")) }

// taken gets a call that an app begins up.
func (s *stage) taken(b *app) *siptest.Dialog {
	s.Helper()
	b.proposes()
	invite := s.phone.Expect("INVITE")
	s.phone.Respond(invite, 180)
	b.hears(jingle.Ring, "")
	d := s.phone.Dialog(invite, s.phone.Respond(invite, 200, answer()))
	s.phone.Expect("ACK")
	b.hears(jingle.Proceed, "")
	b.begins()
	again := s.phone.Expect("INVITE")
	if !strings.Contains(again.Body(), "a=ice-ufrag:app") {
		s.Fatalf("the app's own offer is not in\n%s", again.Body())
	}
	s.phone.Respond(again, 200, answer())
	s.phone.Expect("ACK")
	b.gets(jingle.SessionAccept)
	return d
}

func TestAPhoneAnswersAnApp(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	s.taken(b).Bye()
	s.phone.Expect("200 BYE")
	b.gets(jingle.SessionTerminate)
	b.hears(jingle.Finish, jingle.Success)
	s.over()

	s.taken(b)
	b.does(&jingle.Jingle{Action: jingle.SessionTerminate, Reason: reason(jingle.Success)})
	s.phone.Respond(s.phone.Expect("BYE"), 200)
	s.over()

	s.taken(b)
	b.gone()
	s.phone.Respond(s.phone.Expect("BYE"), 200)
	s.over()
}

func TestPhonesThatDontTakeTheCallOfAnApp(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]jingle.Condition{486: jingle.Busy, 603: jingle.Decline, 480: jingle.Gone, 488: jingle.IncompatibleParameters} {
		t.Run(sip.ReasonPhrase(status), func(t *testing.T) {
			t.Parallel()
			s := newStage(t, Config{})
			b := s.app(bob, "b")
			b.proposes()
			s.phone.Respond(s.phone.Expect("INVITE"), status)
			s.phone.Expect("ACK")
			b.hears(jingle.Reject, want)
			s.over()
		})
	}
}

// TestAnAppOfTheCalleeGoesOnRinging has phones refuse a call that his app may still take.
func TestAnAppOfTheCalleeGoesOnRinging(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b, a := s.app(bob, "b"), s.app(alice, "a")
	b.proposes()
	a.hears(jingle.Propose, "")
	s.phone.Respond(s.phone.Expect("INVITE"), 486)
	s.phone.Expect("ACK")
	s.over()
	b.hearsNo(jingle.Reject)

	b.proposes()
	a.hears(jingle.Propose, "")
	s.phone.Respond(s.phone.Expect("INVITE"), 603) // for all
	s.phone.Expect("ACK")
	b.hears(jingle.Reject, jingle.Decline)
	a.hears(jingle.Reject, "")
	s.over()
}

func TestWhoElseSettlesACall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step   jingle.Step
		reason *jingle.Reason
		want   string
	}{
		"an app takes it":     {jingle.Proceed, nil, `SIP;cause=200;text="Call completed elsewhere"`},
		"an app rejects it":   {jingle.Reject, reason(jingle.Decline), `SIP;cause=603;text="decline"`},
		"the caller retracts": {jingle.Retract, reason(jingle.Cancel), `SIP;cause=487;text="cancel"`},
		"the caller is gone":  {"", nil, `SIP;cause=503;text="The app's connection is gone"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, Config{})
			b, a := s.app(bob, "b"), s.app(alice, "a")
			b.proposes()
			a.hears(jingle.Propose, "")
			invite := s.phone.Expect("INVITE")
			s.phone.Respond(invite, 180)
			b.hears(jingle.Ring, "")
			switch c.step {
			case "":
				b.gone()
			case jingle.Retract:
				b.says(alice2(), jingle.Intent{Step: c.step, Reason: c.reason})
			default:
				a.says(b.session.JID(), jingle.Intent{Step: c.step, ID: a.id, Reason: c.reason})
			}
			cancel := s.phone.Expect("CANCEL")
			if got := cancel.Get(sip.HeaderReason); got != c.want {
				t.Errorf("the Reason is %q, want %q", got, c.want)
			}
			s.phone.Respond(cancel, 200)
			s.phone.Respond(invite, 487)
			s.phone.Expect("ACK")
			s.over()
			if c.step != jingle.Proceed {
				b.hearsNo(jingle.Proceed)
			}
		})
	}
}

// TestAPhoneAnswersTooLate has a phone answer a call that an app has taken in the same moment.
func TestAPhoneAnswersTooLate(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b, a := s.app(bob, "b"), s.app(alice, "a")
	b.proposes()
	a.hears(jingle.Propose, "")
	invite := s.phone.Expect("INVITE")
	s.phone.Respond(invite, 180)
	b.hears(jingle.Ring, "")
	a.says(b.session.JID(), jingle.Intent{Step: jingle.Proceed, ID: a.id})
	s.phone.Respond(s.phone.Expect("CANCEL"), 200)
	s.phone.Respond(invite, 200, answer())
	s.phone.Expect("ACK")
	s.phone.Respond(s.phone.Expect("BYE"), 200)
	s.over()
	if i := b.hears(jingle.Proceed, ""); b.peer != a.session.JID() {
		t.Errorf("%s proceeds too: %+v", b.peer, i)
	}
	b.hearsNo(jingle.Proceed)
}

// TestSettledBeforeItWasHeardOf has an app take a call before the server is done with its proposal.
func TestSettledBeforeItWasHeardOf(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b, a := s.app(bob, "b"), s.app(alice, "a")
	b.id = newID()
	a.says(b.session.JID(), jingle.Intent{Step: jingle.Proceed, ID: b.id})
	b.says(alice2(), jingle.Intent{Step: jingle.Propose, Media: []string{"audio"}})
	s.phone.Silent(50 * time.Millisecond)
	s.over()
}

func TestWhatIsNoCallForPhones(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	b.says(alice2(), jingle.Intent{Step: jingle.Propose, ID: "v", Media: []string{"video"}})
	b.says(alice2().With("app"), jingle.Intent{Step: jingle.Propose, ID: "f", Media: []string{"audio"}})
	s.mu.Lock()
	s.plan = core.Unreachable()
	s.mu.Unlock()
	b.proposes()
	s.phone.Silent(50 * time.Millisecond)
	s.over()
	b.hearsNo(jingle.Reject)
}

func TestAnAppThatDoesNotGoOn(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{Begin: 200 * time.Millisecond})
	b := s.app(bob, "b")
	b.proposes()
	s.phone.Respond(s.phone.Expect("INVITE"), 200, answer())
	s.phone.Expect("ACK")
	b.hears(jingle.Proceed, "")
	s.phone.Respond(s.phone.Expect("BYE"), 200)
	b.hears(jingle.Reject, jingle.Timeout)
	s.over()
}

func TestAPhoneThatIsNotAnswering(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{Ring: 200 * time.Millisecond})
	b := s.app(bob, "b")
	b.proposes()
	invite := s.phone.Expect("INVITE")
	s.phone.Respond(invite, 180)
	s.phone.Respond(s.phone.Expect("CANCEL"), 200)
	s.phone.Respond(invite, 487)
	s.phone.Expect("ACK")
	b.hears(jingle.Reject, jingle.Timeout)
	s.over()
}

// TestASessionUnasked has an app begin a session with an account, without a proposal.
func TestASessionUnasked(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	begin := func() *sip.Message {
		b.peer, b.id = alice2(), newID()
		b.begins()
		return s.phone.Expect("INVITE")
	}
	invite := begin()
	if !strings.Contains(invite.Body(), "a=ice-ufrag:app") {
		t.Errorf("the offer is\n%s", invite.Body())
	}
	s.phone.Respond(invite, 180)
	b.gets(jingle.SessionInfo)
	s.phone.Respond(invite, 200, answer())
	s.phone.Expect("ACK")
	if j := b.gets(jingle.SessionAccept); j.Responder != alice2() {
		t.Errorf("the responder is %s", j.Responder)
	}
	b.does(&jingle.Jingle{Action: jingle.SessionTerminate, Reason: reason(jingle.Success)})
	s.phone.Respond(s.phone.Expect("BYE"), 200)
	s.over()

	s.phone.Respond(begin(), 486)
	s.phone.Expect("ACK")
	if j := b.gets(jingle.SessionTerminate); j.Reason.Condition != jingle.Busy {
		t.Errorf("it ended for %+v", j.Reason)
	}
	s.over()

	invite = begin()
	s.phone.Respond(invite, 180)
	b.gets(jingle.SessionInfo)
	b.does(&jingle.Jingle{Action: jingle.SessionTerminate, Reason: reason(jingle.Cancel)})
	s.phone.Respond(s.phone.Expect("CANCEL"), 200)
	s.phone.Respond(invite, 487)
	s.phone.Expect("ACK")
	s.over()

	b.id = "unknown"
	if st := b.asks(&jingle.Jingle{Action: jingle.SessionTerminate}); !strings.Contains(st.Text(), "unknown-session") {
		t.Errorf("of no session it is told %s", st.Text())
	}
}

// TestWhoCalls has nobody call by the agent's way but the agent.
func TestWhoCalls(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	if _, err := s.Caller(siptest.Invite("bob@example.org", "alice@example.org")); core.AsError(err).Reason != core.Forbidden {
		t.Errorf("a Call-ID of nobody's gives %v", err)
	}
	b.proposes()
	invite := s.phone.Expect("INVITE")
	c, err := s.Caller(invite)
	if err != nil || c.Address != bob || !c.Known || c.Agent != Agent {
		t.Errorf("it is from %+v, %v", c, err)
	}
}

func TestCloseEndsCalls(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	s.talk(b)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	s.phone.Respond(s.phone.Expect("BYE"), 200)
	b.gets(jingle.SessionTerminate)
	s.sees(s.calls(), "503")
}

// TestNothingIsLeft has calls end in all ways, many times, and nothing be left of them.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{Linger: time.Millisecond, PerAccount: 1000})
	b := s.app(bob, "b")
	for range 20 {
		s.taken(b).Bye()
		s.phone.Expect("200 BYE")
		b.gets(jingle.SessionTerminate)
		s.over()
		s.talk(b)
		b.does(&jingle.Jingle{Action: jingle.SessionTerminate, Reason: reason(jingle.Success)})
		s.phone.Respond(s.phone.Expect("BYE"), 200)
		s.over()
		invite := s.calls()
		b.hears(jingle.Propose, "")
		b.says(b.peer, jingle.Intent{Step: jingle.Reject})
		s.sees(invite, "603")
		s.over()
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s.Calls.mu.Lock()
		left := len(s.byOwn)
		s.Calls.mu.Unlock()
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d addresses are left", left)
		}
	}
}

// TestWhatWasSettledEarlyIsBounded has many calls be settled of which nobody has heard.
func TestWhatWasSettledEarlyIsBounded(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	for range 2*maxEarly + 10 {
		b.says(alice2(), jingle.Intent{Step: jingle.Retract, ID: newID()})
	}
	s.Calls.mu.Lock()
	defer s.Calls.mu.Unlock()
	if len(s.early) > maxEarly {
		t.Errorf("%d are remembered", len(s.early))
	}
}

// TestCandidatesOfAnOffer has an offer for who takes no candidates later have them all.
func TestCandidatesOfAnOffer(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	b.peer, b.id = alice2(), newID()
	b.mine = readAs(s, strings.Replace(browserSDP("actpass", "app"), "a=candidate:1 1 udp 1 192.0.2.1 4000 typ host\r\n", "", 1), jingle.Initiator)
	j, err := b.mine.Initiate(b.id)
	if err != nil {
		t.Fatal(err)
	}
	b.does(j)
	c := b.mine.Contents()[0]
	tell := func(port uint16, complete bool) {
		b.does(&jingle.Jingle{Action: jingle.TransportInfo, Contents: []jingle.Content{{Creator: c.Creator, Name: c.Name, Transport: &jingle.Transport{
			Candidates: []jingle.Candidate{{Component: 1, Foundation: "1", ID: "c", IP: "192.0.2.1", Port: port, Priority: 1, Protocol: "udp", Type: "host"}},
			Complete:   complete,
		}}}})
	}
	tell(4001, false)
	tell(4002, true)
	invite := s.phone.Expect("INVITE")
	for _, want := range []string{"192.0.2.1 4001 typ host", "192.0.2.1 4002 typ host", "a=end-of-candidates"} {
		if !strings.Contains(invite.Body(), want) {
			t.Errorf("there is no %s in\n%s", want, invite.Body())
		}
	}
	s.phone.Respond(invite, 486)
	s.phone.Expect("ACK")
	b.gets(jingle.SessionTerminate)
	s.over()
}
