// Package cert holds the certificate that the server shows over TLS: that of the operator's
// files, or one that it makes and signs itself, kept in the data folder. Its names are the
// server's domains, as DNS names and as SIP URIs (RFC 5922).
package cert

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrHalf says that a certificate was given without its key, or the other way round.
var ErrHalf = errors.New("cert: a certificate needs its key, and a key its certificate")

// Config says where a certificate comes from.
type Config struct {
	// Certificate and Key are PEM files, the chain in the first. Both empty: the server makes its own.
	Certificate, Key string
	// Folder is the data folder, where an own certificate is kept.
	Folder string
	// Domains are what the certificate should be good for, as A-labels.
	Domains []string

	Now func() time.Time
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Source gives the certificate to each handshake. Its methods are safe from any goroutine.
type Source struct {
	reload  sync.Mutex
	config  Config
	current atomic.Pointer[tls.Certificate]
}

// Open reads or makes the certificate.
func Open(c Config) (*Source, error) {
	s := &Source{config: c.withDefaults()}
	return s, s.Reload(c.Certificate, c.Key)
}

// Reload reads the certificate again, from other files if they have changed. If that
// fails, the one before stays in use.
func (s *Source) Reload(certificate, key string) error {
	s.reload.Lock()
	defer s.reload.Unlock()
	c := s.config
	c.Certificate, c.Key = certificate, key
	pair, err := c.load()
	if err != nil {
		return err
	}
	s.config = c
	s.current.Store(pair)
	return nil
}

func (c Config) load() (*tls.Certificate, error) {
	switch {
	case c.Certificate == "" && c.Key == "":
		return c.own()
	case c.Certificate == "" || c.Key == "":
		return nil, ErrHalf
	}
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("cert: load %s and %s: %w", c.Certificate, c.Key, err)
	}
	c.warn(pair.Leaf)
	return &pair, nil
}

// warn logs what peers will not like about the operator's certificate.
func (c Config) warn(leaf *x509.Certificate) {
	now := c.Now()
	switch {
	case now.After(leaf.NotAfter):
		c.Log.Warn("the certificate has expired", "file", c.Certificate, "since", leaf.NotAfter)
	case now.Before(leaf.NotBefore):
		c.Log.Warn("the certificate is not valid yet", "file", c.Certificate, "from", leaf.NotBefore)
	}
	for _, d := range c.Domains {
		if err := leaf.VerifyHostname(d); err != nil {
			c.Log.Warn("the certificate is not made for a domain of this server", "file", c.Certificate, "domain", d)
		}
	}
}

// GetCertificate is for tls.Config.
func (s *Source) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return s.current.Load(), nil
}

// TLS is a server's configuration with this certificate, speaking no version older than min.
func (s *Source) TLS(minVersion uint16) *tls.Config {
	return &tls.Config{
		GetCertificate: s.GetCertificate,
		MinVersion:     max(minVersion, tls.VersionTLS12), // rfc8996
	}
}

// Info is what people are shown of the certificate in use.
type Info struct {
	SelfSigned  bool
	Names       []string
	Until       time.Time
	Fingerprint string // SHA-256, "AB:CD:..."
}

// Info describes the certificate in use.
func (s *Source) Info() Info {
	leaf := s.current.Load().Leaf
	i := Info{
		SelfSigned:  bytes.Equal(leaf.RawSubject, leaf.RawIssuer),
		Names:       slices.Clone(leaf.DNSNames),
		Until:       leaf.NotAfter,
		Fingerprint: fingerprint(leaf),
	}
	for _, ip := range leaf.IPAddresses {
		i.Names = append(i.Names, ip.String())
	}
	return i
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	return strings.Join(pairs, ":")
}
