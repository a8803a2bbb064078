// Package house holds the rules of docs/ARCHITECTURE.md: who may import whom, that every standard a comment
// cites is listed in docs/standards.md, and that no dependency has a licence that asks for more than ours.
package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/licensecheck"
)

const root = "../.."

type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
	Module     *struct{ Path, Version, Dir string }
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Standard,Module"}, args...)...)
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// rules say what a room may import of parley; a name ending in / means all below it.
var rules = []struct {
	room string
	may  []string
}{
	{"cmd/", []string{"internal/app", "internal/config", "internal/admin", "internal/core", "internal/address"}},
	{"internal/app", []string{"internal/", "listen", "sip", "sip/", "xmpp", "xmpp/", "sdp", "media/", "web/"}},
	{"internal/core", nil},
	{"internal/address", []string{"internal/core", "xmpp/jid"}},
	{"internal/config", []string{"internal/address"}},
	{"internal/secret", nil},
	{"internal/cert", nil},
	{"internal/admin", []string{"internal/core", "internal/address"}},
	{"internal/db/", []string{"internal/core", "internal/db"}},
	{"internal/db", []string{"internal/core"}},
	{"internal/feature/", []string{"internal/core", "internal/db", "internal/address", "internal/secret", "sip", "sip/", "xmpp", "xmpp/", "sdp", "media/"}},
	{"internal/bridge/letters", []string{"internal/core", "internal/address", "sip", "sip/", "xmpp", "xmpp/"}},
	{"internal/bridge/calls", []string{"internal/core", "internal/address", "internal/bridge", "sip", "sip/", "xmpp", "xmpp/", "sdp"}},
	{"internal/bridge/watch", []string{"internal/core", "internal/address", "internal/bridge", "sip", "sip/", "xmpp", "xmpp/"}},
	{"internal/bridge", []string{"sip", "sip/", "xmpp", "xmpp/", "sdp"}},
	{"internal/edge/webedge", []string{"internal/core", "listen"}},
	{"internal/edge/xmppedge", []string{"internal/core", "listen", "xmpp", "xmpp/"}},
	{"internal/edge/", []string{"internal/core", "sip", "sip/", "sdp"}},
	{"sip/", []string{"sip", "sip/"}},
	{"sip", nil},
	{"xmpp/", []string{"xmpp", "xmpp/"}},
	{"xmpp", []string{"xmpp/jid"}},
	{"sdp", nil},
	{"listen", nil},
	{"web/", nil},
	{"media/turn", []string{"listen"}},
	{"media/", []string{"media/", "sdp"}},
	{"test/", []string{"test/", "sip", "sip/", "xmpp", "xmpp/", "sdp", "internal/"}},
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./...") {
		room := strings.TrimPrefix(p.ImportPath, "parley/")
		may, known := allowed(room)
		if !known {
			t.Errorf("%s is in no room that docs/ARCHITECTURE.md knows", room)
			continue
		}
		for _, imported := range p.Imports {
			name, ours := strings.CutPrefix(imported, "parley/")
			if ours && !within(name, may) {
				t.Errorf("%s imports %s, which its room may not", room, name)
			}
		}
	}
}

// Only the bridge turns one protocol into the other; the app joins everything.
func TestOnlyTheBridgeKnowsBothProtocols(t *testing.T) {
	t.Parallel()
	both := 0
	for _, p := range list(t, "./...") {
		room := strings.TrimPrefix(p.ImportPath, "parley/")
		speaks := func(protocol string) bool {
			return slices.ContainsFunc(p.Imports, func(name string) bool {
				return within(strings.TrimPrefix(name, "parley/"), []string{protocol, protocol + "/"})
			})
		}
		if !speaks("sip") || !speaks("xmpp") || within(room, []string{"internal/app", "test/"}) {
			continue
		}
		both++
		if !within(room, []string{"internal/bridge", "internal/bridge/"}) {
			t.Errorf("%s imports both sip and xmpp", room)
		}
	}
	if both == 0 {
		t.Error("no room knows both protocols: the search is broken")
	}
}

func allowed(room string) (may []string, known bool) {
	for _, r := range rules {
		if within(room, []string{r.room}) {
			return r.may, true
		}
	}
	return nil, false
}

func within(name string, rooms []string) bool {
	return slices.ContainsFunc(rooms, func(room string) bool {
		return name == room || strings.HasSuffix(room, "/") && strings.HasPrefix(name, room)
	})
}

var reference = regexp.MustCompile(`\b(rfc|xep)(\d{3,5})#`)

func TestEveryCitedStandardIsListed(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile(filepath.Join(root, "docs", "standards.md"))
	if err != nil {
		t.Fatal(err)
	}
	cited := map[string]string{}
	walk(t, func(name string, text []byte) {
		for _, m := range reference.FindAllSubmatch(text, -1) {
			cited[strings.ToUpper(string(m[1]))+" "+string(m[2])] = name
		}
	})
	if len(cited) < 10 {
		t.Fatalf("only %d standards are cited: the search is broken", len(cited))
	}
	for standard, name := range cited {
		if !bytes.Contains(table, []byte("| "+standard+" |")) {
			t.Errorf("%s cites %s, which docs/standards.md does not list", name, standard)
		}
	}
}

func walk(t *testing.T, each func(name string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return filepath.SkipDir
		case filepath.Ext(name) != ".go" && filepath.Ext(name) != ".js":
			return nil
		}
		text, err := os.ReadFile(name)
		each(name, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// free are the licences that ask for no more than ours does.
var free = []string{"Apache-2.0", "MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0", "Unlicense", "0BSD", "CC0-1.0", "Zlib"}

func TestLicencesOfDependencies(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range list(t, "-deps", "./cmd/...") {
		if p.Standard || p.Module == nil || p.Module.Path == "parley" || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		if why := unfree(p.Module.Dir); why != "" {
			t.Errorf("%s %s: %s", p.Module.Path, p.Module.Version, why)
		}
	}
	if len(seen) < 5 {
		t.Fatalf("only %d modules were found: the search is broken", len(seen))
	}
}

// unfree says what is wrong with the licence of a module, "" if nothing is.
func unfree(dir string) string {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err.Error()
	}
	found := false
	for _, f := range files {
		base := strings.ToUpper(filepath.Base(f))
		if !strings.HasPrefix(base, "LICEN") && !strings.HasPrefix(base, "COPYING") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			continue // a folder of that name
		}
		for _, m := range licensecheck.Scan(text).Match {
			found = true
			if !slices.Contains(free, m.ID) {
				return "licence " + m.ID + " in " + filepath.Base(f)
			}
		}
	}
	if !found {
		return "no licence is known in it"
	}
	return ""
}
