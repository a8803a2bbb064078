// Package bridge turns SIP into XMPP and back: calls (Jingle), messages and presence. It is functions from one form to
// the other, with no connections and no time in them. What becomes of what, and what gets lost, is docs/bridge.md.
//
// A call's media is a Media: what one party has said, as the contents of Jingle in the order of SDP's m= lines. Read
// makes it of a session description, Take of a request that describes a session; Describe and Request write it in the
// other form; Apply and Changes are what happens to it during a call.
package bridge

import (
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"parley/sdp"
	"parley/xmpp/jingle"
)

// Why something can't be turned into the other form.
var (
	ErrNoMedia = errors.New("bridge: no medium of it can be said in the other protocol")
	ErrTooMany = errors.New("bridge: there are more media than a call may have")
	ErrContent = errors.New("bridge: there is no such content")
	ErrAction  = errors.New("bridge: the request says nothing of media")
)

// Media is what one party has said of a call's media. It is a value: nothing changes one that is shared.
type Media struct {
	By     jingle.Party
	Lines  []Line
	Groups []jingle.Group
}

// Line is an m= line and the content that it is. A line keeps its place when its content is gone (rfc3264#8.2).
type Line struct {
	Content jingle.Content
	Gone    bool // refused, removed, or not to be said in Jingle
	// As SDP has them; Proto and Formats are kept of what was read, for an answer that refuses the line.
	Proto   string
	Formats []string
	// Generation counts how often ICE has begun anew (xep0176#5.9).
	Generation uint8

	held *jingle.Senders // what was before a hold that said nothing of senders; nil if there is none
}

// clone copies m as deep as this package changes it.
func (m Media) clone() Media {
	m.Lines = slices.Clone(m.Lines)
	return m
}

// find is the index of a content, -1 if there is none.
func (m Media) find(c jingle.Content) int {
	return slices.IndexFunc(m.Lines, func(l Line) bool { return l.Content.Same(c) })
}

// Contents are those that are not gone.
func (m Media) Contents() (all []jingle.Content) {
	for _, l := range m.Lines {
		if !l.Gone {
			all = append(all, l.Content)
		}
	}
	return all
}

// said is what a party has said before, the zero Media if it has said nothing.
func said(by jingle.Party, known []Media) Media {
	for _, k := range known {
		if k.By == by {
			return k
		}
	}
	return Media{By: by}
}

// lineAt is what either party has made of line i.
func lineAt(i int, known []Media) (Line, bool) {
	for _, k := range known {
		if i < len(k.Lines) {
			return k.Lines[i], true
		}
	}
	return Line{}, false
}

// isToken says that s can stand in a=mid and a=group (rfc8866#9).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// clean makes s fit in one line of a description.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// candidateID names a candidate. The name says nothing, and is the same for the same candidate (xep0176#5.2).
func candidateID(parts ...string) string {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return "c" + strconv.FormatUint(h.Sum64(), 36)
}

// senders says in Jingle's words who sends, if the party by has said d.
func senders(d sdp.Direction, by jingle.Party) jingle.Senders {
	if by == jingle.Initiator {
		return jingle.SendersOf(d.Sends(), d.Receives())
	}
	return jingle.SendersOf(d.Receives(), d.Sends())
}

// direction is the same in SDP's words, as by has to write it.
func direction(s jingle.Senders, by jingle.Party) sdp.Direction {
	sends, receives := s.Sends(by), s.Sends(by.Other())
	switch {
	case sends && receives:
		return sdp.SendRecv
	case sends:
		return sdp.SendOnly
	case receives:
		return sdp.RecvOnly
	}
	return sdp.Inactive
}
