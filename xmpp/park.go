package xmpp

// Parked is what a Scanner knows of a stream between two of its elements: enough for another Scanner to go on. A
// connection that has nothing to read keeps this instead of a Scanner.
type Parked struct {
	limits Limits
	header string
	stream []binding
}

// Park takes the stream out of the Scanner, unless it is within an element, or not open. The last Raw is void then.
func (s *Scanner) Park() (p Parked, ok bool) {
	if s.failure != nil || !s.opened || s.ended || s.framed || s.Buffered() > 0 || len(s.open) > 0 {
		return Parked{}, false
	}
	return Parked{s.Limits, s.header, s.stream}, true
}

// Unpark has the Scanner go on with a parked stream. What it scanned before is forgotten, but not its buffers.
func (s *Scanner) Unpark(p Parked) {
	*s = Scanner{
		Limits: p.limits, begun: true, opened: true, stream: p.stream, header: p.header,
		buf: s.buf[:0], open: s.open[:0], decls: s.decls[:0], kids: s.kids[:0], attrs: s.attrs[:0], top: s.top[:0],
	}
}
