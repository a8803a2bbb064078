package webedge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is longer than anything here takes.
const patience = 20 * time.Second

// start starts an edge and gives its address. /sip hijacks the connection and echoes what comes.
func start(t *testing.T, c Config, secure bool) (*Edge, string) {
	t.Helper()
	c.TLS = certificate(t)
	if c.SIP == nil {
		c.SIP = http.HandlerFunc(takeOver)
	}
	e := New(c)
	addr, err := e.Listen(t.Context(), "127.0.0.1:0", secure)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e, addr.String()
}

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS() // which makes one
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS12}
}

// takeOver is what an upgrade does, and then says back what it is told.
func takeOver(w http.ResponseWriter, _ *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(conn, "taken\n")
	go func() {
		defer conn.Close()
		_, _ = io.Copy(conn, rw)
	}()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// ended waits for the server to end the connection and gives what it said before.
func ended(t *testing.T, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // a net.Conn gives it as it is
		t.Fatalf("the connection is kept; it said %q", b)
	}
	return string(b)
}

func client() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
	}}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	_, addr := start(t, Config{SIP: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	})}, true)
	for _, x := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 200},
		{"HEAD", "/", 200},
		{"GET", "/sip", 418},
		{"POST", "/sip", 405},
		{"GET", "/sip/", 404},
		{"GET", "/none", 404},
		{"GET", "//sip", 307},
		{"GET", "/../etc/passwd", 307},
		{"DELETE", "/", 405},
	} {
		req, err := http.NewRequest(x.method, "https://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Path = x.path
		c := client()
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != x.status {
			t.Errorf("%s %s is answered %d, want %d", x.method, x.path, resp.StatusCode, x.status)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s is answered without its security headers: %v", x.method, x.path, resp.Header)
		}
	}
}

func TestWhoIsSlowIsEnded(t *testing.T) {
	t.Parallel()
	const short = 100 * time.Millisecond
	slow := Config{HandshakeTime: short, RequestTime: 2 * short, Idle: short}
	for _, x := range []struct {
		name   string
		secure bool
		says   string
		answer string // how what it is told begins
	}{
		{"silent before the handshake", true, "", ""},
		{"stops in the middle of the handshake", true, "\x16\x03\x01\x02\x00\x01", ""},
		{"silent", false, "", ""},
		{"stops in the middle of the header", false, "GET / HTTP/1.1\r\nHost: x\r\n", ""},
		{"stops in the middle of the body", false, "POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", ""},
		{"asks no more", false, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			_, addr := start(t, slow, x.secure)
			c := dial(t, addr)
			say(t, c, x.says)
			if got := ended(t, c); !strings.HasPrefix(got, x.answer) || x.answer == "" && strings.Contains(got, " 200 ") {
				t.Errorf("it is told %q", got)
			}
		})
	}
}

func TestADrippingHeaderIsEnded(t *testing.T) {
	t.Parallel()
	_, addr := start(t, Config{HandshakeTime: 200 * time.Millisecond}, false)
	c := dial(t, addr)
	began := time.Now()
	for i := range 1000 {
		if _, err := fmt.Fprintf(c, "%c", "GET / HTTP/1.1\r\nX: "[min(i, 18)]); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("a byte now and then holds a connection for %v", took)
	}
}

func TestABigHeaderIsRefused(t *testing.T) {
	t.Parallel()
	_, addr := start(t, Config{}, false)
	c := dial(t, addr)
	// The server may end it before all is said.
	_, _ = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", maxHeader+8<<10))
	answer := make([]byte, 12)
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "HTTP/1.1 431" {
		t.Errorf("a header of %d bytes is told %q, %v", maxHeader+8<<10, answer, err)
	}
}

func TestWhatIsNoHTTPIsEnded(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		_, addr := start(t, Config{}, secure)
		c := dial(t, addr)
		say(t, c, "REGISTER sip:example.org SIP/2.0\r\n\r\n")
		if got := ended(t, c); strings.Contains(got, " 200 ") {
			t.Errorf("with TLS %v: it is told %q", secure, got)
		}
	}
}

// full says that a new connection is closed before it has said anything.
func full(t *testing.T, addr string) bool {
	t.Helper()
	c := dial(t, addr)
	if err := c.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(make([]byte, 1))
	timeout, ok := err.(net.Error) //nolint:errorlint // a net.Conn gives it as it is
	return !ok || !timeout.Timeout()
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"all together": {Connections: 2, PerAddress: 10}, "by address": {Connections: 10, PerAddress: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, addr := start(t, c, false)
			first, second := dial(t, addr), dial(t, addr)
			// One is upgraded, and counts on.
			say(t, first, "GET /sip HTTP/1.1\r\nHost: x\r\n\r\n")
			if line, err := bufio.NewReader(first).ReadString('\n'); err != nil || line != "taken\n" {
				t.Fatalf("the upgrade: %q, %v", line, err)
			}
			say(t, second, "GET / HTTP/1.1\r\n")
			if !full(t, addr) {
				t.Error("a third connection of two is taken")
			}
			first.Close()
			for end := time.Now().Add(patience); full(t, addr); {
				if time.Now().After(end) {
					t.Fatal("a connection that is closed counts on")
				}
			}
		})
	}
}

func TestCloseEndsWhatIsOpen(t *testing.T) {
	t.Parallel()
	e, addr := start(t, Config{}, false)
	waits, upgraded := dial(t, addr), dial(t, addr)
	say(t, waits, "GET / HTTP/1.1\r\n")
	say(t, upgraded, "GET /sip HTTP/1.1\r\nHost: x\r\n\r\n")
	r := bufio.NewReader(upgraded)
	if line, err := r.ReadString('\n'); err != nil || line != "taken\n" {
		t.Fatalf("the upgrade: %q, %v", line, err)
	}
	e.Close()
	e.Close() // again is nothing
	ended(t, waits)
	if _, err := net.DialTimeout("tcp", addr, patience); err == nil {
		t.Error("it still listens")
	}
	// What was upgraded belongs to somebody else now.
	say(t, upgraded, "still there\n")
	if line, err := r.ReadString('\n'); err != nil || line != "still there\n" {
		t.Errorf("an upgraded connection ends with the edge: %q, %v", line, err)
	}
	if _, err := e.Listen(t.Context(), "127.0.0.1:0", false); err == nil {
		t.Error("a closed edge listens")
	}
}

func TestAnAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	e, addr := start(t, Config{}, false)
	if _, err := e.Listen(t.Context(), addr, false); err == nil || !strings.HasPrefix(err.Error(), "webedge: listen on "+addr) {
		t.Errorf("two listeners on one address: %v", err)
	}
}

func TestDevicesSignIn(t *testing.T) {
	t.Parallel()
	_, addr := start(t, Config{SignIn: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.RemoteAddr)
	})}, false)
	for _, method := range []string{"POST", "DELETE", "OPTIONS"} {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/api/device", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.HasPrefix(string(text), method+" 127.0.0.1:") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s is answered by %q, %v", method, text, err)
		}
	}
}
