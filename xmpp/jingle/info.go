package jingle

import "parley/xmpp"

// InfoKind is what a party says of itself during a call (xep0167#8).
type InfoKind string

// The kinds.
const (
	Active  InfoKind = "active"
	Hold    InfoKind = "hold"
	Unhold  InfoKind = "unhold"
	Mute    InfoKind = "mute"
	Unmute  InfoKind = "unmute"
	Ringing InfoKind = "ringing"
)

// Info is the payload of a session-info.
type Info struct {
	Kind    InfoKind
	Creator Party  // with Mute and Unmute, if they name a content
	Name    string // "" is all contents (xep0167#8.3)
}

func parseInfo(e *xmpp.Element) (i Info, known bool, err error) {
	if e.Space != NSInfo {
		return i, false, nil
	}
	switch i.Kind = InfoKind(e.Local); i.Kind {
	case Active, Hold, Unhold, Ringing:
		return i, true, nil
	case Mute, Unmute:
		if i.Name = e.Attr("name"); i.Name != "" {
			i.Creator, err = parseParty(e)
		}
		return i, true, err
	}
	return i, false, nil
}

func (i Info) append(b *xmpp.Builder) {
	b.Open(string(i.Kind), NSInfo).Maybe("creator", string(i.Creator)).Maybe("name", i.Name).Close()
}
