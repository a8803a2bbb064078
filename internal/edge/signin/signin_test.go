package signin

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"parley/internal/core"
)

var alice = core.Address{Local: "alice", Domain: "example.org"}

// rest is the rest of a server: alice's password is "secret", her token "token-1".
type rest struct {
	wait              time.Duration
	failed, succeeded []string
	made              []string
	revoked           string
	full              bool
}

func (r *rest) SCRAM(context.Context, core.Address, string) (core.SCRAM, error) {
	return core.SCRAM{}, core.ErrNoAccount
}

func (r *rest) Password(_ context.Context, a core.Address, password string) error {
	switch {
	case password == "broken":
		return errors.New("the disk is gone")
	case a == alice && password == "secret":
		return nil
	}
	return core.ErrNoAccount
}

func (r *rest) Check(string, core.Address) time.Duration { return r.wait }

func (r *rest) Failed(source string, a core.Address) {
	r.failed = append(r.failed, source+" "+a.String())
}

func (r *rest) Succeeded(source string, a core.Address) {
	r.succeeded = append(r.succeeded, source+" "+a.String())
}

func (r *rest) Token(_ context.Context, token, _ string) (core.Device, error) {
	switch token {
	case "token-1":
		return core.Device{ID: "d1", Account: alice}, nil
	case "broken":
		return core.Device{}, errors.New("the disk is gone")
	}
	return core.Device{}, core.ErrNoDevice
}

func (r *rest) Stands(context.Context, core.Address, string) bool { return true }

func (r *rest) Create(_ context.Context, a core.Address, name, kind, source string) (core.Device, string, error) {
	if r.full {
		return core.Device{}, "", core.Fail(core.TooMany, "too many devices", nil)
	}
	r.made = append(r.made, a.String()+" "+name+" "+kind+" "+source)
	return core.Device{ID: "d1", Account: a, Expires: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}, "token-1", nil
}

func (r *rest) Rotate(_ context.Context, token, _ string) (core.Device, string, error) {
	return core.Device{ID: "d1", Account: alice}, token + "-new", nil
}

func (r *rest) Revoke(_ context.Context, a core.Address, id string) error {
	r.revoked = a.String() + " " + id
	return nil
}

func parse(text string) (core.Address, error) {
	local, domain, ok := strings.Cut(text, "@")
	if !ok {
		return core.Address{}, errors.New("no address")
	}
	return core.Address{Local: local, Domain: domain}, nil
}

// ask sends a request as from another machine over TLS, unless an edit says otherwise.
func ask(t *testing.T, r *rest, method, body string, edits ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	h := New(Config{
		Credentials: r, Guard: r, Devices: r, Addresses: parse,
		Origins: func() []string { return []string{"*.allowed.example", "https://exact.example:8443"} },
	})
	req := httptest.NewRequestWithContext(t.Context(), method, "https://example.org/api/device", strings.NewReader(body))
	req.RemoteAddr, req.TLS = "192.0.2.7:4711", &tls.ConnectionState{}
	if body != "" {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	for _, edit := range edits {
		edit(req)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s is answered with Cache-Control %q", method, got)
	}
	return w
}

func with(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

const right = `{"address": "alice@example.org", "password": "secret", "name": "Web", "kind": "browser"}`

func TestAPasswordGetsAToken(t *testing.T) {
	t.Parallel()
	basic := func(r *http.Request) { r.SetBasicAuth("alice@example.org", "secret") }
	for _, test := range []struct {
		body, made string
		edits      []func(*http.Request)
	}{
		{right, "alice@example.org Web browser 192.0.2.7", nil},
		{`{"name": "Phone", "address": "bob@example.org"}`, "alice@example.org Phone  192.0.2.7", []func(*http.Request){basic}},
		{"", "alice@example.org   192.0.2.7", []func(*http.Request){basic}},
	} {
		r := &rest{}
		w := ask(t, r, "POST", test.body, test.edits...)
		want := `{"id":"d1","address":"alice@example.org","token":"token-1","expires":"2026-01-02T03:04:05Z"}`
		if got := strings.TrimSpace(w.Body.String()); w.Code != 201 || got != want {
			t.Errorf("%q is answered by %d %s", test.body, w.Code, got)
		}
		if len(r.made) != 1 || r.made[0] != test.made || len(r.failed) > 0 || len(r.succeeded) != 1 || r.succeeded[0] != "192.0.2.7 alice@example.org" {
			t.Errorf("%q: made %q, failed %q, succeeded %q", test.body, r.made, r.failed, r.succeeded)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	post := func(address, password string) string {
		return `{"address": "` + address + `", "password": "` + password + `"}`
	}
	for _, test := range []struct {
		name, method, body string
		status, failures   int
		text               string
		edit               func(*http.Request)
	}{
		{"a wrong password", "POST", post("alice@example.org", "x"), 401, 1, wrongPassword, nil},
		{"nobody", "POST", post("nobody@example.org", "secret"), 401, 1, wrongPassword, nil},
		{"no address", "POST", post("alice", "secret"), 401, 0, wrongPassword, nil},
		{"no JSON", "POST", "address=alice", 400, 0, "", nil},
		{"not said to be JSON", "POST", right, 400, 0, "", with("Content-Type", "text/plain")},
		{"nothing", "POST", "", 400, 0, "", nil},
		{"too much", "POST", `{"address": "` + strings.Repeat("x", maxBody) + `"}`, 400, 0, "", nil},
		{"a fault", "POST", post("alice@example.org", "broken"), 500, 0, "the server failed", nil},
		{"a wrong token", "POST", "", 401, 1, wrongToken, with("Authorization", "Bearer x")},
		{"a wrong token to end", "DELETE", "", 401, 1, wrongToken, with("Authorization", "Bearer x")},
		{"no token to end", "DELETE", "", 401, 0, wrongToken, nil},
		{"a fault with a token", "DELETE", "", 500, 0, "the server failed", with("Authorization", "Bearer broken")},
		{"a question", "GET", "", 405, 0, "", nil},
		{"a foreign page", "POST", right, 403, 0, "", with("Origin", "https://evil.example")},
		{"an almost allowed page", "POST", right, 403, 0, "", with("Origin", "http://exact.example:8443")},
		{"a page of a file", "POST", right, 403, 0, "", with("Origin", "null")},
		{"without TLS", "POST", right, 403, 0, "", func(r *http.Request) { r.TLS = nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &rest{}
			edit := test.edit
			if edit == nil {
				edit = func(*http.Request) {}
			}
			w := ask(t, r, test.method, test.body, edit)
			var f failure
			if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || f.Reason == "" || test.text != "" && f.Text != test.text {
				t.Errorf("it says %q, %v; want %q", w.Body, err, test.text)
			}
			if w.Code != test.status || len(r.failed) != test.failures || len(r.made) > 0 || r.revoked != "" || len(r.succeeded) > 0 {
				t.Errorf("it is answered by %d, after which %+v", w.Code, r)
			}
		})
	}
}

func TestWhoGuessesWaits(t *testing.T) {
	t.Parallel()
	r := &rest{wait: 1500 * time.Millisecond}
	for _, w := range []*httptest.ResponseRecorder{
		ask(t, r, "POST", right), ask(t, r, "POST", "", with("Authorization", "Bearer x")),
	} {
		if w.Code != 429 || w.Header().Get("Retry-After") != "2" {
			t.Errorf("answered by %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
	}
	if len(r.made)+len(r.succeeded) > 0 {
		t.Errorf("it was let in: %+v", r)
	}
	if w := ask(t, &rest{full: true}, "POST", right); w.Code != 409 || !strings.Contains(w.Body.String(), "too many devices") {
		t.Errorf("one device too many is answered by %d %s", w.Code, w.Body)
	}
}

func TestATokenIsReplacedAndEnded(t *testing.T) {
	t.Parallel()
	r := &rest{}
	if w := ask(t, r, "POST", "", with("Authorization", "bearer token-1")); w.Code != 200 || !strings.Contains(w.Body.String(), `"token":"token-1-new"`) {
		t.Errorf("another token: %d %s", w.Code, w.Body)
	}
	if w := ask(t, r, "DELETE", "", with("Authorization", "Bearer token-1")); w.Code != 204 || r.revoked != "alice@example.org d1" {
		t.Errorf("signed out: %d, %q", w.Code, r.revoked)
	}
}

func TestWhichPagesMayAsk(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"https://Example.org", "https://a.allowed.example", "https://exact.example:8443"} {
		for _, method := range []string{"OPTIONS", "POST"} {
			r := &rest{}
			w := ask(t, r, method, right, with("Origin", origin))
			h := w.Header()
			if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Vary") != "Origin" {
				t.Errorf("%s from %s is answered with %v", method, origin, h)
			}
			if made := len(r.made) > 0; made != (method == "POST") {
				t.Errorf("%s from %s makes %q", method, origin, r.made)
			}
		}
	}
	if w := ask(t, &rest{}, "POST", right, func(r *http.Request) { r.TLS, r.RemoteAddr = nil, "[::1]:80" }); w.Code != 201 {
		t.Errorf("from this machine without TLS: %d", w.Code)
	}
}

func TestARelayIsForThoseWhoProveThemselves(t *testing.T) {
	t.Parallel()
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	basic := func(password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("alice@example.org", password) }
	}
	for what, c := range map[string]struct {
		method string
		edit   func(*http.Request)
		none   bool
		status int
	}{
		"a token":                {"GET", bearer("token-1"), false, 200},
		"a wrong token":          {"GET", bearer("token-2"), false, 401},
		"a token, while broken":  {"GET", bearer("broken"), false, 500},
		"a password":             {"GET", basic("secret"), false, 200},
		"a wrong password":       {"GET", basic("guessed"), false, 401},
		"nothing":                {"GET", func(*http.Request) {}, false, 401},
		"another method":         {"POST", bearer("token-1"), false, 405},
		"a token, without relay": {"GET", bearer("token-1"), true, 404},
	} {
		r := &rest{}
		h := New(Config{Credentials: r, Guard: r, Devices: r, Addresses: parse, Relay: func(a core.Address) Relay {
			return Relay{Username: "1:" + a.String(), Password: "x", TTL: 60, URIs: []string{"turn:192.0.2.1:3478?transport=udp"}}
		}})
		if c.none {
			h.cfg.Relay = nil
		}
		req := httptest.NewRequestWithContext(t.Context(), c.method, "https://example.org/api/turn", nil)
		req.RemoteAddr, req.TLS = "192.0.2.7:4711", &tls.ConnectionState{}
		c.edit(req)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", what, w.Code, c.status)
		}
		const want = `{"username":"1:alice@example.org","password":"x","ttl":60,"uris":["turn:192.0.2.1:3478?transport=udp"]}` + "\n"
		if c.status == 200 && w.Body.String() != want {
			t.Errorf("%s: %s, want %s", what, w.Body, want)
		}
		if wrong := strings.Contains(what, "wrong"); wrong != (len(r.failed) == 1) {
			t.Errorf("%s: the guard hears of %q", what, r.failed)
		}
	}
}
