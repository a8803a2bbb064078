package account

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"parley/internal/core"
)

// SCRAM gives the keys of SCRAM-SHA-1 ("SHA-1") or SCRAM-SHA-256 ("SHA-256"). With core.ErrNoAccount come
// keys that nobody can meet.
func (s *Accounts) SCRAM(ctx context.Context, a core.Address, hash string) (core.SCRAM, error) {
	kind, ok := scramKind(hash)
	if !ok {
		return core.SCRAM{}, fmt.Errorf("account: no keys are kept for SCRAM with %s", hash)
	}
	r, err := s.record(ctx, a)
	switch {
	case errors.Is(err, core.ErrNoAccount), err == nil && r.Keys[kind] == nil:
		return s.madeUp(kind, a), core.ErrNoAccount
	case err != nil:
		return core.SCRAM{}, err
	}
	return ParseSCRAM(kind, string(r.Keys[kind]))
}

func scramKind(hash string) (Kind, bool) {
	switch hash {
	case "SHA-1":
		return SCRAMSHA1, true
	case "SHA-256":
		return SCRAMSHA256, true
	}
	return 0, false
}

// madeUp are keys like those of an account, so that nobody learns who has one (rfc5802#9). The same come at every
// try, and after a restart.
func (s *Accounts) madeUp(kind Kind, a core.Address) core.SCRAM {
	of := func(what string) []byte { return sum(sha256.New, s.nobody, what+" "+kind.String()+" "+a.String()) }
	n := kind.hash()().Size()
	return core.SCRAM{
		Iterations: s.config.Iterations, Salt: of("salt")[:saltSize], Stored: of("stored")[:n], Server: of("server")[:n],
	}
}

// Password says whether a password is the account's, and makes the keys that are missing; core.ErrNoAccount
// stands for any other.
func (s *Accounts) Password(ctx context.Context, a core.Address, password string) error {
	err := s.Complete(ctx, a, password)
	if errors.Is(err, ErrWrong) {
		return core.ErrNoAccount
	}
	return err
}

// Iterations of PBKDF2 that are taken: rfc7677#4 asks for 4096, and a client has to do
// as many as we say.
const (
	minIterations = 4096
	maxIterations = 1_000_000
)

// saltSize is how long our own salts are.
const saltSize = 16

// formatSCRAM is "iterations:salt:stored key:server key", the last three in base64.
func formatSCRAM(s core.SCRAM) string {
	b64 := base64.StdEncoding.EncodeToString
	return strings.Join([]string{strconv.Itoa(s.Iterations), b64(s.Salt), b64(s.Stored), b64(s.Server)}, ":")
}

// ParseSCRAM reads what formatSCRAM writes, of a kind that is one of SCRAM.
func ParseSCRAM(kind Kind, text string) (s core.SCRAM, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 4 {
		return core.SCRAM{}, errors.New("not iterations:salt:stored key:server key")
	}
	if s.Iterations, err = strconv.Atoi(parts[0]); err != nil || s.Iterations < minIterations || s.Iterations > maxIterations {
		return core.SCRAM{}, fmt.Errorf("iterations are not %d to %d", minIterations, maxIterations)
	}
	for i, part := range []*[]byte{&s.Salt, &s.Stored, &s.Server} {
		if *part, err = base64.StdEncoding.Strict().DecodeString(parts[i+1]); err != nil {
			return core.SCRAM{}, errors.New("salt or keys are not base64")
		}
	}
	if n := len(s.Salt); n < 8 || n > 64 {
		return core.SCRAM{}, errors.New("the salt is not 8 to 64 bytes long")
	}
	if n := kind.hash()().Size(); len(s.Stored) != n || len(s.Server) != n {
		return core.SCRAM{}, fmt.Errorf("the keys are not %d bytes long", n)
	}
	return s, nil
}

func makeSCRAM(kind Kind, password string, salt []byte, iterations int) (core.SCRAM, error) {
	h := kind.hash()
	salted, err := pbkdf2.Key(h, password, salt, iterations, h().Size())
	if err != nil {
		return core.SCRAM{}, fmt.Errorf("account: hash a password: %w", err)
	}
	stored := h()
	stored.Write(sum(h, salted, "Client Key"))
	return core.SCRAM{Iterations: iterations, Salt: salt, Stored: stored.Sum(nil), Server: sum(h, salted, "Server Key")}, nil
}

func sum(h func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
