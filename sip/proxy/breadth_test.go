package proxy_test

import (
	"fmt"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/proxy"
)

func (p *phone) breadth() uint32 {
	n, _ := p.first().Number(sip.HeaderMaxBreadth)
	return n
}

func phones(sc *scene, n int) (list []*phone) {
	for i := range n {
		list = append(list, sc.phone(fmt.Sprintf("p%d", i)))
	}
	return list
}

func TestMaxBreadthIsDivided(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		came string
		n    int
		want string
	}{
		{"", 1, "[60]"},
		{"", 4, "[15 15 15 15]"},
		{"Max-Breadth: 5", 3, "[2 2 1]"},
		{"Max-Breadth: 3", 3, "[1 1 1]"},
		{"Max-Breadth: 4000000000", 2, "[30 30]"}, // more than we allow
	} {
		sc := newScene(t)
		list := phones(sc, c.n)
		sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, list...)}}
		if c.came == "" {
			sc.invites()
		} else {
			sc.invites(c.came)
		}
		var got []uint32
		for _, p := range list {
			got = append(got, p.breadth())
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%q for %d: %v, not %s", c.came, c.n, got, c.want)
		}
	}
}

func TestForkTooBroad(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	list := phones(sc, 61)
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, list[0]), wave(0, list...)}}
	sc.invites()
	list[0].gotNo(sip.INVITE)
	sc.callerGot("440")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, list[:3]...)}}
	sc.invites("Max-Breadth: 2")
	sc.callerGot("440 440")
	sc.nothingLeft()
}

func TestManyTargetsInWaves(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	list := phones(sc, 500)
	for i := 0; i < len(list); i += 50 {
		sc.forward.Waves = append(sc.forward.Waves, wave(0, list[i:i+50]...))
	}
	sc.invites()
	for i, p := range list {
		if p.last(sip.INVITE) == nil {
			t.Fatalf("target %d got no INVITE in its wave", i)
		}
		if i < 499 {
			p.answers(480)
		}
	}
	list[499].answers(200)
	sc.callerGot("200")
	sc.nothingLeft()
}

func TestWaveLeavesRoomForTheNext(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web, vm := sc.phone("bob"), sc.phone("web"), sc.phone("voicemail")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(5*time.Second, bob, web), wave(0, vm)}}
	sc.invites("Max-Breadth: 6")
	bob.answers(180)
	sc.clock.advance(6 * time.Second) // bob and web have not let go of theirs
	if bob.breadth() != 3 || web.breadth() != 2 || vm.breadth() != 1 {
		t.Errorf("Max-Breadth is %d, %d and %d", bob.breadth(), web.breadth(), vm.breadth())
	}
	vm.answers(200)
	sc.callerGot("180 200")
	sc.nothingLeft()
}

func TestNextWaveWaitsForBreadth(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web, vm := sc.phone("bob"), sc.phone("web"), sc.phone("voicemail")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(5*time.Second, bob, web), wave(0, vm)}}
	sc.invites("Max-Breadth: 2")
	bob.answers(180)
	web.answers(180)
	sc.clock.advance(6 * time.Second)
	vm.gotNo(sip.INVITE)
	web.got(sip.CANCEL)
	web.answers(487)
	if vm.got(sip.INVITE); vm.breadth() != 1 {
		t.Errorf("Max-Breadth is %d", vm.breadth())
	}
	vm.answers(200)
	sc.callerGot("180 180 200")
	sc.nothingLeft()
}

func TestHangUpWhileAWaveWaitsForBreadth(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, vm := sc.phone("bob"), sc.phone("voicemail")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(5*time.Second, bob), wave(0, vm)}}
	invite := sc.invites("Max-Breadth: 1")
	bob.answers(180)
	sc.clock.advance(6 * time.Second)
	sc.cancels(invite)
	bob.answers(487)
	vm.gotNo(sip.INVITE)
	sc.callerGot("180 487")
	sc.nothingLeft()
}
