package siptest

import (
	"context"
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/sip"
)

// WebSocket makes a peer with a WebSocket to url ("wss://127.0.0.1:8443/sip"), as a browser is
// one: nobody can reach the host it names (rfc7118#5).
func WebSocket(t testing.TB, name, url string, config *tls.Config) *Peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	conn, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{ //nolint:bodyclose // it is the connection's
		HTTPClient: client, Subprotocols: []string{"sip"},
	})
	if err != nil {
		t.Fatalf("siptest: %v", err)
	}
	if got := conn.Subprotocol(); got != "sip" {
		t.Fatalf("siptest: subprotocol %q in %v", got, answer.Header)
	}
	conn.SetReadLimit(longest)
	p := newPeer(t, name)
	network := sip.WS
	if url[:4] == "wss:" {
		network = sip.WSS
	}
	life, stop := context.WithCancel(t.Context())
	p.wire = wsWire{conn, network, random(10) + ".invalid", life, stop}
	go p.readWebSocket(life, conn)
	return p
}

type wsWire struct {
	conn *websocket.Conn
	name string
	self string
	life context.Context // ends the reader
	stop func()
}

func (w wsWire) network() string { return w.name }
func (w wsWire) host() string    { return w.self }
func (w wsWire) close() {
	w.stop()
	_ = w.conn.CloseNow()
}

func (w wsWire) write(text string) error {
	return w.conn.Write(w.life, websocket.MessageText, []byte(text))
}

func (p *Peer) readWebSocket(ctx context.Context, conn *websocket.Conn) {
	for {
		_, b, err := conn.Read(ctx)
		if err != nil {
			p.say("<- the connection ended: " + err.Error())
			return
		}
		p.parse(string(b))
	}
}
