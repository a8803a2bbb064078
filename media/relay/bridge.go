package relay

import (
	"net/netip"
	"strconv"
	"time"

	"parley/media/rtp"
	"parley/media/webrtc"
	"parley/sdp"
)

// secure says that a leg speaks WebRTC: by what it has said last or, before that, by what is known of it.
func (l *leg) secure() bool {
	if l.said != nil {
		if f := l.said.Form(); f != sdp.Other {
			return f == sdp.DTLS
		}
	}
	return l.form == sdp.DTLS.String()
}

// profile is that of what the leg has said.
func (l *leg) profile() string {
	if l.said == nil {
		return ""
	}
	return l.said.Form().String()
}

// bridges says that a description has to be turned into another form on its way.
func bridges(from, to *leg) bool { return from.secure() || to.secure() }

// direct says that two ends find a path of their own, and the description passes as it is.
func (a *Anchor) direct(from, to *leg) bool { return !a.r.c.Hide && from.secure() && to.secure() }

// carries says whether a medium can be relayed. What is bridged is audio.
func (a *Anchor) carries(m *sdp.Media, bridged bool) (bool, error) {
	form := m.Form()
	if !bridged {
		return form == sdp.Plain || form == sdp.SDES, nil
	}
	switch {
	case m.Kind != "audio" || form == sdp.Other:
		return false, nil
	case form == sdp.SDES:
		return false, ErrForm
	case form == sdp.DTLS:
		t := m.Transport()
		if a.r.c.Identity == nil || t.Lite || !m.Mux() || t.Ufrag == "" || len(t.Fingerprints) == 0 {
			return false, ErrForm
		}
	}
	return true, nil
}

// secure makes an end speak WebRTC.
func (a *Anchor) secure(e *end) {
	e.rtc = webrtc.New(webrtc.Config{
		Conn: e.pair.RTP, Identity: a.r.c.Identity, SetUp: a.r.c.SetUp, Consent: a.r.c.Consent, Log: a.r.c.Log,
		OnRTP:  func(b []byte) { e.spent = e.passRTP(b, e.spent) },
		OnRTCP: func(b []byte) { e.spent = e.passRTCP(b, e.spent) },
		OnLost: func(err error) {
			select {
			case a.lost <- err:
			default: // it has been told
			}
		},
	})
	a.running.Go(e.rtc.Wait)
}

// meet has the ends of a medium, of the leg that answers and of the one that offered, expect what these said, and join.
func (a *Anchor) meet(medium int, from, to int, fe, te *end, now time.Time) {
	f, t := a.legs[from], a.legs[to]
	answer, offer := f.said.Media[medium], t.said.Media[medium]
	if te.rtc != nil {
		te.rtc.Restart(offer.Transport().Ufrag)
		te.rtc.Expect(remote(offer, te.rtc.Serves(offer.Transport().Setup != "passive")))
	} else {
		te.expect(to, a.reach(t, offer.Address()), a.reach(t, offer.RTCP()), a.whence(t, offer), now)
	}
	if fe.rtc != nil {
		fe.rtc.Expect(remote(answer, answer.Transport().Setup != "passive"))
	} else {
		fe.expect(from, a.reach(f, answer.Address()), a.reach(f, answer.RTCP()), a.whence(f, answer), now)
	}
	for _, c := range answer.Codecs() {
		fe.out.SetRate(c.Rate)
		te.out.SetRate(c.Rate)
		break
	}
	a.streams[medium].join(fe, te)
}

// reach is where to send for a medium to be had at an address. What is inside the process is not looked for under the
// address that others reach it by.
func (a *Anchor) reach(l *leg, at netip.AddrPort) netip.AddrPort {
	if l.peer.IsValid() {
		return at
	}
	return netip.AddrPortFrom(a.r.c.Ports.Inside(at.Addr()), at.Port())
}

// whence is where a leg's signalling comes from; one inside the process is believed what it says.
func (a *Anchor) whence(l *leg, m *sdp.Media) netip.Addr {
	if l.peer.IsValid() {
		return l.peer
	}
	return a.reach(l, m.Address()).Addr()
}

func remote(m *sdp.Media, active bool) webrtc.Remote {
	t := m.Transport()
	return webrtc.Remote{Ufrag: t.Ufrag, Fingerprints: t.Fingerprints, Active: active}
}

// dress gives a description the form of the leg that it goes to. The profile of an answer is its offer's (rfc3264#6).
func (a *Anchor) dress(d *sdp.Description, from, to int, host netip.Addr, offer *sdp.Description) {
	t := a.legs[to]
	if !bridges(a.legs[from], t) {
		return
	}
	var mids []string
	for i, m := range d.Media {
		switch {
		case offer != nil && i < len(offer.Media):
			m.Proto = offer.Media[i].Proto
		case t.secure() && m.Port != 0:
			m.Proto = sdp.DTLS.String()
		case m.Port != 0:
			m.Proto = sdp.Plain.String()
		}
		if m.Port == 0 || !t.secure() {
			continue
		}
		mid := t.mid(i)
		mids = append(mids, mid)
		m.Secure(a.transport(i, to, offer != nil), mid, host)
	}
	if !t.secure() {
		return
	}
	if offer != nil && !offer.Bundles() {
		mids = nil
	}
	d.Bundle(mids)
}

// mid is the name of a medium, which stays what the leg called it (rfc9143#7.1).
func (l *leg) mid(medium int) string {
	if l.said != nil && medium < len(l.said.Media) {
		if mid, ok := l.said.Media[medium].Attribute("mid"); ok {
			return mid
		}
	}
	return strconv.Itoa(medium)
}

// transport is what a leg is told of our end. An offer leaves the role in DTLS open, an answer takes one (rfc5763#5).
func (a *Anchor) transport(medium, to int, answer bool) sdp.Transport {
	e := a.streams[medium].heldBy(to)
	rtc := e.rtc
	t := sdp.Transport{Fingerprints: []string{a.r.c.Identity.Fingerprint()}, Setup: "actpass"}
	t.Ufrag, t.Password = rtc.Credentials()
	t.Source, t.Name = e.out.Source()
	if answer {
		t.Setup = "active"
		if rtc.Serves(true) {
			t.Setup = "passive"
		}
	}
	return t
}

// passRTP hands a packet that came to an end to the other one; spent is a buffer to be used again.
func (e *end) passRTP(b, spent []byte) []byte {
	o := e.other.Load()
	if o == nil {
		return spent
	}
	if e.rtc == nil && o.rtc == nil {
		o.send(o.pair.RTP, &o.rtp, b)
		return spent
	}
	out, ok := o.out.RTP(spent[:0], b, time.Now())
	switch {
	case !ok:
		return spent
	case o.rtc != nil:
		o.rtc.SendRTP(out)
	default:
		o.send(o.pair.RTP, &o.rtp, out)
	}
	return out
}

// passRTCP does the same with RTCP.
func (e *end) passRTCP(b, spent []byte) []byte {
	o := e.other.Load()
	if o == nil {
		return spent
	}
	if e.rtc == nil && o.rtc == nil {
		o.send(o.pair.RTCP, &o.rtcp, b)
		return spent
	}
	out, ok := o.out.RTCP(spent[:0], b, e.out)
	switch {
	case !ok:
		return spent
	case o.rtc != nil:
		o.rtc.SendRTCP(out)
	default:
		o.send(o.pair.RTCP, &o.rtcp, out)
	}
	return out
}

// passMux passes RTCP that came to an end's RTP port on (rfc5761).
func (e *end) passMux(b, spent []byte) []byte {
	if o := e.other.Load(); o != nil && e.rtc == nil && o.rtc == nil {
		o.send(o.pair.RTP, &o.rtp, b)
		return spent
	}
	return e.passRTCP(b, spent)
}

// close gives an end's ports back.
func (e *end) close() {
	if e.rtc != nil {
		e.rtc.Stop()
	}
	e.pair.Close()
}

func newEnd(pair *rtp.Pair, c Config) *end {
	e := &end{pair: pair, users: map[int]int{}, leg: -1, log: c.Log, out: rtp.NewCarrier(c.Rand)}
	e.rtp.Strict, e.rtcp.Strict = c.Strict, c.Strict
	return e
}
