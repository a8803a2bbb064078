package jingle

import "parley/xmpp"

// Step is one of those by which a call is agreed on before its session (xep0353#3).
type Step string

// The steps. Accept is told to one's own devices by those who speak version 0.3; since then proceed does that too.
const (
	Propose Step = "propose"
	Ring    Step = "ringing"
	Proceed Step = "proceed"
	Accept  Step = "accept"
	Reject  Step = "reject"
	Retract Step = "retract"
	Finish  Step = "finish"
)

// Intent is the payload of a message by which a call is agreed on.
type Intent struct {
	Step     Step
	ID       string   // the sid of the session to come (xep0353#3.6)
	Media    []string // of a Propose: what is to be talked by
	Other    []xmpp.Name
	Reason   *Reason // of Reject, Retract and Finish; nil if none was given
	TieBreak bool    // xep0353#4.1
	Migrated string  // of a Finish: the sid of the session that goes on in its place
}

// ParseIntent reads the payload.
func ParseIntent(e *xmpp.Element) (*Intent, error) {
	if e == nil || e.Space != NSMessage {
		return nil, malformed("there is no call to be agreed on")
	}
	i := &Intent{Step: Step(e.Local), ID: e.Attr("id")}
	switch i.Step {
	case Propose, Ring, Proceed, Accept, Reject, Retract, Finish:
	default:
		return nil, malformed("there is no such step")
	}
	if i.ID == "" || len(i.ID) > MaxText {
		return nil, malformed("the id is missing or too long")
	}
	for n, c := range e.Children {
		if n == MaxList {
			return nil, tooMany("elements in a step")
		}
		if err := i.take(c); err != nil {
			return nil, err
		}
	}
	if i.Step == Propose && len(i.Media)+len(i.Other) == 0 {
		return nil, malformed("nothing is proposed")
	}
	return i, nil
}

func (i *Intent) take(c *xmpp.Element) (err error) {
	switch {
	case i.Step == Propose && c.Space == NSRTP && c.Local == "description":
		media := c.Attr("media")
		if media == "" {
			return malformed("a description has no media")
		}
		i.Media = append(i.Media, media)
	case i.Step == Propose && c.Local == "description":
		i.Other = append(i.Other, c.Name)
	case i.Step == Propose:
	case c.Space == NS && c.Local == "reason":
		i.Reason, err = parseReason(c)
	case c.Space == NSMessage && c.Local == "tie-break":
		i.TieBreak = true
	case c.Space == NSMessage && c.Local == "migrated" && i.Step == Finish:
		i.Migrated = c.Attr("to")
	}
	return err
}

// Append writes the payload. The message it goes in is of type chat and has a hint to be stored (xep0353#3.1).
func (i *Intent) Append(b *xmpp.Builder) {
	b.Open(string(i.Step), NSMessage).Attr("id", i.ID)
	for _, m := range i.Media {
		b.Open("description", NSRTP).Attr("media", m).Close()
	}
	for _, n := range i.Other {
		b.Open("description", "").Attr("xmlns", n.Space).Close()
	}
	if i.Reason != nil {
		i.Reason.append(b, true)
	}
	if i.TieBreak {
		b.Open("tie-break", "").Close()
	}
	if i.Migrated != "" {
		b.Open("migrated", "").Attr("to", i.Migrated).Close()
	}
	b.Close()
}

// XML is the payload as text.
func (i *Intent) XML() string {
	b := xmpp.NewBuilder(nil)
	i.Append(b)
	return b.String()
}
