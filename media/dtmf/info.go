package dtmf

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The types of body that INFO has keys in.
const (
	RelayType = "application/dtmf-relay"
	PlainType = "application/dtmf"
)

const usual = 160 * time.Millisecond // where a body doesn't say how long

// ReadInfo reads the body of an INFO: "Signal=5" and "Duration=160" in lines, or the key alone.
func ReadInfo(contentType, body string) (key byte, length time.Duration, ok bool) {
	kind, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case RelayType:
		return readRelay(body)
	case PlainType:
		if strings.Contains(body, "=") { // some send the one as the other
			return readRelay(body)
		}
		key, ok = signal(body)
		return key, usual, ok
	}
	return 0, 0, false
}

func readRelay(body string) (key byte, length time.Duration, ok bool) {
	length = usual
	for line := range strings.Lines(body) {
		name, value, found := strings.Cut(line, "=")
		value = strings.TrimSpace(value)
		switch {
		case !found:
		case strings.EqualFold(strings.TrimSpace(name), "signal"):
			if key, ok = signal(value); !ok {
				return 0, 0, false
			}
		case strings.EqualFold(strings.TrimSpace(name), "duration"):
			if ms, err := strconv.ParseUint(value, 10, 16); err == nil && ms > 0 {
				length = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return key, length, ok
}

// signal reads a key, or the number of its event.
func signal(value string) (byte, bool) {
	value = strings.TrimSpace(value)
	if len(value) == 1 {
		if _, ok := Code(value[0]); ok {
			return upper(value[0]), true
		}
		return 0, false
	}
	if n, err := strconv.ParseUint(value, 10, 8); err == nil && n >= 10 {
		return Key(byte(n))
	}
	return 0, false
}

// Info is the body of type RelayType for a key.
func Info(key byte, length time.Duration) string {
	return fmt.Sprintf("Signal=%c\r\nDuration=%d\r\n", key, length.Milliseconds())
}
