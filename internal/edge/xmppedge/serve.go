package xmppedge

import (
	"errors"
	"fmt"
	"runtime/debug"

	"parley/xmpp"
	"parley/xmpp/jid"
	"parley/xmpp/sm"
)

// serve reads what a session says until its connection ends. The error is what waiting for it gave.
func (c *conn) serve(s *session, err error) {
	defer func() { s.recovered(c, recover()) }()
	if err = s.read(c, err); err == errQuiet { //nolint:errorlint // never wrapped
		go c.doze(s) // a stack that has handled a stanza is large, and would stay so
		return
	}
	c.edge.log.Debug("connection ends", "session", s.im.JID().String(), "remote", c.remote, "reason", err)
	if s.stopped(c, err) {
		<-s.im.Finished() // it has said farewell
	}
	c.wire.drain()
	c.gone()
}

// stopped does what the end of reading asks for; it is true if that ended the session.
func (s *session) stopped(c *conn, err error) bool {
	e, fault := errors.AsType[*xmpp.StreamError](err)
	switch {
	case fault && e.Condition == xmpp.ConnectionTimeout:
		ended := s.left(c, true) // the network may be to blame
		c.end(e)
		return ended
	case fault:
		return s.quit(c, e)
	case errors.Is(err, errClosed):
		return s.left(c, false)
	}
	c.closing.Store(true) // nobody takes what would still be written
	return s.left(c, true)
}

// doze waits for a client that says nothing. It calls little, to be cheap.
func (c *conn) doze(s *session) { c.serve(s, c.wire.wait()) }

// recovered ends a session whose connection met a fault of ours.
func (s *session) recovered(c *conn, r any) {
	if r != nil {
		s.edge.log.Error("a session failed", "session", s.im.JID().String(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		s.quit(c, &xmpp.StreamError{Condition: xmpp.StreamInternal})
		c.gone()
	}
}

// quit ends the session because of what came on a connection, if that still is the session's.
func (s *session) quit(c *conn, e *xmpp.StreamError) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return false
	}
	s.end(e)
	return true
}

func (s *session) read(c *conn, err error) error {
	for {
		var event xmpp.Event
		var raw *xmpp.Raw
		if err == nil {
			event, raw, err = c.wire.next()
		}
		switch {
		case c.closing.Load():
			return errGone
		case err == errIdle: //nolint:errorlint // never wrapped
			if err = s.silent(c); err == nil {
				continue
			}
			return err
		case err != nil:
			return err
		case event == xmpp.Closed:
			return errClosed
		case event == xmpp.Opened:
			return &xmpp.StreamError{Condition: xmpp.PolicyViolation, Text: "the stream is open"}
		}
		if err = s.element(c, raw); err != nil {
			return err
		}
		s.awaitRoom(c)
	}
}

// element takes one of a bound stream.
func (s *session) element(c *conn, raw *xmpp.Raw) error {
	switch name := raw.Name(); {
	case c.isStanza(name):
		return s.stanza(c, raw)
	case name.Space == sm.NS:
		return s.manage(c, raw)
	case name.Space == xmpp.NSStream && name.Local == "error":
		return errClosed // rfc6120#4.9.1.1
	}
	return &xmpp.StreamError{Condition: xmpp.UnsupportedStanzaType} // rfc6120#4.9.3.24
}

// stanza hands one on, and counts it once it is handled.
func (s *session) stanza(c *conn, raw *xmpp.Raw) error {
	if from := raw.Attr("from"); from != "" && !s.is(from) {
		return &xmpp.StreamError{Condition: xmpp.InvalidFrom} // rfc6120#8.1.2.1
	}
	st, err := raw.Stanza(s.im.JID())
	malformed, isMalformed := errors.AsType[*xmpp.StanzaError](err)
	if err != nil && !isMalformed {
		return err
	}
	c.handling.Lock()
	defer c.handling.Unlock()
	if c.closing.Load() {
		return errGone
	}
	if isMalformed {
		if !st.IsError() {
			s.im.Send(st.Fail(malformed)) // rfc6120#8.3.3.8
		}
	} else {
		s.handle(st)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.managed {
		s.handled++
	}
	return nil
}

// is says that an address is the session's, full or bare (rfc6120#8.1.2.1).
func (s *session) is(from string) bool {
	j, err := jid.Parse(from)
	return err == nil && (j == s.im.JID() || j == s.im.JID().Bare())
}

// handle has the chat take a stanza. A fault there ends the stanza, not the process.
func (s *session) handle(st *xmpp.Stanza) {
	defer func() {
		if r := recover(); r != nil {
			s.edge.log.Error("a stanza failed", "session", s.im.JID().String(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			if !st.IsError() {
				s.im.Send(st.Fail(&xmpp.StanzaError{Condition: xmpp.InternalServerError}))
			}
		}
	}()
	if st.Kind() == xmpp.IQ && s.ours(st) {
		return
	}
	s.edge.ports.Chat.Handle(s.edge.ctx, s.im, st)
}

// ours answers the requests that are about the stream itself.
func (s *session) ours(st *xmpp.Stanza) bool {
	if to := st.To(); st.Type() != "set" || !to.IsZero() && to != s.im.JID().Bare() && to != (jid.JID{Domain: s.im.JID().Domain}) {
		return false
	}
	p, ok := st.Payload()
	switch {
	case !ok:
		return false
	case p.Name == xmpp.Name{Space: xmpp.NSSession, Local: "session"}:
		s.im.Send(st.Result("")) // it means nothing any more
	case p.Name == xmpp.Name{Space: xmpp.NSBind, Local: "bind"}:
		s.im.Send(st.Fail(&xmpp.StanzaError{Condition: xmpp.NotAllowed, Text: "a stream has one resource here"})) // rfc6120#7
	default:
		return false
	}
	return true
}

// silent finds out whether the client is there, of whom nothing was heard.
func (s *session) silent(c *conn) error {
	s.mu.Lock()
	if !s.managed {
		s.mu.Unlock()
		return c.probe()
	}
	if s.asked.IsZero() {
		s.ask = true
		s.wake()
	}
	s.mu.Unlock()
	return nil
}

func (c *conn) probe() error {
	c.writes.Lock()
	defer c.writes.Unlock()
	if c.closing.Load() {
		return errGone
	}
	return c.wire.probe()
}
