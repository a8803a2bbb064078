// Package jingle is the grammar of calls in XMPP: XEP-0166 (Jingle) with the RTP descriptions of XEP-0167, the ICE-UDP
// transport of XEP-0176, DTLS fingerprints (XEP-0320), grouping (XEP-0338), sources (XEP-0339), feedback and header
// extensions (XEP-0293, XEP-0294), and what goes before a session, XEP-0353 (Jingle Message Initiation). Data channels
// (XEP-0343) are recognised.
//
// It reads what it knows and leaves out what it doesn't. What a rule forbids is refused with a *xmpp.StanzaError that
// can be sent as it is.
package jingle

import (
	"slices"
	"strconv"

	"parley/xmpp"
	"parley/xmpp/jid"
)

// The namespaces of sessions.
const (
	NS          = "urn:xmpp:jingle:1"
	NSErrors    = "urn:xmpp:jingle:errors:1"
	NSGrouping  = "urn:xmpp:jingle:apps:grouping:0"
	NSRTP       = "urn:xmpp:jingle:apps:rtp:1"
	NSRTPErrors = "urn:xmpp:jingle:apps:rtp:errors:1"
	NSInfo      = "urn:xmpp:jingle:apps:rtp:info:1"
	NSFeedback  = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
	NSExtension = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
	NSSource    = "urn:xmpp:jingle:apps:rtp:ssma:0"
	NSICE       = "urn:xmpp:jingle:transports:ice-udp:1"
	NSDTLS      = "urn:xmpp:jingle:apps:dtls:0"
	NSSCTP      = "urn:xmpp:jingle:transports:dtls-sctp:1"
	NSMessage   = "urn:xmpp:jingle-message:0"
)

// Limits of one element: what has more is refused.
const (
	MaxContents   = 32
	MaxPayloads   = 64
	MaxCandidates = 64 // of one content
	MaxList       = 64 // of anything else that may be repeated
	MaxText       = 1024
)

// Features are what an entity that speaks all of this tells in service discovery.
func Features() []string {
	return []string{
		NS, NSRTP, "urn:xmpp:jingle:apps:rtp:audio", "urn:xmpp:jingle:apps:rtp:video", NSICE, NSDTLS, NSFeedback, NSExtension,
		"urn:ietf:rfc:5888", // xep0338#3
		"urn:ietf:rfc:5576", // xep0339#3
		NSMessage,
	}
}

// Action is what a request does to the session (xep0166#7.2).
type Action string

// The actions.
const (
	ContentAccept    Action = "content-accept"
	ContentAdd       Action = "content-add"
	ContentModify    Action = "content-modify"
	ContentReject    Action = "content-reject"
	ContentRemove    Action = "content-remove"
	DescriptionInfo  Action = "description-info"
	SecurityInfo     Action = "security-info"
	SessionAccept    Action = "session-accept"
	SessionInfo      Action = "session-info"
	SessionInitiate  Action = "session-initiate"
	SessionTerminate Action = "session-terminate"
	TransportAccept  Action = "transport-accept"
	TransportInfo    Action = "transport-info"
	TransportReject  Action = "transport-reject"
	TransportReplace Action = "transport-replace"
)

func (a Action) known() bool {
	switch a {
	case ContentAccept, ContentAdd, ContentModify, ContentReject, ContentRemove, DescriptionInfo, SecurityInfo,
		SessionAccept, SessionInfo, SessionInitiate, SessionTerminate,
		TransportAccept, TransportInfo, TransportReject, TransportReplace:
		return true
	}
	return false
}

// describes says that the action's contents have a description and a transport.
func (a Action) describes() bool {
	return a == SessionInitiate || a == SessionAccept || a == ContentAdd || a == ContentAccept
}

// needsContents says that the action is about contents.
func (a Action) needsContents() bool {
	return a != SessionInfo && a != SessionTerminate && a != SecurityInfo
}

// Jingle is one request of a session.
type Jingle struct {
	Action    Action
	SID       string
	Initiator jid.JID // zero if not told
	Responder jid.JID
	Contents  []Content
	Groups    []Group
	Reason    *Reason
	Infos     []Info
	Unknown   []xmpp.Name // payloads of a session-info that are not known (xep0166#6.8)
}

// Group says that contents belong together (xep0338#1).
type Group struct {
	Semantics string // BUNDLE, LS ...
	Names     []string
}

// Parse reads a jingle element.
func Parse(e *xmpp.Element) (*Jingle, error) {
	if e == nil || e.Space != NS || e.Local != "jingle" {
		return nil, malformed("there is no jingle element")
	}
	j := &Jingle{Action: Action(e.Attr("action")), SID: e.Attr("sid")}
	if !j.Action.known() { // xep0166#7.2
		return nil, malformed("there is no such action")
	}
	if j.SID == "" || len(j.SID) > MaxText {
		return nil, malformed("the sid is missing or too long")
	}
	if err := j.parties(e); err != nil {
		return nil, err
	}
	for _, c := range e.Children {
		if err := j.take(c); err != nil {
			return nil, err
		}
	}
	return j, j.check()
}

// parties reads who began and who answered. Where they mean nothing they are not looked at (xep0166#7.1).
func (j *Jingle) parties(e *xmpp.Element) (err error) {
	if s := e.Attr("initiator"); s != "" {
		if j.Initiator, err = jid.Parse(s); err != nil && j.Action == SessionInitiate {
			return malformed("the initiator is no address")
		}
	}
	if s := e.Attr("responder"); s != "" {
		if j.Responder, err = jid.Parse(s); err != nil && j.Action == SessionAccept {
			return malformed("the responder is no address")
		}
	}
	return nil
}

func (j *Jingle) take(c *xmpp.Element) error {
	switch c.Name {
	case xmpp.Name{Space: NS, Local: "content"}:
		if len(j.Contents) == MaxContents {
			return tooMany("contents")
		}
		content, err := parseContent(c, j.Action)
		j.Contents = append(j.Contents, content)
		return err
	case xmpp.Name{Space: NS, Local: "reason"}:
		r, err := parseReason(c)
		j.Reason = r
		return err
	case xmpp.Name{Space: NSGrouping, Local: "group"}:
		if len(j.Groups) == MaxList {
			return tooMany("groups")
		}
		g, err := parseGroup(c)
		j.Groups = append(j.Groups, g)
		return err
	}
	if j.Action != SessionInfo {
		return nil
	}
	if len(j.Infos)+len(j.Unknown) == MaxList {
		return tooMany("payloads")
	}
	info, known, err := parseInfo(c)
	if known {
		j.Infos = append(j.Infos, info)
	} else {
		j.Unknown = append(j.Unknown, c.Name)
	}
	return err
}

func parseGroup(e *xmpp.Element) (Group, error) {
	g := Group{Semantics: e.Attr("semantics")}
	if g.Semantics == "" {
		return g, malformed("a group has no semantics")
	}
	for _, c := range e.Children {
		if c.Space != NSGrouping || c.Local != "content" {
			continue
		}
		if len(g.Names) == MaxContents {
			return g, tooMany("contents of a group")
		}
		g.Names = append(g.Names, c.Attr("name"))
	}
	return g, nil
}

// check holds the request against what its action needs.
func (j *Jingle) check() error {
	if j.Action.needsContents() && len(j.Contents) == 0 {
		return malformed("there is no content")
	}
	for i, c := range j.Contents {
		if slices.ContainsFunc(j.Contents[:i], c.Same) { // xep0166#7.3
			return malformed("a content is there twice")
		}
	}
	session := func(c Content) bool { return c.Disposition == "" || c.Disposition == "session" }
	if j.Action == SessionInitiate && !slices.ContainsFunc(j.Contents, session) { // xep0166#7.2.10
		return malformed("no content has the disposition session")
	}
	return nil
}

// Append writes the request.
func (j *Jingle) Append(b *xmpp.Builder) {
	b.Open("jingle", NS).Attr("action", string(j.Action)).Attr("sid", j.SID)
	if !j.Initiator.IsZero() {
		b.Attr("initiator", j.Initiator.String())
	}
	if !j.Responder.IsZero() {
		b.Attr("responder", j.Responder.String())
	}
	for _, g := range j.Groups {
		b.Open("group", NSGrouping).Attr("semantics", g.Semantics)
		for _, n := range g.Names {
			b.Open("content", "").Attr("name", n).Close()
		}
		b.Close()
	}
	for i := range j.Contents {
		j.Contents[i].append(b)
	}
	for _, i := range j.Infos {
		i.append(b)
	}
	if j.Reason != nil {
		j.Reason.append(b, false)
	}
	b.Close()
}

// XML is the request as text.
func (j *Jingle) XML() string {
	b := xmpp.NewBuilder(nil)
	j.Append(b)
	return b.String()
}

func malformed(text string) error {
	return &xmpp.StanzaError{Condition: xmpp.BadRequest, Text: text}
}

func tooMany(what string) error {
	return &xmpp.StanzaError{Condition: xmpp.ResourceConstraint, Text: "too many " + what}
}

// number reads an attribute that is a decimal number up to limit. One that is not there is 0.
func number(e *xmpp.Element, name string, limit uint64) (uint64, error) {
	s, ok := e.Lookup(name)
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > limit {
		return 0, malformed("the " + name + " of a " + e.Local + " is no number that it may be")
	}
	return n, nil
}

func decimal[N ~int | ~uint8 | ~uint16 | ~uint32](n N) string {
	return strconv.FormatUint(uint64(n), 10)
}
