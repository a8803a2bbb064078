package digest

import (
	"errors"
	"fmt"
	"slices"
)

// Choose takes the first challenge that this package can answer: a server lists them in
// its order of preference (rfc8760#2.3). The error is that of the last one.
func Choose(challenges []string) (Challenge, error) {
	err := errors.New("digest: no challenge")
	for _, s := range challenges {
		var c Challenge
		if c, err = ParseChallenge(s); err == nil {
			return c, nil
		}
	}
	return Challenge{}, err
}

// Request is what a client proves its password for.
type Request struct {
	Method string
	URI    string // the Request-URI
	Cnonce string // fresh random text; not needed if the challenge has no qop
	Count  uint32 // of requests with this nonce, this one included
}

// Answer makes the credentials for a challenge.
func (c Challenge) Answer(user, password string, r Request) (Credentials, error) {
	ha1, err := HA1(c.Algorithm, user, c.Realm, password)
	if err != nil {
		return Credentials{}, err
	}
	out := Credentials{
		Username: user, Realm: c.Realm, Nonce: c.Nonce, URI: r.URI,
		Algorithm: c.Algorithm, Opaque: c.Opaque,
	}
	switch {
	case slices.Contains(c.Qop, QopAuth):
		out.Qop, out.Cnonce, out.NC = QopAuth, r.Cnonce, fmt.Sprintf("%08x", max(r.Count, 1))
	case len(c.Qop) > 0:
		return Credentials{}, fmt.Errorf("%w: %q", ErrQop, c.Qop)
	}
	out.Proof, err = out.Response(ha1, r.Method)
	return out, err
}
