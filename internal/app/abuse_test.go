package app

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// abuse is a connection that does no good.
type abuse struct {
	listener string
	secure   bool   // with a TLS handshake
	text     string // what it says
	stays    bool   // and then waits for the server to end it
}

// half is the beginning of a message.
const half = "OPTIONS sip:localhost SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nCall-ID: 1\r\nContent-Length: 100\r\n"

func abuses() []interface{ do(*hand, *scene) } {
	var all []interface{ do(*hand, *scene) }
	for _, listener := range []string{"sip-tcp", "sip-tls", "https"} {
		for _, text := range []string{"", half, half + "\r\nbody", "\x16\x03\x01\x02", "no protocol at all\r\n\r\n\x00\xff", "\r\n\r\n", "GET /sip HTTP/1.1\r\nHost: x\r\n"} {
			for _, stays := range []bool{false, true} {
				all = append(all, abuse{listener, false, text, stays})
				if listener != "sip-tcp" {
					all = append(all, abuse{listener, true, text, stays})
				}
			}
		}
	}
	for _, text := range []string{"", half, "no protocol at all", "\r\n\r\n"} {
		all = append(all, webAbuse{text, false}, webAbuse{text, true})
	}
	return append(all, requestAbuse("/sip"), requestAbuse("/"), requestAbuse("/none"))
}

func (a abuse) do(h *hand, s *scene) {
	conn, err := net.Dial("tcp", s.at(a.listener))
	if err != nil {
		h.Fatalf("%v", err)
	}
	defer conn.Close()
	if a.secure {
		conn = tls.Client(conn, anyone())
	}
	_, _ = io.WriteString(conn, a.text) // the server may have ended it
	if a.stays {
		a.awaitEnd(h, conn)
	}
}

func (a abuse) awaitEnd(h *hand, conn net.Conn) {
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		h.Fatalf("%v", err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // io.Copy gives it as it is
			h.Errorf("the server keeps %+v", a)
		}
	}
}

// webAbuse is a WebSocket that does no good.
type webAbuse struct {
	text  string
	stays bool
}

func (a webAbuse) do(h *hand, s *scene) {
	ctx, cancel := context.WithTimeout(h.Context(), 20*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: anyone(), DisableKeepAlives: true}}
	conn, _, err := websocket.Dial(ctx, "wss://"+s.at("https")+"/sip", &websocket.DialOptions{
		HTTPClient: client, Subprotocols: []string{"sip"},
	})
	if err != nil {
		h.Fatalf("%v", err)
	}
	defer conn.CloseNow()
	w, err := conn.Writer(ctx, websocket.MessageText)
	if err != nil {
		h.Fatalf("%v", err)
	}
	_, _ = io.WriteString(w, a.text) // the message is never ended
	if !a.stays {
		return
	}
	for err == nil {
		_, _, err = conn.Read(ctx)
	}
	if ctx.Err() != nil {
		h.Errorf("the server keeps %+v", a)
	}
}

// requestAbuse asks for a page, over a connection that is left open.
type requestAbuse string

func (a requestAbuse) do(h *hand, s *scene) {
	transport := &http.Transport{TLSClientConfig: anyone()}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("https://" + s.at("https") + string(a))
	if err != nil {
		h.Fatalf("%v", err)
	}
	resp.Body.Close()
}
