package event

import (
	"cmp"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/sip"
)

// Package is an event package (rfc6665#5.4). Its zero times take their defaults.
type Package struct {
	Name string
	// Types are the content types of its documents; the first is meant where nobody says which he takes.
	Types []string
	// Default is how long it is subscribed or published for if nobody says; default 1h. Shorter than Least, default 1m, is
	// refused, and longer than Longest, default 1h, shortened.
	Default, Least, Longest time.Duration
	// Pace is the least time between two NOTIFY of a subscription that tell of another state; default 5s.
	Pace time.Duration
	// Life is how long a subscription may be refreshed: then its subscriber has to begin anew, and to prove who he is;
	// default 12h.
	Life time.Duration
}

func (p Package) withDefaults() Package {
	p.Default = cmp.Or(p.Default, time.Hour)
	p.Least = cmp.Or(p.Least, time.Minute)
	p.Longest = cmp.Or(p.Longest, time.Hour)
	p.Default = min(p.Default, p.Longest)
	p.Life = cmp.Or(p.Life, 12*time.Hour)
	p.Pace = cmp.Or(p.Pace, 5*time.Second)
	return p
}

// Event is the value of an Event header field (rfc6665#8.2.1).
type Event struct {
	Name string // of the package, with its templates
	ID   string // which tells the subscriptions of one dialog apart; "" if there is none
}

// ParseEvent reads one; ok is false for what is none.
func ParseEvent(value string) (e Event, ok bool) {
	name, params, _ := strings.Cut(value, ";")
	name = strings.Trim(name, " \t")
	if !isToken(name) || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, "..") {
		return Event{}, false
	}
	id, _ := sip.Params(";" + params).Get("id")
	if id != "" && !isToken(id) {
		return Event{}, false
	}
	return Event{Name: name, ID: id}, true
}

// String writes it.
func (e Event) String() string {
	if e.ID == "" {
		return e.Name
	}
	return e.Name + ";id=" + e.ID
}

// isToken says that s is a token of SIP (rfc3261#25.1).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-.!%*_+`'~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// chosen is the first type that an Accept header field takes (rfc6665#3.1.3); "" if it takes none.
func (p Package) chosen(req *sip.Message) string {
	if !req.Has(sip.HeaderAccept) {
		return p.Types[0]
	}
	var taken []string
	for value := range req.Values(sip.HeaderAccept) {
		kind, _, _ := strings.Cut(value, ";")
		taken = append(taken, strings.ToLower(strings.TrimSpace(kind)))
	}
	for _, kind := range p.Types {
		main, _, _ := strings.Cut(kind, "/")
		if slices.Contains(taken, kind) || slices.Contains(taken, main+"/*") || slices.Contains(taken, "*/*") {
			return kind
		}
	}
	return ""
}

// carries says that a body has one of the package's types.
func (p Package) carries(req *sip.Message) (kind string, ok bool) {
	kind, _, err := mime.ParseMediaType(req.Get(sip.HeaderContentType))
	return kind, err == nil && slices.Contains(p.Types, kind)
}

// interval is how long a request wants something for, or the refusal. What ends now is 0.
func (p Package) interval(req *sip.Message) (time.Duration, *sip.Builder) {
	if !req.Has(sip.HeaderExpires) {
		return p.Default, nil
	}
	n, ok := req.Number(sip.HeaderExpires)
	if !ok {
		return 0, req.Response(400, "Bad Expires")
	}
	d := time.Duration(n) * time.Second
	if n > 0 && d < p.Least && d < time.Hour { // rfc6665#4.2.1.1
		return 0, req.Response(423, "").Set(sip.HeaderMinExpires, seconds(p.Least))
	}
	return min(d, p.Longest), nil
}

// unsupported is the refusal of what a request requires and nobody here knows (rfc3261#8.2.2.3); nil if that is nothing.
func unsupported(req *sip.Message) *sip.Builder {
	if !req.Has(sip.HeaderRequire) {
		return nil
	}
	return req.Response(420, "").Set(sip.HeaderUnsupported, strings.Join(slices.Collect(req.Values(sip.HeaderRequire)), ", "))
}

// seconds rounds up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
