package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/proxy"
	"parley/sip/transaction"
)

func values(m *sip.Message, h sip.Header) []string { return slices.Collect(m.Values(h)) }

func wantHeader(t *testing.T, m *sip.Message, h sip.Header, want ...string) {
	t.Helper()
	if got := values(m, h); !slices.Equal(got, want) {
		t.Errorf("%v is %q, not %q", h, got, want)
	}
}

func TestForwardedRequest(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	bob.network = sip.TCP
	bob.advertised = "proxy.example.org:5070"
	target := bob.target()
	target.Routes = []string{"<sip:edge1.example.org;lr>", "<sip:edge2.example.org;lr>"}
	sc.forward = proxy.Forward{
		Waves:       []proxy.Wave{{Targets: []proxy.Target{target}}},
		RecordRoute: func(f sip.Flow) string { return "<sip:" + f.ID() + "@" + f.Advertised() + ";lr>" },
		Edit: func(b *sip.Builder, t *proxy.Target) {
			b.Remove(sip.HeaderProxyAuthorization).Set(sip.HeaderPAssertedIdentity, "<sip:alice@example.org>;for="+t.Name)
		},
	}
	invite := sc.invites("Proxy-Authorization: Digest secret", "Route: <sip:far.example.org;lr>", "X-Unknown: kept",
		"Record-Route: <sip:before.example.org;lr>")
	m := bob.got(sip.INVITE)
	if m.Target() != "sip:bob@192.0.2.9" {
		t.Errorf("the Request-URI is %s", m.Target())
	}
	wantHeader(t, m, sip.HeaderMaxForwards, "69")
	wantHeader(t, m, sip.HeaderMaxBreadth, "60")
	wantHeader(t, m, sip.HeaderRoute, "<sip:edge1.example.org;lr>", "<sip:edge2.example.org;lr>", "<sip:far.example.org;lr>")
	wantHeader(t, m, sip.HeaderRecordRoute, "<sip:udp-bob@proxy.example.org:5070;lr>",
		"<sip:udp-caller@proxy.example.org:5060;lr>", "<sip:before.example.org;lr>")
	wantHeader(t, m, sip.HeaderProxyAuthorization)
	wantHeader(t, m, sip.HeaderPAssertedIdentity, "<sip:alice@example.org>;for=bob")
	if m.GetName("X-Unknown") != "kept" || m.Body() != offer {
		t.Error("an unknown header field or the body did not get through")
	}
	vias := values(m, sip.HeaderVia)
	if len(vias) != 2 || vias[1] != invite.Get(sip.HeaderVia) {
		t.Fatalf("Via is %q", vias)
	}
	via, _ := m.Via()
	if via.Network != sip.TCP || via.Host != "proxy.example.org" || via.Port != 5070 || !strings.HasPrefix(via.Branch, "z9hG4bK") {
		t.Errorf("our Via is %q", vias[0])
	}
}

func TestMissingMaxForwardsAndOneRecordRoute(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	sc.forward = proxy.Forward{
		Waves:       []proxy.Wave{wave(0, bob)},
		RecordRoute: func(sip.Flow) string { return "<sip:proxy.example.org;lr>" },
	}
	sc.sends(strings.Replace(sc.request(sip.INVITE), "Max-Forwards: 70\r\n", "", 1))
	m := bob.got(sip.INVITE)
	wantHeader(t, m, sip.HeaderMaxForwards, "70")
	wantHeader(t, m, sip.HeaderRecordRoute, "<sip:proxy.example.org;lr>")
	via, _ := m.Via()
	if !via.Params.Has("rport") {
		t.Error("our Via on UDP has no rport")
	}
}

func TestStrictRouterIsNextHop(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	target := bob.target()
	target.Routes = []string{"<sip:strict.example.org>", "<sip:edge2.example.org;lr>"}
	sc.forward = proxy.Forward{Waves: []proxy.Wave{{Targets: []proxy.Target{target}}}}
	sc.invites("Route: <sip:far.example.org;lr>")
	m := bob.got(sip.INVITE)
	if m.Target() != "sip:strict.example.org" {
		t.Errorf("the Request-URI is %s", m.Target())
	}
	wantHeader(t, m, sip.HeaderRoute, "<sip:edge2.example.org;lr>", "<sip:far.example.org;lr>", "<sip:bob@192.0.2.9>")
}

func TestResponsePassesUnchangedButForOurVia(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob)}}
	invite := sc.invites()
	bob.answers(183, func(b *sip.Builder) {
		b.Add(sip.HeaderRecordRoute, "<sip:far.example.org;lr>").Add(sip.HeaderContact, "<sip:bob@192.0.2.9>").
			SetName("X-Unknown", "kept").SetStatus(183, "Early, as it were").Body("application/sdp", offer)
	})
	got := sc.responses(183, 183)
	if len(got) != 1 {
		t.Fatalf("the caller got %s", sc.got())
	}
	sent := bob.response(183, "bob", func(b *sip.Builder) {
		b.Add(sip.HeaderRecordRoute, "<sip:far.example.org;lr>").Add(sip.HeaderContact, "<sip:bob@192.0.2.9>").
			SetName("X-Unknown", "kept").SetStatus(183, "Early, as it were").Body("application/sdp", offer)
	})
	var want string
	for _, line := range strings.SplitAfter(sent.Text(), "\r\n") {
		if !strings.HasPrefix(line, "Via: SIP/2.0/UDP proxy.example.org") {
			want += line
		}
	}
	if got[0].Text() != want {
		t.Errorf("the response became\n%s\nnot\n%s", got[0].Text(), want)
	}
	wantHeader(t, got[0], sip.HeaderVia, invite.Get(sip.HeaderVia))
}

func TestProvisionals(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web := sc.phone("bob"), sc.phone("web")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web)}}
	sc.invites()
	bob.answers(100)
	sc.callerGot("")
	bob.answers(180)
	web.answers(183)
	bob.answers(183)
	sc.callerGot("180 183 183") // each early dialog
	web.answers(200)
	bob.answers(180)
	sc.callerGot("180 183 183 200") // nothing provisional after the final
	want := "bob 180, web 183, bob 183, web done 200, caller told 200 of web"
	if got := sc.heard.String(); got != want {
		t.Errorf("the observer heard %q, not %q", got, want)
	}
}

func TestFirstAnswerWins(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web, pbx := sc.phone("bob"), sc.phone("web"), sc.phone("pbx")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web, pbx), wave(0, sc.phone("voicemail"))}}
	sc.invites()
	for _, p := range []*phone{bob, web, pbx} {
		p.answers(180)
	}
	bob.answers(200)
	bob.gotNo(sip.CANCEL)
	for _, p := range []*phone{web, pbx} {
		wantHeader(t, p.got(sip.CANCEL), sip.HeaderReason, `SIP;cause=200;text="Call completed elsewhere"`)
	}
	web.answers(487)
	pbx.answers(200) // had already picked up
	sc.callerGot("180 180 180 200 200")
	want := "bob 180, web 180, pbx 180, bob done 200, caller told 200 of bob, web done 487, " +
		"pbx done 200, caller told 200 of pbx"
	if got := sc.heard.String(); got != want {
		t.Errorf("the observer heard %q, not %q", got, want)
	}
	pbx.answers(200) // a copy
	if n := len(sc.caller.all()); n != 6 {
		t.Errorf("the caller got %d messages, not each copy of a 2xx too", n)
	}
	sc.nothingLeft()
	if got := sc.heard.String(); got != want+", ended" {
		t.Errorf("at the end the observer heard %q", got)
	}
}

func TestDeclineEndsTheFork(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web, vm := sc.phone("bob"), sc.phone("web"), sc.phone("voicemail")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web), wave(0, vm)}}
	sc.invites()
	bob.answers(180)
	web.answers(180)
	bob.answers(603, func(b *sip.Builder) { b.SetStatus(603, `Not "now"`) })
	wantHeader(t, web.got(sip.CANCEL), sip.HeaderReason, `SIP;cause=603;text="Not \"now\""`)
	sc.callerGot("180 180") // waits for the others
	web.answers(487)
	sc.callerGot("180 180 603")
	vm.gotNo(sip.INVITE)
	sc.nothingLeft()
}

func TestAnswerBeatsDecline(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web := sc.phone("bob"), sc.phone("web")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web)}}
	sc.invites()
	web.answers(180)
	bob.answers(603)
	web.answers(200)
	sc.callerGot("180 200")
	sc.nothingLeft()
}

func TestWavesInOrder(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web, vm := sc.phone("bob"), sc.phone("web"), sc.phone("voicemail")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web), wave(0, vm)}}
	sc.invites()
	bob.answers(486)
	vm.gotNo(sip.INVITE)
	web.answers(404)
	vm.got(sip.INVITE)
	vm.answers(200)
	sc.callerGot("200")
	sc.nothingLeft()
}

func TestRingTimeout(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, vm := sc.phone("bob"), sc.phone("voicemail")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(20*time.Second, bob), wave(0, vm)}}
	sc.invites()
	bob.answers(180)
	sc.clock.advance(19 * time.Second)
	bob.gotNo(sip.CANCEL)
	sc.clock.advance(2 * time.Second)
	wantHeader(t, bob.got(sip.CANCEL), sip.HeaderReason) // missed, not taken elsewhere
	vm.got(sip.INVITE)                                   // at once
	vm.answers(180)
	bob.answers(200) // picked up in the last moment
	wantHeader(t, vm.got(sip.CANCEL), sip.HeaderReason, `SIP;cause=200;text="Call completed elsewhere"`)
	vm.answers(487)
	sc.callerGot("180 180 200")
	sc.nothingLeft()
}

func TestRingTimeoutOfTheLastWave(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web := sc.phone("bob"), sc.phone("web")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(20*time.Second, bob, web)}}
	sc.invites()
	bob.answers(180)
	web.answers(180)
	sc.clock.advance(21 * time.Second)
	sc.callerGot("180 180") // somebody may have picked up
	bob.answers(487)
	sc.callerGot("180 180")
	web.answers(487)
	sc.callerGot("180 180 408") // the caller did not end it
	sc.nothingLeft()
}

func TestTimerC(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web := sc.phone("bob"), sc.phone("web")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web)}}
	sc.invites()
	bob.answers(180)
	web.answers(180)
	sc.clock.advance(2 * time.Minute)
	web.answers(183) // starts it anew
	bob.answers(100) // does not
	sc.clock.advance(61*time.Second + 200*time.Millisecond)
	bob.got(sip.CANCEL)
	web.gotNo(sip.CANCEL)
	sc.clock.advance(33 * time.Second) // bob has gone
	web.gotNo(sip.CANCEL)
	sc.clock.advance(90 * time.Second)
	web.got(sip.CANCEL)
	web.answers(487)
	sc.callerGot("180 180 183 408")
	sc.nothingLeft()
}

func TestTimerCGoesOnWithTheNextWave(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web, vm := sc.phone("bob"), sc.phone("web"), sc.phone("voicemail")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web), wave(0, vm)}}
	sc.invites()
	bob.answers(180)
	web.answers(486)
	sc.clock.advance(180 * time.Second)
	vm.gotNo(sip.INVITE)
	sc.clock.advance(2 * time.Second)
	vm.got(sip.INVITE)
	vm.answers(200)
	bob.answers(487)
	sc.callerGot("180 200")
	sc.nothingLeft()
}

// A wave that is over has no ring time left to end the next one with.
func TestRingTimeIsEachWavesOwn(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, vm := sc.phone("bob"), sc.phone("voicemail")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(20*time.Second, bob), wave(0, vm)}}
	sc.invites()
	bob.answers(486)
	vm.answers(180)
	sc.clock.advance(30 * time.Second)
	vm.gotNo(sip.CANCEL)
	vm.answers(200)
	sc.callerGot("180 200")
	sc.nothingLeft()
}

// The caller's transaction is over when a phone answers that was hard to reach.
func TestAnswerThatCameTooLate(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web := sc.phone("bob"), sc.phone("web")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob, web)}}
	sc.invites()
	bob.answers(200)
	sc.clock.advance(30 * time.Second)
	web.gotNo(sip.CANCEL)
	web.answers(180)
	web.got(sip.CANCEL)
	sc.clock.advance(10 * time.Second)
	web.answers(200)
	sc.callerGot("200") // rfc6026#7.1
	sc.nothingLeft()
	if got, want := sc.heard.String(), "bob done 200, caller told 200 of bob, web done 200, ended"; got != want {
		t.Errorf("the observer heard %q, not %q", got, want)
	}
}

func TestSilentTarget(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, vm := sc.phone("bob"), sc.phone("voicemail")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob), wave(0, vm)}}
	sc.invites()
	sc.clock.advance(33 * time.Second) // Timer B
	vm.got(sip.INVITE)
	vm.answers(500)
	sc.callerGot("408") // 4xx before 5xx
	sc.nothingLeft()
}

func TestUnreachableTarget(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, vm := sc.phone("bob"), sc.phone("voicemail")
	bob.setDown()
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob), wave(0, vm)}}
	sc.invites()
	vm.answers(200)
	sc.callerGot("200")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob)}}
	sc.heard = &record{}
	sc.invites()
	sc.callerGot("200 500") // as if 503 had come, which is not passed on
	if got, want := sc.heard.String(), "bob done 503 "+transaction.ErrTransport.Error()+", caller told 500 of bob"; got != want {
		t.Errorf("the observer heard %q, not %q", got, want)
	}
	sc.nothingLeft()
}

func TestTargetsThatFailBeforehand(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web := sc.phone("bob"), sc.phone("web")
	gone := bob.target()
	gone.Fail = 480
	noFlow := proxy.Target{Name: "none", URI: "sip:none@192.0.2.9"}
	bad := web.target()
	bad.URI = "sip:bad\r\nX: y"
	for _, step := range []struct {
		waves []proxy.Wave
		want  string
	}{
		{nil, "480"}, // rfc3261#16.5
		{[]proxy.Wave{{}, {}}, "480"},
		{[]proxy.Wave{{Targets: []proxy.Target{gone}}}, "480"},
		{[]proxy.Wave{{Targets: []proxy.Target{noFlow}}}, "500"},
		{[]proxy.Wave{{Targets: []proxy.Target{bad}}}, "500"},
		{[]proxy.Wave{{Targets: []proxy.Target{noFlow, bad, gone}}}, "480"},
	} {
		sc.caller.sent = nil
		sc.forward = proxy.Forward{Waves: step.waves}
		sc.invites()
		sc.callerGot(step.want)
		sc.acks()
	}
	sc.caller.sent = nil
	sc.forward = proxy.Forward{Waves: []proxy.Wave{{Targets: []proxy.Target{gone, bob.target()}}}}
	sc.invites()
	bob.answers(200)
	sc.callerGot("200")
	sc.nothingLeft()
}

func TestDeclinedBeforehandSendsNothingMore(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web := sc.phone("bob"), sc.phone("web")
	no := bob.target()
	no.Fail = 603
	sc.forward = proxy.Forward{Waves: []proxy.Wave{{Targets: []proxy.Target{no, web.target()}}, wave(0, bob)}}
	sc.invites()
	web.gotNo(sip.INVITE)
	bob.gotNo(sip.INVITE)
	sc.callerGot("603")
	sc.nothingLeft()
}

func TestNextFlowOfTheSameDevice(t *testing.T) {
	t.Parallel()
	for _, why := range []string{"430", "408", "down", "silent", "known"} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			sc := newScene(t)
			one, two, web := sc.phone("one"), sc.phone("two"), sc.phone("web")
			first, second := one.target(), two.target()
			first.Next = &second
			if why == "known" {
				first.Fail = 430
			}
			if why == "down" {
				one.setDown()
			}
			sc.forward = proxy.Forward{Waves: []proxy.Wave{{Targets: []proxy.Target{first, web.target()}}}}
			sc.invites()
			web.answers(180)
			switch why {
			case "430":
				two.gotNo(sip.INVITE)
				one.answers(430)
			case "408":
				one.answers(100)
				two.gotNo(sip.INVITE)
				one.answers(408)
			case "silent":
				two.gotNo(sip.INVITE)
				sc.clock.advance(33 * time.Second)
			}
			wantHeader(t, two.got(sip.INVITE), sip.HeaderMaxBreadth, "30")
			two.answers(486)
			web.answers(404)
			sc.callerGot("180 486")
			sc.nothingLeft()
		})
	}
}

func TestNextFlowIsNotForDevicesThatAnswered(t *testing.T) {
	t.Parallel()
	for _, answers := range [][]int{{486}, {180, 408}} {
		sc := newScene(t)
		one, two := sc.phone("one"), sc.phone("two")
		first, second := one.target(), two.target()
		first.Next = &second
		sc.forward = proxy.Forward{Waves: []proxy.Wave{{Targets: []proxy.Target{first}}}}
		sc.invites()
		for _, status := range answers {
			one.answers(status)
		}
		two.gotNo(sip.INVITE)
		sc.callerGot(strings.Trim(fmt.Sprint(answers), "[]"))
		sc.nothingLeft()
	}
}

func TestNextFlowIsNotForThoseGivenUp(t *testing.T) {
	t.Parallel()
	for _, why := range []string{"rang out", "caller hung up"} {
		sc := newScene(t)
		one, two, vm := sc.phone("one"), sc.phone("two"), sc.phone("voicemail")
		first, second := one.target(), two.target()
		first.Next = &second
		sc.forward = proxy.Forward{Waves: []proxy.Wave{{Targets: []proxy.Target{first}, Timeout: 20 * time.Second}, wave(0, vm)}}
		invite := sc.invites()
		if why == "caller hung up" {
			sc.cancels(invite)
		} else {
			sc.clock.advance(21 * time.Second)
			vm.answers(180)
		}
		sc.clock.advance(40 * time.Second)
		if two.last(sip.INVITE) != nil {
			t.Errorf("%s, and the next flow was tried", why)
		}
	}
}

func TestCallerIsGone(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob := sc.phone("bob")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob), wave(0, bob)}}
	sc.invites()
	bob.answers(180)
	sc.layer.Close()
	if n := sc.proxy.Active(); n != 0 {
		t.Errorf("%d contexts are left", n)
	}
}
