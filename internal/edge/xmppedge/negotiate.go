package xmppedge

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"time"

	"parley/internal/core"
	"parley/xmpp"
	"parley/xmpp/jid"
	"parley/xmpp/sasl"
	"parley/xmpp/sm"
	"parley/xmpp/stream"
)

// negotiation is what happens on a connection before there is a session: streams, TLS, SASL, a bound resource
// (rfc6120#4.3).
type negotiation struct {
	*conn
	host     string // that the stream is for, in Unicode
	opened   bool   // our header was sent on the stream at hand
	offered  []sasl.Mechanism
	bindings []sasl.Binding
	tries    int // that failed

	account   core.Address // once signed in
	user      jid.JID
	mechanism string
	device    string // whose token it was, by its id
}

func (n *negotiation) signedIn() bool { return !n.account.IsZero() }

// run negotiates. If the error is a *xmpp.StreamError, our header was sent before it.
func (n *negotiation) run(ctx context.Context) (*session, error) {
	s, err := n.steps(ctx)
	if e, ok := errors.AsType[*xmpp.StreamError](err); ok && !n.opened {
		// rfc6120#4.9.1.2
		return nil, errors.Join(e, n.say(n.wire.form().Open(n.header(stream.Header{}))))
	}
	return s, err
}

func (n *negotiation) steps(ctx context.Context) (*session, error) {
	if err := n.open(); err != nil {
		return nil, err
	}
	for {
		raw, err := n.element()
		if err != nil {
			return nil, err
		}
		s, err := n.step(ctx, raw)
		if s != nil || err != nil {
			return s, err
		}
	}
}

// element waits for the next one.
func (n *negotiation) element() (*xmpp.Raw, error) {
	event, raw, err := n.wire.next()
	switch {
	case err != nil:
		return nil, err
	case event == xmpp.Closed:
		return nil, errClosed
	case event == xmpp.Opened:
		return nil, &xmpp.StreamError{Condition: xmpp.PolicyViolation, Text: "the stream is open"}
	case raw.Is(xmpp.NSStream, "error"):
		return nil, errClosed
	}
	return raw, nil
}

func (n *negotiation) step(ctx context.Context, raw *xmpp.Raw) (*session, error) {
	switch name := raw.Name(); {
	case name == xmpp.Name{Space: xmpp.NSTLS, Local: "starttls"}:
		return nil, n.startTLS()
	case name.Space == xmpp.NSSASL && !n.signedIn():
		return nil, n.authenticate(ctx, raw)
	case name.Space == sm.NS && n.signedIn() && name.Local == "resume":
		return n.resume(raw)
	case name.Space == sm.NS:
		return nil, n.say(sm.Failed(xmpp.UnexpectedRequest, nil)) // xep0198#3
	case n.isStanza(name) && n.signedIn() && name.Local == "iq":
		return n.iq(ctx, raw)
	case n.isStanza(name):
		return nil, &xmpp.StreamError{Condition: xmpp.StreamNotAuthorized} // rfc6120#4.9.3.12
	}
	return nil, &xmpp.StreamError{Condition: xmpp.UnsupportedStanzaType} // rfc6120#4.9.3.24
}

// isStanza says that an element of that name is one. In a frame, whose first element has to declare its namespace
// (rfc7395#3.3.3), one without is taken for what it must be.
func (c *conn) isStanza(name xmpp.Name) bool {
	return (name.Local == "message" || name.Local == "presence" || name.Local == "iq") &&
		(name.Space == xmpp.NSClient || name.Space == "" && c.wire.form() == stream.Framed)
}

// open waits for the client's header and answers it with ours and the features.
func (n *negotiation) open() error {
	n.opened = false
	event, raw, err := n.wire.next()
	switch {
	case err != nil:
		return err
	case event == xmpp.Closed:
		return errClosed
	case event != xmpp.Opened:
		return &xmpp.StreamError{Condition: xmpp.BadFormat, Text: "a stream has to be opened"}
	}
	form := n.wire.form()
	h, err := form.Read(raw)
	if err == nil {
		err = n.check(h)
	}
	n.opened = true
	if err != nil {
		return errors.Join(err, n.say(form.Open(n.header(h))))
	}
	return n.say(form.Open(n.header(h)), form.Features(n.features()))
}

// check says whether we are who the stream is for, and its client is who it says.
func (n *negotiation) check(h stream.Header) error {
	host, err := jid.Domain(h.To)
	if _, served := n.edge.hosts[host]; err != nil || !served || n.signedIn() && host != n.host {
		return &xmpp.StreamError{Condition: xmpp.HostUnknown} // rfc6120#4.9.3.6
	}
	n.host = host
	if n.signedIn() && h.From != "" {
		from, err := jid.Parse(h.From)
		if err != nil || from.Bare() != n.user {
			return &xmpp.StreamError{Condition: xmpp.InvalidFrom} // rfc6120#4.9.3.9
		}
	}
	return nil
}

// header is ours, in answer to the client's (rfc6120#4.7).
func (n *negotiation) header(h stream.Header) stream.Header {
	out := stream.Header{From: n.host, ID: rand.Text(), Version: "1.0", Lang: "en"}
	if out.From == "" {
		out.From = n.edge.host
	}
	if to, err := jid.Parse(h.From); err == nil {
		out.To = to.String()
	}
	return out
}

const (
	nsBinding = "urn:xmpp:sasl-cb:0"       // xep0440#2
	nsLimits  = "urn:xmpp:stream-limits:0" // xep0478#3
	// rfc6121#1.4: older clients ask for a session, which means nothing any more.
	oldSession = "<session xmlns='" + xmpp.NSSession + "'><optional/></session>"
)

// features are what the stream at hand offers (rfc6120#4.3.2).
func (n *negotiation) features() string {
	b := xmpp.NewBuilder(nil)
	if n.signedIn() {
		b.Open("bind", xmpp.NSBind).Close()
		b.Raw(oldSession + sm.Feature)
		b.Raw(n.edge.cfg.Features)
		n.limits(b, n.edge.limits.Load().StanzaBytes)
		return b.String()
	}
	if n.mayStartTLS() {
		b.Open("starttls", xmpp.NSTLS)
		if !n.edge.cfg.WithoutTLS {
			b.Element("required", "", "")
		}
		b.Close()
	}
	n.offer()
	if len(n.offered) > 0 {
		b.Open("mechanisms", xmpp.NSSASL)
		for _, name := range sasl.Names(n.offered) {
			b.Element("mechanism", "", name)
		}
		b.Close()
	}
	if len(n.bindings) > 0 {
		b.Open("sasl-channel-binding", nsBinding)
		for _, c := range n.bindings {
			b.Open("channel-binding", "").Attr("type", c.Type).Close()
		}
		b.Close()
	}
	n.limits(b, n.edge.limits.Load().AuthStanzaBytes)
	return b.String()
}

func (n *negotiation) limits(b *xmpp.Builder, size int) {
	b.Open("limits", nsLimits).Element("max-bytes", "", strconv.Itoa(size))
	if n.signedIn() {
		b.Element("idle-seconds", "", strconv.Itoa(int(n.edge.limits.Load().Idle/time.Second)))
	}
	b.Close()
}

func (n *negotiation) mayStartTLS() bool {
	w, ok := n.wire.(*tcp)
	return ok && n.edge.cfg.TLS != nil && w.conn == w.raw
}

// startTLS brings TLS up (rfc6120#5.4.2). A failure of the handshake ends the connection without a word
// (rfc6120#5.4.3.2).
func (n *negotiation) startTLS() error {
	if !n.mayStartTLS() || n.signedIn() {
		return errors.Join(errClosed, n.say("<failure xmlns='"+xmpp.NSTLS+"'/>")) // rfc6120#5.4.2.2
	}
	if err := n.say("<proceed xmlns='" + xmpp.NSTLS + "'/>"); err != nil {
		return err
	}
	if err := n.handshake(n.wire.(*tcp)); err != nil {
		return err
	}
	n.host = "" // rfc6120#5.4.3.3: what was said before is forgotten
	return n.open()
}
