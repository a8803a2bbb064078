package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// own is a configuration without files, at a time.
func own(dir string, now time.Time, domains ...string) Config {
	return Config{Folder: dir, Domains: domains, Now: func() time.Time { return now }}
}

func open(t *testing.T, c Config) *Source {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, own(dir, noon, "example.org", "example.net"))
	leaf := s.current.Load().Leaf
	for _, name := range []string{"example.org", "example.net", "localhost", "127.0.0.1", "::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Errorf("not good for %s: %v", name, err)
		}
	}
	if k, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
		t.Errorf("key is %T, want ECDSA P-256", leaf.PublicKey)
	}
	if len(leaf.URIs) != 2 || leaf.URIs[0].String() != "sip:example.org" {
		t.Errorf("URIs are %v", leaf.URIs)
	}
	if leaf.Subject.CommonName != "example.org" {
		t.Errorf("common name %q", leaf.Subject.CommonName)
	}
	info := s.Info()
	if !info.SelfSigned || !info.Until.Equal(noon.Add(365*24*time.Hour)) || len(strings.Split(info.Fingerprint, ":")) != 32 {
		t.Errorf("info is %+v", info)
	}
	if !slices.Contains(info.Names, "example.org") || !slices.Contains(info.Names, "::1") {
		t.Errorf("names are %v", info.Names)
	}
	for name, mode := range map[string]os.FileMode{keyFile: 0o600, certificateFile: 0o644} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v; want %v", name, st.Mode(), err, mode)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("the folder holds %v, want the two files", files)
	}
}

func TestOwnCertificateIsKeptAndRenewed(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, x := range []struct {
		name    string
		later   time.Duration
		domains []string
		spoil   func(dir string) error
		renewed bool
	}{
		{"the next day", day, []string{"example.org"}, nil, false},
		{"31 days before its end", 334 * day, []string{"example.org"}, nil, false},
		{"29 days before its end", 336 * day, []string{"example.org"}, nil, true},
		{"after its end", 500 * day, []string{"example.org"}, nil, true},
		{"by a clock that went back", -day, []string{"example.org"}, nil, true},
		{"with another domain", day, []string{"example.org", "example.net"}, nil, true},
		{"with one domain fewer", day, nil, nil, false},
		{"with the key gone", day, []string{"example.org"}, func(dir string) error {
			return os.Remove(filepath.Join(dir, keyFile))
		}, true},
		{"with a damaged certificate", day, []string{"example.org"}, func(dir string) error {
			return os.WriteFile(filepath.Join(dir, certificateFile), []byte("x"), 0o600)
		}, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			before := open(t, own(dir, noon, "example.org")).Info()
			if x.spoil != nil {
				if err := x.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			after := open(t, own(dir, noon.Add(x.later), x.domains...)).Info()
			if renewed := before.Fingerprint != after.Fingerprint; renewed != x.renewed {
				t.Errorf("renewed: %v, want %v", renewed, x.renewed)
			}
		})
	}
}

// files makes a certificate for a domain and gives it as an operator's files.
func files(t *testing.T, domain string) (certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	open(t, own(dir, noon, domain))
	return filepath.Join(dir, certificateFile), filepath.Join(dir, keyFile)
}

func TestReload(t *testing.T) {
	t.Parallel()
	a, aKey := files(t, "a.example")
	b, bKey := files(t, "b.example")
	s := open(t, Config{Certificate: a, Key: aKey, Domains: []string{"a.example"}})
	first := s.Info().Fingerprint

	if err := s.Reload(a, bKey); err == nil {
		t.Error("a key that doesn't fit its certificate is taken")
	}
	if err := s.Reload(a, ""); !errors.Is(err, ErrHalf) {
		t.Errorf("without a key: %v, want ErrHalf", err)
	}
	if err := s.Reload(filepath.Join(t.TempDir(), "none.pem"), bKey); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("with a file that is not there: %v, want an error that names it", err)
	}
	if s.Info().Fingerprint != first {
		t.Error("a failed reload has changed the certificate")
	}
	if err := s.Reload(b, bKey); err != nil || s.Info().Fingerprint == first {
		t.Errorf("reload: %v, or still the old certificate", err)
	}
}

func TestWarnsOfWhatPeersDislike(t *testing.T) {
	t.Parallel()
	certificate, key := files(t, "a.example")
	for _, x := range []struct {
		name, want string
		now        time.Time
		domain     string
	}{
		{"fine", "", noon, "a.example"},
		{"expired", "has expired", noon.Add(9000 * time.Hour), "a.example"},
		{"early", "not valid yet", noon.Add(-9000 * time.Hour), "a.example"},
		{"another domain", "not made for a domain", noon, "b.example"},
	} {
		var log strings.Builder
		open(t, Config{
			Certificate: certificate, Key: key, Domains: []string{x.domain},
			Now: func() time.Time { return x.now }, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if !strings.Contains(log.String(), x.want) || (x.want == "" && log.Len() > 0) {
			t.Errorf("%s: the log says %q, want %q", x.name, log.String(), x.want)
		}
	}
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	if _, err := Open(own(filepath.Join(t.TempDir(), "none"), noon)); err == nil {
		t.Error("a certificate is made in a folder that is not there")
	}
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	s := open(t, own(t.TempDir(), time.Now(), "example.org"))
	roots := x509.NewCertPool()
	roots.AddCert(s.current.Load().Leaf)
	for _, x := range []struct {
		name   string
		client *tls.Config
		ok     bool
	}{
		{"one that trusts it", &tls.Config{RootCAs: roots, ServerName: "example.org"}, true},
		{"one that wants another name", &tls.Config{RootCAs: roots, ServerName: "example.net"}, false},
		{"one that doesn't know it", &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "example.org"}, false},
		{"one that speaks TLS 1.2 at most", &tls.Config{RootCAs: roots, ServerName: "example.org", MaxVersion: tls.VersionTLS12}, false},
	} {
		if err := handshake(t, s.TLS(tls.VersionTLS13), x.client); (err == nil) != x.ok {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// handshake says how it ends for the client.
func handshake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), client)
	if err == nil {
		err = c.Close()
	}
	_ = l.Close()
	<-done
	return err
}
