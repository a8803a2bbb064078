package webedge

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// pagePolicy is what the page may do: load what is its own and open connections to where it came from, and nothing
// that a text of somebody else could add.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Page is a folder of files that are served as they are, index.html at /.
type Page struct {
	files map[string]*file // by path
}

// file is one, as it is and compressed.
type file struct {
	media        string
	plain, small content
}

// content is what is sent, and its name (rfc9110#8.8.3).
type content struct {
	etag string
	body []byte
}

// OpenPage reads a page's files.
func OpenPage(files fs.FS) (*Page, error) {
	p := &Page{files: map[string]*file{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		at := "/" + name
		if name == "index.html" {
			at = "/{$}"
		}
		p.files[at], err = newFile(name, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("webedge: read the page: %w", err)
	}
	return p, nil
}

func newFile(name string, body []byte) (*file, error) {
	var small bytes.Buffer
	z, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:12])
	return &file{
		media: media(path.Ext(name)),
		plain: content{`"` + tag + `"`, body},
		small: content{`"` + tag + `-gzip"`, small.Bytes()}, // rfc9110#8.8.3.3
	}, nil
}

// media is the media type of a file, the same on every machine.
func media(ext string) string {
	switch ext {
	case ".js":
		return "text/javascript; charset=utf-8" // rfc9239#6.1
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	if m := mime.TypeByExtension(ext); m != "" {
		return m
	}
	return "application/octet-stream"
}

func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(self), microphone=(self), geolocation=()")
	h.Set("Content-Type", f.media)
	h.Set("Cache-Control", "no-cache") // kept, and asked for again by its ETag: all files are of one version
	h.Set("Vary", "Accept-Encoding")
	c := f.plain
	if acceptsGzip(r) {
		c = f.small
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", c.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(c.body))
}

// acceptsGzip says whether a request does, and does not say that it does so with no weight (rfc9110#12.5.3).
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		_, q, weighed := strings.Cut(weight, "=")
		return !weighed || strings.Trim(q, " 0.") != ""
	}
	return false
}
