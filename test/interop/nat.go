package interop

import (
	"context"
	"io"
	"net"
	"testing"

	"parley/test/harness"
)

// outside is the address of this machine under which the server sees those behind the NAT.
const outside = "127.0.0.9"

// BehindNAT is the server as a phone over TCP sees it that is behind a NAT: what it sends comes from
// another address than its own, and nobody outside can connect to it by what it says of itself.
func BehindNAT(t testing.TB, s *harness.Server) *harness.Server {
	t.Helper()
	inside, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inside.Close() })
	go func() {
		for {
			phone, err := inside.Accept()
			if err != nil {
				return
			}
			go translate(t.Context(), phone, s.TCP.String())
		}
	}()
	seen := *s
	seen.TCP = harness.Loopback(inside.Addr().(*net.TCPAddr).Port)
	return &seen
}

// translate joins a phone's connection to one that comes from outside, until either ends.
func translate(ctx context.Context, phone net.Conn, server string) {
	defer phone.Close()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(outside)}}
	there, err := d.DialContext(ctx, "tcp4", server)
	if err != nil {
		return // the phone finds its connection closed
	}
	defer there.Close()
	stop := context.AfterFunc(ctx, func() { phone.Close(); there.Close() })
	defer stop()
	go func() {
		_, _ = io.Copy(there, phone)
		there.Close()
	}()
	_, _ = io.Copy(phone, there)
}
