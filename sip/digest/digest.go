// Package digest is digest authentication as SIP uses it: the grammar of challenges and
// credentials, the arithmetic of both sides, and nonces that need no table.
//
// Standards: RFC 7616 (digest), RFC 8760 (SHA-256 in SIP), RFC 3261 section 22; and
// RFC 2069's form without qop, which old phones still answer with.
package digest

import (
	"crypto/md5" // what phones speak (rfc3261#22.4)
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Algorithm is a digest algorithm as a challenge spells it.
type Algorithm string

// The algorithms of this package. The "-sess" forms are refused: they need the password, or
// a key per nonce, where only HA1 is kept.
const (
	MD5    Algorithm = "MD5"
	SHA256 Algorithm = "SHA-256"
)

// Why a challenge or credentials are refused.
var (
	ErrSyntax    = errors.New("digest: malformed")
	ErrScheme    = errors.New("digest: not the Digest scheme")
	ErrAlgorithm = errors.New("digest: unsupported algorithm")
	ErrQop       = errors.New("digest: unsupported qop")
	ErrUserhash  = errors.New("digest: hashed user names are unsupported")
	ErrMismatch  = errors.New("digest: response does not match")
)

// algorithm knows a spelling in any case; none at all means MD5 (rfc7616#3.3).
func algorithm(s string) (Algorithm, error) {
	switch {
	case s == "", strings.EqualFold(s, string(MD5)):
		return MD5, nil
	case strings.EqualFold(s, string(SHA256)):
		return SHA256, nil
	}
	return "", fmt.Errorf("%w: %.20q", ErrAlgorithm, s)
}

// hash is H of rfc7616#3.3, in lower-case hex, over parts joined by colons.
func (a Algorithm) hash(parts ...string) (string, error) {
	text := []byte(strings.Join(parts, ":"))
	switch a {
	case MD5, "":
		sum := md5.Sum(text)
		return hex.EncodeToString(sum[:]), nil
	case SHA256:
		sum := sha256.Sum256(text)
		return hex.EncodeToString(sum[:]), nil
	}
	return "", fmt.Errorf("%w: %.20q", ErrAlgorithm, string(a))
}

// HA1 is what a server keeps in the password's place: H(user:realm:password), in hex
// (rfc7616#3.4.2). To SIP it is as good as the password.
func HA1(a Algorithm, user, realm, password string) (string, error) {
	return a.hash(user, realm, password)
}

// Response is the value that proves the password behind ha1 for a request with this
// method (rfc7616#3.4.1). The response that c itself carries is not looked at.
func (c Credentials) Response(ha1, method string) (string, error) {
	ha2, err := c.Algorithm.hash(method, c.URI)
	if err != nil {
		return "", err
	}
	switch c.Qop {
	case "":
		return c.Algorithm.hash(ha1, c.Nonce, ha2) // rfc2069#2.1.2
	case QopAuth:
		return c.Algorithm.hash(ha1, c.Nonce, c.NC, c.Cnonce, c.Qop, ha2)
	}
	return "", fmt.Errorf("%w: %.20q", ErrQop, c.Qop)
}

// Verify compares the response in c with the one that ha1 asks for, in a time that
// doesn't depend on either. That nonce, realm and URI are right is the caller's to check.
func (c Credentials) Verify(ha1, method string) error {
	want, err := c.Response(ha1, method)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(c.Proof))) != 1 {
		return ErrMismatch
	}
	return nil
}
