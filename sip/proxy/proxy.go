// Package proxy is the core of a transaction-stateful, record-routing, forking proxy: RFC 3261
// section 16 with the loop detection and Max-Breadth of RFC 5393, the corrected INVITE
// transaction of RFC 6026, the silence of RFC 4320, Reason in CANCEL (RFC 3326), double
// Record-Route (RFC 5658) and the next-flow rule of RFC 5626.
//
// It knows nothing of accounts or of where anyone is: whoever uses it decides on the
// targets and hands them over as waves, parallel inside and one after the other. From then on
// a Context does what the standards say, until the last transaction has gone. All of a
// Context lives on the shard of its Call-ID, so there are no locks and no goroutines here.
package proxy

import (
	"hash/maphash"
	"log/slog"
	"sync/atomic"
	"time"

	"parley/sip"
	"parley/sip/transaction"
)

// Config of a Proxy. The zero value of each field but Layer takes the default.
type Config struct {
	Layer *transaction.Layer
	Log   *slog.Logger
	// TimerC ends a branch that only rings; each 101-199 starts it anew. It has to be over
	// three minutes (rfc3261#16.6), which the default of 181 s is.
	TimerC time.Duration
	// MaxForwards goes into requests that have none; default 70 (rfc3261#16.6).
	MaxForwards uint32
	// MaxBreadth is the most branches that one request may have at a time, and what a
	// request without Max-Breadth is given; default 60 (rfc5393#5.3.3).
	MaxBreadth uint32
	// Extensions are the option tags that a Proxy-Require may ask for.
	Extensions []string
}

// Proxy forwards requests.
type Proxy struct {
	layer      *transaction.Layer
	log        *slog.Logger
	timerC     time.Duration
	hops       uint32
	breadth    uint32
	extensions []string
	seed       maphash.Seed
	active     atomic.Int64
}

// New makes a Proxy.
func New(c Config) *Proxy {
	p := &Proxy{
		layer:      c.Layer,
		log:        c.Log,
		timerC:     c.TimerC,
		hops:       c.MaxForwards,
		breadth:    c.MaxBreadth,
		extensions: c.Extensions,
		seed:       maphash.MakeSeed(),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.timerC == 0 {
		p.timerC = 3*time.Minute + time.Second
	}
	if p.hops == 0 {
		p.hops = 70
	}
	if p.breadth == 0 {
		p.breadth = 60
	}
	return p
}

// Active is how many contexts live: requests that were forwarded and whose transactions,
// the caller's and all branches', have not all gone yet.
func (p *Proxy) Active() int { return int(p.active.Load()) }

// Target is one place to forward a request to.
type Target struct {
	Name string   // for logs and call records
	URI  string   // the new Request-URI
	Flow sip.Flow // the way there
	// Routes are Route values to go before those that the request has, such as the Path
	// that the target registered over (rfc3327#5.4); the first ends on top.
	Routes []string
	// Fail, if not 0, says that the target can't be reached and what that counts as, 430 or
	// 480 say; nothing is sent to it.
	Fail int
	// Next is another flow of the same device. It is tried when this one can't be reached
	// does not answer, or is told to be gone by 430 or, before it rang, by 408 (rfc5626#7).
	Next *Target
}

// Wave is a set of targets that are tried at once.
type Wave struct {
	Targets []Target
	// Timeout is how long the wave may ring. Then the next one starts, and an INVITE's
	// branches are cancelled; those of another request go on beside it. 0 leaves the wave to
	// Timer C or, if it is no INVITE, to Timer F.
	Timeout time.Duration
}

// Forward says what to do with a request.
type Forward struct {
	// Request is the server transaction's request as Preprocess left it; nil stands for the
	// server transaction's own.
	Request *sip.Message
	// Waves in the order they are tried. They must not be changed afterwards.
	Waves []Wave
	// RecordRoute makes the Record-Route value that names a flow. Each branch gets two: the
	// caller's flow below, the target's above it, so that requests inside the dialog come
	// and go over the same flows in both directions (rfc5658#5). An empty value is left out, and
	// of two equal ones one. nil: the request is not record-routed.
	RecordRoute func(sip.Flow) string
	// Edit makes further changes to what is sent to a target: taking credentials away, adding
	// an asserted identity. Our Via goes on top after it. May be nil. A panic in it or in
	// RecordRoute is the end of this one branch.
	Edit func(*sip.Builder, *Target)
	// Observer hears what becomes of the request. May be nil. A panic in it is logged.
	Observer Observer
}

// Observer hears of one forwarded request. Its methods are called on the request's shard
// and must not block.
type Observer interface {
	// Provisional: a 101-199 of t was passed to the caller.
	Provisional(t *Target, resp *sip.Message)
	// Branch: t is done with, once per target that was tried. status is its final response's, or
	// what its failure counts as; err is then the failure, nil if t answered.
	Branch(t *Target, status int, err error)
	// Final: the caller was given resp. t is nil if the response is our own. It comes once, and
	// again for each further dialog that a 2xx to an INVITE sets up. It does not come
	// if there was nobody or no need to answer.
	Final(t *Target, resp *sip.Message)
	// Ended: all transactions are over; nothing else is called after it.
	Ended()
}
