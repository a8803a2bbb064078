package digest

import (
	"fmt"
	"slices"
	"strings"
)

// QopAuth is the one quality of protection of this package; auth-int is refused.
const QopAuth = "auth"

// Challenge is a WWW-Authenticate or Proxy-Authenticate value. Texts are as they stand
// between their quotes.
type Challenge struct {
	Realm     string
	Nonce     string
	Opaque    string
	Algorithm Algorithm // "" is MD5, unsaid
	Qop       []string  // none for the form of RFC 2069
	Stale     bool
}

// ParseChallenge reads a challenge. One with an algorithm or qop that this package
// doesn't do is an error: a client then takes the next challenge (rfc8760#2.4).
func ParseChallenge(s string) (Challenge, error) {
	p, err := parseParams(s)
	if err != nil {
		return Challenge{}, err
	}
	c := Challenge{
		Realm: p["realm"], Nonce: p["nonce"], Opaque: p["opaque"],
		Stale: strings.EqualFold(p["stale"], "true"),
	}
	if !p.has("realm", "nonce") {
		return Challenge{}, fmt.Errorf("%w: challenge without realm or nonce", ErrSyntax)
	}
	if a, said := p["algorithm"]; said {
		if c.Algorithm, err = algorithm(a); err != nil {
			return Challenge{}, err
		}
	}
	for q := range strings.SplitSeq(p["qop"], ",") {
		if q = strings.ToLower(strings.TrimSpace(q)); q != "" {
			c.Qop = append(c.Qop, q)
		}
	}
	if len(c.Qop) > 0 && !slices.Contains(c.Qop, QopAuth) {
		return Challenge{}, fmt.Errorf("%w: %.40q", ErrQop, p["qop"])
	}
	return c, nil
}

// String writes the challenge.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString("Digest ")
	writeQuoted(&b, "realm", c.Realm)
	b.WriteString(", ")
	writeQuoted(&b, "nonce", c.Nonce)
	if c.Opaque != "" {
		b.WriteString(", ")
		writeQuoted(&b, "opaque", c.Opaque)
	}
	if c.Stale {
		b.WriteString(", stale=true")
	}
	if c.Algorithm != "" {
		b.WriteString(", algorithm=" + string(c.Algorithm))
	}
	if len(c.Qop) > 0 {
		b.WriteString(", ")
		writeQuoted(&b, "qop", strings.Join(c.Qop, ","))
	}
	return b.String()
}

// Credentials are an Authorization or Proxy-Authorization value. Texts are as they stand
// between their quotes (so they enter the hashes, rfc7616#3.3); only of Username the
// backslashes are taken away.
type Credentials struct {
	Username  string // as the peer wrote it: "alice" or "alice@example.org"
	Realm     string
	Nonce     string
	URI       string
	Proof     string    // the "response" parameter, in hex
	Algorithm Algorithm // MD5 if unsaid
	Opaque    string
	Qop       string // "" or QopAuth
	Cnonce    string
	NC        string // eight hex digits
}

// ParseCredentials reads credentials and refuses what this package can't verify.
func ParseCredentials(s string) (Credentials, error) {
	p, err := parseParams(s)
	if err != nil {
		return Credentials{}, err
	}
	if !p.has("username", "realm", "nonce", "uri", "response") {
		return Credentials{}, fmt.Errorf("%w: credentials with a parameter missing", ErrSyntax)
	}
	if strings.EqualFold(p["userhash"], "true") {
		return Credentials{}, ErrUserhash
	}
	c := Credentials{
		Username: unescape(p["username"]), Realm: p["realm"], Nonce: p["nonce"], URI: p["uri"],
		Proof: p["response"], Opaque: p["opaque"], Qop: strings.ToLower(p["qop"]),
	}
	if c.Qop != "" { // else they mean nothing
		c.Cnonce, c.NC = p["cnonce"], p["nc"]
	}
	if c.Algorithm, err = algorithm(p["algorithm"]); err != nil {
		return Credentials{}, err
	}
	return c, c.check(p)
}

func (c Credentials) check(p params) error {
	if n := len(c.Proof); !isHex(c.Proof) || c.Algorithm == MD5 && n != 32 || c.Algorithm == SHA256 && n != 64 {
		return fmt.Errorf("%w: response is no %s hash", ErrSyntax, c.Algorithm)
	}
	switch c.Qop {
	case "":
		return nil
	case QopAuth:
		if len(c.NC) != 8 || !isHex(c.NC) || !p.has("cnonce") { // rfc7616#3.4
			return fmt.Errorf("%w: qop without nc or cnonce", ErrSyntax)
		}
		return nil
	}
	return fmt.Errorf("%w: %.20q", ErrQop, c.Qop)
}

// String writes the credentials.
func (c Credentials) String() string {
	var b strings.Builder
	b.WriteString("Digest ")
	writeQuoted(&b, "username", strings.ReplaceAll(c.Username, `\`, `\\`))
	for _, p := range [...][2]string{
		{"realm", c.Realm}, {"nonce", c.Nonce}, {"uri", c.URI}, {"response", c.Proof},
	} {
		b.WriteString(", ")
		writeQuoted(&b, p[0], p[1])
	}
	if c.Algorithm != "" {
		b.WriteString(", algorithm=" + string(c.Algorithm))
	}
	if c.Opaque != "" {
		b.WriteString(", ")
		writeQuoted(&b, "opaque", c.Opaque)
	}
	if c.Qop != "" {
		b.WriteString(", qop=" + c.Qop + ", nc=" + c.NC + ", ")
		writeQuoted(&b, "cnonce", c.Cnonce)
	}
	return b.String()
}
