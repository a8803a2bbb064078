// Package secret keeps the server's key: 32 random bytes in the data folder, made at the
// first start, from which every other key is derived (RFC 5869, HKDF with SHA-256).
//
// Who has the database but not this file can't read what is sealed in it; who loses the
// file loses that too, so that a backup needs both.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	file = "secret.key"
	size = 32
)

// Key is the server's key.
type Key struct{ bytes [size]byte }

// Load reads the key of a data folder, or makes one if there is none. The caller holds
// the folder's lock.
func Load(dir string) (*Key, error) {
	path := filepath.Join(dir, file)
	k, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		k, err = create(dir, path)
	}
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	return k, nil
}

func read(path string) (*Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): make it 0600", path, mode)
	}
	if info.Size() != size {
		return nil, fmt.Errorf("%s has %d bytes, not %d: it is damaged, or is none of ours", path, info.Size(), size)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	k := &Key{}
	if copy(k.bytes[:], b) != size {
		return nil, fmt.Errorf("%s changed while it was read", path)
	}
	return k, nil
}

// create writes the key under another name first: a crash on the way leaves no half key.
func create(dir, path string) (*Key, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	k := &Key{}
	rand.Read(k.bytes[:])
	if err := writeSynced(path+".new", k.bytes[:]); err != nil {
		return nil, err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, err
	}
	return k, syncDir(dir)
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// New is a key of these bytes.
func New(b [size]byte) *Key { return &Key{bytes: b} }

// Derive gives n bytes (at most 255*32) for a purpose; each label has bytes of its own.
func (k *Key) Derive(label string, n int) ([]byte, error) {
	b, err := hkdf.Key(sha256.New, k.bytes[:], nil, "parley "+label, n)
	if err != nil {
		return nil, fmt.Errorf("secret: derive %s: %w", label, err)
	}
	return b, nil
}

// Box seals small secrets under a key derived for one label.
type Box struct{ aead cipher.AEAD }

// ErrSealed is what Open returns for what was not sealed under this key for this use.
var ErrSealed = errors.New("secret: sealed under another key, or for another use, or damaged")

// boxVersion is the first byte of what a Box seals, so that the form can change.
const boxVersion = 1

// Box gives the box of a label: AES-256-GCM with a random nonce.
func (k *Key) Box(label string) (*Box, error) {
	key, err := k.Derive(label, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	return &Box{aead: aead}, nil
}

// Seal encrypts plain so that it opens only together with use: what it is and whose.
func (b *Box) Seal(plain, use []byte) []byte {
	return b.aead.Seal([]byte{boxVersion}, nil, plain, use)
}

// Open is Seal backwards.
func (b *Box) Open(sealed, use []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != boxVersion {
		return nil, ErrSealed
	}
	plain, err := b.aead.Open(nil, nil, sealed[1:], use)
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}
