package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/test/harness"
)

// runBlock is a block of commands that a reader can run as it stands:
//
//	<!-- run -->
//	```sh
//	parley version
//	```
var runBlock = regexp.MustCompile("(?s)<!-- run -->\n+```sh\n(.*?)```")

// makeTarget is a make target as documentation names it.
var makeTarget = regexp.MustCompile("`make ([a-z]+)`")

// TestDocumentedCommands runs the blocks of README and docs/*.md that are marked to be run, each in an empty folder
// with parley on the PATH.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	root, names := documents(t)
	binary := harness.Binary(t)
	bin := t.TempDir()
	if err := os.Symlink(binary, filepath.Join(bin, "parley")); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text := read(t, name)
		for i, m := range runBlock.FindAllStringSubmatch(text, -1) {
			cmd := exec.Command("bash", "-euo", "pipefail", "-c", m[1])
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
			cmd.WaitDelay = time.Minute
			if out, err := cmd.CombinedOutput(); err != nil {
				short, _ := filepath.Rel(root, name)
				t.Errorf("%s, block %d: %v\n%s\n%s", short, i+1, err, m[1], out)
			}
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
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s names `make %s`, which is not in the Makefile", name, m[1])
			}
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
