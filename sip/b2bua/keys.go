package b2bua

import (
	"log/slog"

	"parley/sip"
	"parley/sip/dialog"
)

// Keys is a Media that can itself take to the other leg a key of the telephone that a leg tells of in an INFO, as
// that one wants to hear of it. It is false for what is no such key, or is better passed on.
type Keys interface {
	Key(from, to int, contentType, body string) bool
}

// Measured is a Media that can say, once it is closed, how the media of each leg went.
type Measured interface {
	Measured() []slog.Attr
}

// key has the media take an INFO, if it can.
func (c *Call) key(l *leg, in *dialog.Incoming) bool {
	req := in.Request()
	keys, ok := c.inv.Media.(Keys)
	if !ok || req.Method() != sip.INFO || req.Body() == "" {
		return false
	}
	if !keys.Key(l.index, c.other(l).index, req.Get(sip.HeaderContentType), req.Body()) {
		return false
	}
	in.Respond(in.Response(200, ""))
	return true
}

// measured puts into the log how the media went.
func (c *Call) measured() {
	m, ok := c.inv.Media.(Measured)
	if !ok {
		return
	}
	if attrs := m.Measured(); len(attrs) > 0 {
		all := []any{"call", c.info.ID}
		for _, a := range attrs {
			all = append(all, a)
		}
		c.b.c.Log.Info("call media", all...)
	}
}
