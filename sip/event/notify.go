package event

import (
	"time"

	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/transaction"
)

// tell has the subscriber told what the notice says now.
func (s *Subscription) tell(urgent bool) {
	s.due, s.urgent = true, s.urgent || urgent
	s.flush()
}

// flush sends what is due, one NOTIFY at a time. To a connection that is gone nothing is sent: its owner comes back and
// refreshes, or the subscription expires.
func (s *Subscription) flush() {
	if !s.due || s.busy {
		return
	}
	if !s.dialog.Alive() {
		if s.over {
			s.n.drop(s)
		}
		return
	}
	if wait := s.pkg.Pace - s.n.c.Now().Sub(s.told); !s.urgent && wait > 0 { // rfc3856#6.10
		s.pace(wait)
		return
	}
	if s.pacing != nil {
		s.pacing()
		s.pacing = nil
	}
	s.send()
}

// pace looks again after a while.
func (s *Subscription) pace(wait time.Duration) {
	if s.pacing == nil {
		s.pacing = s.after(wait, func() {
			s.pacing = nil
			s.flush()
		})
	}
}

func (s *Subscription) send() {
	s.due, s.urgent, s.busy = false, false, true
	s.told = s.n.c.Now()
	b := s.dialog.Request(sip.NOTIFY).
		Set(sip.HeaderEvent, s.event.String()).
		Set(sip.HeaderSubscriptionState, s.state())
	if s.n.c.Server != "" {
		b.Set(sip.HeaderUserAgent, s.n.c.Server)
	}
	if s.notice.Body != "" {
		b.Body(s.notice.Type, s.notice.Body)
	}
	flow := s.dialog.Flow()
	req, err := b.Prepend(sip.HeaderVia, dialog.Via(flow)).Message()
	if err != nil {
		s.n.c.Log.Error("NOTIFY could not be written", "call", s.key.callID, "err", err)
		s.lost()
		return
	}
	s.n.c.Layer.Request(flow, req, &notifying{sub: s, last: s.over})
}

// state is the Subscription-State header field (rfc6665#4.1.3).
func (s *Subscription) state() string {
	if s.notice.State != Terminated {
		left := max(s.until.Sub(s.n.c.Now()), 0)
		return s.notice.State.String() + ";expires=" + seconds(left)
	}
	value := s.notice.State.String() + ";reason=" + s.notice.Reason
	if s.notice.Retry > 0 {
		value += ";retry-after=" + seconds(s.notice.Retry)
	}
	return value
}

// notifying is a NOTIFY that waits for its answer.
type notifying struct {
	sub  *Subscription
	last bool // of the subscription
	done bool
}

// Response implements transaction.ClientHandler.
func (n *notifying) Response(c *transaction.Client, resp *sip.Message) {
	if resp.Status() < 200 || n.done {
		return
	}
	n.done = true
	s := n.sub
	s.busy = false
	switch wait, ok := again(resp); {
	case resp.Status() < 300:
		s.retried = false
		s.dialog.Refresh(resp, c.Flow())
		n.next()
	case ok && !s.over && !s.retried:
		s.retried, s.due = true, true
		s.after(wait, func() {
			if !s.over {
				s.tell(true)
			}
		})
	default: // rfc6665#4.2.2
		s.n.c.Log.Debug("a subscription ends: its NOTIFY was refused", "call", s.key.callID, "status", resp.Status())
		s.lost()
	}
}

// next goes on after a NOTIFY that arrived.
func (n *notifying) next() {
	if n.last {
		n.sub.n.drop(n.sub)
		return
	}
	n.sub.flush()
}

// maxAgain is how long a subscriber may have a NOTIFY wait.
const maxAgain = 5 * time.Minute

// again says when a NOTIFY that was refused may be sent again, if that may help: the answer names a time, and does not say
// that the subscription is no more (rfc6665#4.2.2).
func again(resp *sip.Message) (wait time.Duration, ok bool) {
	n, ok := resp.Number(sip.HeaderRetryAfter)
	wait = time.Duration(n) * time.Second
	switch resp.Status() {
	case 404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604:
		return 0, false
	}
	return wait, ok && wait <= maxAgain
}

// Ended implements transaction.ClientHandler: with an error nobody has answered (rfc6665#4.2.2). One whose connection broke
// waits for its subscriber to come back.
func (n *notifying) Ended(_ *transaction.Client, err error) {
	if err == nil || n.done {
		return
	}
	n.done = true
	s := n.sub
	s.busy = false
	if !s.dialog.Alive() && !s.over {
		s.due, s.urgent = true, true
		return
	}
	s.n.c.Log.Debug("a subscription ends: its NOTIFY was not answered", "call", s.key.callID, "err", err)
	s.lost()
}
