package event_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/event"
	"parley/sip/siptest"
)

func TestASubscriptionIsToldAtOnceAndOfEveryChange(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.UDP)
	n := alice.subscribe(siptest.With(sip.HeaderExpires, "600"), siptest.With(sip.HeaderEvent, "presence;id=7"))
	alice.check(n, "active;expires=600", "open")
	if n.Get(sip.HeaderEvent) != "presence;id=7" || n.Get(sip.HeaderContentType) != "application/pidf+xml" || !n.Has(sip.HeaderContact) {
		t.Errorf("the NOTIFY is\n%s", n.Text())
	}
	k.clock.Advance(time.Minute)
	k.last().Notify(active("closed"))
	alice.check(alice.told(), "active;expires=540", "closed")
	k.last().Notify(active("closed"))
	alice.Silent(0)
}

func TestChangesThatComeFastAreToldTogether(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.UDP)
	alice.subscribe()
	k.last().Notify(active("1"))
	k.last().Notify(active("2"))
	alice.Silent(0)
	k.clock.Advance(pace + time.Second)
	if n := alice.told(); n.Body() != "2" {
		t.Errorf("told %q, want the latest state", n.Body())
	}
	k.clock.Advance(time.Minute)
	alice.Silent(0)
	// What becomes of the subscription itself waits for nothing.
	k.last().Notify(event.Notice{State: event.Pending})
	alice.check(alice.told(), "pending;expires=3534", "")
}

func TestOneNotifyAtATime(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.TCP)
	alice.subscribe()
	k.clock.Advance(pace)
	k.last().Notify(active("1"))
	n := alice.Expect("NOTIFY")
	k.clock.Advance(pace)
	k.last().Notify(active("2"))
	k.clock.Advance(pace)
	alice.Silent(0)
	alice.Respond(n, 200)
	if n := alice.told(); n.Body() != "2" {
		t.Errorf("told %q", n.Body())
	}
}

func TestRefreshUnsubscribeAndExpiry(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.UDP)
	alice.subscribe(siptest.With(sip.HeaderExpires, "600"))
	k.clock.Advance(590 * time.Second)
	alice.again("600")
	if ok := alice.Expect("200 SUBSCRIBE"); ok.Get(sip.HeaderExpires) != "600" || ok.Get(sip.HeaderAllowEvents) != "presence" {
		t.Errorf("the refresh was answered\n%s", ok.Text())
	}
	alice.check(alice.told(), "active;expires=600", "open")
	k.clock.Advance(599 * time.Second)
	alice.Silent(0)

	k.clock.Advance(2 * time.Second)
	alice.check(alice.told(), "terminated;reason=timeout", "open")
	alice.again("600")
	alice.Expect("481")

	alice.subscribe()
	alice.again("0")
	alice.Expect("200 SUBSCRIBE")
	alice.check(alice.told(), "terminated;reason=timeout", "open")
	alice.again("600")
	alice.Expect("481")
	if k.over() != 2 || k.notifier.Len() != 0 {
		t.Errorf("%d have ended and %d are left", k.over(), k.notifier.Len())
	}
}

// Who had a password once does not refresh for ever.
func TestASubscriptionDoesNotLastForEver(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *event.Config, _ *event.CompositorConfig) { c.Packages[0].Life = 5 * time.Minute })
	alice := k.phone(sip.UDP)
	alice.subscribe(siptest.With(sip.HeaderExpires, "200"))
	k.clock.Advance(190 * time.Second)
	alice.again("600")
	if ok := alice.Expect("200 SUBSCRIBE"); ok.Get(sip.HeaderExpires) != "110" {
		t.Errorf("refreshed for %s", ok.Get(sip.HeaderExpires))
	}
	alice.check(alice.told(), "active;expires=110", "open")
	k.clock.Advance(100 * time.Second)
	alice.again("600")
	alice.Expect("481")
	alice.Silent(0)
	if k.over() != 1 || k.notifier.Len() != 0 {
		t.Errorf("%d have ended and %d are left", k.over(), k.notifier.Len())
	}
}

func TestTheStateOnce(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.UDP)
	alice.check(alice.subscribe(siptest.With(sip.HeaderExpires, "0")), "terminated;reason=timeout", "open")
	if k.over() != 1 || k.notifier.Len() != 0 {
		t.Errorf("%d have ended and %d are left", k.over(), k.notifier.Len())
	}
}

func TestAStateOfTheSubscription(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.first = event.Notice{State: event.Pending}
	alice := k.phone(sip.UDP)
	alice.check(alice.subscribe(), "pending;expires=3600", "")
	k.last().Notify(active("open"))
	alice.check(alice.told(), "active;expires=3600", "open")
	k.last().Notify(event.Notice{State: event.Terminated, Reason: event.Probation, Retry: 10 * time.Second})
	alice.check(alice.told(), "terminated;reason=probation;retry-after=10", "")
	k.last().Notify(active("never"))
	alice.Silent(0)

	k.first = event.Notice{State: event.Terminated, Reason: event.Rejected}
	alice.check(alice.subscribe(), "terminated;reason=rejected", "")
	if k.over() != 2 || k.notifier.Len() != 0 {
		t.Errorf("%d have ended and %d are left", k.over(), k.notifier.Len())
	}
}

// A NOTIFY that fails ends the subscription, or does not (rfc6665#4.2.2).
func TestNotifyFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		status  int
		after   string // Retry-After
		endures bool
	}{
		{"it is not known", 481, "", false},
		{"it is not known, with a time", 481, "5", false},
		{"the phone is gone", 404, "5", false},
		{"refused", 403, "", false},
		{"busy", 503, "", false},
		{"busy for a while", 503, "5", true},
		{"busy for ever", 503, "99999", false},
		{"not answered", 0, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			alice := k.phone(sip.UDP)
			alice.subscribe()
			k.clock.Advance(pace)
			k.last().Notify(active("closed"))
			n := alice.Expect("NOTIFY")
			if test.status != 0 {
				alice.Respond(n, test.status, func(b *sip.Builder) {
					if test.after != "" {
						b.Set(sip.HeaderRetryAfter, test.after)
					}
				})
			} else {
				k.clock.Advance(33 * time.Second)
			}
			if !test.endures {
				alice.again("600")
				alice.Expect("481")
				if k.over() != 1 || k.notifier.Len() != 0 {
					t.Errorf("%d have ended and %d are left", k.over(), k.notifier.Len())
				}
				return
			}
			k.clock.Advance(6 * time.Second)
			alice.check(alice.told(), "active;expires=3590", "closed")
		})
	}
}

func TestANotifyThatIsRefusedAgainEndsIt(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.UDP)
	alice.subscribe()
	alice.again("600")
	alice.Expect("200 SUBSCRIBE")
	later := siptest.With(sip.HeaderRetryAfter, "5")
	alice.Respond(alice.Expect("NOTIFY"), 503, later)
	k.clock.Advance(6 * time.Second)
	alice.Respond(alice.Expect("NOTIFY"), 503, later)
	if k.over() != 1 {
		t.Error("it goes on")
	}
}

func TestALostNotifyIsSentAgain(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.UDP)
	alice.subscribe()
	k.clock.Advance(pace)
	lost := 0
	alice.Flow().Lose(func(m *sip.Message) bool {
		lost++
		return m.Method() == sip.NOTIFY && lost <= 3
	})
	k.last().Notify(active("closed"))
	k.clock.Advance(10 * time.Second)
	alice.check(alice.told(), "active;expires=3595", "closed")
	alice.Flow().Lose(nil)
	if k.over() != 0 {
		t.Error("it has ended")
	}
}

func TestASubscriptionWaitsForItsPhoneToComeBack(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.TCP)
	alice.subscribe()
	k.clock.Advance(pace)
	alice.Flow().Close()
	k.last().Notify(active("1"))
	k.last().Notify(active("2"))
	k.clock.Advance(time.Minute)
	if k.over() != 0 {
		t.Fatal("it has ended with its connection")
	}
	back := k.phone(sip.TCP)
	k.last().Move(back.Flow(), func(contact string) bool { return strings.HasPrefix(contact, "sip:carol@") })
	back.Silent(0)
	k.last().Move(back.Flow(), func(contact string) bool { return strings.HasPrefix(contact, "sip:alice@") })
	back.check(back.told(), "active;expires=3535", "2")

	// Who does not come back is forgotten when his time is over.
	back.Flow().Close()
	k.clock.Advance(time.Hour)
	if k.over() != 1 || k.notifier.Len() != 0 {
		t.Errorf("%d have ended and %d are left", k.over(), k.notifier.Len())
	}
}

func TestAConnectionThatBreaksDuringANotify(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.TCP)
	alice.subscribe()
	k.clock.Advance(pace)
	k.last().Notify(active("1"))
	alice.Expect("NOTIFY")
	alice.Flow().Close()
	k.clock.Advance(4 * time.Second)
	back := k.phone(sip.TCP)
	k.last().Move(back.Flow(), func(string) bool { return true })
	back.check(back.told(), "active;expires=3591", "1")
}

func TestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		edit   siptest.Edit
		status string
		header sip.Header
		value  string
	}{
		{"no event", siptest.Without(sip.HeaderEvent), "489", sip.HeaderAllowEvents, "presence"},
		{"another event", siptest.With(sip.HeaderEvent, "dialog"), "489", sip.HeaderAllowEvents, "presence"},
		{"a template of it", siptest.With(sip.HeaderEvent, "presence.winfo"), "489", sip.HeaderAllowEvents, "presence"},
		{"no event at all", siptest.With(sip.HeaderEvent, `"presence"`), "489", sip.HeaderAllowEvents, "presence"},
		{"too short", siptest.With(sip.HeaderExpires, "59"), "423", sip.HeaderMinExpires, "60"},
		{"no time", siptest.With(sip.HeaderExpires, "soon"), "400", sip.HeaderOther, ""},
		{"another document", siptest.With(sip.HeaderAccept, "application/xpidf+xml"), "406", sip.HeaderAccept, "application/pidf+xml, text/plain"},
		{"lists", siptest.With(sip.HeaderRequire, "eventlist"), "420", sip.HeaderUnsupported, "eventlist"},
		{"nobody to tell", siptest.Without(sip.HeaderContact), "400", sip.HeaderOther, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			alice := k.phone(sip.UDP)
			alice.Request(sip.SUBSCRIBE, "bob@example.org", forEvent, test.edit)
			resp := alice.Expect(test.status)
			if test.value != "" && resp.Get(test.header) != test.value {
				t.Errorf("%s is %q, want %q", test.header, resp.Get(test.header), test.value)
			}
			alice.Silent(0)
			if k.notifier.Len() != 0 {
				t.Error("there is a subscription")
			}
		})
	}
}

func TestWhichDocumentsAreTaken(t *testing.T) {
	t.Parallel()
	tests := []struct{ accept, want string }{
		{"application/pidf+xml", "application/pidf+xml"},
		{"text/plain, application/pidf+xml;q=0.5", "application/pidf+xml"},
		{"TEXT/Plain", "text/plain"},
		{"text/*", "text/plain"},
		{"*/*", "application/pidf+xml"},
	}
	for _, test := range tests {
		k := newKit(t)
		alice := k.phone(sip.UDP)
		alice.subscribe(siptest.With(sip.HeaderAccept, test.accept))
		if got := k.last().Type(); got != test.want {
			t.Errorf("who takes %s gets %s, want %s", test.accept, got, test.want)
		}
	}
}

func TestRefusedRefreshes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.UDP)
	alice.subscribe()
	tests := []struct {
		name   string
		send   func()
		status string
	}{
		{"too short", func() { alice.again("5") }, "423"},
		{"another event", func() { alice.again("600", siptest.With(sip.HeaderEvent, "presence;id=1")) }, "489"},
		{"another method", func() { alice.dialog.Request(sip.INFO) }, "405"},
		{"an old number", func() { alice.again("600", siptest.With(sip.HeaderCSeq, "1 SUBSCRIBE")) }, "500"},
		{"another's tag", func() {
			alice.again("600", siptest.With(sip.HeaderFrom, "<sip:alice@example.org>;tag=other"))
		}, "481"},
	}
	for _, test := range tests {
		test.send()
		alice.Expect(test.status)
		alice.Silent(0)
	}
	alice.again("600")
	alice.Expect("200 SUBSCRIBE")
	alice.told()
}

func TestNoMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *event.Config, _ *event.CompositorConfig) { c.Limit = 1 })
	alice := k.phone(sip.UDP)
	alice.subscribe()
	alice.Request(sip.SUBSCRIBE, "bob@example.org", forEvent)
	if resp := alice.Expect("503"); !resp.Has(sip.HeaderRetryAfter) {
		t.Error("it does not say when to come again")
	}
	k.notifier.EndAll(event.Notice{State: event.Terminated, Reason: event.Deactivated})
	alice.check(alice.told(), "terminated;reason=deactivated", "")
	alice.subscribe()
}

func TestAnEndDuringANotifyIsToldAfterIt(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.UDP)
	alice.subscribe()
	k.clock.Advance(pace)
	k.last().Notify(active("1"))
	n := alice.Expect("NOTIFY")
	k.last().Notify(event.Notice{State: event.Terminated, Reason: event.Rejected})
	alice.Silent(0)
	alice.again("600")
	alice.Expect("481")
	alice.Respond(n, 200)
	alice.check(alice.told(), "terminated;reason=rejected", "")
	if k.over() != 1 || k.notifier.Len() != 0 {
		t.Errorf("%d have ended and %d are left", k.over(), k.notifier.Len())
	}
}

func TestNothingIsSentWhereNothingCanBe(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	alice := k.phone(sip.UDP)
	alice.subscribe()
	k.clock.Advance(pace)
	alice.Flow().Fail(errors.New("no way"))
	k.last().Notify(active("closed"))
	k.clock.Advance(time.Second)
	if k.over() != 1 || k.notifier.Len() != 0 {
		t.Errorf("%d have ended and %d are left", k.over(), k.notifier.Len())
	}
}
