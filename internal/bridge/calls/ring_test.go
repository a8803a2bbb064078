package calls

import (
	"strings"
	"testing"
	"time"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/siptest"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jingle"
)

func TestAnAppAnswersAndEitherHangsUp(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	d := s.talk(b)
	d.Bye()
	s.phone.Expect("200 BYE")
	if j := b.gets(jingle.SessionTerminate); j.Reason.Condition != jingle.Success {
		t.Errorf("it ended for %+v", j.Reason)
	}
	b.hears(jingle.Finish, jingle.Success)
	s.over()

	s.talk(b)
	b.does(&jingle.Jingle{Action: jingle.SessionTerminate, Reason: reason(jingle.Success)})
	s.phone.Respond(s.phone.Expect("BYE"), 200)
	b.hears(jingle.Finish, jingle.Success)
	s.over()
	if st := b.asks(&jingle.Jingle{Action: jingle.SessionInfo}); !strings.Contains(st.Text(), "unknown-session") {
		t.Errorf("of a call that is over it is told %s", st.Text())
	}
}

func TestAnswersOfApps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reason *jingle.Reason
		status string
	}{
		"a rejection":          {nil, "603"},
		"a decline":            {reason(jingle.Decline), "603"},
		"somebody busy":        {reason(jingle.Busy), "486"},
		"what can't be had":    {reason(jingle.UnsupportedApplications), "488"},
		"two who call at once": {reason(jingle.Expired), "408"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, Config{})
			b, other := s.app(bob, "b"), s.app(bob, "other")
			invite := s.calls()
			b.hears(jingle.Propose, "")
			other.hears(jingle.Propose, "")
			b.step(jingle.Ring)
			other.step(jingle.Ring)
			s.phone.Expect("180 INVITE")
			b.says(b.peer, jingle.Intent{Step: jingle.Reject, Reason: c.reason})
			s.sees(invite, c.status)
			other.hears(jingle.Retract, "")
			b.hearsNo(jingle.Retract)
			s.over()
		})
	}
}

func TestACallerGivesUp(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b, old := s.app(bob, "b"), s.app(bob, "old")
	invite := s.calls()
	b.hears(jingle.Propose, "")
	old.gets(jingle.SessionInitiate)
	s.phone.Cancel(invite)
	s.phone.Expect("200 CANCEL")
	s.sees(invite, "487")
	b.hears(jingle.Retract, jingle.Cancel)
	b.hearsNo(jingle.Accept)
	if j := old.gets(jingle.SessionTerminate); j.Reason.Condition != jingle.Cancel {
		t.Errorf("it ended for %+v", j.Reason)
	}
	s.over()
}

func TestAPhoneOfTheAccountAnswers(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	invite := s.calls()
	b.hears(jingle.Propose, "")
	s.phone.Cancel(invite, siptest.With(sip.HeaderReason, `SIP;cause=200;text="Call completed elsewhere"`))
	s.phone.Expect("200 CANCEL")
	s.sees(invite, "487")
	b.hears(jingle.Accept, "")
	if i := b.hears(jingle.Retract, jingle.Cancel); i.Reason.Text != "Call completed elsewhere" {
		t.Errorf("it is told %q", i.Reason.Text)
	}
	s.over()
}

// TestOneOfManyHasTheCall has all apps take the call at once: one has it, and all others stop ringing.
func TestOneOfManyHasTheCall(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	var apps []*app
	for _, name := range []string{"a", "b", "c", "d"} {
		a := s.app(bob, name)
		a.session.Set(im.Carbons, name == "d")
		apps = append(apps, a)
	}
	old := s.app(bob, "old")
	s.calls()
	for _, a := range apps {
		a.hears(jingle.Propose, "")
	}
	old.gets(jingle.SessionInitiate)
	apps[0].step(jingle.Proceed)
	apps[0].gets(jingle.SessionInitiate)
	old.gets(jingle.SessionTerminate)
	apps[1].hears(jingle.Retract, jingle.Cancel)
	apps[2].step(jingle.Proceed)
	apps[2].hears(jingle.Retract, jingle.Cancel)
	if st := old.asks(&jingle.Jingle{Action: jingle.SessionInfo, Infos: []jingle.Info{{Kind: jingle.Ringing}}}); st.Type() != "error" {
		t.Errorf("who is out of the call is told %s", st.Text())
	}
	apps[0].accepts()
	s.phone.Expect("200 INVITE")
	apps[3].hearsNo(jingle.Retract) // it has a copy of what the first has said
	apps[0].hearsNo(jingle.Retract)
}

func TestACancelCrossesTheAcceptance(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	invite := s.calls()
	b.hears(jingle.Propose, "")
	b.step(jingle.Proceed)
	b.gets(jingle.SessionInitiate)
	s.phone.Cancel(invite)
	s.phone.Expect("200 CANCEL")
	s.sees(invite, "487")
	b.gets(jingle.SessionTerminate)
	b.mine = readAs(s, browserSDP("passive", "app"), jingle.Responder, b.offer)
	all, err := b.mine.Accept(b.id)
	if err != nil {
		t.Fatal(err)
	}
	if st := b.asks(all[0]); !strings.Contains(st.Text(), "unknown-session") {
		t.Errorf("an acceptance too late is answered with %s", st.Text())
	}
	s.over()
}

func TestAppsThatGo(t *testing.T) {
	t.Parallel()
	t.Run("while they ring", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, Config{})
		b, c := s.app(bob, "b"), s.app(bob, "c")
		invite := s.calls()
		b.hears(jingle.Propose, "")
		c.hears(jingle.Propose, "")
		b.gone()
		c.gone()
		s.sees(invite, "480")
		s.over()
	})
	t.Run("when they have taken the call", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, Config{})
		b := s.app(bob, "b")
		invite := s.calls()
		b.hears(jingle.Propose, "")
		b.step(jingle.Proceed)
		b.gets(jingle.SessionInitiate)
		b.gone()
		s.sees(invite, "480")
		s.over()
	})
	t.Run("in the call", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, Config{})
		b := s.app(bob, "b")
		s.talk(b)
		b.gone()
		bye := s.phone.Expect("BYE")
		if got := bye.Get(sip.HeaderReason); !strings.Contains(got, "cause=503") {
			t.Errorf("the Reason is %q", got)
		}
		s.phone.Respond(bye, 200)
		s.over()
	})
	t.Run("after they have said that it is finished", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, Config{})
		b := s.app(bob, "b")
		s.talk(b)
		b.step(jingle.Finish)
		s.phone.Respond(s.phone.Expect("BYE"), 200)
		s.over()
	})
}

// TestWhatIsNotAnswered has nothing come that a call waits for.
func TestWhatIsNotAnswered(t *testing.T) {
	t.Parallel()
	t.Run("a proposal", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, Config{Ring: 200 * time.Millisecond})
		b := s.app(bob, "b")
		invite := s.calls()
		b.hears(jingle.Propose, "")
		s.sees(invite, "408")
		b.hears(jingle.Retract, jingle.Timeout)
		s.over()
	})
	t.Run("a session", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, Config{Begin: 200 * time.Millisecond})
		b := s.app(bob, "b")
		invite := s.calls()
		b.hears(jingle.Propose, "")
		b.step(jingle.Proceed)
		b.gets(jingle.SessionInitiate)
		s.sees(invite, "408")
		if j := b.gets(jingle.SessionTerminate); j.Reason.Condition != jingle.Timeout {
			t.Errorf("it ended for %+v", j.Reason)
		}
		s.over()
	})
}

func TestCallsThatAreNotTaken(t *testing.T) {
	t.Parallel()
	plain := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
	for name, c := range map[string]struct {
		edit   []siptest.Edit
		status string
	}{
		"nobody's":                        {[]siptest.Edit{siptest.WithTarget("sip:bob@example.org")}, "404"},
		"without an offer":                {[]siptest.Edit{siptest.WithBody("", ""), siptest.Without(sip.HeaderContentType)}, "488"},
		"of another form":                 {[]siptest.Edit{siptest.WithSDP(plain)}, "488"},
		"of another type":                 {[]siptest.Edit{siptest.WithBody("text/plain", "hello")}, "415"},
		"that can't be read":              {[]siptest.Edit{siptest.WithSDP("v=1")}, "400"},
		"to somebody whose apps are gone": {nil, "480"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, Config{})
			s.sees(s.calls(c.edit...), c.status)
			s.over()
		})
	}
}

func TestTooManyCalls(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{"of one account": {PerAccount: 1}, "in all": {Limit: 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, c)
			b := s.app(bob, "b")
			s.talk(b)
			s.sees(s.calls(), "486")
			b.proposes()
			s.phone.Silent(50 * time.Millisecond)
		})
	}
}

// TestNoCallGoesRound has a call come back that was here before.
func TestNoCallGoesRound(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	first := s.calls()
	b.hears(jingle.Propose, "")
	again := s.calls(siptest.With(sip.HeaderCallID, first.CallID()))
	s.sees(again, "482")
	b.says(alice2(), jingle.Intent{Step: jingle.Propose, ID: b.id, Media: []string{"audio"}}) // a gateway of its own
	s.phone.Silent(50 * time.Millisecond)
}

// TestADeviceRingsOnce has a device with two sides ring by SIP alone.
func TestADeviceRingsOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	b := s.app(bob, "b")
	b.session.Moved(im.Info{Device: "d"})
	s.bindings = []core.Binding{{Device: "d"}}
	s.sees(s.calls(), "480")
	b.hearsNo(jingle.Propose)
}

func TestARefusedProposal(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{})
	s.app(bob, "b")
	s.refuse = &xmpp.StanzaError{Condition: xmpp.ServiceUnavailable}
	s.sees(s.calls(), "480")
	s.over()
}

func TestOldApps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		condition jingle.Condition
		status    string
	}{"declines": {jingle.Decline, "603"}, "is busy": {jingle.Busy, "486"}, "is gone": {jingle.Gone, "480"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, Config{})
			old := s.app(bob, "old")
			invite := s.calls()
			old.gets(jingle.SessionInitiate)
			old.does(&jingle.Jingle{Action: jingle.SessionInfo, Infos: []jingle.Info{{Kind: jingle.Ringing}}})
			s.phone.Expect("180 INVITE")
			old.does(&jingle.Jingle{Action: jingle.SessionTerminate, Reason: reason(c.condition)})
			s.sees(invite, c.status)
			s.over()
		})
	}
}
