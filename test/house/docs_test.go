package house

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
)

// A block of a document says in the line before it what becomes of it here:
//
//	<!-- run -->                 a shell runs it
//	<!-- run until the end -->   a shell runs it beside the blocks after it: a server
//	<!-- file: users.csv -->     it is the file of that name, which a later block uses
//	<!-- not run: why -->
//
// The blocks of one document run in their order, in one folder.
type block struct {
	mark     string
	language string
	text     string
	line     int
}

var fence = regexp.MustCompile("(?ms)^(?:<!-- ([^\n]*?) -->\n+)?```([^\n]*)\n(.*?)^```$")

// makeTarget is a make target as documentation names it.
var makeTarget = regexp.MustCompile("`make ([a-z]+)`|(?m)^make ([a-z]+)$")

func blocks(text string) (all []block) {
	for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
		b := block{language: text[m[4]:m[5]], text: text[m[6]:m[7]], line: 1 + strings.Count(text[:m[0]], "\n")}
		if m[2] >= 0 {
			b.mark = text[m[2]:m[3]]
		}
		all = append(all, b)
	}
	return all
}

// TestDocumentedCommands runs what the documents say can be run.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	root, names := documents(t)
	ran := 0
	for _, name := range names {
		all := blocks(read(t, name))
		ran += len(all)
		short, err := filepath.Rel(root, name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(short, func(t *testing.T) {
			t.Parallel()
			for i, b := range all {
				if wrong := unmarked(b, all[i+1:]); wrong != "" {
					t.Errorf("%s:%d: %s", short, b.line, wrong)
				}
			}
			runBlocks(t, short, all)
		})
	}
	if ran < 5 {
		t.Errorf("only %d blocks are found: the search is broken", ran)
	}
}

// unmarked says what is wrong with a block's mark.
func unmarked(b block, later []block) string {
	file, isFile := strings.CutPrefix(b.mark, "file: ")
	why, notRun := strings.CutPrefix(b.mark, "not run: ")
	switch {
	case b.language == "":
		return "a block has no language"
	case b.mark == "run" || b.mark == "run until the end":
		if b.language != "sh" {
			return "only sh can be run, not " + b.language
		}
	case isFile:
		if !slices.ContainsFunc(later, func(l block) bool {
			return strings.HasPrefix(l.mark, "run") && strings.Contains(l.text, file)
		}) {
			return "no later block that is run uses the file " + file
		}
	case notRun && strings.TrimSpace(why) != "":
	case notRun:
		return "it isn't said why it is not run"
	case slices.Contains([]string{"sh", "csv", "toml"}, b.language):
		return fmt.Sprintf("a block of %s isn't marked: run, run until the end, file: NAME, or not run: WHY", b.language)
	}
	return ""
}

// stage is where a document's blocks run.
type stage struct {
	dir string
	env []string
}

// newStage makes a folder in which a reader's commands work beside a server that runs on this machine already:
// PARLEY_CONFIG names a configuration with free ports, for what has no --config of its own.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{dir: t.TempDir()}
	bin := t.TempDir()
	if err := os.Symlink(harness.Binary(t), filepath.Join(bin, "parley")); err != nil {
		t.Fatal(err)
	}
	ports := harness.FreePorts(t, 5)
	config := fmt.Sprintf("[sip]\nudp = [\"127.0.0.1:%[1]d\"]\ntcp = [\"127.0.0.1:%[1]d\"]\ntls = [\"127.0.0.1:%[2]d\"]\n"+
		"[web]\nhttps = [\"127.0.0.1:%[3]d\"]\n[xmpp]\nc2s = [\"127.0.0.1:%[4]d\"]\nc2s_tls = [\"127.0.0.1:%[5]d\"]\n",
		ports[0], ports[1], ports[2], ports[3], ports[4])
	file := filepath.Join(bin, "ports.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "PARLEY_CONFIG="+file)
	return s
}

// adapt puts folders of this test in the place of those that a document names.
func (s *stage) adapt(text string) string {
	return strings.NewReplacer("/var/lib/parley", s.dir+"/data", "/etc/parley", s.dir).Replace(text)
}

func runBlocks(t *testing.T, document string, all []block) {
	t.Helper()
	if !slices.ContainsFunc(all, func(b block) bool { return strings.HasPrefix(b.mark, "run") }) {
		return
	}
	s := newStage(t)
	for _, b := range all {
		at := fmt.Sprintf("%s:%d", document, b.line)
		script := []string{"bash", "-euo", "pipefail", "-c", s.adapt(b.text)}
		switch file, isFile := strings.CutPrefix(b.mark, "file: "); {
		case isFile:
			if err := os.WriteFile(filepath.Join(s.dir, file), []byte(s.adapt(b.text)), 0o600); err != nil {
				t.Fatal(err)
			}
		case b.mark == "run":
			cmd := exec.Command(script[0], script[1:]...)
			cmd.Dir, cmd.Env, cmd.WaitDelay = s.dir, s.env, time.Minute
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s\n%s", at, err, b.text, out)
			}
		case b.mark == "run until the end":
			script[4] = "exec " + script[4] // so that it is what is told to stop
			harness.Start(t, harness.Command{Name: at, Args: script, Dir: s.dir, Env: s.env}).Wait(t, "msg=ready")
		}
	}
}

// TestDocumentedTargets has every make target that is named be there.
func TestDocumentedTargets(t *testing.T) {
	t.Parallel()
	root, names := documents(t)
	makefile := read(t, filepath.Join(root, "Makefile"))
	for _, name := range names {
		for _, m := range makeTarget.FindAllStringSubmatch(read(t, name), -1) {
			if target := m[1] + m[2]; !strings.Contains(makefile, "\n"+target+":") {
				t.Errorf("%s names `make %s`, which is not in the Makefile", name, target)
			}
		}
	}
}

func TestMarksOfBlocks(t *testing.T) {
	t.Parallel()
	use := block{mark: "run", language: "sh", text: "parley user import users.csv\n"}
	for _, x := range []struct {
		text  string
		later []block
		wrong string
	}{
		{"```sh\nls\n```", nil, "isn't marked"},
		{"```csv\na,b\n```", nil, "isn't marked"},
		{"```toml\na = 1\n```", nil, "isn't marked"},
		{"```\nls\n```", nil, "no language"},
		{"<!-- not run:  -->\n```sh\nls\n```", nil, "why"},
		{"<!-- not run: it takes an hour -->\n```sh\nls\n```", nil, ""},
		{"<!-- run -->\n\n```sh\nls\n```", nil, ""},
		{"<!-- run -->\n```csv\na\n```", nil, "only sh"},
		{"<!-- file: users.csv -->\n```csv\na\n```", nil, "no later block"},
		{"<!-- file: users.csv -->\n```csv\na\n```", []block{use}, ""},
		{"```talk\nalice registers\n```", nil, ""},
	} {
		all := blocks("# Title\n\n" + x.text + "\n")
		if len(all) != 1 || all[0].line != 3 {
			t.Errorf("%q: read as %+v", x.text, all)
			continue
		}
		if got := unmarked(all[0], x.later); got != x.wrong && (x.wrong == "" || !strings.Contains(got, x.wrong)) {
			t.Errorf("%q: found wrong with it: %q, want %q", x.text, got, x.wrong)
		}
	}
}

// documents are README.md, CONTRIBUTING.md and what is in docs.
func documents(t *testing.T) (root string, names []string) {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "test/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	if len(names) < 3 {
		t.Fatalf("only %d documents are found", len(names))
	}
	return root, names
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
