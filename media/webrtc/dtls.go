package webrtc

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
	"github.com/pion/transport/v5/packetio"
)

// association is one DTLS connection with the peer; its records come and go by the transport's path.
type association struct {
	t      *Transport
	in     *packetio.Buffer
	cancel context.CancelFunc
}

// maxRecords is how many records wait to be read; a flight has a handful.
const maxRecords = 64

// associate begins DTLS with a peer; t.mu is held.
func (t *Transport) associate(r Remote) *association {
	ctx, cancel := context.WithTimeout(context.Background(), t.c.SetUp)
	a := &association{t: t, in: packetio.NewBuffer(), cancel: cancel}
	a.in.SetLimitCount(maxRecords)
	t.running.Go(func() { a.run(ctx, r) })
	return a
}

// run agrees on keys and then answers what the peer repeats, until stop.
func (a *association) run(ctx context.Context, r Remote) {
	defer a.stop()
	conn, err := a.begin(r)
	if err == nil {
		err = conn.HandshakeContext(ctx)
	}
	var k *keys
	switch {
	case err == nil:
		k, err = keysOf(conn, r.Active)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = ErrSetUp
	default:
		err = errors.Join(ErrDTLS, err)
	}
	a.t.agreed(a, k, err)
	if err == nil {
		rest := make([]byte, 2048)
		for err == nil { // no data is expected; reading serves repeated flights, and ends with stop
			_, err = conn.Read(rest)
		}
	}
	if conn != nil {
		_ = conn.Close() // it has ended either way
	}
}

func (a *association) begin(r Remote) (*dtls.Conn, error) {
	shared := []dtls.Option{
		dtls.WithCertificates(a.t.c.Identity.certificate),
		dtls.WithSRTPProtectionProfiles(profiles()...),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true), // there is no authority: the fingerprint is what counts (rfc5763#5)
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			return verify(raw, r.Fingerprints)
		}),
		dtls.WithFlightInterval(200 * time.Millisecond),
		// What fails is told by the error; what a peer sends shall write no log.
		dtls.WithLoggerFactory(&logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}),
	}
	if !r.Active {
		var options []dtls.ClientOption
		for _, o := range shared {
			options = append(options, o)
		}
		return dtls.ClientWithOptions(a, a.RemoteAddr(), options...)
	}
	options := []dtls.ServerOption{
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithInsecureSkipVerifyHello(true), // ICE has proved the address
	}
	for _, o := range shared {
		options = append(options, o)
	}
	return dtls.ServerWithOptions(a, a.RemoteAddr(), options...)
}

// feed takes a record; if too many wait it is lost, and repeated by the peer.
func (a *association) feed(b []byte) { _, _ = a.in.Write(b, nil) }

// stop ends it; run ends soon after.
func (a *association) stop() {
	a.cancel()
	_ = a.in.Close() // never fails
}

// ReadFrom and what follows make the association the net.PacketConn that DTLS reads and writes.
func (a *association) ReadFrom(b []byte) (int, net.Addr, error) {
	n, _, err := a.in.Read(b, nil)
	return n, a.RemoteAddr(), err
}

// WriteTo sends to the selected path; what comes too early for one is lost, and repeated by DTLS.
func (a *association) WriteTo(b []byte, _ net.Addr) (int, error) {
	if to, ok := a.t.ice.selected(); ok {
		a.t.write(b, to)
	}
	return len(b), nil
}

// Close see net.PacketConn.
func (a *association) Close() error { return a.in.Close() }

// LocalAddr see net.PacketConn.
func (a *association) LocalAddr() net.Addr { return a.t.c.Conn.LocalAddr() }

// RemoteAddr is one that stands for the peer: where it is, is ICE's business.
func (a *association) RemoteAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4zero} }

// SetDeadline see net.PacketConn.
func (a *association) SetDeadline(at time.Time) error { return a.in.SetReadDeadline(at) }

// SetReadDeadline see net.PacketConn.
func (a *association) SetReadDeadline(at time.Time) error { return a.in.SetReadDeadline(at) }

// SetWriteDeadline does nothing: a datagram is sent at once or lost.
func (a *association) SetWriteDeadline(time.Time) error { return nil }

func (a *association) String() string {
	to, ok := a.t.ice.selected()
	if !ok {
		return "not reached by ICE"
	}
	return to.String()
}
