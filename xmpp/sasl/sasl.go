// Package sasl is the server's side of SASL (RFC 4422) as XMPP uses it (RFC 6120, section 6): SCRAM (RFC 5802,
// RFC 7677) with and without channel binding, and PLAIN (RFC 4616).
//
// It knows nothing of accounts: keys and passwords are asked for through Users. Nor does it say which mechanisms are
// offered: that is the list that a Login is begun with.
package sasl

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"parley/xmpp"
)

// Mechanism is a way to sign in over one connection.
type Mechanism interface {
	Name() string // as it is offered
	Begin() Exchange
}

// Exchange is one try. The client speaks first in all mechanisms that are known here.
type Exchange interface {
	// Step takes a response and gives the next challenge, or, done, what goes with the success, which may be nil.
	// After an error there is no further step.
	Step(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
	// User is the user name that the client gave, "" before it did. It has proven nothing until Step was done.
	User() string
}

// Users is what the mechanisms ask about those who sign in. A *Error is what the client hears; any other error
// becomes temporary-auth-failure.
type Users interface {
	// Keys gives what is kept of a user for "SHA-1" or "SHA-256". For a user that does not exist, it gives keys
	// that nobody can meet, always the same, with an iteration count and a salt as others have.
	Keys(ctx context.Context, user, hash string) (Keys, error)
	// Password returns a *Error with NotAuthorized if it is not the user's, or there is no such user.
	Password(ctx context.Context, user, password string) error
	// Allows says whether a user may act as somebody (rfc6120#6.3.8). It is asked of users who have proven who they are
	// and named an identity to act as.
	Allows(ctx context.Context, user, authzid string) (bool, error)
}

// Login is one exchange with its outer form: what may come when, and how much.
type Login struct {
	mechanism string
	exchange  Exchange
	begun     bool
	over      bool
}

// Begin starts a login with one of the mechanisms that were offered.
func Begin(offered []Mechanism, name string) (*Login, error) {
	for _, m := range offered {
		if m.Name() == name {
			return &Login{mechanism: name, exchange: m.Begin()}, nil
		}
	}
	return nil, fail(InvalidMechanism, "the mechanism was not offered")
}

// Mechanism is the mechanism's name.
func (l *Login) Mechanism() string { return l.mechanism }

// User is the user name that the client gave, as it gave it, "" before it did.
func (l *Login) User() string { return l.exchange.User() }

// maxResponse is the longest response that is taken: that of PLAIN with the longest names and password is shorter.
const maxResponse = 8 << 10

// Step takes a response and gives the next challenge, or, done, what goes with the success. nil stands for no
// response and no challenge, as an <auth/> without an initial response has it; that is not the same as an empty one.
// Every error is a *Error and final.
func (l *Login) Step(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	switch {
	case l.over:
		return nil, false, fail(MalformedRequest, "the exchange is over")
	case len(response) > maxResponse:
		l.over = true
		return nil, false, fail(MalformedRequest, "the response is too long")
	case response == nil && !l.begun:
		l.begun = true
		return []byte{}, false, nil // rfc4422#5: the client speaks first, and is asked to
	}
	l.begun = true
	challenge, done, err = l.exchange.Step(ctx, response)
	l.over = done || err != nil
	if err != nil {
		return nil, false, asError(err)
	}
	return challenge, done, nil
}

func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Condition: TemporaryAuthFailure, Err: err}
}

// Names are the names of mechanisms, in their order.
func Names(all []Mechanism) []string {
	names := make([]string, len(all))
	for i, m := range all {
		names[i] = m.Name()
	}
	return names
}

// Decode reads the text of an <auth/> or <response/>: nil if there is none, and nothing if it is "=" (rfc6120#6.4.2).
func Decode(text string) ([]byte, error) {
	switch text {
	case "":
		return nil, nil
	case "=":
		return []byte{}, nil
	}
	b, err := unbase64(text)
	if err != nil {
		return nil, fail(IncorrectEncoding, "") // rfc6120#6.5.5
	}
	return b, nil
}

// Encode writes the text of a <challenge/> or <success/>.
func Encode(data []byte) string {
	if data != nil && len(data) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(data)
}

var errBase64 = errors.New("sasl: not base64")

// unbase64 takes base64 as rfc4648#4 has it, without the line ends that the standard library passes over.
func unbase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errBase64
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// maxName is more than any user name or address has (rfc7622#3.1).
const maxName = 3071

// checkName says what is wrong with a user name or identity, before those who know users prepare it.
func checkName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return fail(MalformedRequest, "a name is empty, too long or not text")
	}
	return nil
}

// act is asked once a user has proven who it is.
func act(ctx context.Context, users Users, user, authzid string) error {
	if authzid == "" {
		return nil
	}
	ok, err := users.Allows(ctx, user, authzid)
	if err == nil && !ok {
		err = fail(InvalidAuthzid, "")
	}
	return err
}

// ErrBinding says that a login failed before the password mattered: client and server don't agree on how to bind it to
// the connection.
var ErrBinding = errors.New("no channel binding in common")

// Error is why a login failed (rfc6120#6.5).
type Error struct {
	Condition Condition
	Text      string // for the peer
	Err       error  // for the log
}

func fail(c Condition, text string) *Error { return &Error{Condition: c, Text: text} }

// Fail makes an Error.
func Fail(c Condition, text string, err error) *Error { return &Error{c, text, err} }

func (e *Error) Error() string {
	text := "sasl: " + string(e.Condition)
	if e.Text != "" {
		text += ": " + e.Text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// XML is the failure as it is sent.
func (e *Error) XML() string {
	b := xmpp.NewBuilder(nil).Open("failure", xmpp.NSSASL).Open(string(e.Condition), "").Close()
	if e.Text != "" {
		b.Open("text", "").Attr("xml:lang", "en").Text(e.Text).Close()
	}
	return b.Close().String()
}

// Condition is what is told to the client.
type Condition string

// The conditions of rfc6120#6.5.
const (
	Aborted              Condition = "aborted"
	AccountDisabled      Condition = "account-disabled"
	CredentialsExpired   Condition = "credentials-expired"
	EncryptionRequired   Condition = "encryption-required"
	IncorrectEncoding    Condition = "incorrect-encoding"
	InvalidAuthzid       Condition = "invalid-authzid"
	InvalidMechanism     Condition = "invalid-mechanism"
	MalformedRequest     Condition = "malformed-request"
	MechanismTooWeak     Condition = "mechanism-too-weak"
	NotAuthorized        Condition = "not-authorized"
	TemporaryAuthFailure Condition = "temporary-auth-failure"
)
