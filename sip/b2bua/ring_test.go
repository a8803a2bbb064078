package b2bua

import (
	"errors"
	"strings"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/siptest"
)

func TestCall(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{Server: "parley"})
	alice, _ := k.up()
	if i := k.call.Info(); i.Target != "bob" || i.Answered.IsZero() || i.From != "sip:alice@example.com" || i.To != "sip:bob@example.com" {
		t.Errorf("info is %+v", i)
	}
	if n := k.b2b.Count(); n != 1 {
		t.Errorf("%d calls", n)
	}
	alice.Bye(siptest.With(sip.HeaderReason, "Q.850;cause=16"))
	k.alice.Expect("200 BYE")
	bye := k.bob.Expect("BYE")
	k.has(bye, "Reason", "Q.850;cause=16")
	k.bob.Respond(bye, 200)
	k.down(Caller, 0)
	if len(k.seen.answered) != 1 {
		t.Errorf("answered %d times", len(k.seen.answered))
	}
}

func TestCalleeHangsUp(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	_, bob := k.up()
	bob.Bye()
	k.bob.Expect("200 BYE")
	k.alice.Respond(k.alice.Expect("BYE"), 200)
	k.down(Callee, 0)
}

// TestInvite checks what the callee is told.
func TestInvite(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.inv.Waves[0].Targets[0].Routes = []string{"<sip:edge.example;lr>", "<sip:p2.example;lr>"}
	k.inv.Edit = func(b *sip.Builder, target *Target) { b.SetName("X-Target", target.Name) }
	invite := k.alice.Make(sip.INVITE, "bob@example.com",
		siptest.With(sip.HeaderFrom, `"Alice A." <sip:alice@example.com>;tag=a1`),
		siptest.With(sip.HeaderTo, `"Bob" <sip:bob@example.com>`),
		siptest.With(sip.HeaderMaxForwards, "13"),
		siptest.With(sip.HeaderSubject, "lunch"),
		siptest.With(sip.HeaderUserAgent, "phone/1"),
		siptest.WithName("X-Thing", "1"),
		siptest.WithName("P-Thing", "no"),
		siptest.With(sip.HeaderSupported, "100rel, replaces, timer, ice"),
		siptest.With(sip.HeaderAllow, "INVITE, ACK, BYE, CANCEL, PRACK, REFER, INFO"),
		siptest.With(sip.HeaderSessionExpires, "1800"),
		siptest.With(sip.HeaderAuthorization, `Digest username="alice"`),
		siptest.With(sip.HeaderRecordRoute, "<sip:before.example;lr>"),
		siptest.WithName("Replaces", "x;to-tag=1;from-tag=2"),
		siptest.WithName("Content-Language", "en"),
		siptest.WithSDP(siptest.Offer),
	)
	k.alice.SendMessage(invite)
	m := k.bob.Expect("INVITE")
	for name, want := range map[string]string{
		"Max-Forwards": "12", "Subject": "lunch", "User-Agent": "phone/1", "X-Thing": "1", "P-Thing": "",
		"Supported": "ice", "Allow": "INVITE, ACK, CANCEL, BYE, INFO", "Session-Expires": "", "Authorization": "",
		"Record-Route": "", "Replaces": "", "Content-Language": "en", "Content-Type": "application/sdp",
		"X-Target": "bob", "Route": "<sip:edge.example;lr>", "To": `"Bob" <sip:bob@example.com>`,
	} {
		k.has(m, name, want)
	}
	if from, err := m.From(); err != nil || from.Display != "Alice A." || m.FromTag() == "a1" || m.FromTag() == "" {
		t.Errorf("From is %q", m.Get(sip.HeaderFrom))
	}
	if m.CallID() == invite.CallID() || m.Target() != k.inv.Waves[0].Targets[0].URI || m.Body() != siptest.Offer {
		t.Errorf("callee got\n%s", m.Text())
	}
	if c := m.Get(sip.HeaderContact); !strings.Contains(c, "sip:alice@192.0.2.10:5060;transport=tcp") {
		t.Errorf("Contact is %q", c)
	}
	resp := k.bob.Respond(m, 200, siptest.With(sip.HeaderServer, "other/2"), siptest.WithName("X-Back", "2"),
		siptest.With(sip.HeaderSupported, "timer"), siptest.With(sip.HeaderRequire, "timer"),
		siptest.With(sip.HeaderAllow, "INVITE, ACK, BYE, CANCEL, PRACK"))
	k.bob.Expect("ACK")
	got := k.alice.Expect("200")
	for name, want := range map[string]string{
		"Server": "other/2", "X-Back": "2", "Supported": "", "Require": "", "Allow": "INVITE, ACK, CANCEL, BYE",
		"Record-Route": "<sip:before.example;lr>",
	} {
		k.has(got, name, want)
	}
	if got.ToTag() == resp.ToTag() || got.Body() != siptest.Answer {
		t.Errorf("caller got\n%s", got.Text())
	}
	if c := got.Get(sip.HeaderContact); !strings.Contains(c, "sip:bob@192.0.2.10:5060") {
		t.Errorf("Contact is %q", c)
	}
}

func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, status string
		config       Config
		edit         siptest.Edit
		setup        func(*kit)
	}{
		{"hops", "483", Config{}, siptest.With(sip.HeaderMaxForwards, "0"), nil},
		{"reliable", "420", Config{}, siptest.With(sip.HeaderRequire, "100rel"), nil},
		{"breadth", "440", Config{}, siptest.With(sip.HeaderMaxBreadth, "1"), (*kit).both},
		{"breadth of ours", "440", Config{MaxBreadth: 1}, siptest.Without(sip.HeaderDate), (*kit).both},
		{"contact", "400", Config{}, siptest.Without(sip.HeaderContact), nil},
		{"limit", "503", Config{Limit: -1}, siptest.Without(sip.HeaderDate), nil},
		{"body", "415", Config{}, siptest.WithBody("text/plain", "x"), func(k *kit) { k.inv.Media = &anchor{} }},
		{"nobody", "480", Config{}, siptest.Without(sip.HeaderDate), func(k *kit) { k.inv.Waves = nil }},
		{"gone", "430", Config{}, siptest.Without(sip.HeaderDate), func(k *kit) { k.inv.Waves[0].Targets[0].Fail = 430 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, test.config)
			if test.setup != nil {
				test.setup(k)
			}
			invite := k.alice.Invite("bob@example.com", test.edit)
			refusal := k.alice.Expect(test.status)
			k.alice.Ack(invite, refusal)
			if test.name == "reliable" { // rfc3261#8.2.2.3
				k.has(refusal, "Unsupported", "100rel")
			}
			k.bob.Silent(0)
			if a, ok := k.inv.Media.(*anchor); ok && a.closed != 1 {
				t.Errorf("media closed %d times", a.closed)
			}
		})
	}
}

func TestForkAndOneAnswer(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.both()
	invite := k.alice.Invite("bob@example.com")
	b, c := k.bob.Expect("INVITE"), k.carol.Expect("INVITE")
	k.bob.Respond(b, 180)
	k.has(k.alice.Expect("180"), "Content-Type", "")
	k.carol.Respond(c, 183, siptest.WithSDP(siptest.Answer))
	k.carol.Respond(c, 180)
	k.alice.Silent(0) // 180 once, whatever they do
	k.carol.Respond(c, 200)
	k.carol.Expect("ACK")
	cancel := k.bob.Expect("CANCEL")
	k.has(cancel, "Reason", elsewhere)
	k.bob.Respond(cancel, 200)
	k.bob.Respond(b, 487)
	k.bob.Expect("ACK")
	d := k.alice.Dialog(invite, k.alice.Expect("200 INVITE"))
	d.Ack()
	d.Bye()
	k.alice.Expect("200 BYE")
	k.carol.Respond(k.carol.Expect("BYE"), 200)
	k.down(Caller, 0)
}

func TestTwoAnswers(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.both()
	invite := k.alice.Invite("bob@example.com")
	b, c := k.bob.Expect("INVITE"), k.carol.Expect("INVITE")
	k.bob.Respond(b, 180)
	k.alice.Expect("180")
	k.carol.Respond(c, 200)
	k.bob.Expect("CANCEL")
	k.bob.Respond(b, 200) // which was on its way already
	k.bob.Expect("ACK")
	bye := k.bob.Expect("BYE")
	k.has(bye, "Reason", elsewhere)
	k.bob.Respond(bye, 200)
	got := k.alice.Expect("200")
	k.alice.Dialog(invite, got).Ack()
	k.carol.Expect("ACK")
	k.alice.Silent(0)
	k.carol.Silent(0)
}

func TestForkBehindTarget(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.alice.Invite("bob@example.com")
	in := k.bob.Expect("INVITE")
	fork := func(tag string, status int, more ...siptest.Edit) {
		edits := append([]siptest.Edit{func(b *sip.Builder) {
			b.Set(sip.HeaderTo, in.Get(sip.HeaderTo)+";tag="+tag)
		}}, more...)
		k.bob.Respond(in, status, edits...)
	}
	fork("f1", 183, siptest.WithSDP("v=0 first"))
	if m := k.alice.Expect("183"); m.Body() != "v=0 first" {
		t.Errorf("early body is %q", m.Body())
	}
	fork("f2", 183, siptest.WithSDP("v=0 second"))
	k.alice.Silent(0) // what the second says early can't pass in the same dialog
	fork("f2", 200)
	if m := k.bob.Expect("ACK"); m.ToTag() != "f2" {
		t.Errorf("ACK to %q", m.ToTag())
	}
	k.alice.Expect("200")
	fork("f1", 200)
	k.bob.Expect("ACK")
	if m := k.bob.Expect("BYE"); m.ToTag() != "f1" {
		t.Errorf("BYE to %q", m.ToTag())
	}
	k.alice.Silent(0)
}

func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	invite := k.alice.Invite("bob@example.com")
	in := k.bob.Expect("INVITE")
	k.bob.Respond(in, 180)
	k.alice.Expect("180")
	k.alice.Cancel(invite, siptest.With(sip.HeaderReason, "SIP;cause=487;text=\"never mind\""))
	k.alice.Expect("200 CANCEL")
	k.alice.Ack(invite, k.alice.Expect("487"))
	cancel := k.bob.Expect("CANCEL")
	k.has(cancel, "Reason", "SIP;cause=487;text=\"never mind\"")
	k.bob.Respond(cancel, 200)
	k.bob.Respond(in, 487)
	k.bob.Expect("ACK")
	k.down(Caller, 487)
}

func TestAnswerCrossesCancel(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	invite := k.alice.Invite("bob@example.com")
	in := k.bob.Expect("INVITE")
	k.bob.Respond(in, 180)
	k.alice.Expect("180")
	k.alice.Cancel(invite)
	k.bob.Expect("CANCEL")
	k.bob.Respond(in, 200)
	k.bob.Expect("ACK")
	k.bob.Respond(k.bob.Expect("BYE"), 200)
	k.alice.Expect("200 CANCEL")
	k.alice.Expect("487")
	k.down(Caller, 487)
}

func TestWaves(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.inv.Waves = []Wave{
		{Targets: []Target{k.target("bob", k.bob)}, Timeout: 20 * time.Second},
		{Targets: []Target{k.target("carol", k.carol)}, Timeout: 20 * time.Second},
	}
	invite := k.alice.Invite("bob@example.com")
	in := k.bob.Expect("INVITE")
	k.bob.Respond(in, 180)
	k.alice.Expect("180")
	k.clock.Advance(19 * time.Second)
	k.carol.Silent(0)
	k.clock.Advance(2 * time.Second)
	k.has(k.bob.Expect("CANCEL"), "Reason", `SIP;cause=408;text="No answer"`)
	c := k.carol.Expect("INVITE") // not waiting for bob's 487
	k.carol.Respond(c, 180)
	k.alice.Silent(0)
	k.clock.Advance(21 * time.Second)
	k.carol.Expect("CANCEL")
	k.alice.Ack(invite, k.alice.Expect("408"))
	k.down(Server, 408)
}

func TestNextWaveAfterRefusal(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.inv.Waves = []Wave{{Targets: []Target{k.target("bob", k.bob)}}, {Targets: []Target{k.target("carol", k.carol)}}}
	k.alice.Invite("bob@example.com")
	k.bob.Respond(k.bob.Expect("INVITE"), 486)
	k.bob.Expect("ACK")
	k.carol.Respond(k.carol.Expect("INVITE"), 200)
	k.carol.Expect("ACK")
	k.alice.Expect("200")
}

func TestBestRefusal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		bob, carol int
		want       string
	}{
		{486, 480, "486"}, {480, 486, "486"}, {404, 500, "404"}, {503, 503, "500"}, {401, 408, "403"},
		{302, 486, "302"}, {408, 404, "404"}, {500, 488, "488"},
	} {
		k := newKit(t, Config{})
		k.both()
		k.alice.Invite("bob@example.com")
		k.bob.Respond(k.bob.Expect("INVITE"), test.bob, siptest.With(sip.HeaderContact, "<sip:else@where>"))
		k.alice.Silent(0)
		k.carol.Respond(k.carol.Expect("INVITE"), test.carol, siptest.With(sip.HeaderWarning, `399 carol "no"`))
		m := k.alice.Expect(test.want)
		if test.want == "302" {
			k.has(m, "Contact", "<sip:else@where>")
		} else {
			k.has(m, "Contact", "")
		}
	}
}

func TestDeclinedByAll(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.both()
	k.inv.Waves = append(k.inv.Waves, Wave{Targets: []Target{k.target("again", k.bob)}})
	invite := k.alice.Invite("bob@example.com")
	b, c := k.bob.Expect("INVITE"), k.carol.Expect("INVITE")
	k.bob.Respond(b, 180)
	k.alice.Expect("180")
	k.carol.Respond(c, 603, siptest.With(sip.HeaderReason, `SIP;cause=603`))
	k.carol.Expect("ACK")
	k.has(k.bob.Expect("CANCEL"), "Reason", "SIP;cause=603")
	k.alice.Ack(invite, k.alice.Expect("603"))
	k.bob.Respond(b, 487)
	k.bob.Expect("ACK")
	k.bob.Silent(0)
	if e := k.down(Callee, 603); e.Reason != "SIP;cause=603" {
		t.Errorf("reason is %q", e.Reason)
	}
}

func TestNextFlow(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	second := k.target("bob", k.carol)
	k.inv.Waves[0].Targets[0].Next = &second
	k.alice.Invite("bob@example.com")
	k.bob.Respond(k.bob.Expect("INVITE"), 430)
	k.carol.Respond(k.carol.Expect("INVITE"), 200)
	k.alice.Expect("200")
}

func TestNextFlowWhenTheFirstIsDown(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	second := k.target("bob", k.carol)
	k.inv.Waves[0].Targets[0].Next = &second
	k.bob.Flow().Close()
	k.alice.Invite("bob@example.com")
	k.carol.Respond(k.carol.Expect("INVITE"), 200)
	k.alice.Expect("200")
}

func TestNoWayToTheTarget(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.bob.Flow().Close()
	k.alice.Invite("bob@example.com")
	k.alice.Expect("500") // a 503 would say that we are out of service
	k.down(Server, 500)
}

func TestTimerC(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{TimerC: 30 * time.Second})
	k.alice.Invite("bob@example.com")
	in := k.bob.Expect("INVITE")
	k.bob.Respond(in, 180)
	k.clock.Advance(20 * time.Second)
	k.bob.Respond(in, 183)
	k.clock.Advance(20 * time.Second)
	k.alice.Expect("180")
	k.alice.Expect("183")
	k.alice.Silent(0)
	k.clock.Advance(11 * time.Second)
	k.alice.Expect("408")
	k.bob.Expect("CANCEL")
}

func TestRingingIsRepeated(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.alice.Repeats = true
	k.alice.Invite("bob@example.com")
	k.bob.Respond(k.bob.Expect("INVITE"), 180)
	k.alice.Expect("180")
	k.clock.Advance(61 * time.Second)
	k.alice.Expect("180")
	k.alice.Silent(0)
}

func TestCalleeIsSilent(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.alice.Invite("bob@example.com")
	k.clock.Advance(33 * time.Second)
	k.alice.Expect("408")
}

func TestOfferInAnswer(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	a := &anchor{}
	k.inv.Media = a
	invite := k.alice.Invite("bob@example.com", siptest.WithBody("", ""))
	in := k.bob.Expect("INVITE")
	k.bob.Respond(in, 200, siptest.WithSDP("o"))
	k.bob.Silent(0) // its ACK has to bring the answer
	got := k.alice.Expect("200")
	if got.Body() != "offer:o" {
		t.Errorf("offer is %q", got.Body())
	}
	k.alice.Dialog(invite, got).Ack(siptest.WithSDP("a"))
	if ack := k.bob.Expect("ACK"); ack.Body() != "answer:a" {
		t.Errorf("answer is %q", ack.Body())
	}
	if got, want := a.steps(), "leg 0 caller, leg 1 bob, offer 1-0, answer 0-1"; got != want {
		t.Errorf("media did %s, want %s", got, want)
	}
}

func TestNoACKFromCaller(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.alice.Invite("bob@example.com", siptest.WithBody("", ""))
	k.bob.Respond(k.bob.Expect("INVITE"), 200)
	k.alice.Expect("200")
	k.clock.Advance(33 * time.Second)
	k.alice.Expect("BYE")
	k.bob.Expect("ACK")
	k.has(k.bob.Expect("BYE"), "Reason", `SIP;cause=408;text="The other side is gone"`)
	if e := k.down(Caller, 0); !errors.Is(e.Err, dialog.ErrNoACK) {
		t.Errorf("ended by %v", e.Err)
	}
}

func TestMedia(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.both()
	a := &anchor{}
	k.inv.Media = a
	invite := k.alice.Invite("bob@example.com", siptest.WithSDP("o"))
	b, c := k.bob.Expect("INVITE"), k.carol.Expect("INVITE")
	if b.Body() != "offer:o" || c.Body() != "offer:o" {
		t.Errorf("offers are %q and %q", b.Body(), c.Body())
	}
	k.carol.Respond(c, 486)
	k.carol.Expect("ACK")
	ok := k.bob.Respond(b, 200, siptest.WithSDP("a"))
	k.bob.Expect("ACK")
	got := k.alice.Expect("200")
	if got.Body() != "answer:a" {
		t.Errorf("answer is %q", got.Body())
	}
	alice, bob := k.alice.Dialog(invite, got), k.bob.Dialog(b, ok)
	alice.Ack()
	k.clock.Settle()
	bob.Request(sip.INVITE, siptest.WithSDP("o2"))
	again := k.alice.Expect("INVITE")
	k.alice.Respond(again, 200, siptest.WithSDP("a2"))
	k.alice.Expect("ACK")
	if m := k.bob.Expect("200"); m.Body() != "answer:a2" {
		t.Errorf("answer is %q", m.Body())
	}
	bob.Ack()
	bob.Bye()
	k.bob.Expect("200")
	k.alice.Respond(k.alice.Expect("BYE"), 200)
	k.down(Callee, 0)
	want := "leg 0 caller, leg 1 bob, offer 0-1, leg 2 carol, offer 0-2, drop 2, answer 1-0, offer 1-0, answer 0-1"
	if got := a.steps(); got != want || a.closed != 1 {
		t.Errorf("media did %s and closed %d times, want %s", got, a.closed, want)
	}
}

func TestMediaRefuses(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{"offer 0-1": "488", "answer 1-0": "488"} {
		k := newKit(t, Config{})
		k.inv.Media = &anchor{refuse: step}
		k.alice.Invite("bob@example.com")
		if step == "answer 1-0" {
			k.bob.Respond(k.bob.Expect("INVITE"), 200)
			k.bob.Expect("ACK")
			k.bob.Expect("BYE")
		} else {
			k.bob.Silent(0)
		}
		k.alice.Expect(want)
	}
}

func TestEarlyMediaOfOneTarget(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.inv.Media = &anchor{}
	k.alice.Invite("bob@example.com")
	in := k.bob.Expect("INVITE")
	k.bob.Respond(in, 183, siptest.WithSDP("early"))
	if m := k.alice.Expect("183"); m.Body() != "answer:early" {
		t.Errorf("body of 183 is %q", m.Body())
	}
	k.bob.Respond(in, 200, siptest.WithBody("", "")) // it says it early alone
	if m := k.alice.Expect("200"); m.Body() != "answer:early" {
		t.Errorf("body of 200 is %q", m.Body())
	}
}

// TestBreadthIsDealtOut has each target fork no more broadly than its part (rfc5393#5.3.3), and the next flow of
// a device take over the first one's.
func TestBreadthIsDealtOut(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.both()
	again := k.target("bob", k.carol)
	k.inv.Waves[0].Targets[0].Next = &again
	k.inv.Waves = append(k.inv.Waves, Wave{Targets: []Target{k.target("bob", k.bob)}})
	k.alice.Invite("bob@example.com", siptest.With(sip.HeaderMaxBreadth, "5"))
	first := k.bob.Expect("INVITE")
	k.has(first, "Max-Breadth", "3")
	second := k.carol.Expect("INVITE")
	k.has(second, "Max-Breadth", "2")
	k.bob.Respond(first, 430)
	k.bob.Expect("ACK")
	next := k.carol.Expect("INVITE")
	k.has(next, "Max-Breadth", "3")
	for _, in := range []*sip.Message{second, next} {
		k.carol.Respond(in, 486)
		k.carol.Expect("ACK")
	}
	k.has(k.bob.Expect("INVITE"), "Max-Breadth", "5")
}
