package bridge

import (
	"slices"

	"parley/xmpp/jingle"
)

// Apply is the media after its party has sent a request of the running session. other is what the other party has said.
// What a request says that no description can say, such as ringing, leaves the media as it is.
func (m Media) Apply(j *jingle.Jingle, other Media) (Media, error) {
	m = m.clone()
	switch j.Action {
	case jingle.SessionInfo:
		for _, i := range j.Infos {
			m.hear(i)
		}
		return m, nil
	case jingle.SessionInitiate, jingle.SessionAccept:
		return Take(j, m.By, other)
	case jingle.SessionTerminate, jingle.SecurityInfo:
		return m, ErrAction
	}
	m.reach(other)
	for _, c := range j.Contents {
		i := m.find(c)
		if i < 0 && j.Action == jingle.ContentAdd {
			if len(m.Lines) == jingle.MaxContents {
				return m, ErrTooMany
			}
			i = len(m.Lines)
			m.Lines = append(m.Lines, Line{Content: c, Gone: true})
		}
		if i < 0 {
			return m, ErrContent
		}
		m.Lines[i] = m.Lines[i].apply(j.Action, c)
	}
	if len(j.Groups) > 0 {
		m.Groups = j.Groups
	}
	return m, nil
}

// reach adds the lines that the other party has and this one has said nothing of.
func (m *Media) reach(other Media) {
	for i := len(m.Lines); i < len(other.Lines); i++ {
		m.Lines = append(m.Lines, refused(other.Lines[i]))
	}
}

func (l Line) apply(action jingle.Action, c jingle.Content) Line {
	switch action {
	case jingle.ContentAdd, jingle.ContentAccept:
		return described(l, c)
	case jingle.ContentRemove, jingle.ContentReject:
		return refused(l)
	case jingle.ContentModify:
		l.Content.Senders, l.held = c.Senders, nil
	case jingle.TransportInfo:
		l.Content.Transport = merged(l.Content.Transport, c.Transport)
	case jingle.TransportReplace, jingle.TransportAccept:
		l.Content.Transport, l.Content.OtherTransport = c.Transport, c.OtherTransport
		l.Gone = l.Gone || c.Transport == nil
	case jingle.DescriptionInfo:
		l.Content.Description = advised(l.Content.Description, c.Description)
	}
	if t := l.Content.Transport; t != nil {
		l.Generation = newest(t, l.Generation)
	}
	return l
}

// merged is a transport with what came later. Another ufrag begins anew (xep0176#5.9).
func merged(t, more *jingle.Transport) *jingle.Transport {
	if t == nil || more == nil {
		return t
	}
	n := *t
	if more.UFrag != "" && (more.UFrag != t.UFrag || more.Pwd != t.Pwd) {
		n = jingle.Transport{UFrag: more.UFrag, Pwd: more.Pwd, Fingerprints: t.Fingerprints, SCTP: t.SCTP}
	}
	n.Candidates = slices.Clone(n.Candidates)
	for _, c := range more.Candidates {
		if len(n.Candidates) < jingle.MaxCandidates && !slices.Contains(n.Candidates, c) {
			n.Candidates = append(n.Candidates, c)
		}
	}
	if len(more.Fingerprints) > 0 {
		n.Fingerprints = more.Fingerprints
	}
	if len(more.Remote) > 0 {
		n.Remote = more.Remote
	}
	n.Complete = n.Complete || more.Complete
	return &n
}

// advised is a description with what was said of some of its payloads (xep0167#9).
func advised(d, more *jingle.Description) *jingle.Description {
	if d == nil || more == nil {
		return d
	}
	n := *d
	n.Payloads = slices.Clone(d.Payloads)
	for _, p := range more.Payloads {
		if i := slices.IndexFunc(n.Payloads, func(o jingle.Payload) bool { return o.ID == p.ID }); i >= 0 {
			n.Payloads[i] = p
		}
	}
	return &n
}

// hear is a hold or its end: the party doesn't listen, or does again (xep0167#8.2).
func (m *Media) hear(i jingle.Info) {
	for n := range m.Lines {
		l := &m.Lines[n]
		switch i.Kind {
		case jingle.Hold:
			if l.held == nil && !l.Gone && l.Content.Senders.Sends(m.By.Other()) {
				before := l.Content.Senders
				l.held, l.Content.Senders = &before, m.alone(before)
			}
		case jingle.Unhold, jingle.Active:
			if l.held != nil {
				l.Content.Senders, l.held = *l.held, nil
			}
		}
	}
}

// alone are the senders without the other party.
func (m Media) alone(s jingle.Senders) jingle.Senders {
	sends := s.Sends(m.By)
	return jingle.SendersOf(sends && m.By == jingle.Initiator, sends && m.By == jingle.Responder)
}

// onHold says that the party listens to nothing.
func (m Media) onHold() bool {
	for _, c := range m.Contents() {
		if c.Senders.Sends(m.By.Other()) {
			return false
		}
	}
	return len(m.Contents()) > 0
}

// Changes are the requests by which a party tells that what it said before is now m: what a re-INVITE of SIP comes to.
func (m Media) Changes(before Media, sid string) []*jingle.Jingle {
	request := func(a jingle.Action) *jingle.Jingle { return &jingle.Jingle{Action: a, SID: sid} }
	remove, add, modify := request(jingle.ContentRemove), request(jingle.ContentAdd), request(jingle.ContentModify)
	transport, description := request(jingle.TransportInfo), request(jingle.DescriptionInfo)
	for i, l := range m.Lines {
		c, old := l.Content, Line{Gone: true}
		if i < len(before.Lines) {
			old = before.Lines[i]
		}
		switch {
		case l.Gone && !old.Gone:
			remove.Contents = append(remove.Contents, naming(c))
		case l.Gone:
		case old.Gone:
			add.Contents = append(add.Contents, c)
		default:
			if c.Senders != old.Content.Senders {
				n := naming(c)
				n.Senders = c.Senders
				modify.Contents = append(modify.Contents, n)
			}
			if t := news(old.Content.Transport, c.Transport); t != nil {
				n := naming(c)
				n.Transport = t
				transport.Contents = append(transport.Contents, n)
			}
			if d := advice(old.Content.Description, c.Description); d != nil {
				n := naming(c)
				n.Description = d
				description.Contents = append(description.Contents, n)
			}
		}
	}
	if len(add.Contents) > 0 {
		add.Groups = m.Groups
	}
	all := filled(remove, add, modify, transport, description)
	if now := m.onHold(); now != before.onHold() && len(modify.Contents) > 0 {
		info := request(jingle.SessionInfo)
		info.Infos = []jingle.Info{{Kind: jingle.Unhold}}
		if now {
			info.Infos[0].Kind = jingle.Hold
		}
		all = append(all, info)
	}
	return all
}

// news is what is new in a transport, nil if nothing is.
func news(old, now *jingle.Transport) *jingle.Transport {
	switch {
	case now == nil:
		return nil
	case old == nil || old.UFrag != now.UFrag || old.Pwd != now.Pwd:
		return now
	}
	n := &jingle.Transport{UFrag: now.UFrag, Pwd: now.Pwd, Complete: now.Complete && !old.Complete}
	for _, c := range now.Candidates {
		if !slices.Contains(old.Candidates, c) {
			n.Candidates = append(n.Candidates, c)
		}
	}
	if !slices.Equal(old.Fingerprints, now.Fingerprints) {
		n.Fingerprints = now.Fingerprints
	}
	if !slices.Equal(old.Remote, now.Remote) {
		n.Remote = now.Remote
	}
	if !n.Complete && len(n.Candidates)+len(n.Fingerprints)+len(n.Remote) == 0 {
		return nil
	}
	return n
}

// advice are the payloads that are both in old and now, and differ; nil if there are none.
func advice(old, now *jingle.Description) *jingle.Description {
	if old == nil || now == nil {
		return nil
	}
	n := &jingle.Description{Media: now.Media}
	for _, p := range now.Payloads {
		i := slices.IndexFunc(old.Payloads, func(o jingle.Payload) bool { return o.ID == p.ID })
		if i >= 0 && !samePayload(old.Payloads[i], p) {
			n.Payloads = append(n.Payloads, p)
		}
	}
	if len(n.Payloads) == 0 {
		return nil
	}
	return n
}

func samePayload(a, b jingle.Payload) bool {
	return a.Name == b.Name && a.Rate == b.Rate && a.Channels == b.Channels && a.PTime == b.PTime &&
		a.MaxPTime == b.MaxPTime && slices.Equal(a.Parameters, b.Parameters)
}
