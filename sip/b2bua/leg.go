package b2bua

import (
	"fmt"
	"net/netip"

	"parley/sip"
	"parley/sip/dialog"
)

// leg is one end of the call: a dialog.Handler that puts what it hears into the call's queue.
// Its fields belong to the call's goroutine.
type leg struct {
	call    *Call
	index   int // 0: the caller
	target  *Target
	breadth uint32 // its Max-Breadth
	session *dialog.Session
	flow    sip.Flow
	watch   <-chan struct{} // closed when the flow is gone; nil if that is known or can't be
	heard   bool            // it rang
	done    bool            // it is out of the race
	ended   bool            // its session is over
	early   struct {        // the description it gave before its answer
		tag, body string
	}
	turn *turn // an INVITE of this leg that is passed on, until it is over
}

func (l *leg) party() Party {
	if l.index == 0 {
		return Caller
	}
	return Callee
}

// peer is where the leg's media is to be expected; zero for one inside the process.
func (l *leg) peer() netip.Addr {
	given := l.call.inv.Peer
	if l.target != nil {
		given = l.target.Peer
	}
	if given.IsValid() {
		return given
	}
	return l.flow.Remote().Addr().Unmap()
}

// timerC and grace name the leg's timers.
func (l *leg) timerC() string { return fmt.Sprint("timer C ", l.index) }
func (l *leg) grace() string  { return fmt.Sprint("flow ", l.index) }

// end ends the leg's session, if it has one.
func (l *leg) end(status int, reason string) {
	l.done = true
	if l.session != nil && !l.ended {
		l.session.End(status, reason)
	}
}

// Progress may come as often as the peer likes.
func (l *leg) Progress(_ *dialog.Session, resp *sip.Message) {
	l.call.offer(func() { l.call.progress(l, resp) })
}

// Answered see dialog.Handler.
func (l *leg) Answered(_ *dialog.Session, resp *sip.Message) {
	l.call.post(func() { l.call.answered(l, resp) })
}

// Acknowledged see dialog.Handler.
func (l *leg) Acknowledged(_ *dialog.Session, ack *sip.Message) {
	l.call.post(func() { l.call.acknowledged(l, ack) })
}

// Request may come as often as the peer likes.
func (l *leg) Request(_ *dialog.Session, in *dialog.Incoming) {
	if !l.call.offer(func() { l.call.request(l, in) }) {
		in.Respond(in.Response(500, "Too Many Requests Pending").Set(sip.HeaderRetryAfter, "5"))
	}
}

// Cancelled comes once for a Request.
func (l *leg) Cancelled(_ *dialog.Session, in *dialog.Incoming) {
	l.call.post(func() { l.call.cancelled(l, in) })
}

// Ended see dialog.Handler.
func (l *leg) Ended(_ *dialog.Session, e dialog.End) {
	l.call.post(func() { l.call.legEnded(l, e) })
}
