package jingle

import (
	"math"

	"parley/xmpp"
)

// Feedback is the RTCP feedback that a party understands (xep0293#3).
type Feedback struct {
	Messages []FeedbackMessage
	Interval int // trr-int in milliseconds; 0, the default, if there is none
}

// FeedbackMessage is one kind of it, such as nack pli.
type FeedbackMessage struct {
	Type, Subtype string
	Parameters    []Parameter
}

// take reads a child that is feedback, and leaves any other.
func (f *Feedback) take(e *xmpp.Element) error {
	switch e.Name {
	case xmpp.Name{Space: NSFeedback, Local: "rtcp-fb"}:
		return add(&f.Messages, e, parseFeedback, MaxList)
	case xmpp.Name{Space: NSFeedback, Local: "rtcp-fb-trr-int"}:
		n, err := number(e, "value", math.MaxInt32)
		f.Interval = int(n)
		return err
	}
	return nil
}

func parseFeedback(e *xmpp.Element) (m FeedbackMessage, err error) {
	m = FeedbackMessage{Type: e.Attr("type"), Subtype: e.Attr("subtype")}
	if m.Type == "" {
		return m, malformed("a feedback message has no type")
	}
	m.Parameters, err = parameters(e)
	return m, err
}

func (f Feedback) append(b *xmpp.Builder) {
	for _, m := range f.Messages {
		b.Open("rtcp-fb", NSFeedback).Attr("type", m.Type).Maybe("subtype", m.Subtype)
		appendParameters(b, m.Parameters)
		b.Close()
	}
	if f.Interval > 0 {
		b.Open("rtcp-fb-trr-int", NSFeedback).Attr("value", decimal(f.Interval)).Close()
	}
}

// Extension is an RTP header extension (xep0294#3).
type Extension struct {
	ID         uint16
	URI        string
	Senders    Senders
	Parameters []Parameter
}

func parseExtension(e *xmpp.Element) (x Extension, err error) {
	x.URI = e.Attr("uri")
	n, err := number(e, "id", math.MaxUint16)
	if err != nil {
		return x, err
	}
	if x.ID = uint16(n); x.ID == 0 || x.URI == "" {
		return x, malformed("a header extension has no id or no uri")
	}
	if x.Senders, err = parseSenders(e); err != nil {
		return x, err
	}
	x.Parameters, err = parameters(e)
	return x, err
}

func (x Extension) append(b *xmpp.Builder) {
	b.Open("rtp-hdrext", NSExtension).Attr("id", decimal(x.ID)).Attr("uri", x.URI).Maybe("senders", string(x.Senders))
	appendParameters(b, x.Parameters)
	b.Close()
}

// Source is what is said of one RTP source (xep0339#1).
type Source struct {
	SSRC       uint32
	Parameters []Parameter
}

// SourceGroup says that sources belong together.
type SourceGroup struct {
	Semantics string // FID, FEC ...
	SSRCs     []uint32
}

func parseSource(e *xmpp.Element) (s Source, err error) {
	if _, ok := e.Lookup("ssrc"); !ok {
		return s, malformed("a source has no ssrc")
	}
	n, err := number(e, "ssrc", math.MaxUint32)
	if err != nil {
		return s, err
	}
	s.SSRC = uint32(n)
	s.Parameters, err = parameters(e)
	return s, err
}

func parseSourceGroup(e *xmpp.Element) (g SourceGroup, err error) {
	if g.Semantics = e.Attr("semantics"); g.Semantics == "" {
		return g, malformed("a group of sources has no semantics")
	}
	for _, c := range e.Children {
		if c.Space != NSSource || c.Local != "source" {
			continue
		}
		s, err := parseSource(c)
		if err != nil {
			return g, err
		}
		if len(g.SSRCs) == MaxList {
			return g, tooMany("sources of a group")
		}
		g.SSRCs = append(g.SSRCs, s.SSRC)
	}
	return g, nil
}

func (s Source) append(b *xmpp.Builder, space string) {
	b.Open("source", space).Attr("ssrc", decimal(s.SSRC))
	appendParameters(b, s.Parameters)
	b.Close()
}

func (g SourceGroup) append(b *xmpp.Builder) {
	b.Open("ssrc-group", NSSource).Attr("semantics", g.Semantics)
	for _, s := range g.SSRCs {
		Source{SSRC: s}.append(b, "")
	}
	b.Close()
}
