package sip

import (
	"bytes"
	"errors"
)

// ErrFraming says that a stream can't be cut into messages.
var ErrFraming = errors.New("sip: stream without a usable Content-Length")

// FrameLength finds the first message's length at the start of a stream's bytes by its
// Content-Length (rfc3261#18.3). It is 0 when more bytes are needed and an error when the
// stream can't be framed (no or bad Content-Length, longer than limit). Leading CRLFs are
// the caller's to take away first.
func FrameLength(b []byte, limit int) (int, error) {
	head := headLength(b)
	if head == 0 && len(b) >= limit || head > limit {
		return 0, ErrTooLong
	}
	if head == 0 {
		return 0, nil
	}
	body, err := contentLength(b[:head], limit)
	if err != nil {
		return 0, err
	}
	switch n := head + body; {
	case n > limit:
		return 0, ErrTooLong
	case n > len(b):
		return 0, nil
	default:
		return n, nil
	}
}

// headLength is the length up to and with the empty line, 0 if that has not come yet.
func headLength(b []byte) int {
	end := 0
	if i := bytes.Index(b, []byte("\n\r\n")); i >= 0 {
		end = i + 3
		b = b[:end]
	}
	if i := bytes.Index(b, []byte("\n\n")); i >= 0 {
		end = i + 2
	}
	return end
}

// contentLength finds the Content-Length in the lines of head. Two of them that differ
// would let two readers see two different messages.
func contentLength(head []byte, limit int) (int, error) {
	found := -1
	for len(head) > 0 {
		var line []byte
		line, head = logicalLine(head)
		name, value, ok := bytes.Cut(line, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if !ok || len(name) > longestName || HeaderByName(string(name)) != HeaderContentLength {
			continue
		}
		n, ok := number(string(bytes.Trim(value, " \t\r\n")), maxMessage)
		if !ok || found >= 0 && found != int(n) {
			return 0, ErrFraming
		}
		if n > uint64(limit) {
			return 0, ErrTooLong
		}
		found = int(n)
	}
	if found < 0 {
		return 0, ErrFraming
	}
	return found, nil
}

// logicalLine takes one line and those that continue it off head.
func logicalLine(head []byte) (line, rest []byte) {
	end := 0
	for {
		n := bytes.IndexByte(head[end:], '\n')
		if n < 0 {
			return head, nil
		}
		end += n + 1
		if end == len(head) || head[end] != ' ' && head[end] != '\t' {
			return head[:end], head[end:]
		}
	}
}
