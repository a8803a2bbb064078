package webrtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

var errFingerprint = errors.New("webrtc: the certificate is not the one that signalling told of")

// Identity is the certificate that we show in DTLS. It proves nothing by itself: signalling tells the peer its
// fingerprint (rfc5763#3).
type Identity struct {
	certificate tls.Certificate
	fingerprint string
}

// NewIdentity makes a certificate for as long as the process runs. Its dates are not looked at by peers.
func NewIdentity(now time.Time) (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("webrtc: make key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("webrtc: make serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("webrtc: make certificate: %w", err)
	}
	return &Identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		fingerprint: "sha-256 " + fingerprint(sum256(der)),
	}, nil
}

// Fingerprint is the certificate's, as a description has it (rfc8122#5).
func (i *Identity) Fingerprint() string { return i.fingerprint }

func sum256(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sum384(b []byte) []byte { s := sha512.Sum384(b); return s[:] }
func sum512(b []byte) []byte { s := sha512.Sum512(b); return s[:] }

func fingerprint(sum []byte) string {
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	return strings.Join(pairs, ":")
}

// verify holds a certificate against what signalling told of it. Hashes that can be forged don't count (rfc8122#5.1).
func verify(certificates [][]byte, fingerprints []string) error {
	if len(certificates) == 0 {
		return errFingerprint
	}
	for _, f := range fingerprints {
		hash, value, _ := strings.Cut(f, " ")
		var sum []byte
		switch strings.ToLower(hash) {
		case "sha-256":
			sum = sum256(certificates[0])
		case "sha-384":
			sum = sum384(certificates[0])
		case "sha-512":
			sum = sum512(certificates[0])
		default:
			continue
		}
		if strings.EqualFold(fingerprint(sum), strings.TrimSpace(value)) {
			return nil
		}
	}
	return errFingerprint
}
