package sip

import "net/netip"

// Names of transports, as a Via spells them.
const (
	UDP = "UDP"
	TCP = "TCP"
	TLS = "TLS"
	WS  = "WS"
	WSS = "WSS"
	// Memory joins two user agents of one process.
	Memory = "MEMORY"
)

// Flow is a way to one peer: a socket and the peer's address for UDP, a connection
// for TCP, TLS and WebSocket, or a user agent of the same process. Flows of the same
// peer and socket are equal by ID. All methods are safe from any goroutine.
type Flow interface {
	// ID names the flow for as long as the process (for UDP: the listener's
	// configuration) lives. It has no spaces or semicolons.
	ID() string
	// Network is one of the names above.
	Network() string
	// Local is the address of our end, Remote of the peer's, both as seen on the
	// socket; zero for Memory.
	Local() netip.AddrPort
	Remote() netip.AddrPort
	// Advertised is the "host:port" under which a peer of this flow can reach us: what
	// goes into Via, Record-Route and Contact. It is the public address behind a NAT.
	Advertised() string
	// Reliable says that the transport retransmits, Secure that it encrypts.
	Reliable() bool
	Secure() bool
	// Send queues m and never blocks. An error means that m will not be sent.
	Send(m *Message) error
	// Done is closed when the flow is gone for good; nil for UDP, which is never gone.
	Done() <-chan struct{}
}
