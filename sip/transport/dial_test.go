package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"parley/sip"
)

func TestDialTCP(t *testing.T) {
	t.Parallel()
	here, there := newNode(t, Config{}), newNode(t, Config{})
	listening := here.tcp("127.0.0.1:0")
	addr := there.tcp("127.0.0.1:0")

	flows := make([]sip.Flow, 10)
	var all sync.WaitGroup
	for i := range flows {
		all.Go(func() { flows[i] = must[sip.Flow](t)(here.Dial(t.Context(), sip.TCP, addr, "ignored")) })
	}
	all.Wait()
	f := flows[0]
	for _, other := range flows {
		if other != f {
			t.Fatal("two connections to one peer")
		}
	}
	if f.Remote() != addr || f.Advertised() != listening.String() || f.Secure() {
		t.Errorf("flow to %s, advertised %s, secure %v", f.Remote(), f.Advertised(), f.Secure())
	}
	if err := f.Send(message(t, "out", "")); err != nil {
		t.Fatal(err)
	}
	a := there.next()
	respond(t, a)
	if back := here.next(); back.m.Status() != 200 || back.flow != f {
		t.Errorf("came back\n%s", back.m.Text())
	}
	if s := there.Stats(); s.Accepted != 1 {
		t.Errorf("%d connections", s.Accepted)
	}

	// The other side uses the same connection to our end of it.
	back, err := there.Dial(t.Context(), sip.TCP, f.Local(), "")
	if err != nil || back != a.flow {
		t.Errorf("dialling back gives %v, %v", back, err)
	}

	a.flow.(Connection).Close("test")
	<-f.Done()
	if again := must[sip.Flow](t)(here.Dial(t.Context(), sip.TCP, addr, "")); again.ID() == f.ID() {
		t.Error("a flow that is gone was dialled")
	}
}

func TestDialTLS(t *testing.T) {
	t.Parallel()
	cert := certificate(t, "proxy.example")
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	here := newNode(t, Config{DialTLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	there := newNode(t, Config{})
	addr := must[netip.AddrPort](t)(there.ListenTLS(t.Context(), "127.0.0.1:0",
		&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}))

	f, err := here.Dial(t.Context(), sip.TLS, addr, "proxy.example")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := here.Dial(t.Context(), sip.TLS, addr, "proxy.example"); err != nil || again != f {
		t.Errorf("second time %v, %v", again, err)
	}
	byAddress, err := here.Dial(t.Context(), sip.TLS, addr, "")
	if err != nil || byAddress == f {
		t.Errorf("checked for the address: %v, %v; want a connection of its own", byAddress, err)
	}
	var wrong x509.HostnameError
	if _, err := here.Dial(t.Context(), sip.TLS, addr, "other.example"); !errors.As(err, &wrong) {
		t.Errorf("a certificate for another name: %v", err)
	}
	if !f.Secure() || f.(Connection).TLS() == nil {
		t.Error("the flow is not secure")
	}
	if err := f.Send(message(t, "out", "")); err != nil {
		t.Fatal(err)
	}
	in := there.next().flow

	// A peer that came over TLS proved no name, so it is not who is dialled.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if back, err := there.Dial(ctx, sip.TLS, in.Remote(), ""); err == nil {
		t.Errorf("dialling back gives %s", back.ID())
	}
}

func TestDialFails(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{Limits: Limits{DialTimeout: 200 * time.Millisecond}})
	closed := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	_ = closed.Close()
	if _, err := n.Dial(t.Context(), sip.TCP, addrPort(closed.Addr()), ""); err == nil {
		t.Error("nobody listens")
	}
	for _, network := range []string{sip.WS, sip.Memory, "", "SCTP"} {
		if _, err := n.Dial(t.Context(), network, addrPort(closed.Addr()), ""); err == nil {
			t.Errorf("dialled over %q", network)
		}
	}

	// A peer that accepts but never shakes hands.
	mute := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = mute.Close() })
	if _, err := n.Dial(t.Context(), sip.TLS, addrPort(mute.Addr()), ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	n.empty()
}

// Who gives up waiting does not end the attempt of others; Close ends it.
func TestDialGivenUp(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{Limits: Limits{DialTimeout: time.Hour}})
	mute := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = mute.Close() })
	addr := addrPort(mute.Addr())
	waiting := make(chan error, 1)
	go func() {
		_, err := n.Dial(context.Background(), sip.TLS, addr, "")
		waiting <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := n.Dial(ctx, sip.TLS, addr, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	select {
	case err := <-waiting:
		t.Fatalf("the other's attempt ended: %v", err)
	default:
	}
	n.Close()
	select {
	case err := <-waiting:
		if err == nil {
			t.Error("connected after Close")
		}
	case <-time.After(patience):
		t.Fatal("Close leaves the attempt")
	}
	if _, err := n.Dial(t.Context(), sip.TCP, addr, ""); !errors.Is(err, ErrClosed) {
		t.Errorf("dialling after Close: %v", err)
	}
}

func TestDialLimit(t *testing.T) {
	t.Parallel()
	n, there := newNode(t, Config{Limits: Limits{MaxConnections: 1}}), newNode(t, Config{})
	one, two := there.tcp("127.0.0.1:0"), there.tcp("127.0.0.1:0")
	f := must[sip.Flow](t)(n.Dial(t.Context(), sip.TCP, one, ""))
	if _, err := n.Dial(t.Context(), sip.TCP, two, ""); !errors.Is(err, ErrLimit) {
		t.Errorf("error is %v", err)
	}
	f.(Connection).Close("test")
	n.until("place", func(s Stats) bool { return len(s.Connections) == 0 })
	if _, err := n.Dial(t.Context(), sip.TCP, two, ""); err != nil {
		t.Error(err)
	}
}

// A connection that we made needs no proof, and no message from the peer.
func TestDialledNeedsNoProof(t *testing.T) {
	t.Parallel()
	const soon = 50 * time.Millisecond
	n := newNode(t, Config{Limits: Limits{FirstMessageTimeout: soon, ProofTimeout: soon, UnprovenMessages: 1}})
	there := newNode(t, Config{})
	f := must[sip.Flow](t)(n.Dial(t.Context(), sip.TCP, there.tcp("127.0.0.1:0"), ""))
	time.Sleep(4 * soon)
	for range 3 {
		if err := f.Send(message(t, "x", "")); err != nil {
			t.Fatal(err)
		}
		respond(t, there.next())
		n.next()
	}
}
