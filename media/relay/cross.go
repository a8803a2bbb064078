package relay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"parley/media/codec"
	"parley/media/dtmf"
	"parley/media/rtp"
	"parley/media/transcode"
	"parley/sdp"
)

// What an offer lacks is added to it, behind what it has: all codecs that the relay can turn into one of the offer's. If the
// answer has one of the offer's own, that is what is spoken, and nothing is transcoded. Else each leg speaks
// what it knows, and a crossing on each way between the two ends makes the one of the other.

// widen adds to an offer what its maker has not. What two peers have encrypted between them stays as it is.
func (a *Anchor) widen(d *sdp.Description, to int, bridged bool) {
	if !a.r.c.Transcode {
		return
	}
	t := a.legs[to]
	for i, m := range d.Media {
		if m.Kind != "audio" || m.Port == 0 || !bridged && m.Form() != sdp.Plain {
			continue
		}
		s := a.streams[i]
		if !bridged {
			s.offered[to] = t.keep(i, m)
		}
		if !t.knows(i, m) && len(known(m)) > 0 {
			s.offered[to] = append(s.offered[to], t.add(i, m)...)
		}
	}
}

// add puts codecs of ours behind those of an offer to the leg, and telephone-event on each clock that a codec has
// (rfc4733#2.1).
func (l *leg) add(medium int, m *sdp.Media) (all []match) {
	put := func(c sdp.Codec) {
		if slices.ContainsFunc(m.Codecs(), c.Same) {
			return
		}
		if c.Payload = l.number(medium, c); c.Payload < 0 {
			return
		}
		if n, ok := m.Offer(c); ok {
			c.Payload = n
			l.numbered(medium)[n] = c
			all = append(all, match{codec: c, came: ours, put: n})
		}
	}
	for _, c := range codec.All() {
		put(describe(c))
	}
	for _, c := range known(m) {
		put(sdp.Codec{Payload: 101, Name: "telephone-event", Rate: c.Clock, Fmtp: "0-15"})
	}
	return all
}

// knows says that a leg surely has a codec of a medium: by what it said last.
func (l *leg) knows(medium int, m *sdp.Media) bool {
	if l.said == nil || medium >= len(l.said.Media) || l.said.Media[medium].Port == 0 {
		return false
	}
	theirs := l.said.Media[medium].Codecs()
	return slices.ContainsFunc(m.Codecs(), func(c sdp.Codec) bool { return speech(c) && slices.ContainsFunc(theirs, c.Same) })
}

// speech says that a codec carries all that is said: not keys alone, nor the noise between words, nor repetitions.
func speech(c sdp.Codec) bool {
	return !c.IsEvents() && !strings.EqualFold(c.Name, "CN") && !strings.EqualFold(c.Name, "red")
}

func describe(c codec.Codec) sdp.Codec {
	return sdp.Codec{Payload: c.Payload, Name: c.Name, Rate: c.Clock, Channels: c.Channels, Fmtp: c.Fmtp}
}

// spoken is a codec of a medium that we can speak, with the payload type it has there.
type spoken struct {
	codec.Codec
	as sdp.Codec
}

// known are those of a medium that we can speak.
func known(m *sdp.Media) (all []spoken) {
	for _, c := range m.Codecs() {
		if k, ok := codec.Find(c.Name, c.Rate, c.Channels); ok {
			all = append(all, spoken{k, c})
		}
	}
	return all
}

// sideOf is an end that speaks that codec of a medium's.
func sideOf(s spoken, m *sdp.Media) transcode.Side {
	side := transcode.Side{Codec: s.Codec, Payload: uint8(s.as.Payload)}
	for _, c := range m.Codecs() {
		// Some have events on the clock of another codec alone.
		if c.IsEvents() && (side.Events.Clock == 0 || c.Rate == s.Clock) {
			side.Events = transcode.Events{Payload: uint8(c.Payload), Clock: c.Rate}
		}
	}
	if v, ok := m.Attribute("ptime"); ok {
		if ms, err := strconv.ParseUint(v, 10, 8); err == nil {
			side.Ptime = time.Duration(ms) * time.Millisecond
		}
	}
	return side
}

// mismatch is what two ends of audio speak whose codecs have to be changed: who answers, all that it may send and the
// offer had not, and who made the offer.
type mismatch struct {
	theirs []spoken
	own    spoken
}

// foreign says that a codec of an answer is not of the offer, but one that was added to it.
func foreign(offered []match, c sdp.Codec) bool {
	o, ok := meant(offered, c)
	return !ok || o.came == ours
}

// mismatched finds out whether an answer needs codecs to be changed.
func (m meeting) mismatched(medium int) (x mismatch, ok bool) {
	answer, offer := m.a.legs[m.from].said.Media[medium], m.a.legs[m.to].said.Media[medium]
	theirs, own := known(answer), known(offer)
	if !m.widens(medium) || len(theirs) == 0 || len(own) == 0 {
		return x, false
	}
	offered, answered := m.a.streams[medium].offered[m.from], answer.Codecs()
	x = mismatch{slices.DeleteFunc(theirs, func(s spoken) bool { return !foreign(offered, s.as) }), own[0]}
	first := slices.IndexFunc(answered, speech)
	common := slices.IndexFunc(answered, func(c sdp.Codec) bool { return speech(c) && !foreign(offered, c) })
	switch {
	case len(x.theirs) == 0, common >= 0 && common == first: // the first is what will be sent (rfc3264#6.1)
		return x, false
	case common < 0:
		return x, true
	}
	for _, s := range own {
		if slices.ContainsFunc(answered, s.as.Same) {
			x.own = s
			break
		}
	}
	return x, true
}

// widens says that the offer of a medium may have been widened.
func (m meeting) widens(medium int) bool {
	answer, offer := m.a.legs[m.from].said.Media[medium], m.a.legs[m.to].said.Media[medium]
	return m.a.r.c.Transcode && offer.Kind == "audio" &&
		(m.bridged || answer.Form() == sdp.Plain && offer.Form() == sdp.Plain)
}

// ways gives those between the two ends of a medium, there from who made the offer, and has the answer say what that one is to
// speak, in its own payload types where the packets are turned into those.
func (m meeting) ways(medium int, fe, te *end) (there, reverse *way, err error) {
	offered, in := m.a.streams[medium].offered[m.from], m.in.Media[medium]
	sealed := !m.bridged && in.Form() != sdp.Plain
	there, reverse = &way{sealed: sealed}, &way{sealed: sealed}
	x, crosses := m.mismatched(medium)
	switch {
	case crosses:
		return there, reverse, m.cross(medium, x, fe, te, there, reverse)
	case m.bridged:
		there.types, reverse.types = back(offered, in)
	case m.widens(medium):
		in.Drop(func(c sdp.Codec) bool { return foreign(offered, c) })
	}
	return there, reverse, nil
}

// cross puts crossings on both ways. Of who answers, what the other end has offered passes as it is: some send the first
// of that, whatever they have answered.
func (m meeting) cross(medium int, x mismatch, fe, te *end, there, reverse *way) (err error) {
	answer, offer := m.a.legs[m.from].said.Media[medium], m.a.legs[m.to].said.Media[medium]
	offered := m.a.streams[medium].offered[m.from]
	own := sideOf(x.own, offer)
	var theirs []transcode.Side
	for _, s := range x.theirs {
		theirs = append(theirs, sideOf(s, answer))
		reverse.takes = append(reverse.takes, takes(theirs[len(theirs)-1], offered))
	}
	there.takes = []types{takes(own, nil)}
	if there.cross, err = m.a.crossing([]transcode.Side{own}, theirs[0], te); err != nil {
		return fmt.Errorf("relay: join codecs: %w", err)
	}
	if reverse.cross, err = m.a.crossing(theirs, own, fe); err != nil {
		return fmt.Errorf("relay: join codecs: %w", err)
	}
	there.types, reverse.types = &types{}, &types{}
	for _, c := range answer.Codecs() {
		if o, ok := meant(offered, c); ok && o.came != ours && speech(c) {
			there.passes(o.came, c.Payload)
			reverse.passes(c.Payload, o.came)
		}
	}
	for _, o := range offered {
		if o.came != ours && speech(o.codec) {
			reverse.passes(o.put, o.came)
		}
	}
	in := m.in.Media[medium]
	back(offered, in)
	retell(in, x.own, own.Events, offer)
	return nil
}

// takes is what a crossing takes from a side, as that side's codec and events; offered is what the side was, whose
// payload types it uses then (rfc3264#6.1), else its own.
func takes(side transcode.Side, offered []match) (t types) {
	t.set(int(side.Payload), int(side.Payload))
	if side.Events.Clock > 0 {
		t.set(int(side.Events.Payload), int(side.Events.Payload))
	}
	for _, o := range offered {
		switch {
		case o.codec.Same(describe(side.Codec)):
			t.set(o.put, int(side.Payload))
		case o.codec.IsEvents() && o.codec.Rate == side.Events.Clock:
			t.set(o.put, int(side.Events.Payload))
		default:
			t.unset(o.put)
		}
	}
	return t
}

// passes has a payload type pass as another one, unless the crossing takes it.
func (w *way) passes(from, to int) {
	if !w.takesAny(from) {
		w.types.set(from, to)
	}
}

func (w *way) takesAny(payload int) bool {
	return slices.ContainsFunc(w.takes, func(t types) bool { return t.has(payload) })
}

// retell has an answer say what its reader is to speak: what both ends have or else what is made of it, and the keys as the
// reader has them.
func retell(in *sdp.Media, own spoken, events transcode.Events, offer *sdp.Media) {
	in.Drop(func(c sdp.Codec) bool { return !speech(c) })
	in.Remove("ptime", "maxptime", "silenceSupp")
	if len(in.Formats) == 0 {
		c := describe(own.Codec)
		c.Payload = own.as.Payload
		in.Offer(c)
	}
	for _, e := range offer.Codecs() {
		if e.IsEvents() && e.Payload == int(events.Payload) && events.Clock > 0 {
			in.Offer(e)
		}
	}
}

// speaks says what is spoken at an end.
func (e *end) speaks(m *sdp.Media) {
	for _, c := range m.Codecs() {
		if speech(c) {
			e.meter.Speak(c.Name, c.Rate)
			e.out.SetRate(c.Rate)
			return
		}
	}
}

// crossing makes the audio of one side that of another. But for its keys it belongs to the goroutine that reads the end.
type crossing struct {
	from  []transcode.Side // one for each codec that it may send
	to    transcode.Side
	paths []*transcode.Path // by side, if it has sent that
	side  int               // what it sends now
	path  atomic.Pointer[transcode.Path]
	mask  uint32 // makes the stream another one than that of a crossing before

	// Of the packet that is handled.
	at      *end
	now     time.Time
	carried []byte
	out     []byte
	emit    func(*rtp.Packet)

	packets, octets uint32
	reported        time.Time
}

// crossing gives that of an end, the one it has if nothing is new.
func (a *Anchor) crossing(from []transcode.Side, to transcode.Side, e *end) (*crossing, error) {
	if w := e.way.Load(); w != nil && w.cross != nil && slices.EqualFunc(w.cross.from, from, same) && same(w.cross.to, to) {
		return w.cross, nil
	}
	x := &crossing{from: from, to: to, paths: make([]*transcode.Path, len(from)), mask: a.r.c.Rand()}
	x.emit = x.send
	return x, x.turn(0)
}

// turn begins with what another of the sides sends.
func (x *crossing) turn(side int) (err error) {
	if x.paths[side] == nil {
		if x.paths[side], err = transcode.New(x.from[side], x.to); err != nil {
			return err
		}
	}
	x.side = side
	x.path.Store(x.paths[side])
	return nil
}

// side finds out what sends a packet of a payload type, first of all what does so now, and what it calls that itself.
func (w *way) side(b []byte) (side int, payload uint8, ok bool) {
	for i := range w.takes {
		side = (w.cross.side + i) % len(w.takes)
		if payload, ok = w.takes[side].becomes(b); ok {
			return side, payload, true
		}
	}
	return 0, 0, false
}

func same(a, b transcode.Side) bool {
	return a.Codec.Name == b.Codec.Name && a.Payload == b.Payload && a.Events == b.Events && a.Ptime == b.Ptime
}

const reportEvery = 5 * time.Second // rfc3550#6.2

// rtp takes a packet the way to the other end.
func (x *crossing) rtp(w *way, b []byte, now time.Time) {
	p, ok := rtp.Read(b)
	if !ok {
		return
	}
	x.at, x.now = w.to, now
	if side, payload, ok := w.side(b); ok {
		if side != x.side && x.turn(side) != nil {
			return
		}
		p.Type = payload
		x.path.Load().Take(&p, x.emit)
	} else if payload, ok := w.types.becomes(b); ok {
		p.Type = payload
		x.carry(&p)
	}
	if x.reported.IsZero() {
		x.reported = now
	}
	if now.Sub(x.reported) >= reportEvery && x.packets > 0 {
		x.reported = now
		x.report()
	}
}

// send sends a packet of the path.
func (x *crossing) send(p *rtp.Packet) {
	p.SSRC ^= x.mask + uint32(x.side)
	x.carry(p)
}

// carry sends a packet as one of the other end's stream.
func (x *crossing) carry(p *rtp.Packet) {
	x.carried = p.Append(x.carried[:0])
	var ok bool
	if x.out, ok = x.at.out.RTP(x.out[:0], x.carried, x.now); ok {
		x.packets++
		x.octets += uint32(len(p.Payload))
		x.at.meter.Went()
		x.at.port.Load().sendRTP(x.out)
	}
}

// report tells the other end of the stream that it gets, and of what came from it: the reports of the two ends are of
// different clocks, and stay on their sides.
func (x *crossing) report() {
	var block []byte
	if b, ok := x.at.meter.Reports(x.now); ok {
		block = b.Append(nil)
	}
	x.out = x.at.out.Report(x.out[:0], x.now, x.packets, x.octets, block)
	x.at.meter.Tells(x.out, x.now)
	x.at.port.Load().sendRTCP(x.out)
}

// Key takes a key that a leg has pressed, in the body of an INFO, to the other one as a telephone-event, or as a tone. It is
// false if that is not for us to do: the other leg has no events, and its audio is not made here.
func (a *Anchor) Key(from, to int, contentType, body string) bool {
	key, length, ok := dtmf.ReadInfo(contentType, body)
	if !ok {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.heldBy(from) {
		if w := e.way.Load(); w != nil && w.cross != nil && w.to.users[to] > 0 {
			return w.cross.path.Load().Press(key, length)
		}
	}
	return false
}
