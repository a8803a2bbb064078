package xmppedge

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/coder/websocket"

	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/stream"
)

// subprotocol is XMPP's among those of WebSocket (rfc7395#3.1).
const subprotocol = "xmpp"

// WebSocketHandler upgrades HTTP requests to XMPP over WebSocket. Browsers may come from pages of the same host and of the
// given origins (patterns of "host" or "scheme://host"); others send no Origin. The HTTP server's own limits apply
// until the upgrade, and so does its count of connections after it.
func (e *Edge) WebSocketHandler(origins ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.upgrade(w, r, origins) })
}

func (e *Edge) upgrade(w http.ResponseWriter, r *http.Request, origins []string) {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		http.Error(w, "no remote address", http.StatusInternalServerError)
		return
	}
	if r.Header.Get("Upgrade") != "" && !offersXMPP(r.Header) {
		http.Error(w, "WebSocket subprotocol xmpp is required", http.StatusBadRequest)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}, OriginPatterns: origins})
	if err != nil {
		e.log.Debug("WebSocket refused", "remote", remote, "err", err)
		return // Accept has answered
	}
	e.serveWebSocket(ws, netip.AddrPortFrom(remote.Addr().Unmap().WithZone(""), remote.Port()), r.TLS != nil)
}

func offersXMPP(h http.Header) bool {
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(name), subprotocol) {
				return true
			}
		}
	}
	return false
}

// serveWebSocket takes over a WebSocket connection. One without TLS counts as encrypted if it comes from this machine: from
// the proxy that did it.
func (e *Edge) serveWebSocket(ws *websocket.Conn, remote netip.AddrPort, secure bool) {
	w := &webSocket{edge: e, ws: ws, stranger: true}
	w.ctx, w.cancel = context.WithCancel(e.ctx)
	c := &conn{edge: e, wire: w, remote: remote, began: time.Now()}
	c.info.Store(&im.Info{Network: "WebSocket", Source: remote, Encrypted: secure || remote.Addr().IsLoopback()})
	w.pings = time.AfterFunc(e.limits.Load().Ping, func() { c.later(w.ping) })
	w.stall = time.AfterFunc(e.limits.Load().AuthTime, func() {
		c.later(func() { c.end(timeout("signing in, or an element, takes too long")) })
	})
	w.restart(false)
	if !e.enter(c) {
		w.abort()
		return
	}
	go c.run()
}

// webSocket is the wire of RFC 7395: each frame is one element.
type webSocket struct {
	edge   *Edge
	ws     *websocket.Conn
	ctx    context.Context //nolint:containedctx // of the reader; the connection ends with it, however stuck
	cancel context.CancelFunc
	stall  *time.Timer // ends a connection whose element, or sign-in, takes too long
	pings  *time.Timer

	stranger bool // there is no session yet
	heard    int  // bytes of a stranger
	limits   xmpp.Limits
	scan     *xmpp.Scanner
	buf      *bytes.Buffer
}

func (w *webSocket) form() stream.Form { return stream.Framed }

// secured gives no channel binding: who speaks through a browser or a proxy knows nothing of the TLS under it.
func (w *webSocket) secured() (*tls.ConnectionState, *x509.Certificate) { return nil, nil }

func (w *webSocket) restart(signedIn bool) {
	w.limits = w.edge.limits.Load().before()
	if signedIn {
		w.limits = w.edge.limits.Load().after()
	}
	// The scanner is to refuse what is too long, since it says why.
	w.ws.SetReadLimit(int64(w.limits.Bytes) + bufferSize)
}

func (w *webSocket) settle() {
	w.stranger = false
	w.stall.Stop()
}

func (w *webSocket) next() (xmpp.Event, *xmpp.Raw, error) {
	w.release()
	kind, r, err := w.ws.Reader(w.ctx)
	if err != nil {
		return xmpp.More, nil, err
	}
	if !w.stranger {
		w.stall.Reset(w.edge.limits.Load().StanzaTime)
		defer w.stall.Stop()
	}
	w.scan, w.buf = w.edge.pools.frame(), w.edge.pools.frameBuffer()
	if _, err := w.buf.ReadFrom(r); err != nil {
		return xmpp.More, nil, err
	}
	if w.heard += w.buf.Len(); w.stranger && w.heard > w.edge.limits.Load().AuthBytes {
		return xmpp.More, nil, tooMuch()
	}
	if kind != websocket.MessageText {
		return xmpp.More, nil, &xmpp.StreamError{Condition: xmpp.BadFormat, Text: "a frame is text"} // rfc7395#3.2
	}
	w.scan.Limits = w.limits
	raw, err := w.scan.Frame(w.buf.Bytes())
	switch {
	case err != nil:
		return xmpp.More, nil, err
	case raw.Is(xmpp.NSFraming, "open"):
		return xmpp.Opened, raw, nil
	case raw.Is(xmpp.NSFraming, "close"):
		return xmpp.Closed, raw, nil
	}
	return xmpp.Whole, raw, nil
}

// wait has nothing to do, since next does not ask for it.
func (w *webSocket) wait() error { return nil }

// release gives back what the last element was read with.
func (w *webSocket) release() {
	if w.scan == nil {
		return
	}
	w.edge.pools.frames.Put(w.scan)
	w.scan = nil
	if w.buf.Cap() <= 4*bufferSize {
		w.buf.Reset()
		w.edge.pools.frameBuffers.Put(w.buf)
	}
	w.buf = nil
}

func (w *webSocket) write(b *batch) error {
	ctx, cancel := context.WithTimeout(w.ctx, w.edge.limits.Load().SendTime)
	defer cancel()
	from := 0
	for _, to := range b.ends {
		if err := w.ws.Write(ctx, websocket.MessageText, b.text[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// probe has nothing to do: pings are sent all the time.
func (w *webSocket) probe() error { return nil }

// ping finds out whether the peer is there, and keeps NATs and proxies between us open.
func (w *webSocket) ping() {
	ctx, cancel := context.WithTimeout(w.ctx, w.edge.limits.Load().DeadPeer)
	defer cancel()
	if err := w.ws.Ping(ctx); err != nil {
		w.abort()
		return
	}
	w.pings.Reset(w.edge.limits.Load().Ping)
}

// farewell closes the WebSocket once the peer has closed it too (rfc7395#3.6).
func (w *webSocket) farewell() {
	w.edge.background(func() {
		if err := w.ws.Close(websocket.StatusNormalClosure, ""); err != nil && !errors.Is(err, net.ErrClosed) {
			w.edge.log.Debug("WebSocket close", "err", err)
		}
	})
}

func (w *webSocket) drain() {
	w.stall.Reset(2 * linger)
	for {
		_, r, err := w.ws.Reader(w.ctx)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return
		}
	}
}

func (w *webSocket) abort() {
	w.stall.Stop()
	w.pings.Stop()
	w.cancel()
	_ = w.ws.CloseNow()
}
