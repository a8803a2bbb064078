package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/net/netutil"

	"parley/internal/core"
)

const (
	maxBody        = 64 << 10 // of a request, but for an import's file
	maxConnections = 64
	maxList        = 1000 // accounts in one answer
)

// Config of the server side. All but Log is needed.
type Config struct {
	Dir       string // the data folder; the caller holds its lock
	Users     Users
	Reporter  Reporter
	Explainer Explainer
	Log       *slog.Logger
}

// Server answers operators.
type Server struct {
	config  Config
	places  places
	http    *http.Server
	pointer string
	served  chan struct{}
}

// NewServer makes a server that does not listen yet.
func NewServer(c Config) *Server {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: c, places: systemPlaces(), pointer: filepath.Join(c.Dir, pointerFile)}
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
	}
	return s
}

// Start makes the socket and answers on it.
func (s *Server) Start(ctx context.Context) error {
	l, err := listen(ctx, s.config.Dir, s.places)
	if err != nil {
		return err
	}
	served := make(chan struct{})
	s.served = served
	ours := ownerOnly{Listener: l, uid: os.Geteuid(), who: peerUID, log: s.config.Log}
	go func() {
		defer close(served)
		if err := s.http.Serve(netutil.LimitListener(ours, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			s.config.Log.Error("the admin socket has failed", "err", err)
		}
	}()
	return nil
}

// Stop lets what is under way finish until ctx ends, and removes the socket.
func (s *Server) Stop(ctx context.Context) error {
	if s.served == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.served
	_ = os.Remove(s.pointer) // mostly there is none
	return err
}

// ownerOnly accepts connections of the server's own user and of root.
type ownerOnly struct {
	net.Listener
	uid int
	who func(*net.UnixConn) (uid int, ok bool)
	log *slog.Logger
}

func (l ownerOnly) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, ok := 0, false
		if u, is := c.(*net.UnixConn); is {
			uid, ok = l.who(u)
		}
		if welcome(uid, ok, l.uid) {
			return c, nil
		}
		l.log.Warn("a foreign user was turned away from the admin socket", "uid", uid)
		_ = c.Close()
	}
}

// welcome says whether a peer may be at the other end of a socket of the user own.
func welcome(uid int, known bool, own int) bool {
	if !known {
		return !peersAreKnown
	}
	return uid == own || uid == 0
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /v1/status":                          s.status,
		"GET /v1/users":                           s.list,
		"POST /v1/users":                          s.create,
		"GET /v1/users/{address}":                 s.show,
		"DELETE /v1/users/{address}":              s.delete,
		"PUT /v1/users/{address}/password":        s.setPassword,
		"PUT /v1/users/{address}/strangers":       s.setStrangers,
		"GET /v1/users/{address}/devices":         s.devices,
		"DELETE /v1/users/{address}/devices/{id}": s.revokeDevice,
		"GET /v1/route":                           s.route,
	} {
		mux.HandleFunc(pattern, s.answer(h))
	}
	mux.HandleFunc("POST /v1/import", s.importFile)
	mux.HandleFunc("/", s.answer(func(*http.Request) (any, error) {
		return nil, core.Fail(core.NotFound, "this server knows no such request: is the client of the same version?", nil)
	}))
	return mux
}

// handler answers one request with something that becomes JSON; nil for nothing.
type handler func(*http.Request) (any, error)

func (s *Server) answer(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		body, err := h(r)
		switch {
		case err != nil:
			s.fail(w, r, err)
		case body == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			s.write(w, http.StatusOK, body)
		}
	}
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, f := describe(err)
	if status == http.StatusInternalServerError {
		s.config.Log.Error("an admin request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	s.write(w, status, f)
}

func (s *Server) write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.config.Log.Debug("an admin answer was not taken", "err", err)
	}
}

// read takes a request's body.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return core.Fail(core.BadRequest, "the request's body is not what was expected", err)
	}
	return nil
}

func (s *Server) status(r *http.Request) (any, error) {
	return s.config.Reporter.Status(r.Context())
}

func (s *Server) list(r *http.Request) (any, error) {
	var after core.Address
	if text := r.FormValue("after"); text != "" {
		var err error
		if after, err = ParseAddress(text); err != nil {
			return nil, err
		}
	}
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || limit < 1 {
		return nil, core.Fail(core.BadRequest, "limit has to be a number above 0", err)
	}
	users, err := s.config.Users.List(r.Context(), after, min(limit, maxList))
	if users == nil {
		users = []User{}
	}
	return users, err
}

// newUser is the body of a request to create an account.
type newUser struct {
	Address  string `json:"address"`
	Password string `json:"password"`
}

func (s *Server) create(r *http.Request) (any, error) {
	var u newUser
	if err := read(r, &u); err != nil {
		return nil, err
	}
	a, err := ParseAddress(u.Address)
	if err != nil {
		return nil, err
	}
	return nil, s.config.Users.Create(r.Context(), a, u.Password)
}

func (s *Server) delete(r *http.Request) (any, error) {
	a, err := ParseAddress(r.PathValue("address"))
	if err != nil {
		return nil, err
	}
	return nil, s.config.Users.Delete(r.Context(), a)
}

type newPassword struct {
	Password string `json:"password"`
}

func (s *Server) setPassword(r *http.Request) (any, error) {
	var p newPassword
	if err := read(r, &p); err != nil {
		return nil, err
	}
	a, err := ParseAddress(r.PathValue("address"))
	if err != nil {
		return nil, err
	}
	return nil, s.config.Users.SetPassword(r.Context(), a, p.Password)
}

type newStrangers struct {
	Strangers bool `json:"strangers"`
}

func (s *Server) setStrangers(r *http.Request) (any, error) {
	var n newStrangers
	if err := read(r, &n); err != nil {
		return nil, err
	}
	a, err := ParseAddress(r.PathValue("address"))
	if err != nil {
		return nil, err
	}
	return nil, s.config.Users.SetStrangers(r.Context(), a, n.Strangers)
}

func (s *Server) route(r *http.Request) (any, error) {
	from, err := ParseParty(r.FormValue("from"))
	if err != nil {
		return nil, err
	}
	to, err := ParseParty(r.FormValue("to"))
	if err != nil {
		return nil, err
	}
	return s.config.Explainer.Explain(r.Context(), from, to)
}

// news is one line of the answer to an import: one of the three.
type news struct {
	Progress *Progress `json:"progress,omitempty"`
	Report   *Report   `json:"report,omitempty"`
	Failure  *failure  `json:"failure,omitempty"`
}

// importFile reads the file while it answers, so that the client sees how far it is.
func (s *Server) importFile(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if err := control.EnableFullDuplex(); err != nil {
		s.fail(w, r, fmt.Errorf("admin: answer while reading: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	out := json.NewEncoder(w)
	tell := func(n news) {
		// A client that has gone away ends the request's context, and the import with it.
		_ = out.Encode(n)
		_ = control.Flush()
	}
	report, err := s.config.Users.Import(r.Context(), r.Body, func(p Progress) { tell(news{Progress: &p}) })
	if err != nil {
		status, f := describe(err)
		if status == http.StatusInternalServerError {
			s.config.Log.Error("an import failed", "err", err)
		}
		tell(news{Failure: &f})
		return
	}
	tell(news{Report: &report})
}
