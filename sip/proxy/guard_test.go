package proxy_test

import (
	"testing"

	"parley/sip"
	"parley/sip/proxy"
)

// clumsy is an Observer that breaks at everything.
type clumsy struct{}

func (clumsy) Provisional(*proxy.Target, *sip.Message) { panic("provisional") }
func (clumsy) Branch(*proxy.Target, int, error)        { panic("branch") }
func (clumsy) Final(*proxy.Target, *sip.Message)       { panic("final") }
func (clumsy) Ended()                                  { panic("ended") }

func TestBrokenObserverDoesNotEndTheCall(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web := sc.phone("bob"), sc.phone("web")
	sc.forward = proxy.Forward{Waves: []proxy.Wave{wave(0, bob), wave(0, web)}, Observer: clumsy{}}
	sc.invites()
	bob.answers(180)
	bob.answers(486)
	web.answers(200)
	sc.callerGot("180 200")
	sc.nothingLeft()
}

func TestBrokenEditEndsItsBranch(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	bob, web := sc.phone("bob"), sc.phone("web")
	sc.forward = proxy.Forward{
		Waves: []proxy.Wave{wave(0, bob, web)},
		Edit: func(_ *sip.Builder, t *proxy.Target) {
			if t.Name == "bob" {
				panic("edit")
			}
		},
	}
	sc.invites()
	bob.gotNo(sip.INVITE)
	web.answers(200)
	sc.callerGot("200")
	sc.nothingLeft()
}
