// Package transaction runs SIP transactions (RFC 3261 section 17, RFC 6026): it matches
// requests and responses, retransmits, absorbs retransmissions and owns the timers.
//
// Transactions live in shards. A shard is one goroutine that owns every transaction
// whose Call-ID hashes to it, and a timer wheel; handlers are called on it and must not
// block. Everything about one call therefore happens in one order, without locks.
// The methods of Layer, Server and Client may be called from any goroutine; they
// put their work into the shard's queue and return.
package transaction

import (
	"errors"
	"log/slog"
	"time"

	"parley/sip"
)

// How a transaction ended without a final response.
var (
	ErrTimeout   = errors.New("transaction: no response in time")       // Timer B, F, H
	ErrTransport = errors.New("transaction: message could not be sent") // rfc3261#17.1.4
	ErrClosed    = errors.New("transaction: layer is closed")
	ErrOverload  = errors.New("transaction: too many transactions")
)

// Clock is the time a Layer lives in; tests have their own.
type Clock interface {
	Now() time.Time
	// Tick calls f every d until stop is called, f never concurrently with itself.
	Tick(d time.Duration, f func()) (stop func())
}

// Config of a Layer. The zero value of each field but OnRequest takes the default.
type Config struct {
	Shards    int           // default: GOMAXPROCS
	T1        time.Duration // 500ms
	T2        time.Duration // 4s
	T4        time.Duration // 5s
	Limit     int           // transactions held at once; default 200000. Past it new requests get 503 statelessly
	Clock     Clock
	Log       *slog.Logger
	OnRequest func(*Server)                // a new request (never ACK or CANCEL); on the shard
	OnACK     func(sip.Flow, *sip.Message) // an ACK that ends no server transaction: for a 2xx; on the shard
	OnStray   func(sip.Flow, *sip.Message) // a response that no client transaction waits for; may be nil
}

// Layer holds the transactions of one element.
type Layer struct{}

func New(c Config) *Layer { panic("x") }

// Receive takes a parsed, valid message from a flow; it is what a transport's handler
// calls. It never blocks: a full shard queue drops the message and counts it.
// A request's topmost Via must already have received/rport (rfc3581#4).
func (l *Layer) Receive(f sip.Flow, m *sip.Message) { panic("x") }

// Request starts a client transaction. req has its own Via on top, with a branch from
// NewBranch. h is called on the shard of req's Call-ID.
func (l *Layer) Request(f sip.Flow, req *sip.Message, h ClientHandler) *Client { panic("x") }

// Do runs f on the shard of callID, after what is already queued there.
func (l *Layer) Do(callID string, f func()) { panic("x") }

// After runs f on the shard of callID once d has passed, unless stop is called first.
func (l *Layer) After(callID string, d time.Duration, f func()) (stop func()) { panic("x") }

// Counts of what lives now and what happened since the start.
type Stats struct {
	Clients, Servers                          int
	Requests, Responses, Dropped, Retransmits uint64
}

func (l *Layer) Stats() Stats { panic("x") }

// Close ends every transaction with ErrClosed and stops the shards.
func (l *Layer) Close() { panic("x") }

// NewBranch is a fresh branch with the magic cookie (rfc3261#8.1.1.7), NewTag a fresh tag.
func NewBranch() string { panic("x") }
func NewTag() string    { panic("x") }

// ClientHandler is who sent a request. Response is called for each response (for an
// INVITE: every 2xx too, as rfc6026 says, its ACK being the handler's own to send);
// Ended once, when the transaction is over: nil after a final response, else why.
// Ended with an error comes instead of a final response.
type ClientHandler interface {
	Response(c *Client, resp *sip.Message)
	Ended(c *Client, err error)
}

// Client is a client transaction.
type Client struct{}

func (c *Client) Request() *sip.Message { panic("x") }
func (c *Client) Flow() sip.Flow        { panic("x") }

// Cancel sends CANCEL for an INVITE (with a Reason header field if reason is not ""):
// at once, or when the first provisional response comes (rfc3261#9.1); nothing after a
// final response. If no final response follows in 64*T1, the transaction ends with
// ErrTimeout.
func (c *Client) Cancel(reason string) { panic("x") }

// Server is a server transaction.
type Server struct{}

func (s *Server) Request() *sip.Message { panic("x") }
func (s *Server) Flow() sip.Flow        { panic("x") }

// Respond sends resp, made from the request. Responses after a final one are dropped, but
// for further 2xx of an INVITE, which are sent as they come (rfc6026#7.1).
// An INVITE that has no answer after 200ms gets 100 by itself (rfc3261#17.2.1).
func (s *Server) Respond(resp *sip.Message) { panic("x") }

// Handle sets who hears of CANCEL and of the end; call it inside OnRequest, or later: what
// happened before is told then. Without a handler a CANCEL is answered 200 and the
// INVITE stays as it is: answering it 487 is the handler's part.
func (s *Server) Handle(h ServerHandler) { panic("x") }

// ServerHandler hears of a server transaction; on the shard.
type ServerHandler interface {
	// Cancelled: a CANCEL came before the final response; its 200 is already sent.
	Cancelled(s *Server, cancel *sip.Message)
	// Ended: ErrTimeout if no ACK came for a non-2xx final response, ErrTransport if it
	// could not be sent, nil otherwise.
	Ended(s *Server, err error)
}
