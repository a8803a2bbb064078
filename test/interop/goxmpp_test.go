package interop

import (
	"crypto/tls"
	"testing"

	goxmpp "github.com/xmppo/go-xmpp"

	"parley/test/harness"
)

// TestAppsChannelBinding signs in by the library that later versions of go-sendxmpp are made of: the apps that Debian 12 has
// can't bind to TLS 1.3.
func TestAppsChannelBinding(t *testing.T) {
	t.Parallel()
	matrix(t, "go-xmpp signs in by [SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS] over starttls and tls, 1.2 and 1.3, and not with a wrong password")
	s, _ := host(t, alice)
	for _, mechanism := range []string{"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, direct := range []bool{false, true} {
				name := mechanism + ", " + tls.VersionName(version)
				if err := bound(t, s, mechanism, version, direct, user(alice, "").Password); err != nil {
					t.Errorf("%s, direct %v: %v", name, direct, err)
				}
				if err := bound(t, s, mechanism, version, direct, "guessed"); err == nil {
					t.Errorf("%s, direct %v: a wrong password is good", name, direct)
				}
			}
		}
	}
}

// bound signs in by a mechanism and is told of its address.
func bound(t *testing.T, s *harness.Server, mechanism string, version uint16, direct bool, password string) error {
	t.Helper()
	at := s.XMPP
	if direct {
		at = s.XMPPTLS
	}
	c, err := goxmpp.Options{
		Host: at.String(), User: s.Address(alice), Password: password, Resource: "bound", Mechanism: mechanism,
		NoTLS: !direct, StartTLS: !direct, DialTimeout: harness.Patience,
		TLSConfig: &tls.Config{
			InsecureSkipVerify: true, // the server's certificate is its own
			ServerName:         s.Domain, MinVersion: version, MaxVersion: version,
		},
	}.NewClient()
	if err != nil {
		return err
	}
	defer c.Close()
	if want := s.Address(alice) + "/bound"; c.JID() != want {
		t.Errorf("%s: go-xmpp is %s, want %s", mechanism, c.JID(), want)
	}
	return nil
}
