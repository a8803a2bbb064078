package sipedge

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"strings"

	"parley/internal/core"
	"parley/sip"
	"parley/sip/digest"
	"parley/sip/transport"
)

// authKind says which headers and status a challenge uses.
type authKind struct {
	status    int
	challenge sip.Header
	answer    sip.Header
}

var (
	registrarAuth = authKind{401, sip.HeaderWWWAuthenticate, sip.HeaderAuthorization}
	proxyAuth     = authKind{407, sip.HeaderProxyAuthenticate, sip.HeaderProxyAuthorization}
)

// authenticate proves an account by digest (rfc3261#22, rfc8760). If ok is false the request has
// been answered: with a challenge, or with why not.
func (in *inbound) authenticate(ctx context.Context, kind authKind, realm string) (core.Address, bool) {
	creds, found := in.credentials(kind, realm)
	if !found {
		in.challenge(kind, realm, false)
		return core.Address{}, false
	}
	switch in.edge.nonces.Check(creds.Nonce, in.edge.cfg.Now()) {
	case digest.Stale:
		in.challenge(kind, realm, true)
		return core.Address{}, false
	case digest.Bad:
		in.challenge(kind, realm, false)
		return core.Address{}, false
	}
	if !in.edge.sameResource(creds.URI, in.req.Target(), in.flow) {
		in.edge.log.Warn("digest for another URI refused", "uri", creds.URI, "target", in.req.Target(), "source", in.flow.Remote().String())
		in.edge.refuse(in.server, 400, "Digest Is for Another URI") // rfc7616#3.4.6
		return core.Address{}, false
	}
	account, ok := in.verify(ctx, kind, creds)
	if !ok {
		return core.Address{}, false
	}
	// Only what a right password proves is noted, so that nobody else can fill the table; and nothing that
	// was played again proves anything.
	if in.edge.nonces.Use(creds, in.edge.cfg.Now()) != digest.Fresh {
		in.challenge(kind, realm, true)
		return core.Address{}, false
	}
	in.edge.ports.Guard.Succeeded(in.source(), account)
	transport.Prove(in.flow)
	return account, true
}

func (in *inbound) source() string { return in.flow.Remote().Addr().Unmap().String() }

// credentials finds the answer to a challenge of ours among those the request brings.
func (in *inbound) credentials(kind authKind, realm string) (digest.Credentials, bool) {
	for value := range in.req.Values(kind.answer) {
		if c, err := digest.ParseCredentials(value); err == nil && c.Realm == realm {
			return c, true
		}
	}
	return digest.Credentials{}, false
}

// verify checks a digest. A wrong password and an unknown user cost the same and look alike.
func (in *inbound) verify(ctx context.Context, kind authKind, creds digest.Credentials) (core.Address, bool) {
	e := in.edge
	source := in.source()
	account, full, err := in.user(creds)
	if wait := e.ports.Guard.Check(source, account); wait > 0 {
		e.log.Warn("too many wrong passwords", "account", account.String(), "source", source, "wait", wait)
		e.respond(in.server, in.req.Response(503, "Too Many Wrong Passwords").Set(sip.HeaderRetryAfter, seconds(wait)))
		return core.Address{}, false
	}
	ha1 := e.dummy
	known := false
	if err == nil {
		found, err := e.ports.Accounts.HA1(ctx, account, algorithm(creds.Algorithm), full)
		switch {
		case err == nil:
			ha1, known = found, true
		case !errors.Is(err, core.ErrNoAccount):
			e.fail(in.server, err)
			return core.Address{}, false
		}
	}
	if wrong := creds.Verify(ha1, string(in.req.Method())); wrong != nil || !known {
		e.ports.Guard.Failed(source, account)
		e.log.Warn("wrong password or unknown user", "account", account.String(), "source", source,
			"agent", in.req.Get(sip.HeaderUserAgent))
		in.challenge(kind, creds.Realm, false)
		return core.Address{}, false
	}
	return account, true
}

// user reads a digest user name, "alice" or "alice@example.org".
func (in *inbound) user(creds digest.Credentials) (a core.Address, full bool, err error) {
	local, domain, full := strings.Cut(creds.Username, "@")
	if !full {
		domain = creds.Realm
	}
	a, err = in.edge.ports.Addresses(local, domain)
	if err == nil && a.Domain != creds.Realm {
		err = core.ErrNoAccount
	}
	return a, full, err
}

// challenge asks for a password: by SHA-256 and then MD5 from agents known to choose, by MD5 alone from
// all others.
func (in *inbound) challenge(kind authKind, realm string, stale bool) {
	e := in.edge
	b := in.req.Response(kind.status, "")
	nonce := e.nonces.Make(e.cfg.Now())
	for _, alg := range e.algorithms(in.req.Get(sip.HeaderUserAgent)) {
		c := digest.Challenge{Realm: realm, Nonce: nonce, Algorithm: alg, Qop: []string{digest.QopAuth}, Stale: stale}
		b.Add(kind.challenge, c.String())
	}
	e.respond(in.server, b)
}

func (e *Edge) algorithms(agent string) []digest.Algorithm {
	s := e.cfg.Settings()
	if hasPrefixOf(agent, s.SHA256Agents) && !hasPrefixOf(agent, s.MD5Agents) {
		return []digest.Algorithm{digest.SHA256, digest.MD5}
	}
	return []digest.Algorithm{digest.MD5}
}

func hasPrefixOf(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if len(s) >= len(p) && strings.EqualFold(s[:len(p)], p) {
			return true
		}
	}
	return false
}

// subkey derives a key of its own for each use.
func subkey(key []byte, label string) []byte {
	k, err := hkdf.Key(sha256.New, key, nil, "parley sipedge "+label, 32)
	if err != nil {
		panic(err) // only for lengths beyond what SHA-256 allows
	}
	return k
}

func algorithm(a digest.Algorithm) core.Algorithm {
	if a == digest.SHA256 {
		return core.SHA256
	}
	return core.MD5 // rfc7616#3.3: what is meant when nothing is said
}
