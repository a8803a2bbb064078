package im

import (
	"math"
	"strconv"
	"time"
)

// ID is what a message is kept under: milliseconds since 1970 and a counter, greater than any before, so that the
// order of IDs is the order of archives. Clients see it as a stanza-id (XEP-0359).
type ID int64

// idCounter is how many bits of an ID tell messages of one millisecond apart.
const idCounter = 20

// FirstID is the least ID of a time.
func FirstID(t time.Time) ID {
	ms := min(max(t.UnixMilli(), 0), math.MaxInt64>>idCounter)
	return ID(ms << idCounter)
}

// ParseID reads an ID; ok is false if the text is none.
func ParseID(text string) (id ID, ok bool) {
	if len(text) != idDigits {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 16, 64)
	return ID(n), err == nil && n >= 0 && ID(n).String() == text
}

const idDigits = 16

// String is the ID as text, whose order is that of the IDs.
func (id ID) String() string {
	const digits = "0123456789abcdef"
	var b [idDigits]byte
	for i, n := len(b)-1, uint64(id); i >= 0; i-- {
		b[i] = digits[n&15]
		n >>= 4
	}
	return string(b[:])
}

// Time is when the message came.
func (id ID) Time() time.Time { return time.UnixMilli(int64(id) >> idCounter) }
