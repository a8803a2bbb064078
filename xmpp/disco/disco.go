// Package disco is the grammar of XEP-0030 (Service Discovery): what an entity says that it is and can do, with the
// extensions of XEP-0128; and the verification string over it of XEP-0115 (Entity Capabilities).
package disco

import (
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"strings"

	"parley/xmpp"
)

// The namespaces of discovery, and of what goes with it.
const (
	NSInfo  = "http://jabber.org/protocol/disco#info"
	NSItems = "http://jabber.org/protocol/disco#items"
	NSCaps  = "http://jabber.org/protocol/caps"
	nsData  = "jabber:x:data"
)

// Info is what an entity says of itself.
type Info struct {
	Identities []Identity
	Features   []string
	Forms      []Form // XEP-0128
}

// Identity is what an entity is.
type Identity struct {
	Category, Type string
	Lang, Name     string // "" if it has none
}

// Form is extended information.
type Form struct {
	Type   string // its FORM_TYPE
	Fields []Field
}

// Field is one of a form's.
type Field struct {
	Var    string
	Type   string // such as "list-multi"; may be ""
	Values []string
}

// Item is something that belongs to an entity.
type Item struct {
	JID, Name string // the name may be ""
}

// sorted is the info as it is hashed, and as we send it: each thing once and in order.
func (i Info) sorted() Info {
	out := Info{Identities: slices.Clone(i.Identities), Features: slices.Clone(i.Features), Forms: slices.Clone(i.Forms)}
	slices.SortFunc(out.Identities, func(a, b Identity) int {
		return cmp.Or(cmp.Compare(a.Category, b.Category), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Lang, b.Lang))
	})
	out.Identities = slices.Compact(out.Identities)
	slices.Sort(out.Features)
	out.Features = slices.Compact(out.Features)
	slices.SortFunc(out.Forms, func(a, b Form) int { return cmp.Compare(a.Type, b.Type) })
	for n, f := range out.Forms {
		fields := slices.Clone(f.Fields)
		slices.SortFunc(fields, func(a, b Field) int { return cmp.Compare(a.Var, b.Var) })
		for m := range fields {
			fields[m].Values = slices.Sorted(slices.Values(fields[m].Values))
		}
		out.Forms[n].Fields = fields
	}
	return out
}

// Ver is the verification string with SHA-1 (xep0115#5.1), which everybody speaks (xep0115#9.1): it names what can be
// asked for, and proves nothing.
func (i Info) Ver() string {
	var s strings.Builder
	add := func(parts ...string) {
		s.WriteString(strings.Join(parts, "/"))
		s.WriteByte('<')
	}
	i = i.sorted()
	for _, id := range i.Identities {
		add(id.Category, id.Type, id.Lang, id.Name)
	}
	for _, f := range i.Features {
		add(f)
	}
	for _, form := range i.Forms {
		add(form.Type)
		for _, f := range form.Fields {
			add(f.Var)
			for _, v := range f.Values {
				add(v)
			}
		}
	}
	sum := sha1.Sum([]byte(s.String()))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Caps is how an entity says in few words what it says in its info (xep0115#4). node is a URI of its software.
func (i Info) Caps(node string) string {
	return xmpp.NewBuilder(nil).Open("c", NSCaps).
		Attr("hash", "sha-1").Attr("node", node).Attr("ver", i.Ver()).Close().String()
}

// XML is the payload that answers a request for info. node is that of the request, "" if it had none (xep0030#3.2).
func (i Info) XML(node string) string {
	i = i.sorted()
	b := xmpp.NewBuilder(nil).Open("query", NSInfo).Maybe("node", node)
	for _, id := range i.Identities {
		b.Open("identity", "").Attr("category", id.Category).Attr("type", id.Type).
			Maybe("xml:lang", id.Lang).Maybe("name", id.Name).Close()
	}
	for _, f := range i.Features {
		b.Open("feature", "").Attr("var", f).Close()
	}
	for _, f := range i.Forms {
		f.append(b)
	}
	return b.Close().String()
}

func (f Form) append(b *xmpp.Builder) {
	b.Open("x", nsData).Attr("type", "result")
	Field{Var: "FORM_TYPE", Type: "hidden", Values: []string{f.Type}}.append(b)
	for _, field := range f.Fields {
		field.append(b)
	}
	b.Close()
}

func (f Field) append(b *xmpp.Builder) {
	b.Open("field", "").Attr("var", f.Var).Maybe("type", f.Type)
	for _, v := range f.Values {
		b.Element("value", "", v)
	}
	b.Close()
}

// ItemsXML is the payload that answers a request for items.
func ItemsXML(node string, items []Item) string {
	b := xmpp.NewBuilder(nil).Open("query", NSItems).Maybe("node", node)
	for _, i := range items {
		b.Open("item", "").Attr("jid", i.JID).Maybe("name", i.Name).Close()
	}
	return b.Close().String()
}
