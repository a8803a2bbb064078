package relay

import (
	"log/slog"
	"slices"
	"strconv"
	"time"

	"parley/media/codec"
	"parley/media/dtmf"
	"parley/media/quality"
	"parley/media/rtp"
	"parley/media/transcode"
	"parley/sdp"
)

// What an offer lacks is added to it, behind what it has: all codecs that the relay can turn into one of the offer's. If the
// answer has one of the offer's own, that is what is spoken, and nothing is transcoded. Else each leg speaks
// what it knows, and a crossing between the two ends makes the one of the other.

// widen adds to an offer what its maker has not.
func (a *Anchor) widen(d *sdp.Description, from, to *leg, bridged bool) {
	if !a.r.c.Transcode || !bridged && from.said.Form() != sdp.Plain {
		return
	}
	for i, m := range d.Media {
		if m.Kind != "audio" || m.Port == 0 || to.knows(i, m) || len(known(m)) == 0 {
			continue
		}
		for _, c := range codec.All() {
			if !slices.ContainsFunc(m.Codecs(), describe(c).Same) {
				m.Offer(describe(c))
			}
		}
		widenEvents(m)
	}
}

// widenEvents has telephone-event on each clock that a codec has (rfc4733#2.1).
func widenEvents(m *sdp.Media) {
	for _, c := range known(m) {
		events := sdp.Codec{Payload: 101, Name: "telephone-event", Rate: c.Clock, Fmtp: "0-15"}
		if !slices.ContainsFunc(m.Codecs(), events.Same) {
			m.Offer(events)
		}
	}
}

// knows says that a leg surely has a codec of a medium: by what it said last.
func (l *leg) knows(medium int, m *sdp.Media) bool {
	if l.said == nil || medium >= len(l.said.Media) || l.said.Media[medium].Port == 0 {
		return false
	}
	theirs := l.said.Media[medium].Codecs()
	return slices.ContainsFunc(m.Codecs(), func(c sdp.Codec) bool {
		return !c.IsEvents() && slices.ContainsFunc(theirs, c.Same)
	})
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

// cross takes out of an answer, which has the payload types of the offer already, what the offer had not, and puts what has to
// be done on the ways between the two ends that it joins: fe is that of who answers, back the way from it.
func (a *Anchor) cross(answer, offer *sdp.Media, fe, te *end, there, back *way) {
	j := joint{a: a, fe: fe, te: te, there: there, back: back}
	theirs, own := known(answer), known(offer)
	speak(fe, answer)
	if answer.Kind != "audio" || !a.r.c.Transcode || len(theirs) == 0 || len(own) == 0 {
		speak(te, answer)
		return
	}
	offered := offer.Codecs()
	foreign := func(c sdp.Codec) bool { return !slices.ContainsFunc(offered, c.Same) }
	answered := answer.Codecs()
	extra := slices.IndexFunc(theirs, func(s spoken) bool { return foreign(s.as) })
	common := slices.IndexFunc(answered, func(c sdp.Codec) bool { return !c.IsEvents() && !foreign(c) })
	first := slices.IndexFunc(answered, func(c sdp.Codec) bool { return !c.IsEvents() })
	switch {
	case common >= 0 && (extra < 0 || common == first): // the first is what will be sent (rfc3264#6.1)
		answer.Drop(foreign)
	case common >= 0: // it prefers what only we understand
		j.both(sideOf(theirs[extra], answer), mixed(answer, offer, foreign), answered, foreign)
	default:
		mine := sideOf(own[0], offer)
		// Some send the first of what they were offered, whatever they have answered.
		j.others = others(theirs[1:], answer)
		j.both(sideOf(theirs[0], answer), mine, offered, func(c sdp.Codec) bool {
			return c.Payload == theirs[0].as.Payload || c.IsEvents()
		})
		rewrite(answer, own[0], mine, offered)
	}
	speak(te, answer)
}

// mixed drops what the offer had not from an answer, and gives the side of who made it.
func mixed(answer, offer *sdp.Media, foreign func(sdp.Codec) bool) transcode.Side {
	answer.Drop(foreign)
	if both := known(answer); len(both) > 0 {
		return sideOf(both[0], answer)
	}
	return sideOf(known(offer)[0], offer)
}

// rewrite has an answer say what its reader is to speak.
func rewrite(answer *sdp.Media, s spoken, side transcode.Side, offered []sdp.Codec) {
	answer.Drop(func(sdp.Codec) bool { return true })
	answer.Formats = nil
	answer.Remove("ptime", "maxptime", "silenceSupp")
	c := describe(s.Codec)
	c.Payload = s.as.Payload
	answer.Offer(c)
	for _, e := range offered {
		if e.IsEvents() && e.Payload == int(side.Events.Payload) && side.Events.Clock > 0 {
			answer.Offer(e)
		}
	}
}

// speak tells an end's meter what is spoken there.
func speak(e *end, m *sdp.Media) {
	for _, c := range m.Codecs() {
		if !c.IsEvents() {
			e.meter.Speak(c.Name, c.Rate)
			e.out.SetRate(c.Rate)
			return
		}
	}
}

// joint is two ends that an answer joins, and the ways between them.
type joint struct {
	a           *Anchor
	fe, te      *end
	there, back *way
	others      []transcode.Side // that who answers may send as well
}

func others(all []spoken, m *sdp.Media) (sides []transcode.Side) {
	for _, s := range all {
		sides = append(sides, sideOf(s, m))
	}
	return sides
}

// both puts the crossings of both directions. Of these codecs those that are not foreign are not touched.
func (j joint) both(theirs, own transcode.Side, codecs []sdp.Codec, foreign func(sdp.Codec) bool) {
	there, err := j.a.crossing(own, theirs, j.te)
	back, err2 := j.a.crossing(theirs, own, j.fe)
	if err != nil || err2 != nil { // codecs of All at rates of theirs: it can't be
		j.a.r.c.Log.Error("codecs can't be joined", "err", err, "back", err2)
		return
	}
	for _, c := range codecs {
		if !foreign(c) {
			back.passes[c.Payload&0x7f] = true
		}
	}
	// On a bridge each peer has payload types of its own; here those of the offer count.
	there.out, back.in = j.there.types, j.back.types
	for _, s := range j.others {
		back.others = append(back.others, lane{side: s, mask: j.a.r.c.Rand()})
	}
	j.there.cross, j.back.cross = there, back
}

// crossing makes the audio of one side that of another. But for its keys it belongs to the goroutine that reads the end.
type crossing struct {
	path     *transcode.Path
	from, to transcode.Side
	passes   [128]bool // payload types
	in, out  *types    // what they are in the offer, and on the wire of the other end; nil where they are the same
	mask     uint32    // makes the stream another one than that of a crossing before

	others []lane

	// Of the packet that is handled.
	at      *end
	masked  uint32
	now     time.Time
	carried []byte
	sent    []byte
	emit    func(*rtp.Packet)

	tally *tally
}

// tally is what was sent by a path.
type tally struct {
	packets, octets uint32
	reported        time.Time
}

// crossing makes one, with the path that the end's last one had if nothing is new: its sound goes on.
func (a *Anchor) crossing(from, to transcode.Side, e *end) (*crossing, error) {
	x := &crossing{from: from, to: to}
	if w := e.way.Load(); w != nil && w.cross != nil && same(w.cross.from, from) && same(w.cross.to, to) {
		x.path, x.mask, x.tally = w.cross.path, w.cross.mask, w.cross.tally
	} else {
		var err error
		if x.path, err = transcode.New(from, to); err != nil {
			return nil, err
		}
		x.mask, x.tally = a.r.c.Rand(), &tally{}
	}
	x.emit = x.send
	return x, nil
}

func same(a, b transcode.Side) bool {
	return a.Codec.Name == b.Codec.Name && a.Payload == b.Payload && a.Events == b.Events && a.Ptime == b.Ptime
}

const reportEvery = 5 * time.Second // rfc3550#6.2

// rtp takes a packet to the end that a way leads to.
func (x *crossing) rtp(w *way, b []byte, now time.Time) {
	p, ok := rtp.Read(b)
	if !ok {
		return
	}
	x.at, x.now = w.to, now
	if x.in != nil {
		if offered, ok := x.in.becomes(b); ok {
			p.Type = offered
		}
	}
	switch {
	case x.passes[p.Type]:
		x.carry(&p)
	case x.path.Takes(p.Type):
		x.masked = x.mask
		x.path.Take(&p, x.emit)
	default:
		x.another(&p)
	}
	if x.tally.reported.IsZero() {
		x.tally.reported = now
	}
	if now.Sub(x.tally.reported) >= reportEvery && x.tally.packets > 0 {
		x.tally.reported = now
		x.report()
	}
}

// lane is a path for another codec of the same end.
type lane struct {
	side transcode.Side
	path *transcode.Path // nil until it is needed
	mask uint32
}

// another takes a packet of a codec that the end has named behind the one that it should send.
func (x *crossing) another(p *rtp.Packet) {
	for i := range x.others {
		l := &x.others[i]
		if l.side.Payload != p.Type {
			continue
		}
		if l.path == nil {
			path, err := transcode.New(l.side, x.to)
			if err != nil {
				return
			}
			l.path = path
		}
		x.masked = l.mask
		l.path.Take(p, x.emit)
		return
	}
}

// send sends a packet of a path.
func (x *crossing) send(p *rtp.Packet) {
	p.SSRC ^= x.masked
	x.carry(p)
}

// carry sends a packet as one of the other end's stream.
func (x *crossing) carry(p *rtp.Packet) {
	x.carried = p.Append(x.carried[:0])
	if x.out != nil {
		wired, ok := x.out.becomes(x.carried)
		if !ok {
			return
		}
		x.carried[1] = x.carried[1]&0x80 | wired
	}
	var ok bool
	if x.sent, ok = x.at.out.RTP(x.sent[:0], x.carried, x.now); ok {
		x.tally.packets++
		x.tally.octets += uint32(len(p.Payload))
		x.at.meter.Went()
		x.at.port.Load().sendRTP(x.sent)
	}
}

// report tells the other end of the stream that it gets, and of what came from it: the reports of the two ends are of
// different clocks, and stay on their sides.
func (x *crossing) report() {
	var block []byte
	if b, ok := x.at.meter.Reports(x.now); ok {
		block = b.Append(nil)
	}
	x.sent = x.at.out.Report(x.sent[:0], x.now, x.tally.packets, x.tally.octets, block)
	x.at.meter.Tells(x.sent, x.now)
	x.at.port.Load().sendRTCP(x.sent)
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
			return w.cross.path.Press(key, length)
		}
	}
	return false
}

// Measure is how one medium of a leg went.
type Measure struct {
	Leg     string
	Medium  int
	Figures quality.Figures
}

// measures are those of an end's legs that had media.
func (a *Anchor) measure(medium int, e *end) {
	f := e.meter.Figures()
	if f.Received == 0 && f.Sent == 0 {
		return
	}
	name := "callee"
	for leg := range e.users {
		if l := a.legs[leg]; l != nil {
			name = l.name
		}
	}
	if len(a.measured) < maxMeasured {
		a.measured = append(a.measured, Measure{Leg: name, Medium: medium, Figures: f})
	}
}

const maxMeasured = 16

// Measured are the Measures as a log has them: by side, with the index of each medium after the first.
func (a *Anchor) Measured() (all []slog.Attr) {
	for _, m := range a.Measures() {
		name := "callee"
		if m.Leg == callerName {
			name = callerName
		}
		if m.Medium > 0 {
			name += strconv.Itoa(m.Medium)
		}
		all = append(all, slog.Any(name, m.Figures))
	}
	return all
}

const callerName = "caller" // of leg 0, as a back-to-back user agent announces it

// Measures are those of the call's media, when it is over: the caller's first.
func (a *Anchor) Measures() []Measure {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.SortStableFunc(a.measured, func(x, y Measure) int {
		if (x.Leg == callerName) != (y.Leg == callerName) {
			if x.Leg == callerName {
				return -1
			}
			return 1
		}
		return x.Medium - y.Medium
	})
	return a.measured
}
