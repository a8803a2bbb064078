package vcard

import (
	"context"

	"parley/xmpp"
	"parley/xmpp/im"
)

// NS is the namespace of cards.
const NS = "vcard-temp"

const empty = "<vCard xmlns='" + NS + "'/>"

// Services are what cards are read and written with.
func (c *Cards) Services() []im.Service {
	name := xmpp.Name{Space: NS, Local: "vCard"}
	return []im.Service{
		{Name: name, At: im.Own, Handle: c.own, Features: []string{NS}},
		{Name: name, At: im.Account, Handle: c.other, Features: []string{NS}},
		{Name: name, At: im.Server, Handle: c.server, Features: []string{NS}}, // xep0054#4
	}
}

// own reads and writes one's own card (xep0054#3.1, xep0054#3.2).
func (c *Cards) own(ctx context.Context, _ *im.Session, st *xmpp.Stanza) (string, error) {
	owner := st.From().Bare()
	if st.Type() == "set" {
		xml, err := c.read(st)
		if err != nil {
			return "", err
		}
		return "", c.c.Store.Save(ctx, owner, xml, c.c.Now())
	}
	xml, err := c.c.Store.Load(ctx, owner)
	if err == nil && xml == "" {
		return empty, nil
	}
	return xml, err
}

// other reads another account's card. Who has none is like nobody (xep0054#3.3).
func (c *Cards) other(ctx context.Context, _ *im.Session, st *xmpp.Stanza) (string, error) {
	if st.Type() == "set" {
		return "", &xmpp.StanzaError{Condition: xmpp.Forbidden} // xep0054#3.2
	}
	xml, err := c.c.Store.Load(ctx, st.To().Bare())
	if err == nil && xml == "" {
		return "", &xmpp.StanzaError{Condition: xmpp.ServiceUnavailable}
	}
	return xml, err
}

func (c *Cards) server(_ context.Context, _ *im.Session, st *xmpp.Stanza) (string, error) {
	if st.Type() == "set" {
		return "", &xmpp.StanzaError{Condition: xmpp.Forbidden}
	}
	b := xmpp.NewBuilder(nil).Open("vCard", NS)
	for _, f := range [...]struct{ name, text string }{
		{"FN", c.c.Server.Name}, {"URL", c.c.Server.URL}, {"DESC", c.c.Server.Description},
	} {
		if f.text != "" {
			b.Element(f.name, "", f.text)
		}
	}
	return b.Close().String(), nil
}

// read is the card of a request, as XML that stands for itself.
func (c *Cards) read(st *xmpp.Stanza) (string, error) {
	p, ok := st.Payload()
	if !ok {
		return "", &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: "there is not one card"}
	}
	xml := st.XML(p)
	if e, err := xmpp.ParseElement(xml); err != nil || e.Name != p.Name {
		// It uses prefixes that are declared around it.
		b := xmpp.NewBuilder(nil)
		st.Element(p).Append(b)
		xml = b.String()
	}
	if len(xml) > c.c.Size {
		return "", &xmpp.StanzaError{Type: xmpp.Modify, Condition: xmpp.NotAcceptable, Text: "the card is too large"}
	}
	return xml, nil
}
