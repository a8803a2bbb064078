package talk

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"parley/test/harness"
)

// Actor is somebody in a dialogue.
type Actor interface {
	Name() string
}

// kind is one kind of actor: the sentence that introduces one, and the sentences it knows.
type kind struct {
	introduced *regexp.Regexp
	account    func(m []string) (harness.User, bool) // the account that the server needs for it
	make       func(p *play, m []string) Actor
	sentences  []sentence
}

// sentence is what an actor can be told. In its pattern, the actor's name is left out.
type sentence struct {
	pattern *regexp.Regexp
	do      func(p *play, a Actor, m []string)
}

// kinds is the list of all actors there are.
func kinds() []kind { return []kind{phones(), apps(), browsers()} }

// play is a dialogue being played.
type play struct {
	testing.TB
	script *script
	at     line // the sentence that is being played
	server *harness.Server
	actors map[string]Actor
	knows  map[string][]sentence
	shown  string // what the operator was shown last
}

// perform plays a script from start to end.
func perform(t testing.TB, name string) {
	t.Helper()
	s, err := readScript(name)
	if err != nil {
		t.Fatal(err)
	}
	p := &play{TB: t, script: s, actors: map[string]Actor{}, knows: map[string][]sentence{}}
	p.server = harness.StartServer(t, harness.Options{Users: p.users(), Set: s.settings})
	for _, l := range s.actors {
		p.at = l
		p.introduce()
	}
	for _, l := range s.talk {
		p.at = l
		p.say()
	}
}

// Fatalf names the line of the script that failed.
func (p *play) Fatalf(format string, args ...any) {
	p.TB.Helper()
	p.TB.Fatalf("%s:%d: %s\n%s", filepath.Base(p.script.name), p.at.number, p.at.text, fmt.Sprintf(format, args...))
}

// kindOf finds who is introduced by a line.
func (p *play) kindOf(l line) (kind, []string) {
	for _, k := range kinds() {
		if m := k.introduced.FindStringSubmatch(l.text); m != nil {
			return k, m
		}
	}
	p.at = l
	p.Fatalf("no kind of actor is introduced like this")
	return kind{}, nil
}

// users are the accounts of all actors, once each.
func (p *play) users() []harness.User {
	var users []harness.User
	seen := map[string]bool{}
	for _, l := range p.script.actors {
		k, m := p.kindOf(l)
		if u, has := k.account(m); has && !seen[u.Name] {
			seen[u.Name] = true
			users = append(users, u)
		}
	}
	return users
}

func (p *play) introduce() {
	k, m := p.kindOf(p.at)
	a := k.make(p, m)
	if p.actors[a.Name()] != nil {
		p.Fatalf("%s is introduced twice", a.Name())
	}
	p.actors[a.Name()] = a
	p.knows[a.Name()] = k.sentences
}

func (p *play) say() {
	for _, s := range stage() {
		if m := s.pattern.FindStringSubmatch(p.at.text); m != nil {
			s.do(p, nil, m)
			return
		}
	}
	a, rest := p.speaker()
	for _, s := range p.knows[a.Name()] {
		if m := s.pattern.FindStringSubmatch(rest); m != nil {
			s.do(p, a, m)
			return
		}
	}
	p.Fatalf("nobody knows what %q means", rest)
}

// speaker is whose sentence it is: of all names that it begins with, the longest.
func (p *play) speaker() (Actor, string) {
	var found Actor
	for name, a := range p.actors {
		if strings.HasPrefix(p.at.text, name+" ") && (found == nil || len(name) > len(found.Name())) {
			found = a
		}
	}
	if found == nil {
		p.Fatalf("who is this? The actors are %s", strings.Join(p.names(), ", "))
	}
	return found, strings.TrimPrefix(p.at.text, found.Name()+" ")
}

func (p *play) names() []string {
	var names []string
	for name := range p.actors {
		names = append(names, name)
	}
	return names
}

// whole is a pattern for a whole sentence.
func whole(pattern string) *regexp.Regexp { return regexp.MustCompile("^" + pattern + "$") }
