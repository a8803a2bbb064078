package account

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"io"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"parley/internal/core"
)

// Kind names one of an account's keys. The order is that of the database's columns.
type Kind int

// The kinds of keys. "Full" is for the user name alice@example.org instead of alice.
const (
	SCRAMSHA1 Kind = iota
	SCRAMSHA256
	HA1MD5
	HA1SHA256
	HA1MD5Full
	HA1SHA256Full
	kinds
)

// String is the name of the kind's column, in the database and in an import.
func (k Kind) String() string {
	return [kinds]string{"scram_sha_1", "scram_sha_256", "ha1_md5", "ha1_sha256", "ha1_md5_full", "ha1_sha256_full"}[k]
}

func (k Kind) isSCRAM() bool { return k == SCRAMSHA1 || k == SCRAMSHA256 }

func (k Kind) hash() func() hash.Hash {
	switch k {
	case SCRAMSHA1:
		return sha1.New
	case HA1MD5, HA1MD5Full:
		return md5.New
	}
	return sha256.New
}

func ha1Kind(alg core.Algorithm, full bool) (Kind, bool) {
	switch {
	case alg == core.MD5 && full:
		return HA1MD5Full, true
	case alg == core.MD5:
		return HA1MD5, true
	case alg == core.SHA256 && full:
		return HA1SHA256Full, true
	case alg == core.SHA256:
		return HA1SHA256, true
	}
	return 0, false
}

// Keys are an account's keys as they are stored, nil where one is missing: a SCRAM key as
// its text, an HA1 sealed.
type Keys [kinds][]byte

func (k *Keys) complete() bool {
	for _, key := range k {
		if key == nil {
			return false
		}
	}
	return true
}

// makeHA1 hashes user:realm:password (rfc7616#3.4.2).
func makeHA1(kind Kind, a core.Address, password string) []byte {
	user := a.Local
	if kind == HA1MD5Full || kind == HA1SHA256Full {
		user = a.String()
	}
	h := kind.hash()()
	h.Write([]byte(user + ":" + a.Domain + ":" + password))
	return h.Sum(nil)
}

// prepare is rfc8265#4.2: OpaqueString.
func prepare(password string) (string, error) {
	if password == "" || len(password) > 1024 || !utf8.ValidString(password) {
		return "", ErrPassword
	}
	p, err := precis.OpaqueString.String(password)
	if err != nil {
		return "", ErrPassword
	}
	return p, nil
}

// keys makes all keys of a password.
func (s *Accounts) keys(ctx context.Context, a core.Address, password string) (keys Keys, err error) {
	p, err := prepare(password)
	if err != nil {
		return keys, err
	}
	release, err := s.turn(ctx)
	if err != nil {
		return keys, err
	}
	defer release()
	for kind := range kinds {
		if !kind.isSCRAM() {
			keys[kind] = s.seal(a, kind, makeHA1(kind, a, p))
			continue
		}
		salt := make([]byte, saltSize)
		if _, err := io.ReadFull(s.config.Rand, salt); err != nil {
			return keys, fmt.Errorf("account: draw a salt: %w", err)
		}
		key, err := makeSCRAM(kind, p, salt, s.config.Iterations)
		if err != nil {
			return keys, err
		}
		keys[kind] = []byte(formatSCRAM(key))
	}
	return keys, nil
}

// turn waits until there is a processor to hash with: many logins at once must
// not starve calls.
func (s *Accounts) turn(ctx context.Context) (release func(), err error) {
	select {
	case s.hashing <- struct{}{}:
		return func() { <-s.hashing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// use binds a sealed HA1 to its account and kind, so that nobody who can write to the
// database can give one account the key of another.
func use(a core.Address, kind Kind) []byte { return []byte(kind.String() + " " + a.String()) }

func (s *Accounts) seal(a core.Address, kind Kind, ha1 []byte) []byte {
	return s.box.Seal(ha1, use(a, kind))
}

func (s *Accounts) unseal(a core.Address, kind Kind, sealed []byte) ([]byte, error) {
	return s.box.Open(sealed, use(a, kind))
}

// Check says whether a password is the account's: nil, or ErrWrong, which takes as
// long if there is no such account.
func (s *Accounts) Check(ctx context.Context, a core.Address, password string) error {
	_, err := s.check(ctx, a, password)
	return err
}

// Complete is Check, and makes the keys that are missing.
func (s *Accounts) Complete(ctx context.Context, a core.Address, password string) error {
	r, err := s.check(ctx, a, password)
	if err != nil || r.Keys.complete() {
		return err
	}
	keys, err := s.keys(ctx, a, password)
	if err != nil {
		return err
	}
	return s.update(ctx, "complete", a, func(now *Record) { now.Keys.fill(&r.Keys, &keys) })
}

// fill sets missing keys, if those there are still the ones the password was checked against.
func (k *Keys) fill(checked, made *Keys) {
	for kind := range kinds {
		if string(k[kind]) != string(checked[kind]) {
			return
		}
	}
	for kind := range kinds {
		if k[kind] == nil {
			k[kind] = made[kind]
		}
	}
}

func (s *Accounts) check(ctx context.Context, a core.Address, password string) (*Record, error) {
	r, err := s.record(ctx, a)
	if errors.Is(err, core.ErrNoAccount) {
		r = &Record{}
	} else if err != nil {
		return nil, err
	}
	p, err := prepare(password)
	if err != nil {
		return nil, ErrWrong
	}
	release, err := s.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	right, err := s.matches(a, &r.Keys, p)
	if err != nil {
		return nil, wrap("check the password of", a, err)
	}
	if !right {
		return nil, ErrWrong
	}
	return r, nil
}

// matches compares a prepared password with the best key there is.
func (s *Accounts) matches(a core.Address, keys *Keys, password string) (bool, error) {
	for _, kind := range []Kind{SCRAMSHA256, SCRAMSHA1} {
		if keys[kind] == nil {
			continue
		}
		want, err := ParseSCRAM(kind, string(keys[kind]))
		if err != nil {
			return false, err
		}
		got, err := makeSCRAM(kind, password, want.Salt, want.Iterations)
		return subtle.ConstantTimeCompare(got.Stored, want.Stored) == 1, err
	}
	// Without SCRAM the time would tell who is there: it is spent all the same.
	if _, err := makeSCRAM(SCRAMSHA256, password, make([]byte, saltSize), s.config.Iterations); err != nil {
		return false, err
	}
	for _, kind := range []Kind{HA1SHA256, HA1SHA256Full, HA1MD5, HA1MD5Full} {
		if keys[kind] == nil {
			continue
		}
		want, err := s.unseal(a, kind, keys[kind])
		return subtle.ConstantTimeCompare(makeHA1(kind, a, password), want) == 1, err
	}
	return false, nil
}
