package app

import (
	"log/slog"

	"parley/internal/config"
	"parley/internal/edge/sipedge"
	"parley/sip/transport"
)

// sipConfig is the SIP side's part of the configuration.
func sipConfig(c config.Config, key []byte, log *slog.Logger) sipedge.Config {
	out := sipedge.Config{
		Domains:       c.Server.Domains,
		Key:           key,
		NonceLifetime: c.Auth.NonceLifetime,
		TimerC:        c.Calls.TimerC,
		MaxBreadth:    c.Calls.MaxBreadth,
		Working:       c.SIP.Working,
		T1:            c.SIP.T1,
		T2:            c.SIP.T2,
		T4:            c.SIP.T4,
		Limit:         c.SIP.Transactions,
		Server:        "parley",
		Log:           log,
		Transport: transport.Config{
			LocalNetworks: c.SIP.LocalNetworks,
			Limits:        sipLimits(c.SIP),
		},
	}
	if c.SIP.PublicAddress.IsValid() {
		out.Transport.PublicAddress = c.SIP.PublicAddress.String()
	}
	return out
}

func sipLimits(c config.SIP) transport.Limits {
	return transport.Limits{
		MaxMessage:               c.MaxMessage,
		MaxConnections:           c.Connections,
		MaxConnectionsPerAddress: c.ConnectionsPerAddress,
		HandshakeTimeout:         c.HandshakeTime,
		FirstMessageTimeout:      c.FirstMessageTime,
		ProofTimeout:             c.TimeToAuthenticate,
		UnprovenMessages:         c.RequestsBeforeAuth,
		MessageTimeout:           c.MessageTime,
		IdleTimeout:              c.Idle,
		PingInterval:             c.Ping,
		DeadPeerTimeout:          c.DeadPeerTime,
		DialTimeout:              c.DialTime,
		QueueMessages:            c.SendQueue,
		QueueBytes:               c.SendQueueBytes,
		WriteTimeout:             c.SendTime,
		Refusals:                 c.RefusalsPerSecond,
		Bindings:                 c.STUNPerSecond,
	}
}
