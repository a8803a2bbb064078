package xmppedge

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/core"
	"parley/xmpp/im"
	"parley/xmpp/xmpptest"
)

// servant in the environment has this test binary be the server that TestSoakIdle measures.
const servant = "PARLEY_XMPPEDGE_SERVER"

// soon is when the server's connections rest.
const soon = 100 * time.Millisecond

// crowd is any number of accounts with one password.
type crowd struct{ keys map[string]core.SCRAM }

func (c crowd) SCRAM(_ context.Context, _ core.Address, hash string) (core.SCRAM, error) {
	return c.keys[hash], nil
}
func (crowd) Password(context.Context, core.Address, string) error { return nil }

// TestServant is the server: it says where it listens, and for each line that it reads how much memory it holds.
func TestServant(t *testing.T) {
	if os.Getenv(servant) == "" {
		t.Log("it is started by TestSoakIdle alone") // as a process of its own
		return
	}
	c := certificate(t)
	e := New(Config{
		Domains: []string{"example.org"}, WithoutTLS: true, TLS: c,
		Limits: Limits{Connections: 100000, PerAddress: 100000, FirstByteTime: time.Hour, AuthTime: time.Hour, Idle: time.Hour},
	}, Ports{
		Credentials: crowd{map[string]core.SCRAM{"SHA-1": keysOf("x", "x", "SHA-1"), "SHA-256": keysOf("x", "x", "SHA-256")}},
		Guard:       &guard{}, Sessions: im.NewTable(0), Chat: nothing{},
		Addresses: func(local, domain string) (core.Address, error) {
			return core.Address{Local: local, Domain: domain}, nil
		},
	})
	e.quiet = soon
	plain, err := e.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	direct, err := e.ListenTLS(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(e.WebSocketHandler())
	defer web.Close()
	fmt.Printf("at %s %s %s\n", plain, direct, strings.Replace(web.URL, "http", "ws", 1))
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		for range 4 { // stacks shrink by half at a time
			runtime.GC()
		}
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s := e.Stats()
		fmt.Printf("memory %d %d %d %d %d\n", resident(), m.HeapInuse, m.StackInuse, s.Sessions, s.Connections["TCP"]+s.Connections["TLS"]+s.Connections["WebSocket"])
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
}

// resident is the memory of this process in bytes, 0 where that can't be known.
func resident() (n int) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size int
	if _, err := fmt.Sscan(string(b), &size, &n); err != nil {
		return 0
	}
	return n * os.Getpagesize()
}

// measured is a server in a process of its own.
type measured struct {
	t          *testing.T
	in         io.WriteCloser
	out        *bufio.Scanner
	plain, tls string
	web        string
}

type memory struct{ resident, heap, stack, sessions, conns int }

func measure(t *testing.T, binary string) *measured {
	t.Helper()
	cmd := exec.Command(binary, "-test.run", "^TestServant$", "-test.v")
	cmd.Env = append(os.Environ(), servant+"=1")
	cmd.Stderr = os.Stderr
	m := &measured{t: t}
	var err error
	if m.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	m.out = bufio.NewScanner(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.in.Close()
		for m.out.Scan() {
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	m.read("at %s %s %s", &m.plain, &m.tls, &m.web)
	return m
}

func (m *measured) read(format string, args ...any) {
	m.t.Helper()
	for m.out.Scan() {
		if line := m.out.Text(); strings.HasPrefix(line, format[:3]) {
			if _, err := fmt.Sscanf(line, format, args...); err != nil {
				m.t.Fatalf("the server says %q: %v", line, err)
			}
			return
		}
	}
	m.t.Fatal("the server has ended")
}

func (m *measured) memory() (x memory) {
	m.t.Helper()
	if _, err := io.WriteString(m.in, "\n"); err != nil {
		m.t.Fatal(err)
	}
	m.read("memory %d %d %d %d %d", &x.resident, &x.heap, &x.stack, &x.sessions, &x.conns)
	return x
}

// TestSoakIdle measures what connections cost the server that do nothing: ten thousand of a kind with PARLEY_SOAK, with a
// server built without the race detector; a few otherwise, to see that the measure works.
func TestSoakIdle(t *testing.T) {
	n, binary := 100, os.Args[0]
	if os.Getenv("PARLEY_SOAK") != "" {
		n = 9500 // a process may have 20000 files open
		binary = filepath.Join(t.TempDir(), "edge.test")
		if out, err := exec.Command("go", "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
			t.Fatalf("build the server: %v\n%s", err, out)
		}
	}
	for _, x := range []struct {
		name   string
		begin  func(*measured, int) io.Closer
		signed bool
		most   int // bytes each
	}{
		{"silent TCP", silent, false, 8 << 10},
		{"TCP, the stream is open", opened, false, 16 << 10},
		{"TCP session", overTCP(""), true, 9 << 10},
		{"TCP session, resumable", overTCP("<enable xmlns='urn:xmpp:sm:3' resume='true'/>"), true, 10 << 10},
		{"silent TLS", silentTLS, false, 24 << 10},
		{"TLS session", overTLS, true, 20 << 10},
		{"WebSocket session", overWebSocket, true, 28 << 10},
	} {
		t.Run(x.name, func(t *testing.T) {
			m := measure(t, binary)
			before := m.memory()
			conns := crowdOf(n, func(i int) io.Closer { return x.begin(m, i) })
			defer func() {
				for _, c := range conns {
					c.Close()
				}
			}()
			var after memory
			for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
				after = m.memory()
				if after.conns == n && (!x.signed || after.sessions == n) {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("of %d connections %d are there, with %d sessions", n, after.conns, after.sessions)
				}
			}
			time.Sleep(10 * soon) // until they rest
			after = m.memory()
			each := func(a, b int) float64 { return float64(b-a) / float64(n) / 1024 }
			t.Logf("%d of %s: %.1f KB each resident; heap %.1f, stacks %.1f", n, x.name,
				each(before.resident, after.resident), each(before.heap, after.heap), each(before.stack, after.stack))
			got, most := each(before.resident, after.resident), float64(x.most)/1024
			if n < 1000 {
				// The race detector's own memory is in what is resident.
				got, most = each(before.heap+before.stack, after.heap+after.stack), 2*most
			}
			if got > most {
				t.Errorf("each takes %.1f KB, more than %.0f", got, most)
			}
		})
	}
}

// crowdOf makes n of something, some at a time.
func crowdOf(n int, begin func(i int) io.Closer) []io.Closer {
	all := make([]io.Closer, n)
	var next sync.WaitGroup
	turns := make(chan struct{}, 16)
	for i := range n {
		turns <- struct{}{}
		next.Go(func() {
			all[i] = begin(i)
			<-turns
		})
	}
	next.Wait()
	return all
}

func silent(m *measured, _ int) io.Closer {
	c, err := net.Dial("tcp", m.plain)
	if err != nil {
		m.t.Error(err)
		return io.NopCloser(nil)
	}
	return c
}

func opened(m *measured, i int) io.Closer {
	c := silent(m, i)
	if conn, ok := c.(net.Conn); ok {
		(&client{t: m.t, conn: conn}).open()
	}
	return c
}

func silentTLS(m *measured, _ int) io.Closer {
	c, err := tls.Dial("tcp", m.tls, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		m.t.Error(err)
		return io.NopCloser(nil)
	}
	return c
}

func overTLS(m *measured, i int) io.Closer {
	raw := silentTLS(m, i)
	if conn, ok := raw.(net.Conn); ok {
		c := &client{t: m.t, conn: conn}
		c.open()
		c.signIn(fmt.Sprint("u", i))
		c.bind("phone")
		c.say("<presence/>")
	}
	return raw
}

// overWebSocket is without TLS, as behind a proxy.
func overWebSocket(m *measured, i int) io.Closer {
	c := xmpptest.WebSocket(m.t, fmt.Sprintf("u%d@example.org", i), m.web, nil)
	c.Open()
	c.SignIn("PLAIN", "x")
	c.Bind("phone")
	c.Send("<presence/>")
	return closing(c.Cut)
}

type closing func()

func (f closing) Close() error { f(); return nil }

func overTCP(then string) func(m *measured, i int) io.Closer {
	return func(m *measured, i int) io.Closer {
		raw := silent(m, i)
		if conn, ok := raw.(net.Conn); ok {
			c := xmpptest.Over(m.t, fmt.Sprintf("u%d@example.org", i), conn, nil)
			c.Open()
			c.SignIn("SCRAM-SHA-1", "x")
			c.Bind("phone")
			c.Send("<presence/>" + then)
			if then != "" {
				c.Expect("enabled")
			}
		}
		return raw
	}
}
