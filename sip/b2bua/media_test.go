package b2bua

import (
	"errors"
	"testing"
	"time"

	"parley/sip/siptest"
)

// lose has the media of a call be lost, and waits until the call has heard of it.
func (a *anchor) lose(t *testing.T, err error) {
	t.Helper()
	a.lost <- err
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		a.mu.Lock()
		closed := a.closed
		a.mu.Unlock()
		if closed > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a call goes on without its media")
		}
	}
}

var errGone = errors.New("anchor: the browser is gone")

func TestMediaIsLost(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	a := &anchor{lost: make(chan error)}
	k.inv.Media = a
	k.up()
	a.lose(t, errGone)
	for _, p := range []*siptest.Peer{k.alice, k.bob} {
		bye := p.Expect("BYE")
		k.has(bye, "Reason", mediaLost)
		p.Respond(bye, 200)
	}
	if e := k.down(Server, 0); !errors.Is(e.Err, errGone) {
		t.Errorf("ended for %v, want %v", e.Err, errGone)
	}
}

func TestEarlyMediaIsLost(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	a := &anchor{lost: make(chan error)}
	k.inv.Media = a
	k.alice.Invite("bob@example.com")
	in := k.bob.Expect("INVITE")
	k.bob.Respond(in, 183, siptest.WithSDP("early"))
	k.alice.Expect("183")
	a.lose(t, errGone)
	k.bob.Expect("CANCEL")
	k.alice.Expect("500")
	k.bob.Respond(in, 487)
	k.down(Server, 500)
}

// pictures is an anchor that can ask for full pictures.
type pictures struct {
	anchor
	asked chan int
	takes bool
}

func (p *pictures) Refresh(leg int) bool {
	_ = p.say("refresh %d", leg)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.takes
}
func (p *pictures) Asked() <-chan int { return p.asked }
func (p *pictures) Established()      { _ = p.say("established") }

func TestFullPictures(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	m := &pictures{asked: make(chan int, 1), takes: true}
	k.inv.Media = m
	alice, bob := k.up()
	ask := func(d *siptest.Dialog) {
		d.Request("INFO", siptest.WithBody(mediaControlType, mediaControl))
	}
	ask(alice)
	k.alice.Expect("200 INFO")
	for _, leg := range []int{1, 0} {
		m.asked <- leg
		for len(m.asked) > 0 {
			time.Sleep(time.Millisecond)
		}
		done := make(chan struct{}) // what took it has sent the INFO by then
		k.call.post(func() { close(done) })
		<-done
		p := []*siptest.Peer{k.alice, k.bob}[leg]
		info := p.Expect("INFO")
		k.has(info, "Content-Type", mediaControlType)
		if info.Body() != mediaControl {
			t.Errorf("asked with %q", info.Body())
		}
		p.Respond(info, 200)
	}
	m.mu.Lock()
	m.takes = false
	m.mu.Unlock()
	ask(bob) // to be told as it came
	info := k.alice.Expect("INFO")
	k.has(info, "Content-Type", mediaControlType)
	k.alice.Respond(info, 200)
	k.bob.Expect("200 INFO")
	if got := m.steps(); got != "leg 0 caller, leg 1 bob, offer 0-1, answer 1-0, established, refresh 0, refresh 1" {
		t.Errorf("the media heard: %s", got)
	}
	alice.Bye()
	k.alice.Expect("200 BYE")
	k.bob.Respond(k.bob.Expect("BYE"), 200)
	k.down(Caller, 0)
}
