// Package transport is SIP's transport layer (RFC 3261 section 18): it brings messages in
// and out over UDP, TCP, TLS and WebSocket (RFC 7118), and gives each peer as a sip.Flow.
//
// What a Handler gets is parsed and valid, and the topmost Via of a request already says
// where it came from (received, and rport by RFC 3581). A request that breaks a rule is
// answered here, without state. Keep-alives of RFC 5626 (double CRLF on streams, STUN
// on UDP) are answered here too.
//
// Nothing here waits for a slow peer: sending puts a message into the connection's bounded
// queue, handshakes run in goroutines of their own, and each stage of a connection (the
// handshake, the first message, the proof of who it is, one message's bytes, silence, one
// write) has its own deadline. Nothing is remembered about the source of a datagram.
package transport
