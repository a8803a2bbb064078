package app

import (
	"net"

	"parley/internal/address"
	"parley/internal/config"
	"parley/internal/edge/xmppedge"
)

// newXMPP makes the XMPP side. features stand in its streams' features for those who have signed in.
func (a *App) newXMPP(chat xmppedge.Chat, features string) *xmppedge.Edge {
	c := xmppedge.Config{
		Domains:    a.cfg.Server.Domains,
		TLS:        a.cert.TLS(uint16(a.cfg.TLS.MinVersion)),
		WithoutTLS: !a.cfg.XMPP.RequireTLS,
		Features:   features,
		Limits:     xmppLimits(a.cfg.XMPP),
		Log:        a.log,
	}
	return xmppedge.New(c, xmppedge.Ports{
		Credentials: a.store.accounts,
		Guard:       a.guard,
		Devices:     a.devices,
		Addresses:   address.New,
		Sessions:    a.sessions,
		Chat:        chat,
	})
}

func xmppLimits(x config.XMPP) xmppedge.Limits {
	return xmppedge.Limits{
		Connections:     x.Connections,
		PerAddress:      x.ConnectionsPerAddress,
		HandshakeTime:   x.HandshakeTime,
		FirstByteTime:   x.FirstByteTime,
		AuthTime:        x.TimeToAuthenticate,
		AuthBytes:       x.BytesBeforeAuth,
		AuthStanzaBytes: x.StanzaBeforeAuth,
		AuthTries:       x.Tries,
		StanzaBytes:     x.MaxStanza,
		StanzaTime:      x.StanzaTime,
		Idle:            x.Idle,
		Ping:            x.Ping,
		DeadPeer:        x.DeadPeerTime,
		SendTime:        x.SendTime,
		QueueStanzas:    x.SendQueue,
		QueueBytes:      x.SendQueueBytes,
		ResumeTime:      x.ResumeTime,
		AckStanzas:      x.AckStanzas,
		AckTime:         x.AckTime,
	}
}

// bound is a listener's address as text.
func bound(addr net.Addr, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return addr.String(), nil
}
