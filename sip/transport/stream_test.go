package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/sip"
	"parley/sip/siptest"
)

// onStreams runs a test over TCP and over TLS.
func onStreams(t *testing.T, limits Limits, f func(t *testing.T, n *node, c *client)) {
	t.Helper()
	for _, network := range []string{sip.TCP, sip.TLS} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, Config{Limits: limits})
			f(t, n, connect(t, network, n.listen(network)))
		})
	}
}

func (n *node) listen(network string) netip.AddrPort {
	if network == sip.TLS {
		return n.tls("127.0.0.1:0")
	}
	return n.tcp("127.0.0.1:0")
}

func TestStreamRequestAndResponse(t *testing.T) {
	t.Parallel()
	onStreams(t, Limits{}, func(t *testing.T, n *node, c *client) {
		c.write(request("TCP", "phone.invalid;rport", "one"))
		a := n.next()
		f := a.flow
		network := sip.TCP
		if f.(Connection).TLS() != nil {
			network = sip.TLS
		}
		if f.Network() != network || f.Remote() != addrPort(c.LocalAddr()) || f.Local() != addrPort(c.RemoteAddr()) {
			t.Errorf("flow is %s %s to %s", f.Network(), f.Local(), f.Remote())
		}
		if !f.Reliable() || f.Secure() != (network == sip.TLS) || f.Advertised() != f.Local().String() {
			t.Errorf("reliable %v, secure %v, advertised %s", f.Reliable(), f.Secure(), f.Advertised())
		}
		if again, ok := n.Flow(f.ID()); !ok || again != f || strings.ContainsAny(f.ID(), " ;") {
			t.Errorf("flow %q not found again", f.ID())
		}
		via, _ := a.m.Via()
		if r, _ := via.Params.Get("received"); r != "127.0.0.1" {
			t.Errorf("Via is %s", via)
		}
		respond(t, a)
		if m := c.message(); m.Status() != 200 || m.CallID() != "one" {
			t.Errorf("came\n%s", m.Text())
		}
		_ = c.Close()
		select {
		case <-f.Done():
		case <-time.After(patience):
			t.Fatal("the flow is not done")
		}
		if err := f.Send(a.m); !errors.Is(err, ErrGone) {
			t.Errorf("sending on a flow that is gone: %v", err)
		}
		n.until("no connections", func(s Stats) bool { return len(s.Connections) == 0 })
		if _, ok := n.Flow(f.ID()); ok {
			t.Error("a flow that is gone is still found")
		}
	})
}

func TestStreamPipelined(t *testing.T) {
	t.Parallel()
	onStreams(t, Limits{UnprovenMessages: 1000}, func(t *testing.T, n *node, c *client) {
		var all strings.Builder
		for i := range 100 {
			all.WriteString(requestWithBody("TCP", "h", fmt.Sprint(i), strings.Repeat("x", i*7)))
		}
		c.write(all.String())
		for i := range 100 {
			if a := n.next(); a.m.CallID() != fmt.Sprint(i) || len(a.m.Body()) != i*7 {
				t.Fatalf("message %d is\n%s", i, a.m.Text())
			}
		}
	})
}

func TestStreamMessageInPieces(t *testing.T) {
	t.Parallel()
	onStreams(t, Limits{}, func(t *testing.T, n *node, c *client) {
		text := requestWithBody("TCP", "h", "pieces", strings.Repeat("body ", 2000))
		for len(text) > 0 {
			k := min(700, len(text))
			c.write(text[:k])
			text = text[k:]
		}
		if a := n.next(); len(a.m.Body()) != 10_000 {
			t.Errorf("body of %d bytes", len(a.m.Body()))
		}
	})
}

func TestStreamKeepAlive(t *testing.T) {
	t.Parallel()
	onStreams(t, Limits{}, func(t *testing.T, n *node, c *client) {
		c.write("\r\n\r\n" + request("TCP", "h", "one") + "\r\n\r\n")
		pong := make([]byte, 4)
		if _, err := io.ReadFull(c.r, pong); err != nil || string(pong) != "\r\n\r\n" {
			t.Errorf("two pings got %q, %v", pong, err)
		}
		n.next()
		if n.Stats().KeepAlives != 2 {
			t.Errorf("%d keep-alives counted", n.Stats().KeepAlives)
		}
	})
}

// What breaks a rule but can be framed is answered, and the connection goes on.
func TestStreamViolation(t *testing.T) {
	t.Parallel()
	onStreams(t, Limits{}, func(t *testing.T, n *node, c *client) {
		c.write(strings.Replace(request("TCP", "h", "bad"), "SIP/2.0\r\n", "SIP/7.0\r\n", 1))
		if m := c.message(); m.Status() != 505 {
			t.Errorf("came\n%s", m.Text())
		}
		c.write("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + request("TCP", "h", "after"))
		if a := n.next(); a.m.CallID() != "after" {
			t.Errorf("the Handler got\n%s", a.m.Text())
		}
	})
}

func TestStreamUnframeable(t *testing.T) {
	t.Parallel()
	good := request("TCP", "h", "bad")
	for _, test := range []struct {
		name, text string
		status     int
	}{
		{"no Content-Length", strings.Replace(good, "Content-Length: 0\r\n", "", 1), 400},
		{"bad Content-Length", strings.Replace(good, "Length: 0", "Length: many", 1), 400},
		{"two lengths", strings.Replace(good, "Content-Length: 0", "l: 0\r\nContent-Length: 5", 1), 400},
		{"too long", strings.Replace(good, "Length: 0", "Length: 100000", 1), 513},
		{"ACK", strings.Replace(strings.ReplaceAll(good, "OPTIONS", "ACK"), "Content-Length: 0\r\n", "", 1), 0},
		{"response", strings.Replace(strings.Replace(good, "OPTIONS sip:bob@example.org SIP/2.0", "SIP/2.0 200 OK", 1), "Length: 0", "Length: x", 1), 0},
		{"head without end", "OPTIONS sip:a@b SIP/2.0\r\nX: " + strings.Repeat("x", 8<<10), 0},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		{"noise", strings.Repeat("\x00\x80\xff\n\n", 3000), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			onStreams(t, Limits{MaxMessage: 8 << 10}, func(t *testing.T, n *node, c *client) {
				c.write(test.text)
				if test.status != 0 {
					if m := c.message(); m.Status() != test.status || m.Validate() != nil {
						t.Errorf("came\n%s", m.Text())
					}
				}
				c.closed()
				if n.Stats().Malformed != 1 {
					t.Errorf("malformed %d", n.Stats().Malformed)
				}
				n.silent()
			})
		})
	}
}

// Each way to be slow or silent ends the connection.
func TestStreamDeadlines(t *testing.T) {
	t.Parallel()
	const soon = 150 * time.Millisecond
	for _, test := range []struct {
		name   string
		limits Limits
		peer   func(c *client)
	}{
		{"silent", Limits{FirstMessageTimeout: soon}, func(*client) {}},
		{"keep-alives alone", Limits{FirstMessageTimeout: soon}, func(c *client) {
			dribble(c, strings.Repeat("\r\n\r\n", 1000))
		}},
		{"bad messages alone", Limits{FirstMessageTimeout: soon, UnprovenMessages: 1 << 20}, func(c *client) {
			dribble(c, strings.Repeat("x y z\r\nl:0\r\n\r\n", 1000))
		}},
		{"byte by byte", Limits{MessageTimeout: soon}, func(c *client) { dribble(c, request("TCP", "h", strings.Repeat("x", 2000))) }},
		{"body never whole", Limits{MessageTimeout: soon}, func(c *client) {
			c.write(strings.Replace(request("TCP", "h", "x"), "Length: 0", "Length: 5", 1))
		}},
		{"idle", Limits{IdleTimeout: soon}, func(c *client) { c.write(request("TCP", "h", "x")) }},
		{"no proof", Limits{ProofTimeout: soon}, func(c *client) { c.write(request("TCP", "h", "x")) }},
		{"too many without proof", Limits{UnprovenMessages: 3}, func(c *client) {
			c.write(strings.Repeat(request("TCP", "h", "x"), 4))
		}},
		{"half a message and the end", Limits{}, func(c *client) {
			c.write("OPTIONS sip:bob@example.org SIP/2.0\r\nVia")
			if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
				_ = w.CloseWrite()
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			onStreams(t, test.limits, func(t *testing.T, n *node, c *client) {
				go test.peer(c)
				c.closedIgnoringBytes()
				n.until("no connections", func(s Stats) bool { return len(s.Connections) == 0 })
			})
		})
	}
}

// dribble writes byte by byte until the connection ends.
func dribble(c *client, text string) {
	for i := range text {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (c *client) closedIgnoringBytes() {
	c.t.Helper()
	_, err := io.Copy(io.Discard, c.r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("the connection stays open")
	}
}

// A proven connection is under no limit but silence and slowness.
func TestProve(t *testing.T) {
	t.Parallel()
	limits := Limits{ProofTimeout: 300 * time.Millisecond, FirstMessageTimeout: 300 * time.Millisecond, UnprovenMessages: 2}
	onStreams(t, limits, func(t *testing.T, n *node, c *client) {
		c.write(request("TCP", "h", "first"))
		a := n.next()
		Prove(a.flow)
		if info := n.Flows(); len(info) != 1 || !info[0].Proven || info[0].Received != 1 || info[0].ID != a.flow.ID() {
			t.Errorf("flows are %+v", info)
		}
		time.Sleep(500 * time.Millisecond)
		for range 10 {
			c.write(request("TCP", "h", "more"))
			n.next()
		}
		respond(t, a)
		if c.message().Status() != 200 {
			t.Error("the proven connection did not stay")
		}
	})
}

// A TLS client that never begins, or stops in the handshake, is dropped, and others are
// served meanwhile.
func TestTLSHandshakeTimeout(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{Limits: Limits{HandshakeTimeout: time.Second}})
	addr := n.tls("127.0.0.1:0")
	var stuck []*client
	for _, hello := range []string{"", "\x16\x03\x01\x02\x00\x01\x00", "\x16"} {
		for range 5 {
			c := connect(t, sip.TCP, addr)
			c.write(hello)
			stuck = append(stuck, c)
		}
	}
	good := connect(t, sip.TLS, addr)
	good.write(request("TLS", "h", "good"))
	respond(t, n.next())
	if good.message().Status() != 200 {
		t.Error("no answer")
	}
	for _, c := range stuck {
		c.closedIgnoringBytes()
	}
	n.until("the good connection alone", func(s Stats) bool { return s.Connections[sip.TLS] == 1 })

	plain := connect(t, sip.TCP, addr)
	plain.write(request("TCP", "h", "plain"))
	plain.closedIgnoringBytes()
	n.silent()
}

// A certificate can change under a listener.
func TestTLSCertificateReload(t *testing.T) {
	t.Parallel()
	certs := make(chan tls.Certificate, 2)
	certs <- certificate(t, "first.example")
	certs <- certificate(t, "second.example")
	n := newNode(t, Config{})
	addr := must[netip.AddrPort](t)(n.ListenTLS(t.Context(), "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert := <-certs
			return &cert, nil
		},
	}))
	for _, name := range []string{"first.example", "second.example"} {
		c := connect(t, sip.TLS, addr)
		conn := c.Conn.(*tls.Conn)
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := conn.ConnectionState().PeerCertificates[0].VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := n.ListenTLS(t.Context(), "127.0.0.1:0", nil); err == nil {
		t.Error("TLS without a configuration")
	}
}

func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	t.Run("per address", func(t *testing.T) {
		t.Parallel()
		n := newNode(t, Config{Limits: Limits{MaxConnectionsPerAddress: 3}})
		addr := n.tcp("127.0.0.1:0")
		var first *client
		for i := range 3 {
			c := connect(t, sip.TCP, addr)
			c.write(request("TCP", "h", fmt.Sprint(i)))
			n.next()
			if first == nil {
				first = c
			}
		}
		connect(t, sip.TCP, addr).closedIgnoringBytes()
		if s := n.Stats(); s.Refused != 1 || s.Accepted != 3 {
			t.Errorf("refused %d, accepted %d", s.Refused, s.Accepted)
		}

		other := must[net.Conn](t)((&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}).Dial("tcp", addr.String()))
		newClient(t, other).write(request("TCP", "h", "other"))
		if n.next().m.CallID() != "other" {
			t.Error("another address is not served")
		}

		_ = first.Close()
		n.until("place for one", func(s Stats) bool { return s.Connections[sip.TCP] == 3 })
		connect(t, sip.TCP, addr).write(request("TCP", "h", "again"))
		if n.next().m.CallID() != "again" {
			t.Error("no place after one went")
		}
	})
	t.Run("in all", func(t *testing.T) {
		t.Parallel()
		n := newNode(t, Config{Limits: Limits{MaxConnections: 1}})
		one, two := n.tcp("127.0.0.1:0"), n.tls("127.0.0.1:0")
		c := connect(t, sip.TCP, one)
		c.write(request("TCP", "h", "x"))
		n.next()
		connect(t, sip.TCP, two).closedIgnoringBytes()
	})
}

func TestGroup(t *testing.T) {
	t.Parallel()
	for a, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := group(netip.MustParseAddr(a)).String(); got != want {
			t.Errorf("%s counts as %s, want %s", a, got, want)
		}
	}
	if group(netip.Addr{}).IsValid() {
		t.Error("no address is a group")
	}
}

// A peer that does not read gets a full queue and is closed; nobody waits for it.
func TestStuckReader(t *testing.T) {
	t.Parallel()
	limits := Limits{WriteTimeout: time.Second, QueueMessages: 50}
	onStreams(t, limits, func(t *testing.T, n *node, stuck *client) {
		stuck.write(request("TCP", "h", "stuck"))
		f := n.next().flow
		Prove(f)
		good := connect(t, f.Network(), f.Local())
		good.write(request("TCP", "h", "good"))
		a := n.next()

		jam(t, f)
		respond(t, a)
		if good.message().Status() != 200 {
			t.Error("the other connection is not served")
		}
		select {
		case <-f.Done():
		case <-time.After(patience):
			t.Fatal("the stuck connection stays")
		}
		if n.Stats().Dropped == 0 {
			t.Error("no message counted as dropped")
		}
	})
}

// jam sends until neither the queue nor the kernel takes more.
func jam(t *testing.T, f sip.Flow) {
	t.Helper()
	m := message(t, "flood", strings.Repeat("x", 60_000))
	for full, end := 0, time.Now().Add(patience); full < 20; {
		began := time.Now()
		err := f.Send(m)
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("Send took %v", took)
		}
		switch {
		case err == nil:
			full = 0
		case errors.Is(err, ErrQueueFull):
			full++
			time.Sleep(10 * time.Millisecond)
		case errors.Is(err, ErrGone):
			return // it was closed for it already
		default:
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatal("the queue has no bound")
		}
	}
}

// Messages of several goroutines come whole.
func TestStreamConcurrentSends(t *testing.T) {
	t.Parallel()
	onStreams(t, Limits{}, func(t *testing.T, n *node, c *client) {
		c.write(request("TCP", "h", "x"))
		f := n.next().flow
		m := message(t, "out", strings.Repeat("x", 3000))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 25 {
					if err := f.Send(m); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 200 {
			if got := c.message(); got.Text() != m.Text() {
				t.Fatalf("came\n%s", got.Text())
			}
		}
		all.Wait()
	})
}

// Close writes what is queued before it ends the connection.
func TestCloseFlow(t *testing.T) {
	t.Parallel()
	onStreams(t, Limits{}, func(t *testing.T, n *node, c *client) {
		c.write(request("TCP", "h", "x") + "OPTIONS unread")
		f := n.next().flow
		m := message(t, "last", strings.Repeat("x", 20_000))
		for range 10 {
			if err := f.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		f.(Connection).Close("test")
		if err := f.Send(m); !errors.Is(err, ErrGone) {
			t.Errorf("sending after Close: %v", err)
		}
		for range 10 {
			c.message()
		}
		c.closed()
	})
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	onStreams(t, Limits{}, func(t *testing.T, n *node, c *client) {
		c.write(request("TCP", "h", "x"))
		f := n.next().flow
		for range 20 {
			if err := f.Send(message(t, "last", strings.Repeat("x", 20_000))); err != nil {
				t.Fatal(err)
			}
		}
		read := make(chan struct{})
		go func() {
			defer close(read)
			for range 20 {
				c.message()
			}
			c.closed()
		}()
		if err := n.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-read
		n.Close()
		if _, err := n.ListenTCP(t.Context(), "127.0.0.1:0"); !errors.Is(err, ErrClosed) {
			t.Errorf("listening after Close: %v", err)
		}
		if _, err := n.ListenUDP(t.Context(), "127.0.0.1:0"); !errors.Is(err, ErrClosed) {
			t.Errorf("listening after Close: %v", err)
		}
		if conn, err := net.Dial("tcp", f.Local().String()); err == nil {
			_ = conn.Close()
			t.Error("the listener is still there")
		}
	})
}

// Shutdown does not wait longer than it is told.
func TestShutdownStuck(t *testing.T) {
	t.Parallel()
	onStreams(t, Limits{}, func(t *testing.T, n *node, c *client) {
		c.write(request("TCP", "h", "x"))
		f := n.next().flow
		jam(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := n.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// Thousands of connections that come and go leave nothing.
func TestNoLeakOfManyConnections(t *testing.T) {
	for _, network := range []string{sip.TCP, sip.TLS} {
		count := map[string]int{sip.TCP: siptest.Soak(1000, 30000), sip.TLS: siptest.Soak(200, 6000)}[network]
		n := newNode(t, Config{Limits: Limits{MaxConnectionsPerAddress: 100}, Handler: func(sip.Flow, *sip.Message) {}})
		addr := n.listen(network)
		before := runtime.NumGoroutine()
		for round := range count / 50 {
			var all sync.WaitGroup
			for i := range 50 {
				all.Go(func() { visit(t, network, addr, i) })
			}
			all.Wait()
			n.until("all came and went", func(s Stats) bool {
				return s.Accepted == 50*uint64(round+1) && s.Connections[network] == 0
			})
		}
		end := time.Now().Add(patience)
		for runtime.NumGoroutine() > before && time.Now().Before(end) {
			time.Sleep(time.Millisecond)
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%s: %d goroutines before, %d after", network, before, after)
		}
		n.empty()
	}
}

// visit connects, in one of several ways, and goes.
func visit(t *testing.T, network string, addr netip.AddrPort, way int) {
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	if way%5 == 0 {
		return
	}
	if network == sip.TLS {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	text := request("TCP", "h", fmt.Sprint(way))
	if way%5 == 1 {
		text = text[:50]
	}
	if way%5 == 2 {
		text = "\r\n\r\n" + text + strings.Repeat("bad \n\n", 20)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Error(err)
	}
	if way%5 == 3 {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, _ = io.Copy(io.Discard, conn)
	}
}

// failing is a listener whose Accept fails for a while.
type failing struct {
	net.Listener
	mu    sync.Mutex
	times int
}

func (f *failing) Accept() (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.times++; f.times <= 4 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

func TestAcceptErrorsPass(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	listener := &failing{Listener: must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))}
	s := streamListener{network: sip.TCP, bound: addrPort(listener.Addr()), listener: listener}
	n.streams = append(n.streams, s)
	n.running.Go(func() { n.acceptLoop(s) })
	connect(t, sip.TCP, s.bound).write(request("TCP", "h", "x"))
	n.next()
}

func TestTLSFlowKnowsItsPeer(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	cert := certificate(t, "trunk.example")
	addr := must[netip.AddrPort](t)(n.ListenTLS(t.Context(), "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate(t, "localhost")},
		ClientAuth:   tls.RequestClientCert,
		MinVersion:   tls.VersionTLS12,
	}))
	raw := must[net.Conn](t)(net.Dial("tcp", addr.String()))
	c := newClient(t, tls.Client(raw, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}))
	c.write(request("TLS", "h", "x"))
	state := n.next().flow.(Connection).TLS()
	if state == nil || len(state.PeerCertificates) != 1 || state.PeerCertificates[0].DNSNames[0] != "trunk.example" {
		t.Errorf("state is %+v", state)
	}
}
