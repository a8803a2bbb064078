// Package registrar answers REGISTER: it reads the contacts a device brings, applies
// RFC 3261 section 10.3 to the account's bindings, and lists what is bound.
// Who asks has been authenticated before; the binding remembers the flow it came by.
package registrar

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/core"
	"parley/sip"
)

// Config of a Registrar; zero fields take their defaults.
type Config struct {
	// Limits are asked for at each REGISTER; default their zero value.
	Limits func() Limits
	// Stands says whether a device has not been signed out (core.Devices); needed if devices register.
	Stands func(ctx context.Context, a core.Address, device string) bool
	Now    func() time.Time
	Log    *slog.Logger
}

// Limits are what devices may bind; zero fields take their defaults.
type Limits struct {
	Min     time.Duration // shortest time a contact may ask for; default 60s
	Default time.Duration // when the device names none; default 1h
	Max     time.Duration // longer wishes are cut to it; default 24h
	// Contacts is how many an account may have; default 20.
	Contacts int
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Min: cmp.Or(l.Min, time.Minute), Default: cmp.Or(l.Default, time.Hour), Max: cmp.Or(l.Max, 24*time.Hour),
		Contacts: cmp.Or(l.Contacts, 20),
	}
}

func (c Config) withDefaults() Config {
	if c.Limits == nil {
		c.Limits = func() Limits { return Limits{} }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Registrar keeps the location table by what devices register.
type Registrar struct {
	cfg Config
	loc core.Location
}

// New makes a registrar over the location table.
func New(cfg Config, loc core.Location) *Registrar {
	return &Registrar{cfg: cfg.withDefaults(), loc: loc}
}

// A refusal becomes a response.
type refusal struct {
	status int
	reason string
	header sip.Header
	value  string
}

func (r *refusal) Error() string { return "registrar: " + r.reason }

// Register answers a REGISTER of an authenticated account; device is the one whose token proved it, "" if none did.
func (r *Registrar) Register(ctx context.Context, a core.Address, device string, f sip.Flow, req *sip.Message) *sip.Builder {
	bound, err := r.apply(ctx, a, device, f, req)
	if refused, ok := errors.AsType[*refusal](err); ok {
		r.cfg.Log.Info("registration refused", "account", a.String(), "reason", refused.reason)
		b := req.Response(refused.status, refused.reason)
		if refused.header != sip.HeaderOther {
			b.Set(refused.header, refused.value)
		}
		return b
	}
	if err != nil {
		r.cfg.Log.Error("registration not stored", "account", a.String(), "err", err)
		return req.Response(500, "Registration Could Not Be Stored")
	}
	return r.answer(req, bound)
}

func (r *Registrar) apply(ctx context.Context, a core.Address, device string, f sip.Flow, req *sip.Message) ([]core.Binding, error) {
	contacts, star, err := req.Contacts()
	if err != nil {
		return nil, &refusal{status: 400, reason: "Bad Contact"}
	}
	if len(contacts) == 0 && !star { // a question only: rfc3261#10.2.3
		return r.loc.Bindings(ctx, a)
	}
	limits := r.cfg.Limits().withDefaults()
	wished, err := wishes(contacts, star, f, req, limits)
	if err != nil {
		return nil, err
	}
	var bound []core.Binding
	err = r.loc.Change(ctx, a, func(now []core.Binding) ([]core.Binding, error) {
		// Asked here, where nobody who signs the device out can come between.
		if device != "" && !r.cfg.Stands(ctx, a, device) {
			return nil, &refusal{status: 403, reason: "Signed Out"}
		}
		t := r.template(a, f, req)
		t.Device = device
		next, err := merge(now, wished, star, t, limits.Contacts)
		bound = next
		return next, err
	})
	return bound, err
}

// wish is one contact of a REGISTER with the time it shall live.
type wish struct {
	contact sip.Address
	key     string
	uri     string
	seconds uint32
	nated   bool
	takes   core.Ability
}

func wishes(contacts []sip.Address, star bool, f sip.Flow, req *sip.Message, limits Limits) ([]wish, error) {
	header, hasHeader := req.Number(sip.HeaderExpires)
	if star {
		if !hasHeader || header != 0 || len(contacts) > 0 { // rfc3261#10.2.2
			return nil, &refusal{status: 400, reason: "Contact * Needs Expires 0"}
		}
		return nil, nil
	}
	via, _ := req.Via()
	wishes := make([]wish, 0, len(contacts))
	for _, c := range contacts {
		if c.URI.Scheme != "sip" && c.URI.Scheme != "sips" {
			return nil, &refusal{status: 400, reason: "Contact Must Be a SIP URI"}
		}
		if instance, _ := c.Params.Get("+sip.instance"); strings.ContainsAny(instance, "\"\\") {
			return nil, &refusal{status: 400, reason: "Bad Instance"}
		}
		seconds := uint32(limits.Default / time.Second)
		if hasHeader {
			seconds = header
		}
		if text, ok := c.Params.Get("expires"); ok {
			if n, err := strconv.ParseUint(text, 10, 32); err == nil {
				seconds = uint32(n)
			}
		}
		seconds, err := limits.bounded(seconds)
		if err != nil {
			return nil, err
		}
		wishes = append(wishes, wish{
			contact: c, uri: c.URI.String(), key: key(c), seconds: seconds,
			nated: sip.BehindNAT(c.URI, via, f.Network(), f.Remote()), takes: takesMessages(c, req),
		})
	}
	return wishes, nil
}

// bounded applies the shortest and longest time (rfc3261#10.3 step 7).
func (l Limits) bounded(seconds uint32) (uint32, error) {
	minimum, maximum := uint32(l.Min/time.Second), uint32(l.Max/time.Second)
	if seconds == 0 {
		return 0, nil
	}
	if seconds < minimum {
		return 0, &refusal{423, "Interval Too Brief", sip.HeaderMinExpires, strconv.FormatUint(uint64(minimum), 10)}
	}
	return min(seconds, maximum), nil
}

// key is what makes two contacts the same binding: the instance and its flow number
// (rfc5626#6), else the URI. A device that gives an instance without a flow number has one
// binding: its new address takes the place of the old.
func key(c sip.Address) string {
	instance, _ := c.Params.Get("+sip.instance")
	if instance == "" {
		return c.URI.String()
	}
	regID, _ := c.Params.Get("reg-id")
	return instance + "#" + regID
}

// template holds what all bindings of one REGISTER share.
func (r *Registrar) template(a core.Address, f sip.Flow, req *sip.Message) core.Binding {
	cseq, _ := req.CSeq()
	b := core.Binding{
		Account: a, CallID: req.CallID(), CSeq: cseq,
		Flow: f.ID(), Network: f.Network(), Source: f.Remote(),
		UserAgent: clip(req.Get(sip.HeaderUserAgent), 200),
		Updated:   r.cfg.Now(),
	}
	for p := range req.Values(sip.HeaderPath) {
		b.Path = append(b.Path, p)
	}
	return b
}

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// merge applies the wishes to what is bound now, all or nothing (rfc3261#10.3 steps 6 to 8).
func merge(now []core.Binding, wishes []wish, star bool, t core.Binding, most int) ([]core.Binding, error) {
	if star {
		for _, b := range now {
			if outOfOrder(b, t) {
				return nil, &refusal{status: 500, reason: "Out of Order"}
			}
		}
		return nil, nil
	}
	next := append([]core.Binding(nil), now...)
	for _, w := range wishes {
		var err error
		if next, err = mergeOne(next, w, t); err != nil {
			return nil, err
		}
	}
	next = oneOfDevice(next, t)
	if len(next) > most && len(next) > len(now) {
		return nil, &refusal{status: 403, reason: "Too Many Contacts"}
	}
	return next, nil
}

// oneOfDevice leaves a device what it has just registered, and the other flows of that instance: it rings once.
func oneOfDevice(list []core.Binding, t core.Binding) []core.Binding {
	fresh := func(b core.Binding) bool { return b.CallID == t.CallID && b.CSeq == t.CSeq }
	if t.Device == "" || !slices.ContainsFunc(list, fresh) {
		return list
	}
	return slices.DeleteFunc(list, func(b core.Binding) bool {
		sibling := func(x core.Binding) bool { return fresh(x) && x.Instance != "" && x.Instance == b.Instance }
		return b.Device == t.Device && !fresh(b) && !slices.ContainsFunc(list, sibling)
	})
}

func mergeOne(list []core.Binding, w wish, t core.Binding) ([]core.Binding, error) {
	at := find(list, w)
	if at >= 0 && outOfOrder(list[at], t) {
		return nil, &refusal{status: 500, reason: "Out of Order"}
	}
	if w.seconds == 0 {
		if at >= 0 {
			list = append(list[:at], list[at+1:]...)
		}
		return list, nil
	}
	b := t
	b.Key, b.Contact, b.Q, b.NATed, b.Messages = w.key, w.uri, quality(w.contact), w.nated, w.takes
	b.Instance, _ = w.contact.Params.Get("+sip.instance")
	b.RegID = regID(w.contact)
	b.Since, b.Expires = t.Updated, t.Updated.Add(time.Duration(w.seconds)*time.Second)
	if at < 0 {
		return append(list, b), nil
	}
	b.Since = list[at].Since
	if old := list[at]; b.Messages == core.Unknown && old.UserAgent == b.UserAgent && old.CallID == b.CallID {
		b.Messages = old.Messages // what was learned otherwise
	}
	list[at] = b
	return list, nil
}

func find(list []core.Binding, w wish) int {
	for i, b := range list {
		if b.Key == w.key {
			return i
		}
		if b.Instance != "" || strings.Contains(w.key, "#") {
			continue
		}
		if bound, err := sip.ParseURI(b.Contact); err == nil && bound.Equal(w.contact.URI) {
			return i
		}
	}
	return -1
}

// outOfOrder: an older or repeated request of the same registration (rfc3261#10.3 step 7).
func outOfOrder(b, t core.Binding) bool { return b.CallID == t.CallID && t.CSeq <= b.CSeq }

func quality(c sip.Address) int {
	text, ok := c.Params.Get("q")
	if !ok {
		return 1000
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || q < 0 || q > 1 {
		return 1000
	}
	return int(q * 1000)
}

func regID(c sip.Address) uint32 {
	text, _ := c.Params.Get("reg-id")
	n, _ := strconv.ParseUint(text, 10, 31)
	return uint32(n)
}

// answer is the 200 with everything bound (rfc3261#10.3 step 8).
func (r *Registrar) answer(req *sip.Message, bound []core.Binding) *sip.Builder {
	now := r.cfg.Now()
	b := req.Response(200, "")
	for _, x := range bound {
		left := x.Expires.Sub(now).Round(time.Second) / time.Second
		if left <= 0 {
			continue
		}
		b.Add(sip.HeaderContact, contactValue(x, int64(left)))
	}
	return b.Set(sip.HeaderDate, now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))
}

func contactValue(b core.Binding, left int64) string {
	value := "<" + b.Contact + ">;expires=" + strconv.FormatInt(left, 10)
	if b.Q != 1000 {
		value += ";q=" + strconv.FormatFloat(float64(b.Q)/1000, 'f', -1, 64)
	}
	if b.Instance != "" {
		value += `;+sip.instance="` + b.Instance + `"`
	}
	if b.RegID != 0 {
		value += ";reg-id=" + strconv.FormatUint(uint64(b.RegID), 10)
	}
	return value
}
