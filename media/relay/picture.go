package relay

import (
	"strconv"
	"strings"
	"time"

	"parley/media/rtp"
	"parley/sdp"
)

// patience is how long a peer has to send a full picture before it is asked again.
const patience = 500 * time.Millisecond

// able is what a peer understands of RTCP feedback, by its description (rfc4585#4.2, rfc5104#7.1).
type able struct{ nack, pli, fir, remb bool }

// ableOf reads what a leg says of a medium.
func ableOf(m *sdp.Media) able {
	var a able
	for v := range m.Values("rtcp-fb") {
		_, what, _ := strings.Cut(v, " ")
		switch strings.TrimSpace(what) {
		case "nack":
			a.nack = true
		case "nack pli":
			a.pli = true
		case "ccm fir":
			a.fir = true
		case "goog-remb":
			a.remb = true
		}
	}
	return a
}

// feedback says of a medium of pictures what we understand: in an offer all of it, in an answer what was offered.
func feedback(m *sdp.Media, form sdp.Form, offered *sdp.Media) {
	if m.Kind != "video" {
		return
	}
	all, may := []string{"nack", "nack pli", "ccm fir"}, able{true, true, true, form == sdp.DTLS}
	if form == sdp.DTLS {
		all = append(all, "goog-remb")
	}
	if offered != nil {
		may = ableOf(offered)
	}
	formats := []string{"*"}
	if form == sdp.DTLS { // browsers name each
		formats = m.Formats
	}
	for _, f := range formats {
		for _, what := range all {
			if may.has(what) {
				m.Add("rtcp-fb", f+" "+what)
			}
		}
	}
}

func (a able) has(what string) bool {
	return map[string]bool{"nack": a.nack, "nack pli": a.pli, "ccm fir": a.fir, "goog-remb": a.remb}[what]
}

// bandwidth is how many bits a second a leg wants to be sent of a medium (rfc3890#6.2.2, rfc8866#5.8); 0 if it
// doesn't say.
func bandwidth(m *sdp.Media) uint64 {
	least := uint64(0)
	for _, b := range m.Bandwidths() {
		n, err := strconv.ParseUint(b.Value, 10, 32)
		switch {
		case err != nil || n == 0:
			continue
		case b.Type == "AS":
			n *= 1000
		case b.Type != "TIAS":
			continue
		}
		if least == 0 || n < least {
			least = n
		}
	}
	return least
}

// show gives two ends of pictures what they need of each other: e's peer has said mine, the other one theirs.
func (e *end) show(leg int, mine, theirs *sdp.Media, most uint64) {
	if mine.Kind != "video" {
		return
	}
	p := &picture{able: ableOf(mine), leg: leg, rate: most}
	if n := bandwidth(theirs); n > 0 {
		p.rate = min(p.rate, n)
	}
	if old := e.picture.Load(); old != nil {
		p.cache = old.cache
	}
	if p.able.nack && p.cache == nil {
		p.cache = &rtp.Cache{}
	}
	e.picture.Store(p)
}

// picture is what is known of an end's peer, as a sender and receiver of pictures.
type picture struct {
	able  able
	leg   int
	rate  uint64 // how many bits a second it may send
	cache *rtp.Cache
}

// heard takes feedback of an end's peer: what it has lost is sent again, and its wish for a full picture goes to the other
// side in that one's own terms. Estimates of bandwidth are about the path to us and end here.
func (e *end) heard(b []byte, now time.Time) {
	p, w := e.picture.Load(), e.way.Load()
	if p == nil || w == nil || w.types == nil {
		return
	}
	ours, _ := e.out.Source()
	for kind, packet := range rtp.Compound(b) {
		if about := rtp.About(packet); about != ours {
			continue
		}
		switch format := rtp.Format(packet); {
		case kind == rtp.TypeTransport && format == rtp.FormatNACK && p.cache != nil:
			p.cache.Resend(packet, now, e.port.Load().sendRTP)
		case kind == rtp.TypePicture && (format == rtp.FormatPLI || format == rtp.FormatFIR):
			w.to.refresh(now)
		}
	}
}

// refresh asks an end's peer for a full picture: by PLI or FIR (rfc4585#6.3.1, rfc5104#3.5.1) if it has said that it
// understands one, else by INFO (rfc5168#7).
func (e *end) refresh(now time.Time) {
	p, w := e.picture.Load(), e.way.Load()
	if p == nil || w == nil || w.types == nil {
		return
	}
	last := e.asked.Load()
	if now.UnixNano()-last < int64(patience) || !e.asked.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	source, ok := w.to.out.Carries()
	switch {
	case p.able.pli && ok:
		e.port.Load().sendRTCP(e.out.PLI(nil, source))
	case p.able.fir && ok:
		e.port.Load().sendRTCP(e.out.FIR(nil, source, uint8(e.requests.Add(1))))
	case !p.able.pli && !p.able.fir && e.onRefresh != nil:
		e.onRefresh(p.leg)
	}
}

// estimate tells an end's peer how much it may send, if it wants to be told.
func (e *end) estimate() {
	p, w := e.picture.Load(), e.way.Load()
	if p == nil || !p.able.remb || w == nil || w.types == nil {
		return
	}
	if source, ok := w.to.out.Carries(); ok {
		e.port.Load().sendRTCP(e.out.REMB(nil, source, p.rate))
	}
}

// Refresh takes a leg's wish for a full picture that came by INFO (rfc5168#7.1); it is false where the other leg has to
// be told of it as it came.
func (a *Anchor) Refresh(leg int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := false
	for _, s := range a.streams {
		e := s.heldBy(leg)
		if e == nil {
			continue
		}
		if w := e.way.Load(); w != nil && w.types != nil && w.to.picture.Load() != nil {
			w.to.refresh(time.Now())
			taken = true
		}
	}
	return taken
}

// Asked tells which leg is to be asked for a full picture by INFO.
func (a *Anchor) Asked() <-chan int { return a.asked }

func (a *Anchor) ask(leg int) {
	select {
	case a.asked <- leg:
	default: // others wait to be asked; who wants a picture repeats it
	}
}
