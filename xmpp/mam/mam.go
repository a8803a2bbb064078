// Package mam implements the grammar of XEP-0313: Message Archive Management, and of XEP-0441: its preferences.
package mam

import (
	"time"

	"parley/xmpp"
	"parley/xmpp/delay"
	"parley/xmpp/forms"
	"parley/xmpp/forward"
	"parley/xmpp/jid"
	"parley/xmpp/rsm"
)

// NS is the namespace, and the feature of service discovery.
const NS = "urn:xmpp:mam:2"

// The further features (xep0313#7).
const (
	Extended       = NS + "#extended"
	GroupchatField = NS + "#groupchat-field"
)

// Query is what somebody asks of an archive.
type Query struct {
	ID         string // "" if there is none
	With       jid.JID
	Start, End time.Time
	AfterID    string
	BeforeID   string
	IDs        []string
	Page       rsm.Request
	Flip       bool // the page is sent with the latest message first
}

// ParseQuery reads a query element. The error is a *xmpp.StanzaError.
func ParseQuery(e *xmpp.Element) (q Query, err error) {
	q.ID = e.Attr("queryid")
	q.Flip = e.Child(NS, "flip-page") != nil
	if q.Page, err = rsm.Parse(e); err != nil {
		return q, bad("the page that is asked for")
	}
	for _, c := range e.Children {
		if f := forms.Parse(c); f != nil {
			if err := q.form(f); err != nil {
				return q, err
			}
		}
	}
	return q, nil
}

func bad(what string) error {
	return &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: "not understood: " + what}
}

// form reads the filters (xep0313#4.1).
func (q *Query) form(f *forms.Form) error {
	for _, field := range f.Fields {
		if len(field.Values) == 0 {
			continue
		}
		if err := q.field(field); err != nil {
			return err
		}
	}
	return nil
}

func (q *Query) field(f forms.Field) (err error) {
	v := f.Values[0]
	switch f.Var {
	case "FORM_TYPE":
		if v != NS {
			return bad("the form's type")
		}
	case "with":
		if q.With, err = jid.Parse(v); err != nil {
			return bad("with")
		}
	case "start":
		if q.Start, err = delay.Parse(v); err != nil {
			return bad("start")
		}
	case "end":
		if q.End, err = delay.Parse(v); err != nil {
			return bad("end")
		}
	case "after-id":
		q.AfterID = v
	case "before-id":
		q.BeforeID = v
	case "ids":
		q.IDs = f.Values
	case "include-groupchat": // there are none in a user's archive
	default: // xep0313#4.1.5
		return &xmpp.StanzaError{Condition: xmpp.FeatureNotImplemented, Text: "no such field"}
	}
	return nil
}

// Fields is the payload that says which fields a query may have (xep0313#4.1.5).
func Fields() string {
	f := forms.Form{Type: forms.Empty, Fields: []forms.Field{
		{Var: "FORM_TYPE", Type: "hidden", Values: []string{NS}},
		{Var: "with", Type: "jid-single"},
		{Var: "start", Type: "text-single"},
		{Var: "end", Type: "text-single"},
		{Var: "before-id", Type: "text-single"},
		{Var: "after-id", Type: "text-single"},
		{Var: "ids", Type: "list-multi", Extra: openList},
		{Var: "include-groupchat", Type: "boolean"},
	}}
	b := xmpp.NewBuilder(nil).Open("query", NS)
	f.Write(b)
	return b.Close().String()
}

// openList says that any value may be given (XEP-0122).
const openList = `<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'><open/></validate>`

// Result is the message that brings one message of an archive.
func Result(archive, to jid.JID, query, id string, at time.Time, st *xmpp.Stanza) (*xmpp.Stanza, error) {
	b := xmpp.NewBuilder(make([]byte, 0, len(st.Text())+300))
	b.Open("result", NS).Maybe("queryid", query).Attr("id", id)
	forward.Write(b, st, at)
	return xmpp.New(xmpp.Message, xmpp.Header{From: archive, To: to}, b.Close().String())
}

// Fin is the payload that ends the results; complete says that no page comes after it.
func Fin(p rsm.Page, complete bool) string {
	b := xmpp.NewBuilder(nil).Open("fin", NS)
	if complete {
		b.Attr("complete", "true")
	}
	p.Write(b)
	return b.Close().String()
}

// Edge is the first or last message of an archive.
type Edge struct {
	ID string
	At time.Time
}

// Metadata is the payload that says where an archive begins and ends (xep0313#5); with empty edges it is empty.
func Metadata(start, end Edge) string {
	b := xmpp.NewBuilder(nil).Open("metadata", NS)
	if start.ID != "" {
		b.Open("start", "").Attr("id", start.ID).Attr("timestamp", delay.Format(start.At)).Close()
		b.Open("end", "").Attr("id", end.ID).Attr("timestamp", delay.Format(end.At)).Close()
	}
	return b.Close().String()
}
