// Package srtp encrypts and decrypts RTP and RTCP (RFC 3711, RFC 7714) for one end of a call, with keys that others have
// agreed on: DTLS, or the two descriptions of a call (RFC 4568). Each direction has a key of its own.
package srtp

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	pion "github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"parley/media/rtp"
)

// ErrKey says that a key doesn't fit its suite.
var ErrKey = errors.New("srtp: the key does not fit the suite")

const (
	window     = 512 // for replayed packets (rfc3711#3.3.2): half a second of large video
	maxSources = 16  // SSRCs that a peer may have used
)

// Suite says how packets are encrypted and authenticated.
type Suite = srtp.ProtectionProfile

// The suites.
const (
	AES128CM80 Suite = srtp.ProtectionProfileAes128CmHmacSha1_80
	AES128CM32 Suite = srtp.ProtectionProfileAes128CmHmacSha1_32
	AES256CM80 Suite = srtp.ProtectionProfileAes256CmHmacSha1_80
	AES256CM32 Suite = srtp.ProtectionProfileAes256CmHmacSha1_32
	AES128GCM  Suite = srtp.ProtectionProfileAeadAes128Gcm
	AES256GCM  Suite = srtp.ProtectionProfileAeadAes256Gcm
)

// Lengths are those of a suite's master key and salt; 0 for a suite that is not known.
func Lengths(s Suite) (key, salt int) {
	key, err := s.KeyLen()
	if err != nil {
		return 0, 0
	}
	if salt, err = s.SaltLen(); err != nil {
		return 0, 0
	}
	return key, salt
}

// Key is a master key and its salt. It never shows in a log.
type Key struct{ master, salt []byte }

// NewKey takes a key with its salt behind it, as a description has them (rfc4568#6.1).
func NewKey(s Suite, keySalt []byte) (Key, error) {
	key, salt := Lengths(s)
	if key == 0 || len(keySalt) != key+salt {
		return Key{}, ErrKey
	}
	return Key{keySalt[:key:key], keySalt[key:]}, nil
}

// RandomKey makes a key for a suite.
func RandomKey(s Suite) []byte {
	key, salt := Lengths(s)
	b := make([]byte, key+salt)
	_, _ = rand.Read(b) // never fails
	return b
}

func (Key) String() string   { return "srtp.Key" }
func (Key) GoString() string { return "srtp.Key" }

// Opener decrypts what a peer sends.
type Opener struct {
	mu      sync.Mutex
	in      *srtp.Context
	head    pion.Header // to be used again
	sources map[uint32]struct{}
}

// NewOpener makes one. MKI, if not nil, is the name that the peer puts into its packets for the key (rfc3711#3.1).
func NewOpener(s Suite, k Key, mki []byte) (*Opener, error) {
	in, err := srtp.CreateContext(k.master, k.salt, s, srtp.SRTPReplayProtection(window), srtp.SRTCPReplayProtection(window),
		srtp.MasterKeyIndicator(mki))
	if err != nil {
		return nil, fmt.Errorf("srtp: take key: %w", err)
	}
	return &Opener{in: in, sources: map[uint32]struct{}{}}, nil
}

// known counts the sources that a peer has used: what is kept of each must not grow without end.
func (o *Opener) known(source uint32) bool {
	if _, ok := o.sources[source]; ok {
		return true
	}
	return len(o.sources) < maxSources
}

// RTP writes what a packet holds into dst; it is false for one that is not the peer's, or came before.
func (o *Opener) RTP(dst, b []byte) ([]byte, bool) {
	if !rtp.IsRTP(b) {
		return nil, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	source := binary.BigEndian.Uint32(b[8:])
	if !o.known(source) {
		return nil, false
	}
	out, err := o.in.DecryptRTP(dst, b, &o.head)
	if err != nil {
		return nil, false
	}
	o.sources[source] = struct{}{}
	return out, true
}

// RTCP does the same with RTCP.
func (o *Opener) RTCP(dst, b []byte) ([]byte, bool) {
	if !rtp.IsRTCP(b) {
		return nil, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	source := binary.BigEndian.Uint32(b[4:])
	if !o.known(source) {
		return nil, false
	}
	out, err := o.in.DecryptRTCP(dst, b, nil)
	if err != nil {
		return nil, false
	}
	o.sources[source] = struct{}{}
	return out, true
}

// Sealer encrypts what we send.
type Sealer struct {
	mu     sync.Mutex
	out    *srtp.Context
	head   pion.Header
	sealed []byte
}

// NewSealer makes one.
func NewSealer(s Suite, k Key) (*Sealer, error) {
	out, err := srtp.CreateContext(k.master, k.salt, s)
	if err != nil {
		return nil, fmt.Errorf("srtp: take key: %w", err)
	}
	return &Sealer{out: out}, nil
}

// RTP encrypts a packet and has it sent, in the order of the sequence.
func (s *Sealer) RTP(b []byte, send func([]byte)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, err := s.out.EncryptRTP(s.sealed[:0], b, &s.head)
	if err == nil {
		s.sealed = out
		send(out)
	}
	return err
}

// RTCP does the same with a compound packet.
func (s *Sealer) RTCP(b []byte, send func([]byte)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, err := s.out.EncryptRTCP(s.sealed[:0], b, nil)
	if err == nil {
		s.sealed = out
		send(out)
	}
	return err
}
