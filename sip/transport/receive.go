package transport

import (
	"hash/maphash"
	"net/netip"
	"runtime/debug"
	"strconv"

	"golang.org/x/time/rate"

	"parley/sip"
)

// parse reads a message that came from source; a request's topmost Via then says so. No
// message means that there is nothing to answer; a violation, that it must not be
// handed on.
func (l *Layer) parse(text string, source netip.AddrPort) (*sip.Message, *sip.Violation) {
	text, stamped := stampText(text, source)
	m, err := sip.Parse(text)
	if err != nil {
		l.malformed(source, err)
		return nil, nil
	}
	v := m.Validate()
	if v != nil {
		l.count.violations.Add(1)
		l.log.Debug("invalid message", "remote", source, "err", v)
	}
	switch {
	case !m.IsRequest() && v != nil:
		m = nil // a bad response is dropped
	case m.IsRequest() && !stamped:
		m, err = stamp(m, source)
	}
	if err != nil {
		l.malformed(source, err)
		return nil, nil
	}
	return m, v
}

func (l *Layer) malformed(source netip.AddrPort, err error) {
	l.count.malformed.Add(1)
	l.log.Debug("malformed message", "remote", source, "err", err)
}

// handle gives a valid message to the Handler.
func (l *Layer) handle(f sip.Flow, m *sip.Message) {
	l.count.received.Add(1)
	l.config.Handler(f, m)
}

// fault is deferred, with what recover gives, around the handling of one message: a fault in
// it costs that message, not the process.
func (l *Layer) fault(recovered any, remote netip.AddrPort) {
	if recovered != nil {
		l.count.panics.Add(1)
		l.log.Error("handling a message failed", "remote", remote, "panic", recovered, "stack", string(debug.Stack()))
	}
}

// refuse answers a request that breaks a rule, without state (rfc3261#8.2.7), as often as
// bound allows (nil: always).
func (l *Layer) refuse(f sip.Flow, m *sip.Message, v *sip.Violation, bound *rate.Limiter) {
	if !answerable(m) || bound != nil && !bound.Allow() {
		return
	}
	resp, err := m.Response(v.Status, v.Reason).ToTag(l.tag(m)).Message()
	if err == nil {
		err = f.Send(resp)
	}
	if err != nil {
		l.log.Debug("refusal not sent", "remote", f.Remote(), "err", err)
		return
	}
	l.count.answered.Add(1)
}

// answerable says whether m is a request with all that a response must repeat
// (rfc3261#8.2.6.2).
func answerable(m *sip.Message) bool {
	if !m.IsRequest() || m.Method() == sip.ACK {
		return false
	}
	for _, h := range [...]sip.Header{sip.HeaderFrom, sip.HeaderTo, sip.HeaderCallID, sip.HeaderCSeq} {
		if !m.Has(h) {
			return false
		}
	}
	_, ok := m.Via()
	return ok
}

// tag is a To tag that is the same for each retransmission of m (rfc3261#8.2.7).
func (l *Layer) tag(m *sip.Message) string {
	via, _ := m.Via()
	return strconv.FormatUint(maphash.String(l.seed, m.CallID()+"\n"+via.Branch), 36)
}
