package xmppedge

import (
	"context"
	"errors"
	"fmt"

	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/im"
	"parley/xmpp/jid"
	"parley/xmpp/sasl"
)

// errToken says that a login failed by its token, which the guard has been told.
var errToken = errors.New("wrong token")

var _ sasl.Tokens = (*signIn)(nil)

// Token finds whose a token is. It has to be an account's of the stream's domain, and that which the client named.
// A good one never waits for the guard: it can't be guessed.
func (s *signIn) Token(ctx context.Context, authzid, token string) (string, error) {
	claimed, err := s.claimed(authzid)
	if err != nil {
		return "", sasl.Fail(sasl.NotAuthorized, "", errors.Join(errToken, err))
	}
	guard, counted := s.edge.ports.Guard, claimed.Tokens()
	d, err := s.edge.ports.Devices.Token(ctx, token, s.source())
	if err != nil && !errors.Is(err, core.ErrNoDevice) {
		return "", fmt.Errorf("look a token up: %w", err)
	}
	foreign := d.Account.Domain != claimed.Domain || claimed.Local != "" && d.Account != claimed
	if err != nil || foreign {
		if wait := guard.Check(s.source(), counted); wait > 0 {
			return "", tooSoon("tokens", wait)
		}
		guard.Failed(s.source(), counted)
		return "", sasl.Fail(sasl.NotAuthorized, "", errToken)
	}
	s.device = d.ID
	return d.Account.Local, nil
}

// claimed is the account that a client names; one without a local part if it names none.
func (s *signIn) claimed(authzid string) (core.Address, error) {
	if authzid == "" {
		return core.Address{Domain: s.edge.hosts[s.host]}, nil
	}
	return s.address(authzid)
}

// guarded is what the guard counts a sign-in of the account for: a token proves nothing of the password.
func (n *negotiation) guarded(a core.Address) core.Address {
	if n.device != "" {
		return a.Tokens()
	}
	return a
}

// ofDevice is another session of a new one's device, whose place that takes: nobody receives twice.
func (e *Edge) ofDevice(s *im.Session) *im.Session {
	device := s.Info().Device
	if device == "" {
		return nil
	}
	for _, other := range e.ports.Sessions.Of(s.JID()) {
		if other != s && other.Info().Device == device {
			return other
		}
	}
	return nil
}

// settleDevice looks again once a session is in the table: its device may have been signed out on the way, or another
// session of it have come in.
func (n *negotiation) settleDevice(ctx context.Context, s *session) {
	if n.device == "" {
		return
	}
	if !n.edge.ports.Devices.Stands(ctx, n.account, n.device) {
		s.End(signedOut())
	}
	for _, other := range n.edge.ports.Sessions.Of(s.im.JID()) {
		if other == s.im { // who comes after it ends it
			return
		}
		if other.Info().Device == n.device {
			other.End(replaced())
		}
	}
}

// replaced is what a session hears that gives way to another of its resource, or of its device.
func replaced() *xmpp.StreamError {
	return &xmpp.StreamError{Condition: xmpp.StreamConflict, Text: "another session takes the place"}
}

// signedOut is what the sessions of a device hear that is signed out.
func signedOut() *xmpp.StreamError {
	return &xmpp.StreamError{Condition: xmpp.StreamNotAuthorized, Text: "the device was signed out"}
}

// EndDevice ends what a device has connected.
func (e *Edge) EndDevice(account jid.JID, id string) {
	for _, s := range e.ports.Sessions.Of(account) {
		if s.Info().Device == id {
			s.End(signedOut())
		}
	}
}
