package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func FuzzParseParty(f *testing.F) {
	for _, s := range []string{
		"alice@example.org", "sip:a@[::1]", "sips:@", "xmpp:ä@bücher.example", "a@b@c", "sip:sip:a@b.example", "a%40b@x.example",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseParty(text)
		if err != nil {
			return
		}
		if again, err := ParseParty(a.String()); err != nil || again != a {
			t.Fatalf("%q is %v, which is %v, %v", text, a, again, err)
		}
	})
}

func FuzzRequest(f *testing.F) {
	for _, s := range [][3]string{
		{"GET", "/v1/status", ""},
		{"GET", "/v1/users?limit=5&after=a@example.org", ""},
		{"POST", "/v1/users", `{"address":"a@example.org","password":"x"}`},
		{"GET", "/v1/users/a@example.org", ""},
		{"DELETE", "/v1/users/a@example.org", ""},
		{"PUT", "/v1/users/a%40example.org/password", `{"password":"x"}`},
		{"PUT", "/v1/users/a@example.org/strangers", `{"strangers":true}`},
		{"GET", "/v1/route?from=sip:a@192.0.2.1&to=b@example.org", ""},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.Parse(target)
		if err != nil || !strings.HasPrefix(u.Path, "/") || u.Path == "/v1/import" {
			return // no HTTP server would hand it on; an import needs a real connection
		}
		fake := newFake()
		s := NewServer(Config{Dir: t.TempDir(), Users: fake, Reporter: fake, Explainer: fake})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://parley/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, u, target
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK, http.StatusNoContent, http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			return
		}
		var said failure
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Text == "" || w.Code < 400 {
			t.Fatalf("%s %s: %d %s, want a failure with a text", method, target, w.Code, w.Body)
		}
	})
}
