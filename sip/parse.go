package sip

import (
	"errors"
	"fmt"
	"strings"
)

// What no message may exceed. Together with the limit on a datagram or frame they bound
// the work that one message can cause.
const (
	maxLine    = 8 << 10 // one header field, unfolded
	maxFields  = 200
	maxMessage = 1 << 30
)

// Why a text can't be taken apart.
var (
	ErrNotSIP  = errors.New("sip: no SIP start line")
	ErrSyntax  = errors.New("sip: malformed header field line")
	ErrTooLong = errors.New("sip: message, line or number of header fields over the limit")
	ErrCutOff  = errors.New("sip: header fields end without an empty line")
)

var errIrregular = errors.New("sip: lines need unfolding")

// Parse reads one whole message (start line, header fields, body). It fails only where
// the text can't be taken apart at all; Validate judges the rest. What lies behind the
// Content-Length is not part of the message (rfc3261#18.3).
func Parse(text string) (*Message, error) {
	for text != "" && (text[0] == '\r' || text[0] == '\n') {
		text = text[1:] // rfc3261#7.5
	}
	if len(text) > maxMessage {
		return nil, ErrTooLong
	}
	m := &Message{text: text}
	err := m.split()
	if err == errIrregular { //nolint:errorlint // never wrapped
		m = &Message{text: unfold(text)}
		err = m.split()
	}
	if err != nil {
		return nil, err
	}
	m.readBody()
	m.readVia()
	m.readCSeq()
	m.callID = m.Get(HeaderCallID)
	m.fromTag = tagOf(m.Get(HeaderFrom))
	m.toTag = tagOf(m.Get(HeaderTo))
	return m, nil
}

// split finds the start line and the header fields.
func (m *Message) split() error {
	line, next, err := m.line(0)
	if err != nil {
		return err
	}
	if err := m.readStart(line); err != nil {
		return err
	}
	for {
		at := next
		if line, next, err = m.line(at); err != nil {
			return err
		}
		if line == "" {
			m.headEnd, m.bodyAt = at, next
			return nil
		}
		if err := m.addField(at, line); err != nil {
			return err
		}
	}
}

// line is the line that begins at a place, without its CRLF, and where the next begins.
func (m *Message) line(at int) (line string, next int, err error) {
	n := strings.IndexByte(m.text[at:], '\n')
	if n < 0 {
		if len(m.text)-at > maxLine {
			return "", 0, ErrTooLong
		}
		return "", 0, ErrCutOff
	}
	line = m.text[at : at+n]
	cr := strings.IndexByte(line, '\r')
	switch {
	case cr < 0, line != "" && isSpace(line[0]):
		return "", 0, errIrregular
	case cr != len(line)-1:
		return "", 0, fmt.Errorf("%w: CR inside a line", ErrSyntax)
	case len(line) > maxLine:
		return "", 0, ErrTooLong
	}
	return line[:len(line)-1], at + n + 1, nil
}

func (m *Message) addField(at int, line string) error {
	n := 0
	for n < len(line) && class[line[n]]&isToken != 0 {
		n++
	}
	colon := n
	for colon < len(line) && isSpace(line[colon]) {
		colon++ // rfc3261#7.3.1
	}
	if n == 0 || colon == len(line) || line[colon] != ':' {
		return fmt.Errorf("%w: %.80q", ErrSyntax, line)
	}
	if m.count >= maxFields {
		return ErrTooLong
	}
	value := trimLeft(line[colon+1:])
	f := field{
		at:       uint32(at),
		valueAt:  uint16(len(line) - len(value)),
		valueLen: uint16(len(trimRight(value))),
		nameLen:  uint16(n),
		header:   HeaderByName(line[:n]),
	}
	if m.count < inlineFields {
		m.table[m.count] = f
	} else {
		m.more = append(m.more, f)
	}
	m.count++
	if m.first[f.header] == 0 {
		m.first[f.header] = uint8(m.count)
	}
	return nil
}

// unfold rewrites the lines before the body: continued lines in one piece
// (rfc3261#7.3.1), each ended by CRLF.
func unfold(text string) string {
	var out strings.Builder
	out.Grow(len(text) + 64)
	for text != "" {
		n := strings.IndexByte(text, '\n')
		if n < 0 {
			break
		}
		line := strings.TrimSuffix(text[:n], "\r")
		text = text[n+1:]
		out.WriteString(line)
		for line != "" && text != "" && isSpace(text[0]) {
			n := strings.IndexByte(text, '\n')
			if n < 0 {
				break
			}
			more := trim(strings.TrimSuffix(text[:n], "\r"))
			text = text[n+1:]
			out.WriteByte(' ')
			out.WriteString(more)
		}
		out.WriteString("\r\n")
		if line == "" {
			break
		}
	}
	out.WriteString(text)
	return out.String()
}

// readStart reads the start line. What is not right in it is kept for Validate.
func (m *Message) readStart(line string) error {
	if len(line) >= 4 && equalFold(line[:4], "SIP/") {
		m.readStatusLine(line)
		return nil
	}
	m.request = true
	trimmed := trimRight(line)
	first := strings.IndexByte(trimmed, ' ')
	last := strings.LastIndexByte(trimmed, ' ')
	if first < 1 || first == last || !all(trimmed[:first], isToken) {
		return fmt.Errorf("%w: %.80q", ErrNotSIP, line)
	}
	m.method = Method(trimmed[:first])
	m.target = trimmed[first+1 : last]
	m.version = trimmed[last+1:]
	if len(m.version) < 4 || !equalFold(m.version[:4], "SIP/") {
		return fmt.Errorf("%w: %.80q", ErrNotSIP, line)
	}
	if len(trimmed) != len(line) || m.target == "" || strings.ContainsAny(m.target, " \t") {
		m.startErr = "white space in the request line" // rfc3261#7.1
		m.target = trim(m.target)
	}
	return nil
}

func (m *Message) readStatusLine(line string) {
	var code string
	m.version, code, _ = strings.Cut(line, " ")
	code, m.reason, _ = strings.Cut(code, " ")
	n, ok := number(code, 699)
	if !ok || n < 100 || len(code) != 3 {
		m.startErr = "bad status code"
		return
	}
	m.status = int(n)
}

// readBody cuts off what lies behind Content-Length.
func (m *Message) readBody() {
	n, ok := number(m.Get(HeaderContentLength), maxMessage)
	if !ok {
		return
	}
	have := uint64(len(m.text) - m.bodyAt)
	if n > have {
		m.short = true
		return
	}
	m.text = m.text[:m.bodyAt+int(n)]
}

var errNoVia = errors.New("sip: no Via")

func (m *Message) readVia() {
	if !m.Has(HeaderVia) {
		m.viaErr = errNoVia
		return
	}
	top, _, _ := cutTop(m.Get(HeaderVia), ',')
	m.via, m.viaVersion, m.viaErr = parseVia(trim(top))
}

func (m *Message) readCSeq() {
	s := m.Get(HeaderCSeq)
	end := 0
	for end < len(s) && !isSpace(s[end]) {
		end++
	}
	n, ok := number(s[:end], 1<<32-1)
	method := trimLeft(s[end:])
	if !ok || !all(method, isToken) {
		return
	}
	m.cseq, m.cseqMethod, m.cseqOK = uint32(n), Method(method), true
}
