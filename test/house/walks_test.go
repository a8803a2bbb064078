package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// walkBegins is how a walk of docs/ARCHITECTURE.md begins: its name, and the dialogues that play it.
var walkBegins = regexp.MustCompile("(?m)^\\*\\*(.+?)\\.\\*\\*(?: \\(((?:`[a-z-]+\\.talk`(?:,\\s)?)+)\\))?")

// TestEveryWalkIsPlayed has every walk name a dialogue of test/talk that exists.
func TestEveryWalkIsPlayed(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(read(t, filepath.Join(root, "docs", "ARCHITECTURE.md")), "\n## Walks\n")
	walks := walkBegins.FindAllStringSubmatch(text, -1)
	if len(walks) < 10 {
		t.Fatalf("only %d walks are found: the search is broken", len(walks))
	}
	for _, m := range walks {
		if m[2] == "" {
			t.Errorf("the walk %q names no dialogue", m[1])
			continue
		}
		for name := range strings.SplitSeq(m[2], ",") {
			name = strings.Trim(name, "` \n")
			if _, err := os.Stat(filepath.Join(root, "test", "talk", "scripts", name)); err != nil {
				t.Errorf("the walk %q names %s, which does not exist", m[1], name)
			}
		}
	}
}
