// Package forms implements XEP-0004: Data Forms, with the form types of XEP-0068.
package forms

import "parley/xmpp"

// NS is the namespace of forms.
const NS = "jabber:x:data"

// Type says what a form is for (xep0004#3.1).
type Type string

// The types of forms.
const (
	Empty  Type = "form" // to be filled in
	Submit Type = "submit"
	Cancel Type = "cancel"
	Result Type = "result"
)

// Form is a data form.
type Form struct {
	Type   Type
	Title  string
	Fields []Field
}

// Field is one field of a form.
type Field struct {
	Var    string
	Type   string // "text-single" and so on; "" if it is not said
	Label  string
	Values []string
	Extra  string // further XML in it, such as a validate element
}

// Parse reads a form; nil if e is none.
func Parse(e *xmpp.Element) *Form {
	if e == nil || e.Space != NS || e.Local != "x" {
		return nil
	}
	f := &Form{Type: Type(e.Attr("type")), Title: e.ChildText(NS, "title")}
	for _, c := range e.Children {
		if c.Space != NS || c.Local != "field" {
			continue
		}
		field := Field{Var: c.Attr("var"), Type: c.Attr("type"), Label: c.Attr("label")}
		for _, v := range c.Children {
			if v.Space == NS && v.Local == "value" {
				field.Values = append(field.Values, v.Text)
			}
		}
		f.Fields = append(f.Fields, field)
	}
	return f
}

// Value is a field's first value, "" if it has none.
func (f *Form) Value(name string) string {
	if v := f.Values(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Values are a field's values.
func (f *Form) Values(name string) []string {
	if f == nil {
		return nil
	}
	for _, field := range f.Fields {
		if field.Var == name {
			return field.Values
		}
	}
	return nil
}

// Write adds the form.
func (f *Form) Write(b *xmpp.Builder) {
	b.Open("x", NS).Attr("type", string(f.Type))
	if f.Title != "" {
		b.Element("title", "", f.Title)
	}
	for _, field := range f.Fields {
		b.Open("field", "").Maybe("var", field.Var).Maybe("type", field.Type).Maybe("label", field.Label)
		for _, v := range field.Values {
			b.Element("value", "", v)
		}
		b.Raw(field.Extra).Close()
	}
	b.Close()
}
