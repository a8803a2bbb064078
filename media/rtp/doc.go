// Package rtp is the server's own end of RTP (RFC 3550, RFC 3551): pairs of ports, the rule by which
// media's source is learned where a NAT stands in between (symmetric RTP, RFC 4961), and an
// echo that sends back what it hears. It reads headers and never looks into a payload.
package rtp
