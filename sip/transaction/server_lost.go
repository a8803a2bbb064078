package transaction

import "parley/sip"

// The standards leave open what becomes of an INVITE whose connection is lost while phones
// ring. It is not its end: the responses may go over a new connection to the address in the
// Via (rfc3261#18.2.2), or over the one on which a copy of the INVITE comes. But a caller
// that nobody can connect to, behind a NAT or with a WebSocket, will never hear that somebody
// has answered; then the transaction ends, so that nobody picks up a phone for nothing.

// watch looks after the connection of an INVITE that rings.
func (s *Server) watch() {
	if !gone(s.out) {
		s.shard.set(&s.retry, watchEvery)
		return
	}
	s.lost()
}

// search is how far the search for another way back is.
type search uint8

const (
	notSearched search = iota
	searching
	searched
)

// lost looks for another way back, once for each INVITE: a peer that lets us connect only to
// close again must not keep us busy. Other requests, and INVITEs that are refused at once, are
// not worth a connection, or anybody could have us make them by hanging up.
func (s *Server) lost() {
	switch {
	case !s.isInvite() || !gone(s.out) || s.search == searching:
	case s.search == searched:
		s.strand()
	default:
		s.search = searching
		s.shard.layer.config.Return(s.out, s.req, func(f sip.Flow) {
			s.shard.post(event{f: func() { s.found(f) }})
		})
	}
}

// found goes on with the way back, if there is one.
func (s *Server) found(f sip.Flow) {
	s.search = searched
	if f != nil && gone(s.out) {
		s.out = f
		if s.last != nil && (s.state == proceeding || s.state == completed) {
			s.send(s.last)
		}
	}
	switch {
	case gone(s.out):
		s.strand()
	case s.state == proceeding:
		s.shard.set(&s.retry, watchEvery)
	}
}

// strand ends an INVITE that has no final response and can't be given one. Where there is one
// already, or soon will be, the timers are the end.
func (s *Server) strand() {
	if s.state == proceeding {
		s.end(ErrTransport)
	}
}

// Way is where responses go now: Flow, or what took its place. For the shard.
func (s *Server) Way() sip.Flow { return s.out }
