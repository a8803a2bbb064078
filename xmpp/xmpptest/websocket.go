package xmpptest

import (
	"context"
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"parley/xmpp"
)

// WebSocket connects to url ("wss://127.0.0.1:8443/xmpp-websocket") as a browser does (RFC 7395).
func WebSocket(t testing.TB, address, url string, config *tls.Config) *Client {
	t.Helper()
	c := newClient(t, address, config)
	ctx, cancel := c.patience()
	defer cancel()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c.config, DisableKeepAlives: true}}
	conn, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{ //nolint:bodyclose // it is the connection's
		HTTPClient: client, Subprotocols: []string{"xmpp"}, // rfc7395#3.1
	})
	if err != nil {
		t.Fatalf("xmpptest: %v", err)
	}
	if got := conn.Subprotocol(); got != "xmpp" {
		t.Fatalf("xmpptest: subprotocol %q in %v", got, answer.Header)
	}
	conn.SetReadLimit(int64(generous().Bytes))
	life, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	return c.start(&frames{conn: conn, life: life, stop: stop})
}

// frames is a WebSocket with one element in each message.
type frames struct {
	conn *websocket.Conn
	life context.Context // ends the reader
	stop func()
	scan xmpp.Scanner
}

func (f *frames) write(text string) error {
	return f.conn.Write(f.life, websocket.MessageText, []byte(text))
}

func (f *frames) close() {
	f.stop()
	_ = f.conn.CloseNow()
}

func (f *frames) open(to string) string {
	return xmpp.NewBuilder(nil).Open("open", xmpp.NSFraming).Attr("to", to).Attr("version", "1.0").
		Attr("xml:lang", "en").Close().String() // rfc7395#3.4
}

func (f *frames) closing() string {
	return xmpp.NewBuilder(nil).Open("close", xmpp.NSFraming).Close().String() // rfc7395#3.6
}

func (f *frames) read(c *Client) error {
	f.scan.Limits = generous()
	for {
		_, b, err := f.conn.Read(f.life)
		if err != nil {
			return err
		}
		raw, err := f.scan.Frame(b)
		if err != nil {
			return err
		}
		closed := raw.Is(xmpp.NSFraming, "close")
		c.take(raw.Text(), raw.Element())
		if closed {
			return errClosed
		}
	}
}
