package sasl

import (
	"bytes"
	"context"
)

// Plain is the mechanism PLAIN (RFC 4616): the password itself, for connections that are encrypted.
type Plain struct{ Users Users }

// Name is PLAIN.
func (Plain) Name() string { return "PLAIN" }

// Begin starts a try.
func (p Plain) Begin() Exchange { return &plainExchange{users: p.Users} }

type plainExchange struct {
	users Users
	user  string
}

func (p *plainExchange) User() string { return p.user }

// Step takes the one message: [authzid] NUL authcid NUL passwd (rfc4616#2).
func (p *plainExchange) Step(ctx context.Context, response []byte) ([]byte, bool, error) {
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return nil, false, fail(MalformedRequest, "PLAIN has three parts")
	}
	authzid, user, password := string(parts[0]), string(parts[1]), string(parts[2])
	if err := checkName(user); err != nil {
		return nil, false, err
	}
	p.user = user
	if authzid != "" {
		if err := checkName(authzid); err != nil {
			return nil, false, err
		}
	}
	if password == "" {
		return nil, false, fail(MalformedRequest, "the password is empty")
	}
	if err := p.users.Password(ctx, user, password); err != nil {
		return nil, false, err
	}
	return nil, true, act(ctx, p.users, user, authzid)
}
