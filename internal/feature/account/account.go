// Package account keeps the accounts of the server's domains and the keys by which their
// owners prove themselves.
//
// From a password the keys of every way to log in are made at once, and the password is
// forgotten: SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677) for XMPP, and the digest
// HA1 with MD5 and SHA-256 (RFC 3261, RFC 7616, RFC 8760) for SIP, each for the
// user names "alice" and "alice@example.org". An HA1 is as good as the password to SIP;
// it is kept encrypted under the server's key. Passwords are prepared by RFC 8265,
// OpaqueString.
//
// An import may bring only some of the keys; Complete makes the others when the
// password is next seen.
package account

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"parley/internal/core"
	"parley/internal/db"
	"parley/internal/secret"
)

// What goes wrong besides core.ErrNoAccount.
var (
	ErrExists    = errors.New("account: the address is taken")
	ErrDomain    = errors.New("account: the domain is not one of this server")
	ErrPassword  = errors.New("account: a password is text of 1 to 1024 bytes without control characters")
	ErrWrong     = errors.New("account: wrong password or no such account")
	ErrOtherKey  = errors.New("account: the data folder's secret.key is not the one its accounts were made with")
	ErrImporting = errors.New("account: another import is running")
	ErrRefused   = errors.New("account: rows were refused, nothing was imported")
)

// Config of the accounts. The zero value of each field but Key takes the default.
type Config struct {
	Key *secret.Key
	// Iterations of PBKDF2 for new keys; default 10000, and not less than 4096.
	Iterations int
	// Cache is how many accounts are held in memory; default 20000, about 1 KB each.
	Cache int
	// Serves says whether a domain is one of this server's; nil takes every domain.
	Serves func(domain string) bool
	// Deleted is told of every account that is gone, to forget what belongs to it.
	Deleted func(core.Address)
	Now     func() time.Time
	Rand    io.Reader // for salts; default crypto/rand
}

func (c Config) withDefaults() Config {
	if c.Iterations == 0 {
		c.Iterations = 10000
	}
	c.Iterations = max(c.Iterations, minIterations)
	if c.Cache <= 0 {
		c.Cache = 20000
	}
	if c.Serves == nil {
		c.Serves = func(string) bool { return true }
	}
	if c.Deleted == nil {
		c.Deleted = func(core.Address) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return c
}

// Accounts are the accounts of a server. They implement core.Accounts and core.Credentials.
type Accounts struct {
	config    Config
	store     Store
	stage     Stage
	box       *secret.Box
	nobody    []byte // of which the keys of those who have none are made
	cache     *cache
	hashing   chan struct{} // as many password hashes at once as there are processors
	importing sync.Mutex
}

var (
	_ core.Accounts    = (*Accounts)(nil)
	_ core.Credentials = (*Accounts)(nil)
)

// New opens the accounts of a database.
func New(ctx context.Context, d *db.DB, c Config) (*Accounts, error) {
	c = c.withDefaults()
	if c.Key == nil {
		return nil, errors.New("account: no server key given")
	}
	box, err := c.Key.Box("account ha1")
	if err != nil {
		return nil, err
	}
	nobody, err := c.Key.Derive("account nobody", 32)
	if err != nil {
		return nil, err
	}
	s, err := openSQL(ctx, d)
	if err != nil {
		return nil, err
	}
	if err := checkSeal(ctx, s, box); err != nil {
		return nil, err
	}
	if err := s.Clear(ctx); err != nil { // of an import that was cut short
		return nil, fmt.Errorf("account: forget the last import: %w", err)
	}
	return &Accounts{
		config: c, store: s, stage: s, box: box, nobody: nobody, cache: newCache(c.Cache),
		hashing: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}, nil
}

// checkSeal finds out whether what is sealed in the database opens with this key.
func checkSeal(ctx context.Context, s *sqlStore, box *secret.Box) error {
	use := []byte("sample")
	sample, err := s.Seal(ctx, box.Seal(nil, use))
	if err != nil {
		return fmt.Errorf("account: check the server's key: %w", err)
	}
	if _, err := box.Open(sample, use); err != nil {
		return ErrOtherKey
	}
	return nil
}

// Create makes an account.
func (s *Accounts) Create(ctx context.Context, a core.Address, password string, strangers bool) error {
	if !s.config.Serves(a.Domain) {
		return fmt.Errorf("%w: %s", ErrDomain, a.Domain)
	}
	keys, err := s.keys(ctx, a, password)
	if err != nil {
		return err
	}
	err = s.store.Insert(ctx, Record{
		Account: core.Account{Address: a, Created: s.config.Now(), Strangers: strangers}, Keys: keys,
	})
	s.cache.drop(a)
	return wrap("create", a, err)
}

// Delete removes an account and its keys.
func (s *Accounts) Delete(ctx context.Context, a core.Address) error {
	err := s.store.Delete(ctx, a)
	s.cache.drop(a)
	if err == nil {
		s.config.Deleted(a)
	}
	return wrap("delete", a, err)
}

// SetPassword replaces all keys of an account.
func (s *Accounts) SetPassword(ctx context.Context, a core.Address, password string) error {
	keys, err := s.keys(ctx, a, password)
	if err != nil {
		return err
	}
	return s.update(ctx, "set the password of", a, func(r *Record) { r.Keys = keys })
}

// SetStrangers says whether people without an account here may call and write.
func (s *Accounts) SetStrangers(ctx context.Context, a core.Address, on bool) error {
	return s.update(ctx, "change", a, func(r *Record) { r.Strangers = on })
}

func (s *Accounts) update(ctx context.Context, verb string, a core.Address, f func(*Record)) error {
	err := s.store.Update(ctx, a, f)
	s.cache.drop(a)
	return wrap(verb, a, err)
}

// List gives at most limit accounts after an address, by domain and name; the zero
// address begins. A page shorter than limit is the last.
func (s *Accounts) List(ctx context.Context, after core.Address, limit int) ([]core.Account, error) {
	list, err := s.store.List(ctx, after, min(max(limit, 1), 1000))
	if err != nil {
		return nil, fmt.Errorf("account: list: %w", err)
	}
	return list, nil
}

// Count is how many accounts there are.
func (s *Accounts) Count(ctx context.Context) (int, error) {
	n, err := s.store.Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("account: count: %w", err)
	}
	return n, nil
}

// Account finds an account.
func (s *Accounts) Account(ctx context.Context, a core.Address) (core.Account, error) {
	r, err := s.record(ctx, a)
	if err != nil {
		return core.Account{}, err
	}
	return r.Account, nil
}

// HA1 gives the hex digest of user:realm:password.
func (s *Accounts) HA1(ctx context.Context, a core.Address, alg core.Algorithm, full bool) (string, error) {
	r, err := s.record(ctx, a)
	if err != nil {
		return "", err
	}
	kind, ok := ha1Kind(alg, full)
	if !ok || r.Keys[kind] == nil {
		return "", core.ErrNoAccount
	}
	raw, err := s.unseal(a, kind, r.Keys[kind])
	if err != nil {
		return "", wrap("open the key of", a, err)
	}
	return hex.EncodeToString(raw), nil
}

// record reads an account through the cache, which remembers too who has none.
func (s *Accounts) record(ctx context.Context, a core.Address) (*Record, error) {
	r, found, epoch := s.cache.get(a)
	if found {
		if r == nil {
			return nil, core.ErrNoAccount
		}
		return r, nil
	}
	r, err := s.store.Get(ctx, a)
	switch {
	case errors.Is(err, core.ErrNoAccount):
		s.cache.put(a, nil, epoch)
		return nil, err
	case err != nil:
		return nil, wrap("read", a, err)
	}
	s.cache.put(a, r, epoch)
	return r, nil
}

func wrap(verb string, a core.Address, err error) error {
	if err == nil || errors.Is(err, core.ErrNoAccount) || errors.Is(err, ErrExists) {
		return err
	}
	return fmt.Errorf("account: %s %s: %w", verb, a, err)
}
