// Package signin is where a client gets a token for its device, over HTTPS, which a browser page can do before it has a
// connection of SIP or XMPP.
//
//	POST   /api/device   the address and password as JSON, {"address", "password", "name", "kind"}, or by Basic with
//	                     name and kind as JSON: a new device. With a token (Bearer): another token for that device.
//	DELETE /api/device   with a token: the device is signed out.
//
//	GET    /api/turn     with a token, or by Basic with address and password: a name and password for the server's relay.
//
// The answer to a POST is {"id", "address", "token", "expires"}, that to a GET {"username", "password", "ttl", "uris"}
// (draft-uberti-behave-turn-rest); a failure has {"reason", "text"}. Only pages from those
// origins are answered that may open WebSockets, and nothing is to be stored on the way.
package signin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"parley/internal/core"
)

// Devices makes and ends devices.
type Devices interface {
	core.Devices
	Create(ctx context.Context, a core.Address, name, kind, source string) (core.Device, string, error)
	Rotate(ctx context.Context, token, source string) (core.Device, string, error)
	Revoke(ctx context.Context, a core.Address, id string) error
}

// Config of a Handler. All but Origins is needed.
type Config struct {
	Credentials core.Credentials
	Guard       core.Guard
	Devices     Devices
	// Addresses reads an account's address as a person writes it.
	Addresses func(text string) (core.Address, error)
	// Origins are patterns of "host" or "scheme://host" of the pages that may ask, besides those of the server's own host.
	Origins func() []string
	// Relay gives what a client needs to use the server's relay; nil: there is none.
	Relay func(core.Address) Relay
	Log   *slog.Logger
}

// Relay is a name and password that are good for a while, and where the relay is: URIs of RFC 7064 and RFC 7065.
type Relay struct {
	Username string   `json:"username"`
	Password string   `json:"password"`
	TTL      int      `json:"ttl"` // seconds
	URIs     []string `json:"uris"`
}

// Handler answers at /api/device and /api/turn.
type Handler struct{ cfg Config }

// New makes a Handler.
func New(c Config) *Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Origins == nil {
		c.Origins = func() []string { return nil }
	}
	return &Handler{c}
}

// maxBody is longer than any request with the longest password.
const maxBody = 16 << 10

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store") // rfc6750#5.3
	if !h.mayAsk(w, r) {
		fail(w, http.StatusForbidden, "forbidden", "pages of this origin may not sign in here")
		return
	}
	source, err := netip.ParseAddrPort(r.RemoteAddr)
	switch {
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
		return
	case err != nil || r.TLS == nil && !source.Addr().Unmap().IsLoopback():
		fail(w, http.StatusForbidden, "forbidden", "only over HTTPS")
		return
	}
	q := request{Handler: h, Request: r, source: source.Addr().Unmap().WithZone("").String()}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	token, isToken := bearer(r)
	switch {
	case r.URL.Path == "/api/turn":
		q.serveRelay(w, token, isToken)
	case r.Method == http.MethodPost && isToken:
		q.reply(w, q.rotate(token))
	case r.Method == http.MethodPost:
		q.reply(w, q.create())
	case r.Method == http.MethodDelete && isToken:
		q.reply(w, q.revoke(token))
	case r.Method == http.MethodDelete:
		fail(w, http.StatusUnauthorized, "unauthorized", wrongToken)
	default:
		w.Header().Set("Allow", "POST, DELETE, OPTIONS")
		fail(w, http.StatusMethodNotAllowed, "bad-request", "POST gets a token, DELETE ends it")
	}
}

// mayAsk says whether a request comes from a page that may ask, or from no page, and tells the browser so.
func (h *Handler) mayAsk(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || !h.allowed(u, r.Host) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	w.Header().Set("Access-Control-Max-Age", "600")
	return true
}

func (h *Handler) allowed(origin *url.URL, host string) bool {
	if strings.EqualFold(origin.Host, host) {
		return true
	}
	for _, pattern := range h.cfg.Origins() {
		target := origin.Host
		if strings.Contains(pattern, "://") {
			target = origin.Scheme + "://" + origin.Host
		}
		if ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(target)); err == nil && ok {
			return true
		}
	}
	return false
}

func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// request is one, with the IP address that it comes from.
type request struct {
	*Handler
	*http.Request
	source string
}

// outcome is what is answered.
type outcome struct {
	status int
	body   any
	retry  time.Duration
	err    error // for the log
}

// made is the answer to who has a token now.
type made struct {
	ID      string    `json:"id"`
	Address string    `json:"address"`
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"` // if it is not used until then
}

type failure struct {
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

// What those hear who have proved nothing, whatever the matter is.
const (
	wrongPassword = "wrong password or no such account"
	wrongToken    = "the token is not good"
)

// wish is a request's body.
type wish struct {
	Address  string `json:"address"`
	Password string `json:"password"`
	Name     string `json:"name"`
	Kind     string `json:"kind"`
}

func (q request) wish() (w wish, err error) {
	if media, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); q.ContentLength != 0 && (err != nil || media != "application/json") {
		return w, errors.New("signin: the body is not said to be JSON")
	}
	user, password, basic := q.BasicAuth()
	if q.ContentLength != 0 || !basic {
		if err := json.NewDecoder(q.Body).Decode(&w); err != nil {
			return w, err
		}
	}
	if basic {
		w.Address, w.Password = user, password
	}
	return w, nil
}

// serveRelay answers at /api/turn.
func (q request) serveRelay(w http.ResponseWriter, token string, isToken bool) {
	switch {
	case q.cfg.Relay == nil:
		fail(w, http.StatusNotFound, "not-found", "there is no relay")
	case q.Method != http.MethodGet:
		w.Header().Set("Allow", "GET, OPTIONS")
		fail(w, http.StatusMethodNotAllowed, "bad-request", "GET gets a name and password for the relay")
	default:
		q.reply(w, q.relay(token, isToken))
	}
}

func (q request) relay(token string, isToken bool) outcome {
	if isToken {
		d, refused, ok := q.prove(token)
		if !ok {
			return refused
		}
		return outcome{status: http.StatusOK, body: q.cfg.Relay(d.Account)}
	}
	w, err := q.wish()
	if err != nil {
		return refusal(http.StatusUnauthorized, "unauthorized", wrongToken, err)
	}
	a, refused, ok := q.password(w)
	if !ok {
		return refused
	}
	return outcome{status: http.StatusOK, body: q.cfg.Relay(a)}
}

// password says whose a password is.
func (q request) password(w wish) (core.Address, outcome, bool) {
	a, err := q.cfg.Addresses(w.Address)
	if err != nil {
		return a, refusal(http.StatusUnauthorized, "unauthorized", wrongPassword, err), false
	}
	if wait := q.cfg.Guard.Check(q.source, a); wait > 0 {
		return a, tooSoon("too many wrong passwords", wait), false
	}
	err = q.cfg.Credentials.Password(q.Context(), a, w.Password)
	if errors.Is(err, core.ErrNoAccount) {
		q.cfg.Guard.Failed(q.source, a)
		return a, refusal(http.StatusUnauthorized, "unauthorized", wrongPassword, err), false
	}
	if err != nil {
		return a, broken(err), false
	}
	q.cfg.Guard.Succeeded(q.source, a)
	return a, outcome{}, true
}

func (q request) create() outcome {
	w, err := q.wish()
	if err != nil {
		return refusal(http.StatusBadRequest, "bad-request", "the body is not what was expected", err)
	}
	a, refused, ok := q.password(w)
	if !ok {
		return refused
	}
	d, token, err := q.cfg.Devices.Create(q.Context(), a, w.Name, w.Kind, q.source)
	if e := core.AsError(err); err != nil && e.Reason == core.TooMany {
		return refusal(http.StatusConflict, "too-many", e.Public, err)
	}
	return given(http.StatusCreated, d, token, err)
}

func (q request) rotate(token string) outcome {
	_, refused, ok := q.prove(token)
	if !ok {
		return refused
	}
	d, next, err := q.cfg.Devices.Rotate(q.Context(), token, q.source)
	if errors.Is(err, core.ErrNoDevice) { // somebody was faster
		return refusal(http.StatusUnauthorized, "unauthorized", wrongToken, err)
	}
	return given(http.StatusOK, d, next, err)
}

func (q request) revoke(token string) outcome {
	d, refused, ok := q.prove(token)
	if !ok {
		return refused
	}
	if err := q.cfg.Devices.Revoke(q.Context(), d.Account, d.ID); err != nil && !errors.Is(err, core.ErrNoDevice) {
		return broken(err)
	}
	return outcome{status: http.StatusNoContent}
}

// prove finds whose a token is. Nothing names an account here: wrong ones count for the source.
func (q request) prove(token string) (core.Device, outcome, bool) {
	nobody := core.Address{}.Tokens()
	d, err := q.cfg.Devices.Token(q.Context(), token, q.source)
	switch {
	case errors.Is(err, core.ErrNoDevice):
		if wait := q.cfg.Guard.Check(q.source, nobody); wait > 0 {
			return d, tooSoon("too many wrong tokens", wait), false
		}
		q.cfg.Guard.Failed(q.source, nobody)
		return d, refusal(http.StatusUnauthorized, "unauthorized", wrongToken, err), false
	case err != nil:
		return d, broken(err), false
	}
	q.cfg.Guard.Succeeded(q.source, nobody)
	return d, outcome{}, true
}

func given(status int, d core.Device, token string, err error) outcome {
	if err != nil {
		return broken(err)
	}
	return outcome{status: status, body: made{d.ID, d.Account.String(), token, d.Expires.UTC().Truncate(time.Second)}}
}

func refusal(status int, reason, text string, err error) outcome {
	return outcome{status: status, body: failure{reason, text}, err: err}
}

func tooSoon(text string, wait time.Duration) outcome {
	return outcome{status: http.StatusTooManyRequests, body: failure{"too-many", text}, retry: wait}
}

func broken(err error) outcome {
	return refusal(http.StatusInternalServerError, "internal", "the server failed", err)
}

func (q request) reply(w http.ResponseWriter, o outcome) {
	if o.status == http.StatusInternalServerError {
		q.cfg.Log.Error("sign-in of a device failed", "source", q.source, "err", o.err)
	} else if o.err != nil {
		q.cfg.Log.Warn("sign-in of a device refused", "source", q.source, "reason", o.err)
	}
	if o.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((o.retry+time.Second-1)/time.Second)))
	}
	if o.body == nil {
		w.WriteHeader(o.status)
		return
	}
	write(w, o.status, o.body)
}

func fail(w http.ResponseWriter, status int, reason, text string) {
	write(w, status, failure{reason, text})
}

func write(w http.ResponseWriter, status int, body any) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="parley"`) // at which no browser asks for a password
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who does not take it asks again
}
