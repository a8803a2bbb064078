// Package webedge serves HTTPS: it takes the WebSockets of SIP (RFC 7118) at /sip and of XMPP (RFC 7395) at /xmpp and
// hands them to those sides, lets devices sign in at /api/device, and serves a page. Its limits are those of a server
// that strangers connect to: every phase of a request has a deadline.
package webedge

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"parley/listen"
)

// Config of an Edge.
type Config struct {
	TLS *tls.Config
	// SIP takes the upgrade at /sip, XMPP that at /xmpp; nil: there is none.
	SIP, XMPP http.Handler
	// SignIn answers at /api/device and /api/turn; nil: there is none.
	SignIn http.Handler
	// Page is at /; nil: a line of text is.
	Page *Page
	Log  *slog.Logger
	// Connections bounds how many are open at once, upgraded ones included; default 20000.
	Connections int
	// PerAddress bounds how many one IPv4 address, or one /64 of IPv6, may have; default 256.
	PerAddress int
	// HandshakeTime bounds a TLS handshake, and after it the header of a request; default 10s.
	HandshakeTime time.Duration
	// RequestTime bounds a whole request, and its answer; default 30s.
	RequestTime time.Duration
	// Idle is how long a connection may wait for its next request; default 60s.
	Idle time.Duration
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Connections = cmp.Or(c.Connections, 20000)
	c.PerAddress = cmp.Or(c.PerAddress, 256)
	c.HandshakeTime = cmp.Or(c.HandshakeTime, 10*time.Second)
	c.RequestTime = max(cmp.Or(c.RequestTime, 30*time.Second), c.HandshakeTime)
	c.Idle = cmp.Or(c.Idle, time.Minute)
	return c
}

// maxHeader is how long the header of a request may be; net/http adds 4 KiB of grace.
const maxHeader = 16 << 10

// Edge is the HTTPS side of the server.
type Edge struct {
	cfg     Config
	handler http.Handler
	gate    *listen.Gate

	mu      sync.Mutex
	closed  bool
	servers []*http.Server
	done    sync.WaitGroup
}

// New makes an edge that listens nowhere yet.
func New(cfg Config) *Edge {
	cfg = cfg.withDefaults()
	e := &Edge{cfg: cfg, gate: listen.NewGate(cfg.Connections, cfg.PerAddress)}
	mux := http.NewServeMux()
	mux.Handle("GET /sip", cfg.SIP)
	if cfg.XMPP != nil {
		mux.Handle("GET /xmpp", cfg.XMPP)
	}
	if cfg.SignIn != nil {
		mux.Handle("/api/device", cfg.SignIn)
		mux.Handle("/api/turn", cfg.SignIn)
	}
	if cfg.Page == nil {
		mux.HandleFunc("GET /{$}", front)
	} else {
		for path, file := range cfg.Page.files {
			mux.Handle("GET "+path, file)
		}
	}
	e.handler = secured(mux)
	return e
}

// SetLimits changes how many connections may be open, all together and by address; those that are stay.
func (e *Edge) SetLimits(connections, perAddress int) { e.gate.Set(connections, perAddress) }

// front tells a person who followed the address what this is.
func front(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "This is parley. SIP over WebSocket is at /sip, XMPP at /xmpp.\n")
}

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// Listen serves on an address, with TLS or, for tests and behind a proxy, without.
func (e *Edge) Listen(ctx context.Context, addr string, secure bool) (net.Addr, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("webedge: listen on %s: %w", addr, err)
	}
	s := &http.Server{
		Handler:           e.handler,
		ReadHeaderTimeout: e.cfg.HandshakeTime, // net/http holds the handshake to it too
		ReadTimeout:       e.cfg.RequestTime,
		WriteTimeout:      e.cfg.RequestTime,
		IdleTimeout:       e.cfg.Idle,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(e.cfg.Log.Handler(), slog.LevelDebug),
	}
	address := ln.Addr()
	ln = e.gate.Guard(ln)
	if secure {
		ln = tls.NewListener(ln, e.cfg.TLS)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errors.Join(fmt.Errorf("webedge: listen on %s: %w", addr, http.ErrServerClosed), ln.Close())
	}
	e.servers = append(e.servers, s)
	e.done.Go(func() {
		if err := s.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			e.cfg.Log.Error("HTTPS listener ended", "address", addr, "err", err)
		}
	})
	return address, nil
}

// Close ends the listeners. Connections that were upgraded belong to the SIP side.
func (e *Edge) Close() {
	e.mu.Lock()
	e.closed = true
	servers := e.servers
	e.mu.Unlock()
	for _, s := range servers {
		_ = s.Close()
	}
	e.done.Wait()
}
