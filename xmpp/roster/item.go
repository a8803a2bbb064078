package roster

import (
	"slices"
	"strings"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// Item is a contact as the roster shows it (rfc6121#2.1.2). It never changes.
type Item struct {
	JID jid.JID
	Standing
	Name   string
	Groups []string
}

// Append writes the item. Of the state, a request of the contact is not shown.
func (i *Item) Append(b *xmpp.Builder) {
	b.Open("item", "").Attr("jid", i.JID.String()).Maybe("name", i.Name).Attr("subscription", i.State.Subscription())
	if i.State.IsAsking() {
		b.Attr("ask", "subscribe")
	}
	if i.Approved {
		b.Attr("approved", "true")
	}
	for _, g := range i.Groups {
		b.Element("group", "", g)
	}
	b.Close()
}

// Equal says that two items show the same.
func (i *Item) Equal(o *Item) bool {
	return i.JID == o.JID && i.Name == o.Name && i.Approved == o.Approved && i.State.IsAsking() == o.State.IsAsking() &&
		i.State.Subscription() == o.State.Subscription() && slices.Equal(i.Groups, o.Groups)
}

// Removed writes that a contact is no longer in the roster.
func Removed(b *xmpp.Builder, contact jid.JID) {
	b.Open("item", "").Attr("jid", contact.String()).Attr("subscription", "remove").Close()
}

// ParseItem reads an item as a server shows it.
func ParseItem(e *xmpp.Element) (i Item, removed bool, err error) {
	if i.JID, err = jid.Parse(e.Attr("jid")); err != nil {
		return i, false, malformed("the jid is none")
	}
	if e.Attr("subscription") == "remove" {
		return i, true, nil
	}
	subscription := e.Attr("subscription")
	if subscription == "" {
		subscription = "none"
	}
	var ok bool
	if i.State, ok = Join(subscription, e.Attr("ask") == "subscribe", false); !ok {
		return i, false, malformed("there is no such subscription")
	}
	i.Name, i.Approved = e.Attr("name"), isTrue(e.Attr("approved"))
	for _, c := range e.Children {
		if c.Space == NS && c.Local == "group" {
			i.Groups = append(i.Groups, c.Text)
		}
	}
	return i, false, nil
}

func isTrue(s string) bool { return s == "true" || s == "1" }

func malformed(text string) error {
	return &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: text}
}

// Limits of what one item may hold. Zero is no limit.
type Limits struct {
	Name, Group int // bytes
	Groups      int
}

// Set is what a client wants of one contact.
type Set struct {
	JID    jid.JID
	Name   string
	Groups []string
	Remove bool
}

// ParseSet reads the query of a roster set. The error is a *xmpp.StanzaError for the client (rfc6121#2.3.3).
func ParseSet(query *xmpp.Element, l Limits) (Set, error) {
	var item *xmpp.Element
	for _, c := range query.Children {
		if c.Space != NS || c.Local != "item" {
			continue
		}
		if item != nil {
			return Set{}, malformed("one item at a time") // rfc6121#2.1.5
		}
		item = c
	}
	if item == nil {
		return Set{}, malformed("there is no item")
	}
	contact, err := jid.Parse(item.Attr("jid"))
	if err != nil || !contact.IsBare() {
		return Set{}, malformed("the jid is no bare address")
	}
	set := Set{JID: contact}
	if item.Attr("subscription") == "remove" { // any other value is ignored, rfc6121#2.1.2.5
		set.Remove = true
		return set, nil
	}
	set.Name = item.Attr("name")
	if l.Name > 0 && len(set.Name) > l.Name {
		return Set{}, refused("the name is too long")
	}
	set.Groups, err = parseGroups(item, l)
	return set, err
}

func parseGroups(item *xmpp.Element, l Limits) (groups []string, err error) {
	for _, c := range item.Children {
		switch name := c.Text; {
		case c.Space != NS || c.Local != "group":
			continue
		case strings.TrimSpace(name) == "":
			return nil, refused("a group has no name")
		case l.Group > 0 && len(name) > l.Group:
			return nil, refused("a group's name is too long")
		case slices.Contains(groups, name):
			return nil, malformed("a group stands twice")
		case l.Groups > 0 && len(groups) == l.Groups:
			return nil, refused("too many groups")
		default:
			groups = append(groups, name)
		}
	}
	return groups, nil
}

func refused(text string) error {
	return &xmpp.StanzaError{Condition: xmpp.NotAcceptable, Text: text}
}
