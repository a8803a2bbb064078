// Package about answers the small questions about the server: whether it is there (XEP-0199, XMPP Ping), what
// software it is (XEP-0092, Software Version), what time it has (XEP-0202, Entity Time), and for how long it
// has been running (XEP-0012, Last Activity).
package about

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"parley/xmpp"
	"parley/xmpp/im"
)

// The namespaces of the questions.
const (
	NSPing    = "urn:xmpp:ping"
	NSVersion = "jabber:iq:version"
	NSTime    = "urn:xmpp:time"
	NSLast    = "jabber:iq:last"
)

// Config of the answers; zero fields take their defaults.
type Config struct {
	Name    string // of the software; default "parley"
	Version string // default "unknown"
	Now     func() time.Time
	// Started is since when the server runs; default now.
	Started time.Time
}

// About answers.
type About struct{ c Config }

// New makes it.
func New(c Config) *About {
	c.Name = cmp.Or(c.Name, "parley")
	c.Version = cmp.Or(c.Version, "unknown")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Started.IsZero() {
		c.Started = c.Now()
	}
	return &About{c}
}

// Services are the questions.
func (a *About) Services() []im.Service {
	question := func(space, local string, at im.Place, answer func() string) im.Service {
		return im.Service{Name: xmpp.Name{Space: space, Local: local}, At: at, Handle: get(answer), Features: []string{space}}
	}
	return []im.Service{
		question(NSPing, "ping", im.Server|im.Own, func() string { return "" }), // xep0199#4.2
		question(NSVersion, "query", im.Server, a.version),
		question(NSTime, "time", im.Server, a.time),
		question(NSLast, "query", im.Server, a.uptime),
	}
}

// get answers a get, and refuses a set.
func get(answer func() string) im.Handler {
	return func(_ context.Context, _ *im.Session, st *xmpp.Stanza) (string, error) {
		if st.Type() != "get" {
			return "", &xmpp.StanzaError{Condition: xmpp.BadRequest}
		}
		return answer(), nil
	}
}

// version says nothing of the operating system, which is nobody's business (xep0092#5).
func (a *About) version() string {
	return xmpp.NewBuilder(nil).Open("query", NSVersion).
		Element("name", "", a.c.Name).Element("version", "", a.c.Version).Close().String()
}

// time is that of UTC: where the server's clock hangs means nothing to people (xep0202#2).
func (a *About) time() string {
	return xmpp.NewBuilder(nil).Open("time", NSTime).
		Element("tzo", "", "Z").Element("utc", "", a.c.Now().UTC().Format(time.RFC3339)).Close().String()
}

func (a *About) uptime() string { // xep0012#5
	seconds := max(int64(a.c.Now().Sub(a.c.Started)/time.Second), 0)
	return xmpp.NewBuilder(nil).Open("query", NSLast).Attr("seconds", strconv.FormatInt(seconds, 10)).Close().String()
}
