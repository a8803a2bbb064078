// Package relay passes the RTP and RTCP (RFC 3550) of a call from one end to the other over ports
// of its own, so that two phones behind NATs that know no ICE hear each other, and a phone and a browser do, whose
// media has another form.
//
// Between two ends of plain RTP it changes the addresses of their descriptions (RFC 3264) and nothing else: what the
// packets hold, encrypted by SDES or not, stays as it is. A peer's media is taken from where it comes
// from (RFC 4961), learned once and again only after a new description.
//
// Between ends of different forms (plain RTP, SDES by RFC 4568, WebRTC) it is a bridge: what is heard and seen passes with the
// codecs that both ends have, as a stream of the relay's own, decrypted on one side and encrypted on the other. forms.go
// says which form a leg gets, bridge.go how a description is turned into that, stream.go and port.go how packets go.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"parley/media/rtp"
	"parley/media/webrtc"
	"parley/sdp"
)

// What an anchor refuses.
var (
	ErrForm   = errors.New("relay: media of this form can't be relayed")
	ErrMedia  = errors.New("relay: there is no media to relay")
	ErrClosed = errors.New("relay: the call is over")
	ErrSilent = errors.New("relay: an end that is not on hold has sent nothing for too long")
	errLeg    = errors.New("relay: leg was not announced")
)

// Config of a Relay. Ports is needed; every other zero value takes its default.
type Config struct {
	Ports *rtp.Ports
	// MaxMedia is how many media of a call are relayed; further ones are refused. Default 4.
	MaxMedia int
	// Strict never takes media from an address that signalling doesn't know.
	Strict bool
	// Identity is shown to ends that speak WebRTC; without it they are refused.
	Identity *webrtc.Identity
	// Hide has media pass through the relay between two ends that speak WebRTC too. Otherwise their descriptions pass
	// as they are, and ICE finds them a path of their own.
	Hide bool
	// Encryption is the policy for legs of different forms.
	Encryption Encryption
	// VideoRate is how many bits a second an end that wants to be told may send of pictures, if the other one asks for
	// no less; default 2 million.
	VideoRate uint64
	// SoundRate and PictureRate are how many bytes a second a peer may send of a medium; what is more is lost. Default 250,000
	// and 2,500,000.
	SoundRate, PictureRate int
	// Silence is how long an end may send neither RTP nor RTCP, once the call is up and while it is not on hold; 0:
	// as long as it likes.
	Silence time.Duration
	// LookEvery is how often ends are looked after; default a second.
	LookEvery time.Duration
	// Transcode has ends without a common codec hear each other all the same (cross.go).
	Transcode bool
	// SetUp and Consent: see webrtc.Config.
	SetUp, Consent time.Duration
	// Rand gives the random numbers of RTP; default math/rand/v2.
	Rand func() uint32
	Log  *slog.Logger
}

// Relay makes anchors.
type Relay struct{ c Config }

// New makes a Relay.
func New(c Config) *Relay {
	if c.MaxMedia == 0 {
		c.MaxMedia = 4
	}
	if c.SoundRate == 0 {
		c.SoundRate = 250_000
	}
	if c.PictureRate == 0 {
		c.PictureRate = 2_500_000
	}
	if c.LookEvery == 0 {
		c.LookEvery = time.Second
	}
	if c.VideoRate == 0 {
		c.VideoRate = 2_000_000
	}
	if c.Rand == nil {
		c.Rand = rand.Uint32
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Relay{c: c}
}

// Anchor is one call's media, as a back-to-back user agent wants it. Leg 0 is the caller; all
// others are who is called, of whom one will answer, and share the ports towards them.
type Anchor struct {
	r     *Relay
	lost  chan error
	asked chan int // legs that are to be asked for a full picture
	done  chan struct{}

	// CNAMEs towards the caller and towards those who are called: sound and picture of one end share one.
	cnames [2]string

	mu      sync.Mutex
	legs    map[int]*leg
	streams map[int]*stream // by index of the medium
	told    int             // counts what legs were told
	since   time.Time       // when the call was answered; zero before
	watched bool
	closed  bool

	measured []Measure
	running  sync.WaitGroup
}

// Anchor makes the anchor of a call. No port is open before it has an offer.
func (r *Relay) Anchor() *Anchor {
	return &Anchor{
		r: r, lost: make(chan error, 1), asked: make(chan int, 4), done: make(chan struct{}), legs: map[int]*leg{}, streams: map[int]*stream{},
		cnames: [2]string{rtp.CNAME(r.c.Rand), rtp.CNAME(r.c.Rand)},
	}
}

// Leg announces a leg, or that its signalling comes from elsewhere now.
func (a *Anchor) Leg(index int, name string, peer netip.Addr, form string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.legs[index]; l != nil {
		l.peer = peer
		return
	}
	a.legs[index] = &leg{name: name, peer: peer, form: sdp.FormOf(form), feedback: form == "RTP/SAVPF"}
}

// Lost tells when an end that speaks WebRTC can't be talked to, or not any more.
func (a *Anchor) Lost() <-chan error { return a.lost }

// family is an address of the kind that the leg wants media at.
func (l *leg) family() netip.Addr {
	if l.said != nil && !l.secure() { // with ICE the address in c= means nothing
		for _, m := range l.said.Media {
			if h := m.Address().Addr(); m.Port != 0 && h.IsValid() {
				return h
			}
		}
	}
	return l.peer
}

// host is the address that a leg is told.
func (a *Anchor) host(l *leg) netip.Addr {
	host := a.r.c.Ports.Host(l.family())
	if !l.peer.IsValid() {
		return a.r.c.Ports.Inside(host)
	}
	return host
}

// Offer turns an offer of one leg into the one for another.
func (a *Anchor) Offer(_ context.Context, from, to int, body string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, err := a.read(from, to, body, true)
	if err != nil {
		return "", err
	}
	f, t := a.legs[from], a.legs[to]
	bridged := a.bridges(f, t)
	form := a.gets(f, t)
	t.form = form
	if a.direct(f, t) {
		return body, nil
	}
	if a.lowers(f, t) {
		return "", ErrForm
	}
	host := a.host(t)
	n, err := a.redirect(d, f, t, bridged, host, func(i int) (*end, error) { return a.end(i, f.said.Media[i], to, host, bridged, form) })
	if err == nil && n == 0 {
		err = ErrMedia
	}
	if err != nil {
		return "", err
	}
	if bridged {
		a.dressOffer(d, to, host, form)
	}
	a.widen(d, to, bridged)
	return d.String(), nil
}

// Answer turns the answer of one leg into the one for the leg whose offer that was, and lets media
// flow between them.
func (a *Anchor) Answer(_ context.Context, from, to int, body string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	answered := a.heldBy(from)
	d, err := a.read(from, to, body, false)
	if err != nil {
		return "", err
	}
	offer := a.legs[to].said
	if offer == nil {
		return "", ErrMedia
	}
	f, t := a.legs[from], a.legs[to]
	if a.direct(f, t) {
		for _, s := range a.streams {
			s.part()
		}
		return body, nil
	}
	if a.lowers(f, t) {
		return "", ErrForm
	}
	bridged, form := a.bridges(f, t), t.speaks()
	host := a.host(t)
	a.bundle(from)
	m := meeting{a: a, from: from, to: to, bridged: bridged, now: time.Now(), in: d}
	_, err = a.redirect(d, f, t, bridged, host, func(i int) (*end, error) {
		fe := answered[i]
		if fe == nil || i >= len(offer.Media) || offer.Media[i].Port == 0 {
			return nil, nil // it was not offered
		}
		te, err := a.end(i, offer.Media[i], to, host, bridged, form)
		if err != nil {
			return nil, err
		}
		return te, m.meet(i, fe, te)
	})
	if err != nil {
		return "", err
	}
	a.unrefused(d)
	a.watch()
	if bridged {
		a.dressAnswer(d, to, host, offer)
	}
	return d.String(), nil
}

// read reads a description and keeps it as what the leg said last.
func (a *Anchor) read(from, to int, body string, offer bool) (*sdp.Description, error) {
	if a.closed {
		return nil, ErrClosed
	}
	f := a.legs[from]
	if f == nil || a.legs[to] == nil {
		return nil, errLeg
	}
	said, err := sdp.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("relay: read description of %s: %w", f.name, err)
	}
	d, err := sdp.Parse(body) // another copy, to be changed
	if err != nil {
		return nil, fmt.Errorf("relay: read description of %s: %w", f.name, err)
	}
	said.OfferBundled()
	d.OfferBundled()
	if offer && (f.said == nil || f.wants != sdp.Other) {
		f.wants = said.Form()
	}
	f.said = said
	f.says(said)
	return d, nil
}

// redirect gives every medium of a description the ports of the end that place finds; a nil end
// refuses it. It gives the number of those that are relayed.
func (a *Anchor) redirect(
	d *sdp.Description, from, to *leg, bridged bool, host netip.Addr, place func(int) (*end, error),
) (relayed int, err error) {
	d.DropICE()
	d.DropBundle()
	if bridged {
		d.DropTransport()
	}
	d.Redirect(host, func(i int, _ *sdp.Media) (uint16, uint16) {
		if relayed == a.r.c.MaxMedia || err != nil {
			return 0, 0
		}
		var ok bool
		if ok, err = a.carries(from.said.Media[i], bridged, from, to); err != nil || !ok {
			return 0, 0
		}
		var e *end
		if e, err = place(i); err != nil || e == nil {
			return 0, 0
		}
		relayed++
		pair := e.port.Load().pair
		if e.port.Load().rtc != nil {
			return pair.RTPPort(), 0
		}
		return pair.RTPPort(), pair.RTCPPort()
	})
	return relayed, err
}

// heldBy are the ends that a leg has been told of, by index of the medium.
func (a *Anchor) heldBy(leg int) map[int]*end {
	ends := map[int]*end{}
	for i, s := range a.streams {
		if e := s.heldBy(leg); e != nil {
			ends[i] = e
		}
	}
	return ends
}

// unrefused parts the ends of media that an answer refuses.
func (a *Anchor) unrefused(d *sdp.Description) {
	for i, s := range a.streams {
		if i >= len(d.Media) || d.Media[i].Port == 0 {
			s.part()
		}
	}
}

// end finds or opens the end of a medium towards a leg.
func (a *Anchor) end(medium int, what *sdp.Media, to int, host netip.Addr, bridged bool, form sdp.Form) (*end, error) {
	s := a.streams[medium]
	if s == nil {
		s = &stream{ends: map[side]*end{}, offered: map[int][]match{}}
		a.streams[medium] = s
	}
	k := side{caller: to == 0, host: host}
	keys := bridged && form != sdp.Plain
	if keys {
		k.own = to + 1
	}
	e := s.ends[k]
	if e == nil {
		p, err := a.place(medium, to, form, keys)
		if err != nil {
			return nil, err
		}
		e = &end{users: map[int]int{}, out: rtp.NewCarrier(a.r.c.Rand, a.cnames[min(to, 1)]), onRefresh: a.ask}
		p.enter(e)
		s.ends[k] = e
	}
	e.port.Load().allow(what, a.r.c)
	e.port.Load().raw.Store(raw(what)) // a call may turn into a fax
	a.told++
	e.users[to] = a.told
	return e, nil
}

// place is the port for a new end: that of the leg's bundle, if the medium is in one, or one of its own.
func (a *Anchor) place(medium, to int, form sdp.Form, keys bool) (*port, error) {
	if form == sdp.DTLS {
		if p := a.bundled(medium, to); p != nil {
			return p, nil
		}
	}
	pair, err := a.r.c.Ports.Open(a.legs[to].family())
	if err != nil {
		return nil, err
	}
	p := newPort(pair, a.r.c)
	switch {
	case form == sdp.DTLS:
		a.secure(p)
		return p, nil
	case keys:
		p.sdes = &sdes{}
	}
	a.running.Go(p.readRTP)
	a.running.Go(p.readRTCP)
	return p, nil
}

// Drop forgets a leg, and closes the ports that were for it alone.
func (a *Anchor) Drop(index int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.legs, index)
	for _, s := range a.streams {
		s.drop(index)
	}
}

// Close gives all ports back, and waits until nothing runs any more.
func (a *Anchor) Close() {
	a.mu.Lock()
	if !a.closed {
		close(a.done)
	}
	a.closed = true
	for i, s := range a.streams {
		for _, e := range s.ends {
			e.way.Store(nil)
			a.measure(i, e)
			e.close()
		}
	}
	a.streams = nil
	a.mu.Unlock()
	a.running.Wait()
}
