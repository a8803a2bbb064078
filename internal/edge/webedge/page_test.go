package webedge

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
)

func openPage(t *testing.T) *Page {
	t.Helper()
	p, err := OpenPage(fstest.MapFS{
		"index.html":  {Data: []byte("<!doctype html><title>hello</title>")},
		"js/main.js":  {Data: []byte(strings.Repeat("console.log('hello');\n", 100))},
		"css/a.css":   {Data: []byte("body { margin: 0; }")},
		"icon.svg":    {Data: []byte("<svg/>")},
		"LICENCE.txt": {Data: []byte("free")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask asks for a path of a page, with header fields, and gives the answer and its body as it was sent.
func ask(t *testing.T, addr, method, path string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestPage(t *testing.T) {
	t.Parallel()
	_, addr := start(t, Config{Page: openPage(t)}, false)
	for _, x := range []struct {
		method, path string
		status       int
		media        string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/js/main.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/css/a.css", 200, "text/css; charset=utf-8"},
		{"GET", "/icon.svg", 200, "image/svg+xml"},
		{"GET", "/LICENCE.txt", 200, "text/plain; charset=utf-8"},
		{"GET", "/index.html", 404, ""},
		{"GET", "/js/", 404, ""},
		{"GET", "/js/none.js", 404, ""},
		{"GET", "/JS/main.js", 404, ""},
		{"POST", "/", 405, ""},
		{"PUT", "/js/main.js", 405, ""},
	} {
		resp, body := ask(t, addr, x.method, x.path, http.Header{})
		if resp.StatusCode != x.status || x.media != "" && resp.Header.Get("Content-Type") != x.media {
			t.Errorf("%s %s is answered %d with %q, want %d with %q", x.method, x.path, resp.StatusCode, resp.Header.Get("Content-Type"), x.status, x.media)
		}
		if x.method == http.MethodHead && body != "" {
			t.Errorf("HEAD %s has a body: %q", x.path, body)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s %s has %s %q, want %q", x.method, x.path, name, got, want)
			}
		}
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s %s may do too much: %q", x.method, x.path, policy)
		}
		if x.status == http.StatusOK != strings.Contains(policy, "script-src 'self'") {
			t.Errorf("%s %s, answered %d, has the policy %q", x.method, x.path, resp.StatusCode, policy)
		}
	}
}

// TestPageIsKept has a client ask again for what it has.
func TestPageIsKept(t *testing.T) {
	t.Parallel()
	_, addr := start(t, Config{Page: openPage(t)}, false)
	plain, whole := ask(t, addr, "GET", "/js/main.js", http.Header{})
	small, packed := ask(t, addr, "GET", "/js/main.js", http.Header{"Accept-Encoding": {"br, gzip;q=0.8"}})
	if plain.Header.Get("Content-Encoding") != "" || small.Header.Get("Content-Encoding") != "gzip" || len(packed) >= len(whole) {
		t.Errorf("it is sent as %q with %d bytes, and as %q with %d", plain.Header.Get("Content-Encoding"), len(whole),
			small.Header.Get("Content-Encoding"), len(packed))
	}
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || string(text) != whole {
		t.Errorf("unpacked, it is %d bytes of %d, %v", len(text), len(whole), err)
	}
	tag, smallTag := plain.Header.Get("ETag"), small.Header.Get("ETag")
	if tag == "" || tag == smallTag || plain.Header.Get("Cache-Control") != "no-cache" || plain.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("the tags are %s and %s, in %v", tag, smallTag, plain.Header)
	}
	for _, x := range []struct {
		name   string
		header http.Header
		status int
	}{
		{"as it is", http.Header{"If-None-Match": {tag}}, 304},
		{"one of several", http.Header{"If-None-Match": {`"old", ` + tag}}, 304},
		{"packed", http.Header{"If-None-Match": {smallTag}, "Accept-Encoding": {"gzip"}}, 304},
		{"another", http.Header{"If-None-Match": {`"old"`}}, 200},
		{"not packed, and wants it so", http.Header{"If-None-Match": {tag}, "Accept-Encoding": {"gzip"}}, 200},
		{"refuses gzip", http.Header{"If-None-Match": {tag}, "Accept-Encoding": {"gzip;q=0"}}, 304},
	} {
		resp, body := ask(t, addr, "GET", "/js/main.js", x.header)
		if resp.StatusCode != x.status || x.status == http.StatusNotModified && body != "" {
			t.Errorf("who has it %s is answered %d with %d bytes, want %d", x.name, resp.StatusCode, len(body), x.status)
		}
	}
}
