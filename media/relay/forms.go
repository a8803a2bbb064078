package relay

import (
	"net/netip"
	"strings"

	"parley/sdp"
)

// Encryption says what becomes of media that one end wants encrypted and the other doesn't.
type Encryption int

// The policies. Media inside the process counts as encrypted, and WebRTC always is.
const (
	// AsOffered: who offers RTP/SAVP gets no other leg in plain RTP.
	AsOffered Encryption = iota
	// Opportunistically: each leg is encrypted if its end can do it.
	Opportunistically
	// Required: no leg is in plain RTP.
	Required
)

// leg is what is known of one end of the call.
type leg struct {
	name     string
	peer     netip.Addr // where its signalling comes from; zero for one inside the process
	form     sdp.Form   // what it understands, as far as it has not said anything; Other if not known
	said     *sdp.Description
	feedback bool // it is known to want a profile with RTCP feedback (rfc4585#4.1)
	// wants is the form of its own last offer, if it began with one: what it chose itself.
	wants   sdp.Form
	bridged bool // what it says is turned into another form, once that is decided; of those who are called
	decided bool
	numbers []numbering // of its media, by index
}

// speaks is the form of what the leg has said last or, before that, what is known of it.
func (l *leg) speaks() sdp.Form {
	if l.said != nil {
		if f := l.said.Form(); f != sdp.Other {
			return f
		}
	}
	return l.form
}

// profile is that of a medium in an offer to the leg: what it has used itself, if that is of the form.
func (l *leg) profile(medium int, form sdp.Form) string {
	if l.said != nil && medium < len(l.said.Media) && l.said.Media[medium].Form() == form {
		return l.said.Media[medium].Proto
	}
	if l.feedback && form != sdp.DTLS {
		return form.Profile() + "F"
	}
	return form.Profile()
}

// secure says that a leg speaks WebRTC.
func (l *leg) secure() bool { return l.speaks() == sdp.DTLS }

// outside says that the leg's media is seen by others than this process.
func (l *leg) outside() bool { return l.peer.IsValid() }

// insists says that a leg must have nothing less than encrypted media.
func (a *Anchor) insists(l *leg) bool {
	switch a.r.c.Encryption {
	case AsOffered:
		return l.wants == sdp.SDES
	case Required:
		return true
	case Opportunistically:
	}
	return false
}

// gets is the form of the offer that a leg gets for one of another leg.
func (a *Anchor) gets(from, to *leg) sdp.Form {
	form := to.speaks()
	if form == sdp.Other {
		form = from.speaks()
	}
	if (form == sdp.Plain || form == sdp.Opportunistic) && to.outside() && a.insists(from) {
		return sdp.SDES
	}
	return form
}

// bridges says that descriptions between two legs are turned from one form into another.
func (a *Anchor) bridges(from, to *leg) bool {
	if from.secure() || to.secure() {
		return true
	}
	callee := a.callee(from, to)
	if !callee.decided {
		callee.decided, callee.bridged = true, a.gets(from, to) != from.speaks() || a.opens(from.said)
	}
	return callee.bridged
}

// opens says that what two peers could encrypt between them ends here, as who answers may need another codec than those of
// the offer.
func (a *Anchor) opens(offer *sdp.Description) bool {
	if !a.r.c.Transcode || !offer.Rare() {
		return false
	}
	sealed := false
	for _, m := range offer.Media {
		switch form := m.Form(); {
		case m.Port == 0 || form == sdp.Plain:
		case form != sdp.SDES && form != sdp.Opportunistic || len(usable(m)) == 0:
			return false
		default:
			sealed = true
		}
	}
	return sealed
}

// callee is the one of two legs that is not the caller.
func (a *Anchor) callee(from, to *leg) *leg {
	if from == a.legs[0] {
		return to
	}
	return from
}

// direct says that two ends find a path of their own, and the description passes as it is.
func (a *Anchor) direct(from, to *leg) bool { return !a.r.c.Hide && from.secure() && to.secure() }

// lowers says that a leg wants a medium in plain RTP that the other one must not have there. What that one has itself
// offered in plain RTP, beside what is encrypted, it may have so.
func (a *Anchor) lowers(from, to *leg) bool {
	if !from.outside() || !a.insists(to) {
		return false
	}
	for i, m := range from.said.Media {
		wished := a.r.c.Encryption != Required && to.said != nil && i < len(to.said.Media) && to.said.Media[i].Form() == sdp.Plain
		if m.Port != 0 && m.Form() == sdp.Plain && !wished {
			return true
		}
	}
	return false
}

// carries says whether a medium can be relayed. Between ends of one form all passes that goes by UDP; what is bridged
// is sound and pictures, between phones also what else is RTP (rfc4573: H.224).
func (a *Anchor) carries(m *sdp.Media, bridged bool, from, to *leg) (bool, error) {
	form := m.Form()
	if !bridged {
		return form == sdp.Plain || form == sdp.SDES || form == sdp.Opportunistic || raw(m) && !a.insists(from) && !a.insists(to), nil
	}
	media := m.Kind == "audio" || m.Kind == "video"
	switch {
	case form == sdp.Other, !media && (from.secure() || to.secure()):
		return false, nil
	case form == sdp.SDES && len(usable(m)) == 0:
		return false, ErrForm
	case form == sdp.DTLS:
		t := m.Transport()
		if a.r.c.Identity == nil || t.Lite || !m.Mux() || t.Ufrag == "" || len(t.Fingerprints) == 0 {
			return false, ErrForm
		}
	}
	return true, nil
}

// raw says that a medium is datagrams of another kind than RTP: fax (rfc3362), and who may speak (rfc8856#3).
func raw(m *sdp.Media) bool {
	return strings.EqualFold(m.Proto, "udptl") || strings.EqualFold(m.Proto, "UDP/BFCP")
}
