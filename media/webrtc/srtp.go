package webrtc

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/pion/dtls/v3"
	pion "github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"parley/media/rtp"
)

const (
	label     = "EXTRACTOR-dtls_srtp" // rfc5764#4.2
	window    = 128                   // for replayed packets (rfc3711#3.3.2)
	maxSource = 16                    // SSRCs that a peer may have used
)

// profiles are those of rfc5764#4.1.2 and rfc7714#14.2, the cheapest first.
func profiles() []dtls.SRTPProtectionProfile {
	return []dtls.SRTPProtectionProfile{
		dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80,
	}
}

// keys encrypt and decrypt. What comes in is decrypted by one goroutine, which sources belongs to.
type keys struct {
	in      *srtp.Context
	inHead  pion.Header // to be used again
	sources map[uint32]struct{}

	mu      sync.Mutex
	out     *srtp.Context
	outHead pion.Header
	sealed  []byte
}

// keysOf takes the keys out of a handshake; theirs are the client's if they are active.
func keysOf(conn *dtls.Conn, active bool) (*keys, error) {
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	state, done := conn.ConnectionState()
	if !ok || !done {
		return nil, fmt.Errorf("%w: no SRTP profile in common", ErrDTLS)
	}
	profile := srtp.ProtectionProfile(chosen)
	key, err := profile.KeyLen()
	if err != nil {
		return nil, err
	}
	salt, err := profile.SaltLen()
	if err != nil {
		return nil, err
	}
	material, err := state.ExportKeyingMaterial(label, nil, 2*(key+salt))
	if err != nil {
		return nil, err
	}
	// rfc5764#4.2: client's key, server's key, client's salt, server's salt
	client := [2][]byte{material[:key], material[2*key : 2*key+salt]}
	server := [2][]byte{material[key : 2*key], material[2*key+salt:]}
	theirs, ours := server, client
	if active {
		theirs, ours = client, server
	}
	k := &keys{sources: map[uint32]struct{}{}}
	if k.in, err = srtp.CreateContext(theirs[0], theirs[1], profile,
		srtp.SRTPReplayProtection(window), srtp.SRTCPReplayProtection(window)); err != nil {
		return nil, err
	}
	k.out, err = srtp.CreateContext(ours[0], ours[1], profile)
	return k, err
}

// known counts the sources that a peer has used: what is kept of each must not grow without end.
func (k *keys) known(source uint32) bool {
	if _, ok := k.sources[source]; ok {
		return true
	}
	return len(k.sources) < maxSource
}

func (k *keys) openRTP(dst, b []byte) ([]byte, bool) {
	if !rtp.IsRTP(b) {
		return nil, false
	}
	source := binary.BigEndian.Uint32(b[8:])
	if !k.known(source) {
		return nil, false
	}
	out, err := k.in.DecryptRTP(dst, b, &k.inHead)
	if err != nil {
		return nil, false
	}
	k.sources[source] = struct{}{}
	return out, true
}

func (k *keys) openRTCP(dst, b []byte) ([]byte, bool) {
	source := binary.BigEndian.Uint32(b[4:])
	if !k.known(source) {
		return nil, false
	}
	out, err := k.in.DecryptRTCP(dst, b, nil)
	if err != nil {
		return nil, false
	}
	k.sources[source] = struct{}{}
	return out, true
}

// sealRTP encrypts a packet and has it sent, in the order of the sequence.
func (k *keys) sealRTP(b []byte, send func([]byte)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	out, err := k.out.EncryptRTP(k.sealed[:0], b, &k.outHead)
	if err == nil {
		k.sealed = out
		send(out)
	}
	return err
}

func (k *keys) sealRTCP(b []byte, send func([]byte)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	out, err := k.out.EncryptRTCP(k.sealed[:0], b, nil)
	if err == nil {
		k.sealed = out
		send(out)
	}
	return err
}
