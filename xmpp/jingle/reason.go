package jingle

import "parley/xmpp"

// Condition is why a session or a content ends (xep0166#7.4).
type Condition string

// The conditions.
const (
	AlternativeSession      Condition = "alternative-session"
	Busy                    Condition = "busy"
	Cancel                  Condition = "cancel"
	ConnectivityError       Condition = "connectivity-error"
	Decline                 Condition = "decline"
	Expired                 Condition = "expired"
	FailedApplication       Condition = "failed-application"
	FailedTransport         Condition = "failed-transport"
	GeneralError            Condition = "general-error"
	Gone                    Condition = "gone"
	IncompatibleParameters  Condition = "incompatible-parameters"
	MediaError              Condition = "media-error"
	SecurityError           Condition = "security-error"
	Success                 Condition = "success"
	Timeout                 Condition = "timeout"
	UnsupportedApplications Condition = "unsupported-applications"
	UnsupportedTransports   Condition = "unsupported-transports"
)

// Conditions are all of them.
func Conditions() []Condition {
	return []Condition{
		AlternativeSession, Busy, Cancel, ConnectivityError, Decline, Expired, FailedApplication, FailedTransport,
		GeneralError, Gone, IncompatibleParameters, MediaError, SecurityError, Success, Timeout,
		UnsupportedApplications, UnsupportedTransports,
	}
}

func (c Condition) known() bool {
	for _, k := range Conditions() {
		if c == k {
			return true
		}
	}
	return false
}

// Reason is a condition with what is said about it.
type Reason struct {
	Condition   Condition
	Text        string
	Alternative string // with AlternativeSession: the other session's sid
	RTP         string // a condition of NSRTPErrors, such as crypto-required; "" if there is none
}

// parseReason reads a reason. One with a condition that is not known is a general error: what ends has ended.
func parseReason(e *xmpp.Element) (*Reason, error) {
	r := &Reason{}
	for _, c := range e.Children {
		switch {
		case c.Space == NS && c.Local == "text":
			r.Text = c.Text
		case c.Space == NS && Condition(c.Local).known():
			r.Condition = Condition(c.Local)
			r.Alternative = c.ChildText("", "sid")
		case c.Space == NSRTPErrors:
			r.RTP = c.Local
		}
	}
	if r.Condition == "" {
		r.Condition = GeneralError
	}
	if len(r.Text) > MaxText || len(r.Alternative) > MaxText {
		return nil, malformed("the reason is too long")
	}
	return r, nil
}

// append writes the reason; foreign says that it stands in an element of another namespace.
func (r *Reason) append(b *xmpp.Builder, foreign bool) {
	space := ""
	if foreign {
		space = NS
	}
	b.Open("reason", space).Open(string(r.Condition), "")
	if r.Alternative != "" {
		b.Element("sid", "", r.Alternative)
	}
	b.Close()
	if r.Text != "" {
		b.Element("text", "", r.Text)
	}
	if r.RTP != "" {
		b.Open(r.RTP, NSRTPErrors).Close()
	}
	b.Close()
}
