package transport

import (
	"cmp"
	"net/netip"
	"time"
)

// Limits bound what peers can make a Layer hold or wait for. A field that is zero takes its
// default.
type Limits struct {
	MaxMessage  int // bytes of a message on a stream or in a WebSocket frame; 64 KiB
	MaxDatagram int // bytes of a datagram; 65535

	MaxConnections           int // accepted connections, and apart from them dialled ones; 10000
	MaxConnectionsPerAddress int // accepted from one IPv4 address or one IPv6 /64; 256

	HandshakeTimeout    time.Duration // for TLS; 10s
	FirstMessageTimeout time.Duration // from accepting to the first valid message; 15s
	ProofTimeout        time.Duration // from the first message to Prove; 2m
	UnprovenMessages    int           // messages before Prove; 32
	MessageTimeout      time.Duration // from a message's first byte to its last; 15s
	IdleTimeout         time.Duration // silence between messages; 65m, so that an hourly REGISTER keeps it
	PingInterval        time.Duration // between our pings on a WebSocket; 30s
	DeadPeerTimeout     time.Duration // sent data not acknowledged by TCP, pings not answered; 60s
	DialTimeout         time.Duration // to connect, with the handshake; 10s

	QueueMessages int           // messages waiting for one connection; 512
	QueueBytes    int           // and their bytes; 1 MiB
	WriteTimeout  time.Duration // for what was queued to be taken by the peer; 15s

	Refusals int // stateless error responses a second on each UDP listener; 50
	Bindings int // STUN responses a second on each UDP listener; 5000
}

func (l Limits) withDefaults() Limits {
	return Limits{
		MaxMessage:  cmp.Or(l.MaxMessage, 64<<10),
		MaxDatagram: min(cmp.Or(l.MaxDatagram, 65535), 65535),

		MaxConnections:           cmp.Or(l.MaxConnections, 10000),
		MaxConnectionsPerAddress: cmp.Or(l.MaxConnectionsPerAddress, 256),

		HandshakeTimeout:    cmp.Or(l.HandshakeTimeout, 10*time.Second),
		FirstMessageTimeout: cmp.Or(l.FirstMessageTimeout, 15*time.Second),
		ProofTimeout:        cmp.Or(l.ProofTimeout, 2*time.Minute),
		UnprovenMessages:    cmp.Or(l.UnprovenMessages, 32),
		MessageTimeout:      cmp.Or(l.MessageTimeout, 15*time.Second),
		IdleTimeout:         cmp.Or(l.IdleTimeout, 65*time.Minute),
		PingInterval:        cmp.Or(l.PingInterval, 30*time.Second),
		DeadPeerTimeout:     cmp.Or(l.DeadPeerTimeout, time.Minute),
		DialTimeout:         cmp.Or(l.DialTimeout, 10*time.Second),

		QueueMessages: cmp.Or(l.QueueMessages, 512),
		QueueBytes:    cmp.Or(l.QueueBytes, 1<<20),
		WriteTimeout:  cmp.Or(l.WriteTimeout, 15*time.Second),

		Refusals: cmp.Or(l.Refusals, 50),
		Bindings: cmp.Or(l.Bindings, 5000),
	}
}

// group is what counts as one address for MaxConnectionsPerAddress: whoever has one
// IPv6 address usually has all of its /64.
func group(a netip.Addr) netip.Prefix {
	bits := 32
	if a = a.Unmap(); a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{} // the zero address: all of these are one group
	}
	return p
}
