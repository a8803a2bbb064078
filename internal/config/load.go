package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"parley/internal/address"
)

// MaxFile is the longest configuration file that is read, in bytes.
const MaxFile = 256 << 10

// Load reads a file over base, which is Default or Demo. What is wrong with the file is
// returned as Problems, all of it at once.
func Load(file string, base Config) (Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return base, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return base, fmt.Errorf("config: read %s: %w", file, err)
	}
	return Parse(file, text, base)
}

// SetDomains takes the server's domains from somewhere else than a file.
func (c *Config) SetDomains(names ...string) error {
	out := make([]string, len(names))
	for i, name := range names {
		d, err := address.Domain(name)
		if err != nil {
			return fmt.Errorf("config: %q is not a domain: %w", shorten(name), err)
		}
		out[i] = d
	}
	c.Server.Domains = out
	return nil
}

// Parse is Load on a text; file names it in problems, and is where relative names in it
// start from.
func Parse(file string, text []byte, base Config) (Config, error) {
	l := loader{file: file, config: base, set: map[string]unstable.Position{}}
	l.byName = map[string]map[string]field{}
	l.sections = l.config.sections()
	for _, s := range l.sections {
		l.byName[s.name] = map[string]field{}
		for _, f := range s.fields {
			l.byName[s.name][f.name] = f
		}
	}
	if len(text) > MaxFile {
		l.report(unstable.Position{}, "", "", "the file is longer than "+formatSize(MaxFile))
	} else {
		l.document(text)
	}
	if len(l.problems) == 0 {
		l.problems = append(l.problems, l.check()...)
	}
	if err := l.problems.err(); err != nil {
		return base, err
	}
	return l.config, nil
}

// loader reads one file.
type loader struct {
	file     string
	config   Config
	sections []section
	byName   map[string]map[string]field
	set      map[string]unstable.Position // where each setting of the file stands
	problems Problems

	parser  unstable.Parser
	section string // of the last [header]
	skip    bool   // the last [header] is no section; what follows is not looked at
}

func (l *loader) report(at unstable.Position, key, found, expected string) {
	l.problems = append(l.problems, &Problem{l.file, at.Line, at.Column, key, found, expected})
}

// document reads the whole text. The library finds what is no TOML at all; a key that is
// set twice it finds too, but without saying where, so that walk is asked first.
func (l *loader) document(text []byte) {
	var tree map[string]any
	err := toml.Unmarshal(text, &tree)
	if d, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, col := d.Position()
		l.report(unstable.Position{Line: line, Column: col}, "", "", notTOML(err))
		return
	}
	l.walk(text)
	if err != nil && len(l.problems) == 0 {
		l.report(unstable.Position{}, "", "", notTOML(err))
	}
}

func notTOML(err error) string {
	return "not TOML: " + strings.TrimPrefix(err.Error(), "toml: ")
}

func (l *loader) walk(text []byte) {
	l.parser.Reset(text)
	for l.parser.NextExpression() {
		n := l.parser.Expression()
		switch n.Kind {
		case unstable.Table, unstable.ArrayTable:
			l.header(n)
		case unstable.KeyValue:
			l.keyValue(n, l.section)
		default: // a comment
		}
	}
	if err := l.parser.Error(); err != nil {
		l.report(unstable.Position{}, "", "", notTOML(err))
	}
}

// key gives the dotted parts of a node's key and where it begins.
func (l *loader) key(n *unstable.Node) (parts []string, at unstable.Position) {
	for it := n.Key(); it.Next(); {
		if parts == nil {
			at = l.parser.Shape(it.Node().Raw).Start
		}
		parts = append(parts, string(it.Node().Data))
	}
	return parts, at
}

// header enters a section.
func (l *loader) header(n *unstable.Node) {
	parts, at := l.key(n)
	l.section, l.skip = strings.Join(parts, "."), false
	if n.Kind == unstable.ArrayTable {
		l.skip = true
		l.report(at, l.section, "[[...]]", "expected a section in single brackets")
		return
	}
	if _, ok := l.byName[l.section]; !ok || len(parts) != 1 {
		l.skip = true
		l.unknownSection(at, l.section)
		return
	}
	l.once("["+l.section+"]", l.section, at)
}

// once says whether id is set for the first time in the file.
func (l *loader) once(id, key string, at unstable.Position) bool {
	first, twice := l.set[id]
	if twice {
		l.report(at, key, "", fmt.Sprintf("stands here again, it is on line %d already", first.Line))
		return false
	}
	l.set[id] = at
	return true
}

func (l *loader) unknownSection(at unstable.Position, name string) {
	names := make([]string, len(l.sections))
	for i, s := range l.sections {
		names[i] = s.name
	}
	l.report(at, printable(name), "", "there is no such section"+suggest(name, names))
}

// keyValue takes one setting; a dotted key or an inline table may name its section too.
func (l *loader) keyValue(n *unstable.Node, prefix string) {
	if l.skip {
		return
	}
	parts, at := l.key(n)
	if prefix != "" {
		parts = append([]string{prefix}, parts...)
	}
	if len(parts) == 1 && n.Value().Kind == unstable.InlineTable {
		if _, ok := l.byName[parts[0]]; !ok {
			l.unknownSection(at, parts[0])
			return
		}
		for it := n.Value().Children(); it.Next(); {
			l.keyValue(it.Node(), parts[0])
		}
		return
	}
	l.setting(parts, at, n.Value())
}

func (l *loader) setting(parts []string, at unstable.Position, n *unstable.Node) {
	key := strings.Join(parts, ".")
	if len(parts) == 1 {
		l.report(at, printable(key), "", "there is no such key outside a section"+l.whereIs(key))
		return
	}
	fields, ok := l.byName[parts[0]]
	if !ok {
		l.unknownSection(at, parts[0])
		return
	}
	f, ok := fields[parts[1]]
	if !ok || len(parts) != 2 {
		l.unknownKey(at, parts)
		return
	}
	if !l.once(key, key, at) {
		return
	}
	if err := f.value.read(n); err != nil {
		l.report(l.position(n, at), key, found(l.raw(n), n, err), "expected "+f.value.expected())
		return
	}
	if p, ok := f.value.(path); ok && *p.p != "" && !filepath.IsAbs(*p.p) {
		*p.p = filepath.Join(filepath.Dir(l.file), *p.p)
	}
}

func (l *loader) unknownKey(at unstable.Position, parts []string) {
	var names []string
	for _, s := range l.sections {
		if s.name != parts[0] {
			continue
		}
		for _, f := range s.fields {
			names = append(names, f.name)
		}
	}
	rest := strings.Join(parts[1:], ".")
	l.report(at, printable(parts[0]+"."+rest), "", "there is no such key"+suggest(rest, names))
}

// whereIs helps someone who forgot a section's header.
func (l *loader) whereIs(key string) string {
	for _, s := range l.sections {
		for _, f := range s.fields {
			if f.name == key {
				return fmt.Sprintf("; did you mean [%s] %s?", s.name, key)
			}
		}
	}
	return ""
}

// raw is n as it is written, where the parser tells.
func (l *loader) raw(n *unstable.Node) []byte {
	switch n.Kind {
	case unstable.String:
		return l.parser.Raw(n.Raw)
	case unstable.Array:
		return []byte("a list")
	case unstable.InlineTable:
		return []byte("a table")
	default:
		return n.Data
	}
}

// position is where a value begins, or its key if the parser doesn't tell.
func (l *loader) position(n *unstable.Node, key unstable.Position) unstable.Position {
	switch n.Kind {
	case unstable.String:
		return l.parser.Shape(n.Raw).Start
	case unstable.Bool, unstable.Integer, unstable.Float:
		return l.parser.Shape(l.parser.Range(n.Data)).Start
	default:
		return key
	}
}

// found says what stands in the file instead of what was expected.
func found(raw []byte, n *unstable.Node, err error) string {
	if e, ok := errors.AsType[*elementError](err); ok {
		return strconv.Quote(shorten(e.found))
	}
	if n.Kind == unstable.String {
		return strconv.Quote(shorten(string(n.Data)))
	}
	return shorten(string(raw))
}

// printable is a key of the file, quoted unless it is bare.
func printable(key string) string {
	odd := func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("._-", r)
	}
	if key == "" || strings.ContainsFunc(key, odd) {
		return strconv.Quote(shorten(key))
	}
	return shorten(key)
}

func shorten(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "..."
}
