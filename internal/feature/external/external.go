// Package external tells apps of services beside XMPP, and gives them names and passwords for those: XEP-0215, External
// Service Discovery. Here they are the server's own STUN and TURN.
package external

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"parley/internal/address"
	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
)

// NS is the namespace, and the feature of service discovery.
const NS = "urn:xmpp:extdisco:2"

// Service is one that clients may use.
type Service struct {
	Type       string // "stun", "stuns", "turn" or "turns"
	Host       string
	Port       uint16
	Transport  string // "udp" or "tcp"
	Restricted bool   // it asks for a name and password
}

// Credential is a name and password for the restricted ones.
type Credential struct {
	Name, Password string
	Expires        time.Time
}

// Config of an External. Services and Credential are needed.
type Config struct {
	// Services are those that there are now.
	Services   func() []Service
	Credential func(core.Address) Credential
	Now        func() time.Time
	Log        *slog.Logger
}

// External answers, and sends newer credentials to those sessions whose last ones are nearly over.
type External struct {
	cfg Config

	mu    sync.Mutex
	asked map[*im.Session]time.Time // until when its credentials are good
}

// New makes it.
func New(c Config) *External {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &External{cfg: c, asked: map[*im.Session]time.Time{}}
}

// Services are what can be asked.
func (e *External) Services() []im.Service {
	return []im.Service{
		{Name: xmpp.Name{Space: NS, Local: "services"}, At: im.Server, Handle: e.services, Features: []string{NS}},
		{Name: xmpp.Name{Space: NS, Local: "credentials"}, At: im.Server, Handle: e.credentials},
	}
}

// account is whose a session is: only accounts of ours get anything.
func account(s *im.Session, st *xmpp.Stanza) (core.Address, error) {
	if st.Type() != "get" {
		return core.Address{}, &xmpp.StanzaError{Condition: xmpp.BadRequest}
	}
	if s == nil {
		return core.Address{}, &xmpp.StanzaError{Condition: xmpp.Forbidden}
	}
	a, err := address.FromJID(s.JID().Bare())
	if err != nil {
		return a, &xmpp.StanzaError{Condition: xmpp.Forbidden}
	}
	return a, nil
}

// services lists them, all or those of a type (xep0215#3.1, xep0215#3.2).
func (e *External) services(_ context.Context, s *im.Session, st *xmpp.Stanza) (string, error) {
	a, err := account(s, st)
	if err != nil {
		return "", err
	}
	kind := st.Find(NS, "services").Attr("type")
	b := xmpp.NewBuilder(nil).Open("services", NS).Maybe("type", kind)
	e.write(b, s, a, "", func(x Service) bool { return kind == "" || x.Type == kind })
	return b.Close().String(), nil
}

// credentials are those of one service (xep0215#3.3).
func (e *External) credentials(_ context.Context, s *im.Session, st *xmpp.Stanza) (string, error) {
	a, err := account(s, st)
	if err != nil {
		return "", err
	}
	want := st.Find(NS, "credentials").Child(NS, "service")
	if want == nil || want.Attr("host") == "" || want.Attr("type") == "" {
		return "", &xmpp.StanzaError{Condition: xmpp.BadRequest}
	}
	port := want.Attr("port")
	b := xmpp.NewBuilder(nil).Open("credentials", NS)
	n := e.write(b, s, a, "", func(x Service) bool {
		return x.Host == want.Attr("host") && x.Type == want.Attr("type") && (port == "" || port == strconv.Itoa(int(x.Port)))
	})
	if n == 0 {
		return "", &xmpp.StanzaError{Condition: xmpp.ItemNotFound}
	}
	return b.Close().String(), nil
}

// write adds those services that are chosen, with one credential for all, and says how many there are.
func (e *External) write(b *xmpp.Builder, s *im.Session, a core.Address, action string, chosen func(Service) bool) (n int) {
	var c Credential
	for _, x := range e.cfg.Services() {
		if !chosen(x) {
			continue
		}
		n++
		b.Open("service", "").Maybe("action", action).Attr("type", x.Type).Attr("host", x.Host).
			Attr("port", strconv.Itoa(int(x.Port))).Attr("transport", x.Transport)
		if x.Restricted {
			if c.Name == "" {
				c = e.cfg.Credential(a)
				e.note(s, c.Expires)
			}
			b.Attr("restricted", "true").Attr("username", c.Name).Attr("password", c.Password).
				Attr("expires", c.Expires.UTC().Format(time.RFC3339))
		}
		b.Close()
	}
	return n
}

// note keeps until when a session's credentials are good, as long as there is that session.
func (e *External) note(s *im.Session, until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked[s] = until
}

// Run sends newer credentials before those that apps have are over, until ctx ends.
func (e *External) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			e.renew()
		}
	}
}

// pushAhead is how long before its end a credential is replaced: what is given lasts longer.
const pushAhead = 3 * time.Minute

func (e *External) renew() {
	for _, s := range e.due() {
		if err := e.push(s); err != nil {
			e.cfg.Log.Warn("newer credentials of a relay were not sent", "session", s.JID().String(), "err", err)
		}
	}
}

// due are the sessions whose credentials are nearly over; those that have ended are forgotten.
func (e *External) due() (list []*im.Session) {
	soon := e.cfg.Now().Add(pushAhead)
	e.mu.Lock()
	defer e.mu.Unlock()
	for s, until := range e.asked {
		select {
		case <-s.Finished():
			delete(e.asked, s)
			continue
		default:
		}
		if soon.After(until) {
			list = append(list, s)
		}
	}
	return list
}

// push tells a session what has changed (xep0215#3.2, service push).
func (e *External) push(s *im.Session) error {
	a, err := address.FromJID(s.JID().Bare())
	if err != nil {
		return err
	}
	b := xmpp.NewBuilder(nil).Open("services", NS)
	e.write(b, s, a, "modify", func(x Service) bool { return x.Restricted })
	st, err := xmpp.New(xmpp.IQ, xmpp.Header{
		From: jid.JID{Domain: s.JID().Domain}, To: s.JID(), Type: "set", ID: "relay-" + strconv.FormatInt(e.cfg.Now().Unix(), 36),
	}, b.Close().String())
	if err != nil {
		return err
	}
	s.Send(st)
	return nil
}
