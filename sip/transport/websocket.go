package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"parley/sip"
)

// subprotocol is SIP's among those of WebSocket (rfc7118#4).
const subprotocol = "sip"

// WebSocketHandler upgrades HTTP requests to SIP over WebSocket. Browsers may come from pages
// of the same host and of the given origins (patterns of "host" or "scheme://host");
// others send no Origin. The server's own limits apply until the upgrade.
func (l *Layer) WebSocketHandler(origins ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.upgrade(w, r, origins) })
}

func (l *Layer) upgrade(w http.ResponseWriter, r *http.Request, origins []string) {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		http.Error(w, "no remote address", http.StatusInternalServerError)
		return
	}
	remote = unmap(remote)
	if r.Header.Get("Upgrade") != "" && !offersSIP(r.Header) {
		http.Error(w, "WebSocket subprotocol sip is required", http.StatusBadRequest) // rfc7118#4.1
		return
	}
	if err := l.room(remote.Addr()); err != nil {
		l.count.refused.Add(1)
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:   []string{subprotocol},
		OriginPatterns: origins,
	})
	if err != nil {
		l.log.Debug("WebSocket refused", "remote", remote, "err", err)
		return // Accept has answered
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if err := l.ServeWebSocket(ws, remote, addrPort(local), r.TLS != nil); err != nil {
		l.log.Debug("WebSocket refused", "remote", remote, "err", err)
	}
}

func offersSIP(h http.Header) bool {
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(name), subprotocol) {
				return true
			}
		}
	}
	return false
}

// room says why a connection from a would be refused.
func (l *Layer) room(a netip.Addr) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed || l.closing {
		return ErrClosed
	}
	return l.full(group(a))
}

// ServeWebSocket takes over a WebSocket connection that was accepted with the subprotocol
// "sip", and returns at once. The addresses are those of its socket; secure says that it
// runs over TLS. On an error the connection is closed.
func (l *Layer) ServeWebSocket(ws *websocket.Conn, remote, local netip.AddrPort, secure bool) error {
	network := sip.WS
	if secure {
		network = sip.WSS
	}
	c := l.newConn(network, unmap(local), unmap(remote))
	ctx, cancel := context.WithCancel(context.Background())
	w := &webSocket{layer: l, ws: ws, cancel: cancel}
	w.stall = time.AfterFunc(l.limits.Load().IdleTimeout, func() { c.close("idle, or message too slow", true) })
	w.pings = time.AfterFunc(l.limits.Load().PingInterval, func() { c.background(func() { w.ping(c) }) })
	c.wire = w
	ws.SetReadLimit(int64(l.limits.Load().MaxMessage))
	if err := l.open(c); err != nil {
		l.count.refused.Add(1)
		w.close(false)
		return fmt.Errorf("transport: WebSocket of %s: %w", remote, err)
	}
	l.count.accepted.Add(1)
	c.start()
	go c.run(ctx)
	return nil
}

// webSocket is the wire of WS and WSS: each frame is one message (rfc7118#5).
type webSocket struct {
	layer  *Layer
	ws     *websocket.Conn
	cancel context.CancelFunc // of the reader; the connection ends with it, however stuck
	stall  *time.Timer        // ends an idle connection, or one whose message is too slow
	pings  *time.Timer
}

func (w *webSocket) tls() *tls.ConnectionState { return nil }

// read goes on after c is closed, so that the closing handshake can end.
func (w *webSocket) read(ctx context.Context, c *conn) string {
	for {
		_, r, err := w.ws.Reader(ctx)
		if err != nil {
			return err.Error()
		}
		w.stall.Reset(w.layer.limits.Load().MessageTimeout)
		text, err := w.frame(r)
		if err != nil {
			w.layer.malformed(c.remote, err)
			return err.Error()
		}
		w.stall.Reset(w.layer.limits.Load().IdleTimeout)
		switch {
		case c.isClosed():
		case text == "\r\n\r\n":
			c.ping()
		case strings.Trim(text, "\r\n") == "":
			w.layer.count.keepAlives.Add(1)
		default:
			c.message(text)
		}
	}
}

// frame reads one message, text or binary.
func (w *webSocket) frame(r io.Reader) (string, error) {
	b := w.layer.buffer()
	defer w.layer.free(b)
	buf := bytes.NewBuffer(*b)
	_, err := buf.ReadFrom(r)
	*b = buf.Bytes()
	return buf.String(), err
}

func (w *webSocket) write(texts []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), w.layer.limits.Load().WriteTimeout)
	defer cancel()
	b := w.layer.buffer()
	defer w.layer.free(b)
	for _, text := range texts {
		*b = append((*b)[:0], text...)
		kind := websocket.MessageText
		if !utf8.ValidString(text) { // a text frame must be UTF-8 (rfc6455#8.1)
			kind = websocket.MessageBinary
		}
		if err := w.ws.Write(ctx, kind, *b); err != nil {
			return err
		}
	}
	return nil
}

// ping finds out whether the peer is there, and keeps NATs and proxies between us open.
func (w *webSocket) ping(c *conn) {
	ctx, cancel := context.WithTimeout(context.Background(), w.layer.limits.Load().DeadPeerTimeout)
	defer cancel()
	if err := w.ws.Ping(ctx); err != nil {
		c.close("ping: "+err.Error(), false)
		return
	}
	w.pings.Reset(w.layer.limits.Load().PingInterval)
}

// close ends the connection; a polite one with a closing handshake, for at most linger.
func (w *webSocket) close(polite bool) {
	w.stall.Stop()
	w.pings.Stop()
	defer w.cancel()
	var err error
	if polite {
		// Nobody may be reading, so that ending the read alone would not end the wait.
		t := time.AfterFunc(linger, func() {
			w.cancel()
			_ = w.ws.CloseNow()
		})
		defer t.Stop()
		err = w.ws.Close(websocket.StatusGoingAway, "")
	} else {
		err = w.ws.CloseNow()
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		w.layer.log.Debug("WebSocket close", "err", err)
	}
}
