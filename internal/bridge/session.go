package bridge

import (
	"slices"

	"parley/xmpp/jingle"
)

// Take makes media of a request by which the party by describes the session: session-initiate or session-accept. known
// is what either party has said before, for a session-accept what is accepted: what is not in it, is refused.
//
// A content that is not RTP over ICE is a line that is gone.
func Take(j *jingle.Jingle, by jingle.Party, known ...Media) (Media, error) {
	if j.Action != jingle.SessionInitiate && j.Action != jingle.SessionAccept {
		return Media{}, ErrAction
	}
	m, alive := Media{By: by, Groups: j.Groups}, false
	if offer := said(by.Other(), known); j.Action == jingle.SessionAccept {
		for _, l := range offer.Lines {
			m.Lines = append(m.Lines, refused(l))
		}
	}
	for _, c := range j.Contents {
		i := m.find(c)
		switch {
		case i < 0 && j.Action == jingle.SessionAccept:
			return m, ErrContent
		case i < 0:
			i = len(m.Lines)
			m.Lines = append(m.Lines, Line{})
		}
		m.Lines[i] = described(m.Lines[i], c)
		alive = alive || !m.Lines[i].Gone
	}
	if !alive {
		return m, ErrNoMedia
	}
	return m, nil
}

// refused is a line of the other party that this one doesn't want.
func refused(l Line) Line {
	media := "application"
	if d := l.Content.Description; d != nil {
		media = d.Media
	}
	return Line{Content: jingle.Content{
		Creator: l.Content.Creator, Name: l.Content.Name, Description: &jingle.Description{Media: media},
	}, Gone: true, Proto: l.Proto, Formats: l.Formats}
}

// described is the line with what a request says of its content.
func described(l Line, c jingle.Content) Line {
	l.Content, l.Gone = c, c.Description == nil || c.Transport == nil
	if t := c.Transport; t != nil {
		l.Generation = newest(t, l.Generation)
	}
	return l
}

// newest is the generation of a transport's candidates, or the one before if that is higher.
func newest(t *jingle.Transport, before uint8) uint8 {
	for _, c := range t.Candidates {
		before = max(before, c.Generation)
	}
	return before
}

// Initiate is the request that begins a session with this media.
func (m Media) Initiate(sid string) (*jingle.Jingle, error) {
	if len(m.Contents()) == 0 {
		return nil, ErrNoMedia
	}
	return &jingle.Jingle{Action: jingle.SessionInitiate, SID: sid, Contents: m.Contents(), Groups: m.Groups}, nil
}

// Accept are the requests that answer a session-initiate with this media: first what is refused of it is removed, then
// the rest is accepted (xep0166#6.4).
func (m Media) Accept(sid string) ([]*jingle.Jingle, error) {
	if len(m.Contents()) == 0 {
		return nil, ErrNoMedia
	}
	var all []*jingle.Jingle
	if gone := m.gone(); len(gone) > 0 {
		all = append(all, &jingle.Jingle{Action: jingle.ContentRemove, SID: sid, Contents: gone})
	}
	return append(all, &jingle.Jingle{
		Action: jingle.SessionAccept, SID: sid, Contents: m.Contents(), Groups: m.Groups,
	}), nil
}

// gone are the names of the contents that are.
func (m Media) gone() (all []jingle.Content) {
	for _, l := range m.Lines {
		if l.Gone {
			all = append(all, naming(l.Content))
		}
	}
	return all
}

// naming is the content without what is in it.
func naming(c jingle.Content) jingle.Content {
	return jingle.Content{Creator: c.Creator, Name: c.Name}
}

// Reply are the requests that answer a content-add with this media.
func (m Media) Reply(add *jingle.Jingle) []*jingle.Jingle {
	accept := &jingle.Jingle{Action: jingle.ContentAccept, SID: add.SID}
	reject := &jingle.Jingle{Action: jingle.ContentReject, SID: add.SID}
	for _, c := range add.Contents {
		if i := m.find(c); i >= 0 && !m.Lines[i].Gone {
			accept.Contents = append(accept.Contents, m.Lines[i].Content)
		} else {
			reject.Contents = append(reject.Contents, naming(c))
		}
	}
	return filled(accept, reject)
}

// filled are the requests that have a content.
func filled(all ...*jingle.Jingle) (some []*jingle.Jingle) {
	for _, j := range all {
		if len(j.Contents) > 0 {
			some = append(some, j)
		}
	}
	return some
}

// Answering is the media as the answer to a later offer of the other party: both have their say of who sends.
func (m Media) Answering(offer Media) Media {
	m = m.clone()
	m.Lines = m.Lines[:min(len(m.Lines), len(offer.Lines))]
	m.reach(offer)
	for i := range m.Lines {
		l, o := &m.Lines[i], offer.Lines[i]
		if l.Gone || o.Gone {
			*l = refused(o)
			continue
		}
		both := func(p jingle.Party) bool { return l.Content.Senders.Sends(p) && o.Content.Senders.Sends(p) }
		l.Content.Senders = jingle.SendersOf(both(jingle.Initiator), both(jingle.Responder))
		l.Content.Transport = as(l.Content.Transport, answerer(o.Content.Transport))
	}
	return m
}

// Offering is the media as an offer of a running call: the role in DTLS is left open again (rfc8842#5.3).
func (m Media) Offering() Media {
	m = m.clone()
	for i := range m.Lines {
		m.Lines[i].Content.Transport = as(m.Lines[i].Content.Transport, "actpass")
	}
	return m
}

// answerer is the role in DTLS that is left for who answers (rfc5763#5).
func answerer(offer *jingle.Transport) string {
	if offer != nil && len(offer.Fingerprints) > 0 && offer.Fingerprints[0].Setup == "active" {
		return "passive"
	}
	return "active"
}

// as is a transport with a role in DTLS. One that an answer has taken already stays.
func as(t *jingle.Transport, setup string) *jingle.Transport {
	if t == nil || len(t.Fingerprints) == 0 || setup != "actpass" && t.Fingerprints[0].Setup != "actpass" && t.Fingerprints[0].Setup != "" {
		return t
	}
	n := *t
	n.Fingerprints = slices.Clone(t.Fingerprints)
	for i := range n.Fingerprints {
		n.Fingerprints[i].Setup = setup
	}
	return &n
}
