package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Why an offer can't be answered with plain audio.
var (
	ErrNoAudio = errors.New("sdp: there is no audio")
	ErrSecure  = errors.New("sdp: the audio is encrypted")
	ErrCodec   = errors.New("sdp: there is no common codec")
)

// Local is our end of an audio session.
type Local struct {
	Host      netip.Addr
	RTP, RTCP uint16
	// ID and Version are those of o=: the ID stays for a session, the Version grows with each
	// description that differs from the one before (rfc3264#8).
	ID, Version uint64
	// Direction is what we want, as a description of ours says it.
	Direction Direction
}

// describe starts a description of ours.
func (l Local) describe() *Description {
	net := "IN " + family(l.Host) + " " + l.Host.String()
	return &Description{lines: []line{
		{'v', "0"},
		{'o', fmt.Sprintf("- %d %d %s", l.ID, l.Version, net)},
		{'s', "-"}, // rfc8866#5.3
		{'c', net},
		{'t', "0 0"},
	}}
}

func (l Local) audio(d *Description, proto string, codecs []Codec) *Media {
	m := &Media{Kind: "audio", Port: int(l.RTP), Proto: proto, session: d}
	for _, c := range codecs {
		payload := strconv.Itoa(c.Payload)
		m.Formats = append(m.Formats, payload)
		m.Add("rtpmap", c.rtpmap())
		if c.Fmtp != "" {
			m.Add("fmtp", payload+" "+c.Fmtp)
		}
	}
	if l.RTCP != 0 && l.RTCP != l.RTP+1 {
		m.Add("rtcp", strconv.Itoa(int(l.RTCP)))
	}
	return m
}

// Offer makes an offer of plain audio.
func (l Local) Offer(codecs []Codec) *Description {
	d := l.describe()
	m := l.audio(d, "RTP/AVP", codecs)
	m.Add(l.Direction.String(), "")
	d.Media = []*Media{m}
	return d
}

// Agreement is what offer and answer have made of the audio.
type Agreement struct {
	Index  int   // of the medium in the description
	Codec  Codec // with the payload type as it is on the wire
	Events Codec // telephone-event, if both have it; its Name is "" if not
	// Direction is ours: what we may send and receive.
	Direction Direction
	// RTP and RTCP are where the peer wants the media.
	RTP, RTCP netip.AddrPort
}

// Answer answers an offer (rfc3264#6): of all media it takes the first plain audio that has one of
// our codecs, the one the offer prefers, and telephone-event beside it; the others
// are refused.
func (l Local) Answer(offer *Description, ours []Codec) (*Description, Agreement, error) {
	index, codec, err := choose(offer, ours)
	if err != nil {
		return nil, Agreement{}, err
	}
	om := offer.Media[index]
	a := om.agree(index, codec, l.Direction, ours)
	d := l.describe()
	for i, m := range offer.Media {
		if i != index {
			refused := &Media{Kind: m.Kind, Proto: m.Proto, Formats: slices.Clone(m.Formats), session: d}
			refused.Refuse()
			d.Media = append(d.Media, refused)
			continue
		}
		taken := l.audio(d, om.Proto, a.codecs())
		taken.Add(a.Direction.String(), "")
		d.Media = append(d.Media, taken)
	}
	return d, a, nil
}

// codecs are those the medium may carry.
func (a Agreement) codecs() []Codec {
	if a.Events.Name == "" {
		return []Codec{a.Codec}
	}
	return []Codec{a.Codec, a.Events}
}

// choose finds the audio and its codec.
func choose(d *Description, ours []Codec) (int, Codec, error) {
	why := ErrNoAudio
	for i, m := range d.Media {
		switch {
		case m.Kind != "audio" || m.Port == 0:
		case m.Form().Secure():
			if !errors.Is(why, ErrCodec) {
				why = ErrSecure
			}
		case m.Form() == Plain || m.Form() == Opportunistic:
			if c, ok := common(m.Codecs(), ours); ok {
				return i, c, nil
			}
			why = ErrCodec
		}
	}
	return 0, Codec{}, why
}

// common is the first of theirs that we have too.
func common(theirs, ours []Codec) (Codec, bool) {
	for _, t := range theirs {
		if !t.isEvents() && slices.ContainsFunc(ours, t.Same) {
			return t, true
		}
	}
	return Codec{}, false
}

func (c Codec) isEvents() bool { return strings.EqualFold(c.Name, "telephone-event") }

// agree reads the peer's medium m.
func (m *Media) agree(index int, codec Codec, wanted Direction, ours []Codec) Agreement {
	a := Agreement{
		Index: index, Codec: codec,
		Direction: m.Direction().Reverse().And(wanted),
		RTP:       m.Address(), RTCP: m.RTCP(),
	}
	// Events run on the codec's clock (rfc4733#2.1). Opus has 48000, and there are
	// phones that offer 8000 beside it.
	for _, c := range m.Codecs() {
		if c.isEvents() && c.Rate == codec.Rate && slices.ContainsFunc(ours, c.Same) {
			a.Events = c
		}
	}
	return a
}

// Accept reads the answer to an offer of ours with one audio medium.
func (l Local) Accept(answer *Description, ours []Codec) (Agreement, error) {
	if len(answer.Media) != 1 {
		return Agreement{}, ErrNoAudio
	}
	index, codec, err := choose(answer, ours)
	if err != nil {
		return Agreement{}, err
	}
	return answer.Media[index].agree(index, codec, l.Direction, ours), nil
}
