package disco

import "parley/xmpp"

// maxParts bounds what is read of an info: nobody has more.
const maxParts = 512

// ParseInfo reads an info. What it has beyond a bound is left out, and its Ver differs then from what its entity says.
func ParseInfo(e *xmpp.Element) (i Info, ok bool) {
	if e == nil || e.Space != NSInfo || e.Local != "query" {
		return i, false
	}
	for n, c := range e.Children {
		switch {
		case n == maxParts:
			return i, true
		case c.Space == NSInfo && c.Local == "identity":
			i.Identities = append(i.Identities, Identity{
				Category: c.Attr("category"), Type: c.Attr("type"), Lang: lang(c), Name: c.Attr("name"),
			})
		case c.Space == NSInfo && c.Local == "feature":
			i.Features = append(i.Features, c.Attr("var"))
		case c.Space == nsData && c.Local == "x":
			if f, ok := parseForm(c); ok {
				i.Forms = append(i.Forms, f)
			}
		}
	}
	return i, true
}

func lang(e *xmpp.Element) string {
	for _, a := range e.Attrs {
		if a.Local == "lang" && a.Space != "" {
			return a.Value
		}
	}
	return ""
}

// parseForm reads a form. One without a FORM_TYPE does not count (xep0115#5.4).
func parseForm(e *xmpp.Element) (f Form, ok bool) {
	for n, c := range e.Children {
		if n == maxParts || c.Local != "field" {
			continue
		}
		field := Field{Var: c.Attr("var"), Type: c.Attr("type")}
		for _, v := range c.Children {
			if v.Local == "value" && len(field.Values) < maxParts {
				field.Values = append(field.Values, v.Text)
			}
		}
		if field.Var != "FORM_TYPE" {
			f.Fields = append(f.Fields, field)
		} else if len(field.Values) == 1 {
			f.Type = field.Values[0]
		}
	}
	return f, f.Type != ""
}

// Caps is how an entity says in few words what its info is (xep0115#4).
type Caps struct{ Hash, Node, Ver string }

// CapsOf reads them out of a presence; ok is false if it has none of this form.
func CapsOf(st *xmpp.Stanza) (c Caps, ok bool) {
	e := st.Find(NSCaps, "c")
	if e == nil || e.Attr("ver") == "" || e.Attr("hash") == "" {
		return c, false
	}
	return Caps{Hash: e.Attr("hash"), Node: e.Attr("node"), Ver: e.Attr("ver")}, true
}

// Proves says that an info is what these stand for. Of hashes but SHA-1 it is not known.
func (c Caps) Proves(i Info) bool { return c.Hash == "sha-1" && c.Ver == i.Ver() }
