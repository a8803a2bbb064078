package sip

import (
	"fmt"
	"strings"
)

// Violation is a broken rule: the status and reason phrase a peer is told, and what is
// wrong in detail for the log.
type Violation struct {
	Status int
	Reason string
	Detail string
}

func (v *Violation) Error() string {
	return fmt.Sprintf("sip: %d %s: %s", v.Status, v.Reason, v.Detail)
}

// bad is a 400 with a reason phrase that names the fault (rfc3261#21.4.1).
func bad(reason, detail string) *Violation {
	return &Violation{Status: 400, Reason: reason, Detail: detail}
}

// once lists the header fields of which a second one makes a message ambiguous.
var once = [...]Header{
	HeaderFrom, HeaderTo, HeaderCallID, HeaderCSeq,
	HeaderMaxForwards, HeaderContentLength, HeaderContentType,
}

// Validate checks what RFC 3261 asks of a message (mandatory header fields once and
// well-formed, CSeq method, version, Content-Length, known URI syntax); nil is fine.
// A response with a violation is to be dropped, whatever the status.
func (m *Message) Validate() *Violation {
	for _, check := range [...]func(*Message) *Violation{
		(*Message).checkStart, (*Message).checkOnce, (*Message).checkVia, (*Message).checkCSeq,
		(*Message).checkCallID, (*Message).checkFromTo, (*Message).checkRouting,
		(*Message).checkLength, (*Message).checkTarget,
	} {
		if v := check(m); v != nil {
			return v
		}
	}
	return nil
}

func (m *Message) checkStart() *Violation {
	if m.startErr != "" {
		return bad("Bad Start Line", m.startErr)
	}
	if !equalFold(m.version, "SIP/2.0") {
		return &Violation{505, ReasonPhrase(505), fmt.Sprintf("version %.20q", m.version)}
	}
	return nil
}

func (m *Message) checkOnce() *Violation {
	var seen [headerCount]bool
	for i := range m.count {
		h := m.field(i).header
		if !seen[h] {
			seen[h] = true
			continue
		}
		for _, o := range once {
			if h == o {
				return bad("Multiple "+h.String(), "more than one "+h.String())
			}
		}
	}
	return nil
}

func (m *Message) checkVia() *Violation {
	if !m.Has(HeaderVia) {
		return bad("Missing Via", "no Via")
	}
	if m.viaErr != nil {
		return bad("Bad Via", m.viaErr.Error())
	}
	if m.viaVersion != "2.0" {
		return bad("Bad Via", "version "+m.viaVersion)
	}
	top := true
	for i := int(m.first[HeaderVia]) - 1; i < m.count; i++ {
		f := m.field(i)
		if f.header != HeaderVia {
			continue
		}
		// Empty elements count here: a Via is never optional (rfc3261#7.3.1).
		rest := m.value(f)
		for more := true; more; top = false {
			var one string
			if one, rest, more = cutTop(rest, ','); top {
				continue // that was the topmost, read by Parse
			}
			if _, err := ParseVia(trim(one)); err != nil {
				return bad("Bad Via", err.Error())
			}
		}
	}
	return nil
}

func (m *Message) checkCSeq() *Violation {
	switch {
	case !m.Has(HeaderCSeq):
		return bad("Missing CSeq", "no CSeq")
	case !m.cseqOK, m.cseq > 1<<31-1: // rfc3261#8.1.1.5
		return bad("Bad CSeq", fmt.Sprintf("CSeq %.80q", m.Get(HeaderCSeq)))
	case m.request && m.cseqMethod != m.method:
		return bad("CSeq Method Mismatch", fmt.Sprintf("CSeq method %.40q", string(m.cseqMethod)))
	}
	return nil
}

func (m *Message) checkCallID() *Violation {
	if !m.Has(HeaderCallID) {
		return bad("Missing Call-ID", "no Call-ID")
	}
	if m.callID == "" || strings.ContainsAny(m.callID, " \t,") {
		return bad("Bad Call-ID", fmt.Sprintf("Call-ID %.80q", m.callID))
	}
	return nil
}

func (m *Message) checkFromTo() *Violation {
	for _, h := range [...]Header{HeaderFrom, HeaderTo} {
		if !m.Has(h) {
			return bad("Missing "+h.String(), "no "+h.String())
		}
		if _, err := ParseAddress(m.Get(h)); err != nil {
			return bad("Bad "+h.String(), err.Error())
		}
	}
	return nil
}

// checkRouting judges what a proxy needs for its next step.
func (m *Message) checkRouting() *Violation {
	// It should be there, but elements of RFC 2543 don't send it (rfc3261#16.3).
	if m.Has(HeaderMaxForwards) {
		if n, ok := number(m.Get(HeaderMaxForwards), 255); !ok || n > 255 {
			return bad("Bad Max-Forwards", fmt.Sprintf("Max-Forwards %.40q", m.Get(HeaderMaxForwards)))
		}
	}
	for one := range m.Values(HeaderRoute) {
		if _, err := ParseAddress(one); err != nil {
			return bad("Bad Route", err.Error())
		}
	}
	return nil
}

func (m *Message) checkLength() *Violation {
	if !m.Has(HeaderContentLength) {
		return nil
	}
	if _, ok := number(m.Get(HeaderContentLength), maxMessage); !ok {
		return bad("Bad Content-Length", fmt.Sprintf("Content-Length %.40q", m.Get(HeaderContentLength)))
	}
	if m.short {
		return bad("Body Shorter Than Content-Length", "Content-Length "+m.Get(HeaderContentLength)) // rfc3261#18.3
	}
	return nil
}

func (m *Message) checkTarget() *Violation {
	if !m.request {
		return nil
	}
	u, err := ParseURI(m.target)
	if err != nil {
		return bad("Bad Request-URI", err.Error())
	}
	switch u.Scheme {
	case "sip", "sips":
		if u.Headers != "" { // rfc3261#19.1.1
			return bad("Bad Request-URI", "headers in the Request-URI")
		}
	case "tel":
	default:
		return &Violation{416, ReasonPhrase(416), fmt.Sprintf("scheme %.40q", u.Scheme)} // rfc3261#8.2.2.1
	}
	return nil
}
