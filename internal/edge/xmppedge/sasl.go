package xmppedge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/jid"
	"parley/xmpp/sasl"
)

// offer makes the list of mechanisms for the connection as it is, the best first (rfc6120#6.4.1).
func (n *negotiation) offer() {
	n.offered, n.bindings = nil, nil
	if state, shown := n.wire.secured(); state != nil {
		n.bindings = sasl.Bindings(state, shown)
	}
	users := &signIn{n}
	if !n.encrypted() && !n.edge.cfg.WithoutTLS {
		return // rfc6120#5.3.1: TLS first
	}
	for _, plus := range []bool{true, false} {
		for _, hash := range []string{"SHA-256", "SHA-1"} {
			if !plus || len(n.bindings) > 0 {
				n.offered = append(n.offered, sasl.SCRAM{Users: users, Hash: hash, Plus: plus, Bindings: n.bindings})
			}
		}
	}
	if n.encrypted() {
		n.offered = append(n.offered, sasl.Plain{Users: users})
		if n.edge.ports.Devices != nil {
			n.offered = append(n.offered, sasl.Bearer{Tokens: users})
		}
	}
}

// authenticate has the client sign in (rfc6120#6.4), or fail at it.
func (n *negotiation) authenticate(ctx context.Context, raw *xmpp.Raw) error {
	login, err := n.login(ctx, raw)
	if refused, ok := errors.AsType[*sasl.Error](err); ok {
		return n.refuse(login, refused)
	}
	if err != nil {
		return err
	}
	n.account, err = n.address(login.User())
	if err != nil {
		return err // what was just looked up has an address
	}
	n.account.Local = strings.Clone(n.account.Local) // it is a part of what was said, which need not be kept
	if n.user, err = jid.New(n.account.Local, n.host, ""); err != nil {
		return err
	}
	n.mechanism = login.Mechanism()
	n.edge.ports.Guard.Succeeded(n.source(), n.guarded(n.account))
	n.edge.log.Debug("signed in", "account", n.account.String(), "remote", n.remote, "mechanism", n.mechanism)
	n.wire.restart(true)
	return n.open()
}

// login has one exchange from <auth/> to the end. The *sasl.Error is why it failed.
func (n *negotiation) login(ctx context.Context, raw *xmpp.Raw) (*sasl.Login, error) {
	auth := raw.Element()
	switch {
	case auth.Local == "abort":
		return nil, sasl.Fail(sasl.Aborted, "", nil)
	case auth.Local != "auth":
		return nil, sasl.Fail(sasl.MalformedRequest, "no exchange is going on", nil)
	}
	name := auth.Attr("mechanism")
	login, err := sasl.Begin(n.offered, name)
	if err != nil {
		if !n.encrypted() {
			return nil, sasl.Fail(sasl.EncryptionRequired, "", nil) // rfc6120#6.5.4
		}
		return nil, err
	}
	for text := auth.Text; ; {
		challenge, done, err := n.respond(ctx, login, text)
		switch {
		case err != nil:
			return login, err
		case done:
			return login, n.say(element("success", challenge))
		}
		if err := n.say(element("challenge", challenge)); err != nil {
			return login, err
		}
		if text, err = n.response(); err != nil {
			return login, err
		}
	}
}

func (n *negotiation) respond(ctx context.Context, login *sasl.Login, text string) ([]byte, bool, error) {
	response, err := sasl.Decode(text)
	if err != nil {
		return nil, false, err
	}
	return login.Step(ctx, response)
}

// response waits for the client's next word in an exchange.
func (n *negotiation) response() (string, error) {
	raw, err := n.element()
	if err != nil {
		return "", err
	}
	switch name := raw.Name(); {
	case name.Space == xmpp.NSSASL && name.Local == "abort":
		return "", sasl.Fail(sasl.Aborted, "", nil)
	case name.Space == xmpp.NSSASL && name.Local == "response":
		text := raw.Element().Text
		if text == "" {
			text = "=" // rfc6120#6.4.4: of a response, nothing is an empty one
		}
		return text, nil
	case n.isStanza(name):
		return "", &xmpp.StreamError{Condition: xmpp.StreamNotAuthorized}
	}
	return "", sasl.Fail(sasl.MalformedRequest, "a response is expected", nil)
}

func element(name string, data []byte) string {
	return xmpp.NewBuilder(nil).Element(name, xmpp.NSSASL, sasl.Encode(data)).String()
}

// refuse tells the client that its try failed. Nobody gets many (rfc6120#6.4.5).
func (n *negotiation) refuse(login *sasl.Login, e *sasl.Error) error {
	n.tries++
	var user string
	if login != nil {
		user = login.User()
	}
	if (e.Condition == sasl.NotAuthorized || e.Condition == sasl.InvalidAuthzid) && !errors.Is(e, sasl.ErrBinding) {
		n.edge.failed.Add(1)
		if a, err := n.address(user); err == nil && !errors.Is(e, errToken) {
			n.edge.ports.Guard.Failed(n.source(), a)
		}
	}
	switch {
	case errors.Is(e, sasl.ErrBinding): // an app that tries what it can't do goes on to what it can
		n.edge.log.Debug("login without the channel binding that it asks for", "source", n.source(), "reason", e)
	case e.Condition != sasl.Aborted:
		n.edge.log.Warn("login failed", "user", user, "source", n.source(), "reason", e)
	}
	if err := n.say(e.XML()); err != nil {
		return err
	}
	if n.tries >= n.edge.limits.Load().AuthTries {
		return &xmpp.StreamError{Condition: xmpp.PolicyViolation, Text: "too many tries to sign in"}
	}
	return nil
}

// source is what the guard knows a client by.
func (n *negotiation) source() string { return n.remote.Addr().String() }

// address is the account of a user name at the stream's domain; some clients give the whole address.
func (n *negotiation) address(user string) (core.Address, error) {
	if local, domain, ok := strings.Cut(user, "@"); ok {
		if d, err := jid.Domain(domain); err == nil && d == n.host {
			user = local
		}
	}
	return n.edge.ports.Addresses(user, n.edge.hosts[n.host])
}

// signIn is the accounts as the mechanisms ask for them.
type signIn struct{ *negotiation }

var _ sasl.Users = (*signIn)(nil)

// Keys gives an account's. Somebody who has to wait is told so before the password counts.
func (s *signIn) Keys(ctx context.Context, user, hash string) (sasl.Keys, error) {
	a, err := s.admit(user)
	if err != nil {
		return sasl.Keys{}, err
	}
	k, err := s.edge.ports.Credentials.SCRAM(ctx, a, hash)
	if err != nil && !errors.Is(err, core.ErrNoAccount) {
		return sasl.Keys{}, fmt.Errorf("read the keys of %s: %w", a, err)
	}
	return sasl.Keys(k), nil
}

// Password checks one.
func (s *signIn) Password(ctx context.Context, user, password string) error {
	a, err := s.admit(user)
	if err != nil {
		return err
	}
	err = s.edge.ports.Credentials.Password(ctx, a, password)
	if errors.Is(err, core.ErrNoAccount) {
		return sasl.Fail(sasl.NotAuthorized, "", err)
	}
	return err
}

func (s *signIn) admit(user string) (core.Address, error) {
	a, err := s.address(user)
	if err != nil {
		return a, sasl.Fail(sasl.NotAuthorized, "", err)
	}
	if wait := s.edge.ports.Guard.Check(s.source(), a); wait > 0 {
		return a, tooSoon("passwords", wait)
	}
	return a, nil
}

func tooSoon(what string, wait time.Duration) *sasl.Error {
	text := fmt.Sprintf("too many wrong %s; wait %.0f seconds", what, math.Ceil(wait.Round(time.Second/10).Seconds()))
	return sasl.Fail(sasl.TemporaryAuthFailure, text, nil)
}

// Allows lets nobody act as somebody else (rfc6120#6.3.8).
func (s *signIn) Allows(_ context.Context, user, authzid string) (bool, error) {
	a, err := s.address(user)
	if err != nil {
		return false, err
	}
	j, err := jid.Parse(authzid)
	return err == nil && j == jid.JID{Local: a.Local, Domain: s.host}, nil
}
