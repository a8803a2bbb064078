package b2bua

import (
	"strings"

	"parley/sip"
	"parley/sip/dialog"
)

// Pictures is a Media that can ask for full pictures in the media themselves, where an end asks by INFO (RFC 5168), and
// the other way round.
type Pictures interface {
	// Refresh takes a leg's wish; it is false if the other leg has to be told by the same INFO.
	Refresh(leg int) bool
	// Asked tells which leg is to be asked by INFO.
	Asked() <-chan int
}

// Watcher is a Media that looks after its ends, once the call was answered.
type Watcher interface{ Established() }

// mediaControl asks for a full picture (rfc5168#7).
const mediaControl = `<?xml version="1.0" encoding="utf-8"?><media_control><vc_primitive><to_encoder>` +
	`<picture_fast_update/></to_encoder></vc_primitive></media_control>`

const mediaControlType = "application/media_control+xml"

// refreshed takes an INFO that asks for a full picture, if the media can see to it.
func (c *Call) refreshed(l *leg, in *dialog.Incoming) bool {
	m, ok := c.inv.Media.(Pictures)
	req := in.Request()
	kind, _, _ := strings.Cut(req.Get(sip.HeaderContentType), ";")
	if !ok || req.Method() != sip.INFO || !strings.EqualFold(strings.TrimSpace(kind), mediaControlType) ||
		!strings.Contains(req.Body(), "picture_fast_update") || !m.Refresh(l.index) {
		return false
	}
	in.Respond(in.Response(200, ""))
	return true
}

// asked is which leg is to be asked for a full picture.
func (c *Call) asked() <-chan int {
	if m, ok := c.inv.Media.(Pictures); ok && !c.over {
		return m.Asked()
	}
	return nil
}

// refresh asks a leg by INFO. What it answers changes nothing: who wants a picture repeats it.
func (c *Call) refresh(index int) {
	l := c.caller
	if c.winner == nil || c.over {
		return
	}
	if index != 0 {
		l = c.winner
	}
	if l.index == index {
		l.session.Request(sip.INFO, func(b *sip.Builder) { b.Body(mediaControlType, mediaControl) }, nil)
	}
}
