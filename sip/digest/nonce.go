package digest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"time"
)

// Freshness is what a nonce is worth.
type Freshness int

// What Check says of a nonce.
const (
	Bad   Freshness = iota // not ours
	Stale                  // ours, but too old or used: challenge again with stale=true (rfc7616#3.3)
	Fresh
)

// Nonces makes nonces that prove themselves: a time and random bytes under a MAC. Nothing is
// kept for them before somebody has signed in with one, so asking for many costs the server
// nothing. It is safe for use from any goroutine. Nodes that share a key accept each other's nonces.
type Nonces struct {
	key      []byte
	lifetime time.Duration
	used     uses

	Rand io.Reader // crypto/rand's if nil; set it before use
	// Kept is how many nonces that were used are remembered, about 100 bytes each; 65536
	// if it is 0. Set it before use.
	Kept int
}

// DefaultLifetime is how long a nonce is good for if nothing else is said.
const DefaultLifetime = 5 * time.Minute

// skew is how far ahead another node's clock may be.
const skew = 30 * time.Second

// NewNonces makes nonces under a key of at least 16 bytes; without one, under a random
// key that this process alone knows. A lifetime of 0 is DefaultLifetime.
func NewNonces(key []byte, lifetime time.Duration) *Nonces {
	if len(key) < 16 {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails
	}
	if lifetime <= 0 {
		lifetime = DefaultLifetime
	}
	return &Nonces{key: key, lifetime: lifetime}
}

const (
	timeLen   = 8
	randomLen = 8
	macLen    = 16
	nonceLen  = timeLen + randomLen + macLen
)

// Make is a fresh nonce.
func (n *Nonces) Make(now time.Time) string {
	n.used.begin(now)
	var raw [nonceLen]byte
	binary.BigEndian.PutUint64(raw[:timeLen], uint64(now.UnixMilli())) // after 1970
	source := n.Rand
	if source == nil {
		source = rand.Reader
	}
	// Were the source to fail, the nonce would still be ours and of this millisecond.
	_, _ = io.ReadFull(source, raw[timeLen:timeLen+randomLen])
	copy(raw[timeLen+randomLen:], n.mac(raw[:timeLen+randomLen]))
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

func (n *Nonces) mac(b []byte) []byte {
	h := hmac.New(sha256.New, n.key)
	h.Write([]byte("digest nonce"))
	h.Write(b)
	return h.Sum(nil)[:macLen]
}

// id is what tells nonces apart: their time and random bytes.
type id [timeLen + randomLen]byte

func (i id) made() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(i[:timeLen]))) // we wrote it
}

// read gives the id of a nonce that we have made.
func (n *Nonces) read(nonce string) (i id, ok bool) {
	var raw [nonceLen]byte
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceLen) {
		return i, false
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(nonce)); err != nil {
		return i, false
	}
	return id(raw[:len(i)]), hmac.Equal(raw[len(i):], n.mac(raw[:len(i)]))
}

// Check judges a nonce that a peer sent back, but for whether it was used before.
func (n *Nonces) Check(nonce string, now time.Time) Freshness {
	i, ok := n.read(nonce)
	if !ok {
		return Bad
	}
	if age := now.Sub(i.made()); age > n.lifetime || age < -skew {
		return Stale
	}
	return Fresh
}
