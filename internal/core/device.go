package core

import (
	"context"
	"errors"
	"time"
)

// Device is what signed in once and has a token since. Its SIP side and its XMPP side are one: it rings once, and
// receives once.
type Device struct {
	ID      string // no secret
	Account Address
	Name    string // as its owner calls it
	Kind    string // "browser", "phone" ..., as it says; may be ""
	Source  string // the IP address that it last came from
	Created time.Time
	Used    time.Time // last, to the minute
	Expires time.Time // if it is not used until then
}

// ErrNoDevice is what ports return for a token or an id that no device has.
var ErrNoDevice = errors.New("core: no such device")

// Devices is the port by which edges check tokens.
type Devices interface {
	// Token says whose a token is, and notes that it was used from an IP address. ErrNoDevice stands for any that is
	// not good, whatever the matter is.
	Token(ctx context.Context, token, source string) (Device, error)
	// Stands says whether a device has not been signed out. Who has proved a token asks once more when what he made
	// of it can be found by whoever signs the device out.
	Stands(ctx context.Context, a Address, id string) bool
}

// Tokens is what a Guard counts wrong tokens of an account against: apart from its passwords, so that a device that was
// signed out and goes on trying does not slow its owner.
func (a Address) Tokens() Address { return Address{Local: a.Local, Domain: "tokens of " + a.Domain} }
