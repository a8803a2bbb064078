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
