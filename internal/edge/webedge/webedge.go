// Package webedge serves HTTPS: for now it only takes the WebSocket of SIP (RFC 7118) at /sip and hands it to
// the SIP side. Its limits are those of a server that strangers connect to: every phase of a
// request has a deadline.
package webedge

import (
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
)

// Config of an Edge.
type Config struct {
	TLS *tls.Config
	// SIP takes the upgrade at /sip.
	SIP http.Handler
	Log *slog.Logger
	// Connections bounds how many are open at once, upgraded ones included; default 20000.
	Connections int
}

// Edge is the HTTPS side of the server.
type Edge struct {
	cfg     Config
	handler http.Handler
	slots   chan struct{}

	mu      sync.Mutex
	servers []*http.Server
	done    sync.WaitGroup
}

// New makes an edge that listens nowhere yet.
func New(cfg Config) *Edge {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Connections == 0 {
		cfg.Connections = 20000
	}
	e := &Edge{cfg: cfg, slots: make(chan struct{}, cfg.Connections)}
	mux := http.NewServeMux()
	mux.Handle("GET /sip", cfg.SIP)
	mux.HandleFunc("GET /{$}", front)
	e.handler = secured(mux)
	return e
}

// front tells a person who followed the address what this is.
func front(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "This is parley. SIP over WebSocket is at /sip.\n")
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
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(e.cfg.Log.Handler(), slog.LevelDebug),
	}
	address := ln.Addr()
	ln = &bounded{Listener: ln, slots: e.slots}
	if secure {
		ln = tls.NewListener(ln, e.cfg.TLS)
	}
	e.mu.Lock()
	e.servers = append(e.servers, s)
	e.mu.Unlock()
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
	servers := e.servers
	e.mu.Unlock()
	for _, s := range servers {
		_ = s.Close()
	}
	e.done.Wait()
}

// bounded closes connections past the limit at once: a queue would only hide the flood.
type bounded struct {
	net.Listener
	slots chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.slots <- struct{}{}:
			return &counted{Conn: c, slots: b.slots}, nil
		default:
			_ = c.Close()
		}
	}
}

// counted gives its slot back when it is closed.
type counted struct {
	net.Conn
	once  sync.Once
	slots chan struct{}
}

func (c *counted) Close() error {
	c.once.Do(func() { <-c.slots })
	return c.Conn.Close()
}
