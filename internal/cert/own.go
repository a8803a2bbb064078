package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// An own certificate lives for a year, and is made anew at the first start or reload within
// the last 30 days of it.
const (
	lifetime = 365 * 24 * time.Hour
	renewal  = 30 * 24 * time.Hour
)

// Names of the files in the data folder.
const (
	certificateFile = "self-signed.crt"
	keyFile         = "self-signed.key"
)

// own gives the server's own certificate, made now if there is none that will do.
func (c Config) own() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(c.Folder, certificateFile), filepath.Join(c.Folder, keyFile))
	var why string
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = "there is none"
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("cert: read the own certificate: %w", err)
	case err != nil: // a crash between writing the two, or a damaged file
		why = err.Error()
	default:
		why = c.unfit(pair.Leaf)
	}
	if why == "" {
		return &pair, nil
	}
	made, err := c.make()
	if err != nil {
		return nil, fmt.Errorf("cert: make an own certificate: %w", err)
	}
	c.Log.Info("made a certificate", "why", why, "until", made.Leaf.NotAfter, "sha256", fingerprint(made.Leaf))
	return made, nil
}

// unfit says why an own certificate has to be replaced; "" if it has not.
func (c Config) unfit(leaf *x509.Certificate) string {
	now := c.Now()
	if left := leaf.NotAfter.Sub(now); left < renewal {
		return "the old one ends soon"
	}
	if now.Before(leaf.NotBefore) {
		return "the old one is not valid yet"
	}
	for _, name := range c.names() {
		if leaf.VerifyHostname(name) != nil {
			return "the old one is not made for " + name
		}
	}
	return ""
}

// names are what an own certificate is good for, the server's own name first.
func (c Config) names() []string {
	names := slices.Clone(c.Domains)
	if !slices.Contains(names, "localhost") {
		names = append(names, "localhost")
	}
	return names
}

func (c Config) make() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := c.template()
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	if err := replace(filepath.Join(c.Folder, keyFile), private, 0o600); err != nil {
		return nil, err
	}
	if err := replace(filepath.Join(c.Folder, certificateFile), certificate, 0o644); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, private)
	return &pair, err
}

func (c Config) template() *x509.Certificate {
	now := c.Now()
	serial := make([]byte, 16)
	_, _ = rand.Read(serial) // never fails
	serial[0] &= 0x7f        // rfc5280#4.1.2.2
	t := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               pkix.Name{CommonName: c.names()[0], Organization: []string{"parley, self-signed"}},
		NotBefore:             now.Add(-time.Hour), // for a phone whose clock is behind
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		DNSNames:              c.names(),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, d := range c.Domains { // rfc5922#7.1
		t.URIs = append(t.URIs, &url.URL{Scheme: "sip", Opaque: d})
	}
	return t
}

// replace writes a file whole or not at all.
func replace(name string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
