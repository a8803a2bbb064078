package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/sip"
)

// web serves a node's WebSockets over HTTP, or HTTPS.
func (n *node) web(secure bool, origins ...string) *httptest.Server {
	n.t.Helper()
	s := httptest.NewUnstartedServer(n.WebSocketHandler(origins...))
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	n.t.Cleanup(s.Close)
	return s
}

func openWebSocket(t *testing.T, s *httptest.Server, onPing func()) *websocket.Conn {
	t.Helper()
	ws, resp, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{
		HTTPClient:   s.Client(),
		Subprotocols: []string{"other", "sip"},
		OnPingReceived: func(context.Context, []byte) bool {
			onPing()
			return true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("Sec-WebSocket-Protocol") != "sip" {
		t.Errorf("answered %v", resp.Header)
	}
	ws.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}

func writeFrame(t *testing.T, ws *websocket.Conn, kind websocket.MessageType, text string) {
	t.Helper()
	if err := ws.Write(t.Context(), kind, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func readFrame(t *testing.T, ws *websocket.Conn) (websocket.MessageType, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	kind, b, err := ws.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return kind, string(b)
}

// ended reads until the server closes, and gives the status it closes with.
func ended(t *testing.T, ws *websocket.Conn) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if _, _, err := ws.Read(ctx); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				t.Fatal("the connection stays open")
			}
			return websocket.CloseStatus(err)
		}
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	for network, secure := range map[string]bool{sip.WS: false, sip.WSS: true} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, Config{})
			s := n.web(secure)
			ws := openWebSocket(t, s, func() {})
			writeFrame(t, ws, websocket.MessageText, request(network, "df7jal23ls0d.invalid;rport", "text"))
			a := n.next()
			f := a.flow
			if f.Network() != network || f.Secure() != secure || !f.Reliable() || f.Local() != addrPort(s.Listener.Addr()) {
				t.Errorf("flow is %s at %s, secure %v", f.Network(), f.Local(), f.Secure())
			}
			if via, _ := a.m.Via(); !via.Params.Has("received") {
				t.Errorf("Via is %s", via)
			}
			respond(t, a)
			if kind, text := readFrame(t, ws); kind != websocket.MessageText || !strings.HasPrefix(text, "SIP/2.0 200") {
				t.Errorf("came %v %q", kind, text)
			}

			// Content-Length may be left out (rfc7118#5); binary is as good as text.
			bare := strings.Replace(request(network, "h", "bare"), "Content-Length: 0\r\n", "", 1)
			writeFrame(t, ws, websocket.MessageBinary, bare+"body")
			if a := n.next(); a.m.Body() != "body" || a.flow != f {
				t.Errorf("came\n%s", a.m.Text())
			}
			if err := f.Send(message(t, "binary", "\xff\xfe")); err != nil {
				t.Fatal(err)
			}
			if kind, text := readFrame(t, ws); kind != websocket.MessageBinary || !strings.HasSuffix(text, "\xff\xfe") {
				t.Errorf("came %v %q", kind, text)
			}

			if err := ws.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
			<-f.Done()
			n.until("no connections", func(s Stats) bool { return len(s.Connections) == 0 })
		})
	}
}

func TestWebSocketBadInput(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	ws := openWebSocket(t, n.web(false), func() {})
	writeFrame(t, ws, websocket.MessageText, strings.Replace(request("WS", "h", "bad"), "SIP/2.0\r\n", "SIP/7.0\r\n", 1))
	if _, text := readFrame(t, ws); !strings.HasPrefix(text, "SIP/2.0 505") {
		t.Errorf("came %q", text)
	}
	writeFrame(t, ws, websocket.MessageText, "hello")
	writeFrame(t, ws, websocket.MessageText, request("WS", "h", "x")[:100])
	writeFrame(t, ws, websocket.MessageText, "")
	writeFrame(t, ws, websocket.MessageText, "\r\n")
	writeFrame(t, ws, websocket.MessageText, "\r\n\r\n")
	if _, text := readFrame(t, ws); text != "\r\n" {
		t.Errorf("a keep-alive got %q", text)
	}
	writeFrame(t, ws, websocket.MessageText, request("WS", "h", "after"))
	if n.next().m.CallID() != "after" {
		t.Error("something else came through")
	}
	if s := n.Stats(); s.Malformed != 2 || s.Violations != 1 || s.KeepAlives != 3 {
		t.Errorf("stats are %+v", s)
	}
}

func TestWebSocketOversize(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{Limits: Limits{MaxMessage: 1000}})
	ws := openWebSocket(t, n.web(false), func() {})
	writeFrame(t, ws, websocket.MessageText, requestWithBody("WS", "h", "long", strings.Repeat("x", 1000)))
	if got := ended(t, ws); got != websocket.StatusMessageTooBig {
		t.Errorf("closed with %d", got)
	}
	n.until("no connections", func(s Stats) bool { return len(s.Connections) == 0 })
	n.silent()
}

// What is no upgrade to SIP is refused before anything is set up.
func TestWebSocketUpgradeRefused(t *testing.T) {
	t.Parallel()
	good := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}, "Sec-Websocket-Protocol": {"xmpp, sip"},
	}
	for _, test := range []struct {
		name, field, value string
		status             int
	}{
		{"good", "X-Nothing", "", 101},
		{"no subprotocol", "Sec-Websocket-Protocol", "", 400},
		{"another subprotocol", "Sec-Websocket-Protocol", "xmpp", 400},
		{"no upgrade", "Upgrade", "", 426},
		{"another upgrade", "Upgrade", "h2c", 426},
		{"old version", "Sec-Websocket-Version", "8", 400},
		{"no key", "Sec-Websocket-Key", "", 400},
		{"foreign page", "Origin", "https://evil.example", 403},
		{"allowed page", "Origin", "https://phone.example", 101},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, Config{})
			s := n.web(false, "phone.example")
			req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil))
			req.Header = good.Clone()
			if test.value == "" {
				req.Header.Del(test.field)
			} else {
				req.Header.Set(test.field, test.value)
			}
			resp := must[*http.Response](t)(s.Client().Do(req))
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != test.status {
				t.Errorf("status is %d, want %d", resp.StatusCode, test.status)
			}
			if answered := resp.Header.Get("Sec-WebSocket-Protocol"); (test.status == 101) != (answered == "sip") {
				t.Errorf("subprotocol answered is %q", answered)
			}
		})
	}
}

func TestWebSocketLimits(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{Limits: Limits{MaxConnectionsPerAddress: 1}})
	s := n.web(false)
	openWebSocket(t, s, func() {})
	n.until("one connection", func(s Stats) bool { return s.Connections[sip.WS] == 1 })
	_, resp, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{Subprotocols: []string{"sip"}})
	if err == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("second connection: %v, %v", resp, err)
	}
	if n.Stats().Refused != 1 {
		t.Errorf("%d refused", n.Stats().Refused)
	}
}

// rawWebSocket upgrades by hand, so that a test can send half a frame.
func rawWebSocket(t *testing.T, s *httptest.Server) *client {
	t.Helper()
	c := connect(t, sip.TCP, addrPort(s.Listener.Addr()))
	c.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: sip\r\n\r\n")
	resp := must[*http.Response](t)(http.ReadResponse(c.r, nil))
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status is %d", resp.StatusCode)
	}
	return c
}

// masked is one frame of a client, with a mask of zeros.
func masked(opcode byte, text string) string {
	frame := string([]byte{0x80 | opcode, 0x80 | 126, byte(len(text) >> 8), byte(len(text)), 0, 0, 0, 0})
	return frame + text
}

// Each way to be slow or silent ends the connection, and none holds up another.
func TestWebSocketDeadlines(t *testing.T) {
	t.Parallel()
	const soon = 150 * time.Millisecond
	text := masked(1, request("WS", "h", "x"))
	for _, test := range []struct {
		name   string
		limits Limits
		peer   func(c *client)
	}{
		{"silent", Limits{FirstMessageTimeout: soon}, func(*client) {}},
		{"pings alone", Limits{FirstMessageTimeout: soon}, func(c *client) { dribble(c, strings.Repeat("\x89\x80\x00\x00\x00\x00", 1000)) }},
		{"half a frame head", Limits{FirstMessageTimeout: soon}, func(c *client) { c.write(text[:3]) }},
		{"half a frame", Limits{MessageTimeout: soon}, func(c *client) { c.write(text[:60]) }},
		{"byte by byte", Limits{MessageTimeout: soon}, func(c *client) { dribble(c, masked(1, request("WS", "h", strings.Repeat("x", 2000)))) }},
		{"idle", Limits{IdleTimeout: soon}, func(c *client) { c.write(text) }},
		{"no proof", Limits{ProofTimeout: soon}, func(c *client) { c.write(text) }},
		{"too many without proof", Limits{UnprovenMessages: 3}, func(c *client) { c.write(strings.Repeat(text, 4)) }},
		{"no pong", Limits{PingInterval: soon, DeadPeerTimeout: soon}, func(*client) {}},
		{"not masked", Limits{}, func(c *client) { c.write("\x81\x05hello") }},
		{"reserved opcode", Limits{}, func(c *client) { c.write(masked(7, "")) }},
		{"end without closing", Limits{}, func(c *client) { _ = c.Conn.(*net.TCPConn).CloseWrite() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, Config{Limits: test.limits})
			s := n.web(false)
			c := rawWebSocket(t, s)
			go test.peer(c)
			other := openWebSocket(t, s, func() {})
			writeFrame(t, other, websocket.MessageText, request("WS", "h", "other"))
			for n.next().m.CallID() != "other" {
				continue
			}
			_ = other.Close(websocket.StatusNormalClosure, "")
			c.closedIgnoringBytes()
			n.until("no connections", func(s Stats) bool { return len(s.Connections) == 0 })
		})
	}
}

func TestWebSocketPings(t *testing.T) {
	t.Parallel()
	const often = 100 * time.Millisecond
	n := newNode(t, Config{Limits: Limits{PingInterval: often}})
	pings := make(chan struct{}, 100)
	ws := openWebSocket(t, n.web(false), func() { pings <- struct{}{} })
	ctx := ws.CloseRead(t.Context())
	for range 3 {
		select {
		case <-pings:
		case <-ctx.Done():
			t.Fatal("the connection ended")
		case <-time.After(patience):
			t.Fatal("no ping")
		}
	}
}

func TestWebSocketStuckReader(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{Limits: Limits{WriteTimeout: time.Second, QueueMessages: 50}})
	c := rawWebSocket(t, n.web(false))
	c.write(masked(1, request("WS", "h", "stuck")))
	f := n.next().flow
	Prove(f)
	jam(t, f)
	select {
	case <-f.Done():
	case <-time.After(patience):
		t.Fatal("the stuck connection stays")
	}
}

func TestWebSocketShutdown(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	s := n.web(false)
	ws := openWebSocket(t, s, func() {})
	stuck := rawWebSocket(t, s) // never takes part in the closing handshake
	writeFrame(t, ws, websocket.MessageText, request("WS", "h", "x"))
	n.next()
	status := make(chan websocket.StatusCode)
	go func() { status <- ended(t, ws) }()
	began := time.Now()
	if err := n.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := <-status; got != websocket.StatusGoingAway {
		t.Errorf("closed with %d", got)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
	stuck.closedIgnoringBytes()

	resp := must[*http.Response](t)(s.Client().Get(s.URL))
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after Close: %d", resp.StatusCode)
	}
}

// A connection that another server has upgraded is refused past the limit.
func TestServeWebSocketRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{})
	n.Close()
	refused := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"sip"}})
		if err == nil {
			err = n.ServeWebSocket(ws, netip.MustParseAddrPort(r.RemoteAddr), netip.AddrPort{}, false)
		}
		refused <- err
	}))
	t.Cleanup(s.Close)
	ws := openWebSocket(t, s, func() {})
	if err := <-refused; !errors.Is(err, ErrClosed) {
		t.Errorf("error is %v", err)
	}
	ended(t, ws)
}

func TestWebSocketsLeaveNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t, Config{Limits: Limits{MaxConnectionsPerAddress: 100}})
	s := n.web(false)
	for round := range uint64(6) {
		var all sync.WaitGroup
		for i := range 25 {
			all.Go(func() {
				c := rawWebSocket(t, s)
				defer func() { _ = c.Close() }()
				if i%3 > 0 {
					_, _ = io.WriteString(c, masked(1, request("WS", "h", "x"))[:i*9])
				}
			})
		}
		all.Wait()
		n.until("all came and went", func(s Stats) bool { return s.Accepted == 25*(round+1) && s.Connections[sip.WS] == 0 })
	}
	n.empty()
}
