// Package core holds the nouns of parley (Address, Device, Binding, Call, Plan) and the narrow
// ports through which edges and features meet. It imports the standard library alone.
package core

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Address is an account's address, prepared (internal/address makes it from text): a SIP
// address-of-record and an XMPP bare JID at once.
type Address struct{ Local, Domain string }

func (a Address) String() string { return a.Local + "@" + a.Domain }

// IsZero says that there is no address.
func (a Address) IsZero() bool { return a == Address{} }

// Less orders addresses for lists.
func (a Address) Less(b Address) bool { return strings.Compare(a.String(), b.String()) < 0 }

// Reason says what kind of failure an Error is; edges turn it into a status code or a
// stanza error.
type Reason int

const (
	Internal      Reason = iota // our fault: 500
	BadRequest                  // 400
	Forbidden                   // 403
	NotFound                    // 404
	Conflict                    // 409
	Unavailable                 // known, but can't be reached now: 480
	TooMany                     // a limit is reached: 429 or 503 with Retry-After
	Unsupported                 // 501
	Decline                     // 603
	NeedAuth                    // 401, 407
	LoopDetected                // 482
	NotAcceptable               // the ends have no form of media in common: 488
)

// Error carries what a peer may be told apart from what the log is told.
type Error struct {
	Reason Reason
	Public string        // safe for the peer
	Retry  time.Duration // when to try again; 0 if that has no meaning
	Err    error         // the truth, for the log; may be nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Public + ": " + e.Err.Error()
	}
	return e.Public
}

func (e *Error) Unwrap() error { return e.Err }

// Fail makes an Error.
func Fail(r Reason, public string, err error) error {
	return &Error{Reason: r, Public: public, Err: err}
}

// AsError gives err as an Error; one that is not becomes Internal.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Reason: Internal, Public: "internal error", Err: err}
}

// Account is what everyone may know of an account.
type Account struct {
	Address   Address
	Created   time.Time
	Strangers bool // takes calls and messages from people without an account here
}

// ErrNoAccount is what ports return for an address that nobody has.
var ErrNoAccount = errors.New("core: no such account")

// Algorithm of a digest HA1 (RFC 8760).
type Algorithm string

const (
	MD5    Algorithm = "MD5"
	SHA256 Algorithm = "SHA-256"
)

// Accounts is the port to the account feature.
type Accounts interface {
	// Account finds an account or returns ErrNoAccount.
	Account(context.Context, Address) (Account, error)
	// HA1 is the hex digest of user:realm:password with realm = the address's domain and user =
	// its local part (full=false) or the whole address (full=true). ErrNoAccount if
	// there is no account or no such key.
	HA1(ctx context.Context, a Address, alg Algorithm, full bool) (string, error)
}

// SCRAM is what is kept to check a SCRAM login (rfc5802#3).
type SCRAM struct {
	Iterations           int
	Salt, Stored, Server []byte
}

// Credentials is the port by which XMPP checks logins.
type Credentials interface {
	// SCRAM gives the keys for SCRAM-SHA-1 ("SHA-1") or SCRAM-SHA-256 ("SHA-256"). Of an account that is not there, or has
	// no such key, it gives ErrNoAccount and keys that nobody can meet, the same at every try.
	SCRAM(ctx context.Context, a Address, hash string) (SCRAM, error)
	// Password says whether it is the account's; ErrNoAccount stands for any other. Keys that were missing
	// are made of it.
	Password(ctx context.Context, a Address, password string) error
}

// Guard slows those who guess passwords. All of it is in memory and bounded.
type Guard interface {
	// Check says how long the source has to wait before it may try this account again; 0: now.
	Check(source string, account Address) time.Duration
	// Failed and Succeeded report how a try ended. account may be one that does not exist.
	Failed(source string, account Address)
	Succeeded(source string, account Address)
}
