package calls

import (
	"errors"

	"parley/internal/bridge"
	"parley/xmpp"
	"parley/xmpp/disco"
	"parley/xmpp/jingle"
)

const nsPing = "urn:xmpp:ping"

// info is what the other side of a call says of itself.
func info() disco.Info {
	return disco.Info{
		Identities: []disco.Identity{{Category: "client", Type: "phone"}},
		Features:   append([]string{disco.NSInfo, nsPing}, Features()...),
	}
}

// Features are those of who is called by SIP. Media across forms are audio.
func Features() []string {
	return []string{jingle.NS, jingle.NSRTP, featureAudio, jingle.NSICE, jingle.NSDTLS, jingle.NSMessage}
}

// question answers what an app asks of the address itself.
func (c *call) question(st *xmpp.Stanza, p xmpp.Part) {
	switch {
	case p.Space == disco.NSInfo && p.Local == "query" && st.Element(p).Attr("node") == "":
		c.x.answer(st.Result(info().XML("")))
	case p.Space == nsPing:
		c.agree(st)
	default:
		c.x.answer(st.Fail(&xmpp.StanzaError{Condition: xmpp.ServiceUnavailable}))
	}
}

// asStanzaError is what an app is told of a request that can't be taken.
func asStanzaError(err error) *xmpp.StanzaError {
	if e, ok := errors.AsType[*xmpp.StanzaError](err); ok {
		return e
	}
	switch {
	case errors.Is(err, bridge.ErrContent): // xep0166#7.2.4
		return &xmpp.StanzaError{Condition: xmpp.ItemNotFound, Text: "there is no such content"}
	case errors.Is(err, bridge.ErrTooMany):
		return &xmpp.StanzaError{Condition: xmpp.ResourceConstraint, Text: "there are too many contents"}
	case errors.Is(err, bridge.ErrAction):
		return &xmpp.StanzaError{Condition: xmpp.FeatureNotImplemented}
	}
	return &xmpp.StanzaError{Condition: xmpp.BadRequest}
}
