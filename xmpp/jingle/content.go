package jingle

import "parley/xmpp"

// Party is one of the two of a session.
type Party string

// The parties.
const (
	Initiator Party = "initiator"
	Responder Party = "responder"
)

// Other is the other one.
func (p Party) Other() Party {
	if p == Initiator {
		return Responder
	}
	return Initiator
}

// parseParty reads who made a content. Its default is the initiator (xep0166#7.3).
func parseParty(e *xmpp.Element) (Party, error) {
	switch p := Party(e.Attr("creator")); p {
	case "":
		return Initiator, nil
	case Initiator, Responder:
		return p, nil
	}
	return "", malformed("the creator is no party")
}

// Senders says who sends.
type Senders string

// The senders. The zero value is Both, as it is where none is written (xep0166#7.3).
const (
	Both          Senders = ""
	FromInitiator Senders = "initiator"
	FromResponder Senders = "responder"
	Nobody        Senders = "none"
)

// Sends says whether p is among the senders.
func (s Senders) Sends(p Party) bool { return s == Both || string(s) == string(p) }

// SendersOf makes senders of who sends.
func SendersOf(initiator, responder bool) Senders {
	switch {
	case initiator && responder:
		return Both
	case initiator:
		return FromInitiator
	case responder:
		return FromResponder
	}
	return Nobody
}

func parseSenders(e *xmpp.Element) (Senders, error) {
	switch s := Senders(e.Attr("senders")); s {
	case Both, "both":
		return Both, nil
	case FromInitiator, FromResponder, Nobody:
		return s, nil
	}
	return "", malformed("the senders are none that there are")
}

// Content is one medium of a session, with the way it takes.
type Content struct {
	Creator     Party
	Name        string
	Senders     Senders
	Disposition string       // "" is session
	Description *Description // nil if there is none, or none of RTP
	Transport   *Transport   // nil if there is none, or none of ICE
	// The names of a description or transport that this package does not know.
	OtherDescription, OtherTransport xmpp.Name
}

// Same says that both are the same content of a session (xep0166#7.3).
func (c Content) Same(o Content) bool { return c.Creator == o.Creator && c.Name == o.Name }

func parseContent(e *xmpp.Element, action Action) (c Content, err error) {
	c = Content{Name: e.Attr("name"), Disposition: e.Attr("disposition")}
	if c.Name == "" || len(c.Name) > MaxText {
		return c, malformed("a content has no name, or one that is too long")
	}
	if c.Creator, err = parseParty(e); err != nil {
		return c, err
	}
	if c.Senders, err = parseSenders(e); err != nil {
		return c, err
	}
	for _, child := range e.Children {
		if err := c.take(child, action); err != nil {
			return c, err
		}
	}
	described := c.Description != nil || c.OtherDescription.Local != ""
	carried := c.Transport != nil || c.OtherTransport.Local != ""
	if action.describes() && (!described || !carried) {
		return c, malformed("a content needs a description and a transport")
	}
	return c, nil
}

func (c *Content) take(e *xmpp.Element, action Action) (err error) {
	switch {
	case e.Local == "description" && e.Space == NSRTP:
		c.Description, err = parseDescription(e)
	case e.Local == "description":
		c.OtherDescription = e.Name
	case e.Local == "transport" && e.Space == NSICE:
		c.Transport, err = parseTransport(e, action == TransportInfo)
	case e.Local == "transport":
		c.OtherTransport = e.Name
	}
	return err
}

func (c *Content) append(b *xmpp.Builder) {
	b.Open("content", "").Attr("creator", string(c.Creator)).Attr("name", c.Name).
		Maybe("senders", string(c.Senders)).Maybe("disposition", c.Disposition)
	if c.Description != nil {
		c.Description.append(b)
	}
	if c.OtherDescription.Local != "" {
		b.Open("description", "").Attr("xmlns", c.OtherDescription.Space).Close()
	}
	if c.Transport != nil {
		c.Transport.append(b)
	}
	if c.OtherTransport.Local != "" {
		b.Open("transport", "").Attr("xmlns", c.OtherTransport.Space).Close()
	}
	b.Close()
}
