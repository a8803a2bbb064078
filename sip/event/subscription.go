package event

import (
	"time"

	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/transaction"
)

// State of a subscription (rfc6665#4.1.3).
type State uint8

// The states.
const (
	Pending State = iota
	Active
	Terminated
)

// String is the state as Subscription-State has it.
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Active:
		return "active"
	}
	return "terminated"
}

// Reasons of a Terminated subscription (rfc6665#4.1.3).
const (
	Deactivated = "deactivated" // it may be asked for again at once
	Probation   = "probation"   // after a while
	Rejected    = "rejected"    // not again
	TimedOut    = "timeout"
	GaveUp      = "giveup"
	NoResource  = "noresource" // what was watched is no more
)

// Notice is what a subscriber is told: the state of his subscription, and that of what he watches.
type Notice struct {
	State  State
	Reason string        // of Terminated
	Retry  time.Duration // of Terminated: when it may be asked for again; 0 says nothing of that
	Type   string
	Body   string // "" for none
}

// Subscription is one that was accepted. Its fields belong to its shard.
type Subscription struct {
	n       *Notifier
	key     key
	dialog  *dialog.Dialog
	event   Event
	pkg     *Package
	kind    string
	handler Handler

	notice  Notice
	born    time.Time
	until   time.Time
	told    time.Time // when the last NOTIFY of a new state went
	due     bool      // something is to be told
	urgent  bool      // at once
	busy    bool      // a NOTIFY waits for its answer
	over    bool      // the subscription has ended, and the last NOTIFY may be under way
	expiry  func()    // stops its clock
	pacing  func()    // stops the wait for the next NOTIFY
	retried bool      // the NOTIFY before was to be sent again, and this is it
}

// Type is that of the documents which the subscriber takes.
func (s *Subscription) Type() string { return s.kind }

// Event is what is subscribed to.
func (s *Subscription) Event() Event { return s.event }

func (s *Subscription) post(f func()) { s.n.c.Layer.Do(s.key.callID, f) }

func (s *Subscription) after(d time.Duration, f func()) (stop func()) {
	return s.n.c.Layer.After(s.key.callID, d, f)
}

// begin answers the SUBSCRIBE.
func (s *Subscription) begin(srv *transaction.Server, expires time.Duration) {
	s.born = s.n.c.Now()
	b := s.ok(srv.Request(), expires).Copy(srv.Request(), sip.HeaderRecordRoute)
	s.n.respond(srv, b)
	s.granted(expires)
}

// ok is the answer to a SUBSCRIBE that is granted. It is 200 even while it is pending (rfc6665#8.3.1).
func (s *Subscription) ok(req *sip.Message, expires time.Duration) *sip.Builder {
	return req.Response(200, "").ToTag(s.key.tag).Set(sip.HeaderContact, s.dialog.Contact()).
		Set(sip.HeaderExpires, seconds(expires)).Set(sip.HeaderAllowEvents, s.n.allow)
}

// granted goes on after a SUBSCRIBE was answered: it is told the state at once (rfc6665#4.2.1.2).
func (s *Subscription) granted(expires time.Duration) {
	if s.expiry != nil {
		s.expiry()
	}
	if expires == 0 && s.notice.State != Terminated {
		s.notice.State, s.notice.Reason = Terminated, TimedOut // rfc6665#4.4.3, and the end of one that was
	}
	if s.notice.State == Terminated {
		s.end()
		return
	}
	s.until = s.n.c.Now().Add(expires)
	s.expiry = s.after(expires, s.expired)
	s.tell(true)
}

// expired: it was not refreshed (rfc6665#4.2.2).
func (s *Subscription) expired() {
	if !s.over {
		s.notice.State, s.notice.Reason, s.notice.Retry = Terminated, TimedOut, 0
		s.end()
	}
}

// serve takes a request of the subscriber in the dialog.
func (s *Subscription) serve(srv *transaction.Server) {
	req := srv.Request()
	if s.over || req.FromTag() != s.dialog.ID().Remote {
		s.n.respond(srv, req.Response(481, "")) // rfc6665#4.2.1.2
		return
	}
	if v := s.dialog.Receive(req); v != nil {
		s.n.respond(srv, req.Response(v.Status, v.Reason))
		return
	}
	if req.Method() != sip.SUBSCRIBE {
		s.n.respond(srv, req.Response(405, "").Set(sip.HeaderAllow, string(sip.SUBSCRIBE)))
		return
	}
	if e, ok := ParseEvent(req.Get(sip.HeaderEvent)); !ok || e != s.event {
		s.n.respond(srv, s.n.badEvent(req))
		return
	}
	expires, refusal := s.pkg.interval(req)
	if refusal != nil {
		s.n.respond(srv, refusal)
		return
	}
	left := s.pkg.Life - s.n.c.Now().Sub(s.born)
	if expires > 0 && left < s.pkg.Least {
		s.n.respond(srv, req.Response(481, ""))
		s.lost()
		return
	}
	expires = max(min(expires, left), 0)
	s.dialog.Refresh(req, srv.Flow())
	s.n.respond(srv, s.ok(req, expires))
	s.granted(expires)
}

// Notify tells the subscriber: a state of the subscription at once, a state of what is watched when its turn has come,
// what changed meanwhile being left out. With Terminated it is the last. What was told already is not told again.
func (s *Subscription) Notify(notice Notice) {
	s.post(func() {
		if s.over || notice == s.notice {
			return
		}
		urgent := notice.State != s.notice.State
		s.notice = notice
		if notice.State == Terminated {
			s.end()
			return
		}
		s.tell(urgent)
	})
}

// Move gives a subscription whose connection is gone another one, if its subscriber's Contact is the one meant.
func (s *Subscription) Move(f sip.Flow, meant func(contact string) bool) {
	s.post(func() {
		if !s.dialog.Alive() && meant(s.dialog.Target()) {
			s.dialog.Move(f)
			s.flush()
		}
	})
}

// end is its end, of which the subscriber is told.
func (s *Subscription) end() {
	s.close()
	s.tell(true)
}

// lost is its end, without a word to the subscriber.
func (s *Subscription) lost() {
	s.close()
	s.due = false
	s.n.drop(s)
}

func (s *Subscription) close() {
	if s.over {
		return
	}
	s.over = true
	if s.expiry != nil {
		s.expiry()
	}
	s.handler.Ended(s)
}
