package xmppedge

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/core"
	"parley/xmpp/xmpptest"
)

var alice = core.Address{Local: "alice", Domain: "example.org"}

// web serves the edge's WebSockets and gives their URL.
func (w *world) web(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(w.WebSocketHandler("https://good.example"))
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "http", "ws", 1)
}

func TestAClientSignsInOverWebSocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	c := xmpptest.WebSocket(t, "alice@example.org", w.web(t), nil)
	c.Open()
	if got := strings.Join(c.Mechanisms(), " "); got != "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN" {
		t.Errorf("offered are %s", got)
	}
	c.SignIn("SCRAM-SHA-256", "alice-pw")
	c.Bind("browser")
	c.Send(message("alice@example.org/browser", 1))
	c.Expect("<message id='1' from='alice@example.org/browser'/>")
	if i := w.table.Get(c.JID).Info(); i.Network != "WebSocket" || !i.Encrypted {
		t.Errorf("of the session is known: %+v", i)
	}
	c.Send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
	c.ExpectEnd("")
	w.over(t)
}

// raw is a WebSocket whose test writes the frames.
func (w *world) raw(t *testing.T, o *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ws, resp, err := websocket.Dial(ctx, w.web(t), o)
	if err == nil {
		t.Cleanup(func() { ws.CloseNow() })
	}
	return ws, resp, err
}

var speaks = &websocket.DialOptions{Subprotocols: []string{"xmpp"}}

func TestWhatIsNoFrameOfXMPPIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	const open = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>"
	for name, x := range map[string]struct {
		frames []string
		want   string
	}{
		"a stream's header":   {[]string{header}, "restricted-xml"},
		"another root":        {[]string{"<opened xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"}, "bad-format"},
		"another host":        {[]string{strings.Replace(open, "example.org", "example.net", 1)}, "host-unknown"},
		"no version":          {[]string{strings.Replace(open, "version='1.0'", "", 1)}, "unsupported-version"},
		"opened twice":        {[]string{open, open}, "policy-violation"},
		"two in a frame":      {[]string{open, "<x xmlns='urn:x'/><x xmlns='urn:x'/>"}, "not-well-formed"},
		"half a frame":        {[]string{open, "<x xmlns='urn:x'>"}, "not-well-formed"},
		"nothing":             {[]string{open, ""}, "not-well-formed"},
		"a message at once":   {[]string{open, "<message xmlns='jabber:client'/>"}, "not-authorized"},
		"STARTTLS":            {[]string{open, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"}, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"},
		"an element too long": {[]string{open, "<x xmlns='urn:x'>" + strings.Repeat("x", 17<<10) + "</x>"}, "policy-violation"},
		"binary":              {[]string{"\x00"}, "bad-format"},
		"too much":            append64(open),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ws, _, err := w.raw(t, speaks)
			if err != nil {
				t.Fatal(err)
			}
			kind := websocket.MessageText
			if name == "binary" {
				kind = websocket.MessageBinary
			}
			for _, f := range x.frames {
				if ws.Write(t.Context(), kind, []byte(f)) != nil {
					break // it may have ended
				}
			}
			var heard []string
			for {
				_, b, err := ws.Read(t.Context())
				if err != nil {
					break
				}
				heard = append(heard, string(b))
			}
			all := strings.Join(heard, "\n")
			if !strings.HasPrefix(all, "<open ") || !strings.Contains(all, x.want) || !strings.HasSuffix(all, "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>") {
				t.Errorf("heard %s, want an opening, %s and an end", all, x.want)
			}
		})
	}
}

func append64(open string) (x struct {
	frames []string
	want   string
}) {
	x.frames, x.want = []string{open}, "policy-violation"
	for range 10 {
		x.frames = append(x.frames, "<enable xmlns='urn:xmpp:sm:3' x='"+strings.Repeat("x", 8<<10)+"'/>")
	}
	return x
}

func TestWhoMayUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{})
	from := func(origin string) *websocket.DialOptions {
		return &websocket.DialOptions{Subprotocols: []string{"xmpp"}, HTTPHeader: http.Header{"Origin": {origin}}}
	}
	for name, x := range map[string]struct {
		o      *websocket.DialOptions
		status int
	}{
		"no subprotocol":       {nil, 400},
		"another subprotocol":  {&websocket.DialOptions{Subprotocols: []string{"sip"}}, 400},
		"a good page":          {from("https://good.example"), 101},
		"a page of the server": {nil, 101},
		"another page":         {from("https://bad.example"), 403},
	} {
		if name == "a page of the server" {
			x.o = speaks
		}
		ws, resp, err := w.raw(t, x.o)
		if resp == nil || resp.StatusCode != x.status {
			t.Errorf("%s: %v, %v, want %d", name, resp, err, x.status)
		}
		if err == nil && ws.Subprotocol() != "xmpp" {
			t.Errorf("%s speaks %s", name, ws.Subprotocol())
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ws, _, err := w.raw(t, speaks); err == nil {
		if _, _, err := ws.Read(t.Context()); err == nil {
			t.Error("a closed edge speaks")
		}
	}
}

func TestASilentWebSocketIsEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{Limits: Limits{AuthTime: 100 * time.Millisecond}})
	ws, _, err := w.raw(t, speaks)
	if err != nil {
		t.Fatal(err)
	}
	var all string
	for {
		_, b, err := ws.Read(t.Context())
		if err != nil {
			break
		}
		all += string(b)
	}
	if !strings.Contains(all, "connection-timeout") {
		t.Errorf("heard %s", all)
	}
}

func TestAWebSocketWithoutPongIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Config{Limits: Limits{Ping: 20 * time.Millisecond, DeadPeer: 50 * time.Millisecond}})
	ws, _, err := w.raw(t, speaks)
	if err != nil {
		t.Fatal(err)
	}
	// Nobody reads, so that no pong is sent.
	for end := time.Now().Add(patience); w.Stats().Connections["WebSocket"] > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is kept")
		}
	}
	ws.CloseNow()
}
