package talk

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTalks plays every dialogue of scripts/.
func TestTalks(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(filepath.Join("scripts", "*.talk"))
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no scripts: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".talk"), func(t *testing.T) {
			t.Parallel()
			perform(t, name)
		})
	}
}

// TestSentencesAreExplained has README.md speak of every sentence that a script uses, and the other way round
// every sentence of the code be used by a script: what nobody says is not proven to work.
func TestSentencesAreExplained(t *testing.T) {
	t.Parallel()
	var scripts []line
	names, err := filepath.Glob(filepath.Join("scripts", "*.talk"))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, name := range names {
		s, err := readScript(name)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, s.talk...)
		p := &play{TB: t, script: s, actors: map[string]Actor{}, knows: map[string][]sentence{}}
		for _, l := range s.actors {
			k, m := p.kindOf(l)
			p.actors[m[1]], p.knows[m[1]] = someone(m[1]), k.sentences
		}
		for _, l := range s.talk {
			p.at = l
			use(p, used)
		}
	}
	if len(scripts) < 50 {
		t.Errorf("only %d sentences are read", len(scripts))
	}
	for _, s := range slices.Concat(stage(), phoneSentences(), appSentences(), browserSentences()) {
		if !used[s.pattern.String()] {
			t.Errorf("no script says %s", s.pattern)
		}
	}
}

// someone is an actor who does nothing.
type someone string

func (s someone) Name() string { return string(s) }

func use(p *play, used map[string]bool) {
	for _, s := range stage() {
		if s.pattern.MatchString(p.at.text) {
			used[s.pattern.String()] = true
			return
		}
	}
	who, rest := p.speaker()
	for _, s := range p.knows[who.Name()] {
		if s.pattern.MatchString(rest) {
			used[s.pattern.String()] = true
			return
		}
	}
	p.Fatalf("nobody knows what %q means", rest)
}

// TestTheReadmesDialogue plays the example that README.md shows.
func TestTheReadmesDialogue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```talk\n")
	example, _, found := strings.Cut(example, "```")
	if !found {
		t.Fatal("README.md shows no dialogue")
	}
	name := filepath.Join(t.TempDir(), "readme.talk")
	if err := os.WriteFile(name, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	perform(t, name)
}

func TestBadScripts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"alice registers":                 "stands in no section",
		"[Server]\nno setting\n[Talk]\nx": "want a setting",
		"[Actors]\n":                      "nobody says anything",
	} {
		name := filepath.Join(t.TempDir(), "bad.talk")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readScript(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if !like("<sip:bob@...>;expires=...", "<sip:bob@127.0.0.1:5060>;expires=60") || like("a...", "ba") {
		t.Error("... does not stand for anything")
	}
}
