package interop

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"parley/test/harness"
)

// Line is a stretch of network on the way to the server, which can be cut.
type Line struct {
	to       netip.AddrPort
	listener net.Listener
	dead     atomic.Bool
	copies   sync.WaitGroup

	mu    sync.Mutex
	conns []*net.TCPConn
}

// NewLine makes a line to a port until the test ends.
func NewLine(t testing.TB, to netip.AddrPort) *Line {
	t.Helper()
	listener, err := net.Listen("tcp4", harness.Loopback(0).String())
	if err != nil {
		t.Fatal(err)
	}
	return newLine(t, listener, to)
}

func newLine(t testing.TB, listener net.Listener, to netip.AddrPort) *Line {
	l := &Line{to: to, listener: listener}
	l.copies.Go(l.accept)
	t.Cleanup(func() {
		listener.Close()
		l.Cut()
		l.copies.Wait()
	})
	return l
}

// At is where an app connects to.
func (l *Line) At() netip.AddrPort { return netip.MustParseAddrPort(l.listener.Addr().String()) }

func (l *Line) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp4", l.to.String())
		if err != nil {
			near.Close()
			continue
		}
		a, b := near.(*net.TCPConn), far.(*net.TCPConn)
		l.mu.Lock()
		l.conns = append(l.conns, a, b)
		l.mu.Unlock()
		l.copies.Go(func() { l.copy(a, b) })
		l.copies.Go(func() { l.copy(b, a) })
	}
}

func (l *Line) copy(to, from *net.TCPConn) {
	_, _ = io.Copy(lossy{to, &l.dead}, from) // however it ends
	to.Close()
	from.Close()
}

// lossy is a writer that takes everything, and while dead passes nothing on.
type lossy struct {
	io.Writer
	dead *atomic.Bool
}

func (w lossy) Write(p []byte) (int, error) {
	if w.dead.Load() {
		return len(p), nil
	}
	return w.Writer.Write(p)
}

// Die has everything lost from now on, both ways, while both ends believe that all is well.
func (l *Line) Die() { l.dead.Store(true) }

// Cut resets all connections. New ones work.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.SetLinger(0) // it may be closed
		c.Close()
	}
	l.conns = nil
	l.dead.Store(false)
}
