package relay

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"parley/media/webrtc"
	"parley/sdp"
)

// secure makes a port speak WebRTC.
func (a *Anchor) secure(p *port) {
	s := newScratch()
	p.rtc = webrtc.New(webrtc.Config{
		Conn: p.pair.RTP, Identity: a.r.c.Identity, SetUp: a.r.c.SetUp, Consent: a.r.c.Consent, Log: a.r.c.Log,
		OnRTP:  func(b []byte) { p.tookRTP(b, &s, time.Now()) },
		OnRTCP: func(b []byte) { p.tookRTCP(b, &s, true) },
		OnLost: a.lose,
	})
	a.running.Go(p.rtc.Wait)
}

// lose tells that the call's media is gone.
func (a *Anchor) lose(err error) {
	select {
	case a.lost <- err:
	default: // it has been told
	}
}

// meeting is what an answer makes of an offer.
type meeting struct {
	a        *Anchor
	from, to int // who answers, and who made the offer
	bridged  bool
	now      time.Time
	in       *sdp.Description // the answer, to be changed
}

// meet has the ends of a medium expect what their legs have said, and join.
func (m meeting) meet(medium int, fe, te *end) error {
	f, t := m.a.legs[m.from], m.a.legs[m.to]
	answer, offer := f.said.Media[medium], t.said.Media[medium]
	m.expect(m.to, te.port.Load(), offer, true)
	m.expect(m.from, fe.port.Load(), answer, false)
	if err := m.keys(fe.port.Load().sdes, te.port.Load().sdes, answer, offer, medium); err != nil {
		return err
	}
	te.show(m.to, offer, answer, m.a.r.c.VideoRate)
	fe.show(m.from, answer, offer, m.a.r.c.VideoRate)
	there, reverse, err := m.ways(medium, fe, te)
	if err != nil {
		return err
	}
	fe.speaks(answer)
	te.speaks(m.in.Media[medium])
	m.a.streams[medium].join(te, fe, there, reverse)
	return nil
}

// keys takes into use what was agreed on, before anything flows.
func (m meeting) keys(fs, ts *sdes, answer, offer *sdp.Media, medium int) error {
	if fs != nil {
		if err := fs.answered(answer); err != nil {
			return err
		}
	}
	switch {
	case ts == nil:
	case offer.Form() == sdp.Plain:
		ts.plain()
	default:
		ours, err := ts.accept(offer)
		if err != nil {
			return err
		}
		m.in.Media[medium].SetCryptos(ours)
	}
	return nil
}

// expect has a port expect what its leg has said of a medium.
func (m meeting) expect(leg int, p *port, said *sdp.Media, offered bool) {
	l := m.a.legs[leg]
	t := said.Transport()
	switch {
	case p.rtc == nil:
		p.expect(leg, m.a.reach(l, said.Address()), m.a.reach(l, said.RTCP()), m.a.whence(l, said), m.now)
	case offered:
		p.rtc.Restart(t.Ufrag)
		p.rtc.Expect(remote(t, p.rtc.Serves(t.Setup != "passive")))
	default:
		p.rtc.Expect(remote(t, t.Setup != "passive"))
	}
}

// reach is where to send for a medium to be had at an address. What is inside the process is not looked for under the
// address that others reach it by.
func (a *Anchor) reach(l *leg, at netip.AddrPort) netip.AddrPort {
	if l.outside() {
		return at
	}
	return netip.AddrPortFrom(a.r.c.Ports.Inside(at.Addr()), at.Port())
}

// whence is where a leg's signalling comes from; one inside the process is believed what it says.
func (a *Anchor) whence(l *leg, m *sdp.Media) netip.Addr {
	if l.outside() {
		return l.peer
	}
	return a.reach(l, m.Address()).Addr()
}

func remote(t sdp.Transport, active bool) webrtc.Remote {
	return webrtc.Remote{Ufrag: t.Ufrag, Fingerprints: t.Fingerprints, Active: active}
}

// bundled is the port of the transport that a leg has, or wants, its media share.
func (a *Anchor) bundled(medium, to int) *port {
	said := a.legs[to].said
	if said == nil {
		return nil
	}
	shared := said.Bundled()
	if len(shared) == 0 || medium < len(said.Media) && !slices.Contains(shared, medium) {
		return nil
	}
	for _, i := range shared {
		if s := a.streams[i]; s != nil {
			if e := s.heldBy(to); e != nil && e.port.Load().rtc != nil {
				return e.port.Load()
			}
		}
	}
	return nil
}

// bundle has the media of a leg that has answered share a transport, as it wants: they were offered one each.
func (a *Anchor) bundle(leg int) {
	l := a.legs[leg]
	if !l.secure() {
		return
	}
	var base *port
	for _, i := range l.said.Bundled() {
		s := a.streams[i]
		if s == nil {
			continue
		}
		e := s.heldBy(leg)
		if e == nil || e.port.Load().rtc == nil {
			continue
		}
		old := e.port.Load()
		if base == nil {
			base = old
		}
		if old != base {
			base.enter(e)
			old.leave(e)
		}
	}
}

// dressOffer gives an offer the form of the leg that it goes to.
func (a *Anchor) dressOffer(d *sdp.Description, to int, host netip.Addr, form sdp.Form) {
	t := a.legs[to]
	var mids []string
	for i, m := range d.Media {
		if m.Port == 0 {
			if form == sdp.DTLS { // a line that is refused keeps its name (rfc8829#5.2.2)
				m.Proto = form.Profile()
				m.Add("mid", t.mid(i))
			}
			continue
		}
		s := a.streams[i]
		e := s.heldBy(to)
		s.offered[to] = t.offer(i, m)
		m.Proto = t.profile(i, form)
		feedback(m, form, nil)
		switch p := e.port.Load(); {
		case p.rtc != nil:
			mids = append(mids, t.mid(i))
			m.Secure(a.transport(e, "actpass"), t.mid(i), host)
		case p.sdes != nil:
			m.SetCryptos(p.sdes.offer()...)
		}
	}
	if form == sdp.DTLS {
		d.Bundle(mids)
	}
}

// dressAnswer gives an answer the form of the leg that it goes to. Its profiles are those of the offer (rfc3264#6).
func (a *Anchor) dressAnswer(d *sdp.Description, to int, host netip.Addr, offer *sdp.Description) {
	t := a.legs[to]
	shared := offer.Bundled()
	var mids []string
	for i, m := range d.Media {
		if i < len(offer.Media) {
			m.Proto = offer.Media[i].Proto
		}
		if m.Port == 0 {
			if t.secure() {
				m.Add("mid", t.mid(i))
			}
			continue
		}
		feedback(m, offer.Media[i].Form(), offer.Media[i])
		e := a.streams[i].heldBy(to)
		p := e.port.Load()
		if p.rtc == nil {
			continue
		}
		if slices.Contains(shared, i) {
			mids = append(mids, t.mid(i))
		}
		m.Secure(a.transport(e, role(p.rtc)), t.mid(i), host)
	}
	if t.secure() {
		d.Bundle(mids)
	}
}

// role is ours in DTLS, as an answer takes it (rfc5763#5).
func role(t *webrtc.Transport) string {
	if t.Serves(true) {
		return "passive"
	}
	return "active"
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

// transport is what a leg is told of our end.
func (a *Anchor) transport(e *end, setup string) sdp.Transport {
	t := sdp.Transport{Fingerprints: []string{a.r.c.Identity.Fingerprint()}, Setup: setup}
	t.Ufrag, t.Password = e.port.Load().rtc.Credentials()
	t.Source, t.Name = e.out.Source()
	return t
}

// carries says that a packet is of this medium, by its payload type.
func (e *end) carries(b []byte) bool {
	w := e.way.Load()
	payload := int(b[1] & 0x7f)
	return w != nil && w.types != nil && (w.types.has(payload) || w.takesAny(payload))
}
