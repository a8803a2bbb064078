package proxy_test

import (
	"testing"
	"time"

	"parley/sip"
	"parley/sip/proxy"
)

func TestMessageIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web, vm := sc.phone("bob"), sc.phone("web"), sc.phone("offline")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web), wave(0, vm)}}
	sc.sends(sc.request(sip.MESSAGE))
	bob.answers(404)
	web.answers(202)
	bob.gotNo(sip.CANCEL)
	sc.callerGot("202")
	vm.gotNo(sip.MESSAGE)
	sc.nothingLeft()
	if got, want := sc.heard.String(), "bob done 404, web done 202, caller told 202 of web, ended"; got != want {
		t.Errorf("the observer heard %q, not %q", got, want)
	}
}

func TestSecondSuccessOfAMessageStops(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web := sc.phone("bob"), sc.phone("web")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web)}}
	sc.sends(sc.request(sip.MESSAGE))
	bob.answers(200)
	web.gotNo(sip.CANCEL) // rfc3261#9.1
	web.answers(202)
	sc.callerGot("200")
	sc.nothingLeft()
}

func TestMessageToNobodyStaysUnanswered(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, vm := sc.phone("bob"), sc.phone("offline")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob), wave(0, vm)}}
	sc.sends(sc.request(sip.MESSAGE))
	sc.clock.advance(40 * time.Second)
	vm.gotNo(sip.MESSAGE) // the caller has given up, too
	sc.callerGot("")      // rfc4320#4.2
	sc.nothingLeft()
	if got, want := sc.heard.String(), "bob done 408 transaction: no response in time, ended"; got != want {
		t.Errorf("the observer heard %q, not %q", got, want)
	}
}

func TestMessageWaitsItsTimeForAWave(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, vm := sc.phone("bob"), sc.phone("offline")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(4*time.Second, bob), wave(0, vm)}}
	sc.sends(sc.request(sip.MESSAGE))
	sc.clock.advance(3 * time.Second)
	vm.gotNo(sip.MESSAGE)
	sc.clock.advance(2 * time.Second)
	bob.gotNo(sip.CANCEL)
	vm.got(sip.MESSAGE)
	vm.answers(404)
	sc.callerGot("") // bob may yet
	bob.answers(200)
	sc.callerGot("200")
	sc.nothingLeft()
}

func TestMessageOverABrokenWay(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, vm := sc.phone("bob"), sc.phone("offline")
	bob.setDown()
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob), wave(0, vm)}}
	sc.sends(sc.request(sip.MESSAGE))
	vm.answers(202)
	sc.callerGot("202")
	sc.nothingLeft()
}

func TestMessageIsNeverTold408(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob)}}
	sc.sends(sc.request(sip.MESSAGE))
	bob.answers(408)
	sc.callerGot("") // rfc4320#4.2
	sc.nothingLeft()
	if got, want := sc.heard.String(), "bob done 408, ended"; got != want {
		t.Errorf("the observer heard %q, not %q", got, want)
	}
}
