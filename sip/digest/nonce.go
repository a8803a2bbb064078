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
	Stale                  // ours, but too old: challenge again with stale=true (rfc7616#3.3)
	Fresh
)

// Nonces makes nonces that prove themselves: a time and random bytes under a MAC. Nothing is
// kept for them, so asking for many costs the server nothing. It is safe for use from any
// goroutine. Nodes that share a key accept each other's nonces.
type Nonces struct {
	key      []byte
	lifetime time.Duration

	Rand io.Reader // crypto/rand's if nil; set it before use
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

// Check judges a nonce that a peer sent back.
func (n *Nonces) Check(nonce string, now time.Time) Freshness {
	var raw [nonceLen]byte
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceLen) {
		return Bad
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(nonce)); err != nil {
		return Bad
	}
	if !hmac.Equal(raw[timeLen+randomLen:], n.mac(raw[:timeLen+randomLen])) {
		return Bad
	}
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(raw[:timeLen]))) // we wrote it
	if age := now.Sub(made); age > n.lifetime || age < -skew {
		return Stale
	}
	return Fresh
}
