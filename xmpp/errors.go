package xmpp

// StreamError ends a stream (rfc6120#4.9).
type StreamError struct {
	Condition StreamCondition
	Text      string // for the peer
	Host      string // with SeeOtherHost: where to go
	Extra     string // an application's own condition, as XML (rfc6120#4.9.4)
}

func (e *StreamError) Error() string {
	if e.Text == "" {
		return "xmpp: stream error " + string(e.Condition)
	}
	return "xmpp: stream error " + string(e.Condition) + ": " + e.Text
}

// XML is the error as it is sent; stream is the prefix of the stream's namespace, as "stream:", or "" if
// the element declares it itself.
func (e *StreamError) XML(prefix string) string {
	b := NewBuilder(nil)
	if prefix == "" {
		b.Open("error", NSStream)
	} else {
		b.Open(prefix+"error", "")
	}
	b.Open(string(e.Condition), NSStreams)
	if e.Host != "" {
		b.Text(e.Host)
	}
	b.Close()
	if e.Text != "" {
		b.Open("text", NSStreams).Attr("xml:lang", "en").Text(e.Text).Close()
	}
	return b.Raw(e.Extra).Close().String()
}

// StreamCondition is why a stream ended.
type StreamCondition string

// The conditions of rfc6120#4.9.3.
const (
	BadFormat              StreamCondition = "bad-format"
	BadNamespacePrefix     StreamCondition = "bad-namespace-prefix"
	StreamConflict         StreamCondition = "conflict"
	ConnectionTimeout      StreamCondition = "connection-timeout"
	HostGone               StreamCondition = "host-gone"
	HostUnknown            StreamCondition = "host-unknown"
	ImproperAddressing     StreamCondition = "improper-addressing"
	StreamInternal         StreamCondition = "internal-server-error"
	InvalidFrom            StreamCondition = "invalid-from"
	InvalidNamespace       StreamCondition = "invalid-namespace"
	InvalidXML             StreamCondition = "invalid-xml"
	StreamNotAuthorized    StreamCondition = "not-authorized"
	NotWellFormed          StreamCondition = "not-well-formed"
	PolicyViolation        StreamCondition = "policy-violation"
	RemoteConnectionFailed StreamCondition = "remote-connection-failed"
	Reset                  StreamCondition = "reset"
	StreamResource         StreamCondition = "resource-constraint"
	RestrictedXML          StreamCondition = "restricted-xml"
	SeeOtherHost           StreamCondition = "see-other-host"
	SystemShutdown         StreamCondition = "system-shutdown"
	StreamUndefined        StreamCondition = "undefined-condition"
	UnsupportedEncoding    StreamCondition = "unsupported-encoding"
	UnsupportedFeature     StreamCondition = "unsupported-feature"
	UnsupportedStanzaType  StreamCondition = "unsupported-stanza-type"
	UnsupportedVersion     StreamCondition = "unsupported-version"
)

func notWellFormed(text string) error { return &StreamError{Condition: NotWellFormed, Text: text} }

func restricted(what string) error {
	return &StreamError{Condition: RestrictedXML, Text: what + " is not allowed in XMPP"} // rfc6120#11.1
}

// StanzaError is the answer to a stanza that could not be handled (rfc6120#8.3).
type StanzaError struct {
	Type      ErrorType // "" takes the one that usually goes with the condition
	Condition StanzaCondition
	Text      string // for the peer
	Extra     string // an application's own condition, as XML
}

func (e *StanzaError) Error() string {
	if e.Text == "" {
		return "xmpp: stanza error " + string(e.Condition)
	}
	return "xmpp: stanza error " + string(e.Condition) + ": " + e.Text
}

// XML is the error element.
func (e *StanzaError) XML() string {
	kind := e.Type
	if kind == "" {
		kind = e.Condition.usual()
	}
	b := NewBuilder(nil)
	b.Open("error", "").Attr("type", string(kind))
	b.Open(string(e.Condition), NSStanzas).Close()
	if e.Text != "" {
		b.Open("text", NSStanzas).Attr("xml:lang", "en").Text(e.Text).Close()
	}
	return b.Raw(e.Extra).Close().String()
}

// ErrorType says what the sender may do about an error (rfc6120#8.3.2).
type ErrorType string

// The types of stanza errors.
const (
	Auth     ErrorType = "auth"
	Cancel   ErrorType = "cancel"
	Continue ErrorType = "continue"
	Modify   ErrorType = "modify"
	Wait     ErrorType = "wait"
)

// StanzaCondition is why a stanza could not be handled.
type StanzaCondition string

// The conditions of rfc6120#8.3.3.
const (
	BadRequest            StanzaCondition = "bad-request"
	Conflict              StanzaCondition = "conflict"
	FeatureNotImplemented StanzaCondition = "feature-not-implemented"
	Forbidden             StanzaCondition = "forbidden"
	Gone                  StanzaCondition = "gone"
	InternalServerError   StanzaCondition = "internal-server-error"
	ItemNotFound          StanzaCondition = "item-not-found"
	JIDMalformed          StanzaCondition = "jid-malformed"
	NotAcceptable         StanzaCondition = "not-acceptable"
	NotAllowed            StanzaCondition = "not-allowed"
	NotAuthorized         StanzaCondition = "not-authorized"
	RecipientUnavailable  StanzaCondition = "recipient-unavailable"
	Redirect              StanzaCondition = "redirect"
	RegistrationRequired  StanzaCondition = "registration-required"
	RemoteServerNotFound  StanzaCondition = "remote-server-not-found"
	RemoteServerTimeout   StanzaCondition = "remote-server-timeout"
	ResourceConstraint    StanzaCondition = "resource-constraint"
	ServiceUnavailable    StanzaCondition = "service-unavailable"
	SubscriptionRequired  StanzaCondition = "subscription-required"
	UndefinedCondition    StanzaCondition = "undefined-condition"
	UnexpectedRequest     StanzaCondition = "unexpected-request"
)

func (c StanzaCondition) usual() ErrorType {
	switch c {
	case BadRequest, JIDMalformed, NotAcceptable, Redirect:
		return Modify
	case Forbidden, NotAuthorized, RegistrationRequired, SubscriptionRequired:
		return Auth
	case RecipientUnavailable, RemoteServerTimeout, ResourceConstraint, UnexpectedRequest:
		return Wait
	}
	return Cancel
}
