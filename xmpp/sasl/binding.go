package sasl

import (
	"crypto"
	_ "crypto/sha256" // the hashes that certificates are signed with
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
)

// Binding is a connection's channel binding (RFC 5056): what both ends know of the TLS under them, and nobody between them
// can have made the same.
type Binding struct {
	Type string // "tls-exporter", "tls-server-end-point"
	Data []byte
}

// Bindings are the channel bindings of a TLS connection on which the server showed a certificate, the best first;
// none if there are none. tls-unique is not among them: TLS 1.3 has none, and that of TLS 1.2 is broken without the
// extended master secret.
func Bindings(state *tls.ConnectionState, shown *x509.Certificate) []Binding {
	var all []Binding
	// rfc9266#2. Below TLS 1.3 no context and an empty one are not the same, and clients are of two minds.
	if state.Version >= tls.VersionTLS13 {
		if ekm, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32); err == nil {
			all = append(all, Binding{"tls-exporter", ekm})
		}
	}
	if shown != nil {
		if h := endPointHash(shown.SignatureAlgorithm); h != 0 {
			sum := h.New()
			sum.Write(shown.Raw)
			all = append(all, Binding{"tls-server-end-point", sum.Sum(nil)})
		}
	}
	return all
}

// endPointHash is the hash of rfc5929#4.1; 0 where that defines none.
func endPointHash(a x509.SignatureAlgorithm) crypto.Hash {
	switch a {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256:
		return crypto.SHA256 // also in place of what is too weak
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		return crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		return crypto.SHA512
	}
	return 0
}
