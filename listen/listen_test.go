package listen

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAddressesAreGroups(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.1:1": "192.0.2.1/32", "[::ffff:192.0.2.1]:1": "192.0.2.1/32", "[2001:db8::1:2:3:4]:9": "2001:db8::/64",
		"[fe80::1%lo]:9": "fe80::/64",
	} {
		a, err := net.ResolveTCPAddr("tcp", text)
		if err != nil {
			t.Fatal(err)
		}
		if got := Group(Address(a).Addr()).String(); got != want {
			t.Errorf("%s is one of %s, want %s", text, got, want)
		}
	}
	for _, a := range []net.Addr{nil, &net.UnixAddr{Name: "x"}, &net.TCPAddr{}} {
		if got := Group(Address(a).Addr()); got.IsValid() {
			t.Errorf("%v is one of %s", a, got)
		}
	}
	if got := Address(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5}); got.String() != "192.0.2.1:5" {
		t.Errorf("another kind of address is %s", got)
	}
}

func TestAGateIsFull(t *testing.T) {
	t.Parallel()
	a, b, c := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1")
	near := netip.MustParseAddr("2001:db8::2")
	g := NewGate(3, 2)
	for _, x := range []struct {
		from netip.Addr
		in   bool
	}{{a, true}, {a, true}, {a, false}, {b, true}, {c, false}} {
		if got := g.Enter(x.from); got != x.in {
			t.Errorf("%s may enter: %v", x.from, got)
		}
	}
	g.Leave(a)
	g.Leave(a)
	if !g.Enter(c) || !g.Enter(near) || g.Inside() != 3 {
		t.Error("who left has left no room")
	}
	g.Set(10, 2)
	if g.Enter(near) || !g.Enter(b) {
		t.Error("new limits are not in force, or a /64 is not one address")
	}
	for _, x := range []netip.Addr{b, b, c, near} {
		g.Leave(x)
	}
	if g.Inside() != 0 || len(g.of) != 0 {
		t.Errorf("of an empty gate is remembered %v", g.of)
	}
}

func open(t *testing.T) net.Listener {
	t.Helper()
	c := Config(time.Minute)
	l, err := c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAGuardedListener(t *testing.T) {
	t.Parallel()
	g := NewGate(10, 1)
	l := g.Guard(open(t))
	dial(t, l)
	second := dial(t, l)
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	taken := make(chan net.Conn)
	go func() {
		c, _ := l.Accept()
		taken <- c
	}()
	if err := second.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Error("a second connection is let in")
	}
	first.Close()
	first.Close() // which counts once
	dial(t, l)
	if c := <-taken; c == nil || g.Inside() != 1 {
		t.Errorf("%d are inside", g.Inside())
	} else {
		c.Close()
	}
	if g.Inside() != 0 {
		t.Errorf("%d are inside in the end", g.Inside())
	}
}

// tired fails now and then.
type tired struct {
	net.Listener
	mu   sync.Mutex
	left int
}

func (l *tired) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left > 0 {
		l.left--
		return nil, errors.New("too many open files")
	}
	return l.Listener.Accept()
}

func TestAcceptingGoesOnUntilTheListenerIsClosed(t *testing.T) {
	t.Parallel()
	l := open(t)
	got, done := make(chan net.Conn), make(chan struct{})
	go func() {
		Accept(t.Context(), &tired{Listener: l, left: 3}, slog.New(slog.DiscardHandler), func(c net.Conn) { got <- c })
		close(done)
	}()
	dial(t, l)
	(<-got).Close()
	l.Close()
	<-done
}

func TestAcceptingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Accept(ctx, &tired{Listener: open(t), left: 1}, slog.New(slog.DiscardHandler), func(net.Conn) {})
}
