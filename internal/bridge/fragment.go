package bridge

import (
	"errors"
	"strings"

	"parley/sdp"
	"parley/xmpp/jingle"
)

// TrickleMIME is the type of the body by which candidates are told during a call of SIP (rfc8840#9.1).
const TrickleMIME = "application/trickle-ice-sdpfrag"

// ErrFragment refuses what is told of candidates and can't be read.
var ErrFragment = errors.New("bridge: malformed fragment of a description")

// Fragment is what a transport-info comes to for a phone that trickles: an INFO with that body. m is what its sender has
// said before.
func (m Media) Fragment(j *jingle.Jingle) (string, error) {
	if j.Action != jingle.TransportInfo {
		return "", ErrAction
	}
	var b strings.Builder
	mids := m.mids()
	for _, c := range j.Contents {
		i := m.find(c)
		if i < 0 || m.Lines[i].Gone || c.Transport == nil {
			return "", ErrContent
		}
		b.WriteString("m=" + kind(m.Lines[i]) + " 9 RTP/AVP 0\r\na=mid:" + mids[i] + "\r\n") // rfc8840#9.2
		t := c.Transport
		if t.UFrag != "" {
			b.WriteString("a=ice-ufrag:" + t.UFrag + "\r\na=ice-pwd:" + t.Pwd + "\r\n")
		}
		for _, candidate := range t.Candidates {
			b.WriteString("a=candidate:" + WriteCandidate(candidate) + "\r\n")
		}
		if t.Complete {
			b.WriteString("a=end-of-candidates\r\n")
		}
	}
	return b.String(), nil
}

// ReadFragment makes a transport-info of the body of such an INFO. m is what its sender has said before, f numbers its
// foundations through the call.
func (m Media) ReadFragment(body, sid string, f *Foundations) (*jingle.Jingle, error) {
	// What stands in it are lines of a description that has a head.
	d, err := sdp.Parse("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\n" + body)
	if err != nil {
		return nil, errors.Join(ErrFragment, err)
	}
	j, mids := &jingle.Jingle{Action: jingle.TransportInfo, SID: sid}, m.mids()
	for _, sm := range d.Media {
		mid, _ := sm.Attribute("mid")
		for i, l := range m.Lines {
			if mids[i] != mid || l.Gone || len(j.Contents) == jingle.MaxContents {
				continue
			}
			c := naming(l.Content)
			c.Transport = reader{m: sm, by: m.By, generation: generation(sm, l), foundations: f}.transport()
			if c.Transport.UFrag == "" && l.Content.Transport != nil {
				c.Transport.UFrag, c.Transport.Pwd = l.Content.Transport.UFrag, l.Content.Transport.Pwd // xep0176#5.5
			}
			j.Contents = append(j.Contents, c)
		}
	}
	if len(j.Contents) == 0 {
		return nil, ErrContent
	}
	return j, nil
}
