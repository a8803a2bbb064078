// Package device keeps the tokens by which a person's devices sign in over both protocols: OAUTHBEARER (RFC 7628) for XMPP,
// Bearer (RFC 8898) for SIP.
//
// A token is an id and 256 random bits, of which only the hash is stored. It is made at a sign-in by password, and good
// until it is revoked or has not been used for long.
package device

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"parley/internal/core"
	"parley/internal/db"
)

// Record is a device as it is stored.
type Record struct {
	core.Device
	Hash []byte
}

// Use is when and from where a device was used last.
type Use struct {
	ID, Source string
	At         time.Time
}

// Store keeps devices.
type Store interface {
	// Get finds one or returns core.ErrNoDevice.
	Get(ctx context.Context, id string) (Record, error)
	// List gives those of an account, the oldest first.
	List(ctx context.Context, a core.Address) ([]Record, error)
	// Add puts one beside those that the account has, but for those which choose drops of them.
	Add(ctx context.Context, d Record, choose func(now []Record) (drop []string, err error)) (dropped []string, err error)
	// SetHash replaces a hash that is still the old one; else core.ErrNoDevice.
	SetHash(ctx context.Context, id string, old, hash []byte) error
	// Delete removes one of an account, or returns core.ErrNoDevice.
	Delete(ctx context.Context, a core.Address, id string) error
	DeleteAll(ctx context.Context, a core.Address) (gone []Record, err error)
	// Expire deletes some of those that were last used before a time.
	Expire(ctx context.Context, before time.Time) (gone []Record, err error)
	Touch(ctx context.Context, uses []Use) error
}

// Config of Devices; zero fields take their defaults.
type Config struct {
	// Ended is told of every device that is signed out, to end what it has connected.
	Ended func(ctx context.Context, a core.Address, id string)
	// Connected tells of the devices of an account, or of all if it is zero, that are connected now: they are in use without
	// showing their token again.
	Connected func(a core.Address, each func(id, source string))
	// Unused is how long a token is good without being used; default 90 days.
	Unused time.Duration
	// PerAccount is how many devices an account may have; default 20.
	PerAccount int
	// Cache is how many are held in memory; default 20000, about 400 bytes each.
	Cache int
	Now   func() time.Time
	Rand  io.Reader // default crypto/rand
	Log   *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Ended == nil {
		c.Ended = func(context.Context, core.Address, string) {}
	}
	if c.Connected == nil {
		c.Connected = func(core.Address, func(id, source string)) {}
	}
	c.Unused = cmp.Or(c.Unused, 90*24*time.Hour)
	c.PerAccount = cmp.Or(c.PerAccount, 20)
	c.Cache = cmp.Or(c.Cache, 20000)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// inUse is how lately a device has to have been used not to give way to a new one.
const inUse = time.Hour

// Devices are the devices of all accounts. They implement core.Devices.
type Devices struct {
	cfg   Config
	store Store
	cache *cache
}

var _ core.Devices = (*Devices)(nil)

// New makes Devices over a store.
func New(cfg Config, store Store) *Devices {
	cfg = cfg.withDefaults()
	return &Devices{cfg: cfg, store: store, cache: newCache(cfg.Cache)}
}

// Create makes a device of an account that has just proved its password, and gives its token, which is not to be had again.
// core.TooMany is the reason of the error if the account has too many devices that are in use.
func (d *Devices) Create(ctx context.Context, a core.Address, name, kind, source string) (core.Device, string, error) {
	id, err := d.newID()
	if err != nil {
		return core.Device{}, "", err
	}
	token, hash, err := d.newToken(id)
	if err != nil {
		return core.Device{}, "", err
	}
	now := d.cfg.Now()
	r := Record{Hash: hash, Device: core.Device{
		ID: id, Account: a, Name: clean(name, maxName), Kind: clean(kind, maxKind), Source: source, Created: now, Used: now,
	}}
	d.see(a)
	dropped, err := d.store.Add(ctx, r, func(list []Record) ([]string, error) { return d.makeRoom(list, now) })
	if errors.Is(err, ErrFull) {
		return core.Device{}, "", core.Fail(core.TooMany, "the account has too many devices that are in use", err)
	}
	if err != nil {
		return core.Device{}, "", err
	}
	for _, old := range dropped {
		d.ended(ctx, a, old)
	}
	d.cfg.Log.Info("device signed in", "account", a.String(), "device", id, "source", source)
	return d.shown(r.Device), token, nil
}

// The longest names that are kept, in bytes.
const (
	maxName = 100
	maxKind = 20
)

// clean makes a name of what a client says: one line, not too long.
func clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(text, ""))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return strings.TrimSpace(text)
}

func (d *Devices) newID() (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(d.cfg.Rand, b[:]); err != nil {
		return "", fmt.Errorf("device: draw an id: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])), nil
}

const secretSize = 32

func (d *Devices) newToken(id string) (token string, hash []byte, err error) {
	secret := make([]byte, secretSize)
	if _, err := io.ReadFull(d.cfg.Rand, secret); err != nil {
		return "", nil, fmt.Errorf("device: draw a token: %w", err)
	}
	sum := sha256.Sum256(secret)
	return id + "." + base64.RawURLEncoding.EncodeToString(secret), sum[:], nil
}

// split reads a token.
func split(token string) (id string, hash []byte, ok bool) {
	id, text, found := strings.Cut(token, ".")
	if !found || len(id) > 20 || len(text) != base64.RawURLEncoding.EncodedLen(secretSize) {
		return "", nil, false
	}
	secret, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(secret) != secretSize {
		return "", nil, false
	}
	sum := sha256.Sum256(secret)
	return id, sum[:], true
}

// makeRoom chooses what gives way to one more device: what was unused for longest.
func (d *Devices) makeRoom(list []Record, now time.Time) (drop []string, err error) {
	over := len(list) + 1 - d.cfg.PerAccount
	if over <= 0 {
		return nil, nil
	}
	for i := range list {
		list[i].Used = d.cache.used(list[i].ID, list[i].Used)
	}
	slices.SortStableFunc(list, func(x, y Record) int { return x.Used.Compare(y.Used) })
	for _, r := range list[:over] {
		if now.Sub(r.Used) < inUse {
			return nil, ErrFull
		}
		drop = append(drop, r.ID)
	}
	return drop, nil
}

// see notes the use of what is connected.
func (d *Devices) see(a core.Address) {
	now := d.cfg.Now()
	d.cfg.Connected(a, func(id, source string) { d.cache.touch(Use{ID: id, Source: source, At: now}) })
}

// Token implements core.Devices.
func (d *Devices) Token(ctx context.Context, token, source string) (core.Device, error) {
	r, err := d.verify(ctx, token)
	if err != nil {
		return core.Device{}, err
	}
	now := d.cfg.Now()
	d.cache.touch(Use{ID: r.ID, Source: source, At: now})
	r.Used, r.Source = now, source
	return d.shown(r.Device), nil
}

func (d *Devices) verify(ctx context.Context, token string) (Record, error) {
	id, hash, ok := split(token)
	if !ok {
		return Record{}, core.ErrNoDevice
	}
	r, err := d.record(ctx, id)
	if err != nil {
		return Record{}, err
	}
	if subtle.ConstantTimeCompare(r.Hash, hash) != 1 || d.expired(r) {
		return Record{}, core.ErrNoDevice
	}
	return r, nil
}

func (d *Devices) expired(r Record) bool {
	return d.cfg.Now().Sub(d.cache.used(r.ID, r.Used)) >= d.cfg.Unused
}

// record reads a device through the cache.
func (d *Devices) record(ctx context.Context, id string) (Record, error) {
	r, found, epoch := d.cache.get(id)
	if found {
		return r, nil
	}
	r, err := d.store.Get(ctx, id)
	if err == nil {
		d.cache.put(r, epoch)
	}
	return r, err
}

// Stands implements core.Devices.
func (d *Devices) Stands(ctx context.Context, a core.Address, id string) bool {
	r, err := d.record(ctx, id)
	if err != nil && !errors.Is(err, core.ErrNoDevice) {
		d.cfg.Log.Error("a device could not be looked up", "account", a.String(), "device", id, "err", err)
	}
	return err == nil && r.Account == a
}

// Rotate gives a device a new token in place of one that is good. What it has connected stays.
func (d *Devices) Rotate(ctx context.Context, token, source string) (core.Device, string, error) {
	r, err := d.verify(ctx, token)
	if err != nil {
		return core.Device{}, "", err
	}
	next, hash, err := d.newToken(r.ID)
	if err != nil {
		return core.Device{}, "", err
	}
	err = d.store.SetHash(ctx, r.ID, r.Hash, hash)
	d.cache.drop(r.ID)
	if err != nil {
		return core.Device{}, "", err
	}
	d.cache.touch(Use{ID: r.ID, Source: source, At: d.cfg.Now()})
	r.Used, r.Source = d.cfg.Now(), source
	return d.shown(r.Device), next, nil
}

// List gives the devices of an account, the oldest first.
func (d *Devices) List(ctx context.Context, a core.Address) ([]core.Device, error) {
	d.see(a)
	records, err := d.store.List(ctx, a)
	if err != nil {
		return nil, err
	}
	list := make([]core.Device, 0, len(records))
	for _, r := range records {
		if u, ok := d.cache.last(r.ID); ok {
			r.Used, r.Source = u.At, u.Source
		}
		if !d.expired(r) {
			list = append(list, d.shown(r.Device))
		}
	}
	return list, nil
}

func (d *Devices) shown(x core.Device) core.Device {
	x.Expires = x.Used.Add(d.cfg.Unused)
	return x
}

// Revoke signs a device out: its token is void, and what it has connected ends.
func (d *Devices) Revoke(ctx context.Context, a core.Address, id string) error {
	if err := d.store.Delete(ctx, a, id); err != nil {
		return err
	}
	d.ended(ctx, a, id)
	return nil
}

// RevokeAll signs all devices of an account out.
func (d *Devices) RevokeAll(ctx context.Context, a core.Address) error {
	gone, err := d.store.DeleteAll(ctx, a)
	for _, r := range gone {
		d.ended(ctx, r.Account, r.ID)
	}
	return err
}

// Forget drops all devices of an account that is gone.
func (d *Devices) Forget(ctx context.Context, a core.Address) error { return d.RevokeAll(ctx, a) }

// ended is called when a device is in the store no more.
func (d *Devices) ended(ctx context.Context, a core.Address, id string) {
	d.cache.drop(id)
	d.cfg.Ended(context.WithoutCancel(ctx), a, id)
	d.cfg.Log.Info("device signed out", "account", a.String(), "device", id)
}

// Flush writes the last uses.
func (d *Devices) Flush(ctx context.Context) error {
	uses := d.cache.take()
	if len(uses) == 0 {
		return nil
	}
	err := d.store.Touch(ctx, uses)
	if err != nil {
		for _, u := range uses {
			d.cache.touch(u)
		}
	}
	return err
}

// Sweep signs out what was not used for long.
func (d *Devices) Sweep(ctx context.Context) error {
	d.see(core.Address{})
	if err := d.Flush(ctx); err != nil {
		return err
	}
	gone, err := d.store.Expire(ctx, d.cfg.Now().Add(-d.cfg.Unused))
	for _, r := range gone {
		d.ended(ctx, r.Account, r.ID)
	}
	return err
}

// Run writes the last uses every minute and sweeps every hour until ctx ends, and writes once more then.
func (d *Devices) Run(ctx context.Context) {
	db.Upkeep{
		Of: "devices", Flush: d.Flush, Sweep: d.Sweep, FlushEvery: time.Minute, SweepEvery: time.Hour, Log: d.cfg.Log,
	}.Run(ctx)
}
