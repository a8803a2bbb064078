package proxy_test

import (
	"testing"
	"time"

	"parley/sip"
	"parley/sip/proxy"
	"parley/sip/transaction"
)

func TestCallerHangsUp(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web, vm := sc.phone("bob"), sc.phone("web"), sc.phone("voicemail")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(20*time.Second, bob, web), wave(0, vm)}}
	invite := sc.invites()
	bob.answers(180)
	sc.cancels(invite, `Reason: SIP;cause=600;text="Busy Everywhere"`, "Reason: Q.850;cause=16")
	wantHeader(t, bob.got(sip.CANCEL), sip.HeaderReason, `SIP;cause=600;text="Busy Everywhere"`, "Q.850;cause=16")
	web.gotNo(sip.CANCEL) // said nothing yet: rfc3261#9.1
	bob.answers(487)
	sc.callerGot("180")
	web.answers(180)
	web.got(sip.CANCEL)
	web.answers(487)
	sc.callerGot("180 180 487")
	if tag := sc.finals()[0].ToTag(); tag != "bob" { // the first that was
		t.Errorf("the 487 is of %q", tag)
	}
	sc.clock.advance(30 * time.Second)
	vm.gotNo(sip.INVITE)
	sc.nothingLeft()
}

func TestHangUpIsToldAs487(t *testing.T) {
	t.Parallel()
	for _, status := range []int{302, 404, 486, 500} {
		sc := newScene(t)
		bob, web := sc.phone("bob"), sc.phone("web")
		sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web)}}
		invite := sc.invites()
		web.answers(status)
		bob.answers(180)
		sc.cancels(invite)
		bob.answers(487)
		sc.callerGot("180 487")
		sc.nothingLeft()
	}
}

func TestDeclineBeatsHangUp(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob)}}
	invite := sc.invites()
	bob.answers(180)
	sc.cancels(invite)
	bob.answers(603)
	sc.callerGot("180 603")
	sc.nothingLeft()
}

func TestAnswerBeatsHangUp(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob)}}
	invite := sc.invites()
	bob.answers(180)
	sc.cancels(invite)
	bob.got(sip.CANCEL)
	bob.answers(200)
	sc.callerGot("180 200")
	sc.nothingLeft()
}

func TestHangUpWhileNobodyAnswers(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web := sc.phone("bob"), sc.phone("web")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web)}}
	invite := sc.invites()
	bob.answers(180) // and is gone; web never was there
	sc.cancels(invite)
	sc.callerGot("180")
	sc.clock.advance(33 * time.Second)
	sc.callerGot("180 487")
	sc.nothingLeft()
}

func TestHangUpBeforeTheTargetsAreKnown(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob)}}
	var waiting *transaction.Server
	sc.hold = func(s *transaction.Server) { waiting = s }
	invite := sc.invites()
	sc.cancels(invite)
	sc.callerGot("")
	sc.start(waiting)
	sc.clock.settle()
	bob.gotNo(sip.INVITE)
	sc.callerGot("487")
	sc.nothingLeft()
}

func TestCancelDoesNothingToOtherRequests(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob)}}
	message := sc.sends(sc.request(sip.MESSAGE))
	sc.cancels(message)
	bob.gotNo(sip.CANCEL)
	bob.answers(200)
	sc.callerGot("200")
	sc.nothingLeft()
}

// Nobody picks up a phone for a caller who can't be told any more.
func TestCallersConnectionIsGone(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	sc.caller.network, sc.caller.done = sip.WSS, make(chan struct{})
	bob, web, vm := sc.phone("bob"), sc.phone("web"), sc.phone("voicemail")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web), wave(0, vm)}}
	sc.invites()
	bob.answers(180)
	web.answers(180)
	sc.caller.setDown()
	close(sc.caller.done)
	sc.clock.advance(3 * time.Second)
	for _, p := range []*phone{bob, web} {
		wantHeader(t, p.got(sip.CANCEL), sip.HeaderReason, `SIP;cause=503;text="The caller's connection is gone"`)
		p.answers(487)
	}
	vm.gotNo(sip.INVITE)
	sc.callerGot("180 180")
	sc.nothingLeft()
	if got, want := sc.heard.String(), "bob 180, web 180, bob done 487, web done 487, ended"; got != want {
		t.Errorf("the observer heard %q, not %q", got, want)
	}
}

func TestEndedByUs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		want   string
	}{{0, "180 487"}, {503, "180 503"}} {
		sc := newScene(t)
		bob := sc.phone("bob")
		sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob), wave(0, bob)}}
		sc.invites()
		bob.answers(180)
		sc.context().Cancel(c.status, `SIP;cause=503;text="Shutting down"`)
		sc.clock.settle()
		wantHeader(t, bob.got(sip.CANCEL), sip.HeaderReason, `SIP;cause=503;text="Shutting down"`)
		sc.context().Cancel(404, "") // too late to say something else
		bob.answers(487)
		sc.callerGot(c.want)
		sc.context().Cancel(0, "")
		sc.nothingLeft()
	}
}
