package sip

import (
	"errors"
	"iter"
)

// Message is one request or response. It never changes once made.
type Message struct {
	text   string // the whole message; lines unfolded, each ended by CRLF
	method Method // of a request
	target string
	status int
	reason string

	// Read at once, because every element needs them.
	via        Via
	viaVersion string
	viaErr     error
	callID     string
	cseq       uint32
	cseqMethod Method
	fromTag    string
	toTag      string

	request  bool
	startErr string // what is wrong with the start line
	version  string
	cseqOK   bool
	short    bool // the body is shorter than Content-Length says

	headEnd int // where the empty line begins
	bodyAt  int

	// first is the number of the first field of each kind, counted from 1; 0 means none.
	first [headerCount]uint8
	count int
	table [inlineFields]field
	more  []field // those that table has no room for
}

// field is where one header field lies in a message's text.
type field struct {
	at       uint32 // where its name, and so its line, begins
	valueAt  uint16 // from at
	valueLen uint16
	nameLen  uint16
	header   Header
}

// inlineFields is how many fields a Message has room for without a second allocation.
const inlineFields = 32

func (m *Message) field(i int) *field {
	if i < inlineFields {
		return &m.table[i]
	}
	return &m.more[i-inlineFields]
}

func (m *Message) name(f *field) string { return m.text[f.at:][:f.nameLen] }

func (m *Message) value(f *field) string {
	return m.text[f.at+uint32(f.valueAt):][:f.valueLen]
}

// Text is the message as it is on the wire. Where a peer folded lines or ended them by a
// bare LF, Text has them in one piece and ended by CRLF.
func (m *Message) Text() string { return m.text }

// IsRequest tells a request from a response.
func (m *Message) IsRequest() bool { return m.request }

// Method is the request's method; of a response, that of its CSeq.
func (m *Message) Method() Method {
	if m.request {
		return m.method
	}
	return m.cseqMethod
}

// Target is the Request-URI as written.
func (m *Message) Target() string { return m.target }

// Status is a response's status code; 0 for a request.
func (m *Message) Status() int { return m.status }

// Reason is a response's reason phrase.
func (m *Message) Reason() string { return m.reason }

// Get is the first value line of h (not split at commas), "" if there is none.
func (m *Message) Get(h Header) string {
	if h == HeaderOther || !m.Has(h) {
		return ""
	}
	return m.value(m.field(int(m.first[h]) - 1))
}

// GetName finds a header by its name, case-insensitively, compact forms included.
func (m *Message) GetName(name string) string {
	if h := HeaderByName(name); h != HeaderOther {
		return m.Get(h)
	}
	if !m.Has(HeaderOther) {
		return ""
	}
	for i := int(m.first[HeaderOther]) - 1; i < m.count; i++ {
		if f := m.field(i); f.header == HeaderOther && equalFold(m.name(f), name) {
			return m.value(f)
		}
	}
	return ""
}

// Has says whether a header field is there, even an empty one.
func (m *Message) Has(h Header) bool { return h < headerCount && m.first[h] != 0 }

// Values are all values of h in order, lists split at their commas. Empty elements of a
// list are left out.
func (m *Message) Values(h Header) iter.Seq[string] {
	return func(yield func(string) bool) {
		if h == HeaderOther || !m.Has(h) {
			return
		}
		for i := int(m.first[h]) - 1; i < m.count; i++ {
			f := m.field(i)
			if f.header != h {
				continue
			}
			rest := m.value(f)
			if !h.list() {
				if !yield(rest) {
					return
				}
				continue
			}
			for more := true; more; {
				var one string
				one, rest, more = cutTop(rest, ',')
				if one = trim(one); one != "" && !yield(one) {
					return
				}
			}
		}
	}
}

// Fields are all header fields in order, as (name as written, value).
func (m *Message) Fields() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range m.count {
			if f := m.field(i); !yield(m.name(f), m.value(f)) {
				return
			}
		}
	}
}

// Body is what follows the header fields.
func (m *Message) Body() string { return m.text[m.bodyAt:] }

// CallID is the Call-ID; like the next four it is read at once by Parse.
func (m *Message) CallID() string { return m.callID }

// CSeq is the sequence number and method of the CSeq; 0 and "" if it can't be read.
func (m *Message) CSeq() (uint32, Method) { return m.cseq, m.cseqMethod }

// FromTag is the tag of the From header field.
func (m *Message) FromTag() string { return m.fromTag }

// ToTag is the tag of the To header field.
func (m *Message) ToTag() string { return m.toTag }

// Via is the topmost Via; ok is false if there is none that can be read.
func (m *Message) Via() (v Via, ok bool) { return m.via, m.viaErr == nil }

// From reads the From header field.
func (m *Message) From() (Address, error) { return ParseAddress(m.Get(HeaderFrom)) }

// To reads the To header field.
func (m *Message) To() (Address, error) { return ParseAddress(m.Get(HeaderTo)) }

var errStar = errors.New(`sip: Contact "*" beside another`)

// Contacts are all Contact addresses; star says that it is "*".
func (m *Message) Contacts() (list []Address, star bool, err error) {
	for one := range m.Values(HeaderContact) {
		if star || one == "*" && len(list) > 0 {
			return nil, false, errStar
		}
		if one == "*" {
			star = true
			continue
		}
		a, err := ParseAddress(one)
		if err != nil {
			return nil, false, err
		}
		list = append(list, a)
	}
	return list, star, nil
}

// Number reads a header that is one number with optional parameters (Max-Forwards,
// Expires, Min-Expires, RSeq, Max-Breadth, Session-Expires, Min-SE).
func (m *Message) Number(h Header) (n uint32, ok bool) {
	s := m.Get(h)
	end := 0
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	if rest := trimLeft(s[end:]); rest != "" && rest[0] != ';' && rest[0] != '(' {
		return 0, false // a comment may follow in Retry-After (rfc3261#20.33)
	}
	v, ok := number(s[:end], 1<<32-1)
	return uint32(v), ok
}

// HasToken says whether a comma list (Require, Supported, Allow ...) holds a token,
// case-insensitively.
func (m *Message) HasToken(h Header, token string) bool {
	for one := range m.Values(h) {
		if equalFold(one, token) {
			return true
		}
	}
	return false
}
