package sasl

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/xdg-go/scram"
)

// certificate is a server's, signed by its own key.
func certificate(t *testing.T, key crypto.Signer, alg x509.SignatureAlgorithm) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example.org"}, DNSNames: []string{"example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: alg,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// shake is a handshake: both ends' states.
func shake(t *testing.T, cert tls.Certificate, version uint16) (server, client tls.ConnectionState) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	s := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version})
	c := tls.Client(b, &tls.Config{InsecureSkipVerify: true})
	done := make(chan error, 1)
	go func() { done <- s.HandshakeContext(t.Context()) }()
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A server's last flight of TLS 1.3 is session tickets, which nobody reads here.
	_ = b.SetDeadline(time.Now().Add(time.Second))
	go func() { _, _ = c.Read(make([]byte, 1)) }()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return s.ConnectionState(), c.ConnectionState()
}

func TestBothEndsOfAConnectionHaveTheSameBindings(t *testing.T) {
	t.Parallel()
	curve := func(c elliptic.Curve) crypto.Signer {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key      crypto.Signer
		alg      x509.SignatureAlgorithm
		version  uint16
		exporter bool
		endPoint bool
	}{
		"TLS 1.3, P-256":                {curve(elliptic.P256()), x509.ECDSAWithSHA256, tls.VersionTLS13, true, true},
		"TLS 1.3, P-384 and SHA-384":    {curve(elliptic.P384()), x509.ECDSAWithSHA384, tls.VersionTLS13, true, true},
		"TLS 1.3, P-521 and SHA-512":    {curve(elliptic.P521()), x509.ECDSAWithSHA512, tls.VersionTLS13, true, true},
		"TLS 1.3, RSA-PSS":              {rsaKey, x509.SHA384WithRSAPSS, tls.VersionTLS13, true, true},
		"TLS 1.3, Ed25519 has no hash":  {edKey, x509.PureEd25519, tls.VersionTLS13, true, false},
		"TLS 1.2 binds the certificate": {rsaKey, x509.SHA256WithRSA, tls.VersionTLS12, false, true},
		"TLS 1.2, Ed25519: none at all": {edKey, x509.PureEd25519, tls.VersionTLS12, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cert := certificate(t, c.key, c.alg)
			server, client := shake(t, cert, c.version)
			got := map[string]string{}
			for _, b := range Bindings(&server, cert.Leaf) {
				got[b.Type] = string(b.Data)
			}
			want := map[string]string{}
			if c.exporter {
				b, err := scram.NewTLSExporterBinding(&client)
				if err != nil {
					t.Fatal(err)
				}
				want["tls-exporter"] = string(b.Data)
			}
			if c.endPoint {
				b, err := scram.NewTLSServerEndpointBinding(&client)
				if err != nil {
					t.Fatal(err)
				}
				want["tls-server-end-point"] = string(b.Data)
			}
			if len(got) != len(want) {
				t.Errorf("%d bindings, want %d: %v", len(got), len(want), got)
			}
			for kind, data := range want {
				if got[kind] != data {
					t.Errorf("the ends have different data for %s", kind)
				}
			}
		})
	}
}

func TestCertificateSignedWithAWeakHashIsBoundBySHA256(t *testing.T) {
	t.Parallel()
	for _, a := range []x509.SignatureAlgorithm{x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1} {
		if h := endPointHash(a); h != crypto.SHA256 { // rfc5929#4.1
			t.Errorf("%v is bound by %v", a, h)
		}
	}
}
