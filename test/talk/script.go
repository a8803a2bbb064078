// Package talk plays dialogues: plain text files in which phones, apps and browsers do things to each
// other through the real server. README.md explains the language. It needs no Go to be read or
// written; a new sentence is one entry in a list, and another kind of actor is one more list.
package talk

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// script is a dialogue file, taken apart into its sections.
type script struct {
	name     string
	settings map[string]string
	actors   []line
	talk     []line
}

type line struct {
	number int
	text   string
}

func readScript(name string) (*script, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &script{name: name, settings: map[string]string{}}
	section := ""
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		text := strings.TrimSpace(in.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if strings.HasPrefix(text, "[") {
			section = text
			continue
		}
		if err := s.add(section, line{n, text}); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if in.Err() == nil && len(s.talk) == 0 {
		return nil, fmt.Errorf("%s: nobody says anything", name)
	}
	return s, in.Err()
}

func (s *script) add(section string, l line) error {
	switch section {
	case "[Server]":
		name, value, ok := strings.Cut(l.text, "=")
		if !ok {
			return fmt.Errorf("want a setting = value, not %q", l.text)
		}
		s.settings[strings.TrimSpace(name)] = strings.TrimSpace(value)
	case "[Actors]":
		s.actors = append(s.actors, l)
	case "[Talk]":
		s.talk = append(s.talk, l)
	default:
		return fmt.Errorf("%q stands in no section; there are [Server], [Actors] and [Talk]", l.text)
	}
	return nil
}
