// Package disco answers what the server and its accounts are and can do: XEP-0030 (Service Discovery), with the
// server's entity capabilities (XEP-0115) and contact addresses (XEP-0157).
package disco

import (
	"cmp"
	"context"
	"slices"

	"parley/xmpp"
	"parley/xmpp/disco"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// Sessions finds an account's connected resources.
type Sessions interface {
	Of(bare jid.JID) []*im.Session
}

// Config of discovery. Subscribed and Sessions are needed; every other zero value takes its default.
type Config struct {
	// Subscribed says whether other may see the presence of the account owner.
	Subscribed func(ctx context.Context, owner, other jid.JID) (bool, error)
	Sessions   Sessions
	// Services are those of all others, whose features are told.
	Services []im.Service
	// Items are what else can be found at one of our domains.
	Items func(domain string) []disco.Item
	// Name is what the server calls itself; default "parley".
	Name string
	// Node is a URI of the server's software; default "parley:server".
	Node string
	// Addresses are where people of the server are reached, by what for: "abuse", "admin", "feedback", "sales",
	// "security", "status" and "support" (xep0157#2). They are URIs.
	Addresses map[string][]string
}

// Disco answers.
type Disco struct {
	c                    Config
	server, own, account disco.Info
	caps                 string
	capsNode             string
}

// New makes it.
func New(c Config) *Disco {
	c.Name = cmp.Or(c.Name, "parley")
	c.Node = cmp.Or(c.Node, "parley:server")
	if c.Items == nil {
		c.Items = func(string) []disco.Item { return nil }
	}
	d := &Disco{c: c}
	account := []disco.Identity{{Category: "account", Type: "registered"}} // xep0030#3.1
	d.server = disco.Info{
		Identities: []disco.Identity{{Category: "server", Type: "im", Name: c.Name}},
		Features:   append(d.features(im.Server), disco.NSCaps),
		Forms:      forms(c.Addresses),
	}
	d.own = disco.Info{Identities: account, Features: d.features(im.Own)}
	d.account = disco.Info{Identities: account, Features: d.features(im.Account)}
	d.caps, d.capsNode = d.server.Caps(c.Node), c.Node+"#"+d.server.Ver()
	return d
}

// features are those of all services of a place.
func (d *Disco) features(at im.Place) (list []string) {
	for _, s := range append(d.Services(), d.c.Services...) {
		if s.At&at != 0 {
			list = append(list, s.Features...)
		}
	}
	return list
}

func forms(addresses map[string][]string) []disco.Form {
	if len(addresses) == 0 {
		return nil
	}
	form := disco.Form{Type: "http://jabber.org/network/serverinfo"}
	for what, list := range addresses {
		form.Fields = append(form.Fields, disco.Field{Var: what + "-addresses", Type: "list-multi", Values: slices.Clone(list)})
	}
	return []disco.Form{form}
}

// Caps are the server's capabilities, as an element for the features of a stream (xep0115#6.3).
func (d *Disco) Caps() string { return d.caps }

// Services are the two questions that can be asked.
func (d *Disco) Services() []im.Service {
	const everywhere = im.Server | im.Own | im.Account
	query := func(space string, h im.Handler) im.Service {
		return im.Service{Name: xmpp.Name{Space: space, Local: "query"}, At: everywhere, Handle: h, Features: []string{space}}
	}
	return []im.Service{query(disco.NSInfo, d.info), query(disco.NSItems, d.items)}
}

// place is whom a request is for, and what is asked of it. Those who may not see an account's presence learn nothing
// of it: they hear the same of one that does not exist (xep0030#8).
func (d *Disco) place(ctx context.Context, st *xmpp.Stanza) (at im.Place, node string, err error) {
	p, ok := st.Payload()
	if !ok || st.Type() != "get" {
		return 0, "", &xmpp.StanzaError{Condition: xmpp.BadRequest}
	}
	node = st.Element(p).Attr("node")
	to, from := st.To(), st.From()
	switch {
	case to.IsZero(), to.Bare() == from.Bare():
		return im.Own, node, nil
	case to.Local == "":
		return im.Server, node, nil
	}
	may, err := d.c.Subscribed(ctx, to.Bare(), from.Bare())
	if err == nil && !may {
		err = &xmpp.StanzaError{Condition: xmpp.ServiceUnavailable}
	}
	return im.Account, node, err
}

func (d *Disco) info(ctx context.Context, _ *im.Session, st *xmpp.Stanza) (string, error) {
	at, node, err := d.place(ctx, st)
	switch {
	case err != nil:
		return "", err
	case at == im.Server && (node == "" || node == d.capsNode): // xep0115#6.2
		return d.server.XML(node), nil
	case node != "":
		return "", &xmpp.StanzaError{Condition: xmpp.ItemNotFound} // xep0030#7
	case at == im.Own:
		return d.own.XML(""), nil
	}
	return d.account.XML(""), nil
}

func (d *Disco) items(ctx context.Context, _ *im.Session, st *xmpp.Stanza) (string, error) {
	at, node, err := d.place(ctx, st)
	switch {
	case err != nil:
		return "", err
	case node != "":
		return "", &xmpp.StanzaError{Condition: xmpp.ItemNotFound}
	case at == im.Server:
		return disco.ItemsXML("", d.c.Items(st.To().Domain)), nil
	case at == im.Own:
		return disco.ItemsXML("", resources(d.c.Sessions.Of(st.From().Bare()))), nil
	}
	available := slices.DeleteFunc(slices.Clone(d.c.Sessions.Of(st.To().Bare())), func(s *im.Session) bool { return s.Availability() == nil })
	return disco.ItemsXML("", resources(available)), nil
}

// resources are an account's items: those who may see it know them already (xep0030#4.1).
func resources(sessions []*im.Session) (items []disco.Item) {
	for _, s := range sessions {
		items = append(items, disco.Item{JID: s.JID().String()})
	}
	return items
}
