package b2bua

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"parley/sip"
	"parley/sip/dialog"
	"parley/sip/transaction"
)

// Why a call was not begun.
var (
	ErrClosed = errors.New("b2bua: no calls are taken any more")
	ErrHops   = errors.New("b2bua: Max-Forwards is used up")
	// ErrBreadth says that more targets would have to ring at once than Max-Breadth allows.
	ErrBreadth = errors.New("b2bua: Max-Breadth is used up")
)

// allow is what a call can be asked, in either direction.
const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, MESSAGE"

// Target is one place to call.
type Target struct {
	Name string   // for logs and records
	URI  string   // the Request-URI
	Flow sip.Flow // the way there
	// Routes are the Route values, the first on top: the Path that the target registered over.
	Routes []string
	// Fail, if not 0, says that the target can't be reached and what that counts as; nothing
	// is sent to it.
	Fail int
	// Form is the profile of the media that the target understands, as an m= line has it
	// ("UDP/TLS/RTP/SAVPF"); "" stands for that of the offer.
	Form string
	// Peer is where its media is, if that is not where its flow goes: who is inside the process may stand for somebody else.
	Peer netip.Addr
	// Next is another flow of the same device. It is tried when this one can't be reached
	// or tells 430 (rfc5626#5.3).
	Next *Target
}

// Wave is a set of targets that ring together.
type Wave struct {
	Targets []Target
	// Timeout is how long they may ring. Then they are cancelled and the next wave
	// starts. 0 leaves it to Config.TimerC.
	Timeout time.Duration
}

// Media changes the descriptions of a call on their way, so that media passes through the
// server. Leg 0 is the caller; the targets are counted from 1. The methods are called on the
// call's goroutine, one at a time, and may take a moment.
type Media interface {
	// Leg announces a leg; peer is where its signalling comes from, zero for one inside the process. Form is the
	// profile of the media that it understands, "" for that of its own offer, or of the offer it is to get.
	Leg(leg int, name string, peer netip.Addr, form string)
	// Offer takes an offer of one leg and gives the one for another. An error refuses it.
	Offer(ctx context.Context, from, to int, sdp string) (string, error)
	// Answer takes the answer of one leg to the offer it was given and gives the one for the
	// leg whose offer that was. It may come more than once for an offer: early, and for good.
	Answer(ctx context.Context, from, to int, sdp string) (string, error)
	// Lost tells, once at most, that the media of the call did not come about or is gone for good, which ends the call.
	// It is nil for media of which that can't be told.
	Lost() <-chan error
	// Drop says that a leg is gone and the call goes on without it.
	Drop(leg int)
	// Close is the end; nothing is called after it.
	Close()
}

// Observer hears of one call, on the call's goroutine. It must not wait for the call.
type Observer interface {
	// Answered: a target has answered.
	Answered(Info)
	// Ended comes once, as the last. How says who ended it.
	Ended(Info, End)
}

// Party is who did something.
type Party int

// The parties.
const (
	Server Party = iota
	Caller
	Callee
)

func (p Party) String() string { return [...]string{"server", "caller", "callee"}[p] }

// End says how a call ended.
type End struct {
	By     Party
	Status int    // the final response of a call that nobody answered; 0 for one that was
	Reason string // the Reason header field's value, "" if there is none
	Err    error  // what failed; nil for an end that somebody wanted
}

// Info is what is known of a call.
type Info struct {
	ID       string // the caller's Call-ID
	From, To string // URIs
	Target   string // name of who answered; "" while it rings
	Since    time.Time
	Answered time.Time // zero while it rings
}

// Config of a B2BUA. Layer is needed; every other zero value takes its default.
type Config struct {
	Layer *transaction.Layer
	// Clock is the Layer's; default real time.
	Clock transaction.Clock
	// T1 and T2 are the Layer's.
	T1, T2 time.Duration
	// Limit is how many calls may be at once; default 50000.
	Limit int
	// TimerC ends a target that rings and never answers; default 3 minutes.
	TimerC time.Duration
	// MaxBreadth is the most targets that may ring at once; default 60 (rfc5393#5.3.3).
	MaxBreadth uint32
	// MaxDuration ends a call that was answered; default 12 hours.
	MaxDuration time.Duration
	// Audit is how often both ends of a call are asked by OPTIONS whether they are still there;
	// default 10 minutes, negative for never.
	Audit time.Duration
	// Grace is how long a call goes on without the connection of one of its ends; default 30 s.
	Grace time.Duration
	// Server is the Server header field of our own answers; none if empty.
	Server string
	Log    *slog.Logger
}

// B2BUA has the calls.
type B2BUA struct {
	c    Config
	ua   *dialog.UA
	busy func(int) // for a test's clock

	mu      sync.Mutex
	calls   map[*Call]struct{}
	closing bool
	running sync.WaitGroup
}

// New makes one without calls.
func New(c Config) *B2BUA {
	c.Limit = cmp.Or(c.Limit, 50000)
	c.TimerC = cmp.Or(c.TimerC, 3*time.Minute+time.Second) // rfc3261#16.6: over three minutes
	c.MaxBreadth = cmp.Or(c.MaxBreadth, 60)
	c.MaxDuration = cmp.Or(c.MaxDuration, 12*time.Hour)
	c.Audit = cmp.Or(c.Audit, 10*time.Minute)
	c.Grace = cmp.Or(c.Grace, 30*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	b := &B2BUA{c: c, calls: map[*Call]struct{}{}, busy: func(int) {}}
	if t, ok := c.Clock.(transaction.Tracker); ok {
		b.busy = t.Busy
	}
	b.ua = dialog.NewUA(dialog.Config{
		Layer: c.Layer, T1: c.T1, T2: c.T2, Limit: 1 << 30, // calls are what is counted
		Allow: allow, Server: c.Server, Log: c.Log,
	})
	return b
}

func (b *B2BUA) now() time.Time {
	if b.c.Clock == nil {
		return time.Now()
	}
	return b.c.Clock.Now()
}

// Invite says what to do with a caller's INVITE.
type Invite struct {
	// Request is the server transaction's request with our own routes taken off; nil stands
	// for the server transaction's own.
	Request *sip.Message
	// Waves in the order they are tried. They must not be changed afterwards.
	Waves []Wave
	// Media, if not nil, belongs to the call, which closes it.
	Media Media
	// Form is the profile of the media that the caller understands if it makes no offer.
	Form string
	// Peer is where the caller's media is, if that is not where its flow goes.
	Peer netip.Addr
	// Edit makes further changes to what is sent to a target. May be nil.
	Edit func(*sip.Builder, *Target)
	// Observer may be nil.
	Observer Observer
	// MaxDuration ends the call once it was answered; 0: as the Config says.
	MaxDuration time.Duration
}

// Start begins a call. With an error the caller has its answer already, and inv.Media is closed.
func (b *B2BUA) Start(s *transaction.Server, inv Invite) (*Call, error) {
	c := newCall(b, s, inv)
	if err := c.begin(s); err != nil {
		if inv.Media != nil {
			inv.Media.Close()
		}
		return nil, err
	}
	return c, nil
}

// admit counts a call in.
func (b *B2BUA) admit(c *Call) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closing:
		return ErrClosed
	case len(b.calls) >= b.c.Limit:
		return dialog.ErrLimit
	}
	b.calls[c] = struct{}{}
	b.running.Add(1)
	return nil
}

func (b *B2BUA) drop(c *Call) {
	b.mu.Lock()
	delete(b.calls, c)
	b.mu.Unlock()
	b.running.Done()
}

// Serve takes a request within a call of ours; it is false for one that is not.
func (b *B2BUA) Serve(s *transaction.Server) bool { return b.ua.Serve(s) }

// ACK takes an ACK of a call of ours; it is false for another's.
func (b *B2BUA) ACK(ack *sip.Message) bool { return b.ua.ACK(ack) }

// Count is how many calls there are.
func (b *B2BUA) Count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls)
}

// Calls lists the calls, in no order.
func (b *B2BUA) Calls() []*Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := make([]*Call, 0, len(b.calls))
	for c := range b.calls {
		calls = append(calls, c)
	}
	return calls
}

// EndAll ends every call with a Reason.
func (b *B2BUA) EndAll(reason string) {
	for _, c := range b.Calls() {
		c.End(reason)
	}
}

// Close takes no more calls, ends those there are, and waits until they are over or ctx ends; then it
// leaves them where they are, but for their media. The Layer must still run.
func (b *B2BUA) Close(ctx context.Context, reason string) error {
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	b.EndAll(reason)
	done := make(chan struct{})
	go func() {
		b.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	for _, c := range b.Calls() {
		c.abandon()
	}
	<-done
	return ctx.Err()
}

// newCallID makes a Call-ID that tells nothing of us.
func newCallID() string { return rand.Text() }
