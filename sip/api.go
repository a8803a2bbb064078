package sip

// This file fixes the names; it is split into the real files as they are written.

import "iter"

// Method is a request method; methods are compared case-sensitively (rfc3261#7.1).
type Method string

const (
	INVITE    Method = "INVITE"
	ACK       Method = "ACK"
	CANCEL    Method = "CANCEL"
	BYE       Method = "BYE"
	REGISTER  Method = "REGISTER"
	OPTIONS   Method = "OPTIONS"
	INFO      Method = "INFO"
	UPDATE    Method = "UPDATE"
	PRACK     Method = "PRACK"
	MESSAGE   Method = "MESSAGE"
	SUBSCRIBE Method = "SUBSCRIBE"
	NOTIFY    Method = "NOTIFY"
	PUBLISH   Method = "PUBLISH"
	REFER     Method = "REFER"
)

// Header names a header field. The zero value stands for one that this package has
// no constant for; it is then found by its name.
type Header uint8

const (
	HeaderOther Header = iota
	HeaderVia
	HeaderFrom
	HeaderTo
	HeaderCallID
	HeaderCSeq
	HeaderContact
	HeaderMaxForwards
	HeaderRoute
	HeaderRecordRoute
	HeaderContentType
	HeaderContentLength
	HeaderExpires
	HeaderMinExpires
	HeaderAuthorization
	HeaderWWWAuthenticate
	HeaderProxyAuthorization
	HeaderProxyAuthenticate
	HeaderAuthenticationInfo
	HeaderRequire
	HeaderProxyRequire
	HeaderSupported
	HeaderUnsupported
	HeaderAllow
	HeaderAccept
	HeaderUserAgent
	HeaderServer
	HeaderPath
	HeaderServiceRoute
	HeaderReason
	HeaderRAck
	HeaderRSeq
	HeaderMaxBreadth
	HeaderRetryAfter
	HeaderWarning
	HeaderDate
	HeaderTimestamp
	HeaderEvent
	HeaderSubscriptionState
	HeaderReferTo
	HeaderReplaces
	HeaderPAssertedIdentity
	HeaderPPreferredIdentity
	HeaderPrivacy
	HeaderSessionExpires
	HeaderMinSE
	HeaderSubject
	HeaderContentEncoding
	HeaderContentDisposition
)

// String is the header's full name as it is written: "Call-ID".
func (h Header) String() string { panic("x") }

// Message is one request or response. It never changes once made.
type Message struct{ text string }

// Parse reads one whole message (start line, header fields, body). It fails only where
// the text can't be taken apart at all; Validate judges the rest.
func Parse(text string) (*Message, error) { panic("x") }

// Text is the message as it is on the wire.
func (m *Message) Text() string { return m.text }

func (m *Message) IsRequest() bool { panic("x") }

// Method is the request's method; of a response, that of its CSeq.
func (m *Message) Method() Method { panic("x") }

// Target is the Request-URI as written.
func (m *Message) Target() string { panic("x") }

// Status and Reason are a response's; 0 and "" for a request.
func (m *Message) Status() int    { panic("x") }
func (m *Message) Reason() string { panic("x") }

// Get is the first value line of h (not split at commas), "" if there is none.
func (m *Message) Get(h Header) string { panic("x") }

// GetName finds a header by its name, case-insensitively, compact forms included.
func (m *Message) GetName(name string) string { panic("x") }

// Has says whether a header field is there, even an empty one.
func (m *Message) Has(h Header) bool { panic("x") }

// Values are all values of h in order, lists split at their commas.
func (m *Message) Values(h Header) iter.Seq[string] { panic("x") }

// Fields are all header fields in order, as (name as written, value).
func (m *Message) Fields() iter.Seq2[string, string] { panic("x") }

func (m *Message) Body() string { panic("x") }

// Read at once by Parse.
func (m *Message) CallID() string         { panic("x") }
func (m *Message) CSeq() (uint32, Method) { panic("x") }
func (m *Message) FromTag() string        { panic("x") }
func (m *Message) ToTag() string          { panic("x") }

// Via is the topmost Via; ok is false if there is none that can be read.
func (m *Message) Via() (v Via, ok bool) { panic("x") }

// Read when asked.
func (m *Message) From() (Address, error) { panic("x") }
func (m *Message) To() (Address, error)   { panic("x") }

// Contacts are all Contact addresses; star says that it is "*".
func (m *Message) Contacts() (list []Address, star bool, err error) { panic("x") }

// Number reads a header that is one number with optional parameters (Max-Forwards,
// Expires, Min-Expires, RSeq, Max-Breadth, Session-Expires, Min-SE).
func (m *Message) Number(h Header) (n uint32, ok bool) { panic("x") }

// HasToken says whether a comma list (Require, Supported, Allow ...) holds a token,
// case-insensitively.
func (m *Message) HasToken(h Header, token string) bool { panic("x") }

// Violation is a broken rule: the status and reason phrase a peer is told, and what is
// wrong in detail for the log.
type Violation struct {
	Status int
	Reason string
	Detail string
}

func (v *Violation) Error() string { panic("x") }

// Validate checks what RFC 3261 asks of a message (mandatory header fields once and
// well-formed, CSeq method, version, Content-Length, known URI syntax); nil is fine.
func (m *Message) Validate() *Violation { panic("x") }

// Params is a list of parameters as written: ";transport=tcp;lr".
type Params string

// Get finds a parameter by its case-insensitive name; quoted values are unquoted.
func (p Params) Get(name string) (value string, ok bool) { panic("x") }
func (p Params) Has(name string) bool                    { panic("x") }

// All walks the parameters.
func (p Params) All() iter.Seq2[string, string] { panic("x") }

// With gives the list with name set to value (";name" if value is ""); Without drops it.
func (p Params) With(name, value string) Params { panic("x") }
func (p Params) Without(name string) Params     { panic("x") }

// URI is a sip, sips or tel URI; another scheme keeps its rest in Opaque.
type URI struct {
	Scheme   string // lower case
	User     string // still escaped as written; for tel: the number
	Password string
	Host     string // IPv6 without brackets
	Port     int    // 0 if not given
	Params   Params
	Headers  string // after "?"
	Opaque   string
}

func ParseURI(s string) (URI, error) { panic("x") }
func (u URI) String() string         { panic("x") }
func (u URI) Equal(other URI) bool   { panic("x") } // rfc3261#19.1.4
func (u URI) UnescapedUser() string  { panic("x") }
func (u URI) HostPort() string       { panic("x") } // "[::1]:5060"; no port if 0

// Address is a name-addr or addr-spec with its parameters: From, To, Contact, Route.
type Address struct {
	Display string // unquoted
	URI     URI
	Params  Params
}

func ParseAddress(s string) (Address, error) { panic("x") }
func (a Address) String() string             { panic("x") }

// Via is one Via value.
type Via struct {
	Network string // "UDP", upper case
	Host    string
	Port    int // 0 if not given
	Params  Params
	Branch  string
}

func ParseVia(s string) (Via, error) { panic("x") }
func (v Via) String() string         { panic("x") }

// Builder is a list of edits on a message, or a message from nothing.
type Builder struct{ err error }

// NewRequest starts a request; the mandatory header fields are the caller's.
func NewRequest(method Method, target string) *Builder { panic("x") }

// Response starts a response to the request m by rfc3261#8.2.6.2: Via, From, To, Call-ID
// and CSeq are copied, and Timestamp for a 100; an empty reason takes the standard phrase.
// A To tag, Record-Route and Contact are the caller's.
func (m *Message) Response(status int, reason string) *Builder { panic("x") }

// Edit starts a changed copy of m.
func (m *Message) Edit() *Builder { panic("x") }

// All edits return the builder. Values with CR or LF in them make Message fail.
func (b *Builder) SetTarget(uri string) *Builder                { panic("x") }
func (b *Builder) SetStatus(status int, reason string) *Builder { panic("x") }

// Prepend puts a field before the first of its kind (or before all others), Add after
// the last of its kind (or at the end), Set replaces all of its kind by one, Remove
// drops all of its kind.
func (b *Builder) Prepend(h Header, value string) *Builder { panic("x") }
func (b *Builder) Add(h Header, value string) *Builder     { panic("x") }
func (b *Builder) Set(h Header, value string) *Builder     { panic("x") }
func (b *Builder) Remove(h Header) *Builder                { panic("x") }

// The same by name, for headers without a constant.
func (b *Builder) SetName(name, value string) *Builder { panic("x") }
func (b *Builder) RemoveName(name string) *Builder     { panic("x") }

// SetFirst replaces the first value of h alone (the topmost Via with its received and
// rport), Pop drops it; both know comma lists.
func (b *Builder) SetFirst(h Header, value string) *Builder { panic("x") }
func (b *Builder) Pop(h Header) *Builder                    { panic("x") }

// ToTag sets the To header's tag if it has none.
func (b *Builder) ToTag(tag string) *Builder { panic("x") }

// Copy adds every field of h of another message.
func (b *Builder) Copy(from *Message, h Header) *Builder { panic("x") }

// Body sets the body and its Content-Type; ("","") removes both. Content-Length is
// always written by Message.
func (b *Builder) Body(contentType, body string) *Builder { panic("x") }

// Message writes the message out. It fails if the result can't be parsed.
func (b *Builder) Message() (*Message, error) { panic("x") }

// FrameLength finds the first message's length at the start of a stream's bytes by its
// Content-Length (rfc3261#18.3). It is 0 when more bytes are needed and an error when the
// stream can't be framed (no or bad Content-Length, longer than max). Leading CRLFs are
// the caller's to take away first.
func FrameLength(b []byte, max int) (int, error) { panic("x") }
