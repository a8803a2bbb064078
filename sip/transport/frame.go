package transport

import (
	"bytes"

	"parley/sip"
)

// What framer.next found.
type token int

const (
	tokenNone    token = iota // more bytes are needed
	tokenPing                 // a keep-alive: double CRLF
	tokenMessage              // one whole message
)

const firstBuffer = 4 << 10

var doubleCRLF = []byte("\r\n\r\n")

// framer cuts the bytes of a stream into messages. The work it does for one message is
// proportional to its length, however few bytes come at a time.
type framer struct {
	max  int
	buf  []byte
	r, w int // what is not yet taken lies in buf[r:w]

	looked int // bytes after r in which the end of the head was not found
	need   int // bytes after r that make the message whole, once its head is there
}

// space is where the next bytes are to be read into; it is never empty as long as next has
// said tokenNone.
func (f *framer) space() []byte {
	if f.r == f.w {
		f.r, f.w = 0, 0
		if len(f.buf) > firstBuffer {
			f.buf = nil // a connection at rest holds little
		}
	}
	if f.buf == nil {
		f.buf = make([]byte, min(firstBuffer, f.max))
	}
	if f.w == len(f.buf) && f.r == 0 {
		f.buf = append(make([]byte, 0, min(2*len(f.buf), f.max)), f.buf...)
		f.buf = f.buf[:cap(f.buf)]
	}
	if f.r > 0 && len(f.buf)-f.w < len(f.buf)/4 {
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
	}
	return f.buf[f.w:]
}

// wrote says that n bytes were read into space.
func (f *framer) wrote(n int) { f.w += n }

// partial says that part of a message is there (the beginning of a keep-alive is none).
func (f *framer) partial() bool { return !bytes.HasPrefix(doubleCRLF, f.buf[f.r:f.w]) }

// head is what there is of the message that can't be framed: its head, or all of it.
func (f *framer) head() []byte { return f.buf[f.r : f.r+f.looked] }

// next takes one message or keep-alive. After an error the stream is of no more use.
func (f *framer) next() (token, string, error) {
	if f.skipCRLF() {
		return tokenPing, "", nil
	}
	b := f.buf[f.r:f.w]
	if len(b) == 0 || !f.partial() || f.need > len(b) {
		return tokenNone, "", nil
	}
	if f.need == 0 && !f.findHead(b) {
		if len(b) >= f.max {
			return tokenNone, "", sip.ErrTooLong
		}
		return tokenNone, "", nil
	}
	n, err := sip.FrameLength(b, f.max)
	if err != nil {
		return tokenNone, "", err
	}
	if n == 0 {
		return tokenNone, "", f.measure(b[:f.looked])
	}
	text := string(b[:n])
	f.r += n
	f.looked, f.need = 0, 0
	return tokenMessage, text, nil
}

// skipCRLF takes line ends away before a message (rfc3261#7.5) and says whether they
// were a keep-alive (rfc5626#3.5.1).
func (f *framer) skipCRLF() (ping bool) {
	for f.looked == 0 && f.r < f.w {
		b := f.buf[f.r:f.w]
		switch {
		case bytes.HasPrefix(b, doubleCRLF):
			f.r += len(doubleCRLF)
			return true
		case b[0] != '\r' && b[0] != '\n', bytes.HasPrefix(doubleCRLF, b):
			return false
		}
		f.r++
	}
	return false
}

// findHead looks for the empty line that ends the head, in the bytes not looked at before.
// Afterwards looked is the head's length if it was found.
func (f *framer) findHead(b []byte) bool {
	from := max(f.looked-2, 0)
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			f.looked = len(b)
			return false
		}
		from += i + 1
		switch rest := b[from:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			f.looked = from + 1
			return true
		case bytes.HasPrefix(rest, []byte("\r\n")):
			f.looked = from + 2
			return true
		}
	}
}

// measure finds how long the message with this head will be, so that it need not be looked
// at again until it is whole. FrameLength tells only of messages that are, so it is
// shown the head with as many empty bytes as it takes.
func (f *framer) measure(head []byte) error {
	for size := 2 * len(head); ; size *= 2 {
		whole := make([]byte, min(size, f.max))
		copy(whole, head)
		n, err := sip.FrameLength(whole, f.max)
		switch {
		case err != nil:
			return err
		case n > 0:
			f.need = n
			return nil
		case size >= f.max:
			return sip.ErrTooLong
		}
	}
}
