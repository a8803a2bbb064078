package sip

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Builder is a list of edits on a message, or a message from nothing. It is for one
// goroutine; the first mistake is kept and told by Message.
type Builder struct {
	base   *Message // the message whose fields order names; nil if there is none
	method Method
	target string
	status int
	reason string
	body   string
	start  bool // the start line is not the base's

	// order is what the message will consist of, from its top: the number of a field of
	// base, or ^i for edits[i]. Fixed arrays, so that a Builder can live on the stack.
	order [maxFields]int16
	count int
	edits [inlineEdits]edit
	more  []edit
	made  int

	err error
}

// edit is a field that base does not have.
type edit struct {
	header Header
	name   string
	value  string
}

const (
	inlineEdits = 8
	maxEdits    = 4 * maxFields
)

// What a Builder refuses.
var (
	ErrLineBreak = errors.New("sip: CR or LF in a value")
	ErrBuild     = errors.New("sip: cannot build message")
)

// NewRequest starts a request; the mandatory header fields are the caller's.
func NewRequest(method Method, target string) *Builder {
	return &Builder{method: method, target: target, start: true}
}

// Response starts a response to the request m by rfc3261#8.2.6.2: Via, From, To, Call-ID
// and CSeq are copied, and Timestamp for a 100; an empty reason takes the standard phrase.
// A To tag, Record-Route and Contact are the caller's.
func (m *Message) Response(status int, reason string) *Builder {
	b := &Builder{base: m}
	b.respond(status, reason)
	return b
}

// Edit starts a changed copy of m.
func (m *Message) Edit() *Builder {
	b := &Builder{base: m}
	b.takeAll()
	return b
}

func (b *Builder) takeAll() {
	m := b.base
	b.method, b.target, b.status, b.reason = m.method, m.target, m.status, m.reason
	b.body = m.Body()
	for i := range m.count {
		b.order[i] = int16(i)
	}
	b.count = m.count
}

func (b *Builder) respond(status int, reason string) {
	b.SetStatus(status, reason)
	var seen [headerCount]bool
	for i := range b.base.count {
		h := b.base.field(i).header
		switch h {
		case HeaderVia:
		case HeaderFrom, HeaderTo, HeaderCallID, HeaderCSeq:
			if seen[h] {
				continue // a second one is the request's fault, not ours to repeat
			}
		case HeaderTimestamp:
			if status != 100 || seen[h] { // rfc3261#8.2.6.1
				continue
			}
		default:
			continue
		}
		seen[h] = true
		b.order[b.count] = int16(i)
		b.count++
	}
}

func (b *Builder) fail(err error, what string) *Builder {
	if b.err == nil {
		b.err = fmt.Errorf("%w: %.40q", err, what)
	}
	return b
}

// SetTarget changes the Request-URI. Like all edits it returns the builder, and like
// theirs a value with CR or LF in it makes Message fail.
func (b *Builder) SetTarget(uri string) *Builder {
	if b.method == "" {
		return b.fail(ErrBuild, "target of a response")
	}
	b.target, b.start = uri, true
	return b
}

// SetStatus changes a response's status line; an empty reason takes the standard phrase.
func (b *Builder) SetStatus(status int, reason string) *Builder {
	if b.method != "" {
		return b.fail(ErrBuild, "status of a request")
	}
	if status < 100 || status > 699 {
		return b.fail(ErrBuild, "status "+strconv.Itoa(status))
	}
	if reason == "" {
		reason = ReasonPhrase(status)
	}
	b.status, b.reason, b.start = status, reason, true
	return b
}

func (b *Builder) edit(i int16) *edit {
	if j := int(^i); j >= inlineEdits {
		return &b.more[j-inlineEdits]
	}
	return &b.edits[^i]
}

func (b *Builder) header(i int) Header {
	if f := b.order[i]; f >= 0 {
		return b.base.field(int(f)).header
	}
	return b.edit(b.order[i]).header
}

func (b *Builder) value(i int) string {
	if f := b.order[i]; f >= 0 {
		return b.base.value(b.base.field(int(f)))
	}
	return b.edit(b.order[i]).value
}

// is says whether the field at i is an h, or, if h is HeaderOther, has the name.
func (b *Builder) is(i int, h Header, name string) bool {
	if got := b.header(i); got != h || h != HeaderOther {
		return got == h
	}
	if f := b.order[i]; f >= 0 {
		return equalFold(b.base.name(b.base.field(int(f))), name)
	}
	return equalFold(b.edit(b.order[i]).name, name)
}

// find is where the first field of a kind stands at or after i, -1 if there is none.
func (b *Builder) find(i int, h Header, name string) int {
	for ; i < b.count; i++ {
		if b.is(i, h, name) {
			return i
		}
	}
	return -1
}

// put makes a new field the one at i of order.
func (b *Builder) put(i int, e edit) *Builder {
	if b.made < inlineEdits {
		b.edits[b.made] = e
	} else {
		b.more = append(b.more, e)
	}
	b.order[i] = ^int16(b.made)
	b.made++
	return b
}

// allow refuses a field that would not stay one field.
func (b *Builder) allow(name, value string) bool {
	switch {
	case !all(name, isToken):
		b.fail(ErrBuild, "header name "+name)
	case hasLineBreak(value):
		b.fail(ErrLineBreak, name)
	case b.made >= maxEdits:
		b.fail(ErrTooLong, name)
	}
	return b.err == nil
}

func (b *Builder) insert(i int, h Header, name, value string) *Builder {
	if !b.allow(name, value) {
		return b
	}
	if b.count == maxFields {
		return b.fail(ErrTooLong, name)
	}
	copy(b.order[i+1:b.count+1], b.order[i:b.count])
	b.count++
	return b.put(i, edit{h, name, value})
}

func (b *Builder) replace(i int, h Header, name, value string) *Builder {
	if !b.allow(name, value) {
		return b
	}
	if f := b.order[i]; f < 0 {
		*b.edit(f) = edit{h, name, value}
		return b
	}
	return b.put(i, edit{h, name, value})
}

func (b *Builder) drop(i int) {
	copy(b.order[i:b.count-1], b.order[i+1:b.count])
	b.count--
}

// dropFrom drops all of a kind at or after i.
func (b *Builder) dropFrom(i int, h Header, name string) *Builder {
	kept := i
	for ; i < b.count; i++ {
		if !b.is(i, h, name) {
			b.order[kept] = b.order[i]
			kept++
		}
	}
	b.count = kept
	return b
}

// Prepend puts a field before the first of its kind (or before all others).
func (b *Builder) Prepend(h Header, value string) *Builder {
	return b.insert(max(b.find(0, h, ""), 0), h, h.String(), value)
}

// Add puts a field after the last of its kind (or at the end).
func (b *Builder) Add(h Header, value string) *Builder {
	at := b.count
	for i := b.count - 1; i >= 0; i-- {
		if b.is(i, h, "") {
			at = i + 1
			break
		}
	}
	return b.insert(at, h, h.String(), value)
}

// Set replaces all fields of a kind by one.
func (b *Builder) Set(h Header, value string) *Builder { return b.set(h, h.String(), value) }

// SetName is Set by name, for headers without a constant.
func (b *Builder) SetName(name, value string) *Builder {
	return b.set(HeaderByName(name), name, value)
}

func (b *Builder) set(h Header, name, value string) *Builder {
	i := b.find(0, h, name)
	if i < 0 {
		return b.insert(b.count, h, name, value)
	}
	return b.dropFrom(i+1, h, name).replace(i, h, name, value)
}

// Remove drops all of its kind.
func (b *Builder) Remove(h Header) *Builder { return b.dropFrom(0, h, "") }

// RemoveName is Remove by name, for headers without a constant.
func (b *Builder) RemoveName(name string) *Builder {
	return b.dropFrom(0, HeaderByName(name), name)
}

// cutFirst splits a value into its first element and the rest of its list.
func cutFirst(h Header, value string) (rest string) {
	if !h.list() {
		return ""
	}
	for more := true; more; {
		var one string
		if one, value, more = cutTop(value, ','); trim(one) != "" {
			return trim(value)
		}
	}
	return ""
}

// SetFirst replaces the first value of h alone (the topmost Via with its received and
// rport); it knows comma lists. If there is none, the value becomes the first.
func (b *Builder) SetFirst(h Header, value string) *Builder {
	i := b.find(0, h, "")
	if i < 0 {
		return b.Prepend(h, value)
	}
	if rest := cutFirst(h, b.value(i)); rest != "" {
		value += ", " + rest
	}
	return b.replace(i, h, h.String(), value)
}

// Pop drops the first value of h; it knows comma lists.
func (b *Builder) Pop(h Header) *Builder {
	i := b.find(0, h, "")
	if i < 0 {
		return b
	}
	if rest := cutFirst(h, b.value(i)); rest != "" {
		return b.replace(i, h, h.String(), rest)
	}
	b.drop(i)
	return b
}

// ToTag sets the To header's tag if it has none.
func (b *Builder) ToTag(tag string) *Builder {
	i := b.find(0, HeaderTo, "")
	if i < 0 || tagOf(b.value(i)) != "" {
		return b
	}
	return b.replace(i, HeaderTo, HeaderTo.String(), b.value(i)+";tag="+tag)
}

// Copy adds every field of h of another message.
func (b *Builder) Copy(from *Message, h Header) *Builder {
	if h == HeaderOther || !from.Has(h) {
		return b
	}
	for i := int(from.first[h]) - 1; i < from.count; i++ {
		if f := from.field(i); f.header == h {
			b.Add(h, from.value(f))
		}
	}
	return b
}

// Body sets the body and its Content-Type; ("","") removes both. An encoding belonged to
// the old body and goes with it. Content-Length is always written by Message.
func (b *Builder) Body(contentType, body string) *Builder {
	b.body = body
	b.Remove(HeaderContentEncoding)
	if contentType != "" {
		return b.Set(HeaderContentType, contentType)
	}
	if body != "" {
		return b.fail(ErrBuild, "body without a type")
	}
	return b.Remove(HeaderContentType)
}

// Message writes the message out. It fails if the result can't be parsed.
func (b *Builder) Message() (*Message, error) {
	b.setLength()
	b.checkStart()
	if b.err != nil {
		return nil, b.err
	}
	return Parse(b.write())
}

// setLength makes Content-Length right.
func (b *Builder) setLength() {
	var room [20]byte
	length := strconv.AppendInt(room[:0], int64(len(b.body)), 10)
	i := b.find(0, HeaderContentLength, "")
	if i >= 0 && b.value(i) == string(length) && b.find(i+1, HeaderContentLength, "") < 0 {
		return
	}
	b.Set(HeaderContentLength, string(length))
}

func (b *Builder) checkStart() {
	if !b.start {
		return
	}
	if b.status != 0 {
		if hasLineBreak(b.reason) {
			b.fail(ErrLineBreak, "reason phrase")
		}
		return
	}
	if !all(string(b.method), isToken) || b.target == "" || strings.ContainsAny(b.target, " \t\r\n") {
		b.fail(ErrBuild, "request line "+string(b.method)+" "+b.target)
	}
}

func (b *Builder) write() string {
	var out strings.Builder
	out.Grow(b.size())
	b.writeStart(&out)
	for i := 0; i < b.count; {
		if b.order[i] >= 0 {
			i = b.writeRun(&out, i)
			continue
		}
		e := b.edit(b.order[i])
		out.WriteString(e.name)
		out.WriteString(": ")
		out.WriteString(e.value)
		out.WriteString("\r\n")
		i++
	}
	out.WriteString("\r\n")
	out.WriteString(b.body)
	return out.String()
}

// writeRun writes the fields from i on that follow each other in the base as they do here,
// and says where the run ends.
func (b *Builder) writeRun(out *strings.Builder, i int) int {
	first := int(b.order[i])
	last := first
	for i++; i < b.count && int(b.order[i]) == last+1; i++ {
		last++
	}
	end := b.base.headEnd
	if last+1 < b.base.count {
		end = int(b.base.field(last + 1).at)
	}
	out.WriteString(b.base.text[b.base.field(first).at:end])
	return i
}

func (b *Builder) writeStart(out *strings.Builder) {
	switch {
	case !b.start:
		text := b.base.text
		out.WriteString(text[:strings.IndexByte(text, '\n')+1])
	case b.status != 0:
		var room [4]byte
		out.WriteString("SIP/2.0 ")
		out.Write(strconv.AppendInt(room[:0], int64(b.status), 10))
		out.WriteByte(' ')
		out.WriteString(b.reason)
		out.WriteString("\r\n")
	default:
		out.WriteString(string(b.method))
		out.WriteByte(' ')
		out.WriteString(b.target)
		out.WriteString(" SIP/2.0\r\n")
	}
}

// size is not less than what write will write.
func (b *Builder) size() int {
	n := len(b.body) + len(b.method) + len(b.target) + len(b.reason) + 32
	if b.base != nil {
		n += b.base.headEnd
	}
	for i := range b.made {
		e := b.edit(^int16(i))
		n += len(e.name) + len(e.value) + 4
	}
	return n
}
