package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"parley/sip"
)

// stream is the wire of TCP and TLS.
type stream struct {
	layer   *Layer
	limits  *Limits
	raw     net.Conn      // the TCP connection
	conn    net.Conn      // the same, or TLS over it
	drained chan struct{} // closed when nothing is read any more
}

func newStream(l *Layer, raw, conn net.Conn) *stream {
	return &stream{layer: l, limits: l.limits.Load(), raw: raw, conn: conn, drained: make(chan struct{})}
}

func (s *stream) tls() *tls.ConnectionState {
	t, ok := s.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := t.ConnectionState()
	return &state
}

func (s *stream) read(_ context.Context, c *conn) string {
	defer close(s.drained)
	reason := s.messages(c)
	if c.isClosed() || s.refused(c) {
		s.discard()
	}
	return reason
}

// refused says whether c is about to be closed by what was queued for it.
func (s *stream) refused(c *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending != ""
}

// discard reads on after the end, so that our last words are not lost in a reset. close
// bounds its time.
func (s *stream) discard() {
	if s.conn.SetReadDeadline(time.Now().Add(2*linger)) == nil {
		_, _ = io.Copy(io.Discard, s.conn) // how it ends does not matter
	}
}

// messages reads messages and hands them to c, until one of them has closed c or there
// are no more.
func (s *stream) messages(c *conn) string {
	f := framer{max: s.limits.MaxMessage}
	var begun time.Time // when the message that is partly there began
	for {
		progress, err := s.tokens(c, &f)
		if err != nil {
			s.unframeable(c, &f, err)
			return err.Error()
		}
		switch {
		case !f.partial():
			begun = time.Time{}
		case progress || begun.IsZero():
			begun = time.Now()
		}
		if err := s.conn.SetReadDeadline(s.deadline(begun)); err != nil {
			return err.Error()
		}
		if c.isClosed() {
			return ""
		}
		n, err := s.conn.Read(f.space())
		f.wrote(n)
		if n == 0 && err != nil {
			return s.ended(c, &f, err)
		}
	}
}

// deadline is when the next bytes must have come.
func (s *stream) deadline(begun time.Time) time.Time {
	if begun.IsZero() {
		return time.Now().Add(s.limits.IdleTimeout)
	}
	return begun.Add(s.limits.MessageTimeout)
}

// tokens hands over all that is whole; progress says whether there was a message.
func (s *stream) tokens(c *conn, f *framer) (progress bool, err error) {
	for !c.isClosed() {
		t, text, err := f.next()
		switch {
		case err != nil:
			return progress, err
		case t == tokenNone:
			return progress, nil
		case t == tokenPing:
			c.ping()
		default:
			progress = true
			c.message(text)
		}
	}
	return progress, nil
}

// ended names the end of the stream; a message cut off by it counts as malformed.
func (s *stream) ended(c *conn, f *framer, err error) string {
	if f.partial() {
		c.layer.malformed(c.remote, err)
	}
	switch {
	case errors.Is(err, io.EOF):
		return "closed by peer"
	case errors.Is(err, os.ErrDeadlineExceeded) && f.partial():
		return "message too slow"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "idle"
	}
	return err.Error()
}

// unframeable ends a connection whose next message can't be found (rfc3261#18.3), after a
// response if there is a head to make it from.
func (s *stream) unframeable(c *conn, f *framer, err error) {
	defer func() { c.layer.fault(recover(), c.remote) }()
	c.layer.malformed(c.remote, err)
	m, perr := sip.Parse(string(f.head()))
	if perr == nil && m.IsRequest() {
		if stamped, serr := stamp(m, c.remote); serr == nil {
			c.layer.refuse(c, stamped, framingViolation(err), nil)
		}
	}
	c.Close(err.Error())
}

func framingViolation(err error) *sip.Violation {
	if errors.Is(err, sip.ErrTooLong) {
		return &sip.Violation{Status: 513, Reason: "Message Too Large"} // rfc3261#21.5.7
	}
	return &sip.Violation{Status: 400, Reason: "Bad Content-Length"}
}

// write sends the texts in as few writes as a buffer of 64 KiB allows, all within
// WriteTimeout.
func (s *stream) write(texts []string) error {
	const flushAt = 64 << 10
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.limits.WriteTimeout)); err != nil {
		return err
	}
	out := s.layer.buffer()
	defer s.layer.free(out)
	for i, text := range texts {
		*out = append(*out, text...)
		if len(*out) < flushAt && i < len(texts)-1 {
			continue
		}
		if _, err := s.conn.Write(*out); err != nil {
			return err
		}
		*out = (*out)[:0]
	}
	return nil
}

// close ends the connection. A polite one says so first and waits for the peer's end, for at
// most linger: a TLS alert blocks on a peer that does not read, and what the peer has
// sent meanwhile would turn our last response into a reset.
func (s *stream) close(polite bool) {
	t := time.AfterFunc(linger, s.closeRaw)
	defer t.Stop()
	if polite {
		if w, ok := s.conn.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
			s.finish()
			<-s.drained
		}
	}
	s.closeRaw()
}

// finish sends the end of the stream under TLS, whose own end is only an alert.
func (s *stream) finish() {
	if w, ok := s.raw.(interface{ CloseWrite() error }); ok && s.raw != s.conn {
		_ = w.CloseWrite() // it is closed right after
	}
}

func (s *stream) closeRaw() { _ = s.raw.Close() } // nothing is left to lose
