package webrtc

import (
	"fmt"

	"github.com/pion/dtls/v3"

	"parley/media/srtp"
)

const label = "EXTRACTOR-dtls_srtp" // rfc5764#4.2

// profiles are those of rfc5764#4.1.2 and rfc7714#14.2, the cheapest first.
func profiles() []dtls.SRTPProtectionProfile {
	return []dtls.SRTPProtectionProfile{
		dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80,
	}
}

// keys encrypt and decrypt.
type keys struct {
	in  *srtp.Opener
	out *srtp.Sealer
}

// keysOf takes the keys out of a handshake; theirs are the client's if they are active.
func keysOf(conn *dtls.Conn, active bool) (*keys, error) {
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	state, done := conn.ConnectionState()
	if !ok || !done {
		return nil, fmt.Errorf("%w: no SRTP profile in common", ErrDTLS)
	}
	suite := srtp.Suite(chosen)
	key, salt := srtp.Lengths(suite)
	if key == 0 {
		return nil, fmt.Errorf("%w: SRTP profile %d", ErrDTLS, chosen)
	}
	material, err := state.ExportKeyingMaterial(label, nil, 2*(key+salt))
	if err != nil {
		return nil, err
	}
	// rfc5764#4.2: client's key, server's key, client's salt, server's salt
	client := append(material[:key:key], material[2*key:2*key+salt]...)
	server := append(material[key:2*key:2*key], material[2*key+salt:]...)
	if active {
		return newKeys(suite, client, server)
	}
	return newKeys(suite, server, client)
}

func newKeys(suite srtp.Suite, theirs, ours []byte) (*keys, error) {
	in, err := srtp.NewKey(suite, theirs)
	if err != nil {
		return nil, err
	}
	out, err := srtp.NewKey(suite, ours)
	if err != nil {
		return nil, err
	}
	k := &keys{}
	if k.in, err = srtp.NewOpener(suite, in, nil); err != nil {
		return nil, err
	}
	k.out, err = srtp.NewSealer(suite, out)
	return k, err
}
