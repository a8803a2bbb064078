package xmpp

import (
	"slices"
	"strconv"
	"strings"
)

// Element is a tree, for what the server itself reads. Text between child elements is kept together in Text.
type Element struct {
	Name
	Attrs    []Attr
	Children []*Element
	Text     string
}

// Attr is an attribute. Declarations of namespaces are none.
type Attr struct {
	Name
	Value string
}

// Attr is the value of an attribute without a namespace, "" if it is not there. A nil Element has none.
func (e *Element) Attr(local string) string {
	v, _ := e.Lookup(local)
	return v
}

// Lookup tells an empty attribute from one that is not there.
func (e *Element) Lookup(local string) (string, bool) {
	if e == nil {
		return "", false
	}
	for _, a := range e.Attrs {
		if a.Space == "" && a.Local == local {
			return a.Value, true
		}
	}
	return "", false
}

// Child is the first child of that name, nil if there is none. An empty space means the element's own.
func (e *Element) Child(space, local string) *Element {
	if e == nil {
		return nil
	}
	if space == "" {
		space = e.Space
	}
	for _, c := range e.Children {
		if c.Space == space && c.Local == local {
			return c
		}
	}
	return nil
}

// ChildText is the text of Child, "" if there is none.
func (e *Element) ChildText(space, local string) string {
	if c := e.Child(space, local); c != nil {
		return c.Text
	}
	return ""
}

// Append adds the element to b as XML that stands for itself.
func (e *Element) Append(b *Builder) { e.append(b, "") }

// append writes the element into one whose children are in a namespace.
func (e *Element) append(b *Builder, around string) {
	b.Open(e.Local, "")
	if e.Space != around {
		b.Attr("xmlns", e.Space)
	}
	var declared []string // the namespaces of the prefixes n0, n1 ...
	for _, a := range e.Attrs {
		switch a.Space {
		case "":
			b.Attr(a.Local, a.Value)
		case nsXML:
			b.Attr("xml:"+a.Local, a.Value)
		default:
			n := slices.Index(declared, a.Space)
			if n < 0 {
				n = len(declared)
				declared = append(declared, a.Space)
				b.Attr("xmlns:n"+strconv.Itoa(n), a.Space)
			}
			b.Attr("n"+strconv.Itoa(n)+":"+a.Local, a.Value)
		}
	}
	b.Text(e.Text)
	for _, c := range e.Children {
		c.append(b, e.Space)
	}
	b.Close()
}

// ParseElement reads XML that stands for itself, such as a part that a database keeps.
func ParseElement(text string) (*Element, error) {
	var scan Scanner
	scan.Limits = Limits{Bytes: len(text) + 1, Children: len(text) + 1, Depth: 1000, Attributes: 1000}
	raw, err := scan.Frame([]byte(text))
	if err != nil {
		return nil, err
	}
	return raw.Element(), nil
}

// scope is the prefixes that are bound, the innermost last.
type scope []binding

func (s scope) find(prefix string) string {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i].prefix == prefix {
			return s[i].space
		}
	}
	if prefix == "xml" {
		return nsXML
	}
	return ""
}

// parser reads text that a Scanner has found good.
type parser struct {
	text string
	at   int
}

type rawAttr struct{ name, value string }

// element reads the element that begins at the parser's position.
func (p *parser) element(sc scope) *Element {
	p.at++ // <
	name := p.name()
	attrs := p.attributes()
	for _, a := range attrs {
		if a.name == "xmlns" {
			sc = append(slices.Clip(sc), binding{"", a.value})
		} else if prefix, ok := strings.CutPrefix(a.name, "xmlns:"); ok {
			sc = append(slices.Clip(sc), binding{prefix, a.value})
		}
	}
	e := &Element{Name: qualify(sc, name, true)}
	for _, a := range attrs {
		if a.name != "xmlns" && !strings.HasPrefix(a.name, "xmlns:") {
			e.Attrs = append(e.Attrs, Attr{qualify(sc, a.name, false), a.value})
		}
	}
	if p.text[p.at] == '/' {
		p.at += len("/>")
		return e
	}
	p.at++ // >
	p.content(e, sc)
	return e
}

// content reads up to the element's end tag, and that.
func (p *parser) content(e *Element, sc scope) {
	var text strings.Builder
	for {
		n := strings.IndexByte(p.text[p.at:], '<')
		text.WriteString(Unescape(p.text[p.at : p.at+n]))
		p.at += n
		rest := p.text[p.at:]
		switch {
		case strings.HasPrefix(rest, "</"):
			p.at += strings.IndexByte(rest, '>') + 1
			e.Text = text.String()
			return
		case strings.HasPrefix(rest, "<!"):
			end := strings.Index(rest, "]]>")
			text.WriteString(newlines(rest[len(cdata):end]))
			p.at += end + len("]]>")
		default:
			e.Children = append(e.Children, p.element(sc))
		}
	}
}

func qualify(sc scope, name string, element bool) Name {
	prefix, local, ok := strings.Cut(name, ":")
	if !ok {
		prefix, local = "", name
	}
	if prefix == "" && !element {
		return Name{"", local}
	}
	return Name{sc.find(prefix), local}
}

func (p *parser) name() string {
	from := p.at
	for strings.IndexByte(" \t\r\n=/>", p.text[p.at]) < 0 {
		p.at++
	}
	return p.text[from:p.at]
}

func (p *parser) space() {
	for isSpace(p.text[p.at]) {
		p.at++
	}
}

// attributes reads up to the tag's > or />.
func (p *parser) attributes() (out []rawAttr) {
	for {
		p.space()
		if c := p.text[p.at]; c == '/' || c == '>' {
			return out
		}
		name := p.name()
		p.space()
		p.at++ // =
		p.space()
		quote := p.text[p.at]
		p.at++
		n := strings.IndexByte(p.text[p.at:], quote)
		out = append(out, rawAttr{name, unescapeValue(p.text[p.at : p.at+n])})
		p.at += n + 1
	}
}
