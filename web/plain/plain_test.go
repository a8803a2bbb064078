package plain

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/google/licensecheck"
)

// own gives each file that was written here.
func own(t *testing.T, each func(name, text string)) {
	t.Helper()
	n := 0
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, "libraries/") {
			return err
		}
		text, err := fs.ReadFile(files, name)
		n++
		each(name, string(text))
		return err
	})
	if err != nil || n < 20 {
		t.Fatalf("%d files are found, %v", n, err)
	}
}

// TestVendored holds what others wrote to the checksums that fetch.sh took, and to free licences.
func TestVendored(t *testing.T) {
	t.Parallel()
	sums, err := os.ReadFile("libraries/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(sums))
	if len(lines) != 6 {
		t.Fatalf("SHA256SUMS is\n%s", sums)
	}
	for i := 0; i < len(lines); i += 2 {
		text, err := fs.ReadFile(files, "libraries/"+lines[i+1])
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != lines[i] {
			t.Errorf("libraries/%s is not what fetch.sh made", lines[i+1])
		}
	}
	licences, err := fs.ReadFile(files, "libraries/LICENCES.txt")
	if err != nil {
		t.Fatal(err)
	}
	parts := bytes.Split(licences, []byte("==== "))[1:]
	if len(parts) != 6 {
		t.Errorf("LICENCES.txt is of %d packages, want jssip, debug, events, ms, sdp-transform and strophe.js", len(parts))
	}
	for _, part := range parts {
		name, _, _ := strings.Cut(string(part), "\n")
		found := licensecheck.Scan(part).Match
		if len(found) == 0 {
			t.Errorf("%s has no licence that is known", name)
		}
		for _, m := range found {
			if m.ID != "MIT" {
				t.Errorf("%s has the licence %s", name, m.ID)
			}
		}
	}
}

// markup is how a text could become a part of the page, or of a script.
var markup = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|\beval\(|new Function|srcdoc|javascript:`)

// inline is what the policy forbids in index.html.
var inline = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(?:[^>]*)>[^<]|https?://`)

func TestNoTextBecomesMarkup(t *testing.T) {
	t.Parallel()
	own(t, func(name, text string) {
		if found := markup.FindString(text); found != "" {
			t.Errorf("%s has %s", name, found)
		}
		if found := inline.FindString(text); path.Ext(name) == ".html" && found != "" {
			t.Errorf("%s has %q, which its policy forbids", name, found)
		}
	})
}

func TestFilesAreSmall(t *testing.T) {
	t.Parallel()
	own(t, func(name, text string) {
		if lines := strings.Count(text, "\n"); lines > 300 {
			t.Errorf("%s has %d lines", name, lines)
		}
	})
}

var (
	named    = regexp.MustCompile(`(?:href|src)="([^"#]+)"`)
	imported = regexp.MustCompile(`from '(\.[^']+)'`)
	wantedID = regexp.MustCompile(`\$\('([a-z-]+)'\)`)
	label    = regexp.MustCompile(`<label[^>]* for="([^"]+)"`)
	givenID  = regexp.MustCompile(`\bid="([a-z-]+)"`)
)

// TestEverythingIsThere holds index.html, the modules and their ids to each other.
func TestEverythingIsThere(t *testing.T) {
	t.Parallel()
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, m := range givenID.FindAllStringSubmatch(string(index), -1) {
		if ids[m[1]] {
			t.Errorf("index.html has two of %s", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range label.FindAllStringSubmatch(string(index), -1) {
		if !ids[m[1]] {
			t.Errorf("a label is for %s, which is not there", m[1])
		}
	}
	there := func(by, name string) {
		if _, err := fs.Stat(files, name); err != nil {
			t.Errorf("%s names %s, which is not there", by, name)
		}
	}
	for _, m := range named.FindAllStringSubmatch(string(index), -1) {
		there("index.html", m[1])
	}
	own(t, func(name, text string) {
		for _, m := range imported.FindAllStringSubmatch(text, -1) {
			there(name, path.Join(path.Dir(name), m[1]))
		}
		for _, m := range wantedID.FindAllStringSubmatch(text, -1) {
			if !ids[m[1]] {
				t.Errorf("%s asks for #%s, which index.html does not have", name, m[1])
			}
		}
	})
}
